"""The records that travel between the stages: frozen data with documented shapes, no logic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


# ---------------------------------------------------------------- what a student handed in


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell of a submission.

    Attributes:
        number: Position among the notebook's code cells, counted from 1, as messages name it.
        source: The cell's code as written, newlines normalized to ``\\n``.
        given: Whether it is an unmodified cell of the distributed notebook, which holds no answer.
        demonstration: Whether it is an unmodified training or figure cell of the distributed
            notebook, which grading may leave out.
    """

    number: int
    source: str
    given: bool = False
    demonstration: bool = False


@dataclass(frozen=True, slots=True)
class Submission:
    """The code of one submission.

    Attributes:
        name: How messages and reports call it (the path as given).
        cells: The code cells in order.
        digest: SHA-256 (hex) of the code alone: outputs, ids and metadata do not change it.
        notes: Remarks of the reader for the student and the TA ("took b.ipynb out of the zip").
    """

    name: str
    cells: tuple[Cell, ...]
    digest: str
    notes: tuple[str, ...] = ()


# ---------------------------------------------------------------- what the judge asks


@dataclass(frozen=True, slots=True)
class Network:
    """A fully connected ReLU network with one input and one output.

    Attributes:
        weights: Per linear layer, shape (fan_out, fan_in), float32.
        biases: Per linear layer, shape (fan_out,), float32.
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True)
class ForwardTask:
    """Load `network` into the student's model and evaluate it.

    Attributes:
        network: Weights of the homework's architecture.
        inputs: Shape (n,), float32.
    """

    network: Network
    inputs: FloatArray


@dataclass(frozen=True, slots=True)
class NormsTask:
    """Call `print_gnorms` on `network`, with `x` and `y` as the training data.

    Attributes:
        item: The rubric item that this network serves, `q2.norms` or `q2.general`.
        network: Any depth and width.
        x: Inputs, shape (1500,), float64 holding float32 values.
        y: Targets, shape (1500,), float64 holding float32 values.
    """

    item: str
    network: Network
    x: FloatArray
    y: FloatArray


@dataclass(frozen=True, slots=True)
class LayerTask:
    """Apply `better_init` to NaN-filled linear layers of one shape.

    Attributes:
        fan_in: Number of inputs.
        fan_out: Number of outputs.
        draws: How many layers of this shape.
    """

    fan_in: int
    fan_out: int
    draws: int


@dataclass(frozen=True, slots=True)
class Challenge:
    """Everything a submission is asked, drawn from the grading key and the submission's digest.

    Attributes:
        forward: For q1.
        norms: For q2, several networks.
        layers: For q3, single layers of several shapes.
        networks: For q3, how many networks of the homework's architecture to initialize.
        worker_seed: Seeds torch and NumPy in the worker before each draw of `better_init`.
        judge_seed: Seeds the judge's own training runs; never sent to the worker.
    """

    forward: ForwardTask
    norms: tuple[NormsTask, ...]
    layers: tuple[LayerTask, ...]
    networks: int
    worker_seed: int
    judge_seed: int


# ---------------------------------------------------------------- what came back


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a piece of evidence does not exist.

    Attributes:
        state: `not answered` when the student left the question open, `not reached` when an error,
            a limit or a fault came before it.
        reason: One sentence for the student.
    """

    state: Literal["not answered", "not reached"]
    reason: str


@dataclass(frozen=True, slots=True)
class CellRun:
    """How one code cell ended.

    Attributes:
        number: As in `Cell`.
        state: `ok`, `error`, `open` (a stub of the handout said so), `left out` (a demonstration) or `not reached`.
        error: For `error` and `open`: exception name, message and line, one line of text.
    """

    number: int
    state: Literal["ok", "error", "open", "left out", "not reached"]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """One direct child of the student's model.

    Attributes:
        kind: Class name; `Linear` and `ReLU` only for modules that behave as torch's own.
        fan_in: For linear layers, else 0.
        fan_out: For linear layers, else 0.
        bias: Whether a linear layer has one.
        repeats: Index of the earlier child that is the same object with parameters, or -1.
    """

    kind: str
    fan_in: int = 0
    fan_out: int = 0
    bias: bool = False
    repeats: int = -1


