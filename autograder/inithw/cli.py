"""The command line: `inithw grade | explain | report | rescore | build | answers | calibrate | new-term | ...`."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pkgutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

# One thread in the judge too: more are slower on small matrices and starve the worker. Before NumPy is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import typer
from rich.console import Console
from rich.markup import escape

from inithw import __version__
from inithw.engine.archive import ArchiveError
from inithw.engine.batch import Pool, threads, threads_that_grade
from inithw.engine.cluster import ClusterError, Terms, cluster
from inithw.engine.container import fitting, usable_memory
from inithw.engine.course.feedback import FOLDER as FEEDBACK
from inithw.engine.course.feedback import feedback_of, page_of, read_record, stale, write_class, write_page
from inithw.engine.course.fingerprints import differing, fingerprints
from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.gradebook import fill
from inithw.engine.course.handin import CourseError, Intake
from inithw.engine.course.intake import LAYOUTS, collect
from inithw.engine.course.overview import REPORT, write_report
from inithw.engine.course.record import HandedIn, Record, Verdict
from inithw.engine.course.rescoring import Rescored, rescore_class, write_rescored
from inithw.engine.course.roster import Roster, read_roster
from inithw.engine.course.running import ClassRun, Done
from inithw.engine.course.showing import print_changes, print_pairs, summary
from inithw.engine.course.similar import similar_pairs
from inithw.engine.course.student import Student
from inithw.engine.files import replace_file
from inithw.engine.grading import Grader
from inithw.engine.homework import Homework
from inithw.engine.records import Evidence, Grade
from inithw.engine.report.json_line import to_json
from inithw.engine.report.progress import Meter
from inithw.engine.report.terminal import print_grade, print_overview
from inithw.engine.sandbox import Sandbox, SandboxError
from inithw.engine.scoring import ScoringError
from inithw.engine.settings import KEY_FILE, ProjectError, Settings, find_config, load_settings
from inithw.engine.slots import default_jobs
from inithw.engine.submission import handout_cells
from inithw.engine.text import clean

if TYPE_CHECKING:
    from inithw.engine.similarity import Pair

app = typer.Typer(
    name="inithw",
    help="Grade the homework on initialization and local linearization: many fresh seeds, isolated code, a reason for "
    "every lost point.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_HOMEWORK = "inithw.homework.definition:HOMEWORK"
_DETAILED = 3  # up to so many submissions are shown item by item
_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130
_REMARKS = 10  # of a kind that are said
_REFRESH = 10.0  # seconds after which grades.csv is made anew while a class is graded

_Gradebook = Annotated[
    Path | None, typer.Option(help="Gradebook that Canvas, Moodle or nbgrader exported: a filled copy is written.")
]
_Column = Annotated[
    str | None, typer.Option(metavar="HEADING", help="The gradebook's column, or nbgrader's assignment.")
]
_Unsandboxed = Annotated[
    bool,
    typer.Option(help="Grade on a system without walls: students' code then runs with all your rights."),
]
_Config = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="The configuration to use; by default the nearest otter_config.json here or above, but never one "
        "in or beside a submission.",
    ),
]


class Stop(Exception):
    """End the command with a line for the user and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        """Keep both."""
        super().__init__(message)
        self.code = code


def main() -> None:
    """Run the command line; no traceback ever reaches a student or a TA."""
    errors = Console(stderr=True, highlight=False)
    try:
        _refuse_names_as_options(sys.argv[1:])
        app()
    except Stop as stop:
        errors.print(escape(str(stop)))
        sys.exit(stop.code)
    except CourseError as fault:
        errors.print(f"inithw: {escape(str(fault))}")
        sys.exit(_USAGE)
    except (ProjectError, SandboxError, ScoringError, ArchiveError, ClusterError) as fault:
        errors.print(f"inithw: {escape(str(fault))}")
        sys.exit(_FAILED)
    except BrokenPipeError:  # `inithw grade ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILED)
    except OSError as fault:  # a disk that is full, a folder that is gone
        if os.environ.get("INITHW_DEBUG"):
            raise
        errors.print(f"inithw: {escape(str(fault.filename or 'a file'))}: {fault.strerror or fault}")
        sys.exit(_FAILED)
    except Exception as fault:
        if os.environ.get("INITHW_DEBUG"):
            raise
        errors.print(f"inithw: the tool failed: {type(fault).__name__}: {escape(str(fault))}")
        errors.print("Set INITHW_DEBUG=1 to see where, and report it with the command line used.")
        sys.exit(_FAILED)


