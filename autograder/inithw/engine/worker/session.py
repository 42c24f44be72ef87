"""The life of one submission in its own process: run the cells, then answer what the judge asks."""

from __future__ import annotations

import builtins
import contextlib
import itertools
import re
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from inithw.engine import wire
from inithw.engine.worker.shell import GradingShell, Output, describe, prepare, time_limit
from inithw.homework.worker import model as models

_REQUEST_LIMIT = 64 << 20
_TEXT_LIMIT = 100_000
_UNANSWERED = re.compile(r"\b(q[123])\b.*not answered|^$", re.IGNORECASE)


class Unavailable(Exception):
    """A question cannot be answered; `state` is `not answered` or `not reached`."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class Session:
    """One submission: its shell, its networks seen, its errors."""

    def __init__(self, shell: GradingShell, connection: socket.socket) -> None:
        self.shell = shell
        self.connection = connection
        self.output: Output = prepare(shell)
        self.timeline = models.Timeline()
        self.sources: dict[int, str] = {}
        self.errors: dict[int, BaseException] = {}

    def run(self) -> None:
        """Serve the judge, one request and one answer at a time, until it closes the connection."""
        with contextlib.suppress(wire.ClosedError):
            while True:
                self._serve(wire.receive_json(self.connection, _REQUEST_LIMIT))

    def _serve(self, request: dict[str, Any]) -> None:
        handlers: dict[str, Callable[..., tuple[dict[str, Any], list[np.ndarray]]]] = {
            "cell": self._cell,
            "model": self._model,
            "norms": self._norms,
            "init": self._init,
        }
        arrays = wire.receive_floats(self.connection, *[tuple(shape) for shape in request["shapes"]])
        header: dict[str, Any]
        values: list[np.ndarray] = []
        try:
            with time_limit(request["seconds"]):
                header, values = handlers[request["ask"]](request, arrays)
        except Unavailable as reason:
            header = {"unavailable": reason.state, "reason": str(reason)}
        except BaseException as error:
            header = {"unavailable": "not reached", "reason": describe(error)}
        wire.send_json(self.connection, {"token": request["token"], **header})
        wire.send_floats(self.connection, *values)

    def _cell(self, request: dict[str, Any], _arrays: list[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
        number, source = request["number"], request["source"]
        self.sources[number] = source
        error = self.shell.run(source)
        if error is not None:
            self.errors[number] = error
        self.timeline.look(number, self.shell.user_ns)
        with contextlib.suppress(Exception):  # as a notebook does, or hundreds of figures fill the memory
            sys.modules["matplotlib.pyplot"].close("all")
        unanswered = error is not None and _is_unanswered(error, source)
        return {"error": "" if error is None else describe(error), "unanswered": unanswered}, []

    def _model(self, request: dict[str, Any], arrays: list[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
        *weights, inputs = [torch.from_numpy(array) for array in arrays]
        seen = self.timeline.answer(self.sources, set(self.errors))
        if seen is None:
            raise self._missing_network()
        header = {
            "variable": seen.variable,
            "children": models.describe_children(seen.network),
            "parameters": sum(parameter.numel() for parameter in seen.network.parameters()),
        }
        try:
            models.load(seen.network, weights)
            with torch.no_grad():
                outputs = seen.network(inputs.unsqueeze(-1)).detach().reshape(-1).to(torch.float32)
            if outputs.shape != inputs.shape:
                raise ValueError(f"{tuple(inputs.shape)} inputs gave {outputs.numel()} outputs")
        except Exception as error:
            return {**header, "outputs": False, "reason": describe(error)}, []
        return {**header, "outputs": True}, [outputs.numpy()]

    def _missing_network(self) -> Unavailable:
        for number, source in self.sources.items():
            if number in self.errors and ("Sequential" in source or models.asserted_names(source)):
                if _is_unanswered(self.errors[number], source):
                    break
                return Unavailable("not reached", f"code cell {number} stopped: {describe(self.errors[number])}")
        return Unavailable("not answered", "no network with four hidden layers was defined")

    def _norms(self, request: dict[str, Any], arrays: list[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
        function = self._function("print_gnorms", "q2")
        *weights, x, y = arrays
        network = build(request["widths"])
        models.load(network, [torch.from_numpy(array) for array in weights])
        with (
            self._training_data(x.astype(np.float64), y.astype(np.float64)),
            self.output.record(_TEXT_LIMIT) as kept,
        ):
            try:
                returned = function(network)
            except BaseException as error:
                if _is_unanswered(error, ""):
                    raise Unavailable("not answered", "print_gnorms still holds the open TODO") from None
                raise Unavailable("not reached", f"print_gnorms raised {describe(error)}") from None
        text = kept.decode(errors="replace")
        if not re.search(r"\d", text) and returned is not None:
            text = repr(returned)[:_TEXT_LIMIT]  # as a notebook shows the value of the cell's last expression
        return {"text": text}, []

    def _init(self, request: dict[str, Any], arrays: list[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
        function = self._function("better_init", "q3")
        values: list[np.ndarray] = []
        seed = request["seed"]

        def initialize(network: nn.Sequential, before: float = torch.nan) -> None:
            nonlocal seed
            seed += 1
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.fill_(before)  # NaN as in the homework, where training at scale 3 has just diverged
            try:
                network.apply(function)
            except BaseException as error:
                if _is_unanswered(error, ""):
                    raise Unavailable("not answered", "better_init still holds the open TODO") from None
                raise Unavailable("not reached", f"better_init raised {describe(error)}") from None

        for fan_in, fan_out, draws in request["layers"]:
            for _ in range(draws):
                network = nn.Sequential(nn.Linear(fan_in, fan_out))
                initialize(network)
                values += _layer_values(network[0], fan_in, fan_out)
        rewritten = nn.Sequential(nn.Linear(20, 20))
        initialize(rewritten, before=1.0)
        values += _layer_values(rewritten[0], 20, 20)
        widths, forward_error = request["widths"], ""
        for _ in range(request["networks"]):
            network = build(widths)
            initialize(network)
            for layer, fan_in, fan_out in zip(network[::2], widths[:-1], widths[1:], strict=True):
                values += _layer_values(layer, fan_in, fan_out)
        try:
            network(torch.zeros(1, 1))
        except Exception as error:
            forward_error = describe(error)
        return {"forward_error": forward_error}, values

    # ------------------------------------------------------------------ the student's names

    def _function(self, name: str, question: str) -> Callable[..., Any]:
        function = self.shell.user_ns.get(name)
        if callable(function):
            return function
        for number, source in self.sources.items():
            if number in self.errors and re.search(rf"\bdef\s+{name}\b", source):
                if _is_unanswered(self.errors[number], source):
                    raise Unavailable("not answered", f"{name} still holds the open TODO")
                reason = f"code cell {number}, which defines {name}, stopped: {describe(self.errors[number])}"
                raise Unavailable("not reached", reason)
        raise Unavailable("not answered", f"no function {name} was defined")

    @contextlib.contextmanager
    def _training_data(self, x: np.ndarray, y: np.ndarray) -> Iterator[None]:
        """Put the judge's data where `print_gnorms` finds the homework's, for the time of one call.

        Written into the arrays or tensors themselves where they fit: a function may have kept them as default
        arguments, and the student may have made them tensors or columns.
        """
        namespace = self.shell.user_ns
        lent = {"train_x": x, "train_y": y}
        kept = {name: namespace[name] for name in lent if name in namespace}
        copies = {name: _flat_copy(old) for name, old in kept.items()}
        fits = {name for name, values in lent.items() if len(copies.get(name, ())) == len(values)}
        for name, values in lent.items():
            if name in fits:
                _overwrite(kept[name], values)
            else:
                namespace[name] = values
        try:
            yield
        finally:
            for name in lent:
                if name in fits:
                    _overwrite(kept[name], copies[name])
                namespace.pop(name, None)
            namespace.update(kept)


def _flat_copy(values: Any) -> np.ndarray:
    """The values of an array or tensor that can be written to, shape (n,); nothing of anything else."""
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy().flatten()
    return values.flatten() if isinstance(values, np.ndarray) and values.flags.writeable else np.empty(0)


def _overwrite(target: torch.Tensor | np.ndarray, values: np.ndarray) -> None:
    """Write `values`, shape (n,), into an array or tensor of n elements of any shape."""
    if isinstance(target, torch.Tensor):
        with torch.no_grad():
            target.copy_(torch.from_numpy(values).reshape(target.shape))
    else:
        target[...] = values.reshape(target.shape)


def build(widths: list[int]) -> nn.Sequential:
    """A fully connected ReLU network with the given layer widths, named as the homework's: 0, 1, 2 ..."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _layer_values(layer: Any, fan_in: int, fan_out: int) -> list[np.ndarray]:
    if tuple(layer.weight.shape) != (fan_out, fan_in) or layer.bias is None or tuple(layer.bias.shape) != (fan_out,):
        raise Unavailable("not reached", f"better_init changed the shape of a {fan_in} -> {fan_out} layer")
    return [values.detach().to(torch.float32).cpu().numpy().copy() for values in (layer.weight, layer.bias)]


def _is_unanswered(error: BaseException, source: str) -> bool:
    """Whether a stub of the handout raised: ours says so, older handouts raise a bare NotImplementedError."""
    if isinstance(error, builtins.NotImplementedError):
        return _UNANSWERED.search(str(error)) is not None
    return "NotImplementedError()" in source and isinstance(error, TypeError)
