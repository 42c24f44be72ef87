"""q1: the student's network has the right layers and computes the right function."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from inithw.engine.records import Unavailable
from inithw.engine.verdict import Lost, available
from inithw.homework.checks.response import wrong_gradient, wrong_output
from inithw.homework.diagnosis.network import MISTAKES, name_structure
from inithw.homework.records import Child, Evidence, ForwardTask, ModelEvidence, Network

_MOST_QUOTED = 12
_LONGEST_NAME = 40


def check_layers(evidence: Evidence) -> None:
    """The model is the flat stack of five linear layers with a ReLU between each two."""
    model = available(evidence.model)
    task = evidence.challenge.forward
    expected = _expected_children(task.networks[0])
    parameters = sum(array.size for array in (*task.networks[0].weights, *task.networks[0].biases))
    right_function = _worst_input(model, task) is None
    children = _with_own_layers(model.children, expected) if right_function else model.children
    if children == expected and model.parameters == parameters:
        return
    raise Lost.because(
        f"{model.variable} has {_count(len(children))} with {model.parameters} parameters, {_listed(model.children)}; "
        f"{_deviation(children, expected, parameters)}",
        MISTAKES["q1.shared_layers"]
        if children == expected and model.parameters < parameters
        else name_structure(children, expected, right_function=right_function),
    )


def check_forward(evidence: Evidence) -> None:
    """With the judge's weights, the model returns what the network described returns, and passes its gradients on."""
    model = available(evidence.model)
    task = evidence.challenge.forward
    worst = _worst_input(model, task)
    if worst is None:
        for network, found in zip(task.networks, model.gradients, strict=True):
            wrong = wrong_gradient(network, task.inputs, found)
            if wrong is not None:
                raise Lost(
                    f"{model.variable} returns the right values, but {wrong}: so it cannot be trained.",
                    hint="Which step detaches its result, turns gradients off, or has a gradient of its own?",
                )
        return
    mistake = name_structure(model.children, _expected_children(task.networks[0]), right_function=False)
    if mistake is None:
        available(model.outputs)
    raise Lost.because(
        f"given new weights, {model.variable} {worst}",
        mistake,
        hint="Which step of the forward pass is not a linear layer or max(0, x)?",
    )


def _worst_input(model: ModelEvidence, task: ForwardTask) -> str | None:
    """Where the model's function deviates most from the expected one, in words; None when it agrees everywhere."""
    if isinstance(model.outputs, Unavailable):
        return f"could not be evaluated ({model.outputs.reason})"
    return wrong_output(task.networks, task.inputs, model.outputs)


def _expected_children(network: Network) -> tuple[Child, ...]:
    children: list[Child] = []
    for weights in network.weights:
        fan_out, fan_in = weights.shape
        children += [Child("Linear", fan_in, fan_out, bias=True), Child("ReLU")]
    return tuple(children[:-1])


def _with_own_layers(children: tuple[Child, ...], expected: tuple[Child, ...]) -> tuple[Child, ...]:
    """In a model with the right function, everything is the layer in whose place it stands: LeakyReLU(0), too.

    A linear layer has the weights and biases of one besides.
    """
    if len(children) != len(expected):
        return children
    return tuple(
        wanted if child.repeats < 0 and (wanted.kind == "ReLU" or replace(child, kind="Linear") == wanted) else child
        for child, wanted in zip(children, expected, strict=True)
    )


def _deviation(children: Sequence[Child], expected: Sequence[Child], parameters: int) -> str:
    for place, (child, wanted) in enumerate(zip(children, expected, strict=False)):
        if child != wanted:
            return f"child {place} is {_describe(child)} where {_describe(wanted)} was expected"
    if len(children) != len(expected):
        return f"{_count(len(expected))} were expected"
    return f"{parameters} parameters were expected"


def _listed(children: Sequence[Child]) -> str:
    quoted = ", ".join(_describe(child) for child in children[:_MOST_QUOTED])
    return f"({quoted}{', ...' if len(children) > _MOST_QUOTED else ''})"


def _describe(child: Child) -> str:
    if child.kind == "Linear":
        repeats = f" again (child {child.repeats})" if child.repeats >= 0 else ""
        return f"Linear({child.fan_in}, {child.fan_out}{'' if child.bias else ', bias=False'}){repeats}"
    return re.sub(r"\W", "?", child.kind)[:_LONGEST_NAME]


def _count(children: int) -> str:
    return "1 child" if children == 1 else f"{children} children"