def _refuse_names_as_options(arguments: list[str]) -> None:
    """Stop when an option is the name of a file here: `inithw grade *` must not obey what a student called a file."""
    for argument in itertools.takewhile(lambda text: text != "--", arguments):
        if argument.startswith("-") and os.path.lexists(argument):
            raise Stop(
                f"{argument} is an option and the name of a file in this folder. To grade the file, write ./{argument} "
                "or put -- before all paths; to use the option, rename the file",
                _USAGE,
            )


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"inithw {__version__}")
        raise typer.Exit


@app.command()
def grade(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Notebooks (.ipynb), Python files, zips, or folders holding one; or one folder or zip that a platform "
            "exported: Gradescope, Canvas, Moodle, nbgrader, GitHub Classroom."
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON record per submission, one per line.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep the class in this folder: a record for each student, grades.csv, results.json files."),
    ] = None,
    layout: Annotated[str, typer.Option(help=f"What the paths are: {', '.join(LAYOUTS)}.", metavar="LAYOUT")] = "auto",
    file: Annotated[
        str | None, typer.Option(metavar="NAME", help="The file that counts in each submission, by name or path.")
    ] = None,
    roster: Annotated[
        Path | None, typer.Option(help="Class list (CSV): names students, and tells who handed in nothing.")
    ] = None,
    gradebook: _Gradebook = None,
    column: _Column = None,
    regrade: Annotated[
        bool,
        typer.Option("--regrade", help="Go on where --out was graded by another key, version, rubric or limits."),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="How many submissions to run at once; by default one for each processor that is free."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Grade on the machines of this Dask cluster: docs/cluster.md."),
    ] = None,
    config: _Config = None,
    keep: Annotated[
        bool, typer.Option("--save-evidence", help="Keep what `inithw rescore` needs, in the --out folder.")
    ] = False,
    feedback: Annotated[
        bool,
        typer.Option(
            "--feedback", help="Write each student's page with the evidence as pictures; keeps the evidence, too."
        ),
    ] = False,
    allow_unsandboxed: _Unsandboxed = False,
) -> None:
    """Grade submissions; every student gets a record.

    With --out, the same command goes on where it was: what has its record is kept, unless it was handed in anew.
    Exit code 0 when every submission has a record, 2 on bad usage, 1 when the tool itself failed.
    """
    if (keep or feedback) and out is None:
        raise Stop(f"{'--feedback' if feedback else '--save-evidence'} needs --out DIR to write to", _USAGE)
    keep = keep or feedback
    if layout not in LAYOUTS:
        raise Stop(f"--layout {layout}: there is none; write one of {', '.join(LAYOUTS)}", _USAGE)
    if scheduler and (jobs or allow_unsandboxed):
        raise Stop(
            "--jobs and --allow-unsandboxed are for this machine: with --scheduler, `dask worker` says how many "
            "submissions run there at once (--nworkers, --nthreads), and every machine must have its walls",
            _USAGE,
        )
    homework = _homework()
    with contextlib.ExitStack() as stack:
        people = read_roster(roster) if roster else ()
        folder = stack.enter_context(ClassFolder(out)) if out else None
        people = people or (folder.roster if folder else ())
        intake = collect(
            paths,
            folder.scratch if folder else lambda: Path(stack.enter_context(tempfile.TemporaryDirectory())),
            preferred=homework.notebook,
            layout=layout,
            roster=Roster(people) if people else None,
            trusted=folder.trusts if folder else lambda _path: True,
        )
        _say(intake.remarks)
        jobs = jobs or max(1, min(default_jobs(), len(intake.hand_ins)))
        # What lies beside a submission may have come with it; what lies beside a class has not.
        theirs = [path for path in paths if path not in intake.apart or path.is_dir()]
        config = config or find_config(Path.cwd(), theirs)
        try:
            if not scheduler:
                sandbox = stack.enter_context(Sandbox(homework.worker, jobs, unsandboxed=allow_unsandboxed))
                sandbox.refuse_readable([*paths, *filter(None, (out, config, config and config.parent / KEY_FILE))])
            settings = load_settings(config)  # the key is read when the workers' ancestor is on its way
            homework.ready()
            decided = fingerprints(homework, settings, __version__)
            _say_settings(config, decided)
            run = ClassRun(homework, decided, settings.scale, folder, file, keep, regrade)
            _say(run.check())
            if folder:
                folder.remember(people, intake.apart)
            if scheduler:
                pool = stack.enter_context(cluster(scheduler, Terms.of(_HOMEWORK, settings, decided, keep)))
            else:
                limits = fitting(settings.limits, usable_memory(), jobs)
                grader = Grader(homework, sandbox, settings.key, limits, settings.scale)
                pool = stack.enter_context(threads_that_grade(grader, jobs))
            done = _graded(run, intake, pool, settings, as_json)
        except KeyboardInterrupt:
            raise Stop("inithw: stopped by Ctrl-C", _INTERRUPTED) from None
        if folder:
            _say(summary(folder, done))
        if not as_json:
            _show([replace(one.grade, submission=one.who) for one in done])
        if folder or not as_json:
            pairs = similar_pairs(done, folder, handout_cells(homework))
            if not as_json:
                print_pairs(pairs)
        if folder:
            if feedback:
                _write_feedback(folder, homework, jobs, anew=False)
            _write_report(folder, homework, pairs)
        records = folder.records if folder else _records(done)
        if gradebook:
            _fill(gradebook, records, out, settings.assignment_name or homework.title, column)
    if any(one.grade.status == "infrastructure_error" for one in done):
        raise Stop(
            "Some submissions could not be graded through no fault of theirs: see above. The same command tries them "
            "again.",
            _FAILED,
        )


