"""Stock Otter on this engine: its plugin grades behind our walls and leaves Otter nothing of the submission but evidence.

Otter by itself runs a student's code, the tests and their results in one process. With this plugin, `before_grading`
grades the submission, empties its folder and puts a stub notebook in its place; Otter's tests then see evidence
only, and `after_grading` writes our record over their results.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import nbformat
from otter.plugins import AbstractOtterPlugin
from otter.run import AutograderConfig
from otter.test_files import GradingResults, TestCase
from otter.test_files.abstract_test import TestCaseResult
from otter.test_files.exception_test import ExceptionTestFile

from inithw.archive import save_evidence
from inithw.grading import grade, ungraded
from inithw.records import Evidence, Grade, ItemScore
from inithw.report.json_line import explain
from inithw.sandbox import Sandbox
from inithw.settings import CONFIG_NAME, load_settings

_OTTERS_OWN = "tests"  # of all that lies in the submission folder, Otter has put only this there
_NEEDS_THE_SUBMISSION = ("pdf", "token", "grade_from_log")
_STUB = """\
from inithw.archive import load_evidence

_, evidence = load_evidence({path!r})
"""


class InithwPlugin(AbstractOtterPlugin):
    """Grades one submission; named in the `plugins` of otter_config.json."""

    def during_generate(self, otter_config: dict[str, Any], assignment: object) -> None:
        """Refuse options of Otter that need the submission in its folder, which will be empty.

        Raises:
            ValueError: One of them is set.
        """
        for option in _NEEDS_THE_SUBMISSION:
            if otter_config.get(option):
                raise ValueError(f"otter_config.json: {option!r} cannot be combined with this plugin; remove it")

    def before_grading(self, config: AutograderConfig) -> None:
        """Grade the submission and leave evidence in its place."""
        path = Path(self.submission_path)
        root = Path(config.autograder_dir)
        _close_to_others(root)
        self._evidence: Evidence | None = None
        self._grade = self._graded(path, root / "source" / CONFIG_NAME)
        _empty(path.parent)
        _write_stub(path, self._evidence)
        # for Otter's kernel: more threads are slower on small matrices
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    def after_grading(self, results: GradingResults) -> None:
        """Put our record in the place of what came back from Otter's kernel, of which nothing is the student's."""
        record = self._grade
        if record.status == "graded" and not results.has_catastrophic_failure():
            differing = _differing(results, record)
            if differing:
                reason = (
                    f"The grader failed, not the submission: its Otter tests and its rubric disagree on {differing}"
                )
                record = self._grade = ungraded(record.submission, "infrastructure_error", reason)
        results.results = {item.id: _test_file(item) for item in record.items}
        results._catastrophic_error = None
        results.set_output(_summary(record))

    def generate_report(self) -> str:
        """What Otter prints at the end."""
        return _summary(self._grade)

    def _graded(self, path: Path, config: Path) -> Grade:
        try:
            with Sandbox() as sandbox:
                settings = load_settings(config if config.is_file() else None)
                return grade(
                    path,
                    key=settings.key,
                    sandbox=sandbox,
                    limits=settings.limits,
                    keep_evidence=self._keep,
                )
        except Exception as fault:  # without a record, Otter would leave no results at all
            reason = f"The grader failed, not the submission: {type(fault).__name__}: {fault}"
            return ungraded(str(path), "infrastructure_error", reason)

    def _keep(self, _name: str, evidence: Evidence) -> None:
        self._evidence = evidence


def _close_to_others(root: Path) -> None:
    """Keep the key, the tests and earlier results from other users: in Gradescope's image all may read them."""
    for name in ("source", "submission", "results", "submission_metadata.json"):
        if (root / name).exists():
            os.chmod(root / name, 0o700)


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


def _test_file(item: ItemScore) -> ExceptionTestFile:
    """One item of the record as Otter's result of a test."""
    case = TestCase(
        name=item.id, body=None, hidden=False, points=item.points, success_message=item.claim, failure_message=None
    )
    file = ExceptionTestFile(item.id, f"{_OTTERS_OWN}/{item.id.partition('.')[0]}.py", [case], all_or_nothing=False)
    file.test_case_results = [TestCaseResult(case, explain(item), passed=item.state == "passed")]
    file.update_score(item.earned)
    return file


def _summary(record: Grade) -> str:
    """What concerns the whole submission: whether it was graded, which cells failed, remarks of the reader."""
    lines = [f"{record.score:g} of {record.max_score:g} points, in {record.seconds:.1f} s."]
    if record.status != "graded":
        lines = [record.message]
    lines += [f"Code cell {cell.number}: {cell.error}" for cell in record.cells if cell.state == "error"]
    return "\n".join([*lines, *record.notes])
