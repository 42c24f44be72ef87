"""A term with other constants: one edit of term.toml, `inithw build`, and all that is read and graded agrees.

Thresholds of another homework are refused; small calibrations stand for the full one, which takes minutes.
"""

import json
import re

import pytest
from inithw.homework.rubric import POINTS
from inithw.homework.term import TermError, read_term

from tests.parts import project_copy, run_in
from tests.submissions import ANSWERS, packed, write_answer

TERM = "autograder/inithw/homework/term.toml"
SMALL = """
from pathlib import Path
from inithw.homework.calibration import calibrate
from inithw.homework.calibration.measuring import Sizes
calibrate(Path(), sizes=Sizes(blocks=40, networks=64, runs=32))
"""
HARD_WIRED = re.compile(r"\b(?:20|21|1321|1500|1499|9|0\.05)\b")
"""Numbers of this term's homework: answers that state them are right for it alone."""


def changed(folder, *edits):
    """A copy of the project with some lines of term.toml changed, built."""
    project = project_copy(folder)
    text = (project / TERM).read_text()
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (project / TERM).write_text(text)
    built = run_in(project, "inithw.cli", "build")
    assert built.returncode == 0, built.stderr
    checked = run_in(project, "inithw.cli", "build", "--check")
    assert checked.returncode == 0, checked.stdout
    return project


def graded(project, *paths):
    """The records of `inithw grade --json`, by path."""
    done = run_in(project, "inithw.cli", "grade", *paths, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def calibrate(project):
    """Measure thresholds for the changed homework, a little."""
    (project / "small.py").write_text(SMALL)
    done = run_in(project, "small")
    assert done.returncode == 0, done.stderr


def assert_refused(project):
    done = run_in(project, "inithw.cli", "grade", "solutions/homework.ipynb")
    assert done.returncode == 1
    assert "run `inithw calibrate`" in done.stderr
    assert "Traceback" not in done.stderr


def assert_fair(project, folder, chosen):
    """Reference and right answers get full marks, the skeleton is not answered."""
    answers = [answer for answer in ANSWERS if chosen(answer)]
    assert answers
    paths = [write_answer(answer, project / "assignment/homework.ipynb", folder) for answer in packed(answers)]
    reference, skeleton, *rest = graded(project, "solutions/homework.ipynb", "assignment/homework.ipynb", *paths)
    assert reference["score"] == reference["max_score"], reference["messages"]
    assert set(skeleton["states"].values()) == {"not answered"}
    assert [record["messages"] for record in rest] == [{}] * len(paths)
    return reference


def is_right_for_all(answer):
    """Whether it is right, an answer in the stubs' places, and states no number of this term."""
    code = " ".join(filter(None, (answer.q1, answer.q2, answer.q3)))
    right = answer.status == "graded" and not answer.lost and not answer.measured and answer.transform is None
    return right and not HARD_WIRED.search(code)


def pages(project):
    """All that a student or TA reads of the homework's size, as one text."""
    names = ("assignment/README.md", "assignment/homework.ipynb", "docs/grading.md")
    files = [*(project / name for name in names), *(project / "tests/otter").glob("*.py")]
    return "\n".join(file.read_text() for file in files)


@pytest.mark.slow
def test_with_1000_training_points_right_answers_keep_full_marks(tmp_path):
    project = changed(tmp_path / "project", ("train = 1500", "train = 1000"))
    assert "TRAIN_N = 1000" in (project / "assignment/homework.ipynb").read_text()
    assert_refused(project)
    calibrate(project)
    assert_fair(project, tmp_path, lambda answer: is_right_for_all(answer) and "data" in answer.name)


@pytest.mark.slow
def test_with_width_32_nothing_speaks_of_20_and_the_skeleton_is_not_answered(tmp_path):
    project = changed(tmp_path / "project", ("width = 20", "width = 32"))
    assert_refused(project)
    calibrate(project)
    assert_fair(project, tmp_path, lambda answer: is_right_for_all(answer) and answer.name.startswith("q1"))
    text = pages(project)
    parameters = 2 * 32 + 3 * 33 * 32 + 33
    assert str(parameters) in text
    assert not re.search(r"1321|width 20|Linear\(1, 20\)|Linear\(20", text)


@pytest.mark.slow
def test_with_five_hidden_layers_the_questions_follow_and_old_thresholds_are_refused(tmp_path):
    project = changed(tmp_path / "project", ("hidden_layers = 4", "hidden_layers = 5"))
    assert_refused(project)
    text = pages(project)
    assert "5 hidden layers of width 20" in text
    assert "11 children, 1741 parameters" in text
    assert not re.search(r"1321|4 hidden|[Ff]our hidden|nine", text)


def test_with_other_points_every_table_test_and_report_agrees(tmp_path):
    project = changed(tmp_path / "project", ('"q3.scale" = 2', '"q3.scale" = 3.5'))
    reference, skeleton = graded(project, "solutions/homework.ipynb", "assignment/homework.ipynb")
    assert reference["score"] == reference["max_score"] == skeleton["max_score"] == sum(POINTS.values()) + 1.5
    assert "| q3.scale | 3.5 |" in (project / "assignment/README.md").read_text()
    assert "| q3.scale | 3.5 |" in (project / "docs/grading.md").read_text()
    assert 'name="q3.scale", points=3.5' in (project / "tests/otter/q3.py").read_text()
    assert "-->11.5<!--" in (project / "docs/gradescope.md").read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("width = 20", "width = 1", "network.width = 1: must be a whole number from 2 to 512"),
        ("width = 20", 'width = "wide"', "network.width = 'wide': must be a whole number"),
        ("noise = 0.1", "noise = true", "data.noise = True: must be a number"),
        ("width = 20", "widht = 20", "network.width is missing"),
        ('"q1.layers" = 1', '"q1.layers" = 0', "points.q1.layers = 0: must be a number above 0"),
        ("[network]", "[network", "term.toml cannot be read"),
        ("[training]", "[training]\nrate = 1", "training.rate is unknown; known are batch_size, epochs"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_rule(root, tmp_path, old, new, said):
    text = (root / TERM).read_text()
    assert text.count(old) == 1
    (tmp_path / "term.toml").write_text(text.replace(old, new))
    with pytest.raises(TermError, match=re.escape(said)):
        read_term(tmp_path / "term.toml")


@pytest.mark.parametrize(
    ("new", "said"), [("", "points of q1.layers are missing"), ('"q1.layers" = 1\n"q4" = 2', "there is no such item")]
)
def test_points_of_other_items_than_the_rubrics_are_told_in_a_line(tmp_path, new, said):
    project = project_copy(tmp_path)
    (project / TERM).write_text((project / TERM).read_text().replace('"q1.layers" = 1', new))
    done = run_in(project, "inithw.cli", "build", "--check")
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
