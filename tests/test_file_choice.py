"""Which file of a submission counts can be said outright, and a repository's own path wins."""

import pytest
from inithw.engine.submission import NotGradable, read_submission

from tests.another_homework.definition import HOMEWORK

ONE, TWO = "def cross_entropy(a, b):\n    return 1\n", "def cross_entropy(a, b):\n    return 2\n"


@pytest.fixture
def two(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "homework.py").write_text("import numpy\n" + ONE)
    (tmp_path / "scratch" / "try.py").write_text("import numpy\n" + TWO)
    return tmp_path


def source(submission):
    return "\n".join(cell.source for cell in submission.cells)


@pytest.mark.parametrize("only", ["try.py", "scratch/try.py", "./scratch/try.py"])
def test_the_file_that_is_named_is_read_and_no_other(two, only):
    assert "return 2" in source(read_submission(two, HOMEWORK, only=only))


def test_a_file_that_is_named_but_not_there_is_missed_by_its_name(two):
    with pytest.raises(NotGradable, match=r"holds no other\.py, which was asked for; found: homework\.py, scratch"):
        read_submission(two, HOMEWORK, only="other.py")


def test_the_preferred_path_wins_where_several_hold_answers_and_is_said(two):
    with pytest.raises(NotGradable, match="several"):
        read_submission(two, HOMEWORK)
    with pytest.raises(NotGradable, match="several"):
        read_submission(two, HOMEWORK, preferred="elsewhere.py")
    found = read_submission(two, HOMEWORK, preferred="homework.py", name="anna")
    assert "return 1" in source(found)
    assert found.name == "anna"
    assert "Ignored scratch/try.py: not where the homework belongs." in found.notes


def test_a_preferred_file_that_is_blank_does_not_win_over_answers(two):
    (two / "homework.py").write_text('import numpy\ndef cross_entropy(a, b):\n    todo("s1")\n    todo("s2")\n')
    assert "return 2" in source(read_submission(two, HOMEWORK, preferred="homework.py"))
