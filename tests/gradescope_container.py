"""Gradescope's container in small: its folder, its build, and its limits of memory and processor time."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MEMORY = 768 << 20  # bytes; https://gradescope-autograders.readthedocs.io/en/latest/troubleshooting/
PROCESSORS = 0.5
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Run:
    """One run of run_autograder.

    Attributes:
        results: What results.json holds; None when there is none, or it is not JSON.
        log: What was printed.
        seconds: From the start of run_autograder to its end.
        processor: Seconds of processor time, of all processes.
        peak: Bytes that all processes together had in use at most; None where that cannot be measured.
    """

    results: dict | None
    log: str
    seconds: float
    processor: float
    peak: int | None


class Container:
    """The folder /autograder, somewhere else; removed by `remove`."""

    def __init__(self, archive: Path) -> None:
        """Unpack the zip as Gradescope does."""
        self.root = Path(tempfile.mkdtemp(prefix="autograder-", dir=roomy_memory()))
        self.root.chmod(0o755)
        with zipfile.ZipFile(archive) as files:
            for entry in files.infolist():
                Path(files.extract(entry, self.root / "source")).chmod(entry.external_attr >> 16 & 0o777)

    def build(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run setup.sh, with PyTorch from pip's own index, as it is configured on this machine."""
        return subprocess.run(
            ["bash", self.root / "source" / "setup.sh"],
            cwd=self.root,
            env={**os.environ, "TORCH_INDEX": "", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )

    def grade(self, submission: Path, earlier: float | None = None, memory: int = MEMORY) -> Run:
        """Put a file, or the files of a folder, where Gradescope does, and run run_autograder within the limits."""
        for name in ("submission", "results"):
            shutil.rmtree(self.root / name, ignore_errors=True)
            (self.root / name).mkdir()
        files = sorted(submission.iterdir()) if submission.is_dir() else [submission]
        for file in files:
            shutil.copy(file, self.root / "submission")
        previous = [] if earlier is None else [{"score": str(earlier), "results": {"score": earlier}}]
        metadata = {"id": 1, "assignment": {"title": "HW", "total_points": "10.0"}, "previous_submissions": previous}
        (self.root / "submission_metadata.json").write_text(json.dumps(metadata))
        shutil.copy(self.root / "source" / "run_autograder", self.root)
        with limited(memory, PROCESSORS) as limits:
            started, used = time.monotonic(), _processor_seconds()
            run = subprocess.run(
                [*limits.enter, str(self.root / "run_autograder")],
                cwd=self.root,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=570,
            )
            seconds, used = time.monotonic() - started, _processor_seconds() - used
            peak = limits.peak()
        try:
            results = json.loads((self.root / "results" / "results.json").read_text())
        except (OSError, ValueError):
            results = None
        return Run(results, run.stdout, seconds, used, peak)

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.root)


@dataclass(frozen=True)
class Limits:
    """How a command is started within the limits.

    Attributes:
        kind: What enforces them, for reports.
        enter: To put before the command.
        peak_file: Where the kernel writes the peak.
    """

    kind: str
    enter: tuple[str, ...] = ()
    peak_file: Path | None = None

    def peak(self) -> int | None:
        """Bytes in use at most, page cache included."""
        return None if self.peak_file is None else int(self.peak_file.read_text())


@contextlib.contextmanager
def limited(memory: int, processors: float) -> Iterator[Limits]:
    """Control groups of the kernel, of either generation; without the right to make any, one processor only."""
    name = f"inithw-{os.getpid()}-{time.monotonic_ns()}"
    quota = int(100_000 * processors)  # of 100,000 microseconds
    one = [
        (_CGROUPS / "memory" / name, {"memory.limit_in_bytes": memory}),
        (_CGROUPS / "cpu" / name, {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": quota}),
    ]
    two = [(_CGROUPS / name, {"memory.max": memory, "memory.swap.max": 0, "cpu.max": f"{quota} 100000"})]
    for kind, groups, peak in [
        ("control groups v1", one, "memory.max_usage_in_bytes"),
        ("control groups v2", two, "memory.peak"),
    ]:
        try:
            for folder, values in groups:
                folder.mkdir()
                for file, value in values.items():
                    (folder / file).write_text(str(value))
            if not (groups[0][0] / peak).exists():
                raise OSError("no memory controller here")
        except OSError:
            _remove(folder for folder, _ in groups)
            continue
        joined = "; ".join(f"echo $$ >{folder}/cgroup.procs" for folder, _ in groups)
        try:
            yield Limits(kind, ("bash", "-c", f'{joined}; exec "$@"', "bash"), groups[0][0] / peak)
        finally:
            _remove(folder for folder, _ in groups)
        return
    yield Limits("one processor, memory not limited", ("taskset", "-c", "0"))


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def roomy_memory() -> str | None:
    """A folder in memory when there is room: an environment has 1.2 GB in 17,000 files, slow to delete from a disk."""
    try:
        status = os.statvfs("/dev/shm")
    except OSError:
        return None
    roomy = status.f_bavail * status.f_frsize > 4 << 30
    return "/dev/shm" if roomy and not status.f_flag & os.ST_NOEXEC else None


def _remove(folders: Iterator[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
