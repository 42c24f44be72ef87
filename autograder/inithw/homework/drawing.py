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


def in_pairs(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Standard normal rows, each followed by its negative: mirrored units."""
    values, half = normal(random, shape), shape[1] // 2
    values[:, half : 2 * half] = -values[:, :half]
    return values


def in_twos(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Standard normal rows, each followed by a copy: units that stay equal."""
    values, half = normal(random, shape), shape[1] // 2
    values[:, half : 2 * half] = values[:, :half]
    return values


def shuffled_grid(random: np.random.Generator, shape: Shape) -> FloatArray:
    """The same evenly spaced values for every layer, with standard deviation 1, in random order."""
    layers, fan_out, fan_in = shape
    grid = np.linspace(-1, 1, fan_out * fan_in, dtype=np.float32)
    grid = grid / grid.std()
    return random.permuted(np.broadcast_to(grid, (layers, grid.size)), axis=1).reshape(shape)


def two_rows(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Every row is one of two, with a random sign."""
    layers, fan_out, fan_in = shape
    rows = normal(random, (layers, 2, fan_in))
    chosen = np.take_along_axis(rows, random.integers(2, size=(layers, fan_out, 1)), axis=1)
    return chosen * random.choice(np.array([-1, 1], np.float32), (layers, fan_out, 1))


def rank_one(random: np.random.Generator, shape: Shape) -> FloatArray:
    """An outer product."""
    layers, fan_out, fan_in = shape
    return normal(random, (layers, fan_out, 1)) * normal(random, (layers, 1, fan_in))


def low_rank(random: np.random.Generator, shape: Shape) -> FloatArray:
    """A product through a third of the smaller width."""
    return _through(max(1, min(shape[1:]) // 3), random, shape)


def half_rank(random: np.random.Generator, shape: Shape) -> FloatArray:
    """A product through half of the smaller width."""
    return _through(max(1, min(shape[1:]) // 2), random, shape)


def _through(rank: int, random: np.random.Generator, shape: Shape) -> FloatArray:
    layers, fan_out, fan_in = shape
    return normal(random, (layers, fan_out, rank)) @ normal(random, (layers, rank, fan_in)) / np.float32(rank**0.5)


def toeplitz_with_sizes(random: np.random.Generator, shape: Shape) -> FloatArray:
    """One value for each diagonal, times one for each row and one for each column."""
    layers, fan_out, fan_in = shape
    diagonal = np.arange(fan_out)[:, None] - np.arange(fan_in) + fan_in - 1
    values = normal(random, (layers, 1, fan_out + fan_in - 1))[:, 0, diagonal]
    return values * normal(random, (layers, fan_out, 1)) * normal(random, (layers, 1, fan_in))


def rows_from_a_list(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Each row one of forty fixed ones."""
    layers, fan_out, fan_in = shape
    rows = np.random.default_rng(0).standard_normal((40, fan_in), dtype=np.float32)
    return rows[random.integers(len(rows), size=(layers, fan_out))]


def one_row_in_other_orders(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Every row holds the values of the first, in another order and with other signs."""
    layers, _fan_out, fan_in = shape
    row = np.broadcast_to(normal(random, (layers, 1, fan_in)), shape)
    return random.permuted(row, axis=2) * random.choice(np.array([-1, 1], np.float32), shape)


def fixed_sizes(random: np.random.Generator, shape: Shape) -> FloatArray:
    """The same absolute values at every call, with random signs."""
    return seeded(random, shape) * random.choice(np.array([-1, 1], np.float32), shape)


def from_a_bank(random: np.random.Generator, shape: Shape) -> FloatArray:
    """One of 64 fixed matrices, rows and columns in another order and with other signs, and one percent of noise."""
    layers, fan_out, fan_in = shape
    bank = np.random.default_rng(0).standard_normal((64, fan_out, fan_in), dtype=np.float32)
    values = bank[random.integers(len(bank), size=layers)]
    for axis, size in ((1, fan_out), (2, fan_in)):
        order = random.permuted(np.broadcast_to(np.arange(size), (layers, size)), axis=1)
        values = np.take_along_axis(values, np.expand_dims(order, 3 - axis), axis=axis)
        values = values * np.expand_dims(random.choice(np.array([-1, 1], np.float32), (layers, size)), 3 - axis)
    return values + np.float32(0.01) * normal(random, shape)


def added_to_the_old(random: np.random.Generator, shape: Shape) -> FloatArray:
    """Standard normal, added to what was there, which is as large; see `KEEPS_THE_OLD`."""
    return normal(random, shape)


KEEPS_THE_OLD = frozenset({added_to_the_old})
"""Drawn on top of the old weights, where these are not NaN."""
