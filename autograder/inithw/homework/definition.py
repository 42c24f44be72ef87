"""The one record by which the engine knows this homework."""

from __future__ import annotations

from pathlib import Path

from inithw.engine.homework import Homework
from inithw.homework import records
from inithw.homework.challenge import draw_challenge
from inithw.homework.questions import evidence, questions
from inithw.homework.reference.data import PARAMETERS, WIDTHS
from inithw.homework.rubric import RUBRIC
from inithw.homework.term import TERM
from inithw.homework.thresholds import thresholds

HOMEWORK = Homework(
    title=TERM.title,
    rubric=RUBRIC,
    draw=draw_challenge,
    questions=questions,
    evidence=evidence,
    records=records.RECORDS,
    worker="inithw.homework.worker.answers",
    names=("print_gnorms", "better_init"),
    handout=Path(__file__).with_name("given.json"),
    ready=thresholds,
)

FACTS = {
    "hidden layers": TERM.network.hidden_layers,
    "width": TERM.network.width,
    "children": 2 * len(WIDTHS) - 3,
    "parameters": PARAMETERS,
    "training points": TERM.data.train,
}
"""What pages may say of this term's homework, by name."""
