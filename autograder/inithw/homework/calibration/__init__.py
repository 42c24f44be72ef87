"""Measures how initializations behave, and derives q3's thresholds and error rates from that."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from inithw.engine.files import replace_file
from inithw.homework.calibration import document
from inithw.homework.calibration.measuring import Sizes, measure
from inithw.homework.calibration.rates import summarize
from inithw.homework.thresholds import FILE_NAME

THRESHOLDS = Path("autograder", "inithw", "homework", FILE_NAME)
MEASUREMENTS = Path("autograder", "inithw", "homework", "calibration", "measurements.csv")
PAGE = Path("docs", "grading.md")
PICTURE = Path("docs", "thresholds.png")
CACHE = Path(".calibration")


def calibrate(root: Path, *, sizes: Sizes | None = None, jobs: int | None = None) -> None:
    """Measure everything and write thresholds, measurements, the tables of docs/grading.md and its picture.

    Nothing is written before everything is measured. What was measured is kept in `CACHE`: an interrupted run goes on,
    and a changed line of `families.py` takes as long as what is new in it.

    Args:
        root: Of the project.
        sizes: How much to measure; less gives other thresholds.
        jobs: Processes, one per core unless given.
    """
    page = (root / PAGE).read_text(encoding="utf-8")
    document.put_tables(page, "")  # fails before the long work when the page has no place for the tables
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("measuring")
        values = measure(
            sizes or Sizes(),
            jobs or os.cpu_count() or 1,
            root / CACHE,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    thresholds, measured = summarize(values)
    contents = {
        THRESHOLDS: document.to_text(thresholds).encode(),
        MEASUREMENTS: document.to_csv(measured).encode(),
        PAGE: document.put_tables(page, document.tables(thresholds, measured)).encode(),
        PICTURE: document.picture(thresholds, measured, values),
    }
    for path, content in contents.items():
        replace_file(root / path, content)
        print(f"wrote {path}")
