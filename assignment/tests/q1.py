# Generated from solutions/homework.py by `inithw build`: edit that file, not this one.
"""Public checks of q1: the outside of the network only."""

import ast
import re

import torch
from IPython import get_ipython
from otter.test_files import test_case

OK_FORMAT = False
name = "q1 (first look)"
NOT_CHECKED = "Not checked here: which layers these are, in which order, and the function they compute."


def parses(source):
    try:
        ast.parse(get_ipython().transform_cell(source))
    except SyntaxError:
        return False
    return True


@test_case(name="nine modules, 1321 parameters, one output per input", success_message=NOT_CHECKED)
def test_network(model):
    history = getattr(getattr(get_ipython(), "history_manager", None), "input_hist_raw", [])
    cells = [source for source in history if re.search(r"^model\s*=", source, re.MULTILINE)]
    assert not cells or parses(cells[-1]), (
        "the cell of q1 was run with a syntax error: what is checked here would be the model of an earlier run"
    )
    assert model is not None, "there is no model: the cell of q1 was not run, or stopped before model was made"
    assert isinstance(model, torch.nn.Sequential), f"model is no nn.Sequential: {model}"
    assert len(model) == 9, f"model has {len(model)} modules, expected 9 (was the cell of q1 run?)"
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 1321, f"model has {count} parameters, expected 1321"
    with torch.no_grad():
        outputs = model(torch.linspace(-1, 1, 10).unsqueeze(-1))
    shape = list(outputs.shape)
    assert shape == [10, 1], f"for inputs of shape [10, 1] the outputs have shape {shape}, expected [10, 1]"
