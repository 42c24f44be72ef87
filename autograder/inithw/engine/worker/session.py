"""The life of one submission in its own process: run the cells, then answer what the judge asks.

A homework's half of the untrusted side is a module with a class `Answers(session)`. Its methods named in
`Answers.handlers` answer the judge's questions of that name: each gets the request and the arrays sent with it, and
returns plain values and the arrays to send back, or raises `Unavailable`. `Answers.after_cell` sees every cell.
"""

from __future__ import annotations

import builtins
import contextlib
import re
import socket
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from inithw.engine import wire
from inithw.engine.worker.shell import GradingShell, Output, describe, prepare, time_limit

_REQUEST_LIMIT = 64 << 20
_OPEN = re.compile(r"\bnot answered yet\b|^$")

Answer = tuple[dict[str, Any], list[np.ndarray]]
Handler = Callable[[dict[str, Any], list[np.ndarray]], Answer]


class Unavailable(Exception):
    """A question cannot be answered; `state` is `not answered` or `not reached`."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class Answers(Protocol):
    """What a homework's worker module defines under this name; made with the session."""

    @property
    def handlers(self) -> Mapping[str, Handler]: ...  # noqa: D102

    def after_cell(self, number: int) -> None: ...  # noqa: D102


class Session:
    """One submission: its shell, its sources and errors by cell, and the homework's answers."""

    def __init__(self, shell: GradingShell, connection: socket.socket, homework: ModuleType) -> None:
        self.shell = shell
        self.connection = connection
        self.output: Output = prepare(shell)
        self.sources: dict[int, str] = {}
        self.errors: dict[int, BaseException] = {}
        self.answers: Answers = homework.Answers(self)
        self.handlers: dict[str, Handler] = {**self.answers.handlers, "cell": self._cell}

    def run(self) -> None:
        """Serve the judge, one request and one answer at a time, until it closes the connection."""
        with contextlib.suppress(wire.ClosedError):
            while True:
                self._serve(wire.receive_json(self.connection, _REQUEST_LIMIT))

    def _serve(self, request: dict[str, Any]) -> None:
        arrays = wire.receive_floats(self.connection, *[tuple(shape) for shape in request["shapes"]])
        header: dict[str, Any]
        values: list[np.ndarray] = []
        try:
            with time_limit(request["seconds"], request["patience"]):
                header, values = self.handlers[request["ask"]](request, arrays)
        except Unavailable as reason:
            header = {"unavailable": reason.state, "reason": str(reason)}
        except BaseException as error:
            header = {"unavailable": "not reached", "reason": describe(error)}
        wire.send_json(self.connection, {"token": request["token"], **header})
        wire.send_floats(self.connection, *values)

    def _cell(self, request: dict[str, Any], _arrays: list[np.ndarray]) -> Answer:
        number, source = request["number"], request["source"]
        self.sources[number] = source
        error = self.shell.run(source)
        if error is not None:
            self.errors[number] = error
        self.answers.after_cell(number)
        with contextlib.suppress(Exception):  # as a notebook does, or hundreds of figures fill the memory
            sys.modules["matplotlib.pyplot"].close("all")
        unanswered = error is not None and is_open(error, source)
        return {"error": "" if error is None else describe(error), "unanswered": unanswered}, []

    # ------------------------------------------------------------------ the student's functions

    def function(self, name: str) -> Callable[..., Any]:
        """The student's function of this name.

        Raises:
            Unavailable: There is none; says whether it was left open or its cell stopped.
        """
        function = self.shell.user_ns.get(name)
        if callable(function):
            return function
        for number, source in self.sources.items():
            if number in self.errors and re.search(rf"\bdef\s+{name}\b", source):
                if is_open(self.errors[number], source):
                    raise Unavailable("not answered", f"{name} still holds the open TODO")
                reason = f"code cell {number}, which defines {name}, stopped: {describe(self.errors[number])}"
                raise Unavailable("not reached", reason)
        raise Unavailable("not answered", f"no function {name} was defined")

    def call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the student's, known as `name`.

        Raises:
            Unavailable: It was left open, or raised.
        """
        try:
            return function(*arguments)
        except BaseException as error:
            if is_open(error, ""):
                raise Unavailable("not answered", f"{name} still holds the open TODO") from None
            raise Unavailable("not reached", f"{name} raised {describe(error)}") from None


def is_open(error: BaseException, source: str) -> bool:
    """Whether a stub of the handout raised: ours says so, the course's original notebook raises a bare one."""
    if isinstance(error, builtins.NotImplementedError):
        return _OPEN.search(str(error)) is not None
    return "NotImplementedError()" in source and isinstance(error, TypeError)
