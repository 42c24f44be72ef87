"""Labelled answers: what people really write, right and wrong, each with the score that every item must get.

The contract behind the labels: a debatable answer is decided here, once. An answer replaces the stubs of the
student's notebook; a question it does not mention is answered as in the reference.
"""

from tests.submissions.answer import Answer, packed, write_answer
from tests.submissions.elsewhere import ELSEWHERE
from tests.submissions.q1 import Q1
from tests.submissions.q2 import Q2
from tests.submissions.q3 import Q3
from tests.submissions.terms import fits_this_term, rebuilt
from tests.submissions.whole_notebooks import WHOLE_NOTEBOOKS

ANSWERS = (*map(rebuilt, Q1), *Q2, *map(rebuilt, Q3), *WHOLE_NOTEBOOKS, *ELSEWHERE)

__all__ = ["ANSWERS", "Answer", "fits_this_term", "packed", "write_answer"]
