"""One labelled answer, and the notebook made of it."""

from __future__ import annotations

import itertools
import json
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inithw.homework.reference.data import WIDTHS
from inithw.homework.rubric import POINTS

Notebook = dict
NAME = "homework.ipynb"
REFERENCE = {
    "q1": f"""
        model = nn.Sequential(
            nn.Linear(1, width), nn.ReLU(), {(len(WIDTHS) - 3) * "nn.Linear(width, width), nn.ReLU(), "}
            nn.Linear(width, 1),
        )""",
    "q2": "gnorm = param.grad.norm()",
    "q3": "nn.init.kaiming_normal_(module.weight)",
}


@dataclass(frozen=True)
class Answer:
    """A submission and what it must get.

    Attributes:
        name: What it is, in words.
        q1: Statements that make `model`; None for the reference's.
        q2: Statements that make `gnorm` from `name` and `param`, or a whole `def print_gnorms`.
        q3: Statements in the branch for `nn.Linear`, or a whole `def better_init`.
        lost: Items that must earn nothing, each with the label of its diagnosis, or "" where no known mistake is
            named, or the item's state where there is nothing to judge: "not answered", "not reached".
        measured: Items where the ruling is "as measured": either verdict is right.
        transform: Turns the notebook (a dict), or its file, into what was handed in.
        status: The record's status.
    """

    name: str
    q1: str | None = None
    q2: str | None = None
    q3: str | None = None
    lost: dict[str, str] = field(default_factory=dict)
    measured: frozenset[str] = frozenset()
    transform: Callable[[Notebook, Path], Path] | None = None
    status: str = "graded"

    @property
    def expected(self) -> dict[str, float]:
        """Points of every item that is decided."""
        if self.status != "graded":
            return dict.fromkeys(POINTS, 0.0)
        return {
            item: 0.0 if item in self.lost else points for item, points in POINTS.items() if item not in self.measured
        }

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions that it is about."""
        if self.transform is not None:
            return tuple(REFERENCE) if self.status == "graded" else ()
        return tuple(question for question in REFERENCE if getattr(self, question) is not None)

    @property
    def is_a_form(self) -> bool:
        """Whether it changes what is around the answers and loses nothing; what edits an answer states that answer."""
        return self.transform is not None and self == Answer(self.name, transform=self.transform)

    @property
    def keeps_to_itself(self) -> bool:
        """Whether it changes nothing for the answers to other questions."""
        return all(item.partition(".")[0] in self.questions for item in self.measured)

    @property
    def stem(self) -> str:
        """The name as a file name, shorter than file systems allow."""
        return re.sub(r"\W+", "-", self.name).strip("-").lower()[:150]


@dataclass(frozen=True)
class Insertion:
    """A transform that only puts something into the notebook: what costs nothing alone costs nothing with others.

    Attributes:
        insert: Changes the notebook's dict in place.
    """

    insert: Callable[[Notebook], None]

    def __call__(self, notebook: Notebook, folder: Path) -> Path:
        self.insert(notebook)
        return save(notebook, folder / NAME)


def write_answer(answer: Answer, skeleton: Path, folder: Path) -> Path:
    """Write the submission into a folder of its own below `folder`; the path to grade."""
    notebook = filled(json.loads(skeleton.read_text(encoding="utf-8")), q1=answer.q1, q2=answer.q2, q3=answer.q3)
    place = folder / answer.stem
    place.mkdir(parents=True, exist_ok=True)
    if answer.transform is not None:
        return answer.transform(notebook, place)
    return save(notebook, place / NAME)


def packed(answers: Sequence[Answer]) -> list[Answer]:
    """The same answers in fewer notebooks: up to three in one, each to another question, and some insertions or a form.

    Questions are independent, and neither what is inserted nor a notebook's form costs anything, so every label holds
    as before; that it does is part of what is tested. Answers that stop with an error come together, because grading
    takes longest with them. Forms look for the reference's network in the text: they come with the answers to others.
    """
    insertions = [answer for answer in answers if answer.is_a_form and isinstance(answer.transform, Insertion)]
    groups = max(1, len(insertions) // _INSERTIONS)
    rest = [answer for answer in answers if answer.transform is None and answer.keeps_to_itself]
    alone = [answer for answer in answers if answer not in rest and answer not in insertions]
    columns = [[answer for answer in rest if answer.questions == (question,)] for question in REFERENCE]
    for column in columns:
        column.sort(key=lambda answer: "not reached" not in answer.lost.values())
    rows = [_together(row) for row in itertools.zip_longest(*columns)]
    alone += [_inserted(insertions[group::groups]) for group in range(groups)]
    forms = [
        answer for answer in alone if answer.transform and answer == Answer(answer.name, transform=answer.transform)
    ]
    with_q1, others = [[row for row in rows if (row.q1 is None) == kind] for kind in (False, True)]
    return [
        *with_q1,
        *(_together(pair) for pair in itertools.zip_longest(others, forms)),
        *(answer for answer in alone if answer not in forms),
    ]


def _together(answers: Sequence[Answer | None]) -> Answer:
    some = [answer for answer in answers if answer is not None]
    return Answer(
        name=" + ".join(answer.name for answer in some),
        **{
            question: getattr(answer, question)
            for answer in some
            for question in REFERENCE
            if getattr(answer, question)
        },
        lost={item: label for answer in some for item, label in answer.lost.items()},
        measured=frozenset().union(*(answer.measured for answer in some)),
        transform=some[-1].transform,
    )


def _inserted(answers: Sequence[Answer]) -> Answer:
    def insert(notebook: Notebook) -> None:
        for answer in answers:
            answer.transform.insert(notebook)

    return Answer(" + ".join(answer.name for answer in answers), transform=Insertion(insert))


def save(notebook: Notebook, path: Path) -> Path:
    """Write a notebook as Jupyter does."""
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def filled(notebook: Notebook, q1: str | None = None, q2: str | None = None, q3: str | None = None) -> Notebook:
    """Put code in the place of the three stubs."""
    answers = {"q1": q1, "q2": q2, "q3": q3}
    for cell in code_cells(notebook):
        source = text(cell)
        for question, given in answers.items():
            if f'todo("{question}")' in source:
                code = textwrap.dedent(REFERENCE[question] if given is None else given).strip("\n")
                cell["source"] = _PLACE[question](source, code)
    return notebook


def code_cells(notebook: Notebook) -> list[dict]:
    """The code cells of a notebook, in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text(cell: dict) -> str:
    """A cell's source as one string."""
    return "".join(cell["source"])


def _model(source: str, code: str) -> str:
    start, end = source.index("model = nn.Sequential("), source.index("\n)\n") + 2
    return source[:start] + code + source[end:]


def _statements(function: str, stub: str) -> Callable[[str, str], str]:
    def put(source: str, code: str) -> str:
        if re.search(rf"^(?:def {function}\b|{function} =)", code, re.MULTILINE):
            start = source.index(f"def {function}")
            end = re.compile(r"\n(?=\S)").search(source, start).start()
            return source[:start] + code + "\n" + source[end:]
        line = re.search(rf"^( *){re.escape(stub)}$", source, re.MULTILINE)
        return source[: line.start()] + textwrap.indent(code, line[1]) + source[line.end() :]

    return put


_INSERTIONS = 8
"""So many in one notebook."""
_PLACE = {
    "q1": _model,
    "q2": _statements("print_gnorms", 'gnorm = todo("q2")'),
    "q3": _statements("better_init", 'todo("q3")'),
}
