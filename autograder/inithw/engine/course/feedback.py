"""Writes each student's feedback page, from their record and the evidence that was kept."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path, PurePath

from inithw.engine.archive import ArchiveError, load_evidence
from inithw.engine.batch import run_all
from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.handin import CourseError
from inithw.engine.course.record import Record, RecordError, Verdict, from_text
from inithw.engine.files import replace_file
from inithw.engine.homework import Homework
from inithw.engine.records import Evidence, Picture
from inithw.engine.report.pages.feedback import Feedback, answer_cells, to_html, to_markdown

FOLDER = "feedback"
_PRIVATE = 0o600


def feedback_of(record: Record, homework: Homework, evidence: Evidence | None) -> tuple[Feedback, str]:
    """What a student's page says, and why it has no pictures where it has none.

    Args:
        record: The student's.
        homework: Draws the pictures.
        evidence: On which the verdict rests; None where none was kept.
    """
    pictures: Sequence[Picture] = ()
    problem = ""
    if evidence is not None:
        try:
            pictures = homework.pictures(evidence)
        except Exception as fault:  # one student's odd numbers must not cost the others their pages
            problem = f"no pictures: {type(fault).__name__}: {fault}"
    handed_in, verdict = record.handed_in, record.verdict
    facts = [
        f"Handed in: {PurePath(handed_in.path).name}",
        f"at {handed_in.submitted_at}" if handed_in.submitted_at else "",
        "late" if handed_in.late else "",
        f"graded {verdict.graded_at.replace('T', ' ').replace('+00:00', ' UTC')}" if verdict.graded_at else "",
        f"grader {verdict.graded_with['version']}" if "version" in verdict.graded_with else "",
    ]
    earlier = [
        f"An earlier result, {old.grade.score:g} of {old.grade.max_score:g}, no longer stands: {why}."
        for why, old in record.earlier
    ]
    code = answer_cells(handed_in.code, homework.answers)
    return Feedback(record.student.shown, record.grade, pictures, code, facts, earlier), problem


def write_page(feedback: Feedback, target: Path) -> list[Path]:
    """Write the page, and beside it the same as Markdown.

    Args:
        feedback: What it says.
        target: Of the page, `emil.html`; its folder exists.

    Raises:
        OSError: It cannot be written.
        ProjectError: What draws it is not installed.
    """
    pages = {target: to_html(feedback), target.with_suffix(".md"): to_markdown(feedback)}
    for path, text in pages.items():
        replace_file(path, text, _PRIVATE)
    return list(pages)


def page_of(folder: Path, name: str) -> Path:
    """Where the page of the student whose record is called `name` lies in a class's folder."""
    return folder / FOLDER / f"{name}.html"


def write_class(
    folder: ClassFolder, homework: Homework, executor: Executor, *, ahead: int, anew: bool = True
) -> Generator[tuple[str, str]]:
    """Yield the id of each record whose pages were written, in any order, with a remark or "".

    Args:
        folder: The class.
        homework: Draws the pictures.
        executor: Where pages are made.
        ahead: How many at a time.
        anew: Whether to write pages also that are newer than their records.

    Raises:
        OSError: They cannot be written.
        ProjectError: What draws them is not installed.
    """
    (folder.path / FOLDER).mkdir(mode=0o700, exist_ok=True)

    def work(task: tuple[str, Record]) -> str:
        name, record = task
        evidence, problem = _evidence(folder.path, record.verdict, homework)
        feedback, trouble = feedback_of(record, homework, evidence)
        write_page(feedback, page_of(folder.path, name))
        return problem or trouble

    def failed(_task: tuple[str, Record], fault: BaseException) -> str:
        raise fault

    due = [(name, record) for name, record in sorted(folder.records.items()) if anew or stale(folder, name)]
    for (name, _), problem in run_all(executor, work, due, part=lambda task: task, ahead=ahead, failed=failed):
        yield name, problem


def stale(folder: ClassFolder, name: str) -> bool:
    """Whether a student's page is missing or older than the record."""
    page = page_of(folder.path, name)
    return not page.exists() or page.stat().st_mtime_ns <= folder.record_path(name).stat().st_mtime_ns


def read_record(path: Path, homework: Homework) -> tuple[Path, str, Record, Evidence | None, str]:
    """The class's folder, a student's id and record, the evidence and why there is none.

    Args:
        path: A file in `records/` of a class's folder: a record, or evidence, of which the verdict then is shown.
        homework: Whose evidence it is.

    Raises:
        CourseError: It is neither.
    """
    name = path.name.removesuffix(".json")
    if path.name.endswith(".evidence.npz"):
        name = path.name.removesuffix(".evidence.npz").rpartition(".")[0]
    try:
        record = from_text((path.parent / f"{name}.json").read_bytes())
    except (OSError, RecordError) as error:
        raise CourseError(f"{path}: no record of a class, nor the evidence of one") from error
    if path.name.endswith(".npz"):
        others = [(why, old) for why, old in record.earlier if old.evidence == path.name]
        if record.verdict.evidence != path.name and others:
            record = replace(record, verdict=others[0][1], earlier=())
    evidence, problem = _evidence(path.parent.parent, record.verdict, homework)
    return path.parent.parent, name, record, evidence, problem


def _evidence(folder: Path, verdict: Verdict, homework: Homework) -> tuple[Evidence | None, str]:
    if not verdict.evidence:
        graded = verdict.grade.status == "graded"
        return None, "no pictures: its evidence was not kept (`--save-evidence`)" if graded else ""
    try:
        return load_evidence(folder / "records" / verdict.evidence, homework)[1], ""
    except ArchiveError as fault:
        return None, f"no pictures: {fault}"
