"""The command line: `inithw grade | rescore | build | verify | dist | gradescope | calibrate | doctor`."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

# One thread in the judge too: more are slower on small matrices and starve the worker. Before NumPy is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from inithw import __version__
from inithw.engine.archive import ArchiveError, file_stem, load_evidence, save_evidence
from inithw.engine.batch import grade_all
from inithw.engine.container import fitting, usable_memory
from inithw.engine.grading import Grader, Outcome, judge
from inithw.engine.homework import Homework
from inithw.engine.records import Grade, Submission
from inithw.engine.report.gradescope import to_results, write_results
from inithw.engine.report.json_line import to_json
from inithw.engine.report.table import write_csv
from inithw.engine.report.terminal import print_grade, print_overview
from inithw.engine.sandbox import Sandbox, SandboxError
from inithw.engine.scoring import ScoringError
from inithw.engine.settings import KEY_FILE, PUBLIC_KEY, ProjectError, Settings, find_config, load_settings
from inithw.engine.slots import default_jobs
from inithw.engine.submission import handout_cells

app = typer.Typer(
    name="inithw",
    help="Grade the homework on initialization and local linearization: many fresh seeds, isolated code, a reason for "
    "every lost point.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_DETAILED = 3  # up to so many submissions are shown item by item
_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


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
    except (ProjectError, SandboxError, ScoringError, ArchiveError) as fault:
        errors.print(f"inithw: {escape(str(fault))}")
        sys.exit(_FAILED)
    except BrokenPipeError:  # `inithw grade ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
        list[Path], typer.Argument(help="Notebooks (.ipynb), Python files, zips, or folders holding one.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON record per submission, one per line.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write NAME.results.json for each submission into this folder.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="How many submissions to run at once; by default one for each processor that is free."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The configuration to use; by default the nearest otter_config.json here or above, but never one "
            "in or beside a submission.",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--save-evidence", help="Keep what `inithw rescore` needs, in the --out folder.")
    ] = False,
    allow_unsandboxed: Annotated[
        bool,
        typer.Option(help="Grade on a system without walls: students' code then runs with all your rights."),
    ] = False,
) -> None:
    """Grade submissions; every path gets a record.

    Exit code 0 when every submission has a record, 2 on bad usage, 1 when the tool itself failed.
    """
    if keep and out is None:
        raise Stop("--save-evidence needs --out DIR to write to", _USAGE)
    if out is not None:
        _writable(out)
    homework = _homework()
    paths = list(dict.fromkeys(paths))
    run = _ClassRun(paths, out, keep)
    config = config or find_config(Path.cwd(), paths)
    jobs = min(jobs or default_jobs(), len(paths))
    try:
        with Sandbox(homework.worker, jobs, unsandboxed=allow_unsandboxed) as sandbox, run.progress:
            sandbox.refuse_readable([*paths, *filter(None, (out, config, config and config.parent / KEY_FILE))])
            run.settings = load_settings(config)  # the key is read when the workers' ancestor is on its way
            _say_configuration(config, run.settings)
            grader = Grader(homework, sandbox, run.settings.key, fitting(run.settings.limits, usable_memory(), jobs))
            graded = grade_all(grader, paths, jobs=jobs, on_done=run.finished)
            with contextlib.closing(graded) as records:  # Ctrl-C wherever: nothing is begun any more
                for record in records:
                    if as_json:
                        print(json.dumps(to_json(record)), flush=True)
    except KeyboardInterrupt:
        if out is not None:
            write_csv(out / "grades.csv", run.grades())
        raise Stop(
            f"inithw: stopped by Ctrl-C; {len(run.outcomes)} of {len(paths)} submissions have their records",
            _INTERRUPTED,
        ) from None
    grades = run.grades()
    _finish(grades, out, as_json)
    if not as_json:
        _show_similar(run.submissions(), handout_cells(homework))
    if any(record.status == "infrastructure_error" for record in grades):
        raise Stop(
            "Some submissions could not be graded through no fault of theirs: see above, and grade them again.",
            _FAILED,
        )


def _homework() -> Homework:
    """The homework; imported here, so that a fault in its constants is told as such."""
    from inithw.homework.definition import HOMEWORK

    return HOMEWORK


def _say_configuration(path: Path | None, settings: Settings) -> None:
    """On stderr: whose rules hold, and whether challenges can be known beforehand."""
    key = "the public key: challenges can be known beforehand" if settings.key == PUBLIC_KEY else "a key of your own"
    print(f"Configuration: {path or 'none found, defaults'}; {key}", file=sys.stderr)


class _ClassRun:
    """What one call of `grade` has so far: results are written as soon as they are there."""

    def __init__(self, paths: list[Path], out: Path | None, keep_evidence: bool) -> None:
        self.paths = paths
        self.out = out
        self.keep_evidence = keep_evidence
        self.settings = Settings()
        self.stems = _distinct_stems(paths)
        self.outcomes: dict[Path, Outcome] = {}
        self.progress = _progress()
        self.task = self.progress.add_task("grading", total=len(paths))

    def finished(self, path: Path, outcome: Outcome) -> None:
        """Write what came of one path, and keep what is needed at the end."""
        if self.out is not None:
            try:
                if self.keep_evidence and outcome.evidence is not None:
                    save_evidence(self.out, self.stems[path], outcome.grade.submission, outcome.evidence)
                results = to_results(outcome.grade, self.settings)
                write_results(self.out / f"{self.stems[path]}.results.json", results)
            except OSError as error:
                raise Stop(f"--out {self.out}: cannot write there any more ({error.strerror})", _FAILED) from error
        self.outcomes[path] = replace(outcome, evidence=None)  # megabytes each
        self.progress.advance(self.task)

    def grades(self) -> list[Grade]:
        """The records so far, in the order of the paths."""
        return [self.outcomes[path].grade for path in self.paths if path in self.outcomes]

    def submissions(self) -> list[Submission]:
        """What was read, in the order of the paths."""
        return [outcome.submission for path in self.paths if (outcome := self.outcomes[path]).submission is not None]


@app.command()
def rescore(
    folder: Annotated[Path, typer.Argument(help="Folder of `inithw grade --save-evidence`.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON record per submission, one per line.")
    ] = False,
) -> None:
    """Score saved evidence again, without running student code: after a change of policy or thresholds.

    Rewrites NAME.results.json of each, and writes rescored.csv; grades.csv, which also holds the submissions without
    evidence, stays to compare with.
    """
    files = sorted(folder.glob("*.evidence.npz"))
    if not files:
        raise Stop(
            f"{folder}: no evidence here; make some with `inithw grade ... --out {folder} --save-evidence`",
            _USAGE,
        )
    config = find_config(Path.cwd(), [folder])
    homework, settings = _homework(), load_settings(config)
    _say_configuration(config, settings)
    grades, damaged = [], []
    for file in files:
        try:
            record = judge(*load_evidence(file, homework), homework)
        except ArchiveError as reason:
            damaged.append(str(reason))
            continue
        grades.append(record)
        target = file.with_name(file.name.removesuffix(".evidence.npz") + ".results.json")
        write_results(target, to_results(record, settings))
        if as_json:
            print(json.dumps(to_json(record)))
    _finish(grades, folder, as_json, "rescored.csv")
    if damaged:
        raise Stop("\n".join([*damaged, "Their results.json were left as they were."]), _FAILED)


def _finish(grades: list[Grade], out: Path | None, as_json: bool, table: str = "grades.csv") -> None:
    if out is not None:
        write_csv(out / table, grades)
    if as_json:
        return
    console = Console(highlight=False)
    if len(grades) <= _DETAILED:
        for record in grades:
            print_grade(record, console)
    else:
        print_overview(grades, console)
    if out is not None:
        console.print(f"Results are in {escape(str(out))}: {table}, and NAME.results.json for each submission")


def _show_similar(submissions: list[Submission], given: list[str]) -> None:
    """Name the pairs of submissions whose own code is nearly the same: for a person to look at, never a score."""
    if len(submissions) < 2:
        return
    from inithw.engine.similarity import near_identical

    for pair in near_identical(submissions, given):
        print(
            f"Look at both: {pair.first} and {pair.second} share {pair.share:.0%} of their unusual code "
            "(information only, no points depend on it)"
        )


def _progress() -> Progress:
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def _writable(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if not any(folder.iterdir()):
            folder.chmod(0o700)
    except OSError as error:
        raise Stop(f"--out {folder}: cannot be made a folder ({error.strerror})", _USAGE) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Stop(f"--out {folder}: you may not write there; choose another folder", _USAGE)


def _distinct_stems(paths: Iterable[Path]) -> dict[Path, str]:
    """A file name for each submission; two that would share one are numbered, so that no record overwrites another."""
    stems: dict[Path, str] = {}
    taken = set()
    for path in paths:
        stem, number = file_stem(str(path)), 2
        while stem.lower() in taken:  # some file systems do not tell upper from lower case
            stem, number = f"{file_stem(str(path))}-{number}", number + 1
        taken.add(stem.lower())
        stems[path] = stem
    return stems


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
def dist(out: Annotated[Path, typer.Option(help="Folder for the two zips.")] = Path("dist")) -> None:
    """Make autograder.zip for Gradescope and assignment.zip for students, byte-identical on every build."""
    from inithw.release.packaging import make_dist

    for path in make_dist(_project_root(), out):
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")


@app.command()
def verify() -> None:
    """Prove the release: reference full marks, skeleton zero, every labelled answer and attack exactly as declared."""
    from inithw.release.verification import verify as run

    root = _project_root()
    problems = run(root, load_settings(find_config(root)), Console(highlight=False))
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
def calibrate() -> None:
    """Measure thresholds and error rates again: takes minutes."""
    from inithw.homework.calibration import calibrate as run

    run(_project_root())


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
