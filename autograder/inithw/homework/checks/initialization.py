"""q3: are the weights freshly drawn, on a scale that follows from the layer, and do such networks train?

Nothing here goes by one draw. Statistics of weights are taken in several independent blocks, gradients and training in
many networks, and a claim is lost when at least half of them speak against it.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from inithw.engine.records import Figures, FloatArray
from inithw.engine.verdict import Lost, available
from inithw.homework.asked import ONES, SAME_SHAPE, STARTED
from inithw.homework.checks.response import wrong_gradient, wrong_output
from inithw.homework.computed import once
from inithw.homework.diagnosis.initialization import (
    MISTAKES,
    has_no_fresh_networks,
    name_cause,
    name_draws,
    name_scale,
)
from inithw.homework.records import Evidence, InitEvidence, Network, WeightSample
from inithw.homework.reference.copies import drawn_before, numbers_again, repeats, very_values_kept
from inithw.homework.reference.initialization import kept_direction
from inithw.homework.reference.training import train
from inithw.homework.statistics import WITHIN_A_MATRIX, Measured
from inithw.homework.thresholds import thresholds

_EVERY = 16
"""Each so many-th network is compared number by number, which takes its time."""
_SAME = 0.5
"""Share of equal numbers from which on they are the same ones; coarse number formats have some in common, too."""
_REPEATED = 0.6
"""The same within a layer, where bfloat16 repeats more of them."""
_FEW_ROWS = 2
"""Rows of a layer that may be equal: one pair."""
_SAME_SIZE = 1.3
"""Factor by which weights may be larger or smaller where there were finite ones before."""


def check_draws(evidence: Evidence) -> None:
    """Every weight is freshly drawn: finite, around zero, not constant, independent; biases are zero."""
    init = available(evidence.init)
    seen = evidence.measured
    samples = (*init.networks, *init.layers)
    for sample in samples:
        if not np.isfinite(sample.weights).all():
            found = f"some weights {_where(sample)} were not finite after better_init; finite ones were expected"
            raise Lost.because(found, name_draws(init, seen))
        if not np.any(sample.weights != sample.weights.flat[0]):
            found = f"all weights {_where(sample)} were {sample.weights.flat[0]:.3g}; random values were expected"
            raise Lost.because(found, name_draws(init, seen))
    if _lost(seen, "draw_correlation") or _lost(seen, "novelty"):
        draws = len(init.networks[0].weights)
        found = f"{draws} calls of better_init gave weights that repeat; fresh ones were expected at every call"
        raise Lost.because(found, name_draws(init, seen))
    if _lost(seen, "layer_correlation"):
        layers = ", ".join(str(2 * layer) for layer in SAME_SHAPE)
        found = f"layers {layers} had correlation {_middle(seen.votes('layer_correlation')):.2f}; zero was expected"
        raise Lost.because(found, name_draws(init, seen))
    _check_copies(init, seen)
    if any(_lost(seen, name) for name in WITHIN_A_MATRIX):
        found = "rows or columns of a weight matrix repeat each other; independent weights were expected"
        raise Lost.because(found, name_draws(init, seen))
    if _lost(seen, "offset"):
        sample = max(samples, key=lambda sample: abs(_mean(sample)) / _std(sample))
        found = (
            f"the weights {_where(sample)} had mean {_mean(sample):.3g} and standard deviation {_std(sample):.3g}; "
            "a mean of zero was expected"
        )
        raise Lost.because(found, name_draws(init, seen))
    _check_old_weights(init, seen, evidence.challenge.start)
    for sample in (*samples, *init.restarted):
        if np.any(sample.biases != 0):  # NaN too
            raise Lost.because(
                f"some biases {_where(sample)} were not zero after better_init; zero was expected", MISTAKES["q3.bias"]
            )


def _check_copies(init: InitEvidence, seen: Measured) -> None:
    """No number comes again: in its own layer, in another, or in another network."""
    hidden = np.stack([init.networks[layer].weights[::_EVERY] for layer in SAME_SHAPE], axis=1)
    for share, mistake in zip(numbers_again(hidden), ("q3.fixed_sizes", "q3.copied_layer"), strict=True):
        if share > _SAME:
            found = (
                f"{share:.0%} of a hidden layer's weights are, in some order, those of another; others were expected"
            )
            raise Lost.because(found, name_draws(init, seen) or MISTAKES[mistake])
    share, rows = repeats(hidden)
    if share > _REPEATED or rows > _FEW_ROWS:
        what = f"{rows:.0f} rows or columns" if rows > _FEW_ROWS else f"{share:.0%} of the weights"
        found = f"{what} of a hidden layer are equal to others of it; independent weights were expected"
        raise Lost.because(found, name_draws(init, seen) or MISTAKES["q3.repeated"])
    for sample in (init.networks[0], init.networks[-1]):
        share = drawn_before(sample.weights)
        if share > _SAME:
            found = f"in {share:.0%} of the networks, the weights {_where(sample)} were those of an earlier network"
            raise Lost.because(f"{found}; others were expected", name_draws(init, seen) or MISTAKES["q3.fixed_sizes"])


def _check_old_weights(init: InitEvidence, seen: Measured, start: Network) -> None:
    """Of weights that were finite before, nothing remains: neither numbers nor their directions nor their size."""
    expected, mistake = "nothing was expected to remain", MISTAKES["q3.old_weights"]
    if _lost(seen, "remains"):
        found = (
            f"in {init.restarted[0].weights.shape[0]} networks whose weights were finite before, "
            f"{_middle(seen.votes('remains')):.0%} of the old weights are in the new"
        )
        raise Lost.because(f"{found}; {expected}", mistake)
    for sample, fresh, old in zip(init.restarted, init.networks, start.weights, strict=True):
        started = sample.weights[STARTED]
        if np.median(very_values_kept(started, old)) > _SAME:
            raise Lost.because(f"the weights {_where(sample)} were, in some order, those before; {expected}", mistake)
        if kept_direction(started, old) > _SAME:
            raise Lost.because(f"the weights {_where(sample)} resembled those before; {expected}", mistake)
        for weights in (started, sample.weights[ONES]):
            factor = _size(weights) / _size(fresh.weights)
            if not 1 / _SAME_SIZE <= factor <= _SAME_SIZE:
                found = (
                    f"the weights {_where(sample)} were {factor:.2g} times as large where they had been finite before"
                )
                raise Lost.because(f"{found}; {expected}", mistake)


def check_scale(evidence: Evidence) -> None:
    """The standard deviation is gain / sqrt(fan) over all layer shapes, with one fan rule and an accepted gain."""
    init = available(evidence.init)
    seen = evidence.measured
    if not all(seen.finite):
        found = "some weights were not finite after better_init, so that they have no scale"
        raise Lost.because(found, name_scale(init, seen))
    if not np.all(seen.readings.blocks.stds > 0):
        raise Lost.because(
            "some layers had weights without any spread, so that they have no scale", name_scale(init, seen)
        )
    if _lost(seen, "spread") or _lost(seen, "bend"):
        shapes = (init.networks[SAME_SHAPE[0]], *init.layers[2:5])
        found = ", ".join(f"{_std(sample):.3g} {_where(sample)}" for sample in shapes)
        message = f"the standard deviations of the weights ({found}) follow no rule gain / sqrt(fan)"
        raise Lost.because(message, name_scale(init, seen))
    if _lost(seen, "exponent"):
        exponent = _middle(seen.readings.law.exponent)
        message = f"the standard deviation falls with the fan as fan^-{exponent:.2f}; fan^-0.5 was expected"
        raise Lost.because(message, name_scale(init, seen))
    if _lost(seen, "gain_low") or _lost(seen, "gain_high"):
        low, high = (thresholds().limits[name] for name in ("gain_low", "gain_high"))
        gain = _middle(seen.votes("gain_low"))
        message = (
            f"the weights have standard deviation {gain:.3g} / sqrt(fan); "
            f"a gain between {low:.2g} and {high:.3g} was expected in place of {gain:.3g}"
        )
        raise Lost.because(message, name_scale(init, seen))


def check_gradients(evidence: Evidence) -> None:
    """At initialization, in most networks, the layers' gradient norms neither vanish nor explode, and are balanced."""
    init, seen = usable(evidence)
    limits = thresholds().limits
    said = (
        f"in the median of {len(seen.readings.gradients)} fresh networks, gradient norms lay between "
        f"{_middle(seen.votes('gradient_low')):.2g} and {_middle(seen.votes('gradient_high')):.2g}"
    )
    if _lost(seen, "gradient_high"):
        message = f"{said}: they explode (at most {limits['gradient_high']:.3g} was expected)"
        raise Lost.because(message, name_cause(init, seen))
    if _lost(seen, "gradient_low"):
        message = f"{said}: they vanish (at least {limits['gradient_low']:.2g} was expected)"
        raise Lost.because(message, name_cause(init, seen))
    if _lost(seen, "imbalance"):
        message = (
            f"{said}: within one network they differ by a factor of {_middle(seen.votes('imbalance')):.0f} "
            f"(at most {limits['imbalance']:.0f} was expected)"
        )
        raise Lost.because(message, name_cause(init, seen))


