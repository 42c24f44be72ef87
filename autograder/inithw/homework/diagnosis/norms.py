"""q2: names the quantity that was printed in place of the L2 norm of each weight gradient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from inithw.engine.records import FloatArray
from inithw.engine.verdict import Mistake, registry
from inithw.homework.printout import LARGEST_ERROR, SIGNIFICANT_DIGITS, Number, Printout
from inithw.homework.records import Network, NormsTask
from inithw.homework.reference.network import all_gradients
from inithw.homework.reference.norms import frobenius, norms_with_biases, other_norms, wrong_norms

_ENTRIES = "The L2 norm of a matrix is that of one long vector holding all its entries."
MISTAKES = registry(
    Mistake(
        "q2.spectral",
        "the spectral norm (largest singular value) of each gradient",
        f"{_ENTRIES} Look up what `ord=2` means for a matrix in the function that you call.",
    ),
    Mistake(
        "q2.squared",
        "the square of each norm",
        "Compare with the definition of the L2 norm: which last step is missing?",
    ),
    Mistake(
        "q2.parameter",
        "the norm of each weight matrix itself",
        "After loss.backward(), where does PyTorch keep the gradient of a parameter?",
    ),
    Mistake(
        "q2.sum",
        "the plain sum over the entries of each gradient",
        "Entries of both signs cancel in it: can a norm do that?",
    ),
    Mistake(
        "q2.mean", "a mean over the entries of each gradient", "A norm adds up contributions; it does not average."
    ),
    Mistake(
        "q2.l1", "the L1 norm (sum of absolute values) of each gradient", "Which power of the entries belongs to L2?"
    ),
    Mistake("q2.max", "the largest entry of each gradient", _ENTRIES),
    Mistake(
        "q2.std",
        "the standard deviation of each gradient's entries",
        "Compare with the definition of the L2 norm: does it subtract a mean, or divide by the number of entries?",
    ),
    Mistake(
        "q2.rms",
        "the root mean square of each gradient's entries",
        "Compare with the definition of the L2 norm: does it depend on the number of entries?",
    ),
    Mistake(
        "q2.running_total",
        "a running total over the layers",
        "Each weight matrix has a norm of its own: what is carried over from one turn of the loop to the next?",
    ),
    Mistake(
        "q2.global_total",
        "one norm over the gradients of all layers together",
        "Each weight matrix has a norm of its own.",
    ),
    Mistake(
        "q2.bias",
        "the norm of the gradient of each bias",
        "Each linear layer has two parameters: which of them is the matrix?",
    ),
    Mistake(
        "q2.with_bias",
        "one norm over the gradients of each layer's weights and bias together",
        "Each weight matrix has a norm of its own: what else does a linear layer's parameters() hold?",
    ),
    Mistake(
        "q2.nuclear",
        "the nuclear norm (sum of singular values) of each gradient",
        f"{_ENTRIES} Look up which norm your function computes for a matrix.",
    ),
    Mistake(
        "q2.no_numbers",
        "no number was printed",
        "print_gnorms has to print each norm, or return them, every time that it is called.",
        said=False,
    ),
    Mistake(
        "q2.many_numbers",
        "so many numbers were printed that some are right by chance, or wrong norms beside the right ones",
        "Print one number for each weight matrix: take out what was printed to try things.",
        said=False,
    ),
    Mistake(
        "q2.one_network",
        "it ran on networks of the homework's shape only",
        "It ran on the homework's network: what in print_gnorms assumes its number of layers or their sizes?",
        said=False,
    ),
    Mistake(
        "q2.hard_coded",
        "the same text for every network",
        "Numbers copied from one run say nothing about the next: compute them from param.grad.",
    ),
    Mistake(
        "q2.too_few_digits",
        "the right norm, rounded to too few digits to tell it from other quantities",
        "Print at least four significant digits.",
    ),
    Mistake(
        "q2.same_factor",
        "every norm times the same factor",
        "Of which loss is this the gradient? print_gnorms uses the mean over all training data.",
    ),
)
_SAME_MISTAKE = {"mean_abs": "mean", "running_norm": "running_total"}


_SLACK = {"sum": "l1", "mean": "mean_abs", "bias": "with_bias"}
"""Where entries cancel, what is printed is off by the rounding errors of this quantity."""
_ROUNDING = 2e-6
_SAME_FACTOR = 0.01
"""Relative difference between factors that are the same, known from three digits."""
_NO_HEDGE = frozenset({"parameter"})
"""Not a norm of the gradient: may stand beside it when words say what it is."""
_ABOUT = 3
"""Significant digits in which a hedge is recognized: fewer than an answer has."""
_APART = 2 * LARGEST_ERROR
"""Relative difference from which a wrong norm counts as one."""


def hedges(printout: Printout, network: Network, matrices: Sequence[FloatArray]) -> bool:
    """Whether a text that shows the right norms shows wrong ones beside them, for somebody else to choose.

    One number may look like a wrong norm by chance: it takes one quantity on every layer where it can be told apart,
    or, as exactly as an answer, any on three layers and on more than half.
    """
    right, wrong = frobenius(matrices), wrong_norms(network, matrices) | other_norms(matrices)
    named = {name: values for name, values in wrong.items() if not (name in _NO_HEDGE and printout.speaks_of_weights)}
    return _shows_all_beside_all(printout, right) or any(
        _shows_wrong_ones(besides, right, named) for besides in printout.besides(right)
    )


def _shows_all_beside_all(printout: Printout, right: FloatArray) -> bool:
    """Whether every name has another layer's norm beside it, too: no list that grows, nor the norm before."""
    return bool(printout.named) and all(
        any(number.shows(norm) for other, norm in enumerate(right) if other != layer for number in beside)
        for layer, beside in enumerate(printout.named)
    )


