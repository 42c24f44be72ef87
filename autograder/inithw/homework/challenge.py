"""Draw what a submission is asked: unpredictable without the key, the same on every regrade and platform."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from inithw.engine.records import FloatArray, Submission
from inithw.engine.settings import ProjectError
from inithw.homework.asked import BLOCKS, NETWORKS, RESTARTED, draw_layers_of_a_block
from inithw.homework.records import Challenge, ForwardTask, Network, NormsTask
from inithw.homework.reference.data import TRAIN_N
from inithw.homework.reference.network import WIDTHS, forward, gradients
from inithw.homework.reference.norms import TOLD_APART, frobenius, wrong_norms
from inithw.homework.thresholds import thresholds
from inithw.homework.variants import own_data

INPUTS_PER_RANGE = 64
INPUT_RANGES = (1.0, 10.0, 100.0)
"""Half-widths of the ranges of inputs for q1: the homework's, and far outside (where ReLU6 and Hardtanh differ)."""

WEIGHT_FACTORS = ((0.01, 0.1), (0.5, 2.0), (5.0, 50.0))
"""Ranges of what the weights for q1 are multiplied by: an activation that is right for large numbers only shows."""

START_FACTOR = 1.8
"""Over He's scale: new weights on the scale of the old ones show, and so does who keeps what looks right."""

NETWORKS_LIKE_THE_HOMEWORKS = 3
OTHER_DEPTHS = (4, 6, 2)
"""Numbers of linear layers for `q2.general`."""
NARROWEST, WIDEST = 3, 40
GAIN = 1.5
"""Over He's scale, per layer."""
TARGET_NORM = 3000.0
"""Geometric mean of the gradient norms of a network."""
SMALLEST_NORM, LARGEST_NORM = 100.0, 1e5
"""Between these, one decimal or five digits carry at least four significant ones."""
CLEAR_MARGIN = 0.05
"""Least relative difference, at some layer, between the right norms and each of `TOLD_APART`."""
KINK_MARGIN = 1e-5
"""Least distance of a preactivation from zero, relative to its terms: float32 and float64 take the same side."""
SAME_FOR_VECTORS = frozenset({"spectral", "nuclear"})
"""Norms that equal the right one for a matrix with one row or column."""
MOST_TRIES = 50
"""Networks drawn for one task before giving up: most are accepted at once."""


class ChallengeError(ProjectError):
    """No network could be drawn that tells right answers from wrong ones."""


def draw_challenge(key: bytes, submission: Submission) -> Challenge:
    """Draw the challenge of one submission.

    Args:
        key: The grading key, secret.
        submission: Only its digest counts, and in a term with variants the id that it states.

    Raises:
        StaleThresholds: Thresholds were measured on another homework.
        ChallengeError: No network tells right answers from wrong ones.
    """
    thresholds()  # better no grade than one by the thresholds of another homework

    def stream(part: str) -> np.random.Generator:
        seed = hmac.new(key, f"{part} {submission.digest}".encode(), hashlib.sha256).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))

    # Only `random()` is used below: its values are exact, alike on every platform and NumPy version.
    general, layers, own = stream("q2.general"), stream("q3.layers"), own_data(submission)
    return Challenge(
        forward=_draw_forward(stream("q1.forward")),
        norms=(
            *_draw_tasks(stream("q2.norms"), "q2.norms", [WIDTHS] * NETWORKS_LIKE_THE_HOMEWORKS, own),
            *_draw_tasks(general, "q2.general", [_draw_widths(general, depth) for depth in OTHER_DEPTHS], own),
        ),
        layers=tuple(task for _ in range(BLOCKS) for task in draw_layers_of_a_block(layers)),
        networks=NETWORKS,
        restarted=RESTARTED,
        start=_scaled(_draw_network(stream("q3.start")), START_FACTOR),
        worker_seed=_integer(stream("q3.worker"), 2**31),
        judge_seed=_integer(stream("q3.judge"), 2**31),
    )


# ---------------------------------------------------------------- q1


def _draw_forward(random: np.random.Generator) -> ForwardTask:
    network = _draw_network(random)
    inputs = np.concatenate([bound * _signed(random, INPUTS_PER_RANGE) for bound in INPUT_RANGES])
    # Half of the outputs in the homework's range become negative: a ReLU after the output shows.
    network.biases[-1][:] -= np.median(forward(network, inputs[:INPUTS_PER_RANGE]))
    factors = [low * (high / low) ** float(random.random()) for low, high in WEIGHT_FACTORS]
    return ForwardTask(tuple(_scaled(network, factor) for factor in factors), inputs.astype(np.float32))


def _draw_network(random: np.random.Generator) -> Network:
    """Weights on He's scale, uniform, for the homework's architecture."""
    weights, biases = [], []
    for fan_in, fan_out in pairwise(WIDTHS):
        weights.append(_signed(random, fan_out, fan_in) * math.sqrt(6 / fan_in))
        biases.append(_signed(random, fan_out))
    return _network(weights, biases)


def _scaled(network: Network, factor: float) -> Network:
    """All weights times a factor, and biases so that the function is the same up to a factor of its own."""
    return _network(
        [weights * factor for weights in network.weights],
        [bias * factor**layer for layer, bias in enumerate(network.biases, start=1)],
    )


