"""The homework's training loop for many seeds at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.reference.data import (
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
    """Train networks, from the given weights and zero biases, and return their final test losses.

    As the homework does: mean squared error, SGD with momentum (PyTorch's form: Sutskever et al. 2013 without
    dampening), batches from fresh permutations. In float32, as PyTorch.

    Args:
        weights: Per linear layer, shape (networks, fan_out, fan_in).
        seed: Of the batches.

    Returns:
        Test losses, shape (networks,); inf where training diverged.
    """
    count = len(weights[0])
    networks = _Networks(weights, BATCH_SIZE)
    batches = draw_batches(count, seed)
    x, y = TRAIN_X.astype(np.float32)[batches], TRAIN_Y.astype(np.float32)[batches]
    velocity = np.zeros_like(networks.parameters)
    with np.errstate(all="ignore"):  # what diverges shall
        for step in range(STEPS):
            networks.differentiate(x[:, step], y[:, step])
            velocity *= np.float32(MOMENTUM)
            velocity += networks.gradient
            np.multiply(velocity, np.float32(LEARNING_RATE), out=networks.gradient)
            networks.parameters -= networks.gradient
        outputs = networks.outputs(TEST_X)
        losses = np.mean((outputs - TEST_Y) ** 2, axis=1, dtype=np.float64)
    return np.where(np.isfinite(losses), losses, np.inf)


def draw_batches(count: int, seed: int) -> np.ndarray:
    """Indices of the training data, shape (networks, steps, batch): every epoch is a permutation of its own."""
    random = np.random.Generator(np.random.PCG64(seed))
    needed = STEPS * BATCH_SIZE
    epochs = -(-needed // TRAIN_N)
    order = random.permuted(np.broadcast_to(np.arange(TRAIN_N), (count, epochs, TRAIN_N)), axis=2)
    return order.reshape(count, -1)[:, :needed].reshape(count, STEPS, BATCH_SIZE)


class _Networks:
    """Many networks, trained in buffers that are allocated once.

    A layer's bias is the last column of its matrix, and the last row of its input is 1: one product does both.

    Attributes:
        parameters: Of all networks, flat.
        gradient: Of the loss, laid out as `parameters`.
    """

    def __init__(self, weights: Sequence[FloatArray], batch: int) -> None:
        count = len(weights[0])
        shapes = [(count, matrix.shape[1], matrix.shape[2] + 1) for matrix in weights]
        size = sum(int(np.prod(shape)) for shape in shapes)
        self.parameters = np.zeros(size, np.float32)
        self.gradient = np.zeros(size, np.float32)
        self._matrices = _views(self.parameters, shapes)
        self._gradients = _views(self.gradient, shapes)
        for matrix, given in zip(self._matrices, weights, strict=True):
            matrix[:, :, :-1] = given
        self._inputs = [np.ones((count, columns, batch), np.float32) for _, _, columns in shapes]
        self._zeros = np.zeros_like(self._inputs[1])
        self._deltas = [np.empty((count, rows, batch), np.float32) for _, rows, _ in shapes]

    def differentiate(self, x: FloatArray, y: FloatArray) -> None:
        """Put the gradient of the mean squared error on a batch into `gradient`; x and y of shape (networks, batch)."""
        self._inputs[0][:, 0] = x
        last = len(self._matrices) - 1
        for layer in range(last):
            into = self._inputs[layer + 1]
            np.matmul(self._matrices[layer], self._inputs[layer], out=into[:, :-1])
            np.maximum(into, self._zeros, out=into)  # four times as fast as on a part, or beside a number; 1 stays 1
        delta = np.matmul(self._matrices[last], self._inputs[last], out=self._deltas[last])
        delta -= y[:, None]
        delta *= np.float32(2 / y.shape[1])
        for layer in range(last, -1, -1):
            np.matmul(self._deltas[layer], self._inputs[layer].swapaxes(1, 2), out=self._gradients[layer])
            if layer:
                back, matrices = self._deltas[layer - 1], self._matrices[layer][:, :, :-1].swapaxes(1, 2)
                # For one output it is a product number by number, which `matmul` does slowly.
                (np.multiply if layer == last else np.matmul)(matrices, self._deltas[layer], out=back)
                back *= self._inputs[layer][:, :-1] > 0

    def outputs(self, x: FloatArray) -> FloatArray:
        """Outputs at the same points for all networks: x of shape (n,), result of shape (networks, n)."""
        count = len(self._matrices[0])
        activations: FloatArray = np.broadcast_to(x.astype(np.float32), (count, 1, len(x)))
        for layer, matrix in enumerate(self._matrices):
            activations = matrix[:, :, :-1] @ activations + matrix[:, :, -1:]
            if layer < len(self._matrices) - 1:
                activations = np.maximum(activations, 0)
        return activations[:, 0].astype(np.float64)


def _views(flat: FloatArray, shapes: Sequence[tuple[int, ...]]) -> list[FloatArray]:
    """Consecutive parts of a flat array, in these shapes."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]
