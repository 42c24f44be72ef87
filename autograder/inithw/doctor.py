"""Measure what each wall keeps out on this machine, by trying to get past it.

Every attempt is made by a fresh process: without walls, where it must succeed to prove anything, behind its wall
alone, and behind all of them.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inithw.engine.wire.plan import REQUIRED, WallPlan
from inithw.engine.worker.walls import WALLS, raise_walls

TOGETHER = "all together"
_ATTEMPT_SECONDS = 30  # generous: a machine under load
_PROBE_SECONDS = 300
_SECRET = "canary"
_GOT_THROUGH = 42
_NOBODYS_UID = 64999
_MEMORY, _CPU_SECONDS, _FILE_SIZE, _ENTRIES, _OPEN_FILES, _THREADS = 256 << 20, 1, 1 << 20, 100, 64, 16


class DoctorError(Exception):
    """The walls could not be measured."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was measured of one wall.

    Attributes:
        name: As in `walls.WALLS`, or `TOGETHER`.
        state: `up` keeps everything out that was tried, `partly` some of it, `down` nothing.
        keeps_out: What was tried and refused, though it succeeds without the wall.
        detail: Why it is down, or what got through.
    """

    name: str
    state: Literal["up", "partly", "down"]
    keeps_out: tuple[str, ...]
    detail: str


def examine(uid: int | None = None) -> list[Finding]:
    """Try the walls of this machine, in a fresh interpreter like the worker's.

    Args:
        uid: User that the child shall become; None for one without an account when we are root, else for ourselves.

    Raises:
        DoctorError: The measuring process failed.
    """
    if sys.platform != "linux":
        reason = f"this system ({sys.platform}) has none of these walls, Linux has"
        return [Finding(name, "down", (), reason) for name in (*_ATTEMPTS, TOGETHER)]
    if uid is None and os.geteuid() == 0:
        uid = _NOBODYS_UID
    command = [sys.executable, "-I", "-m", "inithw.doctor", *([] if uid is None else [str(uid)])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise DoctorError(f"the walls could not be measured: {last}") from error
    except subprocess.TimeoutExpired as error:
        raise DoctorError(f"the walls could not be measured in {_PROBE_SECONDS} s") from error
    return [Finding(**{**row, "keeps_out": tuple(row["keeps_out"])}) for row in json.loads(done.stdout)]


def print_findings(findings: list[Finding], console: Console) -> bool:
    """Print which walls are up and what each keeps out; whether students' code will be run behind them."""
    table = Table(title="Walls around students' code, tried one by one", title_justify="left", show_lines=True)
    table.add_column("wall", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("keeps out")
    for finding in findings:
        color = {"up": "green", "partly": "yellow", "down": "red"}[finding.state]
        kept = (
            f"{len(finding.keeps_out)} of these attempts" if finding.name == TOGETHER else ", ".join(finding.keeps_out)
        )
        table.add_row(
            finding.name, f"[{color}]{finding.state}[/]", escape("; ".join(filter(None, [kept, finding.detail])))
        )
    console.print(table)
    up = {finding.name for finding in findings if finding.state != "down"}
    missing = [group for group in REQUIRED if not up & set(group)]
    if up and "landlock" not in up:
        console.print(
            "Without Landlock, students' code can read what every user of this machine can read, and write where every "
            "user can: keep submissions and solutions in folders closed to others (chmod 700)."
        )
    if up and "disk" not in up:
        console.print("Students' code has no disk of its own: the judge measures what it writes, and ends it.")
    if up and "uid" not in up:
        console.print("Students' code runs as your user. Grade as root to give each submission a user of its own.")
    for group in missing:
        console.print(f"[red]Grading is refused here[/]: {' or '.join(group)} must be up.")
    if not missing:
        console.print("[green]Submissions can be graded here.[/]")
    return not missing


# ---------------------------------------------------------------- what is there to be got at


@dataclass(frozen=True, slots=True)
class _Targets:
    """What attempts aim at; all of it the measuring process's own.

    Attributes:
        judge: The measuring process.
        closed: File that only its user may read.
        shared: Folder in which every user may write, with a file `secret` that every user may read.
        port: Of a TCP server on this machine.
        descriptor: Open for reading.
    """

    judge: int
    closed: Path
    shared: Path
    port: int
    descriptor: int


_Attempt = Callable[[_Targets], object]


def _must(held: bool) -> None:
    if not held:
        raise PermissionError


def _call(name: str, *arguments: object) -> int:
    result = int(ctypes.CDLL(None)[name](*arguments))
    _must(result >= 0)
    return result


def _sees_memory(_: _Targets) -> None:
    other = os.fork()
    if not other:
        time.sleep(_ATTEMPT_SECONDS)
        os._exit(0)
    try:
        os.close(os.open(f"/proc/{other}/mem", os.O_RDONLY))
    finally:
        os.kill(other, signal.SIGKILL)


def _spins(_: _Targets) -> None:
    while time.process_time() < 1.5 * _CPU_SECONDS:
        pass


def _writes_big_file(_: _Targets) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(bytes(_FILE_SIZE + 1))


def _starts_threads(_: _Targets) -> None:
    threading.stack_size(1 << 16)  # so that memory does not run out first
    end = threading.Event()
    try:
        for _count in range(_THREADS + 1):
            threading.Thread(target=end.wait, daemon=True).start()
    finally:
        end.set()


def _forks(_: _Targets) -> None:
    if not os.fork():
        os._exit(0)


def _runs_program(_: _Targets) -> None:
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", f"import os; os._exit({_GOT_THROUGH})"])


def _opens_socket(family: int, kind: int) -> _Attempt:
    return lambda _: socket.socket(family, kind).close()


def _reads_judge_memory(targets: _Targets) -> None:
    here, there = ctypes.create_string_buffer(8), (ctypes.c_size_t * 2)(id(_SECRET), 8)  # its parent has it there too
    local = (ctypes.c_size_t * 2)(ctypes.addressof(here), 8)
    _call("process_vm_readv", targets.judge, local, 1, there, 1, 0)


def _changes_mode(_: _Targets) -> None:
    Path("mode").touch()
    os.chmod("mode", 0o7777)
    _must(Path("mode").stat().st_mode & 0o7777 == 0o7777)


def _truncates_reading(_: _Targets) -> None:
    Path("text").write_text(_SECRET)
    os.close(os.open("text", os.O_RDONLY | os.O_TRUNC))


_SHMGET_PRIVATE, _SHM_SIZE, _CLONE_NEWNS, _CLONE_NEWUSER = 0, 4096, 0x20000, 0x10000000
_GET_NO_NEW_PRIVS = 39


def _makes_shared_memory(_: _Targets) -> None:
    segment = _call("shmget", _SHMGET_PRIVATE, _SHM_SIZE, 0o600)
    _call("shmctl", segment, 0, None)  # IPC_RMID


def _writes_many_files(_: _Targets) -> None:
    for number in range(16):
        Path(f"file-{number}").write_bytes(bytes(_FILE_SIZE))


def _makes_many_files(_: _Targets) -> None:
    for number in range(_ENTRIES + 1):
        Path(f"empty-{number}").touch()


_ATTEMPTS: dict[str, dict[str, _Attempt]] = {
    "disk": {
        "many files": _writes_many_files,
        "files without number": _makes_many_files,
        "new files in other folders": lambda t: (t.shared / f"new-{os.getpid()}").touch(),
        "changing files that all may change": lambda t: (t.shared / "secret").write_text(_SECRET),
    },
    "no_new_privs": {
        "gaining rights through set-uid programs": lambda _: _must(_call("prctl", _GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0),
    },
    "uid": {
        "reading the judge's closed files": lambda t: t.closed.read_text(),
        "changing the judge's closed files": lambda t: t.closed.open("a").close(),
        "signals to the judge": lambda t: os.kill(t.judge, 0),
        "becoming root": lambda _: os.setuid(0),
    },
    "capabilities": {
        "changing the root folder": lambda t: os.chroot(t.shared),
        "mounting": lambda _: _call("unshare", _CLONE_NEWNS),
        "becoming another user": lambda _: os.setuid(os.getuid() + 1),
    },
    "unseen": {"reading a neighbour's memory through /proc": _sees_memory},
    "limits": {
        "memory without end": lambda _: mmap.mmap(-1, _MEMORY + (64 << 20)).close(),
        "time without end": _spins,
        "files without end": _writes_big_file,
        "descriptors without end": lambda _: [os.dup(0) for _count in range(_OPEN_FILES + 1)],
        "threads without end": _starts_threads,
    },
    "landlock": {
        "reading outside": lambda t: (t.shared / "secret").read_text(),
        "writing outside": lambda t: (t.shared / "secret").write_text(_SECRET),
        "new files outside": lambda t: (t.shared / f"new-{os.getpid()}").touch(),
        "running programs": _runs_program,
        "TCP connections": lambda t: socket.create_connection(("127.0.0.1", t.port)).close(),
        "signals to the judge": lambda t: os.kill(t.judge, 0),
        "reading the judge's memory": _reads_judge_memory,
    },
    "seccomp": {
        "running programs": _runs_program,
        "new processes": _forks,
        "internet sockets": _opens_socket(socket.AF_INET, socket.SOCK_STREAM),
        "datagrams": _opens_socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix sockets": _opens_socket(getattr(socket, "AF_UNIX", 1), socket.SOCK_STREAM),
        "signals to the judge": lambda t: os.kill(t.judge, 0),
        "reading the judge's memory": _reads_judge_memory,
        "user namespaces": lambda _: _call("unshare", _CLONE_NEWUSER),
        "memory that outlives it": _makes_shared_memory,
        "changing modes": _changes_mode,
        "links": lambda _: os.symlink("/etc/passwd", "link"),
        "emptying files opened to read": _truncates_reading,
    },
    "descriptors": {"using what the judge has open": lambda t: os.fstat(t.descriptor)},
}
# Some walls show only where others are up: a process with all capabilities sees and starts what it likes, and
# Landlock rests on no_new_privs.
_BESIDE = {"unseen": ("uid", "capabilities"), "limits": ("uid", "capabilities"), "landlock": ("no_new_privs",)}


# ---------------------------------------------------------------- the measuring process


@dataclass(frozen=True, slots=True)
class _Prober:
    """Makes attempts in forks of this process."""

    folder: Path
    targets: _Targets
    uid: int | None

    def row(self, name: str, walls: tuple[str, ...], attempts: dict[str, _Attempt]) -> Finding:
        """Try `attempts` behind `walls`."""
        state_or_reason = self._report(walls).get(name, "up")
        if state_or_reason != "up":
            return Finding(name, "down", (), state_or_reason.removeprefix("down: "))
        through = [what for what, attempt in attempts.items() if self.passes(attempt, walls)]
        kept = tuple(what for what in attempts if what not in through)
        if not attempts:
            return Finding(name, "up", (), "everything tried fails for this user without it, too")
        state: Literal["up", "partly", "down"] = "up" if not through else "partly" if kept else "down"
        return Finding(name, state, kept, f"does not keep out {', '.join(through)}" if through else "")

    def passes(self, attempt: _Attempt, walls: tuple[str, ...]) -> bool:
        """Whether a fresh process behind `walls` succeeds."""
        return os.waitstatus_to_exitcode(self._fork(walls, lambda _report: attempt(self.targets))) == _GOT_THROUGH

    def _report(self, walls: tuple[str, ...]) -> dict[str, str]:
        reader, writer = os.pipe()
        self._fork(walls, lambda report: os.write(writer, json.dumps(report).encode()), keep=writer)
        os.close(writer)
        with open(reader) as file:
            return dict(json.loads(file.read()))

    def _fork(self, walls: tuple[str, ...], action: Callable[[dict[str, str]], object], keep: int = 2) -> int:
        """The exit status of a fork that raises `walls` and acts."""
        scratch = tempfile.mkdtemp(dir=self.folder)
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1]
        try:
            signal.alarm(_ATTEMPT_SECONDS)
            action(raise_walls(self._plan(scratch, keep), walls))
            os._exit(_GOT_THROUGH)
        finally:
            os._exit(0)

    def _plan(self, scratch: str, keep: int) -> WallPlan:
        prefixes = {sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc/self"}
        return WallPlan(
            uid=self.uid,
            scratch=scratch,
            readable=tuple(sorted(prefixes)),
            memory_bytes=_MEMORY,
            total_seconds=_CPU_SECONDS,
            scratch_bytes=8 * _FILE_SIZE,
            scratch_entries=_ENTRIES,
            file_bytes=_FILE_SIZE,
            open_files=_OPEN_FILES,
            processes=_THREADS,
            keep=(keep,),
            required=(),
        )


def _measure(folder: Path, uid: int | None) -> list[Finding]:
    closed, shared = folder / "closed", folder / "shared"
    closed.write_text(_SECRET)
    closed.chmod(0o600)
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "secret").write_text(_SECRET)
    (shared / "secret").chmod(0o666)
    folder.chmod(0o755)
    rows: list[Finding] = []
    all_attempts: dict[str, _Attempt] = {}
    with socket.create_server(("127.0.0.1", 0)) as server, closed.open() as opened:
        prober = _Prober(folder, _Targets(os.getpid(), closed, shared, server.getsockname()[1], opened.fileno()), uid)
        for wall, attempts in _ATTEMPTS.items():
            telling = {what: attempt for what, attempt in attempts.items() if prober.passes(attempt, ())}
            raised = tuple(name for name in WALLS if name in (wall, *_BESIDE.get(wall, ())))
            rows.append(prober.row(wall, raised, telling))
            if wall != "disk" or rows[-1].state != "down":  # else the judge watches what is written
                all_attempts |= telling
        rows.append(prober.row(TOGETHER, tuple(WALLS), all_attempts))
    return rows


def _main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="inithw-doctor-"))
    try:
        rows = _measure(folder, int(sys.argv[1]) if sys.argv[1:] else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    _main()
