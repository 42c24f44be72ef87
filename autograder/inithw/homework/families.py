"""The initializations that the rulings speak of, one line each, and what each must get: policy, for staff to edit."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.drawing import (
    Draw,
    added_to_the_old,
    equal_rows,
    fixed_sizes,
    from_a_bank,
    half_normal,
    half_rank,
    identity,
    in_pairs,
    in_twos,
    low_rank,
    normal,
    one_row_in_other_orders,
    ones,
    orthogonal,
    positive,
    rank_one,
    rows_from_a_list,
    seeded,
    shuffled_grid,
    sparse,
    toeplitz_with_sizes,
    truncated,
    two_rows,
    uniform,
)
from inithw.homework.reference.data import WIDTHS
from inithw.homework.statistics import ITEMS, STATISTICS, TRAINING

Scale = Callable[[FloatArray, FloatArray], FloatArray]
"""The factors for layers, from arrays of fan_in and fan_out."""


@dataclass(frozen=True)
class Family:
    """One way to initialize.

    Attributes:
        name: In words.
        draw: What is drawn.
        scale: What a drawn layer is multiplied by.
        full: Items that it must get, as words (`draws scale`); what is neither here nor lost is as measured.
        caught_by: Statistics, as words, at least one for each item that it must lose; `training` for q3.training.

    Raises:
        ValueError: There is no such item or statistic.
    """

    name: str
    draw: Draw
    scale: Scale
    full: str = ""
    caught_by: str = ""

    def __post_init__(self) -> None:
        known = {*STATISTICS, "training"}
        if unknown := [word for word in self.caught_by.split() if word not in known]:
            raise ValueError(f"family {self.name!r}: no statistic is called {', '.join(unknown)}")
        if unknown := [word for word in self.full.split() if f"q3.{word}" not in ITEMS]:
            raise ValueError(f"family {self.name!r}: no item is called {', '.join(unknown)}")
        if twice := [item for item in ITEMS if self.must_get(item) and self.must_lose(item)]:
            raise ValueError(f"family {self.name!r} must both get and lose {', '.join(twice)}")

    def must_get(self, item: str) -> bool:
        """Whether it must get this item, `q3.draws`."""
        return item.removeprefix("q3.") in self.full.split()

    def must_lose(self, item: str) -> bool:
        """Whether it must lose this item."""
        return any(
            item == (TRAINING if name == "training" else STATISTICS[name].item) for name in self.caught_by.split()
        )

    def caught(self, name: str) -> bool:
        """Whether the statistic `name`, or `training`, must catch it."""
        return name in self.caught_by.split()


def by_in(gain: float) -> Scale:
    """gain / √fan_in."""
    return lambda i, o: gain / np.sqrt(i)


def by_out(gain: float) -> Scale:
    """gain / √fan_out."""
    return lambda i, o: gain / np.sqrt(o)


def average(gain: float) -> Scale:
    """gain / √((fan_in + fan_out) / 2)."""
    return lambda i, o: gain / np.sqrt((i + o) / 2)


def larger(gain: float) -> Scale:
    """gain / √max(fan_in, fan_out)."""
    return lambda i, o: gain / np.sqrt(np.maximum(i, o))


def std(value: float) -> Scale:
    """The same for every layer."""
    return lambda i, o: value + 0 * i


def power(exponent: float) -> Scale:
    """He's scale for the homework's width, and falling with another power of fan_in."""
    return lambda i, o: np.sqrt(2 / WIDTHS[1]) * (WIDTHS[1] / i) ** exponent


def two_constants(narrow: float, wide: float) -> Scale:
    """One for layers as wide as the homework's at most, another for wider ones."""
    return lambda i, o: np.where(np.maximum(i, o) <= WIDTHS[1], narrow, wide)


def in_steps(base: float) -> Scale:
    """He's scale for a fan_in rounded to a power: a table."""
    return lambda i, o: np.sqrt(2 / base ** np.round(np.log(i) / np.log(base)))


ROOT2, ROOT3 = math.sqrt(2), math.sqrt(3)
REPEATS = "draw_correlation row_correlation training"
ALL = "draws scale gradients training"
VANISHES = "spread gradient_low training"
EXPLODES = "gradient_high training"