def _homework() -> Homework:
    """The homework; imported here, so that a fault in its constants is told as such."""
    homework: Homework = pkgutil.resolve_name(_HOMEWORK)
    return homework


def _graded(run: ClassRun, intake: Intake, pool: Pool, settings: Settings, as_json: bool) -> list[Done]:
    """Grade what was handed in, in its order; with a folder, each record is there as soon as it exists."""
    found: dict[int, Done] = {}
    printed = 0
    refreshed = time.monotonic()
    total = len(intake.hand_ins)
    try:
        with Meter(total) as meter:
            for one in run.grade(intake.hand_ins, pool):
                found[one.place] = one
                (meter.kept if one.kept else meter.done)()
                while as_json and printed in found:
                    print(json.dumps(_line(found[printed])), flush=True)
                    printed += 1
                if run.folder and time.monotonic() - refreshed > _REFRESH:
                    run.folder.write_tables(settings)
                    refreshed = time.monotonic()
        if run.folder:
            run.folder.write_tables(settings)
    except KeyboardInterrupt:
        if run.folder:
            with contextlib.suppress(OSError):
                run.folder.write_tables(settings)
        on = "; the same command goes on from here" if run.folder else ""
        raise Stop(
            f"inithw: stopped by Ctrl-C; {len(found)} of {total} submissions have their records{on}", _INTERRUPTED
        ) from None
    except OSError as error:
        if run.folder is None:
            raise
        raise Stop(
            f"--out {run.folder.path}: cannot write there any more ({error.strerror}). {len(found)} of {total} "
            "submissions have their records; put it right, and the same command goes on from here",
            _FAILED,
        ) from error
    except ClusterError as error:
        if run.folder:
            run.folder.write_tables(settings)
        on = "; the same command, with or without --scheduler, goes on from here" if run.folder else ""
        raise Stop(f"inithw: {error}; {len(found)} of {total} submissions have their records{on}", _FAILED) from error
    return [found[place] for place in sorted(found)]


def _line(one: Done) -> dict[str, object]:
    return {**to_json(one.grade), "students": [asdict(student) for student in one.hand_in.students]}


def _records(done: list[Done]) -> dict[str, Record]:
    """Records of what was graded without a folder to keep them in."""
    return {
        student.id: Record(student, HandedIn(one.hand_in.shown), Verdict(one.grade, {}, ""))
        for one in done
        for student in one.hand_in.students
    }


