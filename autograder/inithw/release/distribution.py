"""Generates what is generated: notebooks, public tests, requirements, given.json, Otter's tests, facts in pages.

The notebooks come from `solutions/homework.py`, a notebook in jupytext's percent format. In its code cells the lines
between ``# BEGIN SOLUTION`` and ``# END SOLUTION`` are the answer; lines ``# STUDENT: code`` among them are what a
student finds in their place. A raw cell with ``question="q1"`` holds the public tests of that question. Code cells
tagged ``demonstration`` hold a training run, a figure or a local check: grading may leave them out.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from inithw.engine.settings import ProjectError
from inithw.homework.definition import FACTS, HOMEWORK
from inithw.homework.term import TERM
from inithw.release import answers
from inithw.release.otter_tests import otter_tests
from inithw.release.pages import PageError, facts, fill, put_facts

SOURCE = "solutions/homework.py"
CHANGES = "assignment/CHANGES.md"
COMMAND = "inithw build"
_NOTE = f"Generated from {SOURCE} by `{COMMAND}`: edit that file, not this one."
_TESTS_NOTE = f"Generated from the rubric by `{COMMAND}`: edit autograder/inithw/homework/rubric.py, not this file."
_METADATA = {
    "inithw": {"note": _NOTE},
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# What the notebook imports, by the names of pyproject.toml, which knows the versions.
_STUDENT_PACKAGES = ("numpy", "torch", "matplotlib", "otter-grader", "latex2mathml", "jsonschema")
_STUDENT_TOOLS = ("jupyterlab>=4",)

PAGES = ("assignment/README.md", "docs/grading.md", "docs/gradescope.md")
"""Written by hand but for the facts between markers; see `pages`."""

_MARKER = re.compile(r"^\s*# (BEGIN|END) SOLUTION$")
_STUDENT = re.compile(r"^(\s*)# STUDENT: (.*\S)$")
_ALMOST = re.compile(r"#\s*(?:(?:begin|end)[\s_-]*solutions?\b|students?\s*:)", re.IGNORECASE)


class SourceError(ProjectError):
    """`solutions/homework.py` cannot be turned into a notebook."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A generated file that is not what its source says.

    Attributes:
        path: Relative to the project's root.
        diff: Unified diff from the file as it is to the file as it should be.
    """

    path: str
    diff: str


def build(root: Path) -> dict[str, bytes]:
    """Make the content of every generated file; writes nothing.

    Returns:
        The bytes of each file by its path relative to `root`.

    Raises:
        SourceError: A solution marker is unbalanced, nested, misspelt or has no line for the student, or a line
            of a solution would reach a student's file.
    """
    known = facts(HOMEWORK, FACTS)
    source = _with_facts(SOURCE, lambda: fill((root / SOURCE).read_text(encoding="utf-8"), known))
    made = _split(jupytext.reads(source, fmt="py:percent").cells)
    made.refuse_leaks()
    _refuse_unanswered(root, source)
    if f"## {TERM.version}\n" not in (root / CHANGES).read_text(encoding="utf-8"):
        raise SourceError(f"{CHANGES} has no heading `## {TERM.version}`: say there what has changed for students")
    texts = {
        "assignment/homework.ipynb": _notebook(made.student),
        "solutions/homework.ipynb": _notebook(made.reference),
        **{f"assignment/tests/{question}.py": text for question, text in sorted(made.tests.items())},
        "assignment/requirements.txt": _requirements(root),
        **{f"tests/otter/{question}.py": text for question, text in otter_tests(HOMEWORK, _TESTS_NOTE).items()},
        **_pages(root, known),
        "autograder/inithw/homework/given.json": _given(made.student),
    }
    return {path: text.encode() for path, text in texts.items()}


def _refuse_unanswered(root: Path, source: str) -> None:
    """Stop where a written question has no model answer, or a sentence counts another number of questions.

    Raises:
        SourceError: It is so.
    """
    asked = re.findall(r"^# #+ Question (W\d+)", source, re.MULTILINE)
    answered = answers.questions((root / answers.DOCUMENT).read_text(encoding="utf-8"))
    if asked != answered:
        raise SourceError(f"{SOURCE} asks {', '.join(asked)}; {answers.DOCUMENT} answers {', '.join(answered)}")
    for name in (SOURCE, "assignment/README.md"):
        for last in re.findall(r"\*{0,2}W1\*{0,2} to \*{0,2}(W\d+)", (root / name).read_text(encoding="utf-8")):
            if last != asked[-1]:
                raise SourceError(f"{name} speaks of W1 to {last}, but the last question is {asked[-1]}")


def write(root: Path) -> list[str]:
    """Write the generated files that changed; returns their paths relative to `root`."""
    changed = {path: content for path, content in build(root).items() if _read(root / path) != content}
    for path, content in changed.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return list(changed)


def check(root: Path) -> list[Stale]:
    """Compare the generated files with what their source says; returns those that differ or are missing."""
    stale = []
    for path, content in build(root).items():
        present = _read(root / path)
        if present != content:
            before = (present or b"").decode("utf-8", "replace").splitlines()
            diff = difflib.unified_diff(before, content.decode().splitlines(), path, f"{path} (built)", lineterm="")
            stale.append(Stale(path, "\n".join(diff) or "(only line endings differ)"))
    return stale


@dataclass(frozen=True, slots=True)
class _Split:
    """What the cells of the source become.

    Attributes:
        student: Cells of the student's notebook.
        reference: Cells of the reference notebook.
        tests: Public tests, by question.
        solution: All lines of solutions, without indentation.
    """

    student: list[NotebookNode]
    reference: list[NotebookNode]
    tests: dict[str, str]
    solution: set[str]

    def refuse_leaks(self) -> None:
        """Refuse a line of a solution in what students get."""
        for text in [*(cell.source for cell in self.student), *self.tests.values()]:
            for line in text.splitlines():
                if line.strip() in self.solution:
                    found = f"the solution line {line.strip()!r} also stands in a part that students get"
                    raise SourceError(f"{SOURCE}: {found}")


def _split(cells: list[NotebookNode]) -> _Split:
    made = _Split([], [], {}, set())
    seen: Counter[str] = Counter()
    for cell in cells:
        question = cell.metadata.get("question")
        if cell.cell_type == "raw" and question:
            made.tests[question] = f"# {_NOTE}\n{cell.source.strip()}\n"
            continue
        open_text = solved_text = cell.source
        if cell.cell_type == "code":
            open_text, solved_text, lines = split_solution(cell.source)
            made.solution.update(lines)
        # Both notebooks name a cell alike, by what the student sees.
        identity = hashlib.sha256(f"{cell.cell_type}\n{open_text}".encode()).hexdigest()[:12]
        seen[identity] += 1
        if seen[identity] > 1:
            identity += f"-{seen[identity]}"
        made.student.append(_cell(cell, open_text, identity))
        made.reference.append(_cell(cell, solved_text, identity))
    return made


def _given(student: list[NotebookNode]) -> str:
    """The handout's code cells, for the engine."""
    cells = [
        {"source": cell.source, "demonstration": "demonstration" in cell.metadata.get("tags", [])}
        for cell in student
        if cell.cell_type == "code"
    ]
    return json.dumps({"note": _NOTE, "cells": cells}, indent=1, ensure_ascii=False) + "\n"


