"""Forward pass and gradients of a fully connected ReLU network, in float64."""

from __future__ import annotations

import numpy as np

from inithw.records import FloatArray, Network
from inithw.reference.data import WIDTHS

__all__ = ["WIDTHS", "forward", "gradients"]


def forward(network: Network, x: FloatArray) -> FloatArray:
    """Outputs of the network; x and result have shape (n,)."""
    return _activations(network, x)[-1][:, 0]


def gradients(network: Network, x: FloatArray, y: FloatArray) -> list[FloatArray]:
    """Gradients of the mean squared error over (x, y) with respect to each weight matrix, shaped as it is.

    Backpropagation: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", 1986.
    """
    activations = _activations(network, x)
    delta = 2.0 * (activations[-1] - y[:, None].astype(np.float64)) / len(x)
    result = []
    for layer in reversed(range(len(network.weights))):
        result.append(delta.T @ activations[layer])
        delta = (delta @ network.weights[layer].astype(np.float64)) * (activations[layer] > 0)
    return result[::-1]


def _activations(network: Network, x: FloatArray) -> list[FloatArray]:
    """Inputs of every linear layer and, last, the network's output; shape (n, fan) each."""
    activations = [x[:, None].astype(np.float64)]
    last = len(network.weights) - 1
    for layer, (weights, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        preactivations = activations[-1] @ weights.T.astype(np.float64) + bias
        activations.append(preactivations if layer == last else np.maximum(preactivations, 0.0))
    return activations