@dataclass(frozen=True, slots=True)
class ModelEvidence:
    """The student's q1 network.

    Attributes:
        variable: The name it was bound to.
        children: In order.
        parameters: Number of parameters.
        outputs: Shape (n,) on `ForwardTask.inputs` with `ForwardTask.network` loaded, or why not.
    """

    variable: str
    children: tuple[Child, ...]
    parameters: int
    outputs: FloatArray | Unavailable


@dataclass(frozen=True, slots=True)
class WeightSample:
    """Linear layers of one place or shape after `better_init`.

    Attributes:
        fan_in: Number of inputs.
        fan_out: Number of outputs.
        weights: Shape (draws, fan_out, fan_in), float32, possibly not finite.
        biases: Shape (draws, fan_out), float32, possibly not finite.
    """

    fan_in: int
    fan_out: int
    weights: FloatArray
    biases: FloatArray


@dataclass(frozen=True, slots=True)
class InitEvidence:
    """What `better_init` did.

    Attributes:
        layers: Parallel to `Challenge.layers`.
        networks: The homework's five linear layers, each with `Challenge.networks` draws; draw k of
            all five belongs to network k.
        rewritten: One layer 20 -> 20 whose weights were all 1 before the call, not NaN: tells code that does
            nothing from code that rescales what it finds.
        forward_error: What running a freshly initialized network raised, or empty.
    """

    layers: tuple[WeightSample, ...]
    networks: tuple[WeightSample, ...]
    rewritten: WeightSample
    forward_error: str = ""


@dataclass(frozen=True, slots=True, eq=False)  # equal when the same object: arrays have no plain equality
class Evidence:
    """All that a verdict rests on.

    Attributes:
        challenge: What was asked.
        cells: How each code cell ended.
        model: For q1.
        norms: For q2, the text shown for each of `Challenge.norms`.
        init: For q3.
        seconds: Wall time of the worker.
    """

    challenge: Challenge
    cells: tuple[CellRun, ...]
    model: ModelEvidence | Unavailable
    norms: tuple[str | Unavailable, ...]
    init: InitEvidence | Unavailable
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one submission may use.

    Attributes:
        notebook_seconds: Wall time for all cells together.
        cell_seconds: Wall time for one cell.
        question_seconds: Wall time for one question of the judge.
        total_seconds: Wall time for everything, repeated runs included.
        memory_bytes: Address space of the worker.
        scratch_bytes: Size of the folder in which it may write.
        processes: Threads and processes of its user.
    """

    notebook_seconds: float = 240
    cell_seconds: float = 60
    question_seconds: float = 30
    total_seconds: float = 420
    memory_bytes: int = 3 << 30
    scratch_bytes: int = 64 << 20
    processes: int = 64


# ---------------------------------------------------------------- what is decided


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the rubric.

    Attributes:
        id: Fixed label, `q1.layers`.
        points: What it is worth.
        claim: What a passing answer has shown, in words.
        check: Returns when the claim holds, raises `checks.Lost` with the reason when not.
    """

    id: str
    points: float
    claim: str
    check: Callable[[Evidence], None]


@dataclass(frozen=True, slots=True)
class ItemScore:
    """The verdict on one item.

    Attributes:
        id: The item's label.
        claim: The item's claim.
        points: What it is worth.
        earned: What was given.
        state: `passed`, `lost`, `not answered` or `not reached`.
        message: One sentence: what was found, where, what was expected; empty when passed.
        diagnosis: Label of the recognized mistake (`q2.spectral`), or empty.
        hint: Where to look next, without the answer; empty when there is none.
    """

    id: str
    claim: str
    points: float
    earned: float
    state: Literal["passed", "lost", "not answered", "not reached"]
    message: str = ""
    diagnosis: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """The record that every submission gets, whatever happened.

    Attributes:
        submission: Name as given.
        status: `graded`; `not_gradable`, nothing to grade; `infrastructure_error`, our fault.
        items: In rubric order.
        message: For anything but `graded`: one line saying what is wrong and what to do.
        cells: How each code cell ended.
        notes: Remarks for the student and the TA.
        seconds: Wall time of grading.
        leaderboard: Figures of interest that carry no points, such as the median test loss.
    """

    submission: str
    status: Literal["graded", "not_gradable", "infrastructure_error"]
    items: tuple[ItemScore, ...]
    message: str = ""
    cells: tuple[CellRun, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    leaderboard: dict[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Points earned."""
        return sum(item.earned for item in self.items)

    @property
    def max_score(self) -> float:
        """Points possible."""
        return sum(item.points for item in self.items)
