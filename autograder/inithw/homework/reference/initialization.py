"""Statistics of initialized weights, block by block, so that q3 can go by what most of several blocks say.

A block is some homework networks and further layers of other shapes. Blocks are independent: the probability of a
false verdict is the tail of a binomial distribution, whatever the distribution of the statistic itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
_EQUAL = 1e-4
"""Values of weights count as equal when they differ by less, in standard deviations."""
_SAME_SUM = 1e-6
"""So do sums over directions, which are of the order of the root of their number of entries."""


# ---------------------------------------------------------------- draws


@dataclass(frozen=True, slots=True)
class BlockStatistics:
    """What was measured in each block: the worst value over its samples, shape (blocks,), except `stds` and `shapes`.

    A correlation is the average one between two parts of many: 0 when they are independent, 1 when all are equal.

    Attributes:
        offset: |mean| / std.
        row_correlation: Between the rows, or between the columns, of a matrix.
        layer_correlation: Between two hidden layers of a network, or between one and a transposed one; of the weights
            or of their absolute values.
        draw_correlation: Between networks; of the weights or of their absolute values.
        distinct: Share of the weights of a hidden layer whose absolute values are different ones, or of the rows, or
            columns, of all hidden layers that are different ones whatever their order, signs and size.
        likeness: Of each row, or column, of a hidden layer to the one most like it: cosine, on average.
        coherence: Mean squared cosine between different rows, or columns, of a hidden layer, whichever is smaller,
            relative to that of independent directions: the lower the effective rank, the larger. (The sum of these
            squares is the frame potential: Benedetto, Fickus 2003.)
        stds: Standard deviation of each sample, shape (blocks, samples).
        shapes: fan_in and fan_out of each sample, shape (blocks, samples, 2).
    """

    offset: FloatArray
    row_correlation: FloatArray
    layer_correlation: FloatArray
    draw_correlation: FloatArray
    distinct: FloatArray
    likeness: FloatArray
    coherence: FloatArray
    stds: FloatArray
    shapes: FloatArray


def block_statistics(
    samples: Sequence[FloatArray], shapes: Shapes, alike: Sequence[int], layers: int
) -> BlockStatistics:
    """Measure blocks; a statistic is NaN where it has no value (a layer of zeros).

    Args:
        samples: Weights, the homework's layers first, shape (blocks, draws, fan_out, fan_in) each.
        shapes: Of the samples.
        alike: Which of them are the homework's hidden layers.
        layers: How many of them are the homework's, draw by draw.
    """
    samples = [sample.astype(np.float64) for sample in samples]
    hidden = [samples[k] for k in alike]
    means = np.stack([sample.mean(axis=(1, 2, 3)) for sample in samples], axis=1)
    sizes = [_centred(np.abs(sample)) for sample in samples[:layers]]
    # Correlated are deviations from the mean: weights to one side of zero would all seem alike.
    samples = [_centred(sample) for sample in samples]
    stds = np.sqrt(np.stack([_mean_square(sample) for sample in samples], axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = [[unit @ unit.swapaxes(2, 3) for unit in side] for side in _both_sides([samples[k] for k in alike])]
        return BlockStatistics(
            offset=np.max(np.abs(means) / stds, axis=1),
            row_correlation=np.max([_correlation(sample, axis) for sample in samples for axis in (2, 3)], axis=0),
            layer_correlation=np.max([_between_layers([of[k] for k in alike]) for of in (samples, sizes)], axis=0),
            draw_correlation=np.max([_correlation(sample, 1) for sample in (*samples[:layers], *sizes)], axis=0),
            distinct=np.min([*map(_distinct, hidden), *map(_distinct_directions, _both_sides(hidden))], axis=0),
            likeness=np.max([_likeness(of) for side in cosines for of in side], axis=0),
            coherence=np.max([np.minimum(*map(_coherence, of)) for of in zip(*cosines, strict=True)], axis=0),
            stds=stds,
            shapes=np.broadcast_to(np.array(shapes, dtype=np.float64), (len(stds), len(samples), 2)),
        )


def joined(parts: Sequence[BlockStatistics]) -> BlockStatistics:
    """Blocks that were measured apart."""
    names = BlockStatistics.__dataclass_fields__
    return BlockStatistics(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _centred(sample: FloatArray) -> FloatArray:
    return sample - sample.mean(axis=(1, 2, 3), keepdims=True)


def _correlation(sample: FloatArray, axis: int) -> FloatArray:
    """Average correlation between the parts along an axis, shape (blocks,): 0 for one part."""
    parts = sample.shape[axis]
    if parts == 1:
        return np.zeros(len(sample))
    shared = _mean_square(sample.mean(axis=axis)) / _mean_square(sample)
    return (parts * shared - 1) / (parts - 1)


def _between_layers(hidden: Sequence[FloatArray]) -> FloatArray:
    """Largest correlation of a layer with another, or with one that is transposed, its own self included."""
    sizes = [np.sqrt(_mean_square(sample)) for sample in hidden]
    pairs = [(a, b, hidden[b]) for a, b in combinations(range(len(hidden)), 2)]
    pairs += [
        (a, b, _off_diagonal(hidden[b].swapaxes(2, 3))) for a, b in combinations_with_replacement(range(len(hidden)), 2)
    ]
    return np.max(
        [np.abs(np.mean(hidden[a] * other, axis=(1, 2, 3))) / (sizes[a] * sizes[b]) for a, b, other in pairs], axis=0
    )


def _off_diagonal(sample: FloatArray) -> FloatArray:
    return sample * (1 - np.eye(sample.shape[-1]))


def _distinct(sample: FloatArray) -> FloatArray:
    sizes = np.sort(np.abs(sample).reshape(*sample.shape[:2], -1), axis=2)
    new = np.diff(sizes, axis=2) > _EQUAL * np.sqrt(_mean_square(sample))[:, None, None]
    return (1 + new.sum(axis=2).mean(axis=1)) / sizes.shape[2]


def _both_sides(matrices: Sequence[FloatArray]) -> Iterator[list[FloatArray]]:
    """The rows of all matrices, then their columns, each of length 1."""
    for side in (matrices, [of.swapaxes(2, 3) for of in matrices]):
        yield [of / np.linalg.norm(of, axis=3, keepdims=True) for of in side]


def _distinct_directions(hidden: Sequence[FloatArray]) -> FloatArray:
    """By the sums of their absolute values, which order and signs leave alike."""
    sums = np.concatenate([np.abs(of).sum(axis=3).reshape(len(of), -1) for of in hidden], axis=1)
    new = np.diff(np.sort(sums, axis=1), axis=1) > _SAME_SUM
    return np.asarray((1 + new.sum(axis=1)) / sums.shape[1])


def _likeness(cosines: FloatArray) -> FloatArray:
    return (cosines - 2 * np.eye(cosines.shape[-1])).max(axis=3).mean(axis=(1, 2))  # none with itself


def _coherence(cosines: FloatArray) -> FloatArray:
    """Without the one most like each, so that rows in ± pairs are as independent as others."""
    width = cosines.shape[-1]
    squares = np.square(cosines) * (1 - np.eye(width))
    return (squares.sum(axis=3) - squares.max(axis=3)).mean(axis=(1, 2)) / (width - 2) * width


def _mean_square(weights: FloatArray) -> FloatArray:
    """Over all axes but the first."""
    return np.mean(np.square(weights), axis=tuple(range(1, weights.ndim)))


@dataclass(frozen=True, slots=True)
class Novelty:
    """How new each network's hidden layers are.

    Attributes:
        distance: From the network's layer that has the nearest neighbour among the layers of its own or of an earlier
            network, seen through what order and signs of units and weights and transposition leave alike; relative to
            how much rows of one matrix differ in it. 0 is a copy. Shape (networks,).
        earlier: Whether that neighbour belongs to an earlier network, shape (networks,).
        same_spectrum: Whether the singular values agree, too: then it is the same matrix up to the order and the signs
            of units. Shape (networks,).
    """

    distance: FloatArray
    earlier: NDArray[Any]
    same_spectrum: NDArray[Any]


def novelty(hidden: FloatArray) -> Novelty:
    """Compare the hidden layers of all networks.

    Args:
        hidden: Shape (networks, layers, n, n).
    """
    networks, layers = hidden.shape[:2]
    matrices = hidden.reshape(networks * layers, *hidden.shape[2:]).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        matrices = matrices / np.linalg.norm(matrices, axis=(1, 2), keepdims=True) * hidden.shape[-1]
        sizes = np.abs(matrices)
        rows, columns, heavy_rows, heavy_columns = (
            np.sort((sizes**power).mean(axis=axis) / by, axis=1) for power, by in ((1, 1), (3, 4)) for axis in (2, 1)
        )
        features = np.concatenate([rows, columns, heavy_rows, heavy_columns], axis=1)
        transposed = np.concatenate([columns, rows, heavy_columns, heavy_rows], axis=1)
        network = np.repeat(np.arange(networks), layers)
        earlier = network[None] < network[:, None]
        own = network[None] == network[:, None]
        itself = np.eye(len(features), dtype=bool)
        squares = np.minimum(
            np.where(earlier | (own & ~itself), _squared_distances(features, features), np.inf),
            np.where(earlier | own, _squared_distances(features, transposed), np.inf),
        )
        spread = np.sqrt((rows.var(axis=1).mean() + columns.var(axis=1).mean()) / 2)
        nearest = squares.argmin(axis=1)
        each = np.arange(len(features)).reshape(networks, layers)
        worst = np.take_along_axis(each, squares.min(axis=1).reshape(networks, layers).argmin(axis=1)[:, None], 1)[:, 0]
        other = nearest[worst]
        distance = np.sqrt(squares[worst, other] / features.shape[1]) / spread
    finite = np.isfinite(matrices[worst]).all(axis=(1, 2)) & np.isfinite(matrices[other]).all(axis=(1, 2))
    spectra = np.zeros((2, networks, hidden.shape[-1]))
    for side, of in zip(spectra, (worst, other), strict=True):
        side[finite] = np.linalg.svd(matrices[of][finite], compute_uv=False)
    same = np.abs(spectra[0] - spectra[1]).max(axis=1) <= 0.05 * spectra[0].max(axis=1)
    return Novelty(distance, network[other] < network[worst], same & finite)


def _squared_distances(some: FloatArray, others: FloatArray) -> FloatArray:
    squares = np.square(some).sum(axis=1)[:, None] + np.square(others).sum(axis=1)[None]
    return np.maximum(squares - 2 * some @ others.T, 0)


def remains(new: Sequence[FloatArray], old: Sequence[FloatArray]) -> FloatArray:
    """How much of its old weights a network's new ones hold: |cosine| between them, shape (networks,).

    Args:
        new: Weights of each layer, shape (networks, fan_out, fan_in).
        old: The same before.
    """
    return np.asarray(np.abs(np.mean([_cosines(*layer) for layer in zip(new, old, strict=True)], axis=0)))


def kept_direction(new: FloatArray, old: FloatArray) -> float:
    """Cosine between a layer's new weights and its old ones: the mean over networks, without its sign.

    Args:
        new: Shape (networks, fan_out, fan_in).
        old: Shape (fan_out, fan_in).
    """
    return float(abs(np.nan_to_num(_cosines(new, old[None])).mean()))


def _cosines(some: FloatArray, others: FloatArray) -> FloatArray:
    """Between matrices, each seen as one long vector, shape (networks,)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        a, b = (of.astype(np.float64) for of in (some, others))
        units = (of / np.linalg.norm(of, axis=(1, 2), keepdims=True) for of in (a, b))
        return np.asarray(np.sum(np.multiply(*units), axis=(1, 2)))