# ---------------------------------------------------------------- q2


def _draw_widths(random: np.random.Generator, depth: int) -> tuple[int, ...]:
    hidden = [NARROWEST + _integer(random, WIDEST - NARROWEST + 1) for _ in range(depth - 1)]
    return (1, *hidden, 1)


def _draw_tasks(
    random: np.random.Generator, item: str, shapes: list[tuple[int, ...]], own: tuple[FloatArray, FloatArray]
) -> Iterator[NormsTask]:
    """Networks of given widths, the last on other data than the notebook's own: what is right on those only shows."""
    for widths in shapes[:-1]:
        yield _draw_norms(random, item, widths, *own, own[0])
    other = _float32(_signed(random, TRAIN_N)), _float32(_signed(random, TRAIN_N))
    yield _draw_norms(random, item, shapes[-1], *other, own[0])


def _draw_norms(
    random: np.random.Generator, item: str, widths: tuple[int, ...], x: FloatArray, y: FloatArray, own_x: FloatArray
) -> NormsTask:
    """Draw until every wrong norm that can come close to the right one differs clearly from it.

    Raises:
        ChallengeError: That never happened.
    """
    for _ in range(MOST_TRIES):
        task = NormsTask(item, _draw_rugged(random, widths, x, y, own_x), x, y)
        unclear = _unclear(task)
        if not unclear:
            return task
    raise ChallengeError(
        f"none of {MOST_TRIES} networks of widths {'-'.join(map(str, widths))} tells the right gradient norms from "
        f"{unclear}: see {__name__}"
    )


def _draw_rugged(
    random: np.random.Generator, widths: tuple[int, ...], x: FloatArray, y: FloatArray, own_x: FloatArray
) -> Network:
    """A network whose function is large, centred and full of kinks: gradients are large and far from rank one."""
    # Tensors that the notebook keeps may hold copies of its own inputs.
    inputs = x if x is own_x else np.concatenate([x, own_x])
    weights: list[FloatArray] = []
    biases: list[FloatArray] = []
    activations, size = inputs[:, None], 1.0
    for fan_in, fan_out in pairwise(widths):
        size *= GAIN
        matrix = _float32(_signed(random, fan_out, fan_in) * GAIN * math.sqrt(6 / fan_in))
        # In the first layer, kinks at inputs between -1 and 1.
        bias = _signed(random, fan_out) * (matrix[:, 0] if fan_in == 1 else size)
        if len(weights) < len(widths) - 2:
            bias = _off_kinks(activations, matrix, bias)
        else:
            bias = bias - np.mean(activations @ matrix.T + bias)
        weights.append(matrix)
        biases.append(_float32(bias))
        activations = np.maximum(activations @ matrix.T + biases[-1], 0.0)
    # The gradient of a hidden layer grows with the square of the last one. (A dead network stays so, and is refused.)
    norms = frobenius(gradients(_network(weights, biases), x, y))
    if norms.all():
        factor = math.sqrt(TARGET_NORM / float(np.exp(np.log(norms).mean())))
        weights[-1], biases[-1] = weights[-1] * factor, biases[-1] * factor
    return _network(weights, biases)


def _off_kinks(inputs: FloatArray, weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Move the biases of hidden units a little, so that no preactivation is too close to zero.

    Args:
        inputs: Of the layer, at all points of the data, shape (n, fan_in).
        weights: Shape (fan_out, fan_in).
        bias: Shape (fan_out,).
    """
    values = (inputs @ weights.T + bias).T  # (fan_out, n)
    terms = np.abs(inputs) @ np.abs(weights.T) + np.abs(bias)
    room = 4 * KINK_MARGIN * terms.max(axis=0)[:, None]
    around = values.min(axis=1, keepdims=True) - 4 * room, values.max(axis=1, keepdims=True) + 4 * room
    ordered = np.sort(np.concatenate([values, *around], axis=1), axis=1)
    middles = np.where(np.diff(ordered) > room, (ordered[:, :-1] + ordered[:, 1:]) / 2, np.inf)
    nearest = np.abs(middles).argmin(axis=1)[:, None]
    return bias - np.take_along_axis(middles, nearest, axis=1)[:, 0]


def _unclear(task: NormsTask) -> str:
    """What the task does not tell from the right norms, or empty."""
    network = task.network
    weight_gradients = gradients(network, task.x, task.y)
    right = frobenius(weight_gradients)
    if not (right.min() >= SMALLEST_NORM and right.max() <= LARGEST_NORM):  # nor are they numbers of a dead network
        return f"rounded ones, as they lie between {right.min():.2g} and {right.max():.2g}"
    # Gradients of a network with one hidden layer are vectors: there, some norms coincide.
    vectors = all(1 in weights.shape for weights in network.weights)
    wrong = wrong_norms(network, weight_gradients)
    for name in TOLD_APART:
        clear = np.max(np.abs(wrong[name] / right - 1)) >= CLEAR_MARGIN
        if not clear and not (vectors and name in SAME_FOR_VECTORS):
            return f"the wrong quantity {name!r}"
    return ""


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
