"""What several tests put together: readers and graders of this homework, items and grades made up."""

from pathlib import Path

from inithw.engine import submission
from inithw.engine.grading import Grader
from inithw.engine.records import Grade, ItemScore, Limits, Submission
from inithw.engine.sandbox import Sandbox
from inithw.homework.definition import HOMEWORK


def read_submission(path: Path) -> Submission:
    """What a file holds, as a submission of this homework."""
    return submission.read_submission(path, HOMEWORK)


def grader(sandbox: Sandbox, key: bytes = b"key", limits: Limits | None = None) -> Grader:
    """A grader of this homework, with the usual limits."""
    return Grader(HOMEWORK, sandbox, key, limits or Limits())


def item_score(item_id: str, state: str = "lost", points: float = 1.0, **rest: object) -> ItemScore:
    """A verdict on an item, made up."""
    earned = points if state == "passed" else 0.0
    return ItemScore(item_id, f"title of {item_id}", f"what {item_id} claims", points, earned, state, **rest)


def grade_of(*items: ItemScore, name: str = "submission", status: str = "graded", **rest: object) -> Grade:
    """A grade, made up."""
    return Grade(name, HOMEWORK.title, status, items, **rest)