def _fill(gradebook: Path, records: Mapping[str, Record], out: Path | None, title: str, column: str | None) -> None:
    """Write a filled copy of a gradebook, into the class's folder or beside it."""
    filled = fill(gradebook, records, title=title, column=column)
    target = (out or gradebook.parent) / f"{gradebook.stem}.filled{gradebook.suffix or '.csv'}"
    try:
        replace_file(target, filled.data, 0o600)
    except OSError as error:
        raise Stop(f"{target}: cannot be written ({error.strerror})", _FAILED) from error
    _say([*filled.remarks, f"{target}: {filled.filled} grades in the column {filled.column!r}; nothing else changed"])


def _say(lines: Iterable[str]) -> None:
    """Tell a person, apart from what programs read."""
    for line in lines:
        print(clean(line, 2000), file=sys.stderr)


def _say_settings(config: Path | None, decided: Mapping[str, str]) -> None:
    """Whose rules hold, by their fingerprints, and whether challenges can be known beforehand."""
    public = "the public key: challenges can be known beforehand"
    key = public if decided["key"] == "public" else f"key {decided['key']}"
    rest = ", ".join(f"{Path(name).stem} {value}" for name, value in decided.items() if name not in ("homework", "key"))
    _say([f"Configuration: {config or 'none found, defaults'}; {key}; {rest}"])


def _show(grades: list[Grade]) -> None:
    console = Console(highlight=False)
    if len(grades) <= _DETAILED:
        for record in grades:
            print_grade(record, console)
    else:
        print_overview(grades, console)


@app.command()
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
    config: _Config = None,
    allow_unsandboxed: _Unsandboxed = False,
) -> None:
    """Write a student's feedback page: reasons, hints, the evidence as pictures; and the same as Markdown.

    From a class's folder nothing is run again: pages go to DIR/feedback/. A submission is graded for it.
    """
    homework = _homework()
    if (path / "records").is_dir():
        if out:
            raise Stop(f"--out: the pages of a class go to {path / FEEDBACK}", _USAGE)
        with ClassFolder(path) as folder:
            _say_other_rules(folder.records.values(), homework)
            _write_feedback(folder, homework, default_jobs(), anew=True)
            _write_report(folder, homework, similar_pairs([], folder, handout_cells(homework)))
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
        raise Stop(f"--out {target}: name the page, such as {target.stem}.html; its Markdown goes beside it", _USAGE)
    written = write_page(page, target)
    _say([why for why in (problem, trouble) if why])
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
        _say([f"{others}; pictures show today's. `inithw rescore` scores saved evidence by today's rules"])


def _graded_alone(
    path: Path, homework: Homework, config: Path | None, unsandboxed: bool
) -> tuple[Record, Evidence | None, str]:
    """The record and the evidence of one submission, graded now."""
    config = config or find_config(Path.cwd(), [path])
    with Sandbox(homework.worker, 1, unsandboxed=unsandboxed) as sandbox:
        sandbox.refuse_readable([path, *filter(None, (config, config and config.parent / KEY_FILE))])
        settings = load_settings(config)
        decided = fingerprints(homework, settings, __version__)
        _say_settings(config, decided)
        limits = fitting(settings.limits, usable_memory(), 1)
        outcome = Grader(homework, sandbox, settings.key, limits, settings.scale).grade(path)
    own = outcome.submission.cells if outcome.submission else ()
    handed_in = HandedIn(outcome.grade.submission, code=tuple(cell for cell in own if not cell.given))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(Student(label=path.name), handed_in, Verdict(outcome.grade, decided, now)), outcome.evidence, ""


def _write_feedback(folder: ClassFolder, homework: Homework, jobs: int, *, anew: bool) -> None:
    """Write the feedback pages of a class, and say so."""
    due = len(folder.records) if anew else sum(stale(folder, name) for name in folder.records)
    remarks = []
    with Meter(due, "writing feedback") as meter, threads(jobs) as executor:
        for name, problem in write_class(folder, homework, executor, ahead=2 * jobs, anew=anew):
            meter.done()
            if problem:
                remarks.append(f"{name}: {problem}")
    _say([*remarks[:_REMARKS], *([f"... and {len(remarks) - _REMARKS} more"] if len(remarks) > _REMARKS else [])])
    _say([f"{folder.path / FEEDBACK}: {due} pages written, {len(folder.records) - due} as they were"])


