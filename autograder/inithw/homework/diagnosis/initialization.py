"""q3: names known mistakes in an initialization."""

from __future__ import annotations

import numpy as np

from inithw.engine.records import FloatArray
from inithw.engine.verdict import Mistake, registry
from inithw.homework.asked import HOMEWORK_LAYERS, SAME_SHAPE, SHAPES
from inithw.homework.records import InitEvidence
from inithw.homework.reference.initialization import fit_scale
from inithw.homework.statistics import Measured
from inithw.homework.thresholds import thresholds

_SYMMETRY = "Units that start alike get the same gradients and stay alike: what breaks the symmetry?"
MISTAKES = registry(
    Mistake(
        "q3.no_effect",
        "they are what they were before the call",
        "Is module.weight itself what your code changes? Some operations work in place, others return a new tensor.",
    ),
    Mistake(
        "q3.rescaled",
        "the old weights enter the new ones",
        "When better_init is called, the old weights may be NaN, and NaN times or plus anything is NaN: what else can "
        "new weights start from?",
    ),
    Mistake(
        "q3.special_case",
        "only layers of the homework's sizes are initialized",
        "No size has to be known in advance: ask each layer for its own.",
    ),
    Mistake(
        "q3.bias", "only the weights are to be random", "The handout's better_init sets the biases: what changes them?"
    ),
    Mistake("q3.constant", "the weights of a layer are all equal", _SYMMETRY),
    Mistake(
        "q3.mean_std_swapped",
        "the weights lie around a number that shrinks with the layer's size, where the standard deviation should do "
        "that",
        "Look up which argument of the function you call is the mean and which is the standard deviation.",
    ),
    Mistake(
        "q3.dead_layer",
        "a layer whose weights are all zero passes nothing on",
        "Look at the weights that your code gives to a layer with a single output.",
    ),
    Mistake("q3.identity", "they are ones on the diagonal and zeros elsewhere, not random", _SYMMETRY),
    Mistake(
        "q3.seeded",
        "the random numbers start again at every call, so layers of one shape get the same weights",
        "Where is a seed set, and how many times does that line run while one network is initialized?",
    ),
    Mistake(
        "q3.fixed_weights",
        "better_init gives the same weights every time",
        "An initialization draws: run it twice from different seeds and compare.",
    ),
    Mistake(
        "q3.one_sided",
        "the weights lie to one side of zero",
        "Which mean has the distribution that you learned? Look up the interval from which your function draws.",
    ),
    Mistake(
        "q3.repeated",
        "some weights of a layer are copies of others",
        "Count: how many random numbers does your code draw for a layer, and how many weights has it?",
    ),
    Mistake(
        "q3.constant_scale",
        "the standard deviation is the same whatever the layer's size",
        "A scale picked by hand suits one width. How does the sum over a unit's inputs grow with their number?",
    ),
    Mistake(
        "q3.gpt_scale",
        "the standard deviation is 0.02 whatever the layer's size, as in GPT-2 and BERT",
        "That number belongs to layers about a thousand units wide, with normalization between them. What do these "
        "layers' own sizes ask for?",
    ),
    Mistake(
        "q3.missing_root",
        "the standard deviation shrinks with the fan as a variance should",
        "Is the formula that you use one for the variance or for the standard deviation?",
    ),
    Mistake(
        "q3.inverted_fan",
        "the standard deviation grows with the layer's size",
        "A unit adds up all its inputs: should its weights be larger or smaller when there are more of them?",
    ),
    Mistake(
        "q3.fan_out",
        "a scale that follows from the number of outputs does not train this network",
        "Its last layer has one output: which scale does your rule give to those weights, and what would their number "
        "of inputs ask for?",
    ),
    Mistake(
        "q3.gain_too_large",
        "the scale follows from the layer's size but is too large",
        f"Which gain belongs to ReLU? Over {HOMEWORK_LAYERS} layers it enters as a power.",
    ),
    Mistake(
        "q3.gain_too_small",
        "the scale follows from the layer's size but is too small",
        f"Which gain belongs to ReLU? Over {HOMEWORK_LAYERS} layers it enters as a power.",
    ),
)

_EXPONENTS = {
    1.0: MISTAKES["q3.missing_root"],
    0.0: MISTAKES["q3.constant_scale"],
    -0.5: MISTAKES["q3.inverted_fan"],
    -1.0: MISTAKES["q3.inverted_fan"],
}
"""What it means when std * fan^exponent is the same for all shapes; 1/2 is right."""
_LARGEST_SPREAD = 1.5
"""How well a law has to fit before a mistake is named after it."""
_GPT_SCALE = (0.018, 0.022)
_COPIES = 0.9
"""Correlation from which on layers are copies of one draw; those of a trained network have some, too."""


