# Generated from solutions/homework.py by `inithw build`: edit that file, not this one.
"""Public checks of q3: what better_init touches, not the scale it chooses."""

import sys

import torch

OK_FORMAT = False
name = "q3"
points = 3
NOT_CHECKED = "Not checked here: the scale of the weights, and whether the network trains."


def initialized_layer(better_init):
    """A layer with 7 inputs and 5 outputs that held NaN before better_init was called."""
    assert better_init is not None, "there is no function better_init: run the cell that defines it"
    layer = torch.nn.Linear(7, 5)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(float("nan"))
    layer.apply(better_init)
    assert list(layer.weight.shape) == [5, 7], f"the weights now have shape {list(layer.weight.shape)}, expected [5, 7]"
    return layer


def test_weights(better_init):
    """every weight is drawn, whatever it was before"""
    weights = initialized_layer(better_init).weight
    bad = int((~weights.isfinite()).sum())
    assert bad == 0, f"{bad} of 35 weights are not finite after weights that were NaN, expected none"


def test_fresh(better_init):
    """each call draws anew"""
    first, second = (initialized_layer(better_init).weight for _ in range(2))
    assert not first.equal(second), "two layers got the same weights, expected a fresh draw for each"


def test_biases(better_init):
    """biases are zero"""
    bias = initialized_layer(better_init).bias
    assert bool((bias == 0).all()), "some biases are not zero after better_init, expected all zero"


if "otter" in sys.modules:  # Otter, too, can run these tests; the notebook itself does without it
    from otter.test_files import test_case as case
    _weights = case(name="q3: " + test_weights.__doc__)(test_weights)
    _fresh = case(name="q3: " + test_fresh.__doc__)(test_fresh)
    _biases = case(name="q3: " + test_biases.__doc__, success_message=NOT_CHECKED)(test_biases)
