"""Statistics of initialized weights, block by block, so that q3 can go by what most of several blocks say.

A block is some homework networks and one layer of every other shape. Blocks are independent: the probability of a
false verdict is the tail of a binomial distribution, whatever the distribution of the statistic itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from inithw.engine.records import FloatArray

Shapes = Sequence[tuple[int, int]]
"""(fan_in, fan_out) of each sample."""
FANS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "fan_in": lambda fan_in, _fan_out: fan_in,
    "fan_out": lambda _fan_in, fan_out: fan_out,
    "average": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "max": np.maximum,
}
"""What a rule may take as the fan of a layer."""


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


def block_statistics(samples: Sequence[FloatArray], homework_layers: int, alike: Sequence[int]) -> BlockStatistics:
    """Measure blocks; a statistic is NaN where it has no value (a layer of zeros).

    Args:
        samples: Finite weights, the homework's layers first, shape (blocks, draws, fan_out, fan_in) each.
        homework_layers: How many of them belong to networks, draw by draw.
        alike: Which of these have one shape.
    """
    samples = [sample.astype(np.float64) for sample in samples]
    means = np.stack([sample.mean(axis=(1, 2, 3)) for sample in samples], axis=1)
    # Correlated are deviations from the mean: weights to one side of zero would all seem alike.
    samples = [sample - sample.mean(axis=(1, 2, 3), keepdims=True) for sample in samples]
    networks = samples[:homework_layers]
    stds = np.sqrt(np.stack([_mean_square(sample) for sample in samples], axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = [
            np.abs(np.mean(samples[a] * samples[b], axis=(1, 2, 3))) / (stds[:, a] * stds[:, b])
            for a, b in combinations(alike, 2)
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


def fit_scale(stds: FloatArray, shapes: Shapes, exponent: float = 0.5) -> ScaleLaw:
    """Find the fan under which std * fan^exponent varies least from shape to shape.

    Args:
        stds: Positive, shape (blocks, samples).
        shapes: Of the samples.
        exponent: 1/2 for a gain divided by the square root of the fan.
    """
    fan_in, fan_out = np.array(shapes, dtype=np.float64).T
    fans = np.stack([fan(fan_in, fan_out) for fan in FANS.values()])  # (rules, samples)
    logs = np.log(stds)[:, None, :] + exponent * np.log(fans)  # (blocks, rules, samples)
    spreads = np.ptp(logs, axis=2)
    best = np.argmin(spreads, axis=1)
    block = np.arange(len(stds))
    return ScaleLaw(np.array(list(FANS))[best], np.exp(logs.mean(axis=2)[block, best]), np.exp(spreads[block, best]))
