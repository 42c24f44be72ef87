"""Grades of a class as one CSV file, for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
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
    rows: list[dict[str, str | float]] = [
        {
            "submission": grade.submission,
            "score": grade.score,
            "max_score": grade.max_score,
            "status": grade.status,
            **{item.id: item.earned for item in grade.items},
            "reasons": grade.message
            or "; ".join(f"{item.id}: {explain(item)}" for item in grade.items if item.state != "passed"),
        }
        for grade in grades
    ]
    write_table(path, ("submission", "score", "max_score", "status", *ids, "reasons"), rows)


def write_table(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str | float]], encoding: str = "utf-8"
) -> None:
    """Write a CSV file with a line of headings; a column that a row does not have stays empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(harmless, columns))
    for row in rows:
        writer.writerow([_cell(row.get(column, "")) for column in columns])
    replace_file(path, text.getvalue().encode(encoding, "replace"), mode=0o600)


def _cell(value: str | float) -> str:
    return harmless(value) if isinstance(value, str) else f"{value:.10g}"


def harmless(text: str) -> str:
    """The text, with an apostrophe before what would be a formula: a spreadsheet then shows it as text."""
    return _FORMULA.sub(r"\1'\2", text)
