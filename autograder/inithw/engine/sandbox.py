"""Start workers behind walls, keep their clock, and end them."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import math
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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from inithw.engine import wire
from inithw.engine.folders import ENTRY_BYTES, exceeds, open_folders, remove_tree, sweep
from inithw.engine.records import Limits
from inithw.engine.slots import NoSlotError, Slot, claim_slots, own_processor, processors
from inithw.engine.text import clean
from inithw.engine.wire.plan import REQUIRED, WallPlan

_START_SECONDS = 120
_CONTROL_SECONDS = 30
_EXIT_SECONDS = 5.0
PATIENCE = 5
"""Seconds by the clock for each second of processor time: a slow or busy machine costs nobody anything."""
GRACE_SECONDS = 3.0
_MOST_STARVED = 20  # times as long as a worker may take
_WATCH_SECONDS = 0.05
_WATCH_DISK_SECONDS = 0.01  # a disk takes some 20 MB in that time
_LOOK_SECONDS = 0.25
_SHARE_OF_LOOKING = 20  # looking at many files takes a twentieth of a processor at most
_STOP_SECONDS = 1.0
_LEAST_FREE_BYTES = 1 << 30
_CPUCLOCK_SCHED = 2
_REPLY_LIMIT = 1 << 16
_OPEN_FILES = 64
_NAME_LIMIT = 4096
_PACKAGE = str(Path(__file__).parents[1])
_PR_SET_DUMPABLE = 4
_SIGNAL_NAMES = {number.value: number.name for number in signal.Signals}  # real-time signals have none


class SandboxError(Exception):
    """The sandbox itself failed: never the student's fault."""


@dataclass(frozen=True, slots=True)
class _Allowance:
    """What a worker may use, and where its clocks stood: processor time used, the judge's clock, time starved."""

    seconds: float = math.inf
    patience: float = math.inf
    used: float = 0.0
    since: float = 0.0
    starved: float = 0.0


class WorkerLost(SandboxError):
    """A worker was taken away through no fault of its submission: another may do."""


