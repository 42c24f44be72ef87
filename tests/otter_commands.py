"""The real commands of otter-grader, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
OTTER = Path(sys.executable).with_name("otter")
OURS = ROOT / "tests/otter"
STOCK = ROOT / "tests/stock_otter"


def otter(*arguments: object, folder: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run one command of Otter in `folder`.

    Raises:
        subprocess.TimeoutExpired: It took more than `timeout` seconds.
    """
    return subprocess.run(
        [OTTER, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def generate(tests: Path, config: Path, folder: Path) -> Path:
    """The zip that `otter generate` makes of a folder of tests and a configuration."""
    archive = folder / f"{tests.name}.zip"
    made = otter(
        "generate", "-t", tests, "-c", config, "-o", archive, "--no-requirements", "--no-environment", folder=folder
    )
    if made.returncode:
        raise RuntimeError(f"otter generate failed: {made.stderr[-2000:]}")
    return archive


@dataclass(frozen=True)
class Run:
    """What `otter run` left behind.

    Attributes:
        points: What each of Otter's tests earned, by name; None without a results.json.
        messages: What it says about each test.
        output: What it says about the whole submission.
        log: What it printed.
    """

    points: dict[str, float] | None
    messages: dict[str, str]
    output: str
    log: str


def run(archive: Path, submission: Path, folder: Path, timeout: float = 300) -> Run:
    """Grade one submission with `otter run`; results go to `folder`, which must be empty."""
    ended = otter("run", "-a", archive, "-o", folder, "--no-logo", submission, folder=folder, timeout=timeout)
    log = ended.stdout + ended.stderr
    if not (folder / "results.json").is_file():
        return Run(None, {}, "", log)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    tests = {test["name"]: test for test in results["tests"] if "max_score" in test}
    return Run(
        points={name: test["score"] for name, test in tests.items()},
        messages={name: test["output"] for name, test in tests.items()},
        output=results.get("output", ""),
        log=log,
    )
