"""The homework's constants, stated once: what a term may change, read from term.toml and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from inithw.engine.settings import ProjectError

FILE = Path(__file__).with_name("term.toml")


class TermError(ProjectError):
    """term.toml cannot be used; the message names key, value and rule."""


@dataclass(frozen=True, slots=True)
class Data:
    """The function to learn, and the data drawn from it.

    Attributes:
        frequencies: Number of sine waves.
        function_seed: Draws their amplitudes.
        data_seed: Draws training inputs and noise.
        noise: Standard deviation of the training targets around the function.
        train: Number of training points.
        test: Number of test points.
    """

    frequencies: int
    function_seed: int
    data_seed: int
    noise: float
    train: int
    test: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """The network of q1: one input, hidden layers of one width, one output.

    Attributes:
        width: Units of each hidden layer.
        hidden_layers: How many.
    """

    width: int
    hidden_layers: int


@dataclass(frozen=True, slots=True)
class Training:
    """The training loop: SGD with momentum.

    Attributes:
        epochs: Passes through the training points.
        learning_rate: Of SGD.
        momentum: Of SGD.
        batch_size: Training points of one update.
    """

    epochs: int
    learning_rate: float
    momentum: float
    batch_size: int


@dataclass(frozen=True, slots=True)
class Term:
    """One term's homework.

    Attributes:
        title: Heads every report.
        data: What is learnt.
        network: By what.
        training: How.
        points: Of every item, by its id.
    """

    title: str
    data: Data
    network: Architecture
    training: Training
    points: Mapping[str, float]

    def table(self, name: str) -> list[tuple[str, float]]:
        """The values of `data`, `network` or `training`, by name."""
        return list(asdict(getattr(self, name)).items())


# What each value must be, and how to say so.
_RULES: dict[str, tuple[float, float]] = {
    "data.frequencies": (2, 20),
    "data.function_seed": (0, 2**32 - 1),
    "data.data_seed": (0, 2**32 - 1),
    "data.noise": (0, 10),
    "data.train": (64, 100_000),
    "data.test": (16, 100_000),
    "network.width": (2, 512),
    "network.hidden_layers": (2, 20),
    "training.epochs": (1, 1000),
    "training.learning_rate": (1e-6, 10),
    "training.momentum": (0, 0.999),
    "training.batch_size": (1, 100_000),
}


def read_term(file: Path = FILE) -> Term:
    """Read and check a term.

    Raises:
        TermError: A value is missing, unknown, of another kind or out of its range.
    """
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TermError(f"{file} cannot be read: {error}") from error
    _same_names(file, "", values, Term)
    if not isinstance(values["title"], str) or not values["title"].strip():
        raise TermError(f"{file}: title = {values['title']!r}: must be a text")
    return Term(
        title=values["title"],
        data=Data(**_table(file, "data", values["data"], Data)),
        network=Architecture(**_table(file, "network", values["network"], Architecture)),
        training=Training(**_table(file, "training", values["training"], Training)),
        points=_points(file, values["points"]),
    )


def _table(file: Path, name: str, table: Any, kind: type) -> dict[str, Any]:
    _same_names(file, name, table, kind)
    for field in fields(kind):
        value, key = table[field.name], f"{name}.{field.name}"
        low, high = _RULES[key]
        whole = field.type == "int"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not low <= value <= high:
            kind_of = "a whole number" if whole else "a number"
            raise TermError(f"{file}: {key} = {value!r}: must be {kind_of} from {low:g} to {high:g}")
    return dict(table)


def _points(file: Path, table: Any) -> dict[str, float]:
    if not isinstance(table, dict) or not table:
        raise TermError(f"{file}: points: must give the points of every item")
    for item, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1000:
            raise TermError(f"{file}: points.{item} = {value!r}: must be a number above 0, up to 1000")
    return {item: float(value) for item, value in table.items()}


def _same_names(file: Path, where: str, table: Any, kind: type) -> None:
    wanted = {field.name for field in fields(kind)}
    prefix = f"{where}." if where else ""
    if not isinstance(table, dict):
        raise TermError(f"{file}: {where} = {table!r}: must be a table")
    for name in sorted(wanted - set(table)):
        raise TermError(f"{file}: {prefix}{name} is missing")
    for name in sorted(set(table) - wanted):
        raise TermError(f"{file}: {prefix}{name} is unknown; known are {', '.join(sorted(wanted))}")


TERM = read_term()
