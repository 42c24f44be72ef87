"""What is done with a class that was graded: `inithw explain`, `report`, `rescore`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from inithw import __version__
from inithw.cli import shared
from inithw.cli.shared import (
    FAILED,
    USAGE,
    Column,
    Config,
    GradebookFile,
    Stop,
    Unsandboxed,
    say,
    say_settings,
)
from inithw.engine.batch import threads
from inithw.engine.container import fitting, usable_memory
from inithw.engine.course.feedback import FOLDER as FEEDBACK
from inithw.engine.course.feedback import feedback_of, page_of, read_record, stale, write_class, write_page
from inithw.engine.course.fingerprints import differing, fingerprints
from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.gradebook import fill
from inithw.engine.course.overview import REPORT, write_report
from inithw.engine.course.record import HandedIn, Record, Verdict
from inithw.engine.course.rescoring import Rescored, rescore_class, write_rescored
from inithw.engine.course.showing import print_changes
from inithw.engine.course.similar import similar_pairs
from inithw.engine.course.student import Student
from inithw.engine.files import replace_file
from inithw.engine.grading import Grader
from inithw.engine.homework import Homework
from inithw.engine.records import Evidence
from inithw.engine.report.json_line import to_json
from inithw.engine.report.progress import Meter
from inithw.engine.sandbox import Sandbox
from inithw.engine.settings import KEY_FILE, ProjectError, Settings, find_config, load_settings
from inithw.engine.slots import default_jobs
from inithw.engine.submission import handout_cells

if TYPE_CHECKING:
    from inithw.engine.similarity import Pair

_REMARKS = 10  # of a kind that are said


def explain(
    path: Annotated[
        Path,
        typer.Argument(
            exists=True,
            help="A submission; or a record or its evidence, in records/ of a class's folder; or that folder, for all.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The page to write, NAME.html; by default named after the submission, here.")
    ] = None,
    config: Config = None,
    allow_unsandboxed: Unsandboxed = False,
) -> None:
    """Write a student's feedback page: reasons, hints, the evidence as pictures; and the same as Markdown.

    From a class's folder nothing is run again: pages go to DIR/feedback/. A submission is graded for it.
    """
    homework = shared.the_homework()
    if (path / "records").is_dir():
        if out:
            raise Stop(f"--out: the pages of a class go to {path / FEEDBACK}", USAGE)
        with ClassFolder(path) as folder:
            _say_other_rules(folder.records.values(), homework)
            write_feedback(folder, homework, default_jobs(), anew=True)
            write_class_report(folder, homework, similar_pairs([], folder, handout_cells(homework)))
        return
    if path.parent.name == "records" and path.name.endswith((".json", ".evidence.npz")):
        whose, name, record, evidence, problem = read_record(path, homework)
        _say_other_rules([record], homework)
        target = out or page_of(whose, name)
        target.parent.mkdir(mode=0o700, exist_ok=True)
    else:
        record, evidence, problem = _graded_alone(path, homework, config, allow_unsandboxed)
        target = out or Path(f"{path.resolve().stem}.feedback.html")
    page, trouble = feedback_of(record, homework, evidence)
    if target.suffix != ".html":
        raise Stop(f"--out {target}: name the page, such as {target.stem}.html; its Markdown goes beside it", USAGE)
    written = write_page(page, target)
    say([why for why in (problem, trouble) if why])
    for file in written:
        print(f"wrote {file}")


def _say_other_rules(records: Iterable[Record], homework: Homework) -> None:
    """Whose verdicts do not go by the limits that pictures show."""
    today = fingerprints(homework, Settings(), __version__)
    decide = {"rubric", *homework.files}
    changed = [
        decide.intersection(differing(record.verdict.graded_with, today))
        for record in records
        if record.grade.status == "graded"
    ]
    if names := sorted({Path(name).stem for some in changed for name in some}):
        others = f"{sum(map(bool, changed))} of {len(changed)} verdicts were given under another {', '.join(names)}"
        say([f"{others}; pictures show today's. `inithw rescore` scores saved evidence by today's rules"])


def _graded_alone(
    path: Path, homework: Homework, config: Path | None, unsandboxed: bool
) -> tuple[Record, Evidence | None, str]:
    """The record and the evidence of one submission, graded now."""
    config = config or find_config(Path.cwd(), [path])
    with Sandbox(homework.worker, 1, unsandboxed=unsandboxed) as sandbox:
        sandbox.refuse_readable([path, *filter(None, (config, config and config.parent / KEY_FILE))])
        settings = load_settings(config)
        decided = fingerprints(homework, settings, __version__)
        say_settings(config, decided)
        limits = fitting(settings.limits, usable_memory(), 1)
        outcome = Grader(homework, sandbox, settings.key, limits, settings.scale).grade(path)
    own = outcome.submission.cells if outcome.submission else ()
    handed_in = HandedIn(outcome.grade.submission, code=tuple(cell for cell in own if not cell.given))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(Student(label=path.name), handed_in, Verdict(outcome.grade, decided, now)), outcome.evidence, ""


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of `inithw grade --out DIR`.")],
) -> None:
    """Write DIR/report.html: the whole class on one page for staff, to open in a browser; it needs no network."""
    _refuse_without_records(folder)
    homework = shared.the_homework()
    with ClassFolder(folder) as opened:
        write_class_report(opened, homework, similar_pairs([], opened, handout_cells(homework)), needed=True)


def _refuse_without_records(folder: Path) -> None:
    if not (folder / "records").is_dir():
        raise Stop(
            f"{folder}: no records here; make some with `inithw grade ... --out {folder} --save-evidence`", USAGE
        )


def rescore(
    folder: Annotated[Path, typer.Argument(help="Folder of `inithw grade --out DIR --save-evidence`.")],
    write: Annotated[
        bool, typer.Option("--write", "--yes", help="Let the new grades stand; without it, nothing is changed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record per student, one per line.")] = False,
    gradebook: GradebookFile = None,
    column: Column = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many records to score at once.")] = min(
        os.cpu_count() or 1, 8
    ),
) -> None:
    """Score a class again from saved evidence, without running student code: after a change of policy or thresholds.

    Shows what would change for whom. With --write the new grades stand: records keep the old ones too, changed.csv says
    what changed, grades.csv and results.json are made anew.
    """
    _refuse_without_records(folder)
    homework, config = shared.the_homework(), find_config(Path.cwd(), [folder])
    homework.ready()
    settings = load_settings(config)
    decided = fingerprints(homework, settings, __version__)
    say_settings(config, decided)
    with ClassFolder(folder) as opened:
        results: list[Rescored] = []
        with Meter(len(opened.records), "scoring") as meter, threads(jobs) as executor:
            for result in rescore_class(opened, homework, settings.scale, executor):
                results.append(result)
                meter.done()
        results.sort(key=lambda result: (result.record.student.shown.casefold(), result.id))
        if as_json:
            for result in results:
                before = {"score": result.record.grade.score, "changed": result.items}
                print(json.dumps({**to_json(result.grade), "student": result.id, "before": before}))
        else:
            print_changes(results, Console(highlight=False))
        if write:
            write_rescored(opened, results, decided)
            opened.write_tables(settings)
            _say_old_pages(opened)
            write_class_report(opened, homework, similar_pairs([], opened, handout_cells(homework)))
        say([f"{result.id}: stays as it was: {result.problem}" for result in results if result.problem][:20])
        changed = sum(result.changed for result in results)
        done = f"written to {folder}" if write else "nothing was written: `--write` lets the new grades stand"
        say([f"{changed} of {len(results)} change; {done}"])
        if gradebook:
            if not write and changed:
                raise Stop("--gradebook is filled with grades that stand: say --write too", USAGE)
            fill_gradebook(gradebook, opened.records, folder, settings.assignment_name or homework.title, column)
        damaged = [*opened.damaged, *(result.id for result in results if result.damaged)]
    if damaged:
        raise Stop(f"Damaged, and left as they were: {', '.join(damaged)}", FAILED)


def write_feedback(folder: ClassFolder, homework: Homework, jobs: int, *, anew: bool) -> None:
    """Write the feedback pages of a class, and say so."""
    due = len(folder.records) if anew else sum(stale(folder, name) for name in folder.records)
    remarks = []
    with Meter(due, "writing feedback") as meter, threads(jobs) as executor:
        for name, problem in write_class(folder, homework, executor, ahead=2 * jobs, anew=anew):
            meter.done()
            if problem:
                remarks.append(f"{name}: {problem}")
    say([*remarks[:_REMARKS], *([f"... and {len(remarks) - _REMARKS} more"] if len(remarks) > _REMARKS else [])])
    say([f"{folder.path / FEEDBACK}: {due} pages written, {len(folder.records) - due} as they were"])


def _say_old_pages(folder: ClassFolder) -> None:
    """How many feedback pages say what no longer stands."""
    old = sum(page_of(folder.path, name).exists() and stale(folder, name) for name in folder.records)
    if old:
        say([f"{old} feedback pages are older than their records: `inithw explain {folder.path}` writes them anew"])


def write_class_report(folder: ClassFolder, homework: Homework, pairs: Sequence[Pair], *, needed: bool = False) -> None:
    """Write the class's report and say where it is; where it is not what was asked for, it must not end the run."""
    try:
        say([f"Look at the class: {write_report(folder, homework, pairs)}"])
    except ProjectError as missing:
        if needed:
            raise
        say([f"{folder.path / REPORT} was not written: {missing}"])


def fill_gradebook(
    gradebook: Path, records: Mapping[str, Record], out: Path | None, title: str, column: str | None
) -> None:
    """Write a filled copy of a gradebook, into the class's folder or beside it."""
    filled = fill(gradebook, records, title=title, column=column)
    target = (out or gradebook.parent) / f"{gradebook.stem}.filled{gradebook.suffix or '.csv'}"
    try:
        replace_file(target, filled.data, 0o600)
    except OSError as error:
        raise Stop(f"{target}: cannot be written ({error.strerror})", FAILED) from error
    say([*filled.remarks, f"{target}: {filled.filled} grades in the column {filled.column!r}; nothing else changed"])
