"""Measures how initializations behave, and derives q3's thresholds and error rates from that."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from inithw.engine.files import replace_file
from inithw.engine.settings import ProjectError
from inithw.homework.calibration import document
from inithw.homework.calibration.measuring import Sizes, Values, measure
from inithw.homework.calibration.rates import LARGEST_ERROR, Fairness, fairness, summarize
from inithw.homework.statistics import TRAINING
from inithw.homework.thresholds import FILE_NAME, StaleThresholds, differences, read_thresholds

THRESHOLDS = Path("autograder", "inithw", "homework", FILE_NAME)
MEASUREMENTS = Path("autograder", "inithw", "homework", "calibration", "measurements.csv")
PAGE = Path("docs", "grading.md")
PICTURE = Path("docs", "thresholds.png")
CACHE = Path(".calibration")
MOST_OFTEN = 256
"""See `Sizes.often`: more would take hours."""


class NoFairThresholds(ProjectError):
    """Verdicts would be false too often, whatever the thresholds; the message names the initializations."""


def calibrate(root: Path, *, sizes: Sizes | None = None, jobs: int | None = None, anyway: bool = False) -> list[str]:
    """Measure everything and write thresholds, measurements, the tables of docs/grading.md and its picture.

    Nothing is written before everything is measured. What was measured is kept in `CACHE`: an interrupted run goes on,
    and a changed line of `families.py` takes as long as what is new in it.

    Args:
        root: Of the project.
        sizes: How much to measure; less gives other thresholds, and wider bounds on the error rates. Where only more
            training shows that verdicts are as good as promised, there is more.
        jobs: Processes, one per core unless given.
        anyway: Write thresholds that are not fair, too.

    Returns:
        What was found, in words.

    Raises:
        NoFairThresholds: A verdict would be false more often than `rates.LARGEST_ERROR`; nothing was written.
    """
    page = (root / PAGE).read_text(encoding="utf-8")
    document.put_tables(page, "")  # fails before the long work when the page has no place for the tables
    more: Sizes | None = sizes or Sizes()
    while more is not None:
        sizes = more
        values = _measured(sizes, jobs or os.cpu_count() or 1, root / CACHE)
        thresholds, measured = summarize(values)
        fair = fairness(thresholds, measured)
        said = document.verdict(fair, thresholds)
        more = None if anyway else more_training(sizes, fair)
        if more is not None:
            print(f"{said[0]} training goes on, to {more.often * more.runs} runs where it matters", file=sys.stderr)
    if fair.problems and not anyway:
        raise NoFairThresholds("\n".join([*said, "Nothing was written; what was measured is kept."]))
    contents = {
        THRESHOLDS: document.to_text(thresholds, measured).encode(),
        MEASUREMENTS: document.to_csv(measured).encode(),
        PAGE: document.put_tables(page, document.tables(thresholds, measured)).encode(),
        PICTURE: document.picture(thresholds, measured, values),
    }
    for path, content in contents.items():
        replace_file(root / path, content)
        print(f"wrote {path}")
    return said


def more_training(sizes: Sizes, fair: Fairness) -> Sizes | None:
    """How much to measure next where nothing but more training is lacking, or None."""
    lacking = fair.items == {TRAINING} and fair.too_few and sizes.often < MOST_OFTEN
    return replace(sizes, often=4 * sizes.often) if lacking else None


def _measured(sizes: Sizes, jobs: int, cache: Path) -> dict[str, Values]:
    """Measure with a bar and the time left."""
    columns = (TextColumn("measuring"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("left:"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("measuring")
        return measure(sizes, jobs, cache, lambda done, total: progress.update(task, completed=done, total=total))


def check(root: Path) -> list[str]:
    """Say in words whether the thresholds on file belong to today's homework, and what they promise.

    Raises:
        StaleThresholds: They do not; the message has a line for everything that differs.
    """
    text = (root / THRESHOLDS).read_text(encoding="utf-8")
    values = json.loads(text)
    if changed := differences(values.get("measured on", {})):
        lines = ["The thresholds of q3 do not belong to today's homework. They were measured on another one:", *changed]
        raise StaleThresholds("\n  ".join(lines) + "\nNothing is graded until `inithw calibrate` has measured anew.")
    thresholds = read_thresholds(text)
    errors = values["largest probability of a false verdict"]
    shapes = "-".join(map(str, values["measured on"]["widths"]))
    return [
        f"The thresholds of q3 belong to today's homework: measured on networks {shapes}, its data, its training loop "
        "and the families as they stand.",
        f"A trained network is good below a test loss of {thresholds.good_loss:g}.",
        f"A right initialization loses an item with probability {errors['on a right answer']:.0e} at most, a wrong "
        f"one gets an item that it must lose with {errors['on a wrong answer']:.0e} at most "
        f"(promised: {LARGEST_ERROR:.0e}).",
    ]
