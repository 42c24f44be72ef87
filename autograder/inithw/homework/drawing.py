"""What initializations draw, before a rule scales it: each function fills many layers of one shape at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from inithw.engine.records import FloatArray

Shape = tuple[int, int, int]
"""(layers, fan_out, fan_in)."""
Draw = Callable[[np.random.Generator, Shape], FloatArray]
"""Weights on a scale of their own, float32, of the shape given."""


def normal(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Standard normal."""
    return random.standard_normal(shape, dtype=np.float32)


def uniform(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Uniform with standard deviation 1."""
    return (random.random(shape, dtype=np.float32) * 2 - 1) * np.float32(math.sqrt(3))


def truncated(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Standard normal, cut off at two standard deviations (and not scaled back: 0.88 of them remain)."""
    values = normal(random, shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = random.standard_normal(int(outside.sum()), dtype=np.float32)
    return values


def orthogonal(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Orthonormal rows or columns, uniformly distributed: Saxe, McClelland, Ganguli 2014."""
    layers, fan_out, fan_in = shape
    tall = random.standard_normal((layers, max(fan_out, fan_in), min(fan_out, fan_in)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return np.asarray(q if fan_out >= fan_in else q.swapaxes(1, 2), dtype=np.float32)


def positive(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Uniform between 0 and 1."""
    return random.random(shape, dtype=np.float32)


def half_normal(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Absolute values of standard normal numbers."""
    return np.abs(normal(random, shape))


def ones(_random: np.random.Generator, shape: Shape) -> FloatArray:
    """One number everywhere."""
    return np.ones(shape, np.float32)


def identity(_random: np.random.Generator, shape: Shape) -> FloatArray:
    """Ones on the diagonal."""
    return np.broadcast_to(np.eye(*shape[1:], dtype=np.float32), shape)


def equal_rows(random: np.random.Generator, shape: Shape) -> FloatArray:
    """One row, standard normal, for all units of a layer."""
    layers, fan_out, fan_in = shape
    return np.repeat(normal(random, (layers, 1, fan_in)), fan_out, axis=1)


def sparse(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Standard normal with a tenth of each column, rounded up, set to zero: Martens 2010, as torch does it."""
    values, rows = normal(random, shape), shape[1]
    order = random.permuted(np.broadcast_to(np.arange(rows)[:, None], shape), axis=1)
    np.put_along_axis(values, order[:, : math.ceil(rows / 10)], 0, axis=1)
    return values


def seeded(_random: np.random.Generator, shape: Shape) -> FloatArray:
    """Standard normal, from one seed set at every call."""
    return np.broadcast_to(normal(np.random.default_rng(0), (1, *shape[1:])), shape)
