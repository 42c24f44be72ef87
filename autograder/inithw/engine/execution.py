"""Run a submission in a worker, put the judge's questions to it, and bring back answers.

What a worker says is taken as plain data of the expected form or not at all. When a cell or a question ends the
worker (an endless loop in C, a crash, `os._exit`), the submission runs again without it, so that it costs itself only.
"""

from __future__ import annotations

import math
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from inithw.engine import wire
from inithw.engine.homework import Homework, Question
from inithw.engine.records import Cell, CellRun, Evidence, FloatArray, Limits, Submission, Unavailable
from inithw.engine.reply import MalformedError, Reply
from inithw.engine.sandbox import GRACE_SECONDS, PATIENCE, Sandbox, SandboxError, Worker, WorkerLost

_REPLY_LIMIT = 1 << 20
_MAX_RUNS = 6
_MAX_LOST = 3  # workers
_MOST_STATEMENTS = 20_000  # of one cell
_SHORT_SECONDS = 2.0  # for a statement, by the clock, once the notebook's time is used up
_RESERVED = 0.25  # of the time for everything: for the questions

_DISK_FULL = re.compile(r"\[Errno (27|28)\]")  # file too large, no space left


class _Ended(Exception):
    """The worker is gone or unusable; when it is gone, the cause is `wire.ClosedError` and its exit says why.

    Attributes:
        lost: The submission is not to blame.
    """

    def __init__(self, message: str, *, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost


class _Blamed(Exception):
    """The worker ended through what the submission did."""


class _LeftOutMatters(Exception):
    """A cell missed a name that a demonstration would have bound, had it not been left out."""


def execute(submission: Submission, challenge: Any, homework: Homework, sandbox: Sandbox, limits: Limits) -> Evidence:
    """Run every code cell in order, then ask every question.

    Args:
        submission: What to run.
        challenge: What to ask, once the code is loaded.
        homework: Whose questions these are.
        sandbox: Where workers come from.
        limits: What the submission may use.

    Raises:
        SandboxError: No worker could be started, or several were taken away.
    """
    started = time.monotonic()
    state = _State(submission, homework.questions(challenge), limits)
    runs = lost = 0
    while True:
        try:
            with Worker(sandbox, limits) as worker:
                state.begin()  # time spent waiting for a worker is nobody's
                _run(worker, state)
        except _LeftOutMatters:
            state.leave_out = False
        except _Blamed:
            runs += 1
            if runs == _MAX_RUNS:
                state.missing = (
                    f"it was not asked any more after {runs} runs that a cell ended, the last: {state.last_end}"
                )
                break
        except WorkerLost as loss:
            lost += 1
            if lost == _MAX_LOST:
                raise SandboxError(f"{lost} workers in a row were lost, the last: {loss}") from loss
            state.deadline = None
        else:
            break
    return homework.evidence(challenge, state.cell_runs(), state.all_answers(), time.monotonic() - started)


def _run(worker: Worker, state: _State) -> None:
    """Run the submission in a worker.

    Raises:
        WorkerLost: The worker is gone, which is not the submission's fault.
        _Blamed: The worker is gone, and what the submission was doing will be left out.
    """
    try:
        _Dialogue(worker, state).run()
    except _Ended as ended:
        worker.end(because="" if isinstance(ended.__cause__, wire.ClosedError) else str(ended), lost=ended.lost)
        if worker.lost:
            raise WorkerLost(worker.stopped_because) from ended
        state.blame(worker.stopped_because)
        raise _Blamed from ended


@dataclass(slots=True)
class _State:
    """What several runs of one submission have in common."""

    submission: Submission
    questions: Sequence[Question]
    limits: Limits
    deadline: float | None = None
    leave_out: bool = True
    missing: str = "the time allowed for one submission was used up before this was asked"
    last_end: str = ""
    current: Cell | Question | None = None
    line: int = 0
    fatal: dict[int, dict[int, str]] = field(default_factory=dict)
    runs: dict[int, CellRun] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)

    def begin(self) -> None:
        """Start the clock, with the first worker."""
        if self.deadline is None:
            self.deadline = time.monotonic() + self.limits.total_seconds

    def left(self) -> float:
        """Seconds by the clock that the submission still has."""
        return math.inf if self.deadline is None else self.deadline - time.monotonic()

    def blame(self, reason: str) -> None:
        """The worker ended during `current`: that statement or question will be left out in the next run."""
        self.last_end = reason
        if isinstance(self.current, Cell):
            self.fatal.setdefault(self.current.number, {})[self.line] = f"ended the run: {reason}"
        elif self.current is None:
            raise SandboxError(f"the worker ended before it began: {reason}")
        else:
            ended = Unavailable("not reached", f"while this was asked, the worker ended: {reason}")
            self.answers[self.current.name] = ended

    def cell_runs(self) -> tuple[CellRun, ...]:
        """How each cell ended, in order."""
        cells = self.submission.cells
        return tuple(self.runs.get(cell.number, CellRun(cell.number, "not reached")) for cell in cells)

    def all_answers(self) -> dict[str, Any]:
        """What was found; what was not is marked as not reached."""
        missing = Unavailable("not reached", self.missing)
        answers = {question.name: self.answers.get(question.name, missing) for question in self.questions}
        late = next((run for run in self.runs.values() if run.state == "not reached"), None)
        if late is not None:  # what stands there may be the answer
            reason = Unavailable("not reached", f"code cell {late.number} was not run: {late.error}")
            open_ = [name for name, answer in answers.items() if _is_open(answer)]
            answers.update(dict.fromkeys(open_, reason))
        return answers