def _say_old_pages(folder: ClassFolder) -> None:
    """How many feedback pages say what no longer stands."""
    old = sum(page_of(folder.path, name).exists() and stale(folder, name) for name in folder.records)
    if old:
        _say([f"{old} feedback pages are older than their records: `inithw explain {folder.path}` writes them anew"])


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of `inithw grade --out DIR`.")],
) -> None:
    """Write DIR/report.html: the whole class on one page for staff, to open in a browser; it needs no network."""
    _refuse_without_records(folder)
    homework = _homework()
    with ClassFolder(folder) as opened:
        _write_report(opened, homework, similar_pairs([], opened, handout_cells(homework)), needed=True)


def _write_report(folder: ClassFolder, homework: Homework, pairs: Sequence[Pair], *, needed: bool = False) -> None:
    """Write the class's report and say where it is; where it is not what was asked for, it must not end the run."""
    try:
        _say([f"Look at the class: {write_report(folder, homework, pairs)}"])
    except ProjectError as missing:
        if needed:
            raise
        _say([f"{folder.path / REPORT} was not written: {missing}"])


def _refuse_without_records(folder: Path) -> None:
    if not (folder / "records").is_dir():
        raise Stop(
            f"{folder}: no records here; make some with `inithw grade ... --out {folder} --save-evidence`", _USAGE
        )


@app.command()
def rescore(
    folder: Annotated[Path, typer.Argument(help="Folder of `inithw grade --out DIR --save-evidence`.")],
    write: Annotated[
        bool, typer.Option("--write", "--yes", help="Let the new grades stand; without it, nothing is changed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record per student, one per line.")] = False,
    gradebook: _Gradebook = None,
    column: _Column = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many records to score at once.")] = min(
        os.cpu_count() or 1, 8
    ),
) -> None:
    """Score a class again from saved evidence, without running student code: after a change of policy or thresholds.

    Shows what would change for whom. With --write the new grades stand: records keep the old ones too, changed.csv says
    what changed, grades.csv and results.json are made anew.
    """
    _refuse_without_records(folder)
    homework, config = _homework(), find_config(Path.cwd(), [folder])
    homework.ready()
    settings = load_settings(config)
    decided = fingerprints(homework, settings, __version__)
    _say_settings(config, decided)
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
            _write_report(opened, homework, similar_pairs([], opened, handout_cells(homework)))
        _say([f"{result.id}: stays as it was: {result.problem}" for result in results if result.problem][:20])
        changed = sum(result.changed for result in results)
        done = f"written to {folder}" if write else "nothing was written: `--write` lets the new grades stand"
        _say([f"{changed} of {len(results)} change; {done}"])
        if gradebook:
            if not write and changed:
                raise Stop("--gradebook is filled with grades that stand: say --write too", _USAGE)
            _fill(gradebook, opened.records, folder, settings.assignment_name or homework.title, column)
        damaged = [*opened.damaged, *(result.id for result in results if result.damaged)]
    if damaged:
        raise Stop(f"Damaged, and left as they were: {', '.join(damaged)}", _FAILED)


@app.command()
def build(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; show what is stale and exit 1.")] = False,
) -> None:
    """Regenerate everything that is generated from solutions/homework.py."""
    from inithw.release import distribution

    root = _project_root()
    if not check:
        written = distribution.write(root)
        for path in written:
            print(f"wrote {path}")
        if not written:
            print("everything is up to date")
        return
    stale = distribution.check(root)
    for file in stale:
        print(f"{file.path} is stale:\n{file.diff}")
    if stale:
        raise Stop(f"{len(stale)} generated file(s) are stale: run `inithw build` and commit the result", _FAILED)
    print("all generated files are up to date")


@app.command()
def answers(
    write: Annotated[
        bool, typer.Option("--write", help="Fill in the numbers of the run, and mark what a person must read again.")
    ] = False,
) -> None:
    """Hold every number of the model answers against a run of the reference notebook: a minute.

    Exit code 1 where something differs and was not written.
    """
    from inithw.release import answers as model

    root = _project_root()
    document = root / model.DOCUMENT
    console = Console(highlight=False)
    with Console(stderr=True).status("running the reference notebook (a minute)"):
        measured = model.measure(root)
    text = document.read_text(encoding="utf-8")
    filled, found = model.compare(text, measured)
    for one in found:
        console.print(f"[bold]{one.question}[/] says: {escape(one.said)}\n    {escape(one.found)}")
    marked = len(model.marks(filled if write else text))
    if write and filled != text:
        replace_file(document, filled)
        print(f"wrote {model.DOCUMENT}")
    if marked:
        print(f'{marked} passages are marked "read again": read them, correct the words, take the marks away')
    if not found:
        print(f"all {len(measured['claims'])} passages with numbers agree with a run")
    elif not write:
        raise Stop(f"{len(found)} passages differ from a run: `inithw answers --write` fills their numbers in", _FAILED)


