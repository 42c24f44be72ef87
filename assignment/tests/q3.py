# Generated from solutions/homework.py by `inithw build`: edit that file, not this one.
"""Public checks of q3: what better_init touches, not the scale it chooses."""

from otter.test_files import test_case

OK_FORMAT = False
name = "q3"
points = 3


def initialized_layer(better_init):
    """A layer with 7 inputs and 5 outputs that held NaN before better_init was called."""
    import torch

    assert better_init is not None, "there is no function better_init: run the cell that defines it"
    layer = torch.nn.Linear(7, 5)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(float("nan"))
    layer.apply(better_init)
    assert list(layer.weight.shape) == [5, 7], f"the weights now have shape {list(layer.weight.shape)}, expected [5, 7]"
    return layer


def test_weights(better_init):
    weights = initialized_layer(better_init).weight
    bad = int((~weights.isfinite()).sum())
    assert bad == 0, f"{bad} of 35 weights are not finite after weights that were NaN, expected none"


def test_fresh(better_init):
    first, second = (initialized_layer(better_init).weight for _ in range(2))
    assert not first.equal(second), "two layers got the same weights, expected a fresh draw for each"


def test_biases(better_init):
    bias = initialized_layer(better_init).bias
    assert bool((bias == 0).all()), "some biases are not zero after better_init, expected all zero"


_NOT_CHECKED = "Not checked here: the scale of the weights, and whether the network trains."
_weights = test_case(name="q3: every weight is drawn, whatever it was before")(test_weights)
_fresh = test_case(name="q3: each call draws anew")(test_fresh)
_biases = test_case(name="q3: biases are zero", success_message=_NOT_CHECKED)(test_biases)
