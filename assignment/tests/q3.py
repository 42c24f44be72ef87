# Generated from solutions/homework.py by `inithw build`: edit that file, not this one.
"""Public checks of q3: what better_init touches, and that it looks at the layer; not whether its scale is right."""

import torch
from otter.test_files import test_case

OK_FORMAT = False
name = "q3 (first look)"
NOT_CHECKED = "Not checked here: whether the scale is right, and whether the network trains."
AGAIN = "After you have corrected this, run the cell of q1 and those below it again: `model` may be spoilt."


def initialized_layer(better_init, fan_in=7, fan_out=5):
    """A layer that held NaN before better_init was called."""
    assert better_init is not None, "there is no function better_init: run the cell that defines it"
    layer = torch.nn.Linear(fan_in, fan_out)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(float("nan"))
    layer.apply(better_init)
    shape = list(layer.weight.shape)
    assert shape == [fan_out, fan_in], f"the weights now have shape {shape}, expected [{fan_out}, {fan_in}]. {AGAIN}"
    for parameter in (layer.weight, layer.bias):
        kind = str(parameter.dtype)
        assert kind == "torch.float32", f"the layer now has numbers of type {kind}, expected torch.float32. {AGAIN}"
    return layer


@test_case(name="fresh weights on a scale of the layer's own, zero biases", success_message=NOT_CHECKED)
def test_init(better_init):
    first, second = (initialized_layer(better_init) for _ in range(2))
    bad = int((~first.weight.isfinite()).sum())
    assert bad == 0, f"{bad} of 35 weights are not finite after weights that were NaN, expected none"
    assert not first.weight.equal(second.weight), "two layers got the same weights, expected a fresh draw for each"
    assert bool((first.bias == 0).all()), "some biases are not zero after better_init, expected all zero"
    narrow, wide = (float(initialized_layer(better_init, fan, fan).weight.detach().std()) for fan in (50, 800))
    assert wide < 0.7 * narrow, (
        f"weights have standard deviation {narrow:.3g} in a layer with 50 inputs and outputs, {wide:.3g} with 800: "
        "expected a clearly smaller one for the larger layer"
    )
