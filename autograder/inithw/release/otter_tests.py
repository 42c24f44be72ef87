"""Writes the items of the rubric as files of tests, one for each question, for Otter and for pytest."""

from __future__ import annotations

from itertools import groupby

from inithw.engine.homework import Homework
from inithw.engine.records import Item

_FILE = '''\
"""Items of {question} as Otter and pytest tests on `evidence`.

{note}
"""

from inithw.homework.rubric import ITEMS
from otter.test_files import test_case

OK_FORMAT = False
name = "{question}"


{tests}


# Registered by a call: a decorated function would be a `test_case`, which pytest does not see.
{cases}
'''
_TEST = '''\
def test_{name}(evidence):
    """Shows {title}."""
    ITEMS["{item}"].check(evidence)'''
_CASE = '_{name} = test_case(name="{item}", points={points:g})(test_{name})'


def otter_tests(homework: Homework, note: str) -> dict[str, str]:
    """The text of each file, by the question's label.

    Args:
        homework: Whose items.
        note: How the file came to be.
    """
    return {
        question: _file(question, list(items), note)
        for question, items in groupby(homework.rubric, key=lambda item: item.question)
    }


def _file(question: str, items: list[Item], note: str) -> str:
    words = [
        {"name": item.id.replace(".", "_"), "item": item.id, "points": item.points, "title": item.title}
        for item in items
    ]
    return _FILE.format(
        question=question,
        note=note,
        tests="\n\n\n".join(_TEST.format(**of) for of in words),
        cases="\n".join(_CASE.format(**of) for of in words),
    )
