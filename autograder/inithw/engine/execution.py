"""Run a submission in a worker, put the judge's challenge to it, and bring back evidence.

What a worker says is taken as plain data of the expected form or not at all. When a cell or a question ends the
worker (an endless loop in C, a crash, `os._exit`), the submission runs again without it, so that it costs itself only.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from inithw.engine import wire
from inithw.engine.records import (
    Cell,
    CellRun,
    Challenge,
    Child,
    Evidence,
    FloatArray,
    InitEvidence,
    LayerTask,
    Limits,
    ModelEvidence,
    Network,
    Submission,
    Unavailable,
    WeightSample,
)
from inithw.engine.sandbox import Sandbox, SandboxError, Worker
from inithw.engine.text import clean

_GRACE_SECONDS = 3.0
_REPLY_LIMIT = 1 << 20
_TEXT_LIMIT = 300
_CHILDREN_LIMIT = 200
_MAX_RUNS = 6
_MISSING_NAME = re.compile(r"NameError: name '(\w{1,100})' is not defined")
_OUT_OF_MEMORY = re.compile(
    r"MemoryError|_ArrayMemoryError|RuntimeError.*can't allocate memory"
)  # Python, NumPy, torch

_Question = tuple[str, int]  # ("model", 0), ("init", 0), ("norms", index of the task)


class _Ended(Exception):
    """The worker is gone or unusable; when it is gone, the cause is `wire.ClosedError` and its exit says why."""


class _LeftOutMatters(Exception):
    """A cell missed a name that a demonstration would have bound, had it not been left out."""


def execute(submission: Submission, challenge: Challenge, sandbox: Sandbox, limits: Limits) -> Evidence:
    """Run every code cell in order, then ask every question.

    Args:
        submission: What to run.
        challenge: What to ask, once the code is loaded.
        sandbox: Where workers come from.
        limits: What the submission may use.

    Raises:
        SandboxError: No worker could be started.
    """
    started = time.monotonic()
    state = _State(submission, challenge, limits, started + limits.total_seconds)
    for _run in range(_MAX_RUNS):
        try:
            with Worker(sandbox, limits) as worker:
                try:
                    _Dialogue(worker, state).run()
                except _Ended as ended:
                    worker.end(because="" if isinstance(ended.__cause__, wire.ClosedError) else str(ended))
                    state.blame(worker.stopped_because)
                    continue
        except _LeftOutMatters:
            state.leave_out = False
            continue
        break
    else:
        state.missing = (
            f"it was not asked any more after {_MAX_RUNS} runs that a cell ended, the last: {state.last_end}"
        )
    return state.evidence(time.monotonic() - started)


@dataclass(slots=True)
class _State:
    """What several runs of one submission have in common."""

    submission: Submission
    challenge: Challenge
    limits: Limits
    deadline: float
    leave_out: bool = True
    missing: str = "the time allowed for one submission was used up before this was asked"
    last_end: str = ""
    current: Cell | _Question | None = None
    fatal: dict[int, str] = field(default_factory=dict)
    runs: dict[int, CellRun] = field(default_factory=dict)
    answers: dict[_Question, Any] = field(default_factory=dict)

    def questions(self) -> list[_Question]:
        """What has not been answered yet."""
        wanted = [
            ("model", 0),
            ("init", 0),
            *(("norms", index) for index in range(len(self.challenge.norms))),
        ]
        return [question for question in wanted if question not in self.answers]

    def blame(self, reason: str) -> None:
        """The worker ended during `current`: it will be left out in the next run."""
        self.last_end = reason
        if isinstance(self.current, Cell):
            self.fatal[self.current.number] = f"ended the run: {reason}"
        elif self.current is None:
            raise SandboxError(f"the worker ended before it began: {reason}")
        else:
            self.answers[self.current] = Unavailable("not reached", f"while this was asked, the worker ended: {reason}")

    def evidence(self, seconds: float) -> Evidence:
        """Put together what was found; what was not is marked as not reached."""
        missing = Unavailable("not reached", self.missing)
        norms = tuple(self.answers.get(("norms", index), missing) for index in range(len(self.challenge.norms)))
        return Evidence(
            challenge=self.challenge,
            cells=tuple(
                self.runs.get(cell.number, CellRun(cell.number, "not reached")) for cell in self.submission.cells
            ),
            model=self.answers.get(("model", 0), missing),
            norms=norms,
            init=self.answers.get(("init", 0), missing),
            seconds=seconds,
        )


class _Dialogue:
    """One run in one worker."""

    def __init__(self, worker: Worker, state: _State) -> None:
        self.worker = worker
        self.state = state

    def run(self) -> None:
        state = self.state
        state.current = None
        self._run_cells()
        for question in state.questions():
            if time.monotonic() > state.deadline:
                return
            state.current = question
            state.answers[question] = self._ask(question)

    # ------------------------------------------------------------------ cells

    def _run_cells(self) -> None:
        state, limits = self.state, self.state.limits
        state.runs.clear()
        notebook_end = min(time.monotonic() + limits.notebook_seconds, state.deadline)
        left_out: list[str] = []
        for cell in state.submission.cells:
            state.current = cell
            seconds = min(limits.cell_seconds, notebook_end - time.monotonic())
            if cell.number in state.fatal:
                state.runs[cell.number] = CellRun(cell.number, "error", state.fatal[cell.number])
            elif state.leave_out and cell.demonstration:
                state.runs[cell.number] = CellRun(cell.number, "left out")
                left_out.append(cell.source)
            elif seconds <= 0:
                state.runs[cell.number] = CellRun(
                    cell.number,
                    "not reached",
                    f"the notebook's {limits.notebook_seconds:.0f} s were used up before",
                )
            else:
                error, unanswered = self._run_cell(cell, seconds)
                state.runs[cell.number] = CellRun(cell.number, _outcome(error, unanswered), error)
                missing = _MISSING_NAME.match(error)
                if missing and not cell.given and any(re.search(rf"\b{missing[1]}\b", code) for code in left_out):
                    raise _LeftOutMatters

    def _run_cell(self, cell: Cell, seconds: float) -> tuple[str, bool]:
        reply = self._request("cell", seconds, number=cell.number, source=cell.source)
        error = _text(reply, "error")
        if _OUT_OF_MEMORY.match(error):  # what it hoards would be missing in the cells after it
            raise _Ended(f"it used more than {self.state.limits.memory_bytes >> 20} MB of memory")
        return error, reply.get("unanswered") is True

    # ------------------------------------------------------------------ questions

    def _ask(self, question: _Question) -> Any:
        kind, index = question
        if kind == "model":
            return self._ask_model()
        if kind == "init":
            return self._ask_init()
        return self._ask_norms(index)

    def _ask_model(self) -> ModelEvidence | Unavailable:
        task = self.state.challenge.forward
        reply = self._question("model", *_flat(task.network), task.inputs)
        if isinstance(reply, Unavailable):
            return reply
        outputs: FloatArray | Unavailable
        if reply.get("outputs") is True:
            (outputs,) = self._floats(task.inputs.shape)
        else:
            outputs = Unavailable("not reached", _text(reply, "reason"))
        return ModelEvidence(
            variable=_text(reply, "variable"),
            children=_children(reply.get("children")),
            parameters=_whole(reply, "parameters"),
            outputs=outputs,
        )

    def _ask_norms(self, index: int) -> str | Unavailable:
        task = self.state.challenge.norms[index]
        reply = self._question("norms", *_flat(task.network), task.x, task.y, widths=_widths(task.network))
        return reply if isinstance(reply, Unavailable) else _text(reply, "text", limit=_REPLY_LIMIT)

    def _ask_init(self) -> InitEvidence | Unavailable:
        challenge = self.state.challenge
        widths = _widths(challenge.forward.network)
        reply = self._question(
            "init",
            layers=[[task.fan_in, task.fan_out, task.draws] for task in challenge.layers],
            networks=challenge.networks,
            widths=widths,
            seed=challenge.worker_seed,
        )
        if isinstance(reply, Unavailable):
            return reply
        layers = tuple(self._sample(task) for task in challenge.layers)
        rewritten = self._sample(LayerTask(20, 20, 1))
        fans = list(pairwise(widths))
        # drawn network by network, kept layer by layer
        (block,) = self._floats((challenge.networks, sum((fan_in + 1) * fan_out for fan_in, fan_out in fans)))
        networks, start = [], 0
        for fan_in, fan_out in fans:
            weights = block[:, start : start + fan_in * fan_out].reshape(-1, fan_out, fan_in)
            start += fan_in * fan_out
            networks.append(WeightSample(fan_in, fan_out, weights, block[:, start : start + fan_out]))
            start += fan_out
        return InitEvidence(layers, tuple(networks), rewritten, _text(reply, "forward_error"))

    def _sample(self, task: LayerTask) -> WeightSample:
        fan_in, fan_out = task.fan_in, task.fan_out
        (block,) = self._floats((task.draws, (fan_in + 1) * fan_out))
        weights = block[:, : fan_in * fan_out].reshape(-1, fan_out, fan_in)
        return WeightSample(fan_in, fan_out, weights, block[:, fan_in * fan_out :])

    # ------------------------------------------------------------------ requests and replies

    def _question(self, ask: str, *arrays: FloatArray, **details: Any) -> dict[str, Any] | Unavailable:
        reply = self._request(ask, self.state.limits.question_seconds, *arrays, **details)
        if "unavailable" not in reply:
            return reply
        answered = "not answered" if reply["unavailable"] == "not answered" else "not reached"
        return Unavailable(answered, _text(reply, "reason"))  # type: ignore[arg-type]

    def _request(self, ask: str, seconds: float, *arrays: FloatArray, **details: Any) -> dict[str, Any]:
        """Ask, and wait for the answer to this very question: what was sent before it is no answer."""
        token = secrets.token_hex(16)
        shapes = [list(array.shape) for array in arrays]
        self._until = time.monotonic() + seconds + _GRACE_SECONDS
        self.worker.connection.settimeout(seconds + _GRACE_SECONDS)
        request = {"ask": ask, "token": token, "seconds": seconds, "shapes": shapes, **details}
        try:
            wire.send_json(self.worker.connection, request)
            wire.send_floats(self.worker.connection, *arrays)
            reply = wire.receive_json(self.worker.connection, _REPLY_LIMIT, self._until)
        except wire.LateError as error:
            raise _Ended(f"no answer within {seconds:.0f} s") from error
        except wire.WireError as error:
            raise _Ended(str(error)) from error
        if reply.get("token") != token:
            raise _Ended("it answered before it was asked")
        return reply

    def _floats(self, *shapes: tuple[int, ...]) -> list[FloatArray]:
        try:
            return list(wire.receive_floats(self.worker.connection, *shapes, deadline=self._until))
        except wire.WireError as error:
            raise _Ended(f"its answer was incomplete: {error}") from error


def _outcome(error: str, unanswered: bool) -> Literal["ok", "error", "open"]:
    if not error:
        return "ok"
    return "open" if unanswered else "error"


def _flat(network: Network) -> list[FloatArray]:
    return [array for layer in zip(network.weights, network.biases, strict=True) for array in layer]


def _widths(network: Network) -> list[int]:
    return [network.weights[0].shape[1], *(len(bias) for bias in network.biases)]


def _text(reply: dict[str, Any], name: str, limit: int = _TEXT_LIMIT) -> str:
    value = reply.get(name, "")
    if not isinstance(value, str):
        raise _Ended("its answer was malformed")
    return value if limit > _TEXT_LIMIT else clean(value, limit)


def _whole(reply: dict[str, Any], name: str) -> int:
    value = reply.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        raise _Ended("its answer was malformed")
    return value


def _children(value: Any) -> tuple[Child, ...]:
    if not isinstance(value, list) or len(value) > _CHILDREN_LIMIT or not all(isinstance(item, dict) for item in value):
        raise _Ended("its answer was malformed")
    return tuple(
        Child(
            kind=_text(item, "kind"),
            fan_in=_whole(item, "fan_in"),
            fan_out=_whole(item, "fan_out"),
            bias=item.get("bias") is True,
            repeats=_repeats(item.get("repeats"), index),
        )
        for index, item in enumerate(value)
    )


def _repeats(value: Any, index: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < index else -1
