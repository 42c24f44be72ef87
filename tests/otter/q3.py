"""Items of q3 as Otter and pytest tests on `evidence`."""

from inithw.homework import checks
from inithw.homework.rubric import POINTS
from otter.test_files import test_case

OK_FORMAT = False
name = "q3"


def test_q3_draws(evidence):
    """Every weight is freshly drawn, around zero, and independent between layers."""
    checks.check_draws(evidence)


def test_q3_scale(evidence):
    """The standard deviation of the weights follows from the layer's size."""
    checks.check_scale(evidence)


def test_q3_gradients(evidence):
    """At initialization, gradient norms neither vanish nor explode, and are balanced."""
    checks.check_gradients(evidence)


def test_q3_training(evidence):
    """The median trained network fits the test data."""
    checks.check_training(evidence)


# Registered by a call: a decorated function would be a `test_case`, which pytest does not see.
_draws = test_case(name="q3.draws", points=POINTS["q3.draws"])(test_q3_draws)
_scale = test_case(name="q3.scale", points=POINTS["q3.scale"])(test_q3_scale)
_gradients = test_case(name="q3.gradients", points=POINTS["q3.gradients"])(test_q3_gradients)
_training = test_case(name="q3.training", points=POINTS["q3.training"])(test_q3_training)
