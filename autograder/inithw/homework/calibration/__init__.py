"""Measures how initializations behave, and derives q3's thresholds and error rates from that."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from inithw.homework.calibration import document
from inithw.homework.calibration.measuring import Sizes, measure
from inithw.homework.calibration.rates import summarize
from inithw.homework.reference.thresholds import FILE_NAME

THRESHOLDS = Path("autograder", "inithw", FILE_NAME)
PAGE = Path("docs", "grading.md")
PICTURE = Path("docs", "thresholds.png")


def calibrate(root: Path, *, sizes: Sizes | None = None, jobs: int | None = None) -> None:
    """Measure everything and write the thresholds file, the tables of docs/grading.md and its picture.

    Nothing is written before everything is measured.

    Args:
        root: Of the project.
        sizes: How much to measure; less gives other thresholds.
        jobs: Processes, one per core unless given.
    """
    page = (root / PAGE).read_text(encoding="utf-8")
    document.put_tables(page, "")  # fails before the long work when the page has no place for the tables
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring")
        values = measure(
            sizes or Sizes(),
            jobs or os.cpu_count() or 1,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    thresholds, measured = summarize(values)
    contents = {
        THRESHOLDS: document.to_text(thresholds, measured).encode(),
        PAGE: document.put_tables(page, document.tables(thresholds, measured)).encode(),
        PICTURE: document.picture(thresholds, measured, values),
    }
    for path, content in contents.items():
        _written_beside(root / path).write_bytes(content)
    for path in contents:
        _written_beside(root / path).replace(root / path)
        print(f"wrote {path}")


def _written_beside(path: Path) -> Path:
    """Where a file is completed before it takes the place of the old one."""
    return path.with_name(f".{path.name}.new")
