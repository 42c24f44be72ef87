"""Measures each family: statistics of blocks, gradient norms and training, in tasks that run on every core."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.calibration.families import DRAWS, FAMILIES, GRADIENTS, SCALE, SOURCES, Family, draw_layers
from inithw.homework.reference.initialization import (
    BLOCKS,
    HOMEWORK_LAYERS,
    NETWORKS,
    SHAPES,
    block_statistics,
    fit_scale,
)
from inithw.homework.reference.network import initial_gradient_norms
from inithw.homework.reference.training import train

SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Statistic:
    """A quantity that has a threshold.

    Attributes:
        item: The rubric item that it decides.
        votes: How many values of it one submission gives.
        large: Whether large values, rather than small ones, speak against the claim.
        what: For the reader of a figure or a table.
    """

    item: str
    votes: int
    large: bool
    what: str


STATISTICS = {
    "offset": Statistic(DRAWS, BLOCKS, True, "mean of the weights, in standard deviations"),
    "row_correlation": Statistic(DRAWS, BLOCKS, True, "correlation of rows or columns"),
    "layer_correlation": Statistic(DRAWS, BLOCKS, True, "correlation of layers"),
    "draw_correlation": Statistic(DRAWS, BLOCKS, True, "correlation of networks"),
    "spread": Statistic(SCALE, BLOCKS, True, "spread of std · √fan over layer shapes"),
    "gain_low": Statistic(SCALE, BLOCKS, False, "gain, std · √fan (lower bound)"),
    "gain_high": Statistic(SCALE, BLOCKS, True, "gain, std · √fan (upper bound)"),
    "gradient_low": Statistic(GRADIENTS, NETWORKS, False, "smallest gradient norm of a network"),
    "gradient_high": Statistic(GRADIENTS, NETWORKS, True, "largest gradient norm of a network"),
    "imbalance": Statistic(GRADIENTS, NETWORKS, True, "largest over smallest gradient norm"),
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much to measure.

    Attributes:
        blocks: Blocks of weights, for each source.
        networks: Networks whose gradients are computed, for each family.
        runs: Networks trained, for each family.
    """

    blocks: int = 10_000
    networks: int = 10_000
    runs: int = 2_048


Values = dict[str, FloatArray]
"""Values of each statistic, and of `loss`, of one family."""


def measure(sizes: Sizes, jobs: int, on_done: Callable[[int, int], None]) -> dict[str, Values]:
    """Measure all families; the result does not depend on `jobs`.

    Args:
        sizes: How much.
        jobs: Processes.
        on_done: Called with the number of tasks done and of all tasks.
    """
    with ProcessPoolExecutor(jobs, initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            tasks = {pool.submit(*task[1:]): task[0] for task in _tasks(sizes)}
            for done, _ in enumerate(as_completed(tasks), start=1):
                on_done(done, len(tasks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    parts: dict[tuple[str, str], list[Values]] = {}
    for future, place in tasks.items():
        parts.setdefault(place, []).append(future.result())
    joined = {place: _joined(values) for place, values in parts.items()}
    return {
        family.name: {
            **_of_family(family, joined["blocks", family.source]),
            **joined["gradients", family.name],
            **joined["training", family.name],
        }
        for family in FAMILIES
    }


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _tasks(sizes: Sizes) -> Iterator[tuple]:
    """What belongs to which place, and the call that measures it."""
    for number, family in enumerate(FAMILIES):
        for part in _parts(sizes.runs, 256):
            yield ("training", family.name), _training, number, *part
        for part in _parts(sizes.networks, 10_000):
            yield ("gradients", family.name), _gradients, number, *part
    for number, source in enumerate(SOURCES):
        for part in _parts(sizes.blocks, 500):
            yield ("blocks", source), _blocks, number, *part


def _parts(total: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, count) of each part."""
    for start in range(0, total, size):
        yield start, min(size, total - start)


def _random(kind: int, number: int, start: int) -> np.random.Generator:
    return np.random.default_rng([SEED, kind, number, start])


def _blocks(number: int, start: int, count: int) -> Values:
    draw = list(SOURCES.values())[number]
    random = _random(0, number, start)
    parts = []
    for _, some in _parts(count, 5):  # so few at once stay in the cache
        samples = []
        for index, (fan_in, fan_out) in enumerate(SHAPES):
            draws = NETWORKS // BLOCKS if index < HOMEWORK_LAYERS else 1
            samples.append(draw(random, (some * draws, fan_out, fan_in)).reshape(some, draws, fan_out, fan_in))
        found = block_statistics(samples)
        parts.append(
            {
                "offset": found.offset,
                "row_correlation": found.row_correlation,
                "layer_correlation": found.layer_correlation,
                "draw_correlation": found.draw_correlation,
                "stds": found.stds,
            }
        )
    return _joined(parts)


def _of_family(family: Family, of_source: Values) -> Values:
    """The block statistics of a family: its source's, and the law that its standard deviations follow."""
    values = dict(of_source)
    scales = np.array([family.scale(fan_in, fan_out) for fan_in, fan_out in SHAPES])
    with np.errstate(divide="ignore", invalid="ignore"):
        law = fit_scale(values.pop("stds") * scales)
    return {**values, "spread": law.spread, "gain_low": law.factor, "gain_high": law.factor}


def _networks(family: Family, random: np.random.Generator, count: int) -> list[FloatArray]:
    return [draw_layers(family, random, count, fan_in, fan_out) for fan_in, fan_out in SHAPES[:HOMEWORK_LAYERS]]


def _gradients(number: int, start: int, count: int) -> Values:
    norms = initial_gradient_norms(_networks(FAMILIES[number], _random(1, number, start), count))
    smallest, largest = norms.min(axis=1), norms.max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"gradient_low": smallest, "gradient_high": largest, "imbalance": largest / smallest}


def _training(number: int, start: int, count: int) -> Values:
    random = _random(2, number, start)
    networks = _networks(FAMILIES[number], random, count)
    losses = [
        train([matrices[first : first + some] for matrices in networks], seed=int(random.integers(2**31)))
        for first, some in _parts(count, 64)
    ]
    return {"loss": np.concatenate(losses)}


def _joined(parts: list[Values]) -> Values:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
