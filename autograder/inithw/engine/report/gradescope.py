"""A grade as Gradescope's results.json: plain text that reads alike on screen, on paper and aloud.

The format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from inithw.engine.files import replace_file
from inithw.engine.records import CellRun, Grade, ItemScore
from inithw.engine.settings import Settings
from inithw.engine.text import clean

_STATES = {"passed": "PASSED", "lost": "LOST", "not answered": "NOT ANSWERED", "not reached": "NOT REACHED"}
_LINE = 1000  # characters
_LISTED = 20  # cells, notes
_LOCAL = (
    "The local checks (grader.check) look at the structure of an answer only, not at whether it is right: a notebook "
    "that passes all of them can lose points here."
)


def to_results(grade: Grade, settings: Settings | None = None, earlier: float | None = None) -> dict[str, Any]:
    """Turn a grade into what Gradescope reads.

    Args:
        grade: Of any status.
        settings: Visibility, points and leaderboard, by default as if nothing was configured.
        earlier: Best score that Gradescope has recorded for this student, kept when the fault is ours.
    """
    settings = settings or Settings()
    grade = replace(grade, scale=settings.scale)
    score = grade.score
    if grade.status == "infrastructure_error":
        score = min(earlier or 0.0, grade.max_score)
    results: dict[str, Any] = {
        "score": score,
        "execution_time": round(grade.seconds, 1),
        "output": "\n".join(_summary(grade, settings, score, earlier)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": settings.visibility,
        "stdout_visibility": "after_published" if settings.show_stdout else "hidden",
        "tests": [_test(item) for item in grade.items] if grade.status == "graded" else [],
        "extra_data": {
            "status": grade.status,
            "items": {item.id: item.earned for item in grade.items},
            "diagnoses": {item.id: item.diagnosis for item in grade.items if item.diagnosis},
        },
    }
    if settings.leaderboard:
        results["leaderboard"] = [
            {"name": clean(name, 100), "value": value, "order": "asc"}
            for name, value in grade.figures.items()
            if math.isfinite(value)
        ]
    return results


def write_results(path: Path, results: dict[str, Any], mode: int = 0o600) -> None:
    """Write results.json completely or not at all."""
    replace_file(path, json.dumps(results, indent=1, allow_nan=False) + "\n", mode)


# ---------------------------------------------------------------- one item


def _test(item: ItemScore) -> dict[str, Any]:
    return {
        "name": clean(f"{_question(item)}, {item.title} ({item.id})", 200),
        "score": item.earned,
        "max_score": item.points,
        "status": "passed" if item.state == "passed" else "failed",
        "output": "\n".join(_explained(item)),
        "output_format": "text",
        "name_format": "text",
    }


def _question(item: ItemScore) -> str:
    """`Question 1` for q1."""
    return f"Question {item.question.removeprefix('q')}"


def _explained(item: ItemScore) -> Iterable[str]:
    yield f"{_STATES[item.state]}: {item.earned:g} of {_points(item.points)}."
    yield clean(f"{'Shown' if item.state == 'passed' else 'To show'}: {item.claim}", _LINE)
    if item.message:
        yield clean(f"{'Found' if item.state == 'lost' else 'Why'}: {item.message}", _LINE)
    if item.diagnosis:
        yield clean(f"Known mistake: {item.diagnosis}", _LINE)
    if item.hint:
        yield clean(f"Hint: {item.hint}", _LINE)


# ---------------------------------------------------------------- the whole submission


def _summary(grade: Grade, settings: Settings, score: float, earlier: float | None) -> Iterable[str]:
    yield clean(f"{settings.assignment_name or grade.homework}: {score:g} of {_points(grade.max_score)}.", _LINE)
    if grade.status == "infrastructure_error":
        yield from _our_fault(grade, score, earlier)
    elif grade.status == "not_gradable":
        yield clean(f"Nothing was graded: {grade.message}", _LINE)
    else:
        yield from _by_state(grade)
        yield from _cells(grade.cells)
        if any(item.state == "lost" for item in grade.items):
            yield _LOCAL
    yield from _first(clean(f"Note: {note}", _LINE) for note in grade.notes)
    yield f"Grading took {grade.seconds:.0f} seconds."


def _our_fault(grade: Grade, score: float, earlier: float | None) -> Iterable[str]:
    yield "The grader failed, not you: this submission was not graded, and it costs you no points."
    if earlier is None:
        yield "There is no earlier score to keep, so 0 stands here until it is graded."
    else:
        yield f"Your best earlier score, {score:g}, is kept."
    yield "Submit again; if the same happens, write to the staff, who can start the autograder again."
    yield clean(f"For the staff: {grade.message}", _LINE)


def _by_state(grade: Grade) -> Iterable[str]:
    if all(item.state == "passed" for item in grade.items):
        yield "All items are passed."
    for state, words in [("lost", "Lost"), ("not answered", "Not answered"), ("not reached", "Not reached")]:
        found = [f"{item.id} ({_points(item.points)})" for item in grade.items if item.state == state]
        if found:
            yield clean(f"{words}: {', '.join(found)}.", _LINE)


def _cells(cells: Iterable[CellRun]) -> Iterable[str]:
    cells = list(cells)
    failed = [cell for cell in cells if cell.state == "error"]
    if failed:
        yield "Code cells that raised an error, counted from 1; the cells after them ran all the same:"
        yield from _first(clean(f"  code cell {cell.number}: {cell.error}", _LINE) for cell in failed)
    unreached = [str(cell.number) for cell in cells if cell.state == "not reached"]
    if unreached:
        reason = next((cell.error for cell in cells if cell.state == "not reached" and cell.error), "")
        yield clean(f"Code cells not reached: {', '.join(unreached)}. {reason}".strip(), _LINE)


def _first(lines: Iterable[str]) -> Iterable[str]:
    lines = list(lines)
    yield from lines[:_LISTED]
    if len(lines) > _LISTED:
        yield f"  and {len(lines) - _LISTED} more."


def _points(points: float) -> str:
    return f"{points:g} point{'' if points == 1 else 's'}"
