"""What a class's records say together: how hard each item was, how well it discriminates, which mistakes were made."""

from __future__ import annotations

import io
import re
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inithw.engine.course.record import Record
from inithw.engine.course.student import Student
from inithw.engine.records import Grade, ItemScore
from inithw.engine.report.pages.feedback import answer_cells

_SLOW, _SLOW_SECONDS = 3.0, 5.0
_LONGEST_CODE = 100_000  # characters


@dataclass(frozen=True, slots=True)
class ItemFigures:
    """How one item was done.

    Attributes:
        item: Any verdict on it: id, title, claim, points.
        states: How many got which.
        share: Of those graded who earned it, 0 to 1: large for an easy item.
        discrimination: Correlation of this item with the points of all others, -1 to 1; None where all got the same.
    """

    item: ItemScore
    states: Mapping[str, int]
    share: float
    discrimination: float | None


@dataclass(frozen=True, slots=True)
class MistakeFigures:
    """How often a named mistake was made.

    Attributes:
        label: `q2.spectral`.
        students: How many made it.
        share: Of those graded, 0 to 1.
        items: Which items it cost.
        message: What one of them was told, without who it was.
        hint: Likewise.
        code: Their answer without comments and without who it was; empty where none was found.
    """

    label: str
    students: int
    share: float
    items: Sequence[str]
    message: str
    hint: str
    code: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """A class in figures.

    Attributes:
        graded: Records with a grade.
        mean: Of the scores; NaN where nobody is graded, as the next two.
        median: Likewise.
        deviation: Standard deviation of the scores.
        full: How many have full marks.
        items: In rubric order.
        mistakes: The most frequent first.
        unnamed: By item, how many lost it by no mistake that has a name.
        slow: Ids of records that took much longer than the others, the slowest first.
        empty: Ids of graded records without a point.
        unreached: Ids of graded records with items that were not reached.
    """

    graded: Mapping[str, Record]
    mean: float
    median: float
    deviation: float
    full: int
    items: Sequence[ItemFigures]
    mistakes: Sequence[MistakeFigures]
    unnamed: Mapping[str, int]
    slow: Sequence[str]
    empty: Sequence[str]
    unreached: Sequence[str]


def analyse(records: Mapping[str, Record], answers: Mapping[str, str]) -> Analysis:
    """Look at all records of a class.

    Args:
        records: By id.
        answers: By question, the name that its answer binds; see `Homework.answers`.
    """
    graded = {name: record for name, record in records.items() if record.grade.status == "graded"}
    grades = [record.grade for record in graded.values()]
    scores = [grade.score for grade in grades] or [float("nan")]
    usual = statistics.median([grade.seconds for grade in grades]) if grades else 0.0
    slowest = sorted(graded, key=lambda name: -graded[name].grade.seconds)
    unnamed = Counter(
        item.id for grade in grades for item in grade.items if item.state == "lost" and not item.diagnosis
    )
    return Analysis(
        graded=graded,
        mean=statistics.fmean(scores),
        median=statistics.median(scores),
        deviation=float(np.std(scores)),
        full=sum(grade.score == grade.max_score for grade in grades),
        items=_items(grades),
        mistakes=_mistakes(graded, answers),
        unnamed=unnamed,
        slow=[name for name in slowest if graded[name].grade.seconds > max(_SLOW * usual, _SLOW_SECONDS)],
        empty=[name for name, record in graded.items() if not record.grade.points],
        unreached=[
            name for name, record in graded.items() if any(item.state == "not reached" for item in record.grade.items)
        ],
    )


def _items(grades: Sequence[Grade]) -> list[ItemFigures]:
    """Difficulty and discrimination of every item."""
    by_id: dict[str, list[tuple[Grade, ItemScore]]] = {}
    for grade in grades:
        for item in grade.items:
            by_id.setdefault(item.id, []).append((grade, item))
    found = []
    for pairs in by_id.values():
        earned = np.array([item.earned for _, item in pairs])
        rest = np.array([grade.points for grade, _ in pairs]) - earned
        varies = len(pairs) > 2 and np.ptp(earned) > 0 and np.ptp(rest) > 0
        item = pairs[0][1]
        found.append(
            ItemFigures(
                item,
                Counter(one.state for _, one in pairs),
                float(earned.mean() / item.points) if item.points else 0.0,
                float(np.corrcoef(earned, rest)[0, 1]) if varies else None,
            )
        )
    return found


def _mistakes(graded: Mapping[str, Record], answers: Mapping[str, str]) -> list[MistakeFigures]:
    """Every named mistake, with what one student was told and wrote."""
    made: dict[str, list[tuple[Record, list[ItemScore]]]] = {}
    for record in graded.values():
        mine: dict[str, list[ItemScore]] = {}
        for item in record.grade.items:
            if item.diagnosis:
                mine.setdefault(item.diagnosis, []).append(item)
        for label, items in mine.items():
            made.setdefault(label, []).append((record, items))
    found = []
    for label, those in made.items():
        record, items = min(those, key=lambda one: _length(one[0], one[1][0].question, answers))
        found.append(
            MistakeFigures(
                label=label,
                students=len(those),
                share=len(those) / len(graded),
                items=list(dict.fromkeys(item.id for _, mine in those for item in mine)),
                message=_without(items[0].message, record.student),
                hint=items[0].hint,
                code=_without(without_comments(_answer(record, items[0].question, answers)), record.student),
            )
        )
    return sorted(found, key=lambda mistake: (-mistake.students, mistake.label))


def _length(record: Record, question: str, answers: Mapping[str, str]) -> int:
    """Of an answer; one that is not found is longest."""
    return len(_answer(record, question, answers)) or _LONGEST_CODE


def _answer(record: Record, question: str, answers: Mapping[str, str]) -> str:
    cell = answer_cells(record.handed_in.code, answers).get(question)
    return cell.source[:_LONGEST_CODE] if cell else ""


def without_comments(code: str) -> str:
    """Python code without comments and empty lines; where it is no Python, without what follows a `#`."""
    lines = code.splitlines()
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError, ValueError):
        lines = [line.partition("#")[0] for line in lines]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _without(text: str, student: Student) -> str:
    """A text without what tells whose it is."""
    known: Iterable[str] = (student.login, student.email, student.sid, student.label, *re.findall(r"\w+", student.name))
    words = sorted({word for word in known if len(word) > 2}, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, words)), "…", text, flags=re.IGNORECASE) if words else text
