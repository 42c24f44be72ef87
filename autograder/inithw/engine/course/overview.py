"""Writes report.html: a whole class on one page for staff, a file that needs nothing besides itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inithw.engine.course.analysis import Analysis, analyse
from inithw.engine.course.feedback import page_of
from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.record import Record
from inithw.engine.files import replace_file
from inithw.engine.homework import Homework
from inithw.engine.report.pages.charts import to_svg
from inithw.engine.report.pages.feedback import STATES
from inithw.engine.report.pages.rendering import code_lines, datatables, render

if TYPE_CHECKING:
    from inithw.engine.similarity import Pair

REPORT = "report.html"
_MOST_PAIRS = 50
_LISTED = 30  # of a kind, before the table has to be asked
_BARS = 20
"""Most bars of the distribution."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One submission of a pair: whose it is, and its lines, each with whether the other has it too."""

    name: str
    shown: str
    lines: list[tuple[str, bool]]


def write_report(folder: ClassFolder, homework: Homework, pairs: Sequence[Pair]) -> Path:
    """Write the report of a class into its folder.

    Args:
        folder: The class.
        homework: Which was graded.
        pairs: Near-identical submissions, by the ids of their records.

    Raises:
        OSError: It cannot be written.
        ProjectError: What draws it is not installed.
    """
    target = folder.path / REPORT
    replace_file(target, to_html(folder, homework, pairs), 0o600)
    return target


def to_html(folder: ClassFolder, homework: Homework, pairs: Sequence[Pair]) -> str:
    """The report's text; see `write_report`."""
    records, absent = folder.records, folder.absent()
    pages = {name: page_of(folder.path, name) for name in records}
    known = [pair for pair in pairs if {pair.first, pair.second} <= set(records)]
    found = analyse(records, homework.answers)
    ordered = sorted(records, key=lambda name: (records[name].student.shown.casefold(), name))
    bars = _distribution(found)
    return render(
        "report.html",
        homework=homework,
        found=found,
        records=records,
        ordered=ordered,
        absent=absent,
        states=STATES,
        facts=_facts(records),
        bars=bars,
        distribution=to_svg(_chart(bars), width=720, height=180) if found.graded else "",
        pages={name: page.relative_to(folder.path) for name, page in pages.items() if page.exists()},
        ungraded=[name for name in ordered if records[name].grade.status != "graded"],
        pairs=[(pair, _beside(records, pair)) for pair in known[:_MOST_PAIRS]],
        pairs_in_all=len(known),
        listed=_LISTED,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        datatables=datatables(),
    )


def _facts(records: Mapping[str, Record]) -> list[str]:
    """By what the class was graded, if all were graded alike."""
    decided = {tuple(sorted(record.verdict.graded_with.items())) for record in records.values()}
    if len(decided) != 1:
        return [f"graded under {len(decided)} different sets of rules: see the records"] if decided else []
    return [f"{name.partition('.')[0]} {value}" for name, value in decided.pop() if name != "homework"]


def _distribution(found: Analysis) -> list[tuple[float, float, int]]:
    """Bars from, to, number of students; one for each score where there are few, else of one width."""
    scores = [record.grade.score for record in found.graded.values()]
    if not scores:
        return []
    most = max(record.grade.max_score for record in found.graded.values())
    steps = int(most) if float(most).is_integer() and most <= _BARS else _BARS
    width = most / steps
    counts = [0] * (steps + 1)
    for score in scores:
        counts[min(int(score / width + 1e-9), steps)] += 1
    return [(step * width, min((step + 1) * width, most), count) for step, count in enumerate(counts)]


def _chart(bars: Sequence[tuple[float, float, int]]) -> dict[str, Any]:
    """The distribution, a bar for each score."""
    values = [{"score": f"{low:g}", "students": count} for low, _, count in bars]
    return {
        "data": {"values": values},
        "encoding": {
            "x": {"field": "score", "type": "ordinal", "sort": None, "title": "score", "axis": {"labelAngle": 0}},
            "y": {
                "field": "students",
                "type": "quantitative",
                "title": "students",
                "axis": {"format": "d", "tickCount": 4},
            },
        },
        "layer": [
            {"mark": {"type": "bar", "color": "good"}},
            {
                "transform": [{"filter": "datum.students > 0"}],
                "mark": {"type": "text", "color": "plain", "dy": -7, "fontSize": 12},
                "encoding": {"text": {"field": "students"}},
            },
        ],
    }


def _beside(records: Mapping[str, Record], pair: Pair) -> tuple[_Side, _Side]:
    """Both codes of a pair, with the lines that they share."""
    first, second = (_own_lines(records[name]) for name in (pair.first, pair.second))
    blocks = difflib.SequenceMatcher(
        None, [line.strip() for line in first], [line.strip() for line in second], autojunk=False
    ).get_matching_blocks()
    shared = [{block[side] + place for block in blocks for place in range(block.size)} for side in (0, 1)]
    return tuple(  # type: ignore[return-value]
        _Side(name, records[name].student.shown, [(line, place in same) for place, line in enumerate(lines)])
        for name, lines, same in zip((pair.first, pair.second), (first, second), shared, strict=True)
    )


def _own_lines(record: Record) -> list[str]:
    return code_lines("\n".join(_parts(record)))


def _parts(record: Record) -> Iterator[str]:
    yield from (cell.source for cell in record.handed_in.code)
    yield from (f"# {file.name}\n{file.text}" for file in record.handed_in.files)
