"""Items of q1 as Otter and pytest tests on `evidence`."""

from inithw.homework import checks
from inithw.homework.rubric import POINTS
from otter.test_files import test_case

OK_FORMAT = False
name = "q1"


def test_q1_layers(evidence):
    """The model is the flat stack of five linear layers with a ReLU between each two."""
    checks.check_layers(evidence)


def test_q1_forward(evidence):
    """With the judge's weights, the model returns what the network described returns."""
    checks.check_forward(evidence)


# Registered by a call: a decorated function would be a `test_case`, which pytest does not see.
_layers = test_case(name="q1.layers", points=POINTS["q1.layers"])(test_q1_layers)
_forward = test_case(name="q1.forward", points=POINTS["q1.forward"])(test_q1_forward)
