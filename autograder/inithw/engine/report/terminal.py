"""A grade as tables in the terminal, for people.

What a student may have written is handed over as `Text`: in plain strings the library would act on markup and replace
names of emoji.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from inithw.engine.records import UNSCALED, Grade
from inithw.engine.report import explain

_MARKS = {
    "passed": "[green]ok[/]",
    "lost": "[red]LOST[/]",
    "not answered": "open",
    "not reached": "[red]?[/]",
}


def print_grade(grade: Grade, console: Console) -> None:
    """One submission: every item, and the reason for every lost point."""
    table = Table(title=_title(grade), title_justify="left", show_lines=False, expand=False)
    table.add_column("item", no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found")
    for item in grade.items:
        found = item.claim if item.state == "passed" else explain(item)
        table.add_row(item.id, f"{item.earned:g}/{item.points:g}", _MARKS[item.state], Text(found))
    if grade.status != "graded":
        console.print(Text.assemble((grade.submission, "bold"), f": {grade.message}"))
    else:
        console.print(table)
    for cell in grade.cells:
        if cell.state == "error":
            console.print(Text(f"  code cell {cell.number}: {cell.error}"))
    for note in grade.notes:
        console.print(Text(f"  note: {note}"))


def print_overview(grades: Sequence[Grade], console: Console) -> None:
    """Many submissions: a line each, then how often each item was earned."""
    table = Table(title=f"{len(grades)} submissions", title_justify="left")
    table.add_column("submission", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("not earned")
    for grade in grades:
        total = f"{grade.score:g}/{grade.max_score:g}" if grade.status == "graded" else "-"
        table.add_row(Text(grade.submission), total, Text(_not_earned(grade)))
    console.print(table)

    graded = [grade for grade in grades if grade.status == "graded"]
    items = Table(title=f"items, over {len(graded)} graded submissions", title_justify="left")
    for heading in ("item", "earned by", "lost by", "not answered", "not reached"):
        items.add_column(heading, justify="left" if heading == "item" else "right", no_wrap=True)
    for column in zip(*(grade.items for grade in graded), strict=True):
        states = Counter(item.state for item in column)
        counts = [states[state] for state in ("passed", "lost", "not answered", "not reached")]
        items.add_row(column[0].id, *(str(count or "") for count in counts))
    if graded:
        console.print(items)


def _not_earned(grade: Grade) -> str:
    """The items that were lost, with the mistake's name where there is one."""
    if grade.status != "graded":
        return f"{grade.status.replace('_', ' ')}: {grade.message}"
    parts = []
    for item in grade.items:
        if item.state != "passed":
            why = item.diagnosis.partition(".")[2].replace("_", " ") if item.state == "lost" else item.state
            parts.append(f"{item.id} ({why})" if why else item.id)
    if len(parts) == len(grade.items) and len({item.state for item in grade.items}) == 1:
        return f"all items {grade.items[0].state}"
    return ", ".join(parts)


def _title(grade: Grade) -> Text:
    points = f"{grade.score:g} of {grade.max_score:g} points"
    if grade.scale != UNSCALED:
        points += f", from {grade.points:g} of {grade.max_points:g} in the rubric"
    return Text(f"{grade.submission}: {points} ({grade.seconds:.1f} s)")
