"""The untrusted half: answers what the judge asks of the student's network and functions.

The engine imports it before it forks: what it imports costs no submission any time.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from IPython.display import display
from torch import nn

from inithw.engine.worker import seeds, session
from inithw.engine.worker.session import Answer, Handler, Session, Unavailable, is_open
from inithw.engine.worker.shell import describe, lacking
from inithw.engine.worker.standins import Absent, Value, package, path_of
from inithw.homework.worker.model import Timeline, Wanted, asserted_names, describe_children, load
from inithw.homework.worker.stubs import HANDOUT, holds_nothing, is_emptied

_TEXT_LIMIT = 100_000
_DECIMAL = re.compile(r"\d[.,]\d|\de[-+]?\d")
# As torch defines them: a cell may put something else in their place.
_Linear, _ReLU, _Sequential, _copy = nn.Linear, nn.ReLU, nn.Sequential, torch.Tensor.copy_
_parameters, _enable_grad, _gradients = nn.Module.parameters, torch.enable_grad, torch.autograd.grad

for _name in ("torch.func", "torch.optim", "torch._dynamo"):  # what notebooks of this homework import besides
    importlib.import_module(_name)


class Answers(session.Answers):
    """One submission's answers: the networks seen while its cells ran, and its functions."""

    functions = ("print_gnorms", "better_init")
    handout = HANDOUT

    def __init__(self, of: Session) -> None:
        super().__init__(of)
        self.timeline = Timeline()
        self.fresh = False  # whether the present cell made a network

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What the judge may ask, by name."""
        return {"model": self._model, "norms": self._norms, "init": self._init}

    def after_statement(self, cell: int, line: int) -> None:
        """Look for networks after a statement has run."""
        if self.timeline.look((cell, line), self.session.shell.user_ns):
            self.fresh = True

    def after_cell(self, number: int) -> None:
        """Keep the state in which a network was made: it may need a name that a later cell takes."""
        if self.fresh:
            self.timeline.refresh(number)
            self.session.moment()
        self.fresh = False

    def is_open(self, function: str, source: str) -> bool:
        """Whether a definition is still a stub."""
        return holds_nothing(function, source)

    # ------------------------------------------------------------------ q1

    def _model(self, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
        *weights, inputs = [torch.from_numpy(array) for array in arrays]
        failed = {(number, failure.line) for number, failures in self.session.failures.items() for failure in failures}
        each = len(weights) // request["networks"]
        wanted = Wanted.of(weights[:each])
        seen = self.timeline.answer(self.session.code(), failed, wanted)
        if seen is None or not any(True for _ in seen.network.children()):
            raise self._missing_network(wanted)
        header = {
            "variable": seen.variable,
            "children": describe_children(seen.network),
            "parameters": seen.parameters,
        }
        try:
            moment = self.session.moments.get(seen.place[0])
            outputs: list[np.ndarray] = []
            gradients: list[np.ndarray] = []
            for first in range(0, len(weights), each):
                with moment.restored() if moment else contextlib.nullcontext():
                    learnt = load(seen.network, weights[first : first + each])
                    found, by_parameter = _run(*_in_own_precision(seen.network, inputs), learnt)
                outputs.append(found)
                gradients += by_parameter
        except Exception as error:
            return {**header, "outputs": False, "reason": describe(self.session.shell.explain(error))}, []
        return {**header, "outputs": True}, [*outputs, *gradients]

    def _missing_network(self, wanted: Wanted) -> Unavailable:
        for name, value in self.session.shell.user_ns.items():
            if isinstance(value, Absent | Value) and name in ("model", "net", "network"):
                absent = package(path_of(value))
                return Unavailable("not reached", f"{name} uses {lacking([absent])}")
        code = self.session.code()
        for number, source in self.session.sources.items():
            failures = self.session.failures.get(number, [])
            if not failures or not ("Sequential" in source or asserted_names(code[number], wanted)):
                continue
            if is_emptied(source) or any(is_open(failure, source) for failure in failures):
                break
            about = [failure for failure in failures if not isinstance(failure.error, AssertionError)]
            if about:
                reason = f"code cell {number} stopped: {describe(about[0], number)}"
                return Unavailable("not reached", reason, about[0])
        return Unavailable("not answered", "no network with several hidden layers was defined")

    # ------------------------------------------------------------------ q2

    def _norms(self, request: dict[str, Any], arrays: list[np.ndarray]) -> Answer:
        *weights, x, y = arrays

        def put(function: Callable[..., Any]) -> tuple[Answer, bool]:
            failure: Unavailable | None = None
            for dtype in self._dtypes():
                network = build(request["widths"], dtype)
                load(network, [torch.from_numpy(array) for array in weights])
                with (
                    self._training_data(x.astype(np.float64), y.astype(np.float64)),
                    self.session.output.record(_TEXT_LIMIT) as kept,
                ):
                    returned, raised = self._called("print_gnorms", function, network)
                text = kept.decode(errors="replace")
                if raised is None:
                    if returned is not None and len(_DECIMAL.findall(text)) < len(request["widths"]) - 1:
                        text += self._shown(returned)
                    return ({"text": text}, []), True
                if re.search(r"\d", text):  # what was printed before an error counts
                    return ({"text": text, "raised": str(raised)}, []), False
                failure = failure or raised
            assert failure is not None
            raise failure

        return self.session.ask("print_gnorms", put)

    def _shown(self, value: Any) -> str:
        """A value as a notebook shows that of a cell's last expression, a text without its quotation marks."""
        if isinstance(value, str):
            return value[:_TEXT_LIMIT]
        try:
            with self.session.output.record(_TEXT_LIMIT) as kept:
                display(value)
        except Exception:
            return repr(value)[:_TEXT_LIMIT]
        return kept.decode(errors="replace")

    def _called(self, name: str, function: Callable[..., Any], network: nn.Module) -> tuple[Any, Unavailable | None]:
        try:
            return self.session.call(name, function, network), None
        except Unavailable as reason:
            return None, reason

    # ------------------------------------------------------------------ q3

    def _init(self, request: dict[str, Any], start: list[np.ndarray]) -> Answer:
        def put(function: Callable[..., Any]) -> tuple[Answer, bool]:
            answers: list[Answer] = []
            failure: Unavailable | None = None
            for dtype in self._dtypes():
                try:
                    answer = self._initialized(function, request, start, dtype)
                except Unavailable as reason:
                    failure = failure or reason
                    continue
                if not answer[0]["forward_error"]:
                    return answer, True
                answers.append(answer)
            if answers:
                return answers[0], False
            assert failure is not None
            raise failure

        return self.session.ask("better_init", put)

    def _initialized(
        self, function: Callable[..., Any], request: dict[str, Any], arrays: list[np.ndarray], dtype: torch.dtype
    ) -> Answer:
        """Weights and biases of layers, of networks, and of networks that had ones or others before, not NaN.

        Then outputs and gradients of the last network that had NaN.
        """
        *start, inputs = arrays
        widths = request["widths"]
        network, nan = build(widths, dtype), torch.tensor(torch.nan)
        seeds.seed_all(request["seed"])  # once: who sets a seed of his own gets the same numbers from then on

        def initialized(widths: list[int], before: list[np.ndarray] | None = None) -> list[np.ndarray]:
            nonlocal network
            network = build(widths, dtype)
            parameters = [part for layer in _linear(network) for part in (layer.weight, layer.bias)]
            # NaN as in the homework, where training at scale 3 has just diverged
            values = [nan] * len(parameters) if before is None else map(torch.from_numpy, before)
            with torch.no_grad():
                for parameter, value in zip(parameters, values, strict=True):
                    _copy(parameter, value)
            self.session.call("better_init", _apply, network, function)
            layers, fans = _linear(network), list(itertools.pairwise(widths))  # it may have put others there
            if len(layers) != len(fans):
                raise Unavailable("not reached", f"better_init left {len(layers)} linear layers of {len(fans)}")
            return [part for layer, shape in zip(layers, fans, strict=True) for part in _layer_values(layer, *shape)]

        layers = [
            part
            for fan_in, fan_out, draws in request["layers"]
            for _ in range(draws)
            for part in initialized([fan_in, fan_out])
        ]
        others = ([np.ones_like(array) for array in start], start)
        networks: list[np.ndarray] = []
        restarted: list[np.ndarray] = []
        done = 0
        for number in range(request["networks"]):
            networks += initialized(widths)
            last = network
            while done * request["networks"] < (number + 1) * request["restarted"]:  # among the others, evenly
                restarted += initialized(widths, others[done % 2])
                done += 1
        forward_error = ""
        outputs, gradients = np.zeros_like(inputs), [np.zeros_like(array) for array in start]
        try:
            outputs, gradients = _run_initialized(last, torch.from_numpy(inputs).to(dtype))
        except Exception as error:
            forward_error = describe(self.session.shell.explain(error))
        return {"forward_error": forward_error}, [*layers, *networks, *restarted, outputs, *gradients]

    def _dtypes(self) -> tuple[torch.dtype, ...]:
        """What the notebook computes with: torch's default at this moment, then that of its networks."""
        default = torch.get_default_dtype()
        seen = {parameter.dtype for sighting in self.timeline.sightings for parameter in sighting.network.parameters()}
        return (default, *(dtype for dtype in (torch.float32, torch.float64) if dtype in seen and dtype != default))

    # ------------------------------------------------------------------ data

    @contextlib.contextmanager
    def _training_data(self, x: np.ndarray, y: np.ndarray) -> Iterator[None]:
        """Put the judge's data where `print_gnorms` finds the homework's, for the time of one call.

        Written into the arrays or tensors themselves where they fit: a function may have kept them as default
        arguments, and the student may have made them tensors or columns.
        """
        namespace = self.session.shell.user_ns
        kept = {name: namespace[name] for name in ("train_x", "train_y") if name in namespace}
        lent = {name: _like(kept.get(name), values) for name, values in [("train_x", x), ("train_y", y)]}
        copies = {name: _flat_copy(old) for name, old in kept.items()}
        fits = {name for name, values in lent.items() if len(copies.get(name, ())) == len(values)}
        for name, values in lent.items():
            if name in fits:
                _overwrite(kept[name], np.asarray(values))
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