@app.command()
def dist(out: Annotated[Path, typer.Option(help="Folder for the two zips.")] = Path("dist")) -> None:
    """Make autograder.zip for Gradescope and assignment.zip for students, byte-identical on every build."""
    from inithw.release.packaging import make_dist

    for path in make_dist(_project_root(), out):
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")


@app.command()
def release(
    out: Annotated[Path, typer.Option(help="Folder for zips and checklist.")] = Path("dist"),
    gate: Annotated[str, typer.Option(help="How much of the release gate: small or full.")] = "full",
) -> None:
    """Make the zips, the package for staff and a checklist; refused when anything is stale or not as declared."""
    from inithw.release.releasing import release as run

    if gate not in ("small", "full"):
        raise Stop(f"--gate {gate}: write small or full", _USAGE)
    root = _project_root()
    for path in run(root, out, load_settings(find_config(root)), gate=gate):
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")


@app.command("new-term")
def new_term(
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Any value of term.toml: data.noise=0.2, seeds.better=700, points.q2.norms=3."
        ),
    ] = None,
    term: Annotated[str | None, typer.Option(help="Name of the term, as 'Spring 2027'.")] = None,
    width: Annotated[int | None, typer.Option(help="Units of every hidden layer.")] = None,
    hidden_layers: Annotated[int | None, typer.Option(help="How many hidden layers.")] = None,
    frequencies: Annotated[int | None, typer.Option(help="Sine waves of the function to learn.")] = None,
    function_seed: Annotated[int | None, typer.Option(help="Draws the function to learn.")] = None,
    data_seed: Annotated[int | None, typer.Option(help="Draws the training data.")] = None,
    noise: Annotated[float | None, typer.Option(help="Standard deviation of the noise.")] = None,
    train: Annotated[int | None, typer.Option(help="Training points.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes through them.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of SGD.")] = None,
    points: Annotated[list[str] | None, typer.Option(metavar="ITEM=N", help="Points of an item.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Measure as much as for the first handout, not a seventh of it.")
    ] = False,
    gate: Annotated[str, typer.Option(help="How much of the release gate: small, full or none.")] = "small",
    jobs: Annotated[int | None, typer.Option(min=1, max=256, help="Processes of the calibration.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Let the new term replace the old one without asking.")] = False,
) -> None:
    """Make next term's homework: other seeds, size, data, points; last term's answers no longer fit.

    Everything happens in a copy: edits term.toml, rebuilds, measures thresholds, rewrites the numbers of the model
    answers, runs the release gate and writes dist/new-term.html to read before release. Interrupted or refused, it
    leaves the old term as it was. Without options it asks.
    """
    from inithw.release import new_term as terms
    from inithw.release.term_page import page

    root = _project_root()
    if gate not in ("small", "full", "none"):
        raise Stop(f"--gate {gate}: write small, full or none", _USAGE)
    options = {
        "term": term,
        "network.width": width,
        "network.hidden_layers": hidden_layers,
        "data.frequencies": frequencies,
        "data.function_seed": function_seed,
        "data.data_seed": data_seed,
        "data.noise": noise,
        "data.train": train,
        "training.epochs": epochs,
        "training.learning_rate": learning_rate,
    }
    changes: dict[str, object] = {key: value for key, value in options.items() if value is not None}
    changes |= terms.parse([*(settings or ()), *(f"points.{item}" for item in points or ())])
    if not changes:
        changes = _asked(terms)
    if "term" in changes and "handout" not in changes:
        changes["handout"] = 1
    terms.planned(root, changes)  # what cannot be is refused at once
    console = Console(stderr=True, highlight=False)
    stage = terms.Stage(root)
    try:
        made = terms.make(
            stage, changes, full=full, gate=gate, jobs=jobs, step=lambda words: console.status(f"{words} ...")
        )
        (root / terms.PAGE).parent.mkdir(exist_ok=True)
        replace_file(root / terms.PAGE, page(made))
        for warning in made.warnings:
            console.print(f"[bold]Warning[/] {escape(warning)}")
        _say([*made.gate.splitlines()[-2:], f"{len(made.marks)} paragraphs of the model answers are to be read again"])
        _say([f"Read {terms.PAGE} before you release it"])
        if not yes and sys.stdin.isatty() and not typer.confirm("Let the new term replace the old one?"):
            raise Stop("The old term stands as it was.", _FAILED)
        for name in stage.swap():
            print(f"wrote {name}")
    except KeyboardInterrupt:
        raise Stop(
            "inithw: stopped by Ctrl-C; the old term stands as it was. What was measured is kept for the next run",
            _INTERRUPTED,
        ) from None
    finally:
        stage.discard()


