"""The homework's records: what is asked, and what came back; frozen data with documented shapes, no logic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inithw.engine.records import CellRun, FloatArray, Unavailable
from inithw.engine.verdict import available

if TYPE_CHECKING:
    from inithw.homework.statistics import Measured

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

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs, then the outputs of every layer."""
        return (self.weights[0].shape[1], *(len(bias) for bias in self.biases))


@dataclass(frozen=True, slots=True)
class ForwardTask:
    """Load each network into the student's model and evaluate it.

    Attributes:
        networks: Weights of the homework's architecture, small and large.
        inputs: Shape (n,), float32.
    """

    networks: tuple[Network, ...]
    inputs: FloatArray


@dataclass(frozen=True, slots=True)
class NormsTask:
    """Call `print_gnorms` on `network`, with `x` and `y` in place of the homework's training data.

    Attributes:
        item: The rubric item that this network serves, `q2.norms` or `q2.general`.
        network: Any depth and width.
        x: Training inputs, as many as the homework's, shape (n,): the homework's own, or others.
        y: Training targets, shape (n,).
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
        restarted: For q3, how many further ones, with other weights than NaN before: ones and `start` in turn.
        start: Weights and biases to initialize anew.
        worker_seed: Seeds torch and NumPy in the worker before each draw of `better_init`.
        judge_seed: Seeds the judge's own training runs; never sent to the worker.
    """

    forward: ForwardTask
    norms: tuple[NormsTask, ...]
    layers: tuple[LayerTask, ...]
    networks: int
    restarted: int
    start: Network
    worker_seed: int
    judge_seed: int

    @property
    def own_data(self) -> tuple[FloatArray, FloatArray]:
        """The training data of the notebook itself, x and y: those of the first network for q2."""
        return self.norms[0].x, self.norms[0].y


# ---------------------------------------------------------------- what came back


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
        outputs: On `ForwardTask.inputs` with each of `ForwardTask.networks` loaded, shape (networks, n), or why not.
        gradients: Of the mean of (output / (1 + |input|))^2 of each network by weights and biases in turn, in a row,
            shape (networks, parameters); zero where no gradient arrives, and where there are no outputs.
    """

    variable: str
    children: tuple[Child, ...]
    parameters: int
    outputs: FloatArray | Unavailable
    gradients: FloatArray


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
        networks: The homework's linear layers, each with `Challenge.networks` draws; draw k of all of
            them belongs to network k.
        restarted: The same for `Challenge.restarted` networks.
        outputs: Of the last of the networks, on `ForwardTask.inputs`, shape (n,).
        gradients: As in `ModelEvidence`, in a row; NaN where they arrive at what weights are computed from.
        forward_error: What running that network raised, or empty.
    """

    layers: tuple[WeightSample, ...]
    networks: tuple[WeightSample, ...]
    restarted: tuple[WeightSample, ...]
    outputs: FloatArray
    gradients: FloatArray
    forward_error: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """What a lost item should be told about the answer to a question.

    Attributes:
        question: `q2`.
        absent: That it uses a package which the grading machine lacks, or empty.
        raised: That it raised an error after it had printed something, or empty.
    """

    question: str
    absent: str = ""
    raised: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that a verdict rests on; see `inithw.engine.records.Evidence`.

    Attributes:
        challenge: What was asked.
        cells: How each code cell ended.
        model: For q1.
        norms: For q2, the text shown for each of `Challenge.norms`.
        init: For q3.
        seconds: Wall time of the worker.
        remarks: On the answers, for the messages of lost items.
        computed: What the judge computed from the rest; see `computed.once`.
    """

    challenge: Challenge
    cells: tuple[CellRun, ...]
    model: ModelEvidence | Unavailable
    norms: tuple[str | Unavailable, ...]
    init: InitEvidence | Unavailable
    seconds: float = 0.0
    remarks: tuple[Remark, ...] = ()
    computed: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def measured(self) -> Measured:
        """What `better_init` did, measured once for all checks.

        Raises:
            Lost: There is no evidence of it.
        """
        from inithw.homework.computed import once
        from inithw.homework.statistics import measure  # which reads these records

        init = available(self.init)
        return once(self, "measured", lambda: measure(init, self.challenge.start))


RECORDS = (
    Remark,
    Network,
    ForwardTask,
    NormsTask,
    LayerTask,
    Challenge,
    Child,
    ModelEvidence,
    WeightSample,
    InitEvidence,
    Evidence,
)
"""What a file of evidence may hold."""
