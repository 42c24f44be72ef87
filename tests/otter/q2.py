"""Items of q2 as Otter and pytest tests on `evidence`.

Generated from the rubric by `inithw build`: edit autograder/inithw/homework/rubric.py, not this file.
"""

from inithw.homework.rubric import ITEMS
from otter.test_files import test_case

OK_FORMAT = False
name = "q2"


def test_q2_norms(evidence):
    """Shows the norms of the gradients."""
    ITEMS["q2.norms"].check(evidence)


def test_q2_general(evidence):
    """Shows the norms for networks of other sizes."""
    ITEMS["q2.general"].check(evidence)


# Registered by a call: a decorated function would be a `test_case`, which pytest does not see.
_q2_norms = test_case(name="q2.norms", points=2)(test_q2_norms)
_q2_general = test_case(name="q2.general", points=1)(test_q2_general)
