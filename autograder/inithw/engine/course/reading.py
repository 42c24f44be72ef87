"""Reads what counts of a hand-in, and says what else there was."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from inithw.engine.course.handin import Candidate, HandIn
from inithw.engine.homework import Homework
from inithw.engine.records import Submission
from inithw.engine.submission import NotGradable, read_submission


@dataclass(frozen=True, slots=True)
class Counted:
    """What counts of a hand-in.

    Attributes:
        candidate: Which was decided on.
        submission: What it holds; None where nothing can be graded.
        reason: Why not.
        remarks: On candidates that were passed over, in sentences.
    """

    candidate: Candidate
    submission: Submission | None
    reason: str = ""
    remarks: tuple[str, ...] = ()


def read_counted(hand_in: HandIn, homework: Homework, only: str | None = None) -> Counted:
    """Read the candidates in the order in which they count: the first that is this homework is decided on.

    Where none is this homework, the first that can be read counts; where none can be read, the first.

    Args:
        hand_in: Of one student or group.
        homework: Whose notebook it should be.
        only: Name of the file that counts, said outright.
    """
    found: list[Counted] = []
    for candidate in hand_in.candidates:
        found.append(_read(candidate, hand_in, homework, only))
        if (submission := found[-1].submission) is not None and _is_of(submission, homework):
            break
    best = found[-1]
    if best.submission is None or not _is_of(best.submission, homework):
        best = next((one for one in found if one.submission is not None), found[0])
    others = [candidate for candidate in hand_in.candidates if candidate is not best.candidate]
    remarks = tuple(f"Not counted: {other.shown}; {best.candidate.path.name} counts." for other in others)
    if best.submission is None or not remarks:
        return replace(best, remarks=remarks)
    submission = replace(best.submission, notes=(*best.submission.notes, *remarks))
    return replace(best, submission=submission, remarks=remarks)


def _read(candidate: Candidate, hand_in: HandIn, homework: Homework, only: str | None) -> Counted:
    try:
        submission = read_submission(
            candidate.path, homework, only=only, preferred=hand_in.preferred, name=candidate.shown
        )
    except NotGradable as reason:
        return Counted(candidate, None, str(reason))
    return Counted(candidate, submission)


def _is_of(submission: Submission, homework: Homework) -> bool:
    named = re.compile(rf"^[^#\n]*\b(?:{'|'.join(map(re.escape, homework.names))})\b", re.MULTILINE)
    return any(named.search(cell.source) for cell in submission.cells)
