"""Grade one submission: the only place that knows the order of the stages."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from inithw.engine.execution import execute
from inithw.engine.homework import Homework
from inithw.engine.records import UNSCALED, Evidence, Grade, ItemScore, Limits, Scale, Submission
from inithw.engine.sandbox import Sandbox, SandboxError
from inithw.engine.scoring import ScoringError, score
from inithw.engine.submission import NAME_LIMIT, NotGradable, read_submission
from inithw.engine.text import clean


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one path.

    Attributes:
        grade: The record.
        submission: What was read; None where nothing could be.
        evidence: What the grade rests on; None where nothing was run.
    """

    grade: Grade
    submission: Submission | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Grader:
    """Grades submissions of one homework.

    Raises:
        ProjectError: The homework is not ready to be graded.

    Attributes:
        homework: Which.
        sandbox: Where workers come from.
        key: Secret from which challenges are drawn.
        limits: What one submission may use.
        scale: How points become a score.
    """

    homework: Homework
    sandbox: Sandbox
    key: bytes
    limits: Limits
    scale: Scale = UNSCALED

    def __post_init__(self) -> None:
        self.homework.ready()

    def grade(self, path: Path) -> Outcome:
        """Grade the submission at `path`; whatever happens, there is a record."""
        started = time.monotonic()
        name = clean(str(path), NAME_LIMIT)
        try:
            submission = read_submission(path, self.homework)
        except NotGradable as reason:
            return Outcome(ungraded(self.homework, "not_gradable", str(reason), name, self.scale))
        outcome = self.grade_read(submission)
        return replace(outcome, grade=replace(outcome.grade, seconds=time.monotonic() - started))

    def grade_read(self, submission: Submission) -> Outcome:
        """Grade a submission that has been read; whatever happens, there is a record."""
        started = time.monotonic()
        evidence = None
        try:
            challenge = self.homework.draw(self.key, submission)
            evidence = execute(submission, challenge, self.homework, self.sandbox, self.limits)
            record = judge(submission.name, evidence, self.homework, self.scale)
        except (SandboxError, ScoringError) as fault:
            return Outcome(our_fault(self.homework, fault, submission.name, self.scale), submission, evidence)
        seconds = time.monotonic() - started
        return Outcome(replace(record, notes=submission.notes, seconds=seconds), submission, evidence)


def judge(name: str, evidence: Evidence, homework: Homework, scale: Scale = UNSCALED) -> Grade:
    """Score evidence, without running anything of the student's.

    Raises:
        ScoringError: A check failed instead of deciding.
    """
    return Grade(
        submission=name,
        homework=homework.title,
        status="graded",
        items=score(evidence, homework.rubric),
        cells=evidence.cells,
        seconds=evidence.seconds,
        scale=scale,
    )


def ungraded(
    homework: Homework,
    status: Literal["not_gradable", "infrastructure_error"],
    reason: str,
    name: str = "submission",
    scale: Scale = UNSCALED,
) -> Grade:
    """The record of a submission that could not be graded, with the reason."""
    return Grade(
        submission=name,
        homework=homework.title,
        status=status,
        items=tuple(
            ItemScore(item.id, item.title, item.claim, item.points, 0.0, "not reached", reason)
            for item in homework.rubric
        ),
        message=reason,
        scale=scale,
    )


def our_fault(homework: Homework, fault: Exception | str, name: str = "submission", scale: Scale = UNSCALED) -> Grade:
    """The record of a submission that could not be graded through no fault of its own."""
    if isinstance(fault, Exception) and not isinstance(fault, SandboxError | ScoringError):
        fault = f"{type(fault).__name__}: {fault}"
    reason = f"The grader failed, not the submission: {fault}"
    return ungraded(homework, "infrastructure_error", reason, name, scale)