def _like(old: Any, values: np.ndarray) -> Any:
    """Values in the type of those that they stand for: a list, a tuple, a Series of pandas; an array of any other."""
    with contextlib.suppress(Exception):
        if isinstance(old, list | tuple) or type(old).__module__.startswith("pandas."):
            return type(old)(values.tolist())
    return values


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


def build(widths: list[int], dtype: torch.dtype) -> nn.Sequential:
    """A fully connected ReLU network with the given layer widths, named as the homework's: 0, 1, 2 ...

    Its weights are yet to be set: drawing those of `nn.Linear`, to be thrown away, would take half of the time.
    """
    layers: list[nn.Module] = []
    draw, _Linear.reset_parameters = _Linear.reset_parameters, lambda _layer: None
    try:
        for fan_in, fan_out in itertools.pairwise(widths):
            layers += [_Linear(fan_in, fan_out, dtype=dtype), _ReLU()]
    finally:
        _Linear.reset_parameters = draw
    return _Sequential(*layers[:-1])


def _apply(network: nn.Sequential, function: Callable[..., Any]) -> None:
    """What `network.apply(function)` does, whatever a cell has put in its place."""
    for module in (*network._modules.values(), network):
        function(module)


def _linear(network: nn.Sequential) -> list[nn.Linear]:
    return [module for module in network._modules.values() if isinstance(module, _Linear)]


