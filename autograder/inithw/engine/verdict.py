"""The exceptions by which a check says that an item is lost, and why."""

from __future__ import annotations

from typing import TypeVar

from inithw.engine.records import Unavailable

T = TypeVar("T")


class Lost(AssertionError):
    """The evidence does not support an item's claim.

    Attributes:
        message: One sentence: what was found, where, what was expected.
        diagnosis: Label of the recognized mistake (`q2.spectral`), or empty.
        hint: Where to look next, without the answer; empty when there is none.
    """

    def __init__(self, message: str, *, diagnosis: str = "", hint: str = "") -> None:
        """Join message and hint into the text that pytest and Otter show."""
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.diagnosis = diagnosis
        self.hint = hint


class NotAnswered(Lost):
    """The student left the question open."""


class NotReached(Lost):
    """An error, a limit or a fault came before the evidence."""


def available(part: T | Unavailable) -> T:
    """Return a piece of evidence, or raise why it does not exist.

    Raises:
        NotAnswered: The question was left open.
        NotReached: Something came before it.
    """
    if isinstance(part, Unavailable):
        kind = NotAnswered if part.state == "not answered" else NotReached
        raise kind(part.reason)
    return part
