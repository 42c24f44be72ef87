"""What several tests put together: readers and graders of this homework, items and grades made up."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from inithw.engine import submission
from inithw.engine.grading import Grader
from inithw.engine.records import Grade, ItemScore, Limits, Submission
from inithw.engine.sandbox import Sandbox
from inithw.homework.definition import HOMEWORK
from inithw.homework.rubric import POINTS
from inithw.homework.term import TERM

TOTAL = sum(POINTS.values())
_TERM = [*(TERM.table(table) for table in ("data", "network", "training", "scales", "seeds")), *POINTS.items()]
of_the_first_handout = pytest.mark.skipif(
    hashlib.sha256(repr([[*part] for part in _TERM]).encode()).hexdigest()[:10] != "0ee8074b34",
    reason="quotes numbers of the first handout",
)


def read_submission(path: Path) -> Submission:
    """What a file holds, as a submission of this homework."""
    return submission.read_submission(path, HOMEWORK)


def grader(sandbox: Sandbox, key: bytes = b"key", limits: Limits | None = None) -> Grader:
    """A grader of this homework, with the usual limits."""
    return Grader(HOMEWORK, sandbox, key, limits or Limits())


def item_score(item_id: str, state: str = "lost", points: float = 1.0, **rest: object) -> ItemScore:
    """A verdict on an item, made up."""
    earned = points if state == "passed" else 0.0
    return ItemScore(item_id, f"title of {item_id}", f"what {item_id} claims", points, earned, state, **rest)


def grade_of(*items: ItemScore, name: str = "submission", status: str = "graded", **rest: object) -> Grade:
    """A grade, made up."""
    return Grade(name, HOMEWORK.title, status, items, **rest)


ROOT = Path(__file__).parent.parent
_OF_THE_PROJECT = (
    *("assignment", "autograder", "docs", "solutions", "tests"),
    *("constraints.txt", "CHANGELOG.md", "otter_config.json", "pyproject.toml", "LICENSE", "README.md"),
)
_LEFT_BY_RUNS = (".ipynb_checkpoints", ".calibration", "inithw.key")  # but compiled files are of use


def project_copy(folder: Path) -> Path:
    """Copy the project into a folder, to change it there; the folder."""
    for name in _OF_THE_PROJECT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*_LEFT_BY_RUNS))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def run_in(project: Path, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `python -m ARGUMENTS` with the package of a copy of the project, in its folder."""
    environment = {**without_coverage(), "PYTHONPATH": str(project / "autograder")}
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, **options)


def without_coverage() -> dict[str, str]:
    """Environment of a program that is not measured: a copy of the project, or a Jupyter, where nothing is ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}
