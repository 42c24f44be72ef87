"""Variants: training data of each student's own, drawn from their id by one published rule; off unless a term asks."""

from __future__ import annotations

import inspect
import re
import zlib

from inithw.engine.records import FloatArray, Submission
from inithw.homework.reference.data import DATA_SEED, TRAIN_X, TRAIN_Y, training_data
from inithw.homework.term import TERM, VARIANTS


# The notebook has this function, source and all.
def own_seed(student: object, term_seed: int) -> int:
    """The seed of a student's data: the term's plus a checksum of their id, or just the term's if that is none."""
    plain = str(student).strip().lower()
    usable = re.fullmatch(r"[a-z0-9][a-z0-9._@+-]{0,99}", plain)
    return (term_seed + zlib.crc32(plain.encode())) % 2**32 if usable else term_seed


def _cell() -> str:
    asked = VARIANTS[TERM.variants]
    return f"""STUDENT = ""  # your {asked}, between the quotes: your own training data are drawn from it
import re
import zlib


{inspect.getsource(own_seed)}

DATA_SEED = own_seed(STUDENT, {DATA_SEED})
if DATA_SEED == {DATA_SEED}:
    print("Not your own data yet: write your {asked} (a-z 0-9 . _ @ + -) between STUDENT's quotes, then run all cells.")
else:
    print(f"Your own data: {{STUDENT}}, seed {{DATA_SEED}}.")

# %%
"""


FACTS = {
    "student cell": _cell() if TERM.variants else "",
    "data seed in code": "DATA_SEED" if TERM.variants else DATA_SEED,
    "half seed in code": f"own_seed(STUDENT, {TERM.seeds.half})" if TERM.variants else TERM.seeds.half,
}
"""What the notebook has of this: a cell before that of the data, and seeds of the data and of those with x < 0.4."""

_PLAIN = r"""(?:"([^"'\\\n]*)"|'([^"'\\\n]*)'|([0-9]+))"""
_WRITTEN = re.compile(rf"^[ \t]*STUDENT[ \t]*=[ \t]*{_PLAIN}[ \t]*(?:[#;].*)?$", re.MULTILINE)


def student_of(submission: Submission) -> str:
    """The id that a notebook states, as text and not by running it; empty where there is none in plain quotes."""
    found = [match for cell in submission.cells for match in _WRITTEN.finditer(cell.source)]
    return next(filter(None, found[-1].groups()), "") if found else ""


def own_data(submission: Submission) -> tuple[FloatArray, FloatArray]:
    """The training data that a notebook makes, x and y of shape (n,): the term's unless there are variants."""
    seed = own_seed(student_of(submission), DATA_SEED) if TERM.variants else DATA_SEED
    return (TRAIN_X, TRAIN_Y) if seed == DATA_SEED else training_data(seed)
