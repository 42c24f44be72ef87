"""The homework's training loop for many seeds at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inithw.records import FloatArray
from inithw.reference.data import (
    BATCH_SIZE,
    LEARNING_RATE,
    MOMENTUM,
    STEPS,
    TEST_X,
    TEST_Y,
    TRAIN_N,
    TRAIN_X,
    TRAIN_Y,
)


def train(weights: Sequence[FloatArray], seed: int) -> FloatArray:
    """Train one network per seed, from the given weights and zero biases, and return their final test losses.

    As the homework does: mean squared error, SGD with momentum (PyTorch's form: Sutskever et al. 2013 without
    dampening), batches from fresh permutations. In float32, as PyTorch; all seeds in one batched product.

    Args:
        weights: Per linear layer, shape (seeds, fan_out, fan_in).
        seed: Of the batches.

    Returns:
        Test losses, shape (seeds,); inf where training diverged.
    """
    count = len(weights[0])
    layers = len(weights)
    parameters = [matrix.astype(np.float32).copy() for matrix in weights]
    parameters += [np.zeros((count, matrix.shape[1], 1), np.float32) for matrix in weights]
    velocities = [np.zeros_like(parameter) for parameter in parameters]
    batches = _batches(count, seed)
    x, y = TRAIN_X.astype(np.float32), TRAIN_Y.astype(np.float32)
    with np.errstate(all="ignore"):
        for step in range(STEPS):
            index = batches[:, step]
            gradients = _gradients(parameters, layers, x[index], y[index])
            for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
                velocity *= np.float32(MOMENTUM)
                velocity += gradient
                parameter -= np.float32(LEARNING_RATE) * velocity
        test_x = np.broadcast_to(TEST_X.astype(np.float32), (count, len(TEST_X)))
        predictions = _forward(parameters, layers, test_x)[-1][:, 0]
        losses = np.mean((predictions.astype(np.float64) - TEST_Y) ** 2, axis=1)
    return np.where(np.isfinite(losses), losses, np.inf)


def _batches(count: int, seed: int) -> np.ndarray:
    """Indices of the training data, shape (seeds, steps, batch)."""
    random = np.random.Generator(np.random.PCG64(seed))
    needed = STEPS * BATCH_SIZE
    epochs = -(-needed // TRAIN_N)
    order = random.permuted(np.broadcast_to(np.arange(TRAIN_N), (count, epochs, TRAIN_N)), axis=2)
    return order.reshape(count, -1)[:, :needed].reshape(count, STEPS, BATCH_SIZE)


def _forward(parameters: list[FloatArray], layers: int, x: FloatArray) -> list[FloatArray]:
    activations = [x[:, None, :]]  # (seeds, fan, batch)
    for layer in range(layers):
        preactivations = parameters[layer] @ activations[-1] + parameters[layers + layer]
        activations.append(preactivations if layer == layers - 1 else np.maximum(preactivations, 0))
    return activations


def _gradients(parameters: list[FloatArray], layers: int, x: FloatArray, y: FloatArray) -> list[FloatArray]:
    activations = _forward(parameters, layers, x)
    delta = (activations[-1] - y[:, None, :]) * np.float32(2 / y.shape[1])
    weights: list[FloatArray] = []
    biases: list[FloatArray] = []
    for layer in reversed(range(layers)):
        weights.append(delta @ activations[layer].swapaxes(1, 2))
        biases.append(delta.sum(axis=2, keepdims=True))
        if layer:
            delta = (parameters[layer].swapaxes(1, 2) @ delta) * (activations[layer] > 0)
    return weights[::-1] + biases[::-1]
