"""q3: names known mistakes in an initialization."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inithw.engine.records import FloatArray
from inithw.engine.verdict import Mistake, registry
from inithw.homework.asked import HOMEWORK_SHAPES, SAME_SHAPE
from inithw.homework.records import InitEvidence
from inithw.homework.reference.initialization import ScaleLaw, fit_scale
from inithw.homework.statistics import WITHIN_A_MATRIX, Measured
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
        "q3.old_weights",
        "the old weights remain where they are not NaN, or from the second call on",
        "What happens when better_init is applied to a network that has good weights already, or twice?",
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
        "better_init gives the same weights every time, or takes them from a list, in another order or with other "
        "signs",
        "An initialization draws: run it twice from different seeds and compare.",
    ),
    Mistake(
        "q3.copied_layer",
        "the weights of one layer come from another, in another order, with other signs or transposed",
        "Count: how many random numbers does your code draw for a network, and how many weights has it?",
    ),
    Mistake(
        "q3.fixed_sizes",
        "only the signs or the places of the weights are drawn, their absolute values are always the same",
        "Count: how many random numbers does your code draw for a layer, and how many weights has it?",
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
        "q3.other_exponent",
        "the standard deviation falls with the layer's size by another power than one over the square root",
        "The variance of a sum of n independent terms is n times that of one: what does that ask of their standard "
        "deviation?",
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
        f"Which gain belongs to ReLU? Over {len(HOMEWORK_SHAPES)} layers it enters as a power.",
    ),
    Mistake(
        "q3.gain_too_small",
        "the scale follows from the layer's size but is too small",
        f"Which gain belongs to ReLU? Over {len(HOMEWORK_SHAPES)} layers it enters as a power.",
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
_CLOSE = 0.05
"""How far an exponent may lie from the one after which a mistake is named."""
_GPT_SCALE = (0.018, 0.022)
_COPIES = 0.9
"""Correlation from which on layers are copies of one draw; those of a trained network have some, too."""


def name_draws(init: InitEvidence, seen: Measured) -> Mistake | None:
    """The mistake that explains why the weights are not freshly drawn, or None."""
    if not all(seen.finite):
        return _name_unset(init, any(seen.finite))
    if None not in seen.values:
        return _name_constant(init)
    if 0.0 in seen.values:
        return MISTAKES["q3.dead_layer"]
    if _is_diagonal(init.networks[SAME_SHAPE[0]].weights):
        return MISTAKES["q3.identity"]
    if has_no_fresh_networks(seen):
        return MISTAKES["q3.fixed_weights"]
    if _layers_are_equal(init):
        return MISTAKES["q3.seeded"]
    copies = _lost(seen, "novelty") or _lost(seen, "draw_correlation")
    if copies and _come_back(seen):
        return MISTAKES["q3.fixed_sizes"]
    # Before the offset: the mean of a few different weights is far from zero by chance.
    if any(_lost(seen, name) for name in WITHIN_A_MATRIX):
        return MISTAKES["q3.repeated"]
    if copies or _lost(seen, "layer_correlation"):
        return MISTAKES["q3.copied_layer"]
    if _lost(seen, "offset"):
        return _name_offset(init, seen)
    return MISTAKES["q3.old_weights"] if _lost(seen, "remains") else None


def has_no_fresh_networks(seen: Measured) -> bool:
    """Whether networks come back, and not because their layers are copies of one seeded draw."""
    return _come_back(seen, same_spectrum=True) and not _layers_are_copies(seen)


def name_scale(init: InitEvidence, seen: Measured) -> Mistake | None:
    """The mistake that explains the standard deviations, or None: also when they follow an accepted rule."""
    stds = seen.readings.blocks.stds
    if not all(seen.finite) or not stds.all():
        return name_draws(init, seen)
    laws = {exponent: _law(seen, stds, exponent) for exponent in (0.5, *_EXPONENTS)}
    best = min(laws, key=lambda exponent: float(laws[exponent].spread[0]))
    if laws[best].spread[0] <= _LARGEST_SPREAD and abs(laws[best].exponent[0] - best) <= _CLOSE:
        if best == 0.0 and _GPT_SCALE[0] < np.exp(np.log(stds).mean()) < _GPT_SCALE[1]:
            return MISTAKES["q3.gpt_scale"]
        if best != 0.5:
            return _EXPONENTS[best]
    if _lost(seen, "exponent") and _follows_a_power(seen, stds, float(laws[0.5].exponent[0])):
        return MISTAKES["q3.other_exponent"]
    if _lost(seen, "spread") or _lost(seen, "bend"):
        return None
    if _lost(seen, "gain_high"):
        return MISTAKES["q3.gain_too_large"]
    return MISTAKES["q3.gain_too_small"] if _lost(seen, "gain_low") else None


def name_cause(init: InitEvidence, seen: Measured) -> Mistake | None:
    """The mistake behind gradients or training that went wrong, or None."""
    if mistake := name_draws(init, seen) or name_scale(init, seen):
        return mistake
    return MISTAKES["q3.fan_out"] if np.mean(seen.readings.law.rule == "fan_out") > 0.5 else None


def _against(seen: Measured, name: str) -> NDArray[np.bool_]:
    return thresholds().against(name, seen.votes(name))


def _lost(seen: Measured, name: str) -> bool:
    return thresholds().lost(name, seen.votes(name))


def _come_back(seen: Measured, *, same_spectrum: bool = False) -> bool:
    """Whether most networks that are not new are those of earlier calls, if asked with the same singular values."""
    against = _against(seen, "novelty")
    found = against & seen.readings.novelty.earlier
    if same_spectrum:
        found &= seen.readings.novelty.same_spectrum
    return _lost(seen, "novelty") and bool(2 * np.count_nonzero(found) >= np.count_nonzero(against))


def _layers_are_copies(seen: Measured) -> bool:
    """Also where there is no correlation, because all weights are equal."""
    return not np.median(seen.votes("layer_correlation")) < _COPIES


def _layers_are_equal(init: InitEvidence) -> bool:
    """Whether in most networks two hidden layers got the very same weights."""
    first, second = (init.networks[layer].weights for layer in SAME_SHAPE[:2])
    return bool(2 * np.count_nonzero((first == second).all(axis=(1, 2))) >= len(first))


def _law(seen: Measured, values: FloatArray, exponent: float) -> ScaleLaw:
    """The law of all samples of all blocks together, the homework's layers as good as any."""
    return fit_scale(values.reshape(1, -1), seen.readings.blocks.shapes.reshape(1, -1, 2), 0, exponent)


