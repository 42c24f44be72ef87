"""Grades a homework that it is handed: reading, isolation, execution, scoring, batches, evidence and reports.

README.md beside this file says how to grade another homework with it.
"""

from importlib import import_module
from typing import Any

_ROOMS = {
    "Grade": "records",
    "Grader": "grading",
    "Homework": "homework",
    "Item": "records",
    "ItemScore": "records",
    "Limits": "records",
    "Lost": "verdict",
    "NotGradable": "submission",
    "Outcome": "grading",
    "Picture": "records",
    "Question": "homework",
    "Reply": "reply",
    "Sandbox": "sandbox",
    "SandboxError": "sandbox",
    "Submission": "records",
    "Unavailable": "records",
    "available": "verdict",
    "grade_all": "batch",
    "judge": "grading",
    "load_evidence": "archive",
    "read_submission": "submission",
    "save_evidence": "archive",
}
__all__ = sorted(_ROOMS)


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: the untrusted half imports this package too, and none of the judge."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
