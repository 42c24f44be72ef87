"""q2: each printed number is the L2 norm of that layer's gradient."""

from __future__ import annotations

from inithw.checks.printed import read_printout
from inithw.records import Evidence
from inithw.reference.data import TRAIN_X, TRAIN_Y
from inithw.reference.network import gradients
from inithw.reference.norms import frobenius
from inithw.verdict import Lost, available


def check_norms(evidence: Evidence) -> None:
    """Each printed number is the L2 norm of that layer's weight gradient."""
    _check(evidence, "q2.norms")


def check_general(evidence: Evidence) -> None:
    """The same on networks of other depth and width."""
    _check(evidence, "q2.general")


def _check(evidence: Evidence, item: str) -> None:
    for task, part in zip(evidence.challenge.norms, evidence.norms, strict=True):
        if task.item != item:
            continue
        printout = read_printout(available(part), len(task.network.weights))
        right = frobenius(gradients(task.network, task.x, task.y))
        if printout.shows(right) or printout.shows(frobenius(gradients(task.network, TRAIN_X, TRAIN_Y))):
            continue
        raise Lost("wrong norms")
