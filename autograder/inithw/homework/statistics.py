"""q3's statistics, each stated once: families, calibration, checks and docs read this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.asked import BLOCKS, HOMEWORK_LAYERS, NETWORKS, SAME_SHAPE, SHAPES, cut_into_blocks
from inithw.homework.records import InitEvidence
from inithw.homework.reference.initialization import BlockStatistics, ScaleLaw, block_statistics, fit_scale
from inithw.homework.reference.network import initial_gradient_norms

ITEMS = ("q3.draws", "q3.scale", "q3.gradients", "q3.training")
DRAWS, SCALE, GRADIENTS, TRAINING = ITEMS


@dataclass(frozen=True)
class Readings:
    """What statistics are read from.

    Attributes:
        blocks: Of weights.
        law: Of their standard deviations.
        gradients: Norms at initialization, shape (networks, layers).
    """

    blocks: BlockStatistics
    law: ScaleLaw
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
    """

    name: str
    item: str
    votes: int
    large: bool
    what: str
    title: str
    of: Callable[[Readings], FloatArray]


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
    Statistic("spread", SCALE, BLOCKS, True,
              "spread of std · √fan over layer shapes",
              "Does the scale follow the fan?", lambda found: found.law.spread),
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


@dataclass(frozen=True)
class Measured:
    """One initialization, seen from every side that checks and diagnosis look from.

    Attributes:
        samples: The weights in blocks, as `cut_into_blocks` gives them.
        finite: Whether all weights of each sample are finite.
        values: The one value of all weights in each sample's matrices, from the first of them, or None.
        readings: What statistics are read from; what weights that are not finite enter is NaN.
    """

    samples: tuple[FloatArray, ...]
    finite: tuple[bool, ...]
    values: tuple[float | None, ...]
    readings: Readings

    def votes(self, name: str) -> FloatArray:
        """The values of a statistic, one for each vote."""
        return STATISTICS[name].of(self.readings)


def measure(init: InitEvidence) -> Measured:
    """Look at what `better_init` did, once for all that judge it."""
    samples = tuple(cut_into_blocks(init))
    with np.errstate(all="ignore"):
        blocks = block_statistics(samples, HOMEWORK_LAYERS, SAME_SHAPE)
        gradients = initial_gradient_norms([sample.weights for sample in init.networks])
        readings = Readings(blocks, fit_scale(blocks.stds, SHAPES), gradients)
    finite = tuple(bool(np.isfinite(sample).all()) for sample in samples)
    return Measured(samples, finite, tuple(map(_value, samples)), readings)


def _value(sample: FloatArray) -> float | None:
    equal = np.all(sample == sample[..., :1, :1])
    return float(sample.flat[0]) if equal else None
