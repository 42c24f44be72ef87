"""What is done with the project: `inithw build`, `answers`, `variants`, `calibrate`, `new-term`, `release`, doors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from inithw.cli.shared import FAILED, INTERRUPTED, USAGE, Stop, project_root, say
from inithw.engine.files import replace_file
from inithw.engine.settings import find_config, load_settings

if TYPE_CHECKING:
    pass


def build(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; show what is stale and exit 1.")] = False,
) -> None:
    """Regenerate everything that is generated from solutions/homework.py."""
    from inithw.release import distribution

    root = project_root()
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
        raise Stop(f"{len(stale)} generated file(s) are stale: run `inithw build` and commit the result", FAILED)
    print("all generated files are up to date")


def answers(
    write: Annotated[
        bool, typer.Option("--write", help="Fill in the numbers of the run, and mark what a person must read again.")
    ] = False,
) -> None:
    """Hold every number of the model answers against a run of the reference notebook: a minute.

    Exit code 1 where something differs and was not written.
    """
    from inithw.release import answers as model

    root = project_root()
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
        raise Stop(
            f"{len(found)} passages differ from a run: `inithw answers --write` fills numbers in, and marks what "
            "a person must read again",
            FAILED,
        )


def variants(
    who: Annotated[
        list[str], typer.Argument(metavar="WHO...", help="Class lists (CSV files with a row of headings), or ids.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for what is written.")] = Path("dist", "variants"),
    jobs: Annotated[int | None, typer.Option(min=1, max=256, help="Processes; by default one for each core.")] = None,
) -> None:
    """Write the model answers with the numbers of each student's own data: about 20 s a student and core.

    Only in a term with variants. Writes ID.md for each student and numbers.csv for all, and says whose figures do not
    show what they ought to. What was run is kept in .variants: after an interruption the same command goes on.
    """
    from inithw.release import variants as own

    root = project_root()
    students, without = own.variants_of(who)
    try:
        runs = own.run_all(root, students, jobs or os.cpu_count() or 1)
    except KeyboardInterrupt:
        raise Stop("inithw: stopped. What was run is kept: the same command goes on", INTERRUPTED) from None
    for one in (written := own.write_all(root, out, runs)):
        said = "; ".join(f"does not show: {what}" for what in one.unlucky) or "shows all"
        print(f"{one.variant.id}  seed {one.variant.seed}  {said}; statements not so: {len(one.untrue)}")
    say(without)
    unlucky = sum(bool(one.unlucky) for one in written)
    print(f"wrote {out / own.NUMBERS} and {len(written)} documents; {unlucky} unlucky, {len(without)} without data")


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

    root = project_root()
    try:
        said = examine(root) if check else run(root, sizes=QUICK if quick else None, jobs=jobs)
    except KeyboardInterrupt:
        raise Stop(
            "inithw: stopped; nothing was written. What was measured is kept: the same command goes on",
            INTERRUPTED,
        ) from None
    for line in said:
        print(line)


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

    root = project_root()
    if gate not in ("small", "full", "none"):
        raise Stop(f"--gate {gate}: write small, full or none", USAGE)
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
    changes: dict[str, object] = terms.together(
        {key: value for key, value in options.items() if value is not None},
        terms.parse([*(settings or ()), *(f"points.{item}" for item in points or ())]),
    )
    if not yes and changes and not sys.stdin.isatty():
        raise Stop("add --yes: nobody is here to be asked whether the new term may replace the old one", USAGE)
    if not changes:
        changes = _asked(terms)
    if "term" in changes and "handout" not in changes:
        changes["handout"] = 1
    console = Console(stderr=True, highlight=False)
    stage = None
    try:
        terms.planned(root, changes)  # what cannot be is refused at once
        stage = terms.Stage(root)
        made = terms.make(
            stage, changes, full=full, gate=gate, jobs=jobs, step=lambda words: console.status(f"{words} ...")
        )
        (root / terms.PAGE).parent.mkdir(exist_ok=True)
        replace_file(root / terms.PAGE, page(made))
        for warning in made.warnings:
            console.print(f"[bold]Warning[/] {escape(warning)}")
        say([*made.gate.splitlines()[-2:], f"{len(made.marks)} paragraphs of the model answers are to be read again"])
        say([f"Read {terms.PAGE} before you release it; docs/teaching-notes.md quotes figures of the first handout"])
        if not yes and not typer.confirm("Let the new term replace the old one?"):
            raise Stop("The old term stands as it was.", FAILED)
        for name in stage.swap():
            print(f"wrote {name}")
    except KeyboardInterrupt:
        raise Stop(
            "inithw: stopped; the old term stands as it was. What was measured is kept for the next run",
            INTERRUPTED,
        ) from None
    finally:
        if stage is not None:
            stage.discard()


def _asked(terms: ModuleType) -> dict[str, object]:
    """Ask for every value, with today's as the default."""
    from inithw.homework.term import TERM

    if not sys.stdin.isatty():
        raise Stop("say what is to change, as --width 32 or data.noise=0.2: see `inithw new-term --help`", USAGE)
    changes: dict[str, object] = {}
    for key, old in terms.values(TERM).items():
        answer = typer.prompt(key, default=str(old))
        if answer != str(old):
            changes[key] = answer if isinstance(old, str) else terms.read_value(answer)
    return changes


def verify(
    small: Annotated[
        bool, typer.Option("--small", help="One labelled notebook in 24 and no attacks, for a first look.")
    ] = False,
) -> None:
    """Prove the release: reference full marks, skeleton zero, every labelled answer and attack exactly as declared."""
    from inithw.release.verification import verify as run

    root = project_root()
    problems = run(root, load_settings(find_config(root)), Console(highlight=False), small=small)
    if problems:
        raise Stop(f"{problems} submission(s) were not graded as declared: see above", FAILED)


def dist(out: Annotated[Path, typer.Option(help="Folder for the two zips.")] = Path("dist")) -> None:
    """Make autograder.zip for Gradescope and assignment.zip for students, byte-identical on every build."""
    from inithw.release.packaging import make_dist

    for path in make_dist(project_root(), out):
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")


def release(
    out: Annotated[Path, typer.Option(help="Folder for zips and checklist.")] = Path("dist"),
    gate: Annotated[str, typer.Option(help="How much of the release gate: small or full.")] = "full",
) -> None:
    """Make the zips, the package for staff and a checklist; refused when anything is stale or not as declared."""
    from inithw.release.releasing import release as run

    if gate not in ("small", "full"):
        raise Stop(f"--gate {gate}: write small or full", USAGE)
    root = project_root()
    for path in run(root, out, load_settings(find_config(root)), gate=gate):
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")


def gradescope(
    root: Annotated[Path, typer.Option(help="Gradescope's folder.")] = Path("/autograder"),
) -> None:
    """Grade the submission in Gradescope's layout and write results/results.json: what run_autograder calls."""
    from inithw.gradescope import run_gradescope

    raise typer.Exit(run_gradescope(root))


def doctor() -> None:
    """Say which walls around students' code are up on this machine, and what each keeps out.

    Exit code 0 when submissions can be graded here, 1 when a wall is missing that must be up.
    """
    from inithw.doctor import DoctorError, examine, print_findings

    try:
        gradable = print_findings(examine(), Console(highlight=False))
    except DoctorError as fault:
        raise Stop(f"inithw: {fault}", FAILED) from fault
    raise typer.Exit(0 if gradable else FAILED)
