"""The life of one submission in its own process: run the cells, then answer what the judge asks.

A homework's half of the untrusted side is a module with a class `Answers(session)`. Its methods named in
`Answers.handlers` answer the judge's questions of that name: each gets the request and the arrays sent with it, and
returns plain values and the arrays to send back, or raises `Unavailable`. `Answers.functions` are the functions that it
asks; `Answers.after_statement` and `Answers.after_cell` see every top-level statement and every cell.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

import numpy as np

from inithw.engine import wire
from inithw.engine.worker.moments import Moment
from inithw.engine.worker.shell import (
    Failure,
    GradingShell,
    Output,
    TimeLimitReached,
    describe,
    lacking,
    prepare,
    time_limit,
)
from inithw.engine.worker.standins import Usage, missing_package
from inithw.engine.worker.statements import NOT_PYTHON, readable

_REQUEST_LIMIT = 64 << 20
_OPEN = re.compile(r"\bnot answered yet\b|^$")
_MOST_MISSING = 50  # names

Answer = tuple[dict[str, Any], list[np.ndarray]]
Handler = Callable[[dict[str, Any], list[np.ndarray]], Answer]


class Unavailable(Exception):
    """A question cannot be answered; `state` is `not answered` or `not reached`."""

    def __init__(self, state: str, reason: str, failure: Failure | None = None) -> None:
        super().__init__(reason)
        self.state = state
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Definition:
    """A function of the student's, as its cell left it.

    Attributes:
        name: What it was bound to.
        function: The function.
        cell: Number of the cell.
        moment: The notebook's state after that cell.
    """

    name: str
    function: Callable[..., Any]
    cell: int
    moment: Moment


class Answers:
    """What a homework's worker module defines under this name, by subclassing; made with the session.

    Attributes:
        functions: Names of the student's functions that it asks, which are kept as their cells left them.
        handout: Sources of the cells that students get: they are translated once for all.
    """

    functions: Sequence[str] = ()
    handout: Sequence[str] = ()

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What answers the judge's questions, by name."""
        raise NotImplementedError

    def after_statement(self, cell: int, line: int) -> None:
        """Look around after a top-level statement."""

    def after_cell(self, number: int) -> None:
        """Look around after a cell."""

    def is_open(self, function: str, source: str) -> bool:
        """Whether the definition of `function` in a cell holds nothing that the handout does not."""
        return False


