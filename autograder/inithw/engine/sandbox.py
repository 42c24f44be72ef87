"""Start workers behind walls, keep their clock, and end them."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import queue
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from inithw.engine import wire
from inithw.engine.folders import exceeds, remove_tree, sweep
from inithw.engine.records import Limits
from inithw.engine.slots import NoSlotError, Slot, claim_slots
from inithw.engine.wire.plan import REQUIRED, WallPlan

_START_SECONDS = 120
_CONTROL_SECONDS = 30
_WATCH_SECONDS = 0.25
_REPLY_LIMIT = 1 << 16
_OPEN_FILES = 64
_PACKAGE = str(Path(__file__).parents[1])
_PR_SET_DUMPABLE = 4
_SIGNAL_NAMES = {number.value: number.name for number in signal.Signals}  # real-time signals have none


class SandboxError(Exception):
    """The sandbox itself failed: never the student's fault."""


class Worker:
    """One child process that runs one submission; use as a context manager.

    Attributes:
        connection: Where it answers.
        walls: For each wall `up`, or `down: ` and the reason.
        stopped_because: Why it ended, once it has.

    Raises:
        SandboxError: It could not be started, or a wall that must be up is not.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._ended = threading.Event()
        self._end_lock = threading.Lock()
        self.walls: dict[str, str] = {}
        self.stopped_because = ""

    def __enter__(self) -> Worker:
        with contextlib.ExitStack() as undo:
            self._slot = self._sandbox.slots.get()
            undo.callback(self._sandbox.slots.put, self._slot)
            self.scratch = Path(tempfile.mkdtemp(prefix="inithw-"))
            undo.callback(self._clear)
            self.connection, child_end = socket.socketpair()
            undo.callback(self.connection.close)
            with child_end:
                self.pid = self._sandbox.spawn(self._plan(), child_end)
            undo.callback(self.end)
            self.walls = self._walls()
            self._undo = undo.pop_all()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def end(self, because: str = "") -> None:
        """Kill the process and whatever else runs under its user."""
        with self._end_lock:
            if self._ended.is_set():
                return
            self.stopped_because = because
            self._ended.set()
            status = self._sandbox.end(self.pid, self._slot.uid)
        if not because:
            self.stopped_because = _exit_reason(int(status.get("status", 0)))

    def _walls(self) -> dict[str, str]:
        """What it says of its walls, before it runs anything of a student's."""
        try:
            reply = wire.receive_json(self.connection, _REPLY_LIMIT, time.monotonic() + _CONTROL_SECONDS)
        except wire.WireError as error:
            raise SandboxError(f"the worker ended before it began: {error}") from error
        if "refused" in reply:
            raise SandboxError(f"{reply['refused']} (`inithw doctor` shows all walls)")
        return dict(reply["walls"])

    def _plan(self) -> WallPlan:
        limits = self._limits
        return WallPlan(
            uid=self._slot.uid,
            scratch=str(self.scratch),
            readable=self._sandbox.readable,
            memory_bytes=limits.memory_bytes,
            total_seconds=limits.total_seconds,
            # What is open stays on the disk after its name is removed, unseen: few files, none of them large.
            file_bytes=limits.scratch_bytes // 2,
            open_files=_OPEN_FILES,
            processes=limits.processes,
            processor=self._slot.processor,
            hidden=(_PACKAGE,),
            required=() if self._sandbox.unsandboxed else REQUIRED,
        )

    def _watch(self) -> None:
        """End the worker when its folder grows over the bound: a file-size limit alone does not bound many files."""
        limit = self._limits.scratch_bytes
        while not self._ended.wait(_WATCH_SECONDS):
            if exceeds(self.scratch, limit):
                self.end(f"it wrote more than {limit >> 20} MB of files, or hid them in closed or very deep folders")

    def _clear(self) -> None:
        remove_tree(self.scratch)
        if self._slot.uid is not None and self.walls.get("landlock") != "up":
            sweep(self._slot.uid)