def split_solution(source: str) -> tuple[str, str, list[str]]:
    """Split the source of a code cell into what a student sees and what solves it.

    Returns:
        The student's source, the solved source, and the solution's lines without indentation.

    Raises:
        SourceError: See `build`.
    """
    student, solved, solution = [], [], []
    opened = replaced = 0  # line numbers, 0 for none

    def refuse(problem: str) -> SourceError:
        return SourceError(f"{SOURCE}: {problem}, in the cell that begins {source.strip().splitlines()[0]!r}")

    for number, line in enumerate(source.split("\n"), start=1):
        marker, stub = _MARKER.match(line), _STUDENT.match(line)
        if marker and marker[1] == "BEGIN":
            if opened:
                raise refuse(f"BEGIN SOLUTION on line {number} inside the solution begun on line {opened}")
            opened, replaced = number, 0
        elif marker:
            if not opened:
                raise refuse(f"END SOLUTION on line {number} without BEGIN SOLUTION")
            if not replaced:
                raise refuse(f"the solution begun on line {opened} has no '# STUDENT: ' line to stand in its place")
            opened = 0
        elif stub:
            if not opened:
                raise refuse(f"'# STUDENT: ' on line {number} outside a solution")
            replaced = number
            student.append(stub[1] + stub[2])
        elif _ALMOST.search(line):
            raise refuse(f"line {number} looks like a solution marker but is none: {line.strip()!r}")
        elif opened:
            solved.append(line)
            solution.append(line.strip())
        else:
            student.append(line)
            solved.append(line)
    if opened:
        raise refuse(f"BEGIN SOLUTION on line {opened} without END SOLUTION")
    return "\n".join(student), "\n".join(solved), [line for line in solution if line]


def _cell(cell: NotebookNode, source: str, identity: str) -> NotebookNode:
    if cell.cell_type == "code":
        made = nbformat.v4.new_code_cell(source, id=f"code-{identity}")
        made.metadata.update({"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {})
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            made.metadata.update(jupyter={"source_hidden": True}, cellView="form")  # JupyterLab's way, and Colab's
        return made
    return nbformat.v4.new_markdown_cell(source, id=f"text-{identity}")


def _notebook(cells: list[NotebookNode]) -> str:
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=_METADATA)
    nbformat.validate(notebook)
    return nbformat.writes(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _pages(root: Path, known: Mapping[str, str]) -> dict[str, str]:
    return {
        name: _with_facts(name, partial(put_facts, (root / name).read_text(encoding="utf-8"), known)) for name in PAGES
    }


def _with_facts(name: str, make: Callable[[], str]) -> str:
    try:
        return make()
    except PageError as error:
        raise SourceError(f"{name} {error}") from error


def _requirements(root: Path) -> str:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    known = {
        re.match(r"[\w.-]+", requirement)[0]: requirement  # type: ignore[index]
        for group in groups
        for requirement in group
    }
    return "\n".join([f"# {_NOTE}", *(known[name] for name in _STUDENT_PACKAGES), *_STUDENT_TOOLS, ""])


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