def _in_own_precision(network: nn.Module, inputs: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    """A network and its inputs in its own precision where it has enough."""
    own = next((parameter.dtype for parameter in network.parameters()), torch.float32)
    if own not in (torch.float32, torch.float64):
        network, own = network.float(), torch.float32
    return network, inputs.to(own)


def _run(
    network: nn.Module, inputs: torch.Tensor, parts: Sequence[torch.Tensor]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outputs at inputs of shape (n,), flat.

    Then the gradients of the mean of (output / (1 + |input|))^2 by each of the parts, zero where none arrives.

    Raises:
        ValueError: There are more or fewer outputs than inputs.
    """
    with _enable_grad():
        outputs = network(inputs.unsqueeze(-1)).reshape(-1)
        if outputs.shape != inputs.shape:
            raise ValueError(f"{tuple(inputs.shape)} inputs gave {outputs.numel()} outputs")
        learnt = [part for part in parts if part.requires_grad and outputs.requires_grad]
        alike = (outputs / (1 + inputs.abs())).square().mean()
        found = _gradients(alike, learnt, allow_unused=True) if learnt else ()
    arriving = {id(part): gradient for part, gradient in zip(learnt, found, strict=True) if gradient is not None}
    gradients = [arriving.get(id(part), torch.zeros_like(part)) for part in parts]
    return _plain(outputs), [_plain(gradient) for gradient in gradients]


def _run_initialized(network: nn.Sequential, inputs: torch.Tensor) -> tuple[np.ndarray, list[np.ndarray]]:
    """The same by the layers' weights and biases; NaN where gradients arrive at what these are computed from."""
    layers = _linear(network)
    parts = [part for layer in layers for part in _parameters(layer)]
    outputs, gradients = _run(network, inputs, parts)
    arrived = {id(part): gradient for part, gradient in zip(parts, gradients, strict=True)}
    by_layer = []
    for layer in layers:
        plain = layer.weight, layer.bias
        others = [part for part in _parameters(layer) if not any(part is values for values in plain)]
        for values in plain:
            reached = any(arrived[id(part)].any() for part in others if part.dim() >= values.dim())
            computed = np.full(tuple(values.shape), np.nan if reached else 0.0, np.float32)
            by_layer.append(arrived.get(id(values), computed))
    return outputs, by_layer


def _plain(values: torch.Tensor) -> np.ndarray:
    return np.asarray(values.detach().to(torch.float32).cpu().numpy())


def _layer_values(layer: Any, fan_in: int, fan_out: int) -> list[np.ndarray]:
    if tuple(layer.weight.shape) != (fan_out, fan_in) or layer.bias is None or tuple(layer.bias.shape) != (fan_out,):
        raise Unavailable("not reached", f"better_init changed the shape of a {fan_in} -> {fan_out} layer")
    return [values.detach().to(torch.float32).cpu().numpy().copy() for values in (layer.weight, layer.bias)]
