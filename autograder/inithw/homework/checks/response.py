"""Whether a network does what its weights say: its outputs, and the gradients with which it would be trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.records import Network
from inithw.homework.reference.network import all_gradients, forward

OUTPUT_TOLERANCE = 1e-4
"""Largest deviation of an output, relative to the scale of the network's function at that input."""
GRADIENT_TOLERANCE = 0.1
"""Largest deviation of a matrix of gradients, relative to its norm: at a kink, float32 may take the other side."""


def wrong_output(networks: Sequence[Network], inputs: FloatArray, outputs: FloatArray) -> str | None:
    """Where outputs deviate most from those of the networks, in words; None when they agree everywhere.

    Args:
        networks: With the weights that were loaded.
        inputs: Shape (n,).
        outputs: Shape (networks, n).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.stack([forward(network, inputs) for network in networks])
    if outputs.shape != expected.shape:
        return f"returned an array of shape {outputs.shape} where {expected.shape} was expected"
    scales = np.stack([output_scale(inputs, right) for right in expected])
    deviation = np.abs(outputs - expected) / np.maximum(scales, np.finfo(np.float32).tiny)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(deviation), np.inf, deviation)), deviation.shape)
    if deviation[worst] <= OUTPUT_TOLERANCE:
        return None
    largest = max(float(np.abs(weights).max()) for weights in networks[int(worst[0])].weights)
    return (
        f"returned {outputs[worst]:.6g} at x = {inputs[worst[1]]:.4g} where {expected[worst]:.6g} was expected, "
        f"with weights up to {largest:.2g}"
    )


def output_scale(inputs: FloatArray, outputs: FloatArray) -> FloatArray:
    """How large a network's function is around each input: it grows at most linearly.

    Args:
        inputs: Shape (n,).
        outputs: The right values there, shape (n,).

    Returns:
        Shape (n,), positive unless all outputs are zero.
    """
    growth = _growth(inputs)
    return growth * np.max(np.abs(outputs) / growth)


def _growth(inputs: FloatArray) -> FloatArray:
    return 1.0 + np.abs(inputs.astype(np.float64))


def wrong_gradient(network: Network, inputs: FloatArray, found: FloatArray) -> str | None:
    """Which weights or biases get another gradient than they should, in words; None when none does.

    Args:
        network: With the weights that were loaded.
        inputs: Shape (n,).
        found: As from `expected_gradients`, in a row; what is NaN is not known and not compared.
    """
    expected = expected_gradients(network, inputs)
    ends = np.cumsum([values.size for values in expected])
    for place, (right, part) in enumerate(zip(expected, np.split(found, ends[:-1]), strict=True)):
        name, norm = f"{2 * (place // 2)}.{'bias' if place % 2 else 'weight'}", float(np.linalg.norm(right))
        deviation = np.nan_to_num(part.astype(np.float64) - right.ravel(), nan=0.0)
        if np.linalg.norm(deviation) > GRADIENT_TOLERANCE * norm:
            if not part.any():
                return f"passes no gradient on to {name}"
            return (
                f"passes a gradient of norm {np.linalg.norm(part):.4g} on to {name} where one of norm {norm:.4g} "
                "was expected"
            )
    return None


def expected_gradients(network: Network, inputs: FloatArray) -> list[FloatArray]:
    """Of the mean of (output / (1 + |input|))^2, by weights and biases in turn: small and large inputs count alike."""
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = forward(network, inputs)
        # The squared error towards these targets has the same derivative by the outputs.
        return all_gradients(network, inputs, outputs - outputs / _growth(inputs) ** 2)
