"""`inithw grade`: submissions, or a whole class, to records."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from inithw import __version__
from inithw.cli import shared
from inithw.cli.classes import fill_gradebook, write_class_report, write_feedback
from inithw.cli.shared import (
    FAILED,
    INTERRUPTED,
    USAGE,
    Column,
    Config,
    GradebookFile,
    Stop,
    Unsandboxed,
    say,
    say_settings,
)
from inithw.engine.batch import Pool, threads_that_grade
from inithw.engine.cluster import ClusterError, Terms, cluster
from inithw.engine.container import fitting, usable_memory
from inithw.engine.course.fingerprints import fingerprints
from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.handin import Intake
from inithw.engine.course.intake import LAYOUTS, collect
from inithw.engine.course.record import HandedIn, Record, Verdict
from inithw.engine.course.roster import Roster, read_roster
from inithw.engine.course.running import ClassRun, Done
from inithw.engine.course.showing import print_pairs, summary
from inithw.engine.course.similar import similar_pairs
from inithw.engine.grading import Grader
from inithw.engine.records import Grade
from inithw.engine.report.json_line import to_json
from inithw.engine.report.progress import Meter
from inithw.engine.report.terminal import print_grade, print_overview
from inithw.engine.sandbox import Sandbox
from inithw.engine.settings import KEY_FILE, Settings, find_config, load_settings
from inithw.engine.slots import default_jobs
from inithw.engine.submission import handout_cells

_DETAILED = 3  # up to so many submissions are shown item by item
_REFRESH = 10.0  # seconds after which grades.csv is made anew while a class is graded


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
    gradebook: GradebookFile = None,
    column: Column = None,
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
    config: Config = None,
    keep: Annotated[
        bool, typer.Option("--save-evidence", help="Keep what `inithw rescore` needs, in the --out folder.")
    ] = False,
    feedback: Annotated[
        bool,
        typer.Option(
            "--feedback", help="Write each student's page with the evidence as pictures; keeps the evidence, too."
        ),
    ] = False,
    allow_unsandboxed: Unsandboxed = False,
) -> None:
    """Grade submissions; every student gets a record.

    With --out, the same command goes on where it was: what has its record is kept, unless it was handed in anew.
    Exit code 0 when every submission has a record, 2 on bad usage, 1 when the tool itself failed.
    """
    if (keep or feedback) and out is None:
        raise Stop(f"{'--feedback' if feedback else '--save-evidence'} needs --out DIR to write to", USAGE)
    keep = keep or feedback
    if layout not in LAYOUTS:
        raise Stop(f"--layout {layout}: there is none; write one of {', '.join(LAYOUTS)}", USAGE)
    if scheduler and (jobs or allow_unsandboxed):
        raise Stop(
            "--jobs and --allow-unsandboxed are for this machine: with --scheduler, `dask worker` says how many "
            "submissions run there at once (--nworkers, --nthreads), and every machine must have its walls",
            USAGE,
        )
    homework = shared.the_homework()
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
        say(intake.remarks)
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
            say_settings(config, decided)
            run = ClassRun(homework, decided, settings.scale, folder, file, keep, regrade)
            say(run.check())
            if folder:
                folder.remember(people, intake.apart)
            if scheduler:
                pool = stack.enter_context(cluster(scheduler, Terms.of(shared.HOMEWORK, settings, decided, keep)))
            else:
                limits = fitting(settings.limits, usable_memory(), jobs)
                grader = Grader(homework, sandbox, settings.key, limits, settings.scale)
                pool = stack.enter_context(threads_that_grade(grader, jobs))
            done = _graded(run, intake, pool, settings, as_json)
        except KeyboardInterrupt:
            raise Stop("inithw: stopped", INTERRUPTED) from None
        if folder:
            say(summary(folder, done))
        if not as_json:
            _show([replace(one.grade, submission=one.who) for one in done])
        if folder or not as_json:
            pairs = similar_pairs(done, folder, handout_cells(homework))
            if not as_json:
                print_pairs(pairs)
        if folder:
            if feedback:
                write_feedback(folder, homework, jobs, anew=False)
            write_class_report(folder, homework, pairs)
        records = folder.records if folder else _records(done)
        if gradebook:
            fill_gradebook(gradebook, records, out, settings.assignment_name or homework.title, column)
    if any(one.grade.status == "infrastructure_error" for one in done):
        raise Stop(
            "Some submissions could not be graded through no fault of theirs: see above. The same command tries them "
            "again.",
            FAILED,
        )


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
            f"inithw: stopped; {len(found)} of {total} submissions have their records{on}", INTERRUPTED
        ) from None
    except OSError as error:
        if run.folder is None:
            raise
        raise Stop(
            f"--out {run.folder.path}: cannot write there any more ({error.strerror}). {len(found)} of {total} "
            "submissions have their records; put it right, and the same command goes on from here",
            FAILED,
        ) from error
    except ClusterError as error:
        if run.folder:
            run.folder.write_tables(settings)
        on = "; the same command, with or without --scheduler, goes on from here" if run.folder else ""
        raise Stop(f"inithw: {error}; {len(found)} of {total} submissions have their records{on}", FAILED) from error
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


def _show(grades: list[Grade]) -> None:
    console = Console(highlight=False)
    if len(grades) <= _DETAILED:
        for record in grades:
            print_grade(record, console)
    else:
        print_overview(grades, console)