def _shows_wrong_ones(besides: Sequence[Sequence[Number]], right: FloatArray, wrong: Mapping[str, FloatArray]) -> bool:
    in_order = len(set(besides)) == 1 and len(besides) > 1
    hits: list[set[str]] = [set() for _ in right]
    for name, values in wrong.items():
        about = [
            _those_of(numbers, value, excused=name in _NO_HEDGE) for numbers, value in zip(besides, values, strict=True)
        ]
        apart = [layer for layer, norm in enumerate(right) if abs(values[layer] / norm - 1) > _APART]
        if _layers(({number.text for number in about[layer]} for layer in apart), in_order) == len(apart) >= 2:
            return True
        for layer in apart:
            hits[layer] |= {number.text for number in about[layer] if _is(number, values[layer])}
    together = _layers(hits, in_order)
    return together >= 3 and 2 * together > len(right)


def _those_of(numbers: Sequence[Number], value: float, excused: bool) -> list[Number]:
    """Those that are about a value; `excused` is what words say is about weights."""
    return [number for number in numbers if _is(number, value, _ABOUT) and not (excused and number.of_weights)]


def _is(number: Number, value: float, digits: int = SIGNIFICANT_DIGITS) -> bool:
    return number.shows(value, digits) or number.shows(-value, digits)


def _layers(shown: Iterable[set[str]], in_order: bool) -> int:
    """On how many layers something is shown; what stands beside all, such as a total at the end, counts once."""
    texts = [some for some in shown if some]
    return min(len(texts), len(set().union(*texts))) if in_order else len(texts)


def have_common_factor(shown: Sequence[tuple[Printout, FloatArray]]) -> bool:
    """Whether beside every norm of every network stands its product with one factor, such as the number of points.

    Shares of a total, ratios to the first norm and the like have another factor in each network.

    Args:
        shown: What was printed for each network, and its right norms, which that shows.
    """
    common: list[float] | None = None
    for printout, right in shown:
        own = [factor for besides in printout.besides(right) for factor in _factors(besides, right)]
        common = [one for one in own if common is None or any(abs(one / other - 1) < _SAME_FACTOR for other in common)]
    return bool(common)


