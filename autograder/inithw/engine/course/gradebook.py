"""Fills the gradebook that Canvas, Moodle or nbgrader exported with the grades of a class, and touches nothing else."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inithw.engine.course.cells import Sheet
from inithw.engine.course.handin import CourseError
from inithw.engine.course.record import Record
from inithw.engine.course.roster import Headings, Roster
from inithw.engine.course.student import Student
from inithw.engine.report import explain
from inithw.engine.report.table import harmless

_NUMBERED = re.compile(r"(.*?) \(\d+\)", re.DOTALL)  # Canvas: `Homework 1 (4711)`
_MOODLE_GRADE, _MOODLE_FEEDBACK, _MOODLE_MAXIMUM = "grade", "feedback comments", "maximum grade"
_MOODLE_OPEN = "grade can be changed"
_POINTS_POSSIBLE = "points possible"


@dataclass(frozen=True, slots=True)
class Filled:
    """A gradebook with grades.

    Attributes:
        data: The file's bytes.
        column: Heading of the column that was filled.
        filled: How many cells have a grade now.
        remarks: What was not filled, and what a person should look at, in sentences.
    """

    data: bytes
    column: str
    filled: int
    remarks: tuple[str, ...]


def fill(path: Path, records: Mapping[str, Record], *, title: str, column: str | None = None) -> Filled:
    """Fill a gradebook.

    Rows are found by the numbers, logins and addresses that tell students apart, by names only where a single student
    has them. What was not gradable, or not graded by our fault, leaves its cell as it is: that is for a person.

    Args:
        path: What the platform exported; it is not changed.
        records: The class.
        title: Of the assignment: the column of this name is filled.
        column: The column's heading, said outright.

    Raises:
        CourseError: It is no gradebook, or its column cannot be told.
    """
    try:
        sheet = Sheet.read(path.read_bytes())
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror})") from error
    if not sheet.rows:
        raise CourseError(f"{path}: empty; export the gradebook again")
    head = [value.strip() for value in sheet.values(0)]
    lower = [value.casefold() for value in head]
    headings = Headings.of(head)
    if not headings.places:
        raise CourseError(f"{path}: no column says who a student is ({', '.join(head)[:200]}); export the gradebook")
    if {"assignment", "student_id", "raw_score"} <= set(lower):
        return _fill_nbgrader(path, sheet, lower, headings, records, column or title)
    if "identifier" in lower and _MOODLE_GRADE in lower and column is None:
        place = lower.index(_MOODLE_GRADE)
    else:
        place = _column(path, head, title, column)
    rows = [row for row in range(1, len(sheet.rows)) if _is_student(sheet, row, headings)]
    remarks = _wrong_maximum(sheet, place, lower, records, rows)
    feedback = lower.index(_MOODLE_FEEDBACK) if _MOODLE_FEEDBACK in lower and place == lower.index("grade") else None
    closed = lower.index(_MOODLE_OPEN) if _MOODLE_OPEN in lower else None
    return _fill_rows(sheet, rows, place, headings, records, remarks, feedback=feedback, closed=closed)


def _column(path: Path, head: list[str], title: str, column: str | None) -> int:
    """Place of the column to fill: that which was named, or has the assignment's title, or is the only assignment."""
    names = [(_NUMBERED.fullmatch(name) or [name, name])[1] for name in head]
    if column is not None:
        found = [place for place, name in enumerate(head) if column in (name, names[place])]
        if len(found) == 1:
            return found[0]
        raise CourseError(
            f"{path}: {'no' if not found else 'more than one'} column {column!r}; there are: {_listed(head)}"
        )
    found = [place for place, name in enumerate(names) if name.casefold() == title.casefold()]
    numbered = [place for place, name in enumerate(head) if _NUMBERED.fullmatch(name)]
    for places in (found, numbered):
        if len(places) == 1:
            return places[0]
    raise CourseError(f"{path}: which column is {title!r}? Say it with --column; there are: {_listed(head)}")


def _listed(head: Iterable[str]) -> str:
    return ", ".join(map(repr, filter(None, head)))[:600]


def _is_student(sheet: Sheet, row: int, headings: Headings) -> bool:
    """Whether a line is a student's: Canvas has lines of points possible and of policies above, and a test student."""
    student = headings.student(sheet.values(row))
    name = student.name.strip().casefold()
    return student != Student() and not name.startswith(_POINTS_POSSIBLE) and name != "student, test"


