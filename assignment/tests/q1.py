# Generated from solutions/homework.py by `inithw build`: edit that file, not this one.
"""Public checks of q1: the outside of the network only."""

import sys

import torch

OK_FORMAT = False
name = "q1"
points = 3
NOT_CHECKED = "Not checked here: which layers these are, in which order, and the function they compute."


def test_container(model):
    """an nn.Sequential of nine modules"""
    assert isinstance(model, torch.nn.Sequential), f"model is a {type(model).__name__}, expected an nn.Sequential"
    assert len(model) == 9, f"model has {len(model)} modules, expected 9 (was the cell of q1 run?)"


def test_parameters(model):
    """1321 parameters"""
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 1321, f"model has {count} parameters, expected 1321"


def test_outputs(model):
    """one output per input"""
    with torch.no_grad():
        outputs = model(torch.linspace(-1, 1, 10).unsqueeze(-1))
    shape = list(outputs.shape)
    assert shape == [10, 1], f"for inputs of shape [10, 1] the outputs have shape {shape}, expected [10, 1]"


if "otter" in sys.modules:  # Otter, too, can run these tests; the notebook itself does without it
    from otter.test_files import test_case as case
    _container = case(name="q1: " + test_container.__doc__)(test_container)
    _parameters = case(name="q1: " + test_parameters.__doc__)(test_parameters)
    _outputs = case(name="q1: " + test_outputs.__doc__, success_message=NOT_CHECKED)(test_outputs)
