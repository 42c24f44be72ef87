"""The record of one student: who they are, what they handed in, what it got, what decided, and what it got before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from inithw.engine.course.student import Student
from inithw.engine.records import Cell, CellRun, Grade, HelperFile, ItemScore, Scale

_FORM = 1


class RecordError(Exception):
    """A file does not hold a record."""


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What counted of a hand-in.

    Attributes:
        path: What messages call it.
        platform: The layout it came in.
        submission_id: The platform's number of it, or empty.
        late: Whether the platform says that it is late; None where it says nothing.
        attempt: From 1; None where nothing is known.
        submitted_at: Time as the platform writes it, or empty.
        digest: Of its code; empty where nothing could be read.
        code: Its cells without those of the handout.
        files: Python files beside it.
    """

    path: str
    platform: str = ""
    submission_id: str = ""
    late: bool | None = None
    attempt: int | None = None
    submitted_at: str = ""
    digest: str = ""
    code: tuple[Cell, ...] = ()
    files: tuple[HelperFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A grade, what it rests on and when it was given.

    Attributes:
        grade: What was decided.
        graded_with: Fingerprints of what decided.
        graded_at: UTC, ISO 8601.
        evidence: Name of the file with the evidence, or empty.
    """

    grade: Grade
    graded_with: Mapping[str, str]
    graded_at: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One student's record.

    Attributes:
        student: Who.
        handed_in: What.
        verdict: That which stands.
        group: Names of the others who handed it in together.
        earlier: Verdicts that stood before, each with why it no longer does; the last one first.
    """

    student: Student
    handed_in: HandedIn
    verdict: Verdict
    group: tuple[str, ...] = ()
    earlier: tuple[tuple[str, Verdict], ...] = field(default_factory=tuple)

    @property
    def grade(self) -> Grade:
        """The grade that stands."""
        return self.verdict.grade


def to_text(record: Record) -> str:
    """The record as JSON; what a reader wants first comes first."""
    return json.dumps(
        {
            "form": _FORM,
            "student": asdict(record.student),
            **_summary(record.grade),
            "group": list(record.group),
            "handed_in": asdict(record.handed_in),
            "verdict": _verdict(record.verdict),
            "earlier": [{"until": why, **_summary(old.grade), "verdict": _verdict(old)} for why, old in record.earlier],
        },
        indent=1,
        ensure_ascii=False,
    )


def _summary(grade: Grade) -> dict[str, Any]:
    return {"status": grade.status, "score": grade.score, "max_score": grade.max_score}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {**asdict(verdict), "graded_with": dict(verdict.graded_with)}


def from_text(text: str | bytes) -> Record:
    """Read what `to_text` wrote.

    Raises:
        RecordError: It is something else.
    """
    try:
        tree = json.loads(text)
        if tree["form"] != _FORM:
            raise RecordError(f"a record of form {tree['form']}, where this program reads form {_FORM}")
        handed_in = tree["handed_in"]
        return Record(
            student=Student(**tree["student"]),
            handed_in=HandedIn(
                **{
                    **handed_in,
                    "code": tuple(Cell(**cell) for cell in handed_in["code"]),
                    "files": tuple(HelperFile(**file) for file in handed_in["files"]),
                }
            ),
            verdict=_read_verdict(tree["verdict"]),
            group=tuple(tree["group"]),
            earlier=tuple((old["until"], _read_verdict(old["verdict"])) for old in tree["earlier"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError("not a record of this program") from error


def _read_verdict(tree: dict[str, Any]) -> Verdict:
    grade = tree["grade"]
    return Verdict(
        grade=Grade(
            **{
                **grade,
                "items": tuple(ItemScore(**item) for item in grade["items"]),
                "cells": tuple(CellRun(**cell) for cell in grade["cells"]),
                "notes": tuple(grade["notes"]),
                "scale": Scale(**grade["scale"]),
            }
        ),
        graded_with=dict(tree["graded_with"]),
        graded_at=tree["graded_at"],
        evidence=tree["evidence"],
    )
