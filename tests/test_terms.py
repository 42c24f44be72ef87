"""A term with other constants: one edit of term.toml, `inithw build`, and all that is read and graded agrees.

Three other terms come with thresholds measured for them (`make terms`). Those of another homework are refused.
"""

import json
import re

import pytest
from inithw.homework.rubric import POINTS
from inithw.homework.term import TermError, read_term

from tests.parts import of_the_first_handout, project_copy, run_in
from tests.submissions import write_answer
from tests.submissions.answer import Answer
from tests.terms import OTHERS, other_project

TERM = "autograder/inithw/homework/term.toml"
PART = 14
"""Of the labelled notebooks of a term, one in so many is graded here; `make terms` grades all."""
SAMPLE = f"""
import json, sys
from pathlib import Path
from tests.submissions import ANSWERS, fits_this_term, packed, write_answer
answers = [answer for answer in ANSWERS if answer.transform is None and fits_this_term(answer)]
for answer in packed(answers)[::{PART}]:
    path = write_answer(answer, Path("assignment/homework.ipynb"), Path(sys.argv[1]))
    print(json.dumps([answer.name, str(path), answer.expected]))
"""


def changed(folder, *edits):
    """A copy of the project with some lines of term.toml changed, built."""
    project = project_copy(folder)
    text = (project / TERM).read_text()
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (project / TERM).write_text(text)
    built = run_in(project, "inithw", "build")
    assert built.returncode == 0, built.stderr
    return project


def graded(project, *paths):
    """The records of `inithw grade --json`, by path."""
    done = run_in(project, "inithw", "grade", *paths, "--json")
    if "another homework (families:" in " ".join(done.stderr.split()):
        pytest.skip("families.py has changed since `make terms` measured the other terms")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def pages(project):
    """All that a student or TA reads of the homework's size, as one text."""
    names = ("assignment/README.md", "assignment/homework.ipynb")
    files = [*(project / name for name in names), *(project / "tests/otter").glob("*.py")]
    return "\n".join(file.read_text() for file in files)


HARD_WIRED = {
    "q1": "model = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), "
    "*[layer for _ in range(3) for layer in (nn.Linear(20, 20), nn.ReLU())], nn.Linear(20, 1))",
    "q2": "gnorm = {'0': 9.8806e-07, '2': 1.0619e-06, '4': 8.3e-07, '6': 1.33e-06, '8': 8.7e-07}[name.split('.')[0]]",
    "q3": "nn.init.normal_(module.weight, std=(2 / 20) ** 0.5)",
}
"""Last term's numbers in the place of rules."""


@pytest.mark.slow
@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.name)
def test_in_another_term_answers_are_graded_as_declared_and_last_terms_numbers_lose(other, tmp_path):
    project = other_project(other, tmp_path / "project")
    (project / "sample.py").write_text(SAMPLE)
    sample = [json.loads(line) for line in run_in(project, "sample", tmp_path / "s").stdout.splitlines()]
    assert len(sample) >= 8
    old = write_answer(Answer("last term's", **HARD_WIRED), project / "assignment/homework.ipynb", tmp_path)
    fixed = ("solutions/homework.ipynb", "assignment/homework.ipynb", old)
    reference, skeleton, last, *rest = graded(project, *fixed, *(path for _, path, _ in sample))
    assert reference["score"] == reference["max_score"], reference["messages"]
    assert set(skeleton["states"].values()) == {"not answered"}
    for record, (name, _, expected) in zip(rest, sample, strict=True):
        assert {item: record["items"][item] for item in expected} == expected, (name, record["messages"])
    assert last["items"]["q2.norms"] == last["items"]["q2.general"] == last["items"]["q3.scale"] == 0
    if other.name != "target":
        assert last["items"]["q1.layers"] == last["items"]["q1.forward"] == 0
        width, hidden = other.changes["network.width"], other.changes.get("network.hidden_layers", 4)
        text = pages(project)
        assert f"{hidden} hidden layers of width {width}" in text
        assert str(3 * width + 1 + (hidden - 1) * (width + 1) * width) in text
        assert not re.search(r"1321|width 20|Linear\(1, 20\)|Linear\(20", text)


def test_the_other_terms_say_how_often_a_verdict_may_be_false():
    for other in OTHERS:
        errors = json.loads(other.thresholds.read_text())["largest probability of a false verdict"]
        assert max(errors.values()) < 1e-4


@pytest.mark.slow
def test_thresholds_of_another_homework_are_refused(tmp_path):
    project = changed(tmp_path / "project", ("hidden_layers = 4", "hidden_layers = 5"))
    done = run_in(project, "inithw", "grade", "solutions/homework.ipynb")
    assert done.returncode == 1
    assert "run `inithw calibrate`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_with_other_points_every_table_test_and_report_agrees(tmp_path):
    project = changed(tmp_path / "project", ('"q3.scale" = 2', '"q3.scale" = 3.5'))
    reference, skeleton = graded(project, "solutions/homework.ipynb", "assignment/homework.ipynb")
    assert reference["score"] == reference["max_score"] == skeleton["max_score"] == sum(POINTS.values()) + 1.5
    assert "| q3.scale | 3.5 |" in (project / "assignment/README.md").read_text()
    assert "| q3.scale | 3.5 |" in (project / "docs/grading.md").read_text()
    assert 'name="q3.scale", points=3.5' in (project / "tests/otter/q3.py").read_text()
    assert "-->11.5<!--" in (project / "docs/gradescope.md").read_text()


@of_the_first_handout
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
        ("handout = 1", "handout = 0", "handout = 0: must be a whole number from 1 to 100"),
        ('late = ""', "late = 3", "late = 3: must be a text"),
        ('term = "Autumn 2026"', 'term = "{{ x }}"', "must be one line of at most 100 letters, none of them {}<>|`*"),
        ("small = 0.03", "small = 0.2", "scales.small = 0.2: must be a number from 0.0001 to 0.09"),
        ("large = 300", "large = 250", "seeds.large = 250: must differ by more than 50 from seeds.small"),
        (
            "batch_size = 32",
            "batch_size = 2000",
            "training.batch_size = 2000: must be at most data.train, which is 1500",
        ),
        ("epochs = 10", "epochs = 1", "training.epochs = 1: must give at least 60 steps, and gives 46"),
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
    done = run_in(project, "inithw", "build", "--check")
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_handout_without_an_entry_for_students_is_refused(tmp_path):
    project = project_copy(tmp_path)
    (project / TERM).write_text((project / TERM).read_text().replace("handout = 1", "handout = 2"))
    done = run_in(project, "inithw", "build")
    assert done.returncode == 1
    assert "CHANGES.md has no heading `## Autumn 2026, handout 2`" in " ".join(done.stderr.split())


def test_an_older_handout_is_named(root, tmp_path):
    """Its answers count as any; a student reads which one they have."""
    from inithw.homework.definition import HOMEWORK

    from tests.parts import read_submission

    notebook = json.loads((root / "assignment/homework.ipynb").read_text("utf-8"))
    for version, expected in ((HOMEWORK.version, ()), ("Spring 2020, handout 3", ("Spring 2020, handout 3",))):
        text = json.dumps(notebook).replace(f"# Handout: {HOMEWORK.version}", f"# Handout: {version}")
        (tmp_path / "homework.ipynb").write_text(text)
        notes = [note for note in read_submission(tmp_path / "homework.ipynb").notes if "handout" in note]
        assert notes == [f"Made from the handout of {one}; the current one is {HOMEWORK.version}." for one in expected]
