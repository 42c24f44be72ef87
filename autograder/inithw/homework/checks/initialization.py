"""q3: are the weights freshly drawn, on a scale that follows from the layer, and do such networks train?

Nothing here goes by one draw. Statistics of weights are taken in several independent blocks, gradients and training in
many networks, and a claim is lost when at least half of them speak against it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inithw.engine.records import Figures, FloatArray
from inithw.engine.verdict import Lost, available
from inithw.homework.diagnosis import Mistake
from inithw.homework.diagnosis.initialization import (
    BIAS,
    FIXED_WEIGHTS,
    name_cause,
    name_draws,
    name_scale,
    repeats_one_network,
)
from inithw.homework.records import Evidence, InitEvidence, WeightSample
from inithw.homework.reference.data import TEST_LOSS_TARGET
from inithw.homework.reference.initialization import SAME_SHAPE, block_statistics, cut_into_blocks, fit_scale
from inithw.homework.reference.network import initial_gradient_norms
from inithw.homework.reference.thresholds import THRESHOLDS
from inithw.homework.reference.training import train


def check_draws(evidence: Evidence) -> None:
    """Every weight is freshly drawn: finite, around zero, not constant, independent; biases are zero."""
    init = available(evidence.init)
    for sample in (*init.networks, *init.layers):
        if not np.isfinite(sample.weights).all():
            found = f"some weights {_where(sample)} were not finite after better_init; finite ones were expected"
            raise _lost(found, name_draws(init))
        if not np.any(sample.weights != sample.weights.flat[0]):
            found = f"all weights {_where(sample)} were {sample.weights.flat[0]:.3g}; random values were expected"
            raise _lost(found, name_draws(init))
    statistics = block_statistics(cut_into_blocks(init))
    if _most(~(statistics.draw_correlation <= THRESHOLDS.draw_correlation)):
        draws = len(init.networks[0].weights)
        found = f"{draws} calls of better_init gave weights that repeat; fresh ones were expected at every call"
        raise _lost(found, name_draws(init))
    if _most(~(statistics.layer_correlation <= THRESHOLDS.layer_correlation)):
        layers = ", ".join(str(2 * layer) for layer in SAME_SHAPE)
        found = f"layers {layers} had correlation {_middle(statistics.layer_correlation):.2f}; zero was expected"
        raise _lost(found, name_draws(init))
    if _most(~(statistics.row_correlation <= THRESHOLDS.row_correlation)):
        found = "rows or columns of a weight matrix repeat each other; independent weights were expected"
        raise _lost(found, name_draws(init))
    if _most(~(statistics.offset <= THRESHOLDS.offset)):
        sample = max((*init.networks, *init.layers), key=lambda sample: abs(_mean(sample)) / _std(sample))
        found = (
            f"the weights {_where(sample)} had mean {_mean(sample):.3g} and standard deviation {_std(sample):.3g}; "
            "a mean of zero was expected"
        )
        raise _lost(found, name_draws(init))
    for sample in (*init.networks, *init.layers):
        if np.any(sample.biases != 0):  # NaN too
            raise _lost(f"some biases {_where(sample)} were not zero after better_init; zero was expected", BIAS)


def check_scale(evidence: Evidence) -> None:
    """The standard deviation is gain / sqrt(fan) over all layer shapes, with one fan rule and an accepted gain."""
    init = available(evidence.init)
    samples = cut_into_blocks(init)
    if not all(np.isfinite(sample).all() for sample in samples):
        raise _lost("some weights were not finite after better_init, so that they have no scale", name_scale(init))
    stds = block_statistics(samples).stds
    if not np.all(stds > 0):
        raise _lost("some layers had weights without any spread, so that they have no scale", name_scale(init))
    law = fit_scale(stds)
    if _most(law.spread > THRESHOLDS.spread):
        shapes = (init.networks[1], *init.layers[1:3])
        found = ", ".join(f"{_std(sample):.3g} {_where(sample)}" for sample in shapes)
        message = f"the standard deviations of the weights ({found}) follow no rule gain / sqrt(fan)"
        raise _lost(message, name_scale(init))
    low, high = THRESHOLDS.gain
    if _most((law.factor < low) | (law.factor > high)):
        message = (
            f"the weights have standard deviation {_middle(law.factor):.3g} / sqrt(fan); "
            f"a gain between {low:.2g} and {high:.3g} was expected in place of {_middle(law.factor):.3g}"
        )
        raise _lost(message, name_scale(init))


def check_gradients(evidence: Evidence) -> None:
    """At initialization, in most networks, the layers' gradient norms neither vanish nor explode, and are balanced."""
    init = _usable(evidence)
    norms = initial_gradient_norms([sample.weights for sample in init.networks])
    smallest, largest = norms.min(axis=1), norms.max(axis=1)
    low, high = THRESHOLDS.gradient
    said = (
        f"in the median of {len(norms)} fresh networks, gradient norms lay between {_middle(smallest):.2g} and "
        f"{_middle(largest):.2g}"
    )
    if _most(~(largest <= high)):
        raise _lost(f"{said}: they explode (at most {high:.3g} was expected)", name_cause(init))
    if _most(smallest < low):
        raise _lost(f"{said}: they vanish (at least {low:.2g} was expected)", name_cause(init))
    with np.errstate(divide="ignore", invalid="ignore"):  # a dead network has no balance
        imbalance = largest / smallest
    if _most(~(imbalance <= THRESHOLDS.imbalance)):
        message = (
            f"{said}: within one network they differ by a factor of {_middle(imbalance):.0f} "
            f"(at most {THRESHOLDS.imbalance:.0f} was expected)"
        )
        raise _lost(message, name_cause(init))


