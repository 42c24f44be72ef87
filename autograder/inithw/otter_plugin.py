"""Stock Otter on this engine: its plugin grades behind our walls and leaves Otter nothing but evidence.

Otter by itself runs a student's code, the tests and their results in one process. With this plugin, `before_grading`
grades the submission, empties its folder and puts a stub notebook in its place; Otter's tests then see evidence
only, and `after_grading` writes our record over their results.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from otter.plugins import AbstractOtterPlugin
from otter.run import AutograderConfig
from otter.test_files import GradingResults, TestCase
from otter.test_files.abstract_test import TestCaseResult
from otter.test_files.exception_test import ExceptionTestFile

from inithw.engine.archive import save_evidence
from inithw.engine.container import container_memory, fitting
from inithw.engine.grading import Grader, ungraded
from inithw.engine.metadata import best_earlier_score
from inithw.engine.records import Evidence, Grade
from inithw.engine.report.gradescope import to_results
from inithw.engine.sandbox import Sandbox
from inithw.engine.settings import CONFIG_NAME, KEY_FILE, PUBLIC_KEY, ConfigError, Settings, load_settings
from inithw.homework.definition import HOMEWORK

_OTTERS_OWN = "tests"  # in the submission folder, Otter has put only this
_NEEDS_THE_SUBMISSION = ("pdf", "token", "grade_from_log")
_STUB = """\
from inithw.engine.archive import load_evidence
from inithw.homework.definition import HOMEWORK

_, evidence = load_evidence({path!r}, HOMEWORK)
"""


class InithwPlugin(AbstractOtterPlugin):
    """Grades one submission; named in the `plugins` of otter_config.json."""

    def during_generate(self, otter_config: dict[str, Any], assignment: object) -> None:
        """Check the configuration: Otter would ignore a misspelt key, and some of its options cannot work here.

        Raises:
            ConfigError: A key or value cannot be used.
        """
        for option in _NEEDS_THE_SUBMISSION:
            if otter_config.get(option):
                raise ConfigError(
                    f"{CONFIG_NAME}: {option} needs the submission, which this plugin removes; leave it out"
                )
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, CONFIG_NAME)
            copy.write_text(json.dumps(otter_config), encoding="utf-8")
            load_settings(copy)

    def before_grading(self, config: AutograderConfig) -> None:
        """Grade the submission and leave evidence in its place."""
        root, path = Path(config.autograder_dir), Path(self.submission_path)
        _close_to_others(root)
        self._earlier = best_earlier_score(root / "submission_metadata.json")
        self._settings = Settings()
        self._evidence: Evidence | None = None
        self._grade = self._graded(path, config)
        _show_items(config, self._settings.visibility)
        _empty(path.parent)
        _write_stub(path, self._evidence)
        # for Otter's kernel: more threads are slower on small matrices
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    def after_grading(self, results: GradingResults) -> None:
        """Put our record in the place of what came back from Otter's kernel, which held nothing of the student's."""
        if self._grade.status == "graded" and not results.has_catastrophic_failure():
            differing = _differing(results, self._grade)
            if differing:
                self._grade = _failed(f"its Otter tests and its rubric disagree on {differing}")
        ours = to_results(self._grade, self._settings, self._earlier)
        results.results = {file.name: file for file in _test_files(self._grade, ours, self._settings)}
        results.set_output(ours["output"])
        results._catastrophic_error = None

    def _graded(self, path: Path, config: AutograderConfig) -> Grade:
        try:
            with Sandbox(HOMEWORK.worker) as sandbox:
                self._settings = load_settings(Path(config.autograder_dir, "source", CONFIG_NAME))
                if self._settings.key == PUBLIC_KEY and not config.otter_run:
                    raise ConfigError(f"there is no grading key; add the file {KEY_FILE} to the zip (docs/otter.md)")
                limits = fitting(self._settings.limits, container_memory())
                outcome = Grader(HOMEWORK, sandbox, self._settings.key, limits).grade(path)
                self._evidence = outcome.evidence
                return outcome.grade
        except Exception as fault:  # without a record, Otter would leave no results at all
            return _failed(f"{type(fault).__name__}: {fault}")


def _failed(reason: str) -> Grade:
    return ungraded(HOMEWORK, "infrastructure_error", reason)


def _close_to_others(root: Path) -> None:
    """Keep the key, the tests and earlier results from other users: in Gradescope's image all may read them."""
    for name in ("source", "submission", "results"):
        (root / name).chmod(0o700)
    for file in (root / "submission_metadata.json", root / "source" / KEY_FILE):
        if file.exists():
            file.chmod(0o600)


def _show_items(config: AutograderConfig, visibility: str) -> None:
    """Say our visibility in Otter's terms: it knows `visible` and `after_published`, the later one when in doubt."""
    config.show_hidden, config.show_all_public = True, visibility == "visible"
    config.force_public_test_summary = False  # it would say everything twice, and before its time


def _empty(folder: Path) -> None:
    """Remove what was uploaded: a log that Otter would unpickle, modules that would shadow its own."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            if entry.name != _OTTERS_OWN:
                shutil.rmtree(entry)
        else:
            entry.unlink()


def _write_stub(path: Path, evidence: Evidence | None) -> None:
    """Write a notebook, or a script where that was submitted, that binds `evidence` and does nothing else."""
    code = ""
    if evidence is not None:
        code = _STUB.format(path=str(save_evidence(path.parent, "submission", path.name, evidence)))
    if path.suffix == ".ipynb":
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    else:
        path.write_text(code, encoding="utf-8")


def _differing(results: GradingResults, record: Grade) -> str:
    """The items on which Otter's tests decided otherwise than the record, or which only one of them has."""
    found = {
        (case.test_case.name, float(case.test_case.points), case.passed)
        for file in results.results.values()
        for case in file.test_case_results
    }
    ours = {(item.id, float(item.points), item.state == "passed") for item in record.items}
    return ", ".join(sorted({name for name, *_ in found ^ ours}))


def _test_files(record: Grade, ours: dict[str, Any], settings: Settings) -> list[ExceptionTestFile]:
    """The record as results of Otter's tests: one for each item, or one in all when nothing was graded.

    Args:
        record: What was decided.
        ours: The same as Gradescope would get it from us.
        settings: By which Otter, too, will scale the points.
    """
    if record.status != "graded":
        kept = ours["score"] / replace(record, scale=settings.scale).max_score * record.max_points
        return [_test_file("not graded", "not graded", record.max_points, kept, ours["output"])]
    return [
        _test_file(item.id, test["name"], item.points, item.earned, test["output"])
        for item, test in zip(record.items, ours["tests"], strict=True)
    ]


def _test_file(name: str, title: str, points: float, earned: float, text: str) -> ExceptionTestFile:
    case = TestCase(title, body=None, hidden=False, points=points, success_message=text, failure_message=None)
    file = ExceptionTestFile(name, f"{_OTTERS_OWN}/{name}", [case], all_or_nothing=False)
    file.test_case_results = [TestCaseResult(case, message=text, passed=earned == points)]
    file.update_score(earned)
    return file