# ---------------------------------------------------------------- scale


@dataclass(frozen=True, slots=True)
class ScaleLaw:
    """The law std = factor / fan^exponent that fits best, block by block, each of shape (blocks,).

    Attributes:
        rule: Name in `FANS` of the fan under which the further layers fit best.
        factor: Geometric mean of std * fan^exponent over all samples.
        spread: Largest over smallest std * fan^exponent of all samples: 1 for a perfect fit.
        bend: The same over the further layers alone, whose shapes nobody knows beforehand.
        exponent: By which the standard deviations of the further layers fall with the fan, in truth: least squares.
    """

    rule: np.ndarray
    factor: FloatArray
    spread: FloatArray
    bend: FloatArray
    exponent: FloatArray


def fit_scale(stds: FloatArray, shapes: FloatArray, layers: int, exponent: float = 0.5) -> ScaleLaw:
    """Find the fan under which std * fan^exponent varies least from shape to shape.

    Args:
        stds: Positive, shape (blocks, samples).
        shapes: fan_in and fan_out, shape (blocks, samples, 2).
        layers: How many of the samples are the homework's layers; they come first.
        exponent: 1/2 for a gain divided by the square root of the fan.
    """
    fans = np.log([fan(shapes[..., 0], shapes[..., 1]) for fan in FANS.values()]).swapaxes(0, 1)
    logs = np.log(stds)[:, None, :] + exponent * fans  # (blocks, rules, samples)
    best = np.argmin(np.ptp(logs[..., layers:], axis=2), axis=1)
    block = np.arange(len(stds))
    logs, fans = logs[block, best], fans[block, best]
    further = fans[:, layers:] - fans[:, layers:].mean(axis=1, keepdims=True)
    slope = np.sum(further * logs[:, layers:], axis=1) / np.sum(np.square(further), axis=1)
    return ScaleLaw(
        rule=np.array(list(FANS))[best],
        factor=np.exp(logs.mean(axis=1)),
        spread=np.exp(np.ptp(logs, axis=1)),
        bend=np.exp(np.ptp(logs[:, layers:], axis=1)),
        exponent=exponent - slope,
    )
