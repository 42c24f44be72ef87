"""Measures each family: statistics of blocks, gradient norms and training, in tasks that run on every core."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from inithw.engine.files import replace_file
from inithw.engine.records import FloatArray
from inithw.homework import asked, drawing
from inithw.homework.asked import BLOCKS, HOMEWORK_SHAPES, NETWORKS, SAME_SHAPE, draw_layers_of_a_block
from inithw.homework.calibration.goodness import LOSSES, below, choose_good_loss
from inithw.homework.families import FAMILIES, SOURCES, Family, draw_layers, scales
from inithw.homework.reference import data, initialization, network, training
from inithw.homework.reference.data import WIDTHS
from inithw.homework.reference.initialization import (
    BlockStatistics,
    Novelty,
    block_statistics,
    fit_scale,
    joined,
    novelty,
    remains,
)
from inithw.homework.reference.network import initial_gradient_norms
from inithw.homework.reference.training import train
from inithw.homework.statistics import DRAWS, STATISTICS, TRAINING, Readings

SEED = 20_260_101
_FEW, _MOST = 0.05, 0.95
_WIDTHS = ("WIDTHS",)
_DATA = ("TRAIN_X", "TRAIN_Y")
_LOOP = ("TEST_X", "TEST_Y", "LEARNING_RATE", "MOMENTUM", "BATCH_SIZE", "STEPS")
"""Constants of the homework: a kind of measurement is kept while those that it depends on stay."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much to measure.

    Attributes:
        blocks: Blocks of weights, for each source of a right family; a tenth for the others, but not below
            `_LEAST_BLOCKS`, unless there are fewer.
        networks: Networks whose gradients are computed, for each family.
        runs: Networks trained, for each family.
        often: So many times as many where q3.training is decided by policy and of the first networks neither nearly all
            nor nearly none are good, so that their rate has to be known well.
    """

    blocks: int = 10_000
    networks: int = 10_000
    runs: int = 128
    often: int = 16


Values = dict[str, FloatArray]
"""Values of each statistic, and of `loss`, of one family."""


_LEAST_BLOCKS = 300
"""With fewer that all speak against a claim, a bound on their rate cannot promise what `rates.LARGEST_ERROR` says."""
QUICK = Sizes(blocks=1_500, networks=2_000)
"""Enough for the promise of `rates.LARGEST_ERROR`, with wider bounds on the rates."""


def measure(sizes: Sizes, jobs: int, cache: Path, on_done: Callable[[float, float], None]) -> dict[str, Values]:
    """Measure all families; the result does not depend on `jobs`.

    Args:
        sizes: How much.
        jobs: Processes.
        cache: Folder that keeps what was measured, so that an interrupted run goes on, an edit of a family's line
            measures that family only, and other data leave what depends on the network alone.
        on_done: Called with how much is done and how much there is, in about seconds of a processor.
    """
    cache.mkdir(parents=True, exist_ok=True)
    results: dict[_Task, Values] = {}
    wanted = _tasks(sizes)
    with ProcessPoolExecutor(jobs, initializer=_leave_interrupts_to_the_parent) as pool:
        while wanted:
            try:
                tasks = {pool.submit(_kept, cache, task): task for task in wanted}
                done = sum(map(_cost, results))
                total = done + sum(map(_cost, wanted))
                for future in as_completed(tasks):
                    results[tasks[future]] = future.result()
                    done += _cost(tasks[future])
                    on_done(done, total)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            wanted = _more_training(sizes, results)
    parts: dict[tuple[str, str], list[Values]] = {}
    for task in sorted(results, key=lambda task: task.start):
        parts.setdefault((task.kind, task.of), []).append(results[task])
    whole = {place: _joined(values) for place, values in parts.items()}
    return {
        family.name: {
            **_of_family(
                family,
                whole["blocks", family.draw.__name__],
                whole["novelty", family.draw.__name__],
                whole["remains", family.draw.__name__]["remains"],
                whole["gradients", family.name]["gradients"],
            ),
            **whole["training", family.name],
        }
        for family in FAMILIES
    }


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True, slots=True)
class _Task:
    """Some blocks of what one function draws, or some networks of one family.

    Attributes:
        kind: `blocks`, `gradients` or `training`.
        of: Name of the drawing function or of the family.
        start: Number of the first.
        count: How many.
    """

    kind: str
    of: str
    start: int
    count: int


def _tasks(sizes: Sizes) -> list[_Task]:
    right = {family.draw.__name__ for family in FAMILIES if family.must_get(DRAWS)}
    few = max(-(-sizes.blocks // 10), min(_LEAST_BLOCKS, sizes.blocks))
    places = [("blocks", name, sizes.blocks if name in right else few, 250) for name in SOURCES]
    places += [("training", family.name, sizes.runs, 256) for family in FAMILIES]
    places += [("novelty", source, sizes.networks, 10 * NETWORKS) for source in SOURCES]
    places += [("remains", source, sizes.networks, 10_000) for source in SOURCES]
    places += [("gradients", family.name, sizes.networks, 10_000) for family in FAMILIES]
    return [_Task(kind, of, *part) for kind, of, total, size in places for part in _parts(total, size)]


def _more_training(sizes: Sizes, results: Mapping[_Task, Values]) -> list[_Task]:
    """Where rates are to be known better, by the loss that counts as good on what was measured so far."""
    losses: dict[str, list[FloatArray]] = {}
    for task, of in results.items():
        if task.kind == "training":
            losses.setdefault(task.of, []).append(of["loss"])
    trained = {family: np.concatenate(some) for family, some in losses.items()}
    counts = {family: (len(some), below(some)) for family, some in trained.items()}
    place = LOSSES.index(choose_good_loss(counts))
    decided = [family.name for family in FAMILIES if family.must_get(TRAINING) or family.must_lose(TRAINING)]
    return [
        _Task("training", name, sizes.runs + start, count)
        for name in decided
        if counts[name][0] == sizes.runs and _FEW < counts[name][1][place] / sizes.runs < _MOST
        for start, count in _parts((sizes.often - 1) * sizes.runs, 256)
    ]


_SECONDS = {"blocks": 0.03, "novelty": 4e-4, "remains": 5e-5, "gradients": 3e-5, "training": 6e-3}


def _cost(task: _Task) -> float:
    """About how many seconds of a processor it takes, with the homework as first handed out."""
    return _SECONDS[task.kind] * task.count


def _parts(total: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, count) of each part."""
    for start in range(0, total, size):
        yield start, min(size, total - start)


