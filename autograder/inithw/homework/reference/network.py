"""Forward pass and gradients of a fully connected ReLU network, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.records import Network
from inithw.homework.reference.data import TRAIN_X, TRAIN_Y, WIDTHS

__all__ = ["WIDTHS", "all_gradients", "forward", "gradients", "initial_gradient_norms"]


def forward(network: Network, x: FloatArray) -> FloatArray:
    """Outputs of the network; x and result have shape (n,)."""
    return _activations(network, x)[-1][:, 0]


def gradients(network: Network, x: FloatArray, y: FloatArray) -> list[FloatArray]:
    """Gradients of the mean squared error over (x, y) with respect to each weight matrix, shaped as it is."""
    return all_gradients(network, x, y)[::2]


def all_gradients(network: Network, x: FloatArray, y: FloatArray) -> list[FloatArray]:
    """The same with respect to the weights and the biases of each layer in turn.

    Backpropagation: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", 1986.
    """
    activations = _activations(network, x)
    delta = 2.0 * (activations[-1] - y[:, None].astype(np.float64)) / len(x)
    result: list[FloatArray] = []
    for layer in reversed(range(len(network.weights))):
        result += [delta.sum(axis=0), delta.T @ activations[layer]]
        delta = (delta @ network.weights[layer].astype(np.float64)) * (activations[layer] > 0)
    return result[::-1]


def _activations(network: Network, x: FloatArray) -> list[FloatArray]:
    """Inputs of every linear layer and, last, the network's output; shape (n, fan) each."""
    activations: list[FloatArray] = [x[:, None].astype(np.float64)]
    last = len(network.weights) - 1
    for layer, (weights, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        preactivations = activations[-1] @ weights.T.astype(np.float64) + bias
        activations.append(preactivations if layer == last else np.maximum(preactivations, 0.0))
    return activations


def initial_gradient_norms(
    weights: Sequence[FloatArray], x: FloatArray = TRAIN_X, y: FloatArray = TRAIN_Y
) -> FloatArray:
    """Gradient norms of many networks whose biases are zero, exactly, from two inputs each.

    Without biases, each layer's input at x is |x| times that at sign(x), and errors flow back alike on either side.
    So the sum over the data collects into one factor for x = 1 and one for x = -1.

    Args:
        weights: Per linear layer, shape (networks, fan_out, fan_in).
        x: Inputs, shape (n,).
        y: Targets, shape (n,).

    Returns:
        Frobenius norms, shape (networks, layers).
    """
    sides = np.array([1.0, -1.0])
    on_side = x * sides[:, None] > 0
    squares, products = on_side @ x**2, on_side @ (np.abs(x) * y)
    matrices = [matrix.astype(np.float64) for matrix in weights]
    with np.errstate(over="ignore", invalid="ignore"):  # exploding networks are what this is to show
        inputs = [np.broadcast_to(sides, (len(matrices[0]), 1, 2))]  # (networks, fan, sides)
        for matrix in matrices[:-1]:
            inputs.append(np.maximum(matrix @ inputs[-1], 0))
        delta = 2.0 * (matrices[-1] @ inputs[-1] * squares - products) / len(x)
        norms = []
        for matrix, arriving in zip(reversed(matrices), reversed(inputs), strict=True):
            norms.append(np.linalg.norm(delta @ arriving.swapaxes(1, 2), axis=(1, 2)))
            delta = (matrix.swapaxes(1, 2) @ delta) * (arriving > 0)
    return np.stack(norms[::-1], axis=1)
