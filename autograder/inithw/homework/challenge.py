"""Draw what a submission is asked: unpredictable without the key, the same on every regrade and platform."""

from __future__ import annotations

import hashlib
import hmac
import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inithw.engine.records import FloatArray, Submission
from inithw.homework.records import Challenge, ForwardTask, Network, NormsTask
from inithw.homework.reference.data import TRAIN_X, TRAIN_Y
from inithw.homework.reference.initialization import LAYER_TASKS, NETWORKS
from inithw.homework.reference.network import WIDTHS, forward, gradients
from inithw.homework.reference.norms import frobenius, wrong_norms

INPUTS_PER_RANGE = 64
INPUT_RANGES = (1.0, 10.0, 100.0)
"""Half-widths of the ranges of inputs for q1: the homework's, and far outside (where ReLU6 and Hardtanh differ)."""

SAMPLES = 1500
NETWORKS_LIKE_THE_HOMEWORKS = 3
OTHER_DEPTHS = (2, 4, 6)
"""Numbers of linear layers for `q2.general`."""
NARROWEST, WIDEST = 3, 40
GAIN, OUTPUT_GAIN = 1.5, 10.0
"""Over He's scale, per layer and at the end: gradient norms reach hundreds to ten thousands."""
SMALLEST_NORM, LARGEST_NORM = 10.0, 1e5
"""Between these, two decimals or five digits carry at least four significant ones."""
CLEAR_MARGIN = 0.05
"""Least relative difference, at some layer, between the right norms and each wrong quantity."""
LEAST_SUM = 3e-3
"""Least sum of a gradient's entries, relative to that of their absolute values: where more cancels, a sum or mean that
was printed instead of the norm is mostly rounding error, and cannot be named."""
KINK_MARGIN = 1e-5
"""Least distance of a preactivation from zero, relative to its terms: float32 and float64 take the same side."""
SAME_FOR_VECTORS = frozenset({"spectral", "nuclear"})
"""Norms that equal the right one for a matrix with one row or column."""


def draw_challenge(key: bytes, submission: Submission) -> Challenge:
    """Draw the challenge of one submission.

    Args:
        key: The grading key, secret.
        submission: Only its digest counts.
    """

    def stream(part: str) -> np.random.Generator:
        seed = hmac.new(key, f"{part} {submission.digest}".encode(), hashlib.sha256).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))

    # Only `random()` is used below: its values are exact, alike on every platform and NumPy version.
    norms, general = stream("q2.norms"), stream("q2.general")
    return Challenge(
        forward=_draw_forward(stream("q1.forward")),
        norms=(
            *(_draw_norms(norms, "q2.norms", WIDTHS) for _ in range(NETWORKS_LIKE_THE_HOMEWORKS)),
            *(_draw_norms(general, "q2.general", _draw_widths(general, depth)) for depth in OTHER_DEPTHS),
        ),
        layers=LAYER_TASKS,
        networks=NETWORKS,
        worker_seed=_integer(stream("q3.worker"), 2**31),
        judge_seed=_integer(stream("q3.judge"), 2**31),
    )


# ---------------------------------------------------------------- q1


def _draw_forward(random: np.random.Generator) -> ForwardTask:
    weights, biases = [], []
    for fan_in, fan_out in pairwise(WIDTHS):
        weights.append(_signed(random, fan_out, fan_in) * math.sqrt(6 / fan_in))
        biases.append(_signed(random, fan_out))
    inputs = np.concatenate([bound * _signed(random, INPUTS_PER_RANGE) for bound in INPUT_RANGES])
    # Half of the outputs in the homework's range become negative: a ReLU after the output shows.
    biases[-1] -= np.median(forward(_network(weights, biases), inputs[:INPUTS_PER_RANGE]))
    return ForwardTask(_network(weights, biases), inputs.astype(np.float32))


# ---------------------------------------------------------------- q2


def _draw_widths(random: np.random.Generator, depth: int) -> tuple[int, ...]:
    hidden = [NARROWEST + _integer(random, WIDEST - NARROWEST + 1) for _ in range(depth - 1)]
    return (1, *hidden, 1)


