"""Names the mistake behind a lost item, in the student's language and without giving the answer away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """A recognized mistake.

    Attributes:
        label: Fixed label, `q2.spectral`.
        what: What was done, a phrase that completes "this is ..." or a sentence's second half; empty where the
            message about the evidence says it all.
        hint: The idea to look at, without the answer.
    """

    label: str
    what: str
    hint: str
