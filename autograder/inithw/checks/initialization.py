"""q3: are the weights freshly drawn, on a scale that follows from the layer, and do such networks train?"""

from __future__ import annotations

import numpy as np

from inithw.diagnosis.initialization import name_draws, name_scale
from inithw.records import Evidence, InitEvidence
from inithw.reference.data import TEST_LOSS_TARGET
from inithw.reference.initialization import (
    column_share,
    correlation,
    gains,
    gradient_norms,
    offset,
    pattern_share,
    row_share,
)
from inithw.reference.training import train
from inithw.verdict import Lost, available

GAIN_BAND = (0.38, 1.535)
"""Geometric midpoints between right gains (0.577 ... 1.414) and the nearest wrong ones (0.25 and 5/3)."""
LARGEST_OFFSET = 0.3
LARGEST_CORRELATION = 0.3
LARGEST_REPETITION = 3.0
LARGEST_PATTERN = 4.0
GRADIENT_RANGE = (7e-4, 10.8)
GRADIENT_RATIO = 8.4
GRADIENT_NETWORKS = 64
TRAINING_RUNS = 64


def check_draws(evidence: Evidence) -> None:
    """Every weight is freshly drawn: finite, around zero, not constant, independent; biases are zero."""
    init = available(evidence.init)
    for sample in (*init.networks, *init.layers):
        where = f"in a layer {sample.fan_in} -> {sample.fan_out}"
        if not np.isfinite(sample.weights).all():
            raise name_draws(init, f"some weights {where} were not finite after better_init; finite ones were expected")
        if not np.array_equal(sample.biases, np.zeros_like(sample.biases)):
            raise name_draws(init, f"some biases {where} were not zero after better_init; zero was expected")
        if np.std(sample.weights) == 0:
            raise name_draws(init, f"all weights {where} were {sample.weights.flat[0]:g}; random values were expected")
    if (share := _largest_pattern(init)) > LARGEST_PATTERN:
        raise name_draws(
            init,
            f"over {len(init.networks[0].weights)} calls of better_init the weights repeated a fixed pattern ({share:.0f} "
            "times as much as chance would); fresh random values at every call were expected",
        )
    for sample in (*init.networks, *init.layers):
        where = f"in a layer {sample.fan_in} -> {sample.fan_out}"
        if offset(sample) > LARGEST_OFFSET:
            raise name_draws(
                init,
                f"the weights {where} had mean {sample.weights.mean():.3g} and standard deviation "
                f"{sample.weights.std():.3g}; a mean of zero was expected",
            )
        if max(row_share(sample), column_share(sample)) > LARGEST_REPETITION:
            raise name_draws(init, f"rows or columns {where} repeat each other; independent weights were expected")
    for a, b in ((1, 2), (2, 3), (1, 3)):
        if (found := abs(correlation(init.networks[a], init.networks[b]))) > LARGEST_CORRELATION:
            raise name_draws(
                init,
                f"the weights of layers {2 * a} and {2 * b} had correlation {found:.2f}; independent layers were expected",
            )


def check_scale(evidence: Evidence) -> None:
    """The standard deviation is gain / sqrt(fan) at every layer shape, with one fan rule and an accepted gain."""
    init = available(evidence.init)
    samples = (*init.networks, *init.layers)
    if not all(np.isfinite(sample.weights).all() for sample in samples):
        raise name_scale(init, "some weights were not finite after better_init, so that they have no scale")
    low, high = GAIN_BAND
    if any(np.all((low <= gain) & (gain <= high)) for gain in gains(samples).values()):
        return
    stds = {f"{s.fan_in} -> {s.fan_out}": float(np.std(s.weights)) for s in samples}
    found = ", ".join(f"{std:.3g} for {shape}" for shape, std in list(stds.items())[-3:])
    raise name_scale(
        init,
        f"the standard deviations of the weights ({found}) follow no rule gain / sqrt(fan) with a gain between "
        f"{low:.2g} and {high:.2g}",
    )


def check_gradients(evidence: Evidence) -> None:
    """At initialization the gradient norms of all layers neither vanish nor explode, and are balanced."""
    init = _fresh(evidence)
    medians = np.median(gradient_norms(init.networks, GRADIENT_NETWORKS), axis=0)
    low, high = GRADIENT_RANGE
    found = ", ".join(f"{value:.2g}" for value in medians)
    said = f"the median gradient norms of the five layers over {GRADIENT_NETWORKS} fresh networks were {found}"
    if not np.isfinite(medians).all() or medians.max() > high:
        raise Lost(f"{said}: they explode (at most {high:g} was expected)")
    if medians.min() < low:
        raise Lost(f"{said}: they vanish (at least {low:g} was expected)")
    if medians.max() > GRADIENT_RATIO * medians.min():
        raise Lost(
            f"{said}: they differ by a factor of {medians.max() / medians.min():.0f} (at most {GRADIENT_RATIO:g})"
        )


def check_training(evidence: Evidence) -> None:
    """The homework's training loop reaches a median test loss below the target over many fresh seeds."""
    init = _fresh(evidence)
    losses = train([sample.weights[:TRAINING_RUNS] for sample in init.networks], evidence.challenge.judge_seed)
    if (median := float(np.median(losses))) >= TEST_LOSS_TARGET:
        diverged = int(np.sum(np.isinf(losses)))
        raise Lost(
            f"over {TRAINING_RUNS} training runs from fresh seeds the median test loss was {median:.3g}, and {diverged} "
            f"runs diverged; below {TEST_LOSS_TARGET:g} was expected"
        )


def _fresh(evidence: Evidence) -> InitEvidence:
    """Evidence that many seeds can be judged from: networks that run, with weights drawn afresh."""
    init = available(evidence.init)
    if init.forward_error:
        raise Lost(f"a network did not run after better_init: {init.forward_error}")
    if not all(np.isfinite(sample.weights).all() for sample in init.networks):
        raise Lost("some weights were not finite after better_init, so that there is nothing to train")
    if not _largest_pattern(init) <= LARGEST_PATTERN:
        raise Lost("better_init gave one fixed set of weights, so that there are no fresh seeds to judge by")
    return init


def _largest_pattern(init: InitEvidence) -> float:
    """How many times more the draws have in common than chance would give, at the most repetitive layer."""
    return max(pattern_share(sample) * len(sample.weights) for sample in init.networks)