def check_training(evidence: Evidence) -> Figures:
    """The homework's training loop reaches a median test loss below the target over many fresh seeds.

    Returns:
        The median, for those who are curious.
    """
    init, seen = usable(evidence)
    losses = test_losses(init, evidence)
    enough = thresholds().good_loss
    good = int(np.count_nonzero(losses < enough))
    if 2 * good < len(losses):
        diverged = int(np.count_nonzero(np.isinf(losses)))
        message = (
            f"{good} of {len(losses)} networks trained from fresh seeds had a test loss below {enough:g}, at "
            f"least half were expected; the median was {np.median(losses):.3g}, and {diverged} diverged"
        )
        raise Lost.because(message, name_cause(init, seen))
    return {"median test loss": float(np.median(losses))}


def test_losses(init: InitEvidence, evidence: Evidence) -> FloatArray:
    """Train networks until the stopping rule has seen enough; their test losses, shape (networks,)."""
    losses = np.empty(0)
    enough = thresholds().good_loss
    for look in thresholds().looks:
        done = len(losses)
        fresh = [sample.weights[done : look.runs] for sample in init.networks]
        seed = evidence.challenge.judge_seed + done
        more = once(evidence, f"test losses {done}:{look.runs}", partial(train, fresh, seed))
        losses = np.concatenate([losses, more])
        if not look.lost_at < np.count_nonzero(losses < enough) < look.passed_at:
            break
    return losses


