"""The pre-loaded process: imports what notebooks import, then forks one walled child per submission.

Started as `python -s -P -m inithw.engine.worker FD MODULE ROOT` with one end of a socket pair, and the homework's
module of this side with the folder in which its package lies; ends when the judge closes the other end.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

from inithw.engine import wire
from inithw.engine.wire.plan import WallPlan

_REQUEST_LIMIT = 1 << 16
_PR_SET_PDEATHSIG = 1
_USUAL = (
    *("colorsys", "functools", "json", "random", "matplotlib.pyplot", "tqdm.auto", "tqdm.notebook"),
    *("torch.utils.data", "IPython.core.debugger", "IPython.terminal.embed"),
)
"""What notebooks import, and what stand-ins are put into."""


def main() -> None:
    """Serve `spawn`, `ended` and `end` requests until the judge is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _die_with_parent()
    preloaded = _preload(*sys.argv[2:])
    children: set[int] = set()
    wire.send_json(control, {"ready": True})
    with contextlib.suppress(wire.ClosedError):
        while True:
            message, descriptors, _flags, _address = socket.recv_fds(control, 1, 1)
            if not message:
                break
            request = wire.receive_json(control, _REQUEST_LIMIT)
            if "spawn" in request:
                plan = WallPlan.from_json(request["spawn"])
                children.add(pid := _spawn(plan, descriptors[0], control, *preloaded))
                wire.send_json(control, {"pid": pid})
            elif "ended" in request:
                wire.send_json(control, {"ended": _has_ended(request["ended"], children)})
            else:
                wire.send_json(control, _end(request["end"], request["uid"], children))


def _preload(module: str, root: str) -> tuple[Any, ModuleType]:
    """Import what notebooks import and the homework's half of this side; the shell and that module.

    What is imported here costs no submission any time, and works even where the unprivileged child could not read the
    interpreter's folder.
    """
    import matplotlib
    import torch

    import inithw.engine.worker.session
    import inithw.engine.worker.walls  # noqa: F401 - looks for libseccomp by running a program
    from inithw.engine.worker import seeds
    from inithw.engine.worker.shell import GradingShell

    matplotlib.use("Agg")
    import_usual()
    sys.path.append(root)
    homework = importlib.import_module(module)
    sys.path.remove(root)
    torch.set_num_threads(1)
    with contextlib.suppress(RuntimeError):
        torch.set_num_interop_threads(1)
    torch.set_num_interop_threads = lambda count: None  # torch allows it once: a notebook that also does is right
    seeds.install()
    shell = GradingShell.instance()
    for source in homework.Answers.handout:
        shell.plain(source)
    gc.collect()
    gc.freeze()  # or the first collection in a child writes to, and so copies, all that it shares with this process
    return shell, homework


def import_usual() -> None:
    """Import what notebooks import: once, not in each process that is forked."""
    for name in _USUAL:
        importlib.import_module(name)


def _spawn(plan: WallPlan, descriptor: int, control: socket.socket, shell: Any, homework: ModuleType) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(descriptor)
        return pid
    status = 1
    try:
        control.close()
        _child(plan, socket.socket(fileno=descriptor), shell, homework, parent)
        status = 0
    except BaseException as error:
        with contextlib.suppress(BaseException):
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(status)


def _child(plan: WallPlan, connection: socket.socket, shell: Any, homework: ModuleType, parent: int) -> None:
    from inithw.engine.worker import seeds
    from inithw.engine.worker.session import Session
    from inithw.engine.worker.walls import WallsDownError, raise_walls

    try:
        walls = raise_walls(replace(plan, keep=(connection.fileno(),)))
    except WallsDownError as error:
        wire.send_json(connection, {"refused": str(error)})
        return
    if os.getppid() != parent:  # it died before its death could be made ours
        return
    seeds.seed_all(0)  # `random` has drawn a seed of its own after the fork
    session = Session(shell, connection, homework)
    wire.send_json(connection, {"walls": walls})  # from here on, what ends it is the submission's doing
    session.run()


def _end(pid: int, uid: int | None, children: set[int]) -> dict[str, Any]:
    """Kill a child and whatever else runs under its uid, and collect it."""
    ended = _has_ended(pid, children)
    if uid is not None:
        _kill_all_of(uid)
    if pid not in children:  # of a process before this one: the number may be anybody's by now
        return {}
    children.remove(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _pid, status = os.waitpid(pid, 0)
    return {"status": os.waitstatus_to_exitcode(status) if ended else "alive"}


def _has_ended(pid: int, children: set[int]) -> bool:
    """Whether a child has ended by itself; it is not collected yet."""
    return pid not in children or os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_all_of(uid: int) -> None:
    killer = os.fork()
    if not killer:
        with contextlib.suppress(OSError):
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(killer, 0)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
