"""q1: names what is wrong with the structure of the student's network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from inithw.engine.verdict import Mistake, registry
from inithw.homework.records import Child
from inithw.homework.reference.data import WIDTHS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PADDING = _words("""
    AlphaDropout BatchNorm1d Dropout Dropout1d FeatureAlphaDropout Flatten GroupNorm Identity InstanceNorm1d LayerNorm
    RMSNorm Unflatten
""")
"""Classes of torch that are no layer of the homework's, whatever they do."""
_CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})


MISTAKES = registry(
    Mistake(
        "q1.nested",
        "it is not one flat nn.Sequential of layers and activations",
        "The assertion on len(model) counts direct children: pass all layers to one nn.Sequential.",
    ),
    Mistake(
        "q1.shared_layers",
        "the same weights stand in several places, so that layers share them",
        "Every layer needs weights of its own: count how many times nn.Linear(...) is really called.",
    ),
    Mistake(
        "q1.padding",
        "{kind} is not part of this network",
        "The number of children follows from the layers and activations described; nothing has to be added for it.",
    ),
    Mistake(
        "q1.too_few_layers",
        "it has {count} linear layers",
        f"{len(WIDTHS) - 2} hidden layers come before the output layer; the output layer is not one of them.",
    ),
    Mistake(
        "q1.too_many_layers",
        "it has {count} linear layers",
        "Count the hidden layers; the output layer comes once, after the last of them.",
    ),
    Mistake(
        "q1.no_bias",
        "a linear layer has no bias",
        "Compare the number of parameters with the assertion: nn.Linear has a bias unless told otherwise.",
    ),
    Mistake(
        "q1.widths",
        "its linear layers have other sizes",
        "Every hidden layer is `width` wide; the network reads one number and returns one.",
    ),
    Mistake(
        "q1.relu_after_output",
        "{kind} follows the output layer",
        "What values could the network not return then? The last layer stays linear.",
    ),
    Mistake("q1.activation", "{kind} is not the ReLU activation", "The network uses one kind of activation."),
    Mistake(
        "q1.relu_missing",
        "two linear layers follow each other without an activation",
        "Without a nonlinearity between them, two linear layers are one.",
    ),
    Mistake(
        "q1.relu_misplaced",
        "a ReLU stands where none belongs",
        "One activation follows each linear layer except the last; nothing comes before the first.",
    ),
)


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
    if _CONTAINERS.intersection(kinds) or (right_function and not spare and PADDING.isdisjoint(kinds)):
        return MISTAKES["q1.nested"]
    if any(child.repeats >= 0 for child in children):
        return MISTAKES["q1.shared_layers"]
    if padding := next((kind for kind in kinds if kind in PADDING), ""):
        return MISTAKES["q1.padding"].of(kind=padding)
    if len(linears) < len(wanted):
        return MISTAKES["q1.too_few_layers"].of(count=len(linears))
    if len(linears) > len(wanted):
        return MISTAKES["q1.too_many_layers"].of(count=len(linears))
    if not all(child.bias for child in linears):
        return MISTAKES["q1.no_bias"]
    if [(child.fan_in, child.fan_out) for child in linears] != [(child.fan_in, child.fan_out) for child in wanted]:
        return MISTAKES["q1.widths"]
    if kinds and kinds[-1] != "Linear":
        return MISTAKES["q1.relu_after_output"].of(kind=kinds[-1])
    if activation := next((kind for kind in kinds if kind not in ("Linear", "ReLU")), ""):
        return MISTAKES["q1.activation"].of(kind=activation)
    if any(first == second == "Linear" for first, second in pairwise(kinds)):
        return MISTAKES["q1.relu_missing"]
    if kinds != [child.kind for child in expected]:
        return MISTAKES["q1.relu_misplaced"]
    return None
