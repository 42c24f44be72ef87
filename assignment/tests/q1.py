# Generated from solutions/homework.py by `inithw build`: edit that file, not this one.
"""Public checks of q1: the outside of the network only."""

from otter.test_files import test_case

OK_FORMAT = False
name = "q1"
points = 3


def test_container(model):
    import torch

    assert isinstance(model, torch.nn.Sequential), f"model is a {type(model).__name__}, expected an nn.Sequential"
    assert len(model) == 9, f"model has {len(model)} modules, expected 9 (was the cell of q1 run?)"


def test_parameters(model):
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 1321, f"model has {count} parameters, expected 1321"


def test_outputs(model):
    import torch

    with torch.no_grad():
        outputs = model(torch.linspace(-1, 1, 10).unsqueeze(-1))
    shape = list(outputs.shape)
    assert shape == [10, 1], f"for inputs of shape [10, 1] the outputs have shape {shape}, expected [10, 1]"


_NOT_CHECKED = "Not checked here: which layers these are, in which order, and the function they compute."
_container = test_case(name="q1: an nn.Sequential of nine modules")(test_container)
_parameters = test_case(name="q1: 1321 parameters")(test_parameters)
_outputs = test_case(name="q1: one output per input", success_message=_NOT_CHECKED)(test_outputs)