def name_draws(init: InitEvidence, seen: Measured) -> Mistake | None:
    """The mistake that explains why the weights are not freshly drawn, or None."""
    if not all(seen.finite):
        return _name_unset(init, any(seen.finite))
    if None not in seen.values:
        return _name_constant(np.array(seen.values, dtype=np.float64))
    if 0.0 in seen.values:
        return MISTAKES["q3.dead_layer"]
    if _is_diagonal(seen.samples[SAME_SHAPE[0]]):
        return MISTAKES["q3.identity"]
    if repeats_one_network(seen):
        return MISTAKES["q3.fixed_weights"]
    if _beyond(seen, "layer_correlation"):
        return MISTAKES["q3.seeded"]
    if _beyond(seen, "row_correlation"):
        return MISTAKES["q3.repeated"]  # before the offset: the mean of a few weights is far from zero by chance
    return _name_offset(seen) if _beyond(seen, "offset") else None


def repeats_one_network(seen: Measured) -> bool:
    """Whether all networks are the same, and not because their layers are copies of one seeded draw."""
    return _beyond(seen, "draw_correlation") and bool(np.median(seen.votes("layer_correlation")) < _COPIES)


def name_scale(init: InitEvidence, seen: Measured) -> Mistake | None:
    """The mistake that explains the standard deviations, or None: also when they follow an accepted rule."""
    stds = np.median(seen.readings.blocks.stds, axis=0, keepdims=True)
    if not all(seen.finite) or not stds.all():
        return name_draws(init, seen)
    spreads = {exponent: float(fit_scale(stds, SHAPES, exponent).spread[0]) for exponent in (0.5, *_EXPONENTS)}
    best = min(spreads, key=spreads.__getitem__)
    if spreads[best] > _LARGEST_SPREAD:
        return None
    if best == 0.0 and _GPT_SCALE[0] < np.exp(np.log(stds).mean()) < _GPT_SCALE[1]:
        return MISTAKES["q3.gpt_scale"]
    if best != 0.5:
        return _EXPONENTS[best]
    gain = float(fit_scale(stds, SHAPES).factor[0])
    if gain > thresholds().limits["gain_high"]:
        return MISTAKES["q3.gain_too_large"]
    return MISTAKES["q3.gain_too_small"] if gain < thresholds().limits["gain_low"] else None


def name_cause(init: InitEvidence, seen: Measured) -> Mistake | None:
    """The mistake behind gradients or training that went wrong, or None."""
    if mistake := name_draws(init, seen) or name_scale(init, seen):
        return mistake
    return MISTAKES["q3.fan_out"] if np.mean(seen.readings.law.rule == "fan_out") > 0.5 else None


def _beyond(seen: Measured, name: str) -> bool:
    """Whether a correlation or an offset is too large, in the median of its votes."""
    return bool(np.median(seen.votes(name)) > thresholds().limits[name])


def _name_unset(init: InitEvidence, some_are_set: bool) -> Mistake | None:
    """Why weights that were NaN before the call are not finite after it."""
    if some_are_set:
        return MISTAKES["q3.special_case"]
    rewritten = init.rewritten.weights
    if not np.isfinite(rewritten).all():
        return None
    return MISTAKES["q3.no_effect"] if np.all(rewritten == 1.0) else MISTAKES["q3.rescaled"]


def _name_constant(values: FloatArray) -> Mistake:
    if not values.all() or fit_scale(np.abs(values)[None], SHAPES).spread[0] > _LARGEST_SPREAD:
        return MISTAKES["q3.constant"]
    return MISTAKES["q3.mean_std_swapped"]


def _name_offset(seen: Measured) -> Mistake:
    """Weights around another mean than zero."""
    means = np.array([[abs(sample.mean(dtype=np.float64)) for sample in seen.samples]])
    stds = np.median(seen.readings.blocks.stds, axis=0, keepdims=True)
    swapped = fit_scale(means, SHAPES).spread[0] < _LARGEST_SPREAD < fit_scale(stds, SHAPES).spread[0]
    return MISTAKES["q3.mean_std_swapped"] if swapped else MISTAKES["q3.one_sided"]


def _is_diagonal(sample: FloatArray) -> bool:
    size = sample.shape[-1]
    return bool(np.all(sample[..., ~np.eye(size, dtype=bool)] == 0))
