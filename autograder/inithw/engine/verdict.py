"""The exceptions by which a check says that an item is lost, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeVar

from inithw.engine.records import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A recognized mistake, in the student's language and without giving the answer away.

    Attributes:
        label: Fixed label, `q2.spectral`.
        what: What was done, a phrase that completes "this is ..." or a sentence's second half, with `{names}` for
            details.
        hint: The idea to look at, without the answer.
        said: Whether `what` is said to the student; else the message about the evidence says it already.
    """

    label: str
    what: str
    hint: str
    said: bool = True

    def of(self, **details: object) -> Mistake:
        """The mistake with the details of one answer."""
        return replace(self, what=self.what.format(**details))


def registry(*mistakes: Mistake) -> dict[str, Mistake]:
    """Mistakes by their labels.

    Raises:
        ValueError: Two have the same label.
    """
    table = {mistake.label: mistake for mistake in mistakes}
    if len(table) != len(mistakes):
        raise ValueError("two mistakes have the same label")
    return table


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

    @classmethod
    def because(cls, found: str, mistake: Mistake | None, *, hint: str = "", this_is: str = "") -> Self:
        """Say what was found, and by which mistake if it is known.

        Args:
            found: A sentence without its full stop.
            mistake: What explains it.
            hint: Where to look when nothing does.
            this_is: Words before the mistake, `this is `.
        """
        if mistake is None:
            return cls(f"{found}.", hint=hint)
        message = f"{found}: {this_is}{mistake.what}." if mistake.said else f"{found}."
        return cls(message, diagnosis=mistake.label, hint=mistake.hint)


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
