"""Whether a network does what its weights say: its outputs, and the gradients with which it would be trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.records import Network
from inithw.homework.reference.network import forward, gradients

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
    growth = 1.0 + np.abs(inputs.astype(np.float64))
    return growth * np.max(np.abs(outputs) / growth)


def wrong_gradient(network: Network, inputs: FloatArray, found: FloatArray) -> str | None:
    """Which weights get another gradient than that of the mean square of the outputs, in words; None when none does.

    Args:
        network: With the weights that were loaded.
        inputs: Shape (n,).
        found: Of all weight matrices, in a row; what is NaN is not known and not compared.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        expected = gradients(network, inputs, np.zeros_like(inputs))
    ends = np.cumsum([matrix.size for matrix in expected])
    for layer, (matrix, part) in enumerate(zip(expected, np.split(found, ends[:-1]), strict=True)):
        norm = float(np.linalg.norm(matrix))
        deviation = np.nan_to_num(part.astype(np.float64) - matrix.ravel(), nan=0.0)
        if np.linalg.norm(deviation) > GRADIENT_TOLERANCE * norm:
            if not part.any():
                return f"passes no gradient on to {2 * layer}.weight"
            return (
                f"passes a gradient of norm {np.linalg.norm(part):.4g} on to {2 * layer}.weight where one of norm "
                f"{norm:.4g}, of the mean square of its outputs, was expected"
            )
    return None
