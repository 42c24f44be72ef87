"""q3's statistics, each stated once: families, calibration, checks and docs read this table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.asked import BLOCKS, NETWORKS, RESTARTED, SAME_SHAPE, cut_into_blocks
from inithw.homework.records import InitEvidence, Network
from inithw.homework.reference.initialization import (
    BlockStatistics,
    Novelty,
    ScaleLaw,
    block_statistics,
    fit_scale,
    joined,
    novelty,
    remains,
)
from inithw.homework.reference.network import initial_gradient_norms

ITEMS = ("q3.draws", "q3.scale", "q3.gradients", "q3.training")
DRAWS, SCALE, GRADIENTS, TRAINING = ITEMS


@dataclass(frozen=True)
class Readings:
    """What statistics are read from.

    Attributes:
        blocks: Of weights.
        law: Of their standard deviations.
        novelty: Of the networks.
        remains: Of the old weights in the networks that had some, shape (networks,).
        gradients: Norms at initialization, shape (networks, layers).
    """

    blocks: BlockStatistics
    law: ScaleLaw
    novelty: Novelty
    remains: FloatArray
    gradients: FloatArray


@dataclass(frozen=True)
class Statistic:
    """A quantity that has a limit.

    Attributes:
        name: Key in thresholds.json and in the families' `caught_by`.
        item: The rubric item that it decides.
        votes: How many values of it one submission gives.
        large: Whether large values, rather than small ones, speak against the claim.
        what: For the reader of a table, and under a figure.
        title: Over a figure.
        of: How it is measured, shape (votes,).
        quorum: Share of the votes that is enough to lose the claim.
    """

    name: str
    item: str
    votes: int
    large: bool
    what: str
    title: str
    of: Callable[[Readings], FloatArray]
    quorum: float = 1 / 2

    @property
    def needed(self) -> int:
        """Votes against the claim that are enough to lose it."""
        return math.ceil(self.quorum * self.votes)


def imbalance(gradients: FloatArray) -> FloatArray:
    """Largest over smallest norm of each network; a dead network has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return gradients.max(axis=1) / gradients.min(axis=1)


# fmt: off
_TABLE = (
    Statistic("offset", DRAWS, BLOCKS, True,
              "mean of the weights, in standard deviations",
              "Do the weights lie around zero?", lambda found: found.blocks.offset),
    Statistic("row_correlation", DRAWS, BLOCKS, True,
              "correlation of rows or columns",
              "Do rows or columns differ?", lambda found: found.blocks.row_correlation),
    Statistic("layer_correlation", DRAWS, BLOCKS, True,
              "correlation of layers",
              "Do layers differ?", lambda found: found.blocks.layer_correlation),
    Statistic("draw_correlation", DRAWS, BLOCKS, True,
              "correlation of networks",
              "Do calls differ?", lambda found: found.blocks.draw_correlation),
    Statistic("distinct", DRAWS, BLOCKS, False,
              "share of different absolute values, or rows",
              "Are weights no copies?", lambda found: found.blocks.distinct),
    Statistic("likeness", DRAWS, BLOCKS, True,
              "cosine of units to the one most like them",
              "Do units differ?", lambda found: found.blocks.likeness),
    Statistic("coherence", DRAWS, BLOCKS, True,
              "squared cosine of units, 1 if independent",
              "Are directions independent?", lambda found: found.blocks.coherence),
    Statistic("novelty", DRAWS, NETWORKS, False,
              "distance to the nearest earlier layer",
              "Are networks new?", lambda found: found.novelty.distance, quorum=1 / 16),
    Statistic("remains", DRAWS, RESTARTED, True,
              "share of the old weights in the new",
              "Are the old weights gone?", lambda found: found.remains),
    Statistic("spread", SCALE, BLOCKS, True,
              "spread of std · √fan, all layers",
              "Does the scale follow the fan?", lambda found: found.law.spread),
    Statistic("bend", SCALE, BLOCKS, True,
              "spread of std · √fan, unknown shapes",
              "... for unknown shapes, too?", lambda found: found.law.bend),
    Statistic("exponent", SCALE, BLOCKS, True,
              "difference of the exponent from 1/2",
              "Is it the square root?", lambda found: np.abs(found.law.exponent - 0.5)),
    Statistic("gain_low", SCALE, BLOCKS, False,
              "gain, std · √fan (lower bound)",
              "Is the gain large enough?", lambda found: found.law.factor),
    Statistic("gain_high", SCALE, BLOCKS, True,
              "gain, std · √fan (upper bound)",
              "Is the gain small enough?", lambda found: found.law.factor),
    Statistic("gradient_low", GRADIENTS, NETWORKS, False,
              "smallest gradient norm of a network",
              "Are gradients large enough?", lambda found: found.gradients.min(axis=1)),
    Statistic("gradient_high", GRADIENTS, NETWORKS, True,
              "largest gradient norm of a network",
              "Are gradients small enough?", lambda found: found.gradients.max(axis=1)),
    Statistic("imbalance", GRADIENTS, NETWORKS, True,
              "largest over smallest gradient norm",
              "Are the layers balanced?", lambda found: imbalance(found.gradients)),
)
# fmt: on
STATISTICS = {statistic.name: statistic for statistic in _TABLE}
WITHIN_A_MATRIX = ("row_correlation", "distinct", "likeness", "coherence")
"""Those by which parts of one matrix are told to repeat each other."""


@dataclass(frozen=True)
class Measured:
    """One initialization, seen from every side that checks and diagnosis look from.

    Attributes:
        finite: Whether all weights of the homework's layers, then of the further ones, are finite.
        values: Likewise the one value of all weights in each matrix, from the first of them, or None.
        readings: What statistics are read from; what weights that are not finite enter is NaN.
    """

    finite: tuple[bool, ...]
    values: tuple[float | None, ...]
    readings: Readings

    def votes(self, name: str) -> FloatArray:
        """The values of a statistic, one for each vote."""
        return STATISTICS[name].of(self.readings)


def measure(init: InitEvidence, start: Network) -> Measured:
    """Look at what `better_init` did, once for all that judge it.

    Args:
        init: What it did.
        start: See `Challenge.start`.
    """
    weights = [sample.weights for sample in (*init.networks, *init.layers)]
    networks = weights[: len(init.networks)]
    with np.errstate(all="ignore"):
        blocks = joined(
            [block_statistics(samples, shapes, SAME_SHAPE, len(networks)) for samples, shapes in cut_into_blocks(init)]
        )
        readings = Readings(
            blocks,
            fit_scale(blocks.stds, blocks.shapes, len(networks)),
            novelty(np.stack([networks[layer] for layer in SAME_SHAPE], axis=1)),
            remains([init.restarted[layer].weights for layer in SAME_SHAPE], old_weights(start)),
            initial_gradient_norms(networks),
        )
    finite = tuple(bool(np.isfinite(sample).all()) for sample in weights)
    return Measured(finite, tuple(map(_value, weights)), readings)


def old_weights(start: Network) -> list[FloatArray]:
    """The weights of the restarted networks' hidden layers before `better_init`: ones and `start` in turn."""
    pairs = [np.stack([np.ones_like(start.weights[layer]), start.weights[layer]]) for layer in SAME_SHAPE]
    return [np.tile(pair, (RESTARTED // 2, 1, 1)) for pair in pairs]


def _value(weights: FloatArray) -> float | None:
    equal = np.all(weights == weights[..., :1, :1])
    return float(weights.flat[0]) if equal else None
