"""Says on the terminal what was done to a class, and what scoring it again would change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.rescoring import Rescored
from inithw.engine.course.running import Done

if TYPE_CHECKING:
    from inithw.engine.similarity import Pair

_LISTED = 20  # names in a line, lines of a kind


def summary(folder: ClassFolder, done: Sequence[Done]) -> list[str]:
    """What was graded and what was kept, what was passed over, who is missing; in sentences."""
    kept = sum(one.kept for one in done)
    lines = [f"{folder.path}: {len(folder.records)} records; {len(done) - kept} graded now, {kept} as they were"]
    lines += [f"Graded anew: {one.who}: {one.why}" for one in done if one.why][:_LISTED]
    over = [f"{one.who}: {line}" for one in done for line in one.passed_over]
    lines += over[:5]
    if len(over) > 5:
        lines.append(f"... {len(over)} files in all were passed over; grades.csv has each in its notes")
    if absent := folder.absent():
        names = ", ".join(one.shown for one in absent[:_LISTED])
        more = f" and {len(absent) - _LISTED} more" if len(absent) > _LISTED else ""
        lines.append(f"Handed in nothing, {len(absent)} of {len(folder.roster)} on the roster: {names}{more}")
    return lines


def print_pairs(pairs: Sequence[Pair]) -> None:
    """Which submissions a person should look at side by side."""
    for pair in pairs:
        print(
            f"Look at both: {pair.first} and {pair.second} share {pair.share:.0%} of their unusual code "
            "(information only, no points depend on it)"
        )


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
