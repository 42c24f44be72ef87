"""Names known mistakes in an initialization."""

from __future__ import annotations

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.diagnosis import Mistake
from inithw.homework.records import InitEvidence
from inithw.homework.reference.initialization import (
    SAME_SHAPE,
    BlockStatistics,
    block_statistics,
    cut_into_blocks,
    fit_scale,
)
from inithw.homework.reference.thresholds import THRESHOLDS

_SYMMETRY = "Units that start alike get the same gradients and stay alike: what breaks the symmetry?"
NO_EFFECT = Mistake(
    "q3.no_effect",
    "they are what they were before the call",
    "Is module.weight itself what your code changes? Some operations work in place, others return a new tensor.",
)
RESCALED = Mistake(
    "q3.rescaled",
    "the old weights enter the new ones",
    "When better_init is called, the old weights may be NaN, and NaN times or plus anything is NaN: what else can new "
    "weights start from?",
)
SPECIAL_CASE = Mistake(
    "q3.special_case",
    "only layers of the homework's sizes are initialized",
    "No size has to be known in advance: ask each layer for its own.",
)
BIAS = Mistake(
    "q3.bias", "only the weights are to be random", "The handout's better_init sets the biases: what changes them?"
)
CONSTANT = Mistake("q3.constant", "the weights of a layer are all equal", _SYMMETRY)
MEAN_STD_SWAPPED = Mistake(
    "q3.mean_std_swapped",
    "the weights lie around a number that shrinks with the layer's size, where the standard deviation should do that",
    "Look up which argument of the function you call is the mean and which is the standard deviation.",
)
DEAD_LAYER = Mistake(
    "q3.dead_layer",
    "a layer whose weights are all zero passes nothing on",
    "Look at the weights that your code gives to a layer with a single output.",
)
IDENTITY = Mistake("q3.identity", "they are ones on the diagonal and zeros elsewhere, not random", _SYMMETRY)
SEEDED = Mistake(
    "q3.seeded",
    "the random numbers start again at every call, so layers of one shape get the same weights",
    "Where is a seed set, and how many times does that line run while one network is initialized?",
)
FIXED_WEIGHTS = Mistake(
    "q3.fixed_weights",
    "better_init gives the same weights every time",
    "An initialization draws: run it twice from different seeds and compare.",
)
ONE_SIDED = Mistake(
    "q3.one_sided",
    "the weights lie to one side of zero",
    "Which mean has the distribution that you learned? Look up the interval from which your function draws.",
)
REPEATED = Mistake(
    "q3.repeated",
    "some weights of a layer are copies of others",
    "Count: how many random numbers does your code draw for a layer, and how many weights has it?",
)
CONSTANT_SCALE = Mistake(
    "q3.constant_scale",
    "the standard deviation is the same whatever the layer's size",
    "A scale picked by hand suits one width. How does the sum over a unit's inputs grow with their number?",
)
GPT_SCALED = Mistake(
    "q3.gpt_scale",
    "the standard deviation is 0.02 whatever the layer's size, as in GPT-2 and BERT",
    "That number belongs to layers about a thousand units wide, with normalization between them. What do these layers' "
    "own sizes ask for?",
)
MISSING_ROOT = Mistake(
    "q3.missing_root",
    "the standard deviation shrinks with the fan as a variance should",
    "Is the formula that you use one for the variance or for the standard deviation?",
)
INVERTED_FAN = Mistake(
    "q3.inverted_fan",
    "the standard deviation grows with the layer's size",
    "A unit adds up all its inputs: should its weights be larger or smaller when there are more of them?",
)
FAN_OUT = Mistake(
    "q3.fan_out",
    "a scale that follows from the number of outputs does not train this network",
    "Its last layer has one output: which scale does your rule give to those weights, and what would their number of "
    "inputs ask for?",
)
GAIN_TOO_LARGE = Mistake(
    "q3.gain_too_large",
    "the scale follows from the layer's size but is too large",
    "Which gain belongs to ReLU? Over five layers it enters as a power.",
)
GAIN_TOO_SMALL = Mistake(
    "q3.gain_too_small",
    "the scale follows from the layer's size but is too small",
    "Which gain belongs to ReLU? Over five layers it enters as a power.",
)

EXPONENTS = {1.0: MISSING_ROOT, 0.0: CONSTANT_SCALE, -0.5: INVERTED_FAN, -1.0: INVERTED_FAN}
"""What it means when std * fan^exponent is the same for all shapes; 1/2 is right."""
LARGEST_SPREAD = 1.5
"""How well a law has to fit before a mistake is named after it."""
GPT_SCALE = (0.018, 0.022)
COPIES = 0.9
"""Correlation from which on layers are copies of one draw; those of a trained network have some, too."""


