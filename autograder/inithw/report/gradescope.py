"""A grade as Gradescope's results.json."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from inithw.records import Grade


def to_results(grade: Grade) -> dict[str, Any]:
    """Placeholder."""
    return {
        "score": grade.score,
        "tests": [{"name": i.id, "score": i.earned, "max_score": i.points} for i in grade.items],
    }


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Placeholder."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results))
    os.replace(part, path)
