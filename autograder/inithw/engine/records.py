"""The records that travel between the stages: frozen data with documented shapes, no logic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


# ---------------------------------------------------------------- what a student handed in


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell of a submission.

    Attributes:
        number: Position among the notebook's code cells, counted from 1, as messages name it.
        source: The cell's code as written, newlines normalized to ``\\n``.
        given: Whether it is an unmodified cell of the distributed notebook, which holds no answer.
        demonstration: Whether it is an unmodified training or figure cell of the distributed
            notebook, which grading may leave out.
    """

    number: int
    source: str
    given: bool = False
    demonstration: bool = False


@dataclass(frozen=True, slots=True)
class HelperFile:
    """A Python file that was uploaded beside the notebook.

    Attributes:
        name: Its path from the notebook's folder, with slashes; within that folder.
        text: Its content.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Submission:
    """The code of one submission.

    Attributes:
        name: How messages and reports call it (the path as given).
        cells: The code cells in order.
        digest: SHA-256 (hex) of the code alone: outputs, ids and metadata do not change it.
        notes: Remarks of the reader for the student and the TA ("took b.ipynb out of the zip").
        files: Python files beside the notebook, which it may import.
    """

    name: str
    cells: tuple[Cell, ...]
    digest: str
    notes: tuple[str, ...] = ()
    files: tuple[HelperFile, ...] = ()


# ---------------------------------------------------------------- what came back


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a piece of evidence does not exist.

    Attributes:
        state: `not answered` when the student left the question open, `not reached` when an error,
            a limit or a fault came before it.
        reason: One sentence for the student.
    """

    state: Literal["not answered", "not reached"]
    reason: str


@dataclass(frozen=True, slots=True)
class CellRun:
    """How one code cell ended.

    Attributes:
        number: As in `Cell`.
        state: `ok`, `error`, `open` (a stub of the handout said so), `left out` (a demonstration) or `not reached`.
        error: For `error` and `open`: exception name, message and line, one line of text.
    """

    number: int
    state: Literal["ok", "error", "open", "left out", "not reached"]
    error: str = ""


class Evidence(Protocol):
    """All that a verdict rests on: a frozen dataclass of the homework, made by `Homework.evidence`.

    Attributes:
        challenge: What was asked.
        cells: How each code cell ended.
        seconds: Wall time of the worker.
    """

    @property
    def challenge(self) -> Any: ...  # noqa: D102
    @property
    def cells(self) -> tuple[CellRun, ...]: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Limits:
    """What one submission may use.

    Attributes:
        notebook_seconds: Processor time for all cells together.
        cell_seconds: Processor time for one cell; by the clock five times as much.
        question_seconds: Processor time for one question of the judge; by the clock five times as much.
        total_seconds: Time by the clock for everything, repeated runs included.
        memory_bytes: Address space of the worker.
        scratch_bytes: Size of the folder in which it may write.
        processes: Threads and processes of its user.
    """

    notebook_seconds: float = 240
    cell_seconds: float = 60
    question_seconds: float = 30
    total_seconds: float = 420
    memory_bytes: int = 3 << 30
    scratch_bytes: int = 64 << 20
    processes: int = 16


# ---------------------------------------------------------------- what is decided

Figures = Mapping[str, float]
"""Quantities of interest that carry no points, by name: `median test loss`."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the rubric; whatever else names an item is generated or derived from it.

    Attributes:
        id: Fixed label, `q1.layers`: the question, a dot, the item.
        points: What it is worth.
        title: Heads the item's verdict, a few words.
        claim: What a passing answer has shown, in a sentence.
        check: Takes the homework's evidence; returns when the claim holds, with figures if it has any, and raises
            `verdict.Lost` with the reason when it does not.
    """

    id: str
    points: float
    title: str
    claim: str
    check: Callable[[Any], Figures | None]

    @property
    def question(self) -> str:
        """Label of the question, `q1`."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class ItemScore:
    """The verdict on one item.

    Attributes:
        id: The item's label.
        title: The item's title.
        claim: The item's claim.
        points: What it is worth.
        earned: What was given.
        state: `passed`, `lost`, `not answered` or `not reached`.
        message: One sentence: what was found, where, what was expected; empty when passed.
        diagnosis: Label of the recognized mistake (`q2.spectral`), or empty.
        hint: Where to look next, without the answer; empty when there is none.
        figures: What its check measured besides, where it passed.
    """

    id: str
    title: str
    claim: str
    points: float
    earned: float
    state: Literal["passed", "lost", "not answered", "not reached"]
    message: str = ""
    diagnosis: str = ""
    hint: str = ""
    figures: Figures = field(default_factory=dict)

    @property
    def question(self) -> str:
        """Label of the question, `q1`."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Scale:
    """How points of the rubric become a score.

    Attributes:
        points_possible: What full marks are worth; None for the rubric's sum.
        score_threshold: Share of the points, 0 to 1, from which on the score is full, and nothing below; None for the
            points themselves.
    """

    points_possible: float | None = None
    score_threshold: float | None = None


UNSCALED = Scale()
"""The score is the points."""


@dataclass(frozen=True, slots=True)
class Grade:
    """The record that every submission gets, whatever happened.

    Its score is reckoned here and nowhere else: screen, tables and results.json all read `score` and `max_score`.

    Attributes:
        submission: Name as given.
        homework: Title of the homework.
        status: `graded`; `not_gradable`, nothing to grade; `infrastructure_error`, our fault.
        items: In rubric order.
        message: For anything but `graded`: one line saying what is wrong and what to do.
        cells: How each code cell ended.
        notes: Remarks for the student and the TA.
        seconds: Wall time of grading.
        scale: How its points become a score.
    """

    submission: str
    homework: str
    status: Literal["graded", "not_gradable", "infrastructure_error"]
    items: tuple[ItemScore, ...]
    message: str = ""
    cells: tuple[CellRun, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    scale: Scale = UNSCALED

    @property
    def points(self) -> float:
        """Points of the rubric that were earned."""
        return sum(item.earned for item in self.items)

    @property
    def max_points(self) -> float:
        """Points of the rubric that can be earned."""
        return sum(item.points for item in self.items)

    @property
    def score(self) -> float:
        """What counts: the points on the scale of the configuration."""
        share = self.points / self.max_points if self.max_points else 0.0
        if self.scale.score_threshold is not None:
            share = float(share >= self.scale.score_threshold)
        return round(share * self.max_score, 5)

    @property
    def max_score(self) -> float:
        """What full marks are worth."""
        return self.max_points if self.scale.points_possible is None else self.scale.points_possible

    @property
    def figures(self) -> dict[str, float]:
        """What was measured besides the points, for questions of which every item is earned."""
        open_questions = {item.question for item in self.items if item.state != "passed"}
        return {
            name: value
            for item in self.items
            if item.question not in open_questions
            for name, value in item.figures.items()
        }


# ---------------------------------------------------------------- what evidence looks like


@dataclass(frozen=True, slots=True)
class Picture:
    """A part of the evidence, for a student to look at; decides nothing.

    Attributes:
        question: Beside whose verdict it stands, `q2`.
        title: What is drawn, a few words.
        says: What is to be seen, in sentences: for who cannot see it, too.
        chart: The same in Vega-Lite, without colours of its own: a mark's `color` is `good`, `bad`, `right` or `plain`.
        columns: Headings of the numbers behind it.
        rows: The numbers, as text.
        again: How the student can see it in the notebook; empty where there is no way.
    """

    question: str
    title: str
    says: str
    chart: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    again: str = ""
