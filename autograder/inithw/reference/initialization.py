"""Statistics of initialized weights that the q3 checks rest on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from inithw.records import FloatArray, LayerTask, Network, WeightSample
from inithw.reference.data import TRAIN_X, TRAIN_Y, WIDTHS
from inithw.reference.network import gradients
from inithw.reference.norms import frobenius

NETWORKS = 256
LAYER_TASKS = (
    LayerTask(64, 64, 16),
    LayerTask(64, 1024, 2),
    LayerTask(1024, 64, 2),
    LayerTask(16, 256, 8),
    LayerTask(256, 16, 8),
)
FAN_RULES = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "average": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "max": lambda fan_in, fan_out: max(fan_in, fan_out),
}


def gains(samples: Sequence[WeightSample]) -> dict[str, FloatArray]:
    """std * sqrt(fan) of every sample under each fan rule, shape (samples,)."""
    stds = np.array([np.std(sample.weights.astype(np.float64)) for sample in samples])
    return {
        name: stds * np.sqrt([rule(sample.fan_in, sample.fan_out) for sample in samples])
        for name, rule in FAN_RULES.items()
    }


def offset(sample: WeightSample) -> float:
    """|mean| / std of all weights of a sample."""
    weights = sample.weights.astype(np.float64)
    return float(abs(weights.mean()) / (weights.std() or np.nan))


def pattern_share(sample: WeightSample) -> float:
    """Part of the mean square that is the same in every draw: about 1/draws when drawn afresh, 1 for a fixed pattern."""
    weights = sample.weights.astype(np.float64)
    return float(np.mean(weights.mean(axis=0) ** 2) / (np.mean(weights**2) or np.nan))


def correlation(first: WeightSample, second: WeightSample) -> float:
    """Correlation between the weights of two layers of the same shape, over all entries and draws."""
    a, b = first.weights.astype(np.float64).ravel(), second.weights.astype(np.float64).ravel()
    return float(np.mean(a * b) / (np.sqrt(np.mean(a**2) * np.mean(b**2)) or np.nan))


def row_share(sample: WeightSample) -> float:
    """Variance of the mean row relative to that of independent rows: 1 when independent, fan_out when repeated."""
    weights = sample.weights.astype(np.float64)
    return float(np.mean(weights.mean(axis=1) ** 2) * sample.fan_out / (np.mean(weights**2) or np.nan))


def column_share(sample: WeightSample) -> float:
    """As `row_share`, for columns."""
    weights = sample.weights.astype(np.float64)
    return float(np.mean(weights.mean(axis=2) ** 2) * sample.fan_in / (np.mean(weights**2) or np.nan))


def gradient_norms(samples: Sequence[WeightSample], count: int) -> FloatArray:
    """Gradient norms of the first `count` networks on the homework's data, shape (count, layers)."""
    zeros = tuple(np.zeros(fan_out) for fan_out in WIDTHS[1:])
    return np.array(
        [
            frobenius(gradients(Network(tuple(sample.weights[k] for sample in samples), zeros), TRAIN_X, TRAIN_Y))
            for k in range(count)
        ]
    )


SHAPES = tuple(pairwise(WIDTHS))
