"""q2: each printed number is the L2 norm of that layer's gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, product

import numpy as np

from inithw.engine.records import FloatArray, Unavailable
from inithw.engine.verdict import Lost, available
from inithw.homework.diagnosis.norms import MISTAKES, have_common_factor, hedges, name_norms
from inithw.homework.printout import SIGNIFICANT_DIGITS, Printout, read_printout
from inithw.homework.records import Evidence, NormsTask
from inithw.homework.reference.network import gradients
from inithw.homework.reference.norms import frobenius

_QUOTED = 80
"""Characters of what was printed that a message quotes."""


def check_norms(evidence: Evidence) -> None:
    """Each printed number is the L2 norm of that layer's weight gradient."""
    _check(evidence, "q2.norms")


def check_general(evidence: Evidence) -> None:
    """The same on networks of other depth and width."""
    like_homework = [part for task, part in _asked(evidence, "q2.norms") if isinstance(part, Unavailable)]
    others = [part for task, part in _asked(evidence, "q2.general") if isinstance(part, Unavailable)]
    if others and not like_homework and others[0].state == "not reached":
        raise Lost.because(f"on a network of other depth or width, {others[0].reason}", MISTAKES["q2.one_network"])
    try:
        _check(evidence, "q2.general")
    except Lost as lost:
        if lost.diagnosis or not any(remark.raised for remark in evidence.remarks if remark.question == "q2"):
            raise
        _check(evidence, "q2.norms")  # what stops there, too, is not about other networks
        raise Lost.because(lost.message.rstrip("."), MISTAKES["q2.one_network"]) from None


def _check(evidence: Evidence, item: str) -> None:
    asked = [(task, read_printout(available(part), len(task.network.weights))) for task, part in _asked(evidence, item)]
    own = evidence.challenge.own_data
    shown: list[tuple[Printout, FloatArray]] = []
    for task, printout in asked:
        matrices = right_gradients(task, printout, own)
        right = frobenius(matrices)
        if not printout.shows(right) or hedges(printout, task.network, matrices):
            raise _lost(task, printout, right, asked, own)
        shown.append((printout, right))
    # Three networks may have nearly the same total by chance: those of the other item have another.
    if have_common_factor(shown) and have_common_factor([*shown, *_shown_besides(evidence, item)]):
        raise _lost(asked[0][0], *shown[0], asked, own)


def _shown_besides(evidence: Evidence, item: str) -> Iterator[tuple[Printout, FloatArray]]:
    """What was printed for the networks of the other item where it shows the right norms, and these."""
    for task, part in zip(evidence.challenge.norms, evidence.norms, strict=True):
        if task.item != item and not isinstance(part, Unavailable):
            printout = read_printout(part, len(task.network.weights))
            right = frobenius(right_gradients(task, printout, evidence.challenge.own_data))
            if printout.shows(right):
                yield printout, right


def _lost(
    task: NormsTask,
    printout: Printout,
    right: FloatArray,
    asked: Sequence[tuple[NormsTask, Printout]],
    own: tuple[FloatArray, FloatArray],
) -> Lost:
    """What is wrong with a printout, and why, as all that was asked shows it."""
    usual = _is_on(task, own)
    return Lost.because(
        f"for fresh weights{'' if usual else ' and other data'}, print_gnorms {_found(printout, right)} "
        f"(network {_described(task)})",
        name_norms([pair for pair in asked if _is_on(pair[0], own)]) if usual else None,
        this_is="this is ",
        hint="Which quantity is it? Compute it by hand for a matrix with two entries.",
    )


def _is_on(task: NormsTask, own: tuple[FloatArray, FloatArray]) -> bool:
    """Whether it is on the notebook's own data: only there are mistakes named."""
    return np.array_equal(task.x, own[0])


def right_gradients(task: NormsTask, printout: Printout, own: tuple[FloatArray, FloatArray]) -> list[FloatArray]:
    """The weight gradients whose norms the printout shows; the task's where it shows none.

    Who has put the notebook's `own` inputs or targets into tensors of their own computes the gradients on those.
    """
    data = product((task.x, own[0]), (task.y, own[1]))
    choices = (gradients(task.network, x, y) for x, y in data)
    first = next(choices)
    return next((matrices for matrices in chain([first], choices) if printout.shows(frobenius(matrices))), first)


def _asked(evidence: Evidence, item: str) -> list[tuple[NormsTask, str | Unavailable]]:
    pairs = zip(evidence.challenge.norms, evidence.norms, strict=True)
    return [(task, part) for task, part in pairs if task.item == item]


def _found(printout: Printout, right: FloatArray) -> str:
    """What was printed for the first layer that is wrong, and what was expected there."""
    expected = ", ".join(f"{norm:.5g}" for norm in right)
    if not printout.claims:
        return f"printed no number where {expected} were expected"
    if printout.crowded:
        return f"printed so many numbers that some are right by chance, where only {expected} were expected"
    if not printout.shows(right) and len(printout.claims) != len(right):
        count = len(printout.claims)
        return f"printed {count} number{'s' * (count != 1)} where {len(right)} were expected ({expected})"
    if printout.shows(right):
        return f"printed wrong norms beside the right ones, where only {expected} were expected"
    wrong = [layer for layer, norm in enumerate(right) if not printout.claims[layer].shows(norm)]
    layer = wrong[0] if wrong else 0
    found, norm = printout.claims[layer].text[:_QUOTED], f"{right[layer]:.{SIGNIFICANT_DIGITS + 1}g}"
    return f"printed {found} for {2 * layer}.weight where {norm} was expected"


def _described(task: NormsTask) -> str:
    return "-".join(str(matrix.shape[1]) for matrix in task.network.weights) + "-1"
