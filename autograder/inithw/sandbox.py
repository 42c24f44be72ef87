"""Start workers behind walls, keep their clock, and end them."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
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

from inithw import wire
from inithw.records import Limits

_FIRST_UID = 64000
_START_SECONDS = 120
_CONTROL_SECONDS = 30
_WATCH_SECONDS = 0.25
_REPLY_LIMIT = 1 << 16


class SandboxError(Exception):
    """The sandbox itself failed: never the student's fault."""


class Worker:
    """One child process that runs one submission; use as a context manager."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._ended = threading.Event()
        self._end_lock = threading.Lock()
        self.stopped_because = ""
        self.peak_kilobytes = 0

    def __enter__(self) -> Worker:
        self.uid = self._sandbox.uids.get()
        self.scratch = Path(tempfile.mkdtemp(prefix="inithw-"))
        if self.uid is not None:
            os.chown(self.scratch, self.uid, self.uid)
        self.connection, child_end = socket.socketpair()
        try:
            self.pid = self._sandbox.spawn(self._plan(), child_end)
        except BaseException:
            self._release()
            raise
        finally:
            child_end.close()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._release()

    def end(self, because: str = "") -> None:
        """Kill the process and whatever else runs under its user."""
        with self._end_lock:
            if self._ended.is_set():
                return
            self.stopped_because = because
            self._ended.set()
            status = self._sandbox.end(self.pid, self.uid)
        self.peak_kilobytes = int(status.get("peak_kilobytes", 0))
        if not because:
            self.stopped_because = _exit_reason(int(status.get("status", 0)))

    def _plan(self) -> dict[str, Any]:
        limits = self._limits
        return {
            "uid": self.uid,
            "scratch": str(self.scratch),
            "readable": self._sandbox.readable,
            "address_space": limits.memory_bytes,
            "cpu_seconds": int(limits.total_seconds),
            "file_size": limits.scratch_bytes,
            "open_files": 256,
            "processes": limits.processes,
        }

    def _watch(self) -> None:
        """End the worker when its folder grows over the bound: a file-size limit alone does not bound many files."""
        while not self._ended.wait(_WATCH_SECONDS):
            if _size(self.scratch) > self._limits.scratch_bytes:
                self.end(f"it wrote more than {self._limits.scratch_bytes >> 20} MB of files")

    def _release(self) -> None:
        self.connection.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._sandbox.uids.put(self.uid)


class Sandbox:
    """The pre-loaded process from which workers are forked; use as a context manager.

    It is started on entering, as a clean process of its own, before any key is read.

    Args:
        jobs: How many workers may live at once.
        unsandboxed: Agree to run without walls where the system has none.
    """

    def __init__(self, jobs: int = 1, *, unsandboxed: bool = False) -> None:
        if sys.platform != "linux" and not unsandboxed:
            raise SandboxError(
                f"this system ({sys.platform}) has none of the walls that keep students' code in: grade on Linux, or "
                "pass --allow-unsandboxed to run it with all your rights"
            )
        self.uids: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        for slot in range(jobs):
            self.uids.put(_FIRST_UID + slot if hasattr(os, "geteuid") and os.geteuid() == 0 else None)
        self.readable = _readable_trees()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Sandbox:
        self._start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        self._stop()

    def spawn(self, plan: dict[str, Any], child_end: socket.socket) -> int:
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
                wire.send_json(self._control, {"spawn": plan})
                reply = wire.receive_json(self._control, _REPLY_LIMIT, time.monotonic() + _CONTROL_SECONDS)
            except (wire.WireError, OSError) as error:
                raise SandboxError(f"the pre-loaded worker did not fork: {error}") from error
        return int(reply["pid"])

    def end(self, pid: int, uid: int | None) -> dict[str, Any]:
        """Kill and collect a worker; its exit status and peak memory."""
        with self._lock, contextlib.suppress(wire.WireError, OSError):
            self._control.sendall(b"e")
            wire.send_json(self._control, {"end": pid, "uid": uid})
            return wire.receive_json(self._control, _REPLY_LIMIT, time.monotonic() + _CONTROL_SECONDS)
        return {}

    def _start(self) -> None:
        self._complaints = tempfile.TemporaryFile()
        self._control, far_end = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", "inithw.worker", str(far_end.fileno())],
            pass_fds=[far_end.fileno()],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
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
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _exit_reason(status: int) -> str:
    if status >= 0:
        return f"it left the process (exit code {status})"
    if -status == signal.SIGKILL:
        return "it was killed, most likely for using too much memory"
    return f"it crashed ({signal.Signals(-status).name})"


def _environment() -> dict[str, str]:
    """A clean environment: one thread for every numeric library, nothing of the judge's."""
    threads = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"], "1")
    kept = {name: os.environ[name] for name in ("HOME", "OPENBLAS_CORETYPE", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0",
        **threads,
        **kept,
    }


def _readable_trees() -> list[str]:
    """What a notebook's code needs to read: interpreter, libraries, fonts; no home, no submissions."""
    paths = sysconfig.get_paths()
    trees = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    trees |= {sys.prefix, sys.base_prefix, str(Path(__file__).parent)}
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
    return sorted(tree for tree in trees if os.path.exists(tree))


def _size(folder: Path) -> int:
    total, pending = 0, [folder]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    total += max(entry.stat(follow_symlinks=False).st_size, 512)
    return total
