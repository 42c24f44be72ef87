"""Items of q2 as Otter and pytest tests on `evidence`."""

from inithw.homework import checks
from inithw.homework.rubric import POINTS
from otter.test_files import test_case

OK_FORMAT = False
name = "q2"


def test_q2_norms(evidence):
    """Each printed number is the L2 norm of that layer's weight gradient."""
    checks.check_norms(evidence)


def test_q2_general(evidence):
    """The same on networks of other depth and width."""
    checks.check_general(evidence)


# Registered by a call: a decorated function would be a `test_case`, which pytest does not see.
_norms = test_case(name="q2.norms", points=POINTS["q2.norms"])(test_q2_norms)
_general = test_case(name="q2.general", points=POINTS["q2.general"])(test_q2_general)
