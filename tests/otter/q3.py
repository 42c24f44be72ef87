"""Items of q3 as Otter and pytest tests on `evidence`.

Generated from the rubric by `inithw build`: edit autograder/inithw/homework/rubric.py, not this file.
"""

from inithw.homework.rubric import ITEMS
from otter.test_files import test_case

OK_FORMAT = False
name = "q3"


def test_q3_draws(evidence):
    """Shows freshly drawn weights."""
    ITEMS["q3.draws"].check(evidence)


def test_q3_scale(evidence):
    """Shows the scale of the weights."""
    ITEMS["q3.scale"].check(evidence)


def test_q3_gradients(evidence):
    """Shows the gradients at initialization."""
    ITEMS["q3.gradients"].check(evidence)


def test_q3_training(evidence):
    """Shows training from the initialization."""
    ITEMS["q3.training"].check(evidence)


# Registered by a call: a decorated function would be a `test_case`, which pytest does not see.
_q3_draws = test_case(name="q3.draws", points=1)(test_q3_draws)
_q3_scale = test_case(name="q3.scale", points=2)(test_q3_scale)
_q3_gradients = test_case(name="q3.gradients", points=1)(test_q3_gradients)
_q3_training = test_case(name="q3.training", points=1)(test_q3_training)