def _follows_a_power(seen: Measured, stds: FloatArray, exponent: float) -> bool:
    return bool(_law(seen, stds, exponent).spread[0] <= _LARGEST_SPREAD)


def _name_unset(init: InitEvidence, some_are_set: bool) -> Mistake | None:
    """Why weights that were NaN before the call are not finite after it."""
    if some_are_set:
        return MISTAKES["q3.special_case"]
    started_from_ones = init.restarted[SAME_SHAPE[0]].weights[::2]
    if not np.isfinite(started_from_ones).all():
        return None
    return MISTAKES["q3.no_effect"] if np.all(started_from_ones == 1.0) else MISTAKES["q3.rescaled"]


def _name_constant(init: InitEvidence) -> Mistake:
    return MISTAKES["q3.mean_std_swapped" if _means_follow_a_law(init) else "q3.constant"]


def _name_offset(init: InitEvidence, seen: Measured) -> Mistake:
    """Weights around another mean than zero."""
    swapped = _means_follow_a_law(init) and _law(seen, seen.readings.blocks.stds, 0.5).spread[0] > _LARGEST_SPREAD
    return MISTAKES["q3.mean_std_swapped" if swapped else "q3.one_sided"]


def _means_follow_a_law(init: InitEvidence) -> bool:
    samples = (*init.networks, *init.layers)
    means = np.array([[abs(float(sample.weights.mean(dtype=np.float64))) for sample in samples]])
    shapes = np.array([[(sample.fan_in, sample.fan_out) for sample in samples]], dtype=np.float64)
    return bool(means.all() and fit_scale(means, shapes, 0).spread[0] < _LARGEST_SPREAD)


def _is_diagonal(weights: FloatArray) -> bool:
    return bool(np.all(weights[..., ~np.eye(weights.shape[-1], dtype=bool)] == 0))