def _wrong_maximum(
    sheet: Sheet, place: int, lower: list[str], records: Mapping[str, Record], rows: list[int]
) -> list[str]:
    full = next((record.grade.max_score for record in records.values()), 0.0)
    told = [
        sheet.value(row, place)
        for row in range(1, min(5, len(sheet.rows)))
        if sheet.value(row, 0).strip().casefold().startswith(_POINTS_POSSIBLE)
    ]
    if _MOODLE_MAXIMUM in lower and rows:
        told.append(sheet.value(rows[0], lower.index(_MOODLE_MAXIMUM)))
    for text in told:
        maximum = _number(text)
        if maximum is not None and maximum != full:
            return [
                f"The gradebook's full marks are {maximum:g}, the class's {full:g}: set `points_possible` in "
                "otter_config.json, or the points on the platform"
            ]
    return []


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _fill_rows(
    sheet: Sheet,
    rows: list[int],
    place: int,
    headings: Headings,
    records: Mapping[str, Record],
    remarks: list[str],
    *,
    feedback: int | None = None,
    closed: int | None = None,
) -> Filled:
    aside: dict[str, list[str]] = defaultdict(list)
    students = {row: headings.student(sheet.values(row)) for row in rows}
    found = _matched(students, records)
    comma = any(
        re.fullmatch(r"\s*\d+,\d+\s*", sheet.value(row, column))
        for row in rows[:1]
        for column in range(len(sheet.rows[row]))
    )
    filled = 0
    for row, student in students.items():
        name = found.get(row)
        if name is None:
            aside["have a line but no record here"].append(student.shown)
            continue
        grade = records[name].grade
        if grade.status != "graded":
            aside[f"{grade.status.replace('_', ' ')}, so their cells were left"].append(student.shown)
            continue
        if closed is not None and sheet.value(row, closed).strip().casefold() == "no":
            aside["have grades that cannot be changed there"].append(student.shown)
            continue
        if place >= len(sheet.rows[row]):
            aside["have a line that ends before the column"].append(student.shown)
            continue
        text = f"{grade.score:.10g}"
        before = _number(sheet.value(row, place))
        if before is not None and before != grade.score:
            aside["had another grade there"].append(f"{student.shown} ({before:g}, now {grade.score:g})")
        sheet.put(row, place, text.replace(".", ",") if comma else text)
        if feedback is not None and feedback < len(sheet.rows[row]):
            sheet.put(row, feedback, _feedback(records[name]))
        filled += 1
    for name in records.keys() - set(found.values()):
        aside["have a record here but no line there"].append(records[name].student.shown)
    lines = [f"{len(names)} {what}: {_few(sorted(names))}" for what, names in aside.items()]
    return Filled(sheet.data(), sheet.value(0, place).strip(), filled, (*remarks, *lines))


def _few(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _feedback(record: Record) -> str:
    lines = [f"{item.id}: {explain(item)}" for item in record.grade.items if item.state != "passed"]
    return harmless(" | ".join(lines) or "All items are passed.")


def _matched(students: Mapping[int, Student], records: Mapping[str, Record]) -> dict[int, str]:
    """The record of each line; one that two lines claim by a name belongs to neither."""
    table = Roster(students.values())
    lines: dict[Student, list[int]] = defaultdict(list)
    for row, student in students.items():
        lines[student].append(row)
    claims: dict[int, list[str]] = defaultdict(list)
    for name, record in records.items():
        line = table.find(record.student)
        if line is not None and len(lines[line]) == 1:
            claims[lines[line][0]].append(name)
    return {row: names[0] for row, names in claims.items() if len(names) == 1}


def _fill_nbgrader(
    path: Path, sheet: Sheet, lower: list[str], headings: Headings, records: Mapping[str, Record], assignment: str
) -> Filled:
    """A line for each student and assignment; the penalty for lateness, which nbgrader reckoned, is taken off."""
    at = {name: lower.index(name) for name in ("assignment", "student_id", "raw_score")}
    there = list(dict.fromkeys(sheet.value(row, at["assignment"]) for row in range(1, len(sheet.rows))))
    wanted = [name for name in there if name.casefold() == assignment.casefold()] or there
    if len(wanted) != 1:
        raise CourseError(f"{path}: which assignment? Say it with --column; there are: {_listed(there)}")
    rows = [row for row in range(1, len(sheet.rows)) if sheet.value(row, at["assignment"]) == wanted[0]]
    headings = Headings({**headings.places, "login": at["student_id"]})
    filled = _fill_rows(sheet, rows, at["raw_score"], headings, records, [])
    if "score" in lower:
        for row in rows:
            raw = sheet.new(row, at["raw_score"])
            if raw is not None and lower.index("score") < len(sheet.rows[row]):
                penalty = (
                    _number(sheet.value(row, lower.index("late_submission_penalty")))
                    if "late_submission_penalty" in lower
                    else None
                )
                sheet.put(row, lower.index("score"), f"{max(0.0, float(raw) - (penalty or 0.0)):.10g}")
    return Filled(sheet.data(), f"raw_score of {wanted[0]}", filled.filled, filled.remarks)
