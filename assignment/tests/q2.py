# Generated from solutions/homework.py by `inithw build`: edit that file, not this one.
"""Public checks of q2: what print_gnorms prints for three networks, one of which has a gradient known by hand."""

import contextlib
import io

import numpy as np
import torch
from otter.test_files import test_case

OK_FORMAT = False
name = "q2 (first look)"
NOT_CHECKED = "Not checked here: gradients of matrices with more than one row and column."


def printed_numbers(print_gnorms, network):
    """Call print_gnorms on a network; returns the number at the end of each line that names a weight."""
    assert print_gnorms is not None, "there is no function print_gnorms: run the cell that defines it"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print_gnorms(network)
    words = [line.split()[-1] for line in printed.getvalue().splitlines() if ".weight" in line]
    expected = sum(isinstance(layer, torch.nn.Linear) for layer in network)
    assert len(words) == expected, f"{len(words)} lines name a weight matrix, expected {expected}"
    for word in words:
        try:
            number = float(word)
        except ValueError:
            raise AssertionError(f"a line ends in {word!r}, expected a number") from None
        assert number >= 0, f"a line ends in {word}, expected a number that is not negative"
    return [float(word) for word in words]


def network(widths):
    layers = []
    for fan_in, fan_out in zip(widths, widths[1:]):
        layers.extend([torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()])
    return torch.nn.Sequential(*layers[:-1])


@test_case(name="one number for each weight matrix; those of a network known by hand", success_message=NOT_CHECKED)
def test_norms(print_gnorms, train_x, train_y):
    printed_numbers(print_gnorms, network([1, 20, 20, 20, 20, 1]))
    printed_numbers(print_gnorms, network([1, 6, 11, 1]))
    first, second = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.5, -0.25])
    linear = torch.nn.Sequential(torch.nn.Linear(1, 3, bias=False), torch.nn.Linear(3, 1, bias=False))
    with torch.no_grad():
        linear[0].weight.copy_(torch.from_numpy(first).view(3, 1))
        linear[1].weight.copy_(torch.from_numpy(second).view(1, 3))
    # f(x) = (second . first) x, so the loss has the derivative c along second . first.
    x, y = np.ravel(train_x), np.ravel(train_y)
    c = np.mean(2 * (second @ first * x - y) * x)
    expected = [abs(c) * np.sqrt(np.sum(second**2)), abs(c) * np.sqrt(np.sum(first**2))]
    found = printed_numbers(print_gnorms, linear)
    assert np.allclose(found, expected, rtol=1e-3), (
        "for a network with two linear layers, 1 -> 3 -> 1, the numbers are not the L2 norms of the gradients: "
        f"found {found[0]:.6g} and {found[1]:.6g}. Norm of what? Square root taken?"
    )
