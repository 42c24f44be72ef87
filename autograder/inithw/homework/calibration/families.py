"""The initializations that the rulings speak of, and what each must get."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inithw.engine.records import FloatArray

Shape = tuple[int, int, int]
"""(layers, fan_out, fan_in)."""
Draw = Callable[[np.random.Generator, Shape], FloatArray]
"""Weights on a scale of their own, float32, of the shape given."""
Scale = Callable[[int, int], float]
"""The factor for a layer, from fan_in and fan_out."""

ITEMS = ("q3.draws", "q3.scale", "q3.gradients", "q3.training")
DRAWS, SCALE, GRADIENTS, TRAINING = ITEMS


@dataclass(frozen=True, slots=True)
class Family:
    """One way to initialize.

    Attributes:
        name: In words.
        source: What is drawn, a name in `SOURCES`.
        scale: What a drawn layer is multiplied by.
        full: Items that it must get; what is neither here nor lost is as measured.
        caught_by: Statistics, at least one for each item that it must lose.
    """

    name: str
    source: str
    scale: Scale
    full: tuple[str, ...] = ()
    caught_by: tuple[str, ...] = ()


# ---------------------------------------------------------------- what is drawn


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


SOURCES: dict[str, Draw] = {
    draw.__name__: draw
    for draw in (
        normal,
        uniform,
        truncated,
        orthogonal,
        positive,
        half_normal,
        ones,
        identity,
        equal_rows,
        sparse,
        seeded,
    )
}


# ---------------------------------------------------------------- rules for the scale


def _by(fan: Callable[[int, int], float], gain: float) -> Scale:
    return lambda fan_in, fan_out: gain / math.sqrt(fan(fan_in, fan_out))


def _constant(std: float) -> Scale:
    return lambda _fan_in, _fan_out: std


def _fan_in(fan_in: int, _fan_out: int) -> float:
    return fan_in


def _fan_out(_fan_in: int, fan_out: int) -> float:
    return fan_out


def _average(fan_in: int, fan_out: int) -> float:
    return (fan_in + fan_out) / 2


ROOT2, ROOT3 = math.sqrt(2), math.sqrt(3)
_FANS: dict[str, Callable[[int, int], float]] = {"in": _fan_in, "average": _average, "max": max}
_NAMES = {
    ("in", ROOT2): "He",
    ("in", 1.0): "LeCun",
    ("average", 1.0): "Xavier",
    ("average", ROOT2): "Xavier, gain √2,",
    ("max", 1.0): "gain 1, larger fan,",
    ("max", ROOT2): "gain √2, larger fan,",
}
RIGHT = (
    *(
        Family(f"{name} {source}", source, _by(_FANS[fan], gain), full=ITEMS)
        for (fan, gain), name in _NAMES.items()
        for source in ("normal", "uniform", "truncated")
    ),
    Family("PyTorch's default U(±1/√in)", "uniform", _by(_fan_in, 1 / ROOT3), full=ITEMS),
    Family("U(±√(2/in))", "uniform", _by(_fan_in, ROOT2 / ROOT3), full=ITEMS),
    Family("orthogonal", "orthogonal", _constant(1), full=ITEMS),
    Family("orthogonal, gain √2", "orthogonal", _constant(ROOT2), full=ITEMS),
)

_VANISHES = ("spread", "gradient_low", "training")
_EXPLODES = ("gradient_high", "training")
_BOTH = (("normal", "normal"), ("uniform", "uniform"))
WRONG = (
    *(
        Family(f"He fan_out {name}", source, _by(_fan_out, ROOT2), full=(DRAWS, SCALE), caught_by=("training",))
        for name, source in _BOTH
    ),
    *(
        Family(f"std {std:g} everywhere, {name}", source, _constant(std), full=(DRAWS,), caught_by=("spread",))
        for std in (0.1, 0.2, 0.3)
        for name, source in _BOTH
    ),
    Family("std √(2/20) everywhere", "normal", _constant(math.sqrt(2 / 20)), full=(DRAWS,), caught_by=("spread",)),
    *(
        Family(
            f"root missing, std 2/in, {name}",
            source,
            lambda i, _o: 2 / i,
            full=(DRAWS,),
            caught_by=("spread", "imbalance"),
        )
        for name, source in _BOTH
    ),
    Family("root missing, std 1/in", "normal", lambda i, _o: 1 / i, full=(DRAWS,), caught_by=("spread", "imbalance")),
    *(
        Family(
            f"root missing, std 2/(in+out), {name}",
            source,
            lambda i, o: 2 / (i + o),
            full=(DRAWS,),
            caught_by=("spread",),
        )
        for name, source in _BOTH
    ),
    Family("std 0.02 everywhere", "normal", _constant(0.02), full=(DRAWS,), caught_by=_VANISHES),
    Family("std 0.01 everywhere", "normal", _constant(0.01), full=(DRAWS,), caught_by=_VANISHES),
    Family("naive ±0.03", "uniform", _constant(0.03 / ROOT3), full=(DRAWS,), caught_by=_VANISHES),
    Family("std 1 everywhere", "normal", _constant(1), full=(DRAWS,), caught_by=("spread", *_EXPLODES)),
    Family("naive ±3", "uniform", _constant(ROOT3), full=(DRAWS,), caught_by=("spread", *_EXPLODES)),
    *(
        Family(
            f"gain 2, fan {fan}, {name}", source, _by(_FANS[fan], 2), full=(DRAWS,), caught_by=("gain_high", *_EXPLODES)
        )
        for fan in ("in", "average")
        for name, source in _BOTH
    ),
    *(
        Family(
            f"gain 5/3 (tanh), fan in, {name}",
            source,
            _by(_fan_in, 5 / 3),
            full=(DRAWS,),
            caught_by=("gain_high", *_EXPLODES),
        )
        for name, source in _BOTH
    ),
    *(
        Family(f"gain 1/4, fan in, {name}", source, _by(_fan_in, 1 / 4), full=(DRAWS,), caught_by=("gain_low",))
        for name, source in _BOTH
    ),
    Family(
        "fan inverted, std √(in/2)",
        "normal",
        lambda i, _o: math.sqrt(i / 2),
        full=(DRAWS,),
        caught_by=("spread", *_EXPLODES),
    ),
    *(
        Family(f"one-sided, {name}", source, scale, caught_by=("offset", "training"))
        for name, source, scale in (
            ("absolute He normal", "half_normal", _by(_fan_in, ROOT2)),
            ("U(0, √(6/in))", "positive", lambda i, _o: math.sqrt(6 / i)),
            ("U(0, 1/in)", "positive", lambda i, _o: 1 / i),
            ("U(0, 1)", "positive", _constant(1)),
            ("U(0, 0.1)", "positive", _constant(0.1)),
        )
    ),
    *(
        Family(name, "ones", scale, caught_by=("draw_correlation", "row_correlation", "training"))
        for name, scale in (
            ("ones", _constant(1)),
            ("all weights 0.1", _constant(0.1)),
            ("mean and std swapped: all weights √(2/in)", _by(_fan_in, ROOT2)),
        )
    ),
    Family("identity", "identity", _constant(1), caught_by=("draw_correlation", "training")),
    Family("all rows of a matrix equal", "equal_rows", _by(_fan_in, ROOT2), caught_by=("row_correlation",)),
    Family(
        "He normal, seed set inside", "seeded", _by(_fan_in, ROOT2), caught_by=("draw_correlation", "layer_correlation")
    ),
    Family("sparse_, std 0.01", "sparse", _constant(0.01), caught_by=("gradient_low",)),
    Family("sparse_, std √(2/in)", "sparse", _by(_fan_in, ROOT2), caught_by=("gradient_low",)),
)
FAMILIES = (*RIGHT, *WRONG)


def draw_layers(family: Family, random: np.random.Generator, count: int, fan_in: int, fan_out: int) -> FloatArray:
    """Initialize `count` layers, shape (count, fan_out, fan_in)."""
    return SOURCES[family.source](random, (count, fan_out, fan_in)) * np.float32(family.scale(fan_in, fan_out))
