"""How much of a submission is read, and the one way to say that there is nothing to grade."""

from __future__ import annotations

from dataclasses import dataclass

from inithw.engine.text import clean

MAX_FILE = 100_000_000  # bytes of one file, decompressed
MAX_TOTAL = 200_000_000  # bytes read for one submission
MAX_READS = 500  # files opened for one submission
MAX_ENTRIES = 50_000  # names looked at in a folder or zip
MAX_DEPTH = 20  # folders within folders
MAX_MEMORY = 300 << 20  # bytes that reading one file may take: the smallest container has 768 MB for everything
VALUE_MEMORY = 120  # bytes of a small JSON value, with its place in a list
MAX_CELLS = 2_000  # code cells
MAX_CODE = 2_000_000  # characters of code
MAX_HELPERS = 50  # Python files beside the notebook
MAX_HELPER = 200_000  # characters of one of them
NAME_LIMIT = 4096  # characters of a submission's name in messages

SAVE = (
    "Submit the notebook itself as .ipynb (Jupyter: File > Save and Export Notebook As > Notebook; "
    "Colab: File > Download > Download .ipynb)."
)
SMALLER = "Clear the outputs of the notebook (Jupyter: Edit > Clear Outputs of All Cells), save, submit again."
ONE = "Submit only the one notebook that holds your answers."


class NotGradable(Exception):
    """There is nothing to grade; the message is one line: what is wrong and what to do."""


@dataclass(slots=True)
class Budget:
    """What may still be read for one submission."""

    bytes: int = MAX_TOTAL
    reads: int = MAX_READS

    def spend(self, label: str, size: int) -> None:
        """Take one file of `size` bytes off.

        Raises:
            NotGradable: It is too much.
        """
        if size > self.bytes or self.reads == 0:
            raise NotGradable(f"{label} is too much to read after the other files of this submission. {ONE}")
        self.bytes, self.reads = self.bytes - size, self.reads - 1


def label_of(name: str) -> str:
    """How messages call a file: the end of its name, with the extension."""
    return clean(name if len(name) <= 200 else f"…{name[-199:]}", 200)


def too_large(label: str) -> NotGradable:
    """Why a file that is too large is not read."""
    return NotGradable(f"{label} is larger than {MAX_FILE // 1_000_000} MB. {SMALLER}")