def _draw_norms(random: np.random.Generator, item: str, widths: tuple[int, ...]) -> NormsTask:
    """Draw until every wrong norm differs clearly from the right one, on new data and on the homework's own.

    (The homework's own, because a student may have put its data into a tensor outside the function.)
    """
    while True:
        network = _draw_rugged(random, widths)
        if not (_is_clear(network, TRAIN_X, TRAIN_Y) and _off_kinks(network, TRAIN_X).all()):
            continue
        x = _draw_inputs(random, network)
        y = _draw_targets(random, x, spread=float(np.std(forward(network, x))))
        if _is_clear(network, x, y):
            return NormsTask(item, network, x, y)


def _draw_rugged(random: np.random.Generator, widths: tuple[int, ...]) -> Network:
    """A network whose function is large, centred and full of kinks: gradients are large and far from rank one."""
    weights, biases = [], []
    size = 1.0
    for fan_in, fan_out in pairwise(widths):
        weights.append(_signed(random, fan_out, fan_in) * GAIN * math.sqrt(6 / fan_in))
        size *= GAIN
        biases.append(_signed(random, fan_out) * size)
    biases[0] = _signed(random, widths[1]) * weights[0][:, 0]  # kinks at inputs between -1 and 1
    weights[-1] *= OUTPUT_GAIN
    biases[-1] -= np.mean(forward(_network(weights, biases), TRAIN_X))
    return _network(weights, biases)


def _draw_inputs(random: np.random.Generator, network: Network) -> FloatArray:
    """Inputs like the homework's, none close to a kink of the network."""
    x = _float32(_signed(random, SAMPLES))
    while not (safe := _off_kinks(network, x)).all():
        x[~safe] = _float32(_signed(random, int(np.sum(~safe))))
    return x


def _draw_targets(random: np.random.Generator, x: FloatArray, spread: float) -> FloatArray:
    """A step function of the input: it moves each gradient in directions of its own."""
    steps = _signed(random, 8 + _integer(random, 8)) * 2 * spread
    return _float32(steps[((x + 1) / 2 * len(steps)).astype(int).clip(max=len(steps) - 1)])


def _is_clear(network: Network, x: FloatArray, y: FloatArray) -> bool:
    weight_gradients = gradients(network, x, y)
    right = frobenius(weight_gradients)
    if right.min() < SMALLEST_NORM or right.max() > LARGEST_NORM:
        return False
    # Gradients of a network with one hidden layer are vectors: there, some norms coincide.
    vectors = all(1 in weights.shape for weights in network.weights)
    wrong = wrong_norms(network, weight_gradients)
    if np.min(np.abs(wrong["sum"]) / wrong["l1"]) < LEAST_SUM:
        return False
    return all(
        np.max(np.abs(values / right - 1)) >= CLEAR_MARGIN
        for name, values in wrong.items()
        if not (vectors and name in SAME_FOR_VECTORS)
    )


def _off_kinks(network: Network, x: FloatArray) -> NDArray[np.bool_]:
    """Whether all preactivations of hidden units keep their distance from zero, shape (n,)."""
    safe = np.ones(len(x), dtype=bool)
    activations = x[:, None]
    for weights, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        preactivations = activations @ weights.T.astype(np.float64) + bias
        terms = np.abs(activations) @ np.abs(weights.T.astype(np.float64)) + np.abs(bias)
        safe &= np.all(np.abs(preactivations) > KINK_MARGIN * terms, axis=1)
        activations = np.maximum(preactivations, 0.0)
    return safe


# ---------------------------------------------------------------- numbers


def _signed(random: np.random.Generator, *shape: int) -> FloatArray:
    """Uniform between -1 and 1."""
    return 2.0 * random.random(shape) - 1.0


def _integer(random: np.random.Generator, stop: int) -> int:
    return int(random.random() * stop)


def _float32(values: FloatArray) -> FloatArray:
    """Round to float32 values, kept as float64."""
    return values.astype(np.float32).astype(np.float64)


def _network(weights: list[FloatArray], biases: list[FloatArray]) -> Network:
    return Network(
        tuple(matrix.astype(np.float32) for matrix in weights), tuple(bias.astype(np.float32) for bias in biases)
    )
