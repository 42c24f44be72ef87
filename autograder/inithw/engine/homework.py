"""The seam: the one record that describes a homework to the engine, which knows nothing else of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inithw.engine.records import CellRun, Evidence, FloatArray, Item, Picture, Submission, Unavailable
from inithw.engine.reply import Reply


@dataclass(frozen=True, slots=True)
class Question:
    """What a worker is asked once a submission's code is loaded.

    Attributes:
        name: Under which the answer is kept; each question of a challenge has another.
        handler: Which handler of the homework's worker half answers.
        read: Turns what came back into a record of the homework. It dictates every length.
        details: Plain values that the handler gets.
        arrays: Sent with them, as float32.
    """

    name: str
    handler: str
    read: Callable[[Reply], Any]
    details: Mapping[str, Any] = field(default_factory=dict)
    arrays: tuple[FloatArray, ...] = ()


@dataclass(frozen=True, slots=True)
class Homework:
    """A homework, as the engine is handed it.

    Attributes:
        title: Heads every report.
        rubric: The items, in the order of reports.
        draw: From the grading key and a submission, of which only the digest counts, draws the challenge.
        questions: What a challenge asks, in order.
        evidence: Puts a challenge, how the cells ended, the answers by the questions' names (`Unavailable` where there
            is none) and the seconds taken into the record that the checks read.
        records: Dataclasses of the homework that evidence may hold, to write and read it.
        worker: Name of the module of the untrusted half, with a class `Answers`; see `engine.worker.session`.
        names: Names that its notebooks define and others do not.
        handout: `given.json`: the code cells of the distributed notebook, as `inithw build` has written them.
        version: Which handout this is, as a line `# Handout: ...` of its code says; empty where there is one only.
        notebook: Path of the distributed notebook in what students get: where a repository keeps its answers.
        files: What else verdicts rest on besides the rubric, by name (`thresholds`): a class is graded by one content
            of them.
        answers: By question, the name that its answer binds: reports show the cell that does.
        pictures: What evidence shows to a student who asks why; never the key, nor a solution.
        ready: Raises `settings.ProjectError`, with what to run, where verdicts would not be those of today's homework.
    """

    title: str
    rubric: tuple[Item, ...]
    draw: Callable[[bytes, Submission], Any]
    questions: Callable[[Any], tuple[Question, ...]]
    evidence: Callable[[Any, tuple[CellRun, ...], Mapping[str, Any | Unavailable], float], Evidence]
    records: tuple[type, ...]
    worker: str
    names: tuple[str, ...]
    handout: Path
    version: str = ""
    notebook: str = "homework.ipynb"
    files: Mapping[str, Path] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    pictures: Callable[[Any], Sequence[Picture]] = lambda _evidence: ()
    ready: Callable[[], object] = lambda: None