class Sandbox:
    """The pre-loaded process from which workers are forked; use as a context manager.

    It is started on entering, as a clean process of its own, before any key is read. On entering, too, this process
    closes its memory to other processes of its user.

    Args:
        homework: The module of the homework's untrusted half, `Homework.worker`.
        jobs: How many workers may live at once.
        unsandboxed: Agree to run without the walls that this system has not got.

    Raises:
        SandboxError: The system has no walls and `unsandboxed` was not said, or cannot run workers at all.
    """

    def __init__(self, homework: str, jobs: int = 1, *, unsandboxed: bool = False) -> None:
        if not hasattr(os, "fork"):
            raise SandboxError(f"this system ({sys.platform}) cannot fork processes: grade on Linux (or in WSL)")
        if sys.platform != "linux" and not unsandboxed:
            raise SandboxError(
                f"this system ({sys.platform}) has none of the walls that keep students' code in: grade on Linux. With "
                "--allow-unsandboxed students' code runs with all your rights: it can read, change and send away your "
                "files, and forge its grade"
            )
        self.unsandboxed = unsandboxed
        self.readable = _readable_trees()
        self._homework, self._root = homework, _package_root(homework)
        self._jobs = jobs
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Sandbox:
        _forbid_inspection()
        self.slots: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        try:
            self._claimed = claim_slots(self._jobs)
        except NoSlotError as reason:
            raise SandboxError(str(reason)) from reason
        for slot in self._claimed:
            self.slots.put(slot)
        self._start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        self._process.kill()  # who waits for it under the lock gives up at once
        with self._lock:  # who has found it dead may just have started another
            self._stop()
        for slot in self._claimed:
            if slot.claim is not None:
                slot.claim.close()

    def spawn(self, plan: WallPlan, child_end: socket.socket) -> int:
        """Fork a worker that talks through `child_end`; its process id."""
        with self._lock:
            if self._closed:
                raise SandboxError("grading was stopped")
            if self._process.poll() is not None:
                self._stop()
                self._start()
            self._await_ready()
            try:
                socket.send_fds(self._control, [b"s"], [child_end.fileno()])
                wire.send_json(self._control, {"spawn": plan.to_json()})
                reply = wire.receive_json(self._control, _REPLY_LIMIT, time.monotonic() + _CONTROL_SECONDS)
            except (wire.WireError, OSError) as error:
                raise SandboxError(f"the pre-loaded worker did not fork: {error}") from error
        return int(reply["pid"])

    def end(self, pid: int, uid: int | None) -> dict[str, Any]:
        """Kill and collect a worker; its exit status."""
        with self._lock:
            try:
                self._control.sendall(b"e")
                wire.send_json(self._control, {"end": pid, "uid": uid})
                return wire.receive_json(self._control, _REPLY_LIMIT, time.monotonic() + _CONTROL_SECONDS)
            except (wire.WireError, OSError):
                self._process.kill()  # all its children die with it; the next submission gets a new one
                return {}

    def _start(self) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_stop`
        self._control, far_end = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", "inithw.engine.worker", str(far_end.fileno()), self._homework, self._root],
            pass_fds=[far_end.fileno()],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            cwd="/",  # not where submissions may lie: libraries look for settings in the current folder
            start_new_session=True,  # Ctrl-C reaches the judge alone, which then ends its workers
        )
        far_end.close()
        self._ready = False

    def _await_ready(self) -> None:
        """Wait until the pre-loaded process has imported everything; the first submission waits for it."""
        if self._ready:
            return
        try:
            wire.receive_json(self._control, _REPLY_LIMIT, time.monotonic() + _START_SECONDS)
        except wire.WireError as error:
            raise SandboxError(f"the worker did not start: {self._complaint() or error}") from error
        self._ready = True

    def _complaint(self) -> str:
        """The last line that the pre-loaded process wrote to its stderr."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        self._complaints.seek(0)
        return (self._complaints.read()[-4000:].decode(errors="replace").strip().splitlines() or [""])[-1]

    def _stop(self) -> None:
        self._control.close()
        self._complaints.close()
        self._process.kill()  # it has nothing to put in order, and its children die with it
        self._process.wait()


def _package_root(module: str) -> str:
    """The folder in which a module's outermost package lies.

    Raises:
        SandboxError: There is no such module.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise SandboxError(f"the homework's worker module {module} is not installed")
    return str(Path(spec.origin).parents[module.count(".") + (spec.submodule_search_locations is not None)])


def _exit_reason(status: int) -> str:
    if status >= 0:
        return f"it left the process (exit code {status})"
    if -status == signal.SIGKILL:
        return "it was killed, most likely for using too much memory"
    return f"it crashed ({_SIGNAL_NAMES.get(-status, f'signal {-status}')})"


def _environment() -> dict[str, str]:
    """A clean environment: one thread for every numeric library, nothing of the judge's."""
    libraries = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    # The limit holds also after torch.set_num_threads(4): OpenMP ends a process that cannot start the threads it wants.
    threads = dict.fromkeys(["OMP_THREAD_LIMIT", *(f"{library}_NUM_THREADS" for library in libraries)], "1")
    kept = {name: os.environ[name] for name in ("HOME", "OPENBLAS_CORETYPE", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0",
        **threads,
        **kept,
    }


def _readable_trees() -> tuple[str, ...]:
    """What a notebook's code needs to read: interpreter, libraries, fonts; no home, no submissions."""
    paths = sysconfig.get_paths()
    trees = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    trees |= {sys.prefix, sys.base_prefix}
    trees |= {
        "/usr/lib",
        "/lib",
        "/lib64",
        "/usr/lib64",
        "/usr/local/lib",
        "/usr/share/fonts",
        "/usr/share/zoneinfo",
    }
    trees |= {"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/etc/localtime", "/etc/ld.so.cache"}
    trees |= {"/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"}
    return tuple(sorted(tree for tree in trees if os.path.exists(tree)))


def _forbid_inspection() -> None:
    """Close this process's memory and /proc files, where the key is, to other processes of its user."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
