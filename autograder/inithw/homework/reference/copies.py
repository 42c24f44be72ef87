"""Numbers that come again: compared exactly, so that no threshold is measured. Fresh ones are others.

Number formats and grids have few values, which everybody has in common: regular numbers count as none that come again.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from inithw.engine.records import FloatArray

_SAME_NUMBER = 1e-5
"""Numbers are the same when they differ by less, over the largest of their layer."""
_SAME_DIRECTION = 1e-6
"""Rows are when the cosine between them is as close to 1."""


def very_values_kept(new: FloatArray, old: FloatArray) -> FloatArray:
    """Which share of a layer's weights are, up to sign and order, the very numbers that stood in it, shape (networks,).

    Args:
        new: Shape (networks, fan_out, fan_in).
        old: Shape (fan_out, fan_in).
    """
    return np.asarray(np.isin(np.abs(new), np.abs(old)).mean(axis=(1, 2)))


def numbers_again(hidden: FloatArray) -> tuple[float, float]:
    """Which share of a hidden layer's weights are, up to sign, order and scale, those of another layer.

    Of the first network, then of another layer of its own network: medians over the other networks of the largest
    share.

    Args:
        hidden: Finite weights, shape (networks, layers, n, n).
    """
    numbers = hidden.reshape(*hidden.shape[:2], -1).astype(np.float64)
    with np.errstate(all="ignore"):
        numbers = numbers / np.abs(numbers).max(axis=2, keepdims=True)
    sizes = np.round(np.abs(numbers) / _SAME_NUMBER)
    layers = range(hidden.shape[1])
    found = []
    for values, own in zip(numbers[1:], sizes[1:], strict=True):
        before = (_share(values[a], own[a], sizes[0, b]) for a, b in product(layers, layers))
        within = (_share(values[a], own[a], own[b]) for a, b in product(layers, layers) if a != b)
        found.append((max(before), max(within, default=0.0)))
    first, other = np.median(found, axis=0)
    return float(first), float(other)


def _share(values: FloatArray, sizes: FloatArray, others: FloatArray) -> float:
    return _unless_regular(float(np.isin(sizes, others).mean()), values)


def _unless_regular(share: float, values: FloatArray) -> float:
    """A share of numbers that come again; none where they are regular, which takes its time to find out."""
    return 0.0 if share > 0.5 and _is_regular(values) else share


def _is_regular(values: FloatArray) -> bool:
    """Whether numbers, 1 at most, are spaced evenly, or nearly so as quantiles are, or are multiples of one number."""
    steps = np.diff(np.sort(values))
    steps = steps[steps > _SAME_NUMBER]
    if len(steps) < 2:
        return True
    multiples = steps / steps.min()
    even = np.median(np.abs(np.log(steps[1:] / steps[:-1]))) < 0.25  # 1.1 for random numbers
    return bool(even or np.abs(multiples - np.round(multiples)).mean() < 0.05)  # 0.25 for random numbers


def repeats(hidden: FloatArray) -> tuple[float, float]:
    """Which share of a hidden layer's weights stand in it more than once, sign included; and how many rows or columns.

    Medians over networks of what is largest among the layers. Zeros count for none.

    Args:
        hidden: Finite weights, shape (networks, layers, n, n).
    """
    numbers = [max(map(_repeated_numbers, layers)) for layers in hidden]
    rows = [max(_repeated_rows(side) for layer in layers for side in (layer, layer.T)) for layers in hidden]
    return float(np.median(numbers)), float(np.median(rows))


def _repeated_numbers(weights: FloatArray) -> float:
    values = np.sort(weights[weights != 0])
    if not len(values):
        return 0.0
    again = np.zeros(len(values) + 1, dtype=bool)
    again[1:-1] = values[1:] == values[:-1]
    return _unless_regular(float((again[1:] | again[:-1]).mean()), values / np.abs(values).max())


def _repeated_rows(weights: FloatArray) -> int:
    lengths = np.linalg.norm(weights.astype(np.float64), axis=1, keepdims=True)
    rows = weights / np.where(lengths > 0, lengths, 1)
    cosines = rows @ rows.T - 2 * np.eye(len(rows))  # none with itself
    return int(np.count_nonzero(cosines.max(axis=1) > 1 - _SAME_DIRECTION))


def drawn_before(weights: FloatArray) -> float:
    """Which share of networks has a layer whose numbers an earlier network has, up to order, signs and scale.

    Args:
        weights: Of one layer, finite, shape (networks, fan_out, fan_in).
    """
    sizes = np.sort(np.abs(weights).reshape(len(weights), -1).astype(np.float64), axis=1)
    with np.errstate(all="ignore"):
        sizes = np.nan_to_num(sizes / sizes[:, -1:])
    if _is_regular(sizes[0]):
        return 0.0
    return 1 - len(np.unique(np.round(sizes / _SAME_NUMBER), axis=0)) / len(sizes)
