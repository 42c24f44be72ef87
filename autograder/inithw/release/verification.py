"""The release gate: reference full marks, skeleton zero, labelled answers exactly as declared, attacks contained."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from inithw.engine.batch import grade_all
from inithw.engine.grading import Grader
from inithw.engine.records import Grade, ItemScore
from inithw.engine.sandbox import Sandbox
from inithw.engine.settings import Settings
from inithw.homework.definition import HOMEWORK
from inithw.homework.rubric import POINTS

_PART = 24
"""Of the labelled answers, one in so many is graded by the small gate."""
REFERENCE, SKELETON = "solutions/homework.ipynb", "assignment/homework.ipynb"


@dataclass(frozen=True, slots=True)
class Declared:
    """What a submission must get.

    Attributes:
        name: What it is, in words.
        path: The submission.
        points: Of every item that is decided; an item that is missing may go either way.
        labels: For every item that is lost, as `label` gives them.
        status: As in `Grade`.
        state: State that every item must have, or empty.
    """

    name: str
    path: Path
    points: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)
    status: str = "graded"
    state: str = ""


def label(item: ItemScore) -> str:
    """The recognized mistake behind a lost item ("" for none), or its state where there was nothing to judge."""
    return item.diagnosis or ("" if item.state == "lost" else item.state)


def declare(answer: Any, path: Path) -> Declared:
    """What an answer of the corpus, written to `path`, must get."""
    return Declared(name=answer.name, path=path, points=answer.expected, labels=answer.lost, status=answer.status)


def differences(declared: Declared, grade: Grade) -> list[str]:
    """How a grade differs from what was declared, a line for each difference."""
    if grade.status != declared.status:
        return [f"status is {grade.status}, declared {declared.status} ({grade.message})"]
    found = []
    for item in grade.items:
        points = declared.points.get(item.id, item.earned)
        if item.earned != points:
            found.append(f"{item.id} earned {item.earned:g}, declared {points:g} ({item.message or 'passed'})")
        elif points == 0 and label(item) != declared.labels.get(item.id, label(item)):
            found.append(
                f"{item.id} is diagnosed as {label(item) or 'nothing'}, declared "
                f"{declared.labels[item.id] or 'nothing'} ({item.message})"
            )
        elif declared.state not in ("", item.state):
            found.append(f"{item.id} is {item.state}, declared {declared.state} ({item.message})")
    return found


def verify(root: Path, settings: Settings, console: Console, *, small: bool = False) -> int:
    """Grade everything whose grade is known, try every attack, and print what is not as declared.

    Args:
        root: The project's folder, with the corpus in `tests/`.
        settings: Key and limits to grade with.
        console: Where to print.
        small: A part of the labelled answers, and no attacks.

    Returns:
        How many submissions were graded otherwise, or got what they should not.
    """
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        wrong = _verify_grades(root, settings, console, progress, small)
        return wrong if small else wrong + _verify_attacks(root, console, progress)


def _verify_grades(root: Path, settings: Settings, console: Console, progress: Progress, small: bool) -> int:
    with (
        Sandbox(HOMEWORK.worker, jobs := min(os.cpu_count() or 1, 8)) as sandbox,
        tempfile.TemporaryDirectory(prefix="inithw-verify-") as folder,
    ):
        declared = [*_releases(root), *_labelled(root, Path(folder), console, small)]
        task = progress.add_task("grading what is known", total=len(declared))
        grades = grade_all(
            Grader(HOMEWORK, sandbox, settings.key, settings.limits),
            [one.path for one in declared],
            jobs=jobs,
            on_done=lambda _path, _outcome: progress.advance(task),
        )
        found = {one.name: differences(one, grade) for one, grade in zip(declared, grades, strict=True)}
    wrong = _print_lines(found, console)
    console.print(f"{len(declared) - wrong} of {len(declared)} submissions graded exactly as declared")
    return wrong


def _verify_attacks(root: Path, console: Console, progress: Progress) -> int:
    proving_ground = _from_tests(root, "tests.attacks.proving_ground")
    task = progress.add_task("trying attacks", total=len(proving_ground.ATTACKS))
    outcomes = proving_ground.run(skeleton=root / SKELETON, on_done=lambda _outcome: progress.advance(task))
    breached = _print_lines({outcome.name: outcome.breaches for outcome in outcomes}, console)
    console.print(f"{len(outcomes) - breached} of {len(outcomes)} attacks contained")
    return breached


def _print_lines(found: Mapping[str, Sequence[str]], console: Console) -> int:
    """Print the lines under each name that has any; how many have."""
    for name, lines in found.items():
        if lines:
            console.print(f"[bold]{escape(name)}[/]")
            for line in lines:
                console.print(f"  {escape(line)}")
    return sum(map(bool, found.values()))


def _releases(root: Path) -> list[Declared]:
    return [
        Declared("the reference", root / REFERENCE, POINTS),
        Declared("the skeleton", root / SKELETON, dict.fromkeys(POINTS, 0.0), state="not answered"),
    ]


def _labelled(root: Path, folder: Path, console: Console, small: bool) -> list[Declared]:
    corpus = _from_tests(root, "tests.submissions")
    answers = [answer for answer in corpus.ANSWERS if corpus.fits_this_term(answer)]
    if left := len(corpus.ANSWERS) - len(answers):
        console.print(f"{left} labelled answers state numbers of the first handout and were left out")
    return [
        declare(answer, corpus.write_answer(answer, root / SKELETON, folder))
        for answer in corpus.packed(answers)[:: _PART if small else 1]
    ]


def _from_tests(root: Path, name: str) -> Any:
    """Import a module of the project's tests, which are not part of the package."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(name)
