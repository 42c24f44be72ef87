"""Grade one submission in Gradescope's layout: whatever happens, results/results.json is there and valid.

source/      what the zip held, with otter_config.json and the grading key
submission/  what the student uploaded
results/     where results.json belongs
submission_metadata.json
"""

from __future__ import annotations

import faulthandler
import json
import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from inithw.engine.grading import Grader, ungraded
from inithw.engine.records import Grade, Limits
from inithw.engine.report.gradescope import to_results, write_results
from inithw.engine.sandbox import Sandbox
from inithw.engine.settings import CONFIG_NAME, PUBLIC_KEY, ConfigError, Settings, load_settings
from inithw.homework.definition import HOMEWORK

OUTSIDE_SECONDS = 120
"""On top of the limit for one submission: starting the worker and the judge's own work."""
JUDGE_BYTES = 384 << 20
"""What the judge and the pre-loaded worker keep resident; a container's memory less this is the submission's."""
LEAST_BYTES = 256 << 20
_METADATA_BYTES = 64 << 20
_NO_LIMIT = 1 << 50  # written as "max", or as a number near 2^63
_STOPPED = (
    "The grader was stopped before it had finished: by the container's limit of memory or time, or by a fault of the "
    "machine."
)


def run_gradescope(root: Path) -> int:
    """Grade `root`/submission and write `root`/results/results.json; 0, or 1 when the grader failed.

    The first results.json is written before anything can go wrong. It says that grading was stopped, and stays when
    it was.
    """
    target = root / "results" / "results.json"
    earlier = best_earlier_score(root / "submission_metadata.json")
    settings = Settings()

    def write(record: Grade) -> None:
        write_results(target, to_results(record, settings, earlier), mode=0o600)

    write(_failed(_STOPPED))
    try:
        with Sandbox(HOMEWORK.worker) as sandbox:
            settings = load_settings(root / "source" / CONFIG_NAME)
            write(_failed(_STOPPED))  # in the words and points of this configuration
            if settings.key == PUBLIC_KEY:
                raise ConfigError("there is no grading key; build the autograder again")
            limits = fitting(settings.limits, container_memory())
            with _ended_after(limits.total_seconds + OUTSIDE_SECONDS):
                record = Grader(HOMEWORK, sandbox, settings.key, limits).grade(root / "submission").grade
    except Exception as fault:
        traceback.print_exc()
        record = _failed(f"{type(fault).__name__}: {fault}")
    write(record)
    results = to_results(record, settings, earlier)
    print(results["output"], *(f"\n{test['name']}\n{test['output']}" for test in results["tests"]), sep="\n")
    return int(record.status == "infrastructure_error")


def best_earlier_score(path: Path) -> float | None:
    """The best score that Gradescope's metadata record for this student, or None."""
    try:
        with path.open("rb") as file:
            metadata = json.loads(file.read(_METADATA_BYTES))
        scores = [_score(submission) for submission in metadata["previous_submissions"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # not there, or of another form
        return None
    return max((score for score in scores if score is not None), default=None)


def container_memory(process: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this container may use, or None when no limit is to be found.

    Args:
        process: Names this process's control group, one line for each hierarchy.
        mount: Where the hierarchies are; in a container, often only the part that is its own.
    """
    limits: list[int] = []
    with suppress(OSError):
        for line in process.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                limits += _limits_up_to(mount, group, "memory.max")
            elif "memory" in controllers.split(","):
                limits += _limits_up_to(mount / "memory", group, "memory.limit_in_bytes")
    return min(limits, default=None)


def _limits_up_to(top: Path, group: str, name: str) -> Iterator[int]:
    """The limits of a control group and of all that it is part of."""
    place = top / group.lstrip("/")
    for folder in (place, *place.parents):
        with suppress(OSError):
            text = (folder / name).read_text().strip()
            if text.isdigit() and int(text) < _NO_LIMIT:
                yield int(text)
        if folder == top:
            return


def fitting(limits: Limits, memory: int | None) -> Limits:
    """The limits, with no more memory than the container can give: else it would end the judge as well."""
    if memory is None:
        return limits
    return replace(limits, memory_bytes=min(limits.memory_bytes, max(memory - JUDGE_BYTES, LEAST_BYTES)))


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


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """End this process when it hangs: else the platform ends the whole container, and keeps no results at all."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _failed(reason: str) -> Grade:
    return ungraded(HOMEWORK, "infrastructure_error", reason)
