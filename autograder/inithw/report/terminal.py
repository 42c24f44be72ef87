"""A grade as tables in the terminal, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inithw.records import Grade, ItemScore
from inithw.report.json_line import explain

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
        table.add_row(item.id, f"{item.earned:g}/{item.points:g}", _MARKS[item.state], escape(found))
    if grade.status != "graded":
        console.print(f"[bold]{escape(grade.submission)}[/]: {escape(grade.message)}")
    else:
        console.print(table)
    for cell in grade.cells:
        if cell.state == "error":
            console.print(f"  code cell {cell.number}: {escape(cell.error)}")
    for note in grade.notes:
        console.print(f"  note: {escape(note)}")


def print_overview(grades: Sequence[Grade], console: Console) -> None:
    """Many submissions: a line each, and what each item was earned by."""
    ids = [item.id for item in grades[0].items]
    table = Table(title=f"{len(grades)} submissions", title_justify="left")
    table.add_column("submission", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    for id_ in ids:
        table.add_column(id_.replace(".", ".\n"), justify="right", no_wrap=True)
    for grade in grades:
        cells = [_cell(item) if grade.status == "graded" else "" for item in grade.items]
        total = f"{grade.score:g}" if grade.status == "graded" else grade.status.replace("_", " ")
        table.add_row(escape(grade.submission), total, *cells)
    table.add_section()
    graded = [grade for grade in grades if grade.status == "graded"]
    earned = [f"{sum(grade.items[k].earned > 0 for grade in graded)}/{len(graded)}" for k in range(len(ids))]
    table.add_row("earned by", "", *earned)
    console.print(table)


def _title(grade: Grade) -> str:
    return f"{escape(grade.submission)}: {grade.score:g} of {grade.max_score:g} points ({grade.seconds:.1f} s)"


def _cell(item: ItemScore) -> str:
    return "open" if item.state == "not answered" else f"{item.earned:g}"
