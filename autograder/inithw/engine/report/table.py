"""Grades of a class as one CSV file, for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from inithw.engine.files import replace_file
from inithw.engine.records import Grade
from inithw.engine.report import explain

_FORMULA = re.compile(r"(^|[;\t])([^\w.;()\[\]{}<>/]*?)(?=[=+\-@＝＋－＠﹢﹣﹦﹫])")
"""Where a spreadsheet would see a formula (OWASP, "CSV Injection"): at the beginning of a cell, also after blanks and
quotes, also in East Asian width, and after a semicolon, which separates cells in many countries."""


def write_csv(path: Path, grades: Sequence[Grade]) -> None:
    """Write one line for each submission: score, status, points of every item, and the reasons for what was lost."""
    ids = [item.id for item in grades[0].items] if grades else []
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["submission", "score", "max_score", "status", *ids, "reasons"])
    for grade in grades:
        reasons = "; ".join(f"{item.id}: {explain(item)}" for item in grade.items if item.state != "passed")
        writer.writerow(
            [
                _harmless(grade.submission),
                f"{grade.score:g}",
                f"{grade.max_score:g}",
                grade.status,
                *(f"{item.earned:g}" for item in grade.items),
                _harmless(grade.message or reasons),
            ]
        )
    replace_file(path, text.getvalue(), mode=0o600)


def _harmless(text: str) -> str:
    """The text with an apostrophe before what would be a formula: a spreadsheet then shows it as text."""
    return _FORMULA.sub(r"\1'\2", text)