def _factors(besides: Sequence[Sequence[Number]], right: FloatArray) -> Iterator[float]:
    """By which all norms of a network are multiplied in what stands beside them; not where words say weights.

    A factor of 1 is none: the norms again, in fewer digits.
    """
    besides = [[number for number in numbers if not number.of_weights] for numbers in besides]
    for factor in (float(value) / right[0] for number in besides[0] for value in number.values):
        if (
            factor > 0
            and abs(factor - 1) >= _SAME_FACTOR
            and all(
                any(number.shows(factor * norm, _ABOUT) for number in numbers)
                for numbers, norm in zip(besides, right, strict=True)
            )
        ):
            yield factor


def name_norms(asked: Sequence[tuple[NormsTask, Printout]]) -> Mistake | None:
    """The mistake that explains all printouts, or None.

    Args:
        asked: Networks with what was printed for each; at least one printout is wrong.
    """
    printouts = [printout for _task, printout in asked]
    if not any(printout.claims for printout in printouts):
        return MISTAKES["q2.no_numbers"]
    if any(printout.crowded for printout in printouts):
        return MISTAKES["q2.many_numbers"]
    if len(asked) > 1 and len({frozenset(number.text for number in printout.claims) for printout in printouts}) == 1:
        return MISTAKES["q2.hard_coded"]
    both = [all_gradients(task.network, task.x, task.y) for task, _printout in asked]
    weight_gradients, bias_gradients = ([of[side::2] for of in both] for side in (0, 1))
    rights = [frobenius(matrices) for matrices in weight_gradients]
    shown = [printout.shows(right) for printout, right in zip(printouts, rights, strict=True)]
    if any(
        right and hedges(printout, task.network, matrices)
        for right, (task, printout), matrices in zip(shown, asked, weight_gradients, strict=True)
    ) or (all(shown) and have_common_factor(list(zip(printouts, rights, strict=True)))):
        return MISTAKES["q2.many_numbers"]
    wrongs = [
        wrong_norms(task.network, weights) | norms_with_biases(weights, biases)
        for (task, _printout), weights, biases in zip(asked, weight_gradients, bias_gradients, strict=True)
    ]
    for name in wrongs[0]:
        values = [wrong[name] for wrong in wrongs]
        slack = [_ROUNDING * wrong[_SLACK[name]] for wrong in wrongs] if name in _SLACK else None
        if _all_show(printouts, values, slack=slack):
            return MISTAKES[f"q2.{_SAME_MISTAKE.get(name, name)}"]
    if all(_one_number(printout, right) for printout, right in zip(printouts, rights, strict=True)):
        return MISTAKES["q2.global_total"]  # with the biases, perhaps
    if any(_all_show(printouts, rights, digits) for digits in (3, 2, 1)):
        return MISTAKES["q2.too_few_digits"]
    return MISTAKES["q2.same_factor"] if _one_factor(printouts, rights) else None


def _all_show(
    printouts: Sequence[Printout],
    norms: Sequence[FloatArray],
    digits: int = SIGNIFICANT_DIGITS,
    slack: Sequence[FloatArray] | None = None,
) -> bool:
    more = [None] * len(norms) if slack is None else slack
    return all(
        printout.shows(values, digits, extra) for printout, values, extra in zip(printouts, norms, more, strict=True)
    )


def _one_number(printout: Printout, right: FloatArray) -> bool:
    """Whether every layer shows the same number, large enough to be a norm over all of them."""
    values = {number.values for number in printout.claims}
    return len(values) == 1 < len(printout.claims) and float(values.pop()[0]) > right.max()


def _one_factor(printouts: Sequence[Printout], rights: Sequence[FloatArray]) -> bool:
    if any(len(printout.claims) != len(right) for printout, right in zip(printouts, rights, strict=True)):
        return False
    factor = float(printouts[0].claims[0].values[0]) / rights[0][0]
    return bool(np.isfinite(factor)) and factor != 0 and _all_show(printouts, [factor * right for right in rights])
