"""Items of q1 as Otter and pytest tests on `evidence`.

Generated from the rubric by `inithw build`: edit autograder/inithw/homework/rubric.py, not this file.
"""

from inithw.homework.rubric import ITEMS
from otter.test_files import test_case

OK_FORMAT = False
name = "q1"


def test_q1_layers(evidence):
    """Shows the layers of the network."""
    ITEMS["q1.layers"].check(evidence)


def test_q1_forward(evidence):
    """Shows the function that the network computes."""
    ITEMS["q1.forward"].check(evidence)


# Registered by a call: a decorated function would be a `test_case`, which pytest does not see.
_q1_layers = test_case(name="q1.layers", points=1)(test_q1_layers)
_q1_forward = test_case(name="q1.forward", points=1)(test_q1_forward)
