"""Names what is wrong with the structure of the student's q1 network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from inithw.homework.diagnosis import Mistake
from inithw.homework.records import Child

_OTHER_ACTIVATIONS = frozenset(
    [
        "CELU",
        "ELU",
        "GELU",
        "GLU",
        "Hardshrink",
        "Hardsigmoid",
        "Hardswish",
        "Hardtanh",
        "LeakyReLU",
        "LogSigmoid",
        "LogSoftmax",
        "Mish",
        "PReLU",
        "RReLU",
        "ReLU6",
        "SELU",
        "SiLU",
        "Sigmoid",
        "Softmax",
        "Softmin",
        "Softplus",
        "Softshrink",
        "Softsign",
        "Tanh",
        "Tanhshrink",
    ]
)
"""Activations of torch that are not ReLU. (Threshold is missing: Threshold(0, 0) is ReLU.)"""
_PADDING = frozenset(
    [
        "AlphaDropout",
        "BatchNorm1d",
        "Dropout",
        "Dropout1d",
        "FeatureAlphaDropout",
        "Flatten",
        "GroupNorm",
        "Identity",
        "InstanceNorm1d",
        "LayerNorm",
        "RMSNorm",
        "Unflatten",
    ]
)
_CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})
STANDARD_KINDS = _OTHER_ACTIVATIONS | _PADDING
"""Classes of torch that are never the homework's ReLU, even where one can be set up to equal it."""


def name_structure(children: Sequence[Child], expected: Sequence[Child], *, right_function: bool) -> Mistake | None:
    """The mistake that best explains why `children` are not the `expected` ones, or None.

    Args:
        children: What the student's model consists of.
        expected: What it should consist of.
        right_function: Whether it computes the expected network's function all the same.
    """
    kinds = [child.kind for child in children]
    linears = [child for child in children if child.kind == "Linear"]
    wanted = [child for child in expected if child.kind == "Linear"]
    spare = kinds.count("ReLU") >= len(wanted)  # a ReLU of a ReLU changes nothing
    if _CONTAINERS.intersection(kinds) or (right_function and not spare and STANDARD_KINDS.isdisjoint(kinds)):
        return Mistake(
            "q1.nested",
            "it is not one flat nn.Sequential of layers and activations",
            "The assertion on len(model) counts direct children: pass all layers to one nn.Sequential.",
        )
    if any(child.repeats >= 0 for child in children):
        return Mistake(
            "q1.shared_layers",
            "the same Linear object stands in several places, so those layers share one weight matrix",
            "Every layer needs weights of its own: count how many times nn.Linear(...) is really called.",
        )
    if padding := next((kind for kind in kinds if kind in _PADDING), ""):
        return Mistake(
            "q1.padding",
            f"{padding} is not part of this network",
            "The number of children follows from the layers and activations described; nothing has to be added for it.",
        )
    if len(linears) < len(wanted):
        return Mistake(
            "q1.too_few_layers",
            f"it has {len(linears)} linear layers",
            "Four hidden layers come before the output layer; the output layer is not one of them.",
        )
    if len(linears) > len(wanted):
        return Mistake(
            "q1.too_many_layers",
            f"it has {len(linears)} linear layers",
            "Count the hidden layers; the output layer comes once, after the last of them.",
        )
    if not all(child.bias for child in linears):
        return Mistake(
            "q1.no_bias",
            "a linear layer has no bias",
            "Compare the number of parameters with the assertion: nn.Linear has a bias unless told otherwise.",
        )
    if [(child.fan_in, child.fan_out) for child in linears] != [(child.fan_in, child.fan_out) for child in wanted]:
        return Mistake(
            "q1.widths",
            "its linear layers have other sizes",
            "Every hidden layer is `width` wide; the network reads one number and returns one.",
        )
    if kinds and kinds[-1] != "Linear":
        return Mistake(
            "q1.relu_after_output",
            f"{kinds[-1]} follows the output layer",
            "What values could the network not return then? The last layer stays linear.",
        )
    if activation := next((kind for kind in kinds if kind not in ("Linear", "ReLU")), ""):
        return Mistake(
            "q1.activation", f"{activation} is not the ReLU activation", "The network uses one kind of activation."
        )
    if any(first == second == "Linear" for first, second in pairwise(kinds)):
        return Mistake(
            "q1.relu_missing",
            "two linear layers follow each other without an activation",
            "Without a nonlinearity between them, two linear layers are one.",
        )
    if kinds != [child.kind for child in expected]:
        return Mistake(
            "q1.relu_misplaced",
            "a ReLU stands where none belongs",
            "One activation follows each linear layer except the last; nothing comes before the first.",
        )
    return None
