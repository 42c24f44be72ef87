"""What it costs to grade one honest submission, by stock Otter and by the engine: time and memory of all processes.

    .venv/bin/python -m tests.bench_otter [--repeat N]

Stock Otter grades by `tests/stock_otter`, the same rubric as ordinary tests in the student's kernel, after running the
notebook from top to bottom. Every route is measured in turn, several times: compare figures of one run only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.otter_commands import OTTER, OURS, ROOT, STOCK, generate

REFERENCE = ROOT / "solutions/homework.ipynb"
INITHW = OTTER.with_name("inithw")
STOCK_OTTER = "otter run, tests in the student's kernel"
SECONDS_BETWEEN_LOOKS = 0.03


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Attributes:
        wall: Seconds from start to end.
        processor: Seconds of processor time, of all its processes.
        memory: Largest number of bytes that all its processes held at once; what they share counts once.
    """

    wall: float
    processor: float
    memory: int


def measure(command: Sequence[object], folder: Path, key: str) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: It failed.
    """
    environment = {**os.environ, "INITHW_KEY": key, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started, memory = time.monotonic(), 0
    with (folder / "log").open("w+b") as log:
        process = psutil.Popen(list(map(str, command)), cwd=folder, env=environment, stdout=log, stderr=log)
        while True:
            memory = max(memory, held(process))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(SECONDS_BETWEEN_LOOKS)
        wall = time.monotonic() - started
        log.seek(0)
        if os.waitstatus_to_exitcode(status):
            raise RuntimeError(f"{command} failed: {log.read()[-2000:].decode(errors='replace')}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, memory)


def held(process: psutil.Process) -> int:
    """Bytes that a process and its descendants hold now, pages that they share divided among them."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.Error, OSError):  # gone in the meantime
            continue
    return total


def routes(folder: Path) -> dict[str, list[object]]:
    """The command of each route."""
    root = folder / "autograder"
    for name in ("source", "submission", "results"):
        (root / name).mkdir(parents=True)
    (root / "submission_metadata.json").write_text(json.dumps({}))
    shutil.copy(ROOT / "otter_config.json", root / "source")
    shutil.copy(REFERENCE, root / "submission")
    ours = generate(OURS, ROOT / "otter_config.json", folder)
    stock = generate(STOCK, STOCK / "otter_config.json", folder)
    run = [OTTER, "run", "--no-logo", "-o", folder]
    return {
        "inithw grade": [INITHW, "grade", "--json", REFERENCE],
        "inithw gradescope": [INITHW, "gradescope", "--root", root],
        "otter run, with the plugin": [*run, "-a", ours, REFERENCE],
        STOCK_OTTER: [*run, "-a", stock, REFERENCE],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table, with each route's median and its ratio to stock Otter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="how often each route is measured")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-otter-") as name:
        folder = Path(name)
        commands = routes(folder)
        costs: dict[str, list[Cost]] = {route: [] for route in commands}
        for _ in range(options.repeat):
            for route, command in commands.items():
                costs[route].append(measure(command, folder, key="a key for the benchmark"))
    stock = costs[STOCK_OTTER]
    print(f"One honest submission, median of {options.repeat}; times faster than stock Otter, and share of its memory")
    print(f"{'':45}{'wall s':>8}{'CPU s':>8}{'MB':>7}{'x wall':>8}{'x CPU':>7}{'memory':>8}")
    for route, found in costs.items():
        wall, processor, memory = (
            statistics.median(getattr(cost, what) for cost in found) for what in ("wall", "processor", "memory")
        )
        faster, leaner, smaller = (
            statistics.median(
                getattr(theirs, what) / getattr(ours, what) for theirs, ours in zip(stock, found, strict=True)
            )
            for what in ("wall", "processor", "memory")
        )
        print(f"{route:45}{wall:8.1f}{processor:8.1f}{memory / 1e6:7.0f}{faster:8.1f}{leaner:7.1f}{1 / smaller:8.2f}")


if __name__ == "__main__":
    sys.exit(main())