def usable(evidence: Evidence) -> tuple[InitEvidence, Measured]:
    """Evidence from which gradients and training can be judged."""
    init = available(evidence.init)
    if init.forward_error:
        raise Lost(f"a network cannot be trained after better_init: {init.forward_error}.")
    seen = evidence.measured
    if not all(np.isfinite(sample.weights).all() for sample in init.networks):
        found = "some weights were not finite after better_init, so that nothing can be computed"
        raise Lost.because(found, name_draws(init, seen))
    if not all(np.isfinite(sample.biases).all() for sample in init.networks):
        found = "some biases were not finite after better_init, so that nothing can be computed"
        raise Lost.because(found, MISTAKES["q3.bias"])
    # Such as those of a trained network: one run says nothing about fresh seeds.
    if has_no_fresh_networks(seen):
        raise Lost.because("there are no fresh networks to judge", MISTAKES["q3.fixed_weights"])
    last = Network(
        tuple(sample.weights[-1] for sample in init.networks), tuple(sample.biases[-1] for sample in init.networks)
    )
    inputs = evidence.challenge.forward.inputs
    if np.isfinite(init.outputs).all():  # others explode, which is for the checks to say
        wrong = wrong_output([last], inputs, init.outputs[None]) or wrong_gradient(last, inputs, init.gradients)
        if wrong is not None:
            raise Lost(f"after better_init, a network no longer does what its weights say: it {wrong}.")
    return init, seen


def _lost(seen: Measured, name: str) -> bool:
    return thresholds().lost(name, seen.votes(name))


def _middle(values: FloatArray) -> float:
    return float(np.median(values))


def _size(weights: FloatArray) -> float:
    """How large weights are, whatever their distribution: (mean sqrt|w|)^2."""
    return float(np.mean(np.sqrt(np.abs(weights)), dtype=np.float64)) ** 2


def _mean(sample: WeightSample) -> float:
    return float(np.mean(sample.weights, dtype=np.float64))


def _std(sample: WeightSample) -> float:
    return float(np.std(sample.weights, dtype=np.float64))


def _where(sample: WeightSample) -> str:
    return f"in a layer {sample.fan_in} -> {sample.fan_out}"
