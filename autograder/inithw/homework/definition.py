"""The one record by which the engine knows this homework."""

from __future__ import annotations

from pathlib import Path

from inithw.engine.homework import Homework
from inithw.homework import records
from inithw.homework.challenge import draw_challenge
from inithw.homework.diagnosis import mistakes_table
from inithw.homework.pictures import pictures
from inithw.homework.questions import evidence, questions
from inithw.homework.reference.data import MOMENTUM, PARAMETERS, STEPS, WIDTHS
from inithw.homework.reference.initialization import BlockStatistics, Novelty, ScaleLaw
from inithw.homework.rubric import RUBRIC
from inithw.homework.statistics import Measured, Readings
from inithw.homework.term import BATCHES, TABLES, TERM
from inithw.homework.thresholds import good_loss_on_file, thresholds
from inithw.homework.variants import FACTS as VARIANT_FACTS

HOMEWORK = Homework(
    title=TERM.title,
    rubric=RUBRIC,
    draw=draw_challenge,
    questions=questions,
    evidence=evidence,
    records=(*records.RECORDS, Measured, Readings, BlockStatistics, ScaleLaw, Novelty),
    worker="inithw.homework.worker.answers",
    names=("print_gnorms", "better_init"),
    handout=Path(__file__).with_name("given.json"),
    version=TERM.version,
    files={name: Path(__file__).with_name(name) for name in ("term.toml", "thresholds.json")},
    answers={"q1": "model", "q2": "print_gnorms", "q3": "better_init"},
    pictures=pictures,
    ready=thresholds,
)

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _in_words(number: int) -> str:
    """`four`; from thirteen on in digits."""
    return _WORDS[number] if number < len(_WORDS) else str(number)


# Apart, since no package may hold a line of the solution.
_LINEAR, _RELU = "nn.Linear(width, width)", "nn.ReLU()"
_RATIO = TERM.scales.large / TERM.scales.small
_TIMES = "a hundred times" if round(_RATIO, 6) == 100 else f"{_RATIO:.3g} times"
_DUE = f"Due: {TERM.due}." if TERM.due else "Your course says when it is due."
_DATES = f"{_DUE} Late: {TERM.late}." if TERM.late else _DUE
_CHILDREN = 2 * len(WIDTHS) - 3
FACTS: dict[str, object] = {
    **{f"{table} {name}": value for table in TABLES for name, value in TERM.table(table)},
    **{f"batches {name}": int(value) + BATCHES for name, value in TERM.table("seeds")},
    **VARIANT_FACTS,
    "large scale in code": repr(float(TERM.scales.large)),
    "times wider": _TIMES,
    "version": TERM.version,
    "dates": _DATES,
    "layers": len(WIDTHS) - 1,
    "children": _CHILDREN,
    "parameters": PARAMETERS,
    "steps": STEPS,
    "hidden layers in words": _in_words(TERM.network.hidden_layers),
    "layers in words": _in_words(len(WIDTHS) - 1),
    "children in words": _in_words(_CHILDREN),
    "epochs in words": _in_words(TERM.training.epochs),
    "widths": list(WIDTHS),
    "last layer": _CHILDREN - 1,
    "last frequency": TERM.data.frequencies - 1,
    "layers between": "\n    ".join([f"{_LINEAR}, {_RELU},"] * (TERM.network.hidden_layers - 1)),
    "one plus momentum": 1 + MOMENTUM,
    "speedup in words": _in_words(round(1 / (1 - MOMENTUM))),
    "twice the speedup": f"{2 / (1 - MOMENTUM):.3g}",
    "good loss": good_loss_on_file(),
    "mistakes": mistakes_table(),
}
"""What pages and the notebook may say of this homework, by name: the constants of term.toml, and what follows."""