class Worker:
    """One child process that runs one submission; use as a context manager.

    Attributes:
        connection: Where it answers.
        walls: For each wall `up`, or `down: ` and the reason.
        stopped_because: Why it ended, once it has.
        lost: Whether it ended through no fault of its submission.

    Raises:
        SandboxError: It could not be started, or a wall that must be up is not.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._ended = threading.Event()
        self._end_lock = threading.Lock()
        self._allowance = _Allowance()
        self._used = 0.0
        self.walls: dict[str, str] = {}
        self.stopped_because = ""
        self.lost = False

    def __enter__(self) -> Worker:
        with contextlib.ExitStack() as undo:
            self._slot = self._sandbox.slots.get()
            undo.callback(self._sandbox.slots.put, self._slot)
            processor = undo.enter_context(self._sandbox.processor(self._slot))
            self._places: tuple[str, ...] = ()
            self.scratch = Path(tempfile.mkdtemp(prefix="inithw-"))
            undo.callback(self._clear)
            self.connection, child_end = socket.socketpair()
            undo.callback(self.connection.close)
            with child_end:
                self.pid = self._sandbox.spawn(self._plan(processor), child_end)
            undo.callback(self.end, "it was not needed any more")
            self.walls = self._walls()
            self._places = self._open_places()
            self._undo = undo.pop_all()
        threading.Thread(target=self._keep_watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def end(self, because: str = "", *, lost: bool = False) -> None:
        """Kill the process and whatever else runs under its user.

        Args:
            because: Why; empty to learn it from how the process has ended.
            lost: The submission is not to blame.
        """
        with self._end_lock:
            if self._ended.is_set():
                return
            self._used = self.used_seconds()
            self._ended.set()
            status = self._sandbox.end(self.pid, self._slot.uid, wait=not because)
            if because:
                self.stopped_because, self.lost = because, lost
            else:
                most = self._limits.total_seconds
                self.stopped_because, self.lost = _exit_reason(status.get("status"), self._used, most)

    # ------------------------------------------------------------------ time

    def used_seconds(self) -> float:
        """Processor time of all its threads so far; time by the clock where the system cannot say."""
        if self._ended.is_set():
            return self._used
        if sys.platform != "linux":
            return time.monotonic() - self._started
        with contextlib.suppress(OSError):
            return time.clock_gettime((~self.pid << 3) | _CPUCLOCK_SCHED)  # clock_getcpuclockid(3)
        return self._used

    def allow(self, seconds: float, patience: float) -> None:
        """Let it compute from now on; it is ended when `seconds` of processor time are used up, or `patience` seconds
        by the clock in which it could have run.
        """
        self._allowance = _Allowance(seconds, patience, self.used_seconds(), time.monotonic(), self.starved_seconds())

    def waited_seconds(self) -> float:
        """How long it could have run since `allow` and got no processor; its threads wait for each other besides."""
        passed = time.monotonic() - self._allowance.since
        ran = self.used_seconds() - self._allowance.used
        return min(max(0.0, self.starved_seconds() - self._allowance.starved), max(0.0, passed - ran))

    def _overdue(self, allowed: _Allowance) -> tuple[str, bool]:
        """Why its time is over, empty while it is not, and whether other programs have taken it."""
        if self.used_seconds() > allowed.used + allowed.seconds + GRACE_SECONDS:
            return f"took longer than {allowed.seconds:.0f} s and was stopped", False
        passed, patience = time.monotonic() - allowed.since, allowed.patience + GRACE_SECONDS
        if passed > patience:
            if passed - self.waited_seconds() > patience:
                return f"no answer within {allowed.patience:.0f} s", False
            if passed > _MOST_STARVED * patience:
                return "other programs left it no processor time", True
        return "", False

    def starved_seconds(self) -> float:
        """How long its threads could have run and got no processor."""
        waits = [0.0]
        for thread in _threads(self.pid):
            with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended
                waits.append(int((thread / "schedstat").read_text().split()[1]) / 1e9)
        return max(waits)

    # ------------------------------------------------------------------ start

    def _walls(self) -> dict[str, str]:
        """What it says of its walls, before it runs anything of a student's."""
        self._started = time.monotonic()
        try:
            reply = wire.receive_json(self.connection, _REPLY_LIMIT, time.monotonic() + _CONTROL_SECONDS)
        except wire.WireError as error:
            raise WorkerLost(f"the worker ended before it began: {error}") from error
        if "refused" in reply:
            raise SandboxError(f"{reply['refused']} (`inithw doctor` shows all walls)")
        return dict(reply["walls"])

    def _plan(self, processor: int | None) -> WallPlan:
        limits = self._limits
        return WallPlan(
            uid=self._slot.uid,
            scratch=str(self.scratch),
            readable=self._sandbox.readable,
            memory_bytes=limits.memory_bytes,
            total_seconds=limits.total_seconds,
            scratch_bytes=limits.scratch_bytes,
            scratch_entries=limits.scratch_bytes // ENTRY_BYTES,
            # What is open stays on the disk after its name is removed, unseen: few files, none of them large.
            file_bytes=limits.scratch_bytes // 2,
            open_files=_OPEN_FILES,
            processes=limits.processes,
            processor=processor,
            hidden=(_PACKAGE, self._sandbox.homework_package),
            required=() if self._sandbox.unsandboxed else REQUIRED,
        )

    def _open_places(self) -> tuple[str, ...]:
        """Where it can write besides its own folder."""
        closed = self._slot.uid is None or "up" in (self.walls.get("landlock"), self.walls.get("disk"))
        return () if closed else self._sandbox.open_places()

    # ------------------------------------------------------------------ watch

    def _keep_watch(self) -> None:
        try:
            self._watch()
        except Exception as fault:  # unwatched, it could run for ever
            self.end(f"it could not be watched: {type(fault).__name__}: {fault}", lost=True)

    def _watch(self) -> None:
        """End the worker when it has used its time, or has written too much where the kernel does not bound that."""
        limit = self._limits.scratch_bytes
        watched = self.walls.get("disk") != "up"
        at_first = _free_bytes(self.scratch)
        disks = _one_folder_a_disk([self.scratch, *self._places])
        free: list[int] = []
        next_look = 0.0
        while not self._ended.wait(_WATCH_DISK_SECONDS if watched else _WATCH_SECONDS):
            reason, lost = self._overdue(self._allowance)
            if reason:
                self.end(reason, lost=lost)
            elif watched:
                now, left = time.monotonic(), [_free_bytes(folder) for folder in disks]
                if now < next_look and all(few > before - limit // 2 for few, before in zip(left, free, strict=True)):
                    continue
                if self._holds_too_much():
                    self.end(f"it wrote more than {limit >> 20} MB of files, or hid them in closed or deep folders")
                elif left[0] < min(_LEAST_FREE_BYTES, at_first // 2):
                    self.end(f"the disk of {self.scratch.parent} is full: {left[0] >> 20} MB are free", lost=True)
                took = time.monotonic() - now
                free, next_look = left, now + max(_LOOK_SECONDS, _SHARE_OF_LOOKING * took)

    def _holds_too_much(self) -> bool:
        """Look at its files while it stands still: what moves meanwhile could be missed."""
        with contextlib.suppress(OSError):
            if not self._places and not os.listdir(self.scratch):
                return False
        with self._end_lock:  # so that its number stays its own
            if self._ended.is_set():
                return False
            with contextlib.suppress(ProcessLookupError), self._stopped():
                return exceeds(self.scratch, self._limits.scratch_bytes, self._slot.uid, self._places)
        return False

    @contextlib.contextmanager
    def _stopped(self) -> Iterator[None]:
        os.kill(self.pid, signal.SIGSTOP)
        try:
            until = time.monotonic() + _STOP_SECONDS
            while any(map(_runs, _threads(self.pid))) and time.monotonic() < until:
                time.sleep(0.001)
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def _clear(self) -> None:
        remove_tree(self.scratch)
        if self._places and self._slot.uid is not None:
            sweep(self._slot.uid, self._places)


def _exit_reason(status: Any, used: float, most: float) -> tuple[str, bool]:
    """What an exit status means, and whether the worker was taken away: it cannot send itself SIGKILL.

    Args:
        status: The exit code, minus the signal, `alive`, or None when nobody knows.
        used: Processor time that it had used.
        most: ... and was allowed to.
    """
    if status == "alive":
        return "it closed its connection to the judge", False
    if status in (-signal.SIGXCPU, -signal.SIGKILL) and used >= most - GRACE_SECONDS:
        return f"it used {most:.0f} s of processor time", False
    if not isinstance(status, int) or status == -signal.SIGKILL:
        return "it was killed from outside, perhaps because the machine had no memory left", True
    if status < 0:
        return f"it crashed ({_SIGNAL_NAMES.get(-status, f'signal {-status}')})", False
    return f"it left the process (exit code {status})", False


def _threads(pid: int) -> list[Path]:
    """What the kernel tells of each thread of a process; nothing once it has ended."""
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _runs(thread: Path) -> bool:
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] not in ("T", "Z", "X")
    except (OSError, IndexError):  # it has ended
        return False


def _one_folder_a_disk(folders: Iterable[Path | str]) -> list[Path]:
    """The first of the folders on every file system that they lie on."""
    found: dict[int, Path] = {}
    for folder in map(Path, folders):
        with contextlib.suppress(OSError):
            found.setdefault(folder.stat().st_dev, folder)
    return list(found.values())


def _free_bytes(folder: Path) -> int:
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize


class Sandbox:
    """The pre-loaded process from which workers are forked; use as a context manager.

    It is started on entering, as a clean process of its own, before any key is read. On entering, too, this process
    closes its memory to other processes of its user.

    Args:
        homework: The module of the homework's untrusted half, `Homework.worker`.
        jobs: How many workers may live at once. Each has a processor to itself, and waits until there is one, unless
            there are more jobs than processors: that is asking for them to share.
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
        self.homework_package = os.path.join(self._root, homework.partition(".")[0])
        self._jobs = jobs
        self._places: tuple[str, ...] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Sandbox:
        forbid_inspection()
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

    def refuse_readable(self, paths: Iterable[Path]) -> None:
        """Make sure that students' code could not read these.

        Raises:
            SandboxError: One lies in a folder that every worker may read.
        """
        for path in paths:
            real = path.resolve()
            for tree in map(Path, self.readable):
                if real.is_relative_to(tree.resolve()) and not real.is_relative_to("/proc"):
                    raise SandboxError(
                        f"{clean(str(path), _NAME_LIMIT)} lies in {tree}, a library folder, which students' code may "
                        "read: move it elsewhere"
                    )

    @contextlib.contextmanager
    def processor(self, slot: Slot) -> Iterator[int | None]:
        """The processor on which a worker runs: its own, unless there are more jobs than processors."""
        usable = processors()
        if sys.platform != "linux":
            yield None
        elif self._jobs > len(usable):
            yield usable[slot.number % len(usable)]
        else:
            try:
                with own_processor(lambda: self._closed) as number:
                    yield number
            except NoSlotError as reason:
                raise SandboxError(str(reason)) from reason

    def open_places(self) -> tuple[str, ...]:
        """The folders of this machine in which everybody may write; looked for once."""
        with self._lock:
            if self._places is None:
                self._places = open_folders()
        return self._places

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
                self._process.kill()
                raise WorkerLost(f"the pre-loaded worker did not fork: {error}") from error
        return int(reply["pid"])

    def end(self, pid: int, uid: int | None, wait: bool) -> dict[str, Any]:
        """Kill and collect a worker; its exit status, or `alive` when it had not ended by itself.

        Args:
            pid: The worker.
            uid: Its user, of whom everything is killed.
            wait: It seems to be about to end by itself: give it the time.
        """
        until = time.monotonic() + _EXIT_SECONDS
        while wait and not self._ask({"ended": pid}).get("ended", True) and time.monotonic() < until:
            time.sleep(0.002)  # not under the lock: a worker that sleeps holds nobody up
        return self._ask({"end": pid, "uid": uid})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the pre-loaded process replies; nothing when it is gone."""
        with self._lock:
            try:
                self._control.sendall(b"a")
                wire.send_json(self._control, request)
                return wire.receive_json(self._control, _REPLY_LIMIT, time.monotonic() + _CONTROL_SECONDS)
            except (wire.WireError, OSError):
                self._process.kill()  # all its children die with it; the next submission gets a new one
                return {}

    def _start(self) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_stop`
        self._control, far_end = socket.socketpair()
        # Isolated as by -I, but for PYTHONHASHSEED: the environment is ours.
        command = [sys.executable, "-s", "-P", "-m", "inithw.engine.worker"]
        self._process = subprocess.Popen(
            [*command, str(far_end.fileno()), self._homework, self._root],
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
    # Not their prefix: an environment may have been made in the folder of the whole course.
    trees |= {path for prefix in (sys.prefix, sys.base_prefix) for path in _shared_libraries(prefix)}
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


def _shared_libraries(prefix: str) -> Iterator[str]:
    """What libraries of an interpreter or environment link to: `libpython`, and all that conda puts there."""
    for folder in ("lib", "lib64"):
        for path in Path(prefix, folder).glob("*.so*"):
            yield str(path)


def forbid_inspection() -> None:
    """Close this process's memory and /proc files, where the key is, to other processes of its user."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
