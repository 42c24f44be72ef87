"""q1: the student's network has the right layers and computes the right function."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inithw.diagnosis.network import OTHER_ACTIVATIONS, name_structure
from inithw.records import Child, Evidence, FloatArray, ForwardTask, ModelEvidence, Unavailable
from inithw.reference.initialization import LAYER_SHAPES
from inithw.reference.network import forward
from inithw.verdict import Lost, available

OUTPUT_TOLERANCE = 1e-4
"""Largest deviation of an output, relative to the scale of the network's function there."""
_QUOTED = 12
_QUOTED_NAME = 40


def check_layers(evidence: Evidence) -> None:
    """The model is the flat stack of five linear layers with a ReLU between each two, 1321 parameters."""
    model = available(evidence.model)
    expected = _expected_children()
    parameters = sum(child.fan_in * child.fan_out + child.fan_out for child in expected)
    children = model.children
    if not any(child.repeats >= 0 for child in children if child.kind == "Linear") and all(
        _fits(child, wanted) for child, wanted in zip(children, expected, strict=False)
    ):
        if len(children) == len(expected) and model.parameters == parameters:
            own = [child.kind for child, wanted in zip(children, expected, strict=True) if child.kind != wanted.kind]
            if not own or _computes_the_function(model, evidence.challenge.forward):
                return
    place = _first_deviation(children, expected)
    mistake = name_structure(children, expected)
    found = f"{model.variable} has {len(children)} children, {_compact(children)}"
    if place < len(children) and place < len(expected):
        where = f"child {place} is {_describe(children[place])} where {_describe(expected[place])} was expected"
    elif len(children) != len(expected):
        where = f"{len(expected)} children were expected"
    else:
        where = f"they hold {model.parameters} parameters where {parameters} were expected"
    because = f": {mistake.what}" if mistake else ""
    raise Lost(
        f"{found}; {where}{because}.",
        diagnosis=mistake.label if mistake else "",
        hint=mistake.hint if mistake else "",
    )
