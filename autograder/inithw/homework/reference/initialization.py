"""Statistics of initialized weights, block by block, so that q3 can go by what most of several blocks say.

A block is some homework networks and one layer of every other shape. Blocks are independent: the probability of a
false verdict is the tail of a binomial distribution, whatever the distribution of the statistic itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.records import InitEvidence, LayerTask
from inithw.homework.reference.data import WIDTHS

BLOCKS = 8
NETWORKS = 256
LAYER_TASKS = (
    LayerTask(64, 64, BLOCKS),
    LayerTask(32, 512, BLOCKS),
    LayerTask(512, 32, BLOCKS),
    LayerTask(16, 256, BLOCKS),
    LayerTask(256, 16, BLOCKS),
)
"""Shapes other than the homework's, most far from square: there, rules on the fans differ."""
SHAPES = (*pairwise(WIDTHS), *((task.fan_in, task.fan_out) for task in LAYER_TASKS))
"""(fan_in, fan_out) of every sample in a block: the homework's five layers, then one of each task."""
HOMEWORK_LAYERS = len(WIDTHS) - 1
SAME_SHAPE = (1, 2, 3)
"""The homework's layers of one shape, 20 -> 20."""

_FAN_IN, _FAN_OUT = np.array(SHAPES, dtype=np.float64).T
FANS: dict[str, FloatArray] = {
    "fan_in": _FAN_IN,
    "fan_out": _FAN_OUT,
    "average": (_FAN_IN + _FAN_OUT) / 2,
    "max": np.maximum(_FAN_IN, _FAN_OUT),
}
"""What a rule may take as the fan of each of `SHAPES`, shape (samples,)."""


def cut_into_blocks(init: InitEvidence) -> list[FloatArray]:
    """The weights of every sample in `SHAPES`, shape (BLOCKS, draws, fan_out, fan_in) each."""
    return [
        sample.weights.reshape(BLOCKS, -1, sample.fan_out, sample.fan_in) for sample in (*init.networks, *init.layers)
    ]


@dataclass(frozen=True, slots=True)
class BlockStatistics:
    """What was measured in each block: the largest value over its samples, shape (blocks,), except `stds`.

    A correlation is the average one between two parts of many: 0 when they are independent, 1 when all are equal.

    Attributes:
        offset: |mean| / std.
        row_correlation: Between the rows, or between the columns, of a matrix.
        layer_correlation: Between two layers of one shape in a network.
        draw_correlation: Between networks.
        stds: Standard deviation of each sample, shape (blocks, samples).
    """

    offset: FloatArray
    row_correlation: FloatArray
    layer_correlation: FloatArray
    draw_correlation: FloatArray
    stds: FloatArray


def block_statistics(samples: Sequence[FloatArray]) -> BlockStatistics:
    """Measure blocks; a statistic is NaN where it has no value (a layer of zeros).

    Args:
        samples: Finite weights of each of `SHAPES`, shape (blocks, draws, fan_out, fan_in).
    """
    samples = [sample.astype(np.float64) for sample in samples]
    means = np.stack([sample.mean(axis=(1, 2, 3)) for sample in samples], axis=1)
    # Correlated are deviations from the mean: weights to one side of zero would all seem alike.
    samples = [sample - sample.mean(axis=(1, 2, 3), keepdims=True) for sample in samples]
    networks = samples[:HOMEWORK_LAYERS]
    stds = np.sqrt(np.stack([_mean_square(sample) for sample in samples], axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = [
            np.abs(np.mean(samples[a] * samples[b], axis=(1, 2, 3))) / (stds[:, a] * stds[:, b])
            for a, b in combinations(SAME_SHAPE, 2)
        ]
        return BlockStatistics(
            offset=np.max(np.abs(means) / stds, axis=1),
            row_correlation=np.max([_correlation(sample, axis) for sample in samples for axis in (2, 3)], axis=0),
            layer_correlation=np.max(pairs, axis=0),
            draw_correlation=np.max([_correlation(sample, 1) for sample in networks], axis=0),
            stds=stds,
        )


def _correlation(sample: FloatArray, axis: int) -> FloatArray:
    """Average correlation between the parts along an axis, shape (blocks,): 0 for one part."""
    parts = sample.shape[axis]
    if parts == 1:
        return np.zeros(len(sample))
    shared = _mean_square(sample.mean(axis=axis)) / _mean_square(sample)
    return (parts * shared - 1) / (parts - 1)


def _mean_square(weights: FloatArray) -> FloatArray:
    """Over all axes but the first."""
    return np.mean(np.square(weights), axis=tuple(range(1, weights.ndim)))


@dataclass(frozen=True, slots=True)
class ScaleLaw:
    """The law std = factor / fan^exponent that fits best, block by block.

    Attributes:
        rule: Name in `FANS`, shape (blocks,).
        factor: Geometric mean of std * fan^exponent over the samples, shape (blocks,).
        spread: Largest over smallest std * fan^exponent: 1 for a perfect fit, shape (blocks,).
    """

    rule: np.ndarray
    factor: FloatArray
    spread: FloatArray


def fit_scale(stds: FloatArray, exponent: float = 0.5) -> ScaleLaw:
    """Find the fan under which std * fan^exponent varies least from shape to shape.

    Args:
        stds: Positive, shape (blocks, samples), samples as in `SHAPES`.
        exponent: 1/2 for a gain divided by the square root of the fan.
    """
    logs = np.log(stds)[:, None, :] + exponent * np.log(list(FANS.values()))  # (blocks, rules, samples)
    spreads = np.ptp(logs, axis=2)
    best = np.argmin(spreads, axis=1)
    block = np.arange(len(stds))
    return ScaleLaw(np.array(list(FANS))[best], np.exp(logs.mean(axis=2)[block, best]), np.exp(spreads[block, best]))
