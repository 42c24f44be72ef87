"""Shows on the terminal what scoring a class again would change."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from inithw.engine.course.rescoring import Rescored


def print_changes(results: Sequence[Rescored], console: Console) -> None:
    """Who would get another score, and by which items; then the class's mean before and after."""
    changed = [result for result in results if result.changed]
    if changed:
        table = Table(title=f"{len(changed)} of {len(results)} would change", title_justify="left")
        table.add_column("student", overflow="fold")
        table.add_column("before", justify="right", no_wrap=True)
        table.add_column("after", justify="right", no_wrap=True)
        table.add_column("items")
        for result in changed:
            old, new = result.record.grade, result.grade
            table.add_row(
                Text(result.record.student.shown),
                f"{old.score:g}/{old.max_score:g}",
                f"{new.score:g}/{new.max_score:g}",
                Text(", ".join(result.items)),
            )
        console.print(table)
    graded = [result for result in results if result.grade.status == "graded"]
    if graded:
        before, after = (
            sum(grade.score for grade in grades) / len(graded)
            for grades in ([result.record.grade for result in graded], [result.grade for result in graded])
        )
        console.print(f"Mean of {len(graded)} graded: {before:.2f} before, {after:.2f} after")
