"""Grade one submission in Gradescope's layout: whatever happens, results/results.json is there and valid.

source/      what the zip held, with otter_config.json and the grading key
submission/  what the student uploaded
results/     where results.json belongs
submission_metadata.json
"""

from __future__ import annotations

import faulthandler
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inithw.engine.container import container_memory, fitting
from inithw.engine.grading import Grader, ungraded
from inithw.engine.metadata import best_earlier_score
from inithw.engine.records import Grade
from inithw.engine.report.gradescope import to_results, write_results
from inithw.engine.sandbox import Sandbox
from inithw.engine.settings import CONFIG_NAME, PUBLIC_KEY, ConfigError, Settings, load_settings
from inithw.homework.definition import HOMEWORK

OUTSIDE_SECONDS = 120
"""On top of the limit for one submission: starting the worker and the judge's own work."""
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
