# Generated from solutions/homework.py by `inithw build`: edit that file, not this one.
"""Public checks of q2: what print_gnorms prints, not whether the numbers are right."""

import contextlib
import io
import sys

import torch

OK_FORMAT = False
name = "q2"
points = 2
NOT_CHECKED = "Not checked here: whether the numbers are the norms that the question asks for."


def printed_numbers(print_gnorms, widths):
    """Call print_gnorms on a network of these widths; returns the last word of each line that names a weight."""
    assert print_gnorms is not None, "there is no function print_gnorms: run the cell that defines it"
    layers = []
    for fan_in, fan_out in zip(widths, widths[1:]):
        layers.extend([torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()])
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print_gnorms(torch.nn.Sequential(*layers[:-1]))
    return [line.split()[-1] for line in printed.getvalue().splitlines() if ".weight" in line]


def check_numbers(print_gnorms, widths):
    words = printed_numbers(print_gnorms, widths)
    expected = len(widths) - 1
    assert len(words) == expected, f"{len(words)} lines name a weight matrix, expected {expected}"
    for word in words:
        try:
            number = float(word)
        except ValueError:
            raise AssertionError(f"a line ends in {word!r}, expected a number") from None
        assert number >= 0, f"a line ends in {word}, expected a number that is not negative"


def test_homework_network(print_gnorms):
    """one number for each of the five weight matrices"""
    check_numbers(print_gnorms, [1, 20, 20, 20, 20, 1])


def test_other_network(print_gnorms):
    """the same for a smaller network"""
    check_numbers(print_gnorms, [1, 6, 11, 1])


if "otter" in sys.modules:  # Otter, too, can run these tests; the notebook itself does without it
    from otter.test_files import test_case as case
    _homework = case(name="q2: " + test_homework_network.__doc__)(test_homework_network)
    _other = case(name="q2: " + test_other_network.__doc__, success_message=NOT_CHECKED)(test_other_network)
