"""Turn evidence into a verdict on each item of the rubric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from inithw.engine.records import Evidence, Item, ItemScore
from inithw.engine.verdict import Lost, NotAnswered, NotReached


class ScoringError(Exception):
    """A check itself failed: the grader's fault, never the student's."""


def score(evidence: Evidence, rubric: Sequence[Item]) -> tuple[ItemScore, ...]:
    """Judge every item by itself, in rubric order.

    Raises:
        ScoringError: A check raised something other than `Lost`.
    """
    return tuple(_score_item(evidence, item) for item in rubric)


def _score_item(evidence: Evidence, item: Item) -> ItemScore:
    common = {"id": item.id, "title": item.title, "claim": item.claim, "points": item.points}
    try:
        figures = item.check(evidence)
    except Lost as lost:
        return ItemScore(
            **common,  # type: ignore[arg-type]
            earned=0.0,
            state=_state(lost),
            message=lost.message,
            diagnosis=lost.diagnosis,
            hint=lost.hint,
        )
    except Exception as error:
        raise ScoringError(
            f"the check of {item.id} failed with {type(error).__name__}: {error}; this is a fault of the grader, "
            "please report it with the submission"
        ) from error
    return ItemScore(**common, earned=item.points, state="passed", figures=figures or {})  # type: ignore[arg-type]


def _state(lost: Lost) -> Literal["lost", "not answered", "not reached"]:
    if isinstance(lost, NotAnswered):
        return "not answered"
    return "not reached" if isinstance(lost, NotReached) else "lost"
