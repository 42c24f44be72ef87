"""The untrusted half: answers what the judge asks of the student's network and functions.

The engine imports it before it forks: what it imports costs no submission any time.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from inithw.engine.worker.session import Answer, Handler, Session, Unavailable, is_open
from inithw.engine.worker.shell import describe
from inithw.homework.worker.model import Timeline, Wanted, asserted_names, describe_children, load

_TEXT_LIMIT = 100_000
_USUAL = (
    *("json", "random", "matplotlib.pyplot", "tqdm.auto", "tqdm.notebook"),
    *("torch.func", "torch.optim", "torch.utils.data"),
)
"""What notebooks of this homework import besides."""

for _name in _USUAL:
    importlib.import_module(_name)


class Answers:
    """One submission's answers: the networks seen while its cells ran, and its functions."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.timeline = Timeline()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What the judge may ask, by name."""
        return {"model": self._model, "norms": self._norms, "init": self._init}

    def after_cell(self, number: int) -> None:
        """Look for networks after a cell has run."""
        self.timeline.look(number, self.session.shell.user_ns)

    def _model(self, _request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
        *weights, inputs = [torch.from_numpy(array) for array in arrays]
        seen = self.timeline.answer(self.session.sources, set(self.session.errors), Wanted.of(weights))
        if seen is None:
            raise self._missing_network(Wanted.of(weights))
        header = {
            "variable": seen.variable,
            "children": describe_children(seen.network),
            "parameters": sum(parameter.numel() for parameter in seen.network.parameters()),
        }
        try:
            load(seen.network, weights)
            with torch.no_grad():
                outputs = seen.network(inputs.unsqueeze(-1)).detach().reshape(-1).to(torch.float32)
            if outputs.shape != inputs.shape:
                raise ValueError(f"{tuple(inputs.shape)} inputs gave {outputs.numel()} outputs")
        except Exception as error:
            return {**header, "outputs": False, "reason": describe(error)}, []
        return {**header, "outputs": True}, [outputs.numpy()]

    def _missing_network(self, wanted: Wanted) -> Unavailable:
        errors = self.session.errors
        for number, source in self.session.sources.items():
            if number in errors and ("Sequential" in source or asserted_names(source, wanted)):
                if is_open(errors[number], source):
                    break
                return Unavailable("not reached", f"code cell {number} stopped: {describe(errors[number])}")
        return Unavailable("not answered", "no network with several hidden layers was defined")

    def _norms(self, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
        function = self.session.function("print_gnorms")
        *weights, x, y = arrays
        network = build(request["widths"])
        load(network, [torch.from_numpy(array) for array in weights])
        with (
            self._training_data(x.astype(np.float64), y.astype(np.float64)),
            self.session.output.record(_TEXT_LIMIT) as kept,
        ):
            returned = self.session.call("print_gnorms", function, network)
        text = kept.decode(errors="replace")
        if not re.search(r"\d", text) and returned is not None:
            text = repr(returned)[:_TEXT_LIMIT]  # as a notebook shows the value of the cell's last expression
        return {"text": text}, []

    def _init(self, request: dict[str, Any], _arrays: list[np.ndarray]) -> Answer:
        function = self.session.function("better_init")
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
            self.session.call("better_init", network.apply, function)

        for fan_in, fan_out, draws in request["layers"]:
            for _ in range(draws):
                network = nn.Sequential(nn.Linear(fan_in, fan_out))
                initialize(network)
                values += _layer_values(network[0], fan_in, fan_out)
        fans = request["rewritten"]
        rewritten = nn.Sequential(nn.Linear(*fans))
        initialize(rewritten, before=1.0)
        values += _layer_values(rewritten[0], *fans)
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

    # ------------------------------------------------------------------ data

    @contextlib.contextmanager
    def _training_data(self, x: np.ndarray, y: np.ndarray) -> Iterator[None]:
        """Put the judge's data where `print_gnorms` finds the homework's, for the time of one call.

        Written into the arrays or tensors themselves where they fit: a function may have kept them as default
        arguments, and the student may have made them tensors or columns.
        """
        namespace = self.session.shell.user_ns
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