def name_draws(init: InitEvidence) -> Mistake | None:
    """The mistake that explains why the weights are not freshly drawn, or None."""
    samples = cut_into_blocks(init)
    finite = [bool(np.isfinite(sample).all()) for sample in samples]
    if not all(finite):
        return _name_unset(init, any(finite))
    values = [_value(sample) for sample in samples]
    if None not in values:
        return _name_constant(np.array(values, dtype=np.float64))
    if 0.0 in values:
        return DEAD_LAYER
    if _is_diagonal(samples[SAME_SHAPE[0]]):
        return IDENTITY
    statistics = block_statistics(samples)
    if repeats_one_network(statistics):
        return FIXED_WEIGHTS
    if np.median(statistics.layer_correlation) > THRESHOLDS.layer_correlation:
        return SEEDED
    if np.median(statistics.row_correlation) > THRESHOLDS.row_correlation:
        return REPEATED  # before the offset: the mean of a few different weights is far from zero by chance
    return _name_offset(samples, statistics) if np.median(statistics.offset) > THRESHOLDS.offset else None


def repeats_one_network(statistics: BlockStatistics) -> bool:
    """Whether all networks are the same, and not because their layers are copies of one seeded draw."""
    same = np.median(statistics.draw_correlation) > THRESHOLDS.draw_correlation
    return bool(same and np.median(statistics.layer_correlation) < COPIES)


def name_scale(init: InitEvidence) -> Mistake | None:
    """The mistake that explains the standard deviations, or None: also when they follow an accepted rule."""
    samples = cut_into_blocks(init)
    if not all(np.isfinite(sample).all() and sample.any() for sample in samples):
        return name_draws(init)
    stds = np.median(block_statistics(samples).stds, axis=0, keepdims=True)
    if not stds.all():
        return name_draws(init)
    spreads = {exponent: float(fit_scale(stds, exponent).spread[0]) for exponent in (0.5, *EXPONENTS)}
    best = min(spreads, key=spreads.__getitem__)
    if spreads[best] > LARGEST_SPREAD:
        return None
    if best == 0.0 and GPT_SCALE[0] < np.exp(np.log(stds).mean()) < GPT_SCALE[1]:
        return GPT_SCALED
    if best != 0.5:
        return EXPONENTS[best]
    gain = float(fit_scale(stds).factor[0])
    low, high = THRESHOLDS.gain
    return GAIN_TOO_LARGE if gain > high else GAIN_TOO_SMALL if gain < low else None


def name_cause(init: InitEvidence) -> Mistake | None:
    """The mistake behind gradients or training that went wrong, or None."""
    if mistake := name_draws(init) or name_scale(init):
        return mistake
    stds = block_statistics(cut_into_blocks(init)).stds
    return FAN_OUT if np.mean(fit_scale(stds).rule == "fan_out") > 0.5 else None


def _name_unset(init: InitEvidence, some_are_set: bool) -> Mistake | None:
    """Why weights that were NaN before the call are not finite after it."""
    if some_are_set:
        return SPECIAL_CASE
    rewritten = init.rewritten.weights
    if not np.isfinite(rewritten).all():
        return None
    return NO_EFFECT if np.all(rewritten == 1.0) else RESCALED


def _value(sample: FloatArray) -> float | None:
    """The one value of all weights in each matrix, from the first of them, or None when they differ."""
    equal = np.all(sample == sample[..., :1, :1])
    return float(sample.flat[0]) if equal else None


def _name_constant(values: FloatArray) -> Mistake:
    if not values.all() or fit_scale(np.abs(values)[None]).spread[0] > LARGEST_SPREAD:
        return CONSTANT
    return MEAN_STD_SWAPPED


def _name_offset(samples: list[FloatArray], statistics: BlockStatistics) -> Mistake:
    """Weights around another mean than zero."""
    means = np.array([[abs(sample.mean(dtype=np.float64)) for sample in samples]])
    stds = np.median(statistics.stds, axis=0, keepdims=True)
    swapped = fit_scale(means).spread[0] < LARGEST_SPREAD < fit_scale(stds).spread[0]
    return MEAN_STD_SWAPPED if swapped else ONE_SIDED


def _is_diagonal(sample: FloatArray) -> bool:
    size = sample.shape[-1]
    return bool(np.all(sample[..., ~np.eye(size, dtype=bool)] == 0))