# fmt: off
FAMILIES = (
    # name, draw, scale, full, caught by
    # ------------------------------------------------ right
    Family("He normal", normal, by_in(ROOT2), ALL),
    Family("He uniform", uniform, by_in(ROOT2), ALL),
    Family("He truncated", truncated, by_in(ROOT2), ALL),
    Family("LeCun normal", normal, by_in(1), ALL),
    Family("LeCun uniform", uniform, by_in(1), ALL),
    Family("LeCun truncated", truncated, by_in(1), ALL),
    Family("Xavier normal", normal, average(1), ALL),
    Family("Xavier uniform", uniform, average(1), ALL),
    Family("Xavier truncated", truncated, average(1), ALL),
    Family("Xavier, gain √2, normal", normal, average(ROOT2), ALL),
    Family("Xavier, gain √2, uniform", uniform, average(ROOT2), ALL),
    Family("Xavier, gain √2, truncated", truncated, average(ROOT2), ALL),
    Family("gain 1, larger fan, normal", normal, larger(1), ALL),
    Family("gain 1, larger fan, uniform", uniform, larger(1), ALL),
    Family("gain 1, larger fan, truncated", truncated, larger(1), ALL),
    Family("gain √2, larger fan, normal", normal, larger(ROOT2), ALL),
    Family("gain √2, larger fan, uniform", uniform, larger(ROOT2), ALL),
    Family("gain √2, larger fan, truncated", truncated, larger(ROOT2), ALL),
    Family("PyTorch's default U(±1/√in)", uniform, by_in(1 / ROOT3), ALL),
    Family("U(±√(2/in))", uniform, by_in(ROOT2 / ROOT3), ALL),
    Family("orthogonal", orthogonal, std(1), ALL),
    Family("orthogonal, gain √2", orthogonal, std(ROOT2), ALL),
    Family("He, output layer on LeCun's scale", normal, lambda i, o: np.sqrt(np.where(o == 1, 1, 2) / i), ALL),
    Family("He, rows in ± pairs", in_pairs, by_in(ROOT2), ALL),
    Family("Xavier, shuffled even grid", shuffled_grid, average(1), ALL),
    # ------------------------------------------------ wrong scales
    Family("He fan_out normal", normal, by_out(ROOT2), "draws scale", "training"),
    Family("He fan_out uniform", uniform, by_out(ROOT2), "draws scale", "training"),
    Family("std 0.1 everywhere, normal", normal, std(0.1), "draws", "spread"),
    Family("std 0.1 everywhere, uniform", uniform, std(0.1), "draws", "spread"),
    Family("std 0.2 everywhere, normal", normal, std(0.2), "draws", "spread"),
    Family("std 0.2 everywhere, uniform", uniform, std(0.2), "draws", "spread"),
    Family("std 0.3 everywhere, normal", normal, std(0.3), "draws", "spread"),
    Family("std 0.3 everywhere, uniform", uniform, std(0.3), "draws", "spread"),
    Family(f"std √(2/{WIDTHS[1]}) everywhere", normal, std(math.sqrt(2 / WIDTHS[1])), "draws", "spread"),
    Family("root missing, std 2/in, normal", normal, lambda i, o: 2 / i, "draws", "spread imbalance"),
    Family("root missing, std 2/in, uniform", uniform, lambda i, o: 2 / i, "draws", "spread imbalance"),
    Family("root missing, std 1/in", normal, lambda i, o: 1 / i, "draws", "spread imbalance"),
    Family("root missing, std 2/(in+out), normal", normal, lambda i, o: 2 / (i + o), "draws", "spread"),
    Family("root missing, std 2/(in+out), uniform", uniform, lambda i, o: 2 / (i + o), "draws", "spread"),
    Family("std 0.02 everywhere", normal, std(0.02), "draws", VANISHES),
    Family("std 0.01 everywhere", normal, std(0.01), "draws", VANISHES),
    Family("naive ±0.03", uniform, std(0.03 / ROOT3), "draws", VANISHES),
    Family("std 1 everywhere", normal, std(1), "draws", f"spread {EXPLODES}"),
    Family("naive ±3", uniform, std(ROOT3), "draws", f"spread {EXPLODES}"),
    Family("gain 2, fan in, normal", normal, by_in(2), "draws", f"gain_high {EXPLODES}"),
    Family("gain 2, fan in, uniform", uniform, by_in(2), "draws", f"gain_high {EXPLODES}"),
    Family("gain 2, fan average, normal", normal, average(2), "draws", f"gain_high {EXPLODES}"),
    Family("gain 2, fan average, uniform", uniform, average(2), "draws", f"gain_high {EXPLODES}"),
    Family("gain 5/3 (tanh), fan in, normal", normal, by_in(5 / 3), "draws", f"gain_high {EXPLODES}"),
    Family("gain 5/3 (tanh), fan in, uniform", uniform, by_in(5 / 3), "draws", f"gain_high {EXPLODES}"),
    Family("gain 1/4, fan in, normal", normal, by_in(1 / 4), "draws", "gain_low"),
    Family("gain 1/4, fan in, uniform", uniform, by_in(1 / 4), "draws", "gain_low"),
    Family("fan inverted, std √(in/2)", normal, lambda i, o: np.sqrt(i / 2), "draws", f"spread {EXPLODES}"),
    Family("cube root of the fan", normal, power(1 / 3), "draws", "exponent"),
    Family("fourth root of the fan", normal, power(1 / 4), "draws", "exponent"),
    Family("fan to the power -0.4", normal, power(0.4), "draws", "exponent"),
    Family("fan to the power -0.6", uniform, power(0.6), "draws", "exponent"),
    Family(f"0.25 up to {WIDTHS[1]} units, else 0.08", normal, two_constants(0.25, 0.08), "draws", "bend"),
    Family("He, at least 0.1", normal, lambda i, o: np.maximum(np.sqrt(2 / i), 0.1), "draws", "bend"),
    Family("He, at most 0.25", normal, lambda i, o: np.minimum(np.sqrt(2 / i), 0.25), "draws", "bend spread"),
    Family("He, at most 0.5", normal, lambda i, o: np.minimum(np.sqrt(2 / i), 0.5), "draws", "spread"),
    Family("He, at most 0.8", normal, lambda i, o: np.minimum(np.sqrt(2 / i), 0.8), "draws", "spread"),
    Family("He, fan rounded to a power of 4", normal, in_steps(4), "draws", "bend"),
    Family("He, fan rounded to a power of 2", normal, in_steps(2), "draws", "bend"),
    # ------------------------------------------------ wrong draws
    Family("one-sided, absolute He normal", half_normal, by_in(ROOT2), "", "offset training"),
    Family("one-sided, U(0, √(6/in))", positive, by_in(math.sqrt(6)), "", "offset training"),
    Family("one-sided, U(0, 1/in)", positive, lambda i, o: 1 / i, "", "offset training"),
    Family("one-sided, U(0, 1)", positive, std(1), "", "offset training"),
    Family("one-sided, U(0, 0.1)", positive, std(0.1), "", "offset training"),
    Family("ones", ones, std(1), "", REPEATS),
    Family("all weights 0.1", ones, std(0.1), "", REPEATS),
    Family("mean and std swapped: all weights √(2/in)", ones, by_in(ROOT2), "", REPEATS),
    Family("identity", identity, std(1), "", "draw_correlation training"),
    Family("all rows of a matrix equal", equal_rows, by_in(ROOT2), "", "row_correlation"),
    Family("He, every row twice", in_twos, by_in(ROOT2), "", "likeness"),
    Family("He, every row one of two", two_rows, by_in(ROOT2), "", "coherence"),
    Family("He, rank one", rank_one, by_in(ROOT2), "", "coherence"),
    Family("He, rank a third of the width", low_rank, by_in(ROOT2), "", "coherence"),
    Family("He, rank half the width", half_rank, by_in(ROOT2), "", "coherence"),
    Family("He, Toeplitz times sizes of rows and columns", toeplitz_with_sizes, by_in(ROOT2), "", "coherence"),
    Family("He, rows from a list of forty", rows_from_a_list, by_in(ROOT2), "", "distinct"),
    Family("He, one row in other orders", one_row_in_other_orders, by_in(ROOT2), "", "distinct"),
    Family("He, fixed absolute values", fixed_sizes, by_in(ROOT2), "", "draw_correlation"),
    Family("He, from a bank of 64 networks", from_a_bank, by_in(ROOT2), "", "novelty"),
    Family("He, added to the old weights", added_to_the_old, by_in(ROOT2), "", "remains"),
    Family("He normal, seed set inside", seeded, by_in(ROOT2), "", "draw_correlation layer_correlation"),
    Family("sparse_, std 0.01", sparse, std(0.01), "", "gradient_low"),
    Family("sparse_, std √(2/in)", sparse, by_in(ROOT2), "", "gradient_low"),
)
# fmt: on
SOURCES: dict[str, Draw] = {family.draw.__name__: family.draw for family in FAMILIES}
"""Everything that is drawn, by name, once each."""


def draw_layers(family: Family, random: np.random.Generator, count: int, fan_in: int, fan_out: int) -> FloatArray:
    """Initialize `count` layers, shape (count, fan_out, fan_in)."""
    (scale,) = family.scale(np.array([float(fan_in)]), np.array([float(fan_out)]))
    return family.draw(random, (count, fan_out, fan_in)) * np.float32(scale)


def fingerprint() -> str:
    """What thresholds depend on: changes with any row."""
    rows = [(f.name, f.draw.__name__, scales(f), f.full, f.caught_by) for f in FAMILIES]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def scales(family: Family) -> list[str]:
    """What a family's rule gives for some shapes: tells rules apart."""
    i, o = np.meshgrid([1.0, 7.0, 20.0, 60.0, 300.0], [1.0, 7.0, 20.0, 60.0, 300.0])
    return [f"{value:.6g}" for value in np.ravel(family.scale(i, o))]