def _asked(terms: ModuleType) -> dict[str, object]:
    """Ask for every value, with today's as the default."""
    from inithw.homework.term import TERM

    if not sys.stdin.isatty():
        raise Stop("say what is to change, as --width 32 or data.noise=0.2: see `inithw new-term --help`", _USAGE)
    changes: dict[str, object] = {}
    for key, old in terms.values(TERM).items():
        answer = typer.prompt(key, default=str(old))
        if answer != str(old):
            changes[key] = answer if isinstance(old, str) else terms.read_value(answer)
    return changes


@app.command()
def verify(
    small: Annotated[
        bool, typer.Option("--small", help="One labelled notebook in 24 and no attacks, for a first look.")
    ] = False,
) -> None:
    """Prove the release: reference full marks, skeleton zero, every labelled answer and attack exactly as declared."""
    from inithw.release.verification import verify as run

    root = _project_root()
    problems = run(root, load_settings(find_config(root)), Console(highlight=False), small=small)
    if problems:
        raise Stop(f"{problems} submission(s) were not graded as declared: see above", _FAILED)


@app.command()
def gradescope(
    root: Annotated[Path, typer.Option(help="Gradescope's folder.")] = Path("/autograder"),
) -> None:
    """Grade the submission in Gradescope's layout and write results/results.json: what run_autograder calls."""
    from inithw.gradescope import run_gradescope

    raise typer.Exit(run_gradescope(root))


@app.command()
def calibrate(
    check: Annotated[
        bool, typer.Option("--check", help="Measure nothing; say whether the thresholds belong to today's homework.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Measure a seventh: the same promise, with wider bounds on the error rates.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, max=256, help="Processes; by default one for each core.")] = None,
) -> None:
    """Measure thresholds and error rates again: takes minutes.

    What was measured is kept in .calibration: after an interruption the same command goes on, and a change of policy
    takes seconds. Exit code 1, and nothing is written, where no fair thresholds exist.
    """
    from inithw.homework.calibration import calibrate as run
    from inithw.homework.calibration import check as examine
    from inithw.homework.calibration.measuring import QUICK

    root = _project_root()
    try:
        said = examine(root) if check else run(root, sizes=QUICK if quick else None, jobs=jobs)
    except KeyboardInterrupt:
        raise Stop(
            "inithw: stopped by Ctrl-C; nothing was written. What was measured is kept: the same command goes on",
            _INTERRUPTED,
        ) from None
    for line in said:
        print(line)


@app.command()
def doctor() -> None:
    """Say which walls around students' code are up on this machine, and what each keeps out.

    Exit code 0 when submissions can be graded here, 1 when a wall is missing that must be up.
    """
    from inithw.doctor import DoctorError, examine, print_findings

    try:
        gradable = print_findings(examine(), Console(highlight=False))
    except DoctorError as fault:
        raise Stop(f"inithw: {fault}", _FAILED) from fault
    raise typer.Exit(0 if gradable else _FAILED)


def _project_root() -> Path:
    config = find_config(Path.cwd())
    if config is None or not (config.parent / "solutions" / "homework.py").is_file():
        raise Stop(
            "run this inside the project: no folder here or above holds otter_config.json and solutions/",
            _USAGE,
        )
    return config.parent


if __name__ == "__main__":
    main()
