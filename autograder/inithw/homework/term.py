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
class Scales:
    """The two scales that the notebook picks by hand, bounds of uniform weights.

    Attributes:
        small: At which training must not move the weights.
        large: At which training must diverge.
    """

    small: float
    large: float


@dataclass(frozen=True, slots=True)
class Seeds:
    """Of the notebook's runs: of the weights, while the batches take `BATCHES` more.

    Attributes:
        shallow: Of the network with one hidden layer.
        small: Of the run from small weights.
        large: Of the run from large weights.
        better: Of the run from better_init.
        half: Of the data with x < 0.4.
    """

    shallow: int
    small: int
    large: int
    better: int
    half: int


BATCHES = 50
VARIANTS = {"login": "login", "email": "e-mail address", "sid": "student number"}
"""By what students can get data of their own, and how they are asked for it."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term's homework.

    Attributes:
        title: Heads every report.
        term: Its name.
        handout: Which handout of the term.
        due: When it is due, for students to read, or empty.
        late: What being late costs, likewise.
        variants: By which field of the class list students get data of their own, or empty: all have the same.
        data: What is learnt.
        network: By what.
        training: How.
        scales: What the notebook contrasts with a better start.
        seeds: Of its runs.
        points: Of every item, by its id.
    """

    title: str
    term: str
    handout: int
    due: str
    late: str
    variants: str
    data: Data
    network: Architecture
    training: Training
    scales: Scales
    seeds: Seeds
    points: Mapping[str, float]

    @property
    def version(self) -> str:
        """What students quote: `Autumn 2026, handout 1`."""
        return f"{self.term}, handout {self.handout}"

    def table(self, name: str) -> list[tuple[str, float]]:
        """The values of a table, by name."""
        return list(asdict(getattr(self, name)).items())


TABLES: dict[str, type] = {
    "data": Data,
    "network": Architecture,
    "training": Training,
    "scales": Scales,
    "seeds": Seeds,
}


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
    "scales.small": (1e-4, 0.09),  # below and above the further scales of the notebook's last figure
    "scales.large": (1.1, 100),
    **{f"seeds.{name}": (0, 2**32 - 1 - BATCHES) for name in ("shallow", "small", "large", "better", "half")},
}


def read_term(file: Path = FILE) -> Term:
    """Read and check a term.

    Raises:
        TermError: A value is missing, unknown, of another kind or out of its range.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TermError(f"{file} cannot be read: {error}") from error
    return parse_term(text, file)


def parse_term(text: str, file: Path) -> Term:
    """The same of the text of a file.

    Raises:
        TermError: See `read_term`.
    """
    try:
        values = tomllib.loads(text)
    except ValueError as error:
        raise TermError(f"{file} cannot be read: {error}") from error
    _same_names(file, "", values, Term)
    for key in ("title", "term", "due", "late"):
        _text(file, key, values[key], empty=key in ("due", "late"))
    if values["variants"] not in ("", *VARIANTS):
        raise TermError(
            f'{file}: variants = {values["variants"]!r}: must be "" for none, or one of {", ".join(VARIANTS)}'
        )
    handout = values["handout"]
    if isinstance(handout, bool) or not isinstance(handout, int) or not 1 <= handout <= 100:
        raise TermError(f"{file}: handout = {handout!r}: must be a whole number from 1 to 100")
    tables = {name: kind(**_table(file, name, values[name], kind)) for name, kind in TABLES.items()}
    term = Term(**{**values, **tables, "points": _points(file, values["points"])})
    _refuse_contradictions(file, term)
    return term


def _text(file: Path, key: str, value: object, empty: bool) -> None:
    if not isinstance(value, str) or not (empty or value.strip()):
        raise TermError(f"{file}: {key} = {value!r}: must be a text")
    if len(value) > 100 or any(letter in value for letter in "\n{}<>|`*"):
        raise TermError(f"{file}: {key} = {value!r}: must be one line of at most 100 letters, none of them {{}}<>|`*")


def _refuse_contradictions(file: Path, term: Term) -> None:
    """What is in its range by itself, and not together with another value."""
    data, training = term.data, term.training
    if training.batch_size > data.train:
        raise TermError(
            f"{file}: training.batch_size = {training.batch_size}: must be at most data.train, which is {data.train}"
        )
    if data.train < 4 * data.frequencies:
        raise TermError(
            f"{file}: data.train = {data.train}: must be at least four times data.frequencies, "
            f"which is {data.frequencies}"
        )
    steps = int(data.train / training.batch_size * training.epochs)
    if steps < 60:  # the notebook shows a moment after 50 steps
        raise TermError(f"{file}: training.epochs = {training.epochs}: must give at least 60 steps, and gives {steps}")
    seen: dict[int, str] = {}
    for name, seed in term.table("seeds")[:4]:
        for taken in (int(seed), int(seed) + BATCHES):
            if taken in seen:
                raise TermError(f"{file}: seeds.{name} = {seed}: must differ by more than {BATCHES} from {seen[taken]}")
            seen[taken] = f"seeds.{name}"


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
