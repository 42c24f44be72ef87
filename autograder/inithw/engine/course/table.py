"""The grades of a class as one table: a line for each student, those who handed in nothing included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from inithw.engine.course.record import Record
from inithw.engine.course.student import Student
from inithw.engine.report import explain
from inithw.engine.report.table import write_table

_WHO = ("student", "name", "login", "email", "sid", "platform_id", "label", "group")
_WHAT = ("submission", "submission_id", "late", "attempt", "submitted_at")


def write_grades(path: Path, records: Mapping[str, Record], absent: Sequence[Student]) -> None:
    """Write grades.csv: who, what was handed in, score, status, points of every item, mistakes, reasons, notes."""
    items = list(dict.fromkeys(item.id for record in records.values() for item in record.grade.items))
    rows = [
        _row(name, records[name])
        for name in sorted(records, key=lambda one: (records[one].student.shown.casefold(), one))
    ]
    rows += [{"student": one.id, **_who(one), "status": "nothing handed in"} for one in absent]
    columns = (*_WHO, *_WHAT, "score", "max_score", "status", *items, "mistakes", "reasons", "notes")
    # Without the mark of utf-8-sig, spreadsheets take the letters of names for others.
    write_table(path, columns, rows, "utf-8-sig")


def _who(student: Student) -> dict[str, str]:
    return {field: getattr(student, field) for field in _WHO[1:-1]}


def _row(name: str, record: Record) -> dict[str, str | float]:
    grade, handed_in = record.grade, record.handed_in
    reasons = "; ".join(f"{item.id}: {explain(item)}" for item in grade.items if item.state != "passed")
    return {
        "student": name,
        **_who(record.student),
        "group": "; ".join(record.group),
        "submission": handed_in.path,
        "submission_id": handed_in.submission_id,
        "late": {None: "", True: "yes", False: "no"}[handed_in.late],
        "attempt": "" if handed_in.attempt is None else handed_in.attempt,
        "submitted_at": handed_in.submitted_at,
        "score": grade.score,
        "max_score": grade.max_score,
        "status": grade.status,
        **{item.id: item.earned for item in grade.items},
        "mistakes": "; ".join(dict.fromkeys(item.diagnosis for item in grade.items if item.diagnosis)),
        "reasons": grade.message or reasons,
        "notes": "; ".join(grade.notes),
    }