def check_training(evidence: Evidence) -> Figures:
    """The homework's training loop reaches a median test loss below the target over many fresh seeds."""
    init = _usable(evidence)
    losses = _test_losses(evidence)
    good = int(np.count_nonzero(losses < TEST_LOSS_TARGET))
    if 2 * good < len(losses):
        diverged = int(np.count_nonzero(np.isinf(losses)))
        message = (
            f"{good} of {len(losses)} networks trained from fresh seeds had a test loss below {TEST_LOSS_TARGET:g}, at "
            f"least half were expected; the median was {np.median(losses):.3g}, and {diverged} diverged"
        )
        raise _lost(message, name_cause(init))
    return {"median test loss": float(np.median(losses))}


def median_test_loss(evidence: Evidence) -> float | None:
    """The median final test loss of the networks that `check_training` trained, or None when there are none."""
    try:
        _usable(evidence)
    except Lost:
        return None
    return float(np.median(_test_losses(evidence)))


@lru_cache(maxsize=4)
def _test_losses(evidence: Evidence) -> FloatArray:
    """Train networks until the stopping rule has seen enough; their test losses, shape (networks,)."""
    init = available(evidence.init)
    losses = np.empty(0)
    for look in THRESHOLDS.looks:
        fresh = [sample.weights[len(losses) : look.runs] for sample in init.networks]
        losses = np.concatenate([losses, train(fresh, evidence.challenge.judge_seed + len(losses))])
        if not look.lost_at < np.count_nonzero(losses < TEST_LOSS_TARGET) < look.passed_at:
            break
    return losses


def _usable(evidence: Evidence) -> InitEvidence:
    """Evidence from which gradients and training can be judged."""
    init = available(evidence.init)
    if init.forward_error:
        raise Lost(f"a network did not run after better_init: {init.forward_error}.")
    if not all(np.isfinite(sample.weights).all() for sample in init.networks):
        raise _lost("some weights were not finite after better_init, so that nothing can be computed", name_draws(init))
    # Such as those of a trained network: one run says nothing about fresh seeds.
    if repeats_one_network(block_statistics(cut_into_blocks(init))):
        raise _lost("there are no fresh networks to judge", FIXED_WEIGHTS)
    return init


def _most(against: NDArray[np.bool_]) -> bool:
    """Whether at least half speak against the claim."""
    return 2 * int(np.count_nonzero(against)) >= len(against)


def _middle(values: FloatArray) -> float:
    return float(np.median(values))


def _mean(sample: WeightSample) -> float:
    return float(np.mean(sample.weights, dtype=np.float64))


def _std(sample: WeightSample) -> float:
    return float(np.std(sample.weights, dtype=np.float64))


def _where(sample: WeightSample) -> str:
    return f"in a layer {sample.fan_in} -> {sample.fan_out}"


def _lost(found: str, mistake: Mistake | None) -> Lost:
    if mistake is None:
        return Lost(f"{found}.")
    return Lost(f"{found}: {mistake.what}.", diagnosis=mistake.label, hint=mistake.hint)