class _Dialogue:
    """One run in one worker."""

    def __init__(self, worker: Worker, state: _State) -> None:
        self.worker = worker
        self.state = state

    def run(self) -> None:
        state = self.state
        state.current = None
        self._run_cells()
        for question in state.questions:
            if question.name in state.answers:
                continue
            if state.left() <= 0:
                return
            state.current = question
            answer, missing = self._ask(question)
            self._look_for(missing)
            state.answers[question.name] = answer

    # ------------------------------------------------------------------ cells

    def _run_cells(self) -> None:
        state, limits = self.state, self.state.limits
        state.runs.clear()
        if state.submission.files:
            files = [{"name": file.name, "text": file.text} for file in state.submission.files]
            self._request("files", limits.cell_seconds, state.left(), files=files)
        self._left_out: list[str] = []
        self._used_before = self.worker.used_seconds()
        for cell in state.submission.cells:
            state.current = cell
            if state.leave_out and cell.demonstration:
                state.runs[cell.number] = CellRun(cell.number, "left out")
                self._left_out.append(cell.source)
            else:
                state.runs[cell.number] = self._run_cell(cell)

    def _run_cell(self, cell: Cell) -> CellRun:
        """Run a cell; after a statement that took too long, go on below it."""
        limits = self.state.limits
        fatal = self.state.fatal.get(cell.number, {})
        error, unanswered, start = next(iter(fatal.values()), ""), False, 0
        used_up = f"the notebook's {limits.notebook_seconds:.0f} s were used up before"
        while True:
            seconds, most = self._allowed()
            short = min(seconds, most) <= 0
            if short:  # answers take no time: go on, and stop what does
                seconds, most = limits.cell_seconds, self.state.left() - _RESERVED * limits.total_seconds
                if most <= 0:
                    return CellRun(cell.number, "error" if error else "not reached", error or used_up)
                most = min(_SHORT_SECONDS, most)
            self.state.line = start
            place = {"number": cell.number, "source": cell.source, "start": start, "skip": sorted(fatal)}
            reply = self._request("cell", seconds, most, **place)
            fields = _read(partial(_CellFields.of, reply))
            if fields.memory:  # what it hoards would be missing in the cells after it
                self.state.line = fields.memory
                raise _Ended(f"it used more than {limits.memory_bytes >> 20} MB of memory")
            if not cell.given:
                self._look_for(fields.missing)
            if not error:
                error, unanswered = fields.error, fields.unanswered
                if _DISK_FULL.search(error):
                    error += f" (all files of a submission together may have {limits.scratch_bytes >> 20} MB)"
                if short and fields.resume:
                    error = f"{error}: {used_up}"
            if fields.resume <= start:
                return CellRun(cell.number, _outcome(error, unanswered), error)
            start = fields.resume

    def _allowed(self) -> tuple[float, float]:
        """Processor time and time by the clock that the next part of a cell may take."""
        limits = self.state.limits
        by_clock = min(PATIENCE * limits.notebook_seconds, max(limits.notebook_seconds, limits.total_seconds / 2))
        used = self.worker.used_seconds() - self._used_before
        kept_for_questions = limits.total_seconds - by_clock
        return min(limits.cell_seconds, limits.notebook_seconds - used), self.state.left() - kept_for_questions

    def _look_for(self, missing: str) -> None:
        """Names were missing that a demonstration would have bound, had it not been left out."""
        for name in missing.split():
            if name.isidentifier() and any(re.search(rf"\b{name}\b", code) for code in self._left_out):
                raise _LeftOutMatters

    # ------------------------------------------------------------------ questions

    def _ask(self, question: Question) -> tuple[Any, str]:
        """The answer, and the names for want of which there is none."""
        seconds = self.state.limits.question_seconds
        reply = self._request(question.handler, seconds, self.state.left(), *question.arrays, **question.details)
        return _read(lambda: (reply.unavailable() or question.read(reply), reply.text("missing")))

    def _request(self, ask: str, seconds: float, most: float, *arrays: FloatArray, **details: Any) -> Reply:
        """Ask, and wait for the answer to this very question: what was sent before it is no answer.

        Args:
            ask: What.
            seconds: Processor time allowed; by the clock it is `PATIENCE` times as much.
            most: Seconds by the clock at most.
            arrays: Sent with it.
            details: Of the request.
        """
        token = secrets.token_hex(16)
        shapes = [list(array.shape) for array in arrays]
        patience = min(PATIENCE * seconds, most)
        started, starved = time.monotonic(), self.worker.starved_seconds()
        until = started + patience + GRACE_SECONDS
        connection = self.worker.connection
        request = {"ask": ask, "token": token, "seconds": seconds, "patience": patience, "shapes": shapes, **details}
        self.worker.allow(seconds)
        try:
            wire.send_json(connection, request, until)
            wire.send_floats(connection, *arrays, deadline=until)
            for _statement in range(_MOST_STATEMENTS):
                fields = wire.receive_json(connection, _REPLY_LIMIT, until)
                if "at" not in fields or fields.get("token") != token:
                    break
                self.state.line = _read(lambda: Reply(fields).whole("at"))  # noqa: B023 - called at once
        except wire.LateError as error:
            waited = self.worker.starved_seconds() - starved
            if waited > (time.monotonic() - started) / 2:
                raise _Ended("other programs left it no processor time", lost=True) from error
            raise _Ended(f"no answer within {patience:.0f} s") from error
        except wire.WireError as error:
            raise _Ended(str(error)) from error
        if fields.get("token") != token:
            raise _Ended("it answered before it was asked")
        return Reply(fields, connection, until)


@dataclass(frozen=True, slots=True)
class _CellFields:
    """What a worker says of a cell that it has run.

    Attributes:
        error: The first failure, or empty.
        unanswered: Whether that was a stub.
        missing: Names that were not there, with blanks between them.
        memory: Line of the statement that asked for too much, or 0.
        resume: Line to go on with, where the cell was stopped before its end, or 0.
    """

    error: str
    unanswered: bool
    missing: str
    memory: int
    resume: int

    @classmethod
    def of(cls, reply: Reply) -> _CellFields:
        return cls(
            reply.text("error"),
            reply.flag("unanswered"),
            reply.text("missing"),
            reply.whole("memory"),
            reply.whole("resume"),
        )


def _read(part: Any) -> Any:
    """Read a part of a reply; what is malformed ends the worker."""
    try:
        return part()
    except MalformedError as error:
        raise _Ended(str(error)) from error.__cause__


def _is_open(answer: Any) -> bool:
    return isinstance(answer, Unavailable) and answer.state == "not answered"


def _outcome(error: str, unanswered: bool) -> Literal["ok", "error", "open"]:
    if not error:
        return "ok"
    return "open" if unanswered else "error"
