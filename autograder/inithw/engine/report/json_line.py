"""A grade as one JSON object, for programs."""

from __future__ import annotations

from typing import Any

from inithw.engine.records import Grade
from inithw.engine.report import explain


def to_json(grade: Grade) -> dict[str, Any]:
    """The record that `inithw grade --json` prints, one per line."""
    return {
        "submission": grade.submission,
        "score": grade.score,
        "max_score": grade.max_score,
        "points": grade.points,
        "max_points": grade.max_points,
        "items": {item.id: item.earned for item in grade.items},
        "messages": {item.id: explain(item) for item in grade.items if item.state != "passed"},
        "status": grade.status,
        "states": {item.id: item.state for item in grade.items},
        "diagnoses": {item.id: item.diagnosis for item in grade.items if item.diagnosis},
        "message": grade.message,
        "notes": list(grade.notes),
        "cell_errors": {str(cell.number): cell.error for cell in grade.cells if cell.state == "error"},
        "seconds": round(grade.seconds, 3),
    }
