"""Names known mistakes in an initialization."""

from __future__ import annotations

from inithw.records import InitEvidence
from inithw.verdict import Lost


def name_draws(_init: InitEvidence, message: str) -> Lost:
    """The loss of q3.draws, with the mistake's name where it is known."""
    return Lost(message)


def name_scale(_init: InitEvidence, message: str) -> Lost:
    """The loss of q3.scale, with the mistake's name where it is known."""
    return Lost(message)
