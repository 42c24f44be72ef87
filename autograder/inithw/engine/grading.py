"""Grade one submission: the only place that knows the order of the stages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from inithw.engine.execution import execute
from inithw.engine.records import Evidence, Grade, Item, ItemScore, Limits
from inithw.engine.sandbox import Sandbox, SandboxError
from inithw.engine.scoring import ScoringError, score
from inithw.engine.submission import NAME_LIMIT, NotGradable, read_submission
from inithw.engine.text import clean
from inithw.homework.challenge import draw_challenge
from inithw.homework.checks import median_test_loss
from inithw.homework.rubric import RUBRIC


def grade(
    path: Path,
    *,
    key: bytes,
    sandbox: Sandbox,
    limits: Limits,
    keep_evidence: Callable[[Path, Evidence], None] | None = None,
) -> Grade:
    """Grade the submission at `path`; whatever happens, there is a record.

    Args:
        path: A notebook, a Python file, a zip or a folder holding one.
        key: Secret from which the challenge is drawn.
        sandbox: Where workers come from.
        limits: What the submission may use.
        keep_evidence: Called with `path` and the evidence, before it is scored.
    """
    started = time.monotonic()
    try:
        submission = read_submission(path)
    except NotGradable as reason:
        return ungraded(str(path), "not_gradable", str(reason))
    try:
        evidence = execute(submission, draw_challenge(key, submission), sandbox, limits)
        if keep_evidence is not None:
            keep_evidence(path, evidence)
        graded = judge(submission.name, evidence)
    except (SandboxError, ScoringError) as fault:
        return ungraded(str(path), "infrastructure_error", f"The grader failed, not the submission: {fault}")
    return replace(graded, notes=submission.notes, seconds=time.monotonic() - started)


def judge(name: str, evidence: Evidence) -> Grade:
    """Score evidence, without running anything of the student's.

    Raises:
        ScoringError: A check failed instead of deciding.
    """
    items = score(evidence, RUBRIC)
    loss = median_test_loss(evidence) if all(item.earned for item in items if item.id.startswith("q3.")) else None
    return Grade(
        submission=name,
        status="graded",
        items=items,
        cells=evidence.cells,
        seconds=evidence.seconds,
        leaderboard={} if loss is None else {"median test loss": loss},
    )


def ungraded(name: str, status: str, reason: str, rubric: tuple[Item, ...] = RUBRIC) -> Grade:
    """The record of a submission that could not be graded, with the reason."""
    return Grade(
        submission=clean(name, NAME_LIMIT),
        status=status,  # type: ignore[arg-type]
        items=tuple(ItemScore(item.id, item.claim, item.points, 0.0, "not reached", reason) for item in rubric),
        message=reason,
    )
