"""Names the mistake behind a lost item: one table for each question, from which tests and docs are made, too."""

from inithw.engine.verdict import Mistake
from inithw.homework.diagnosis import initialization, network, norms

MISTAKES: dict[str, Mistake] = network.MISTAKES | norms.MISTAKES | initialization.MISTAKES
"""Everything that can be named, by label."""


def mistakes_table() -> str:
    """All mistakes in Markdown, for docs/grading.md."""
    rows = [f"| {mistake.label} | {mistake.what} | {mistake.hint} |" for mistake in MISTAKES.values()]
    return "\n".join(["| name | what was found | the hint |", "|---|---|---|", *rows])
