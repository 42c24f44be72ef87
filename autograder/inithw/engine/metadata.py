"""What Gradescope records about earlier submissions, in submission_metadata.json."""

from __future__ import annotations

import json
import math
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

_METADATA_BYTES = 64 << 20


def best_earlier_score(path: Path) -> float | None:
    """The best score that Gradescope's metadata record for this student, or None."""
    try:
        with path.open("rb") as file:
            metadata = json.loads(file.read(_METADATA_BYTES))
        scores = [_score(submission) for submission in metadata["previous_submissions"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # not there, or of another form
        return None
    return max((score for score in scores if score is not None), default=None)


def _score(submission: Any) -> float | None:
    """Recorded as a number or a text, at the top or in the results."""
    for places in (("score",), ("results", "score")):
        try:
            score = float(reduce(getitem, places, submission))
        except (LookupError, TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(score) and score >= 0:
            return score
    return None