class Session:
    """One submission: its shell, its sources and failures by cell, and the homework's answers."""

    def __init__(self, shell: GradingShell, connection: socket.socket, homework: ModuleType) -> None:
        self.shell = shell
        self.connection = connection
        self.output: Output = prepare(shell)
        self.sources: dict[int, str] = {}
        self.failures: dict[int, list[Failure]] = {}
        self.definitions: dict[str, list[Definition]] = {}
        self.moments: dict[int, Moment] = {}
        self._cell = 0
        self._token = ""
        self.answers: Answers = homework.Answers(self)
        shell.before_statement = self._before_statement
        shell.after_statement = lambda line: self.answers.after_statement(self._cell, line)
        self.handlers: dict[str, Handler] = {**self.answers.handlers, "cell": self._run_cell, "files": self._files}

    def run(self) -> None:
        """Serve the judge, one request and one answer at a time, until it closes the connection."""
        with contextlib.suppress(wire.ClosedError):
            while True:
                self._serve(wire.receive_json(self.connection, _REQUEST_LIMIT))

    def _serve(self, request: dict[str, Any]) -> None:
        arrays = wire.receive_floats(self.connection, *[tuple(shape) for shape in request["shapes"]])
        header: dict[str, Any]
        values: list[np.ndarray] = []
        self._token = request["token"]
        try:
            with time_limit(request["seconds"], request["patience"]):
                header, values = self.handlers[request["ask"]](request, arrays)
                json.dumps(header)  # what cannot be sent fails here, and ends no worker
        except Unavailable as reason:
            missing = reason.failure.name if reason.failure is not None and reason.failure.cause is None else ""
            header = {"unavailable": reason.state, "reason": str(reason), "missing": missing}
        except BaseException as error:
            header = {"unavailable": "not reached", "reason": describe(self.shell.explain(error))}
        wire.send_json(self.connection, {"token": request["token"], **header})
        wire.send_floats(self.connection, *values)

    def _files(self, request: dict[str, Any], _arrays: list[np.ndarray]) -> Answer:
        """Lay down what was uploaded beside the notebook, in the folder where it runs."""
        for file in request["files"]:
            path, text = PurePosixPath(file["name"]), file["text"]
            if path.suffix == ".py":
                with contextlib.suppress(*NOT_PYTHON):
                    text = readable(text)
            os.makedirs(path.parent, exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
        return {}, []

    def code(self) -> dict[int, str]:
        """The cells as plain Python, by number; lines keep their numbers."""
        return {number: self.shell.plain(source) for number, source in self.sources.items()}

    # ------------------------------------------------------------------ cells

    def _run_cell(self, request: dict[str, Any], _arrays: list[np.ndarray]) -> Answer:
        number, source = request["number"], request["source"]
        self._cell = number
        self.sources[number] = source
        failures = self.shell.run(
            source, number, start=request.get("start", 0), skip=frozenset(request.get("skip", ()))
        )
        self.failures.setdefault(number, []).extend(failures)
        self.answers.after_cell(number)
        self._note_definitions(number)
        with contextlib.suppress(Exception):  # as a notebook does, or hundreds of figures fill the memory
            sys.modules["matplotlib.pyplot"].close("all")
        if not failures:
            return {"error": ""}, []
        first = next((failure for failure in failures if not is_open(failure, source)), failures[0])
        memory = next((failure for failure in failures if failure.out_of_memory), None)
        missing = dict.fromkeys(failure.name for failure in failures if failure.name and failure.cause is None)
        header = {
            "error": describe(first, number),
            "unanswered": is_open(first, source),
            "missing": " ".join(list(missing)[:_MOST_MISSING]),
            "memory": 0 if memory is None else memory.line,
            "resume": self.shell.resume,
        }
        return header, []

    def _before_statement(self, line: int) -> None:
        """Tell the judge where the cell is: should this statement end the process, it costs itself only."""
        with contextlib.suppress(wire.WireError):
            wire.send_json(self.connection, {"token": self._token, "at": line})

    def moment(self) -> Moment:
        """The state after the present cell."""
        if self._cell not in self.moments:
            self.moments[self._cell] = Moment(self.shell.user_ns)
        return self.moments[self._cell]

    def _note_definitions(self, number: int) -> None:
        for name in self.answers.functions:
            function = self.shell.user_ns.get(name)
            known = self.definitions.setdefault(name, [])
            if callable(function) and not (known and known[-1].function is function):
                known.append(Definition(name, function, number, self.moment()))

    # ------------------------------------------------------------------ the student's functions

    def ask(self, name: str, put: Callable[[Callable[..., Any]], tuple[Answer, bool]]) -> Answer:
        """Ask a function of the student's in the state in which its cell left it, and failing that at the end.

        Args:
            name: The function.
            put: Calls it; returns the answer and whether it is complete, or raises `Unavailable`.

        Raises:
            Unavailable: There is no such function, it was left open, or it raised each time.
        """
        definition = self._definition(name)
        attempts: list[tuple[Answer | Unavailable, bool]] = []
        usage = Usage()
        try:
            for state in (definition.moment.restored(), contextlib.nullcontext()):
                with state:
                    sys.stdout = sys.stderr = self.output  # whatever a cell put there
                    try:
                        answer, complete = put(definition.function)
                    except Unavailable as reason:
                        if reason.state == "not answered" or _out_of_time(reason):
                            raise
                        attempts.append((reason, reason.failure is None or not reason.failure.name))
                        continue
                if complete:
                    return self._remarked(answer, name, usage.packages())
                attempts.append((answer, False))
        finally:
            packages = usage.close()
        # What was printed before an error counts; else the first error that is no missing name, else the last.
        answers = [answer for answer, _telling in attempts if not isinstance(answer, Unavailable)]
        if answers:
            return self._remarked(answers[0], name, packages)
        reasons = [(reason, telling) for reason, telling in attempts if isinstance(reason, Unavailable)]
        first = next((reason for reason, telling in reasons if telling), reasons[-1][0])
        unsaid = [package for package in packages if package not in str(first)]
        if unsaid:
            raise Unavailable(first.state, f"{first}; it uses {lacking(unsaid)}", first.failure)
        raise first

    def _remarked(self, answer: Answer, name: str, packages: tuple[str, ...]) -> Answer:
        header, values = answer
        if packages:
            header = {**header, "absent": f"{name} uses {lacking(packages)}"}
        return header, values

    def _definition(self, name: str) -> Definition:
        """The last definition that is answered."""
        known = self.definitions.get(name, [])
        answered = [one for one in known if not self.answers.is_open(name, self.sources[one.cell])]
        if answered:
            return answered[-1]
        damaged = self._damaged_definition(name)
        if known or damaged is None:
            found = "still holds the open TODO" if known else "was not defined"
            raise Unavailable("not answered", f"{name} {found}" if known else f"no function {name} was defined")
        number, failure = damaged
        if self.answers.is_open(name, self.sources[number]) or is_open(failure, self.sources[number]):
            raise Unavailable("not answered", f"{name} still holds the open TODO")
        reason = f"code cell {number}, which defines {name}, stopped: {describe(failure, number)}"
        raise Unavailable("not reached", reason, failure)

    def _damaged_definition(self, name: str) -> tuple[int, Failure] | None:
        """The cell with a definition that failed, and the failure at or nearest above it."""
        for number, source in reversed(self.sources.items()):
            found = re.search(rf"\bdef\s+{name}\b|^{name}\s*=(?!=)", source, re.MULTILINE)
            failures = self.failures.get(number, [])
            if found and failures:
                line = source.count("\n", 0, found.start()) + 1
                return number, next((failure for failure in failures if failure.line >= line), failures[0])
        return None

    def call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the student's, known as `name`; what is missing here gets a stand-in.

        Raises:
            Unavailable: It was left open, or raised.
        """
        while True:
            try:
                return function(*arguments)
            except BaseException as error:
                if not isinstance(error, TimeLimitReached) and self.shell.remedy(error):
                    continue
                failure = self.shell.explain(error)
                if is_open(failure, ""):
                    raise Unavailable("not answered", f"{name} still holds the open TODO") from None
                how = "stopped:" if missing_package(error) else "raised"
                raise Unavailable("not reached", f"{name} {how} {describe(failure)}", failure) from None


def is_open(failure: Failure, source: str) -> bool:
    """Whether a stub of the handout raised: ours says so, the course's original notebook raises a bare one."""
    if isinstance(failure.error, builtins.NotImplementedError):
        return _OPEN.search(str(failure.error)) is not None
    return "NotImplementedError()" in source and isinstance(failure.error, TypeError)


def _out_of_time(reason: Unavailable) -> bool:
    return reason.failure is not None and isinstance(reason.failure.error, TimeLimitReached)
