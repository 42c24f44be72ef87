"""What a class handed in: for each student, or group, the candidates of which one counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inithw.engine.course.student import Student


class CourseError(Exception):
    """What was given cannot be used for a class; the message says what and what to do instead."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that a student handed in.

    Attributes:
        path: Where it lies.
        shown: What messages and records call it.
        submission_id: The platform's number of it, or empty.
        late: Whether the platform says that it is late; None where it says nothing.
        attempt: The platform's count, or the file name's, from 1; None where there is none.
        submitted_at: Time as the platform writes it, or empty.
    """

    path: Path
    shown: str
    submission_id: str = ""
    late: bool | None = None
    attempt: int | None = None
    submitted_at: str = ""


@dataclass(frozen=True, slots=True)
class HandIn:
    """What one student, or one group, handed in.

    Attributes:
        students: One, or the members of a group.
        candidates: That which counts before others first; at least one.
        platform: Which layout it came in: `gradescope`, `canvas`, ...
        preferred: Path of the file that wins where several hold answers; None where none does.
    """

    students: tuple[Student, ...]
    candidates: tuple[Candidate, ...]
    platform: str = ""
    preferred: str | None = None

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.candidates[0].shown


@dataclass(frozen=True, slots=True)
class Intake:
    """What a command line's paths hold.

    Attributes:
        hand_ins: One for each student or group.
        remarks: How paths were understood, what was left aside, in sentences.
        apart: Those of the paths that hold a class, and are nobody's submission.
    """

    hand_ins: tuple[HandIn, ...]
    remarks: tuple[str, ...] = ()
    apart: tuple[Path, ...] = ()
