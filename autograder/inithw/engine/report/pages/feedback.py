"""One student's feedback: every item with its reason, the evidence as pictures; nobody else's, no key, no solution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from inithw.engine.records import Cell, Grade, ItemScore, Picture
from inithw.engine.report.pages.charts import to_svg
from inithw.engine.report.pages.rendering import joined, render

STATES = {"passed": "Passed", "lost": "Lost", "not answered": "Not answered", "not reached": "Not reached"}


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a feedback page says.

    Attributes:
        who: The student's name, or what the submission is called.
        grade: Theirs.
        pictures: Of their evidence; empty where none was kept.
        code: By question, the cell that holds their answer.
        facts: Further lines about the submission: what was handed in, when it was graded.
        earlier: What it got before and why that no longer stands, the last one first.
    """

    who: str
    grade: Grade
    pictures: Sequence[Picture] = ()
    code: Mapping[str, Cell] | None = None
    facts: Sequence[str] = ()
    earlier: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Question:
    label: str
    items: list[ItemScore]
    pictures: list[tuple[Picture, str]]
    code: Cell | None

    @property
    def heading(self) -> str:
        return re.sub(r"^\D+(?=\d)", "Question ", self.label)

    @property
    def earned(self) -> float:
        return sum(item.earned for item in self.items)

    @property
    def points(self) -> float:
        return sum(item.points for item in self.items)


def to_html(feedback: Feedback) -> str:
    """A page that needs nothing besides itself.

    Raises:
        ProjectError: What draws it is not installed.
    """
    return _rendered("feedback.html", feedback, [to_svg(picture.chart) for picture in feedback.pictures])


def to_markdown(feedback: Feedback) -> str:
    """The same to paste into a comment: pictures in words."""
    return _rendered("feedback.md", feedback, [""] * len(feedback.pictures))


def _rendered(template: str, feedback: Feedback, svgs: Sequence[str]) -> str:
    drawn = list(zip(feedback.pictures, svgs, strict=True))
    questions = [
        _Question(
            label,
            list(items),
            [(picture, svg) for picture, svg in drawn if picture.question == label],
            (feedback.code or {}).get(label),
        )
        for label, items in groupby(feedback.grade.items, key=lambda item: item.question)
    ]
    return render(
        template,
        feedback=feedback,
        grade=feedback.grade,
        questions=questions,
        states=STATES,
        facts=joined(feedback.facts),
        errors=[cell for cell in feedback.grade.cells if cell.state == "error"],
    )


def answer_cells(code: Sequence[Cell], names: Mapping[str, str]) -> dict[str, Cell]:
    """By question, the last of a student's cells that binds the name of its answer, rather one of its own.

    A later answer's cell may bind an earlier one's name again, so the last question chooses first.

    Args:
        code: A student's own cells.
        names: By question, the name; see `Homework.answers`.
    """
    found: dict[str, Cell] = {}
    for question, name in reversed(list(names.items())):
        word = re.escape(name)
        binds = re.compile(rf"^\s*(?:def|class)\s+{word}\b|^\s*{word}\s*[:=]", re.MULTILINE)
        cells = [cell for cell in code if binds.search(cell.source[:100_000])]
        if cells:
            own = [cell for cell in cells if cell not in found.values()]
            found[question] = (own or cells)[-1]
    return found