def _kept(cache: Path, task: _Task) -> Values:
    """The values of a task, from the cache if they are there."""
    file = cache / f"{_key(task)}.npz"
    if file.exists():
        with np.load(file) as values:
            return dict(values)
    values = _MEASURES[task.kind][0](task)
    packed = io.BytesIO()
    np.savez(packed, **values)  # type: ignore[arg-type]
    replace_file(file, packed.getvalue())
    return values


def _key(task: _Task) -> str:
    """A name that changes with all that the values of a task depend on, code included."""
    function, modules, constants = _MEASURES[task.kind]
    family = next((family for family in FAMILIES if family.name == task.of), None)
    said = {
        "task": astuple(task),
        "code": [_source(part) for part in (function, _networks, _random, drawing, *modules)],
        "homework": [f"{name}: {getattr(data, name)}" for name in constants],
        "family": family and [family.draw.__name__, *scales(family)],
    }
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def _source(part: Any) -> str:
    return inspect.getsource(part)


def _random(task: _Task) -> np.random.Generator:
    seed = hashlib.sha256(f"{SEED} {task.kind} {task.of} {task.start}".encode()).digest()
    return np.random.default_rng(int.from_bytes(seed, "big"))


def _blocks(task: _Task) -> Values:
    draw, random = SOURCES[task.of], _random(task)
    parts = []
    for _, some in _parts(task.count, 5):  # so few at once stay in the cache
        further = draw_layers_of_a_block(random)
        shapes = [*HOMEWORK_SHAPES, *((layer.fan_in, layer.fan_out) for layer in further)]
        draws = [NETWORKS // BLOCKS] * len(HOMEWORK_SHAPES) + [layer.draws for layer in further]
        samples = [
            draw(random, (some * times, fan_out, fan_in)).reshape(some, times, fan_out, fan_in)
            for (fan_in, fan_out), times in zip(shapes, draws, strict=True)
        ]
        parts.append(block_statistics(samples, shapes, SAME_SHAPE, len(HOMEWORK_SHAPES)))
    return asdict(joined(parts))


def _novelty(task: _Task) -> Values:
    draw, random = SOURCES[task.of], _random(task)
    hidden = len(SAME_SHAPE)
    parts = []
    for _, some in _parts(task.count, NETWORKS):
        layers = draw(random, (some * hidden, WIDTHS[1], WIDTHS[1])).reshape(some, hidden, WIDTHS[1], WIDTHS[1])
        parts.append(asdict(novelty(layers)))
    return _joined(parts)


def _remains(task: _Task) -> Values:
    draw, random = SOURCES[task.of], _random(task)
    old = [np.ones((task.count, WIDTHS[1], WIDTHS[1]), np.float32) for _ in SAME_SHAPE]
    for layer in old:
        layer[1::2] = drawing.normal(random, layer[1::2].shape)
    new = [draw(random, layer.shape) + (layer if draw in drawing.KEEPS_THE_OLD else 0) for layer in old]
    return {"remains": remains(new, old)}


def _networks(family: Family, random: np.random.Generator, count: int) -> list[FloatArray]:
    return [draw_layers(family, random, count, fan_in, fan_out) for fan_in, fan_out in HOMEWORK_SHAPES]


def _gradients(task: _Task) -> Values:
    return {"gradients": initial_gradient_norms(_networks(_family(task), _random(task), task.count))}


def _training(task: _Task) -> Values:
    random = _random(task)
    networks = _networks(_family(task), random, task.count)
    losses = [
        train([matrices[first : first + some] for matrices in networks], seed=int(random.integers(2**31)))
        for first, some in _parts(task.count, 64)
    ]
    return {"loss": np.concatenate(losses)}


def _family(task: _Task) -> Family:
    return next(family for family in FAMILIES if family.name == task.of)


_MEASURES: dict[str, tuple[Callable[[_Task], Values], tuple[ModuleType, ...], tuple[str, ...]]] = {
    "blocks": (_blocks, (initialization, asked), _WIDTHS),
    "novelty": (_novelty, (initialization, asked), _WIDTHS),
    "remains": (_remains, (initialization, asked), _WIDTHS),
    "gradients": (_gradients, (network,), (*_WIDTHS, *_DATA)),
    "training": (_training, (training,), (*_WIDTHS, *_DATA, *_LOOP)),
}
"""How each kind is measured, and on which code and constants that depends."""


def _of_family(family: Family, blocks: Values, new: Values, remains: FloatArray, gradients: FloatArray) -> Values:
    """All statistics of a family: its scale multiplies what its draw gave."""
    scale = family.scale(blocks["shapes"][..., 0], blocks["shapes"][..., 1])
    found = BlockStatistics(**{**blocks, "stds": blocks["stds"] * scale})
    with np.errstate(divide="ignore", invalid="ignore"):
        law = fit_scale(found.stds, found.shapes, len(HOMEWORK_SHAPES))
        readings = Readings(found, law, Novelty(**new), remains, gradients)
        return {name: statistic.of(readings) for name, statistic in STATISTICS.items()}


def _joined(parts: list[Values]) -> Values:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
