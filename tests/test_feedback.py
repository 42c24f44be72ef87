"""A student's feedback page: the evidence that decided, drawn; nothing of others, and what anybody wrote is text."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from inithw.engine.course.feedback import feedback_of, write_page
from inithw.engine.course.record import HandedIn, Record, Verdict
from inithw.engine.course.student import Student
from inithw.engine.records import Cell, CellRun, Picture
from inithw.engine.report.pages.charts import to_svg
from inithw.engine.report.pages.feedback import Feedback, answer_cells, to_html, to_markdown
from inithw.homework.checks.initialization import test_losses as losses_of
from inithw.homework.definition import HOMEWORK
from inithw.homework.reference.network import gradients

from tests.exports import SKELETON
from tests.pages import opened, violations
from tests.parts import TOTAL, grade_of, grader, item_score
from tests.submissions import ANSWERS, Answer, write_answer

pytestmark = pytest.mark.slow

KEY = b"a secret key that no page may show"
MISTAKES = ("q1 GELU instead of ReLU", "q2 torch.linalg.norm with ord 2", "q3 missing root: std 2 over fan_in")
HOSTILE = "</title><script>alert('x')</script><img src=http://evil.example/a.png onerror=alert(1)>\u202e"


@pytest.fixture(scope="module")
def outcomes(sandbox, tmp_path_factory):
    """The reference, three mistakes in one notebook, and nothing at all, graded."""
    folder = tmp_path_factory.mktemp("feedback")
    q1, q2, q3 = (next(answer for answer in ANSWERS if answer.name == name) for name in MISTAKES)
    wrong = Answer("three mistakes", q1.q1, q2.q2, q3.q3)
    paths = {
        "right": Path("solutions/homework.ipynb"),
        "wrong": write_answer(wrong, SKELETON, folder),
        "open": SKELETON,
    }
    return {name: grader(sandbox, KEY).grade(path) for name, path in paths.items()}


@pytest.fixture(scope="module")
def drawn(outcomes):
    return {name: HOMEWORK.pictures(outcome.evidence) for name, outcome in outcomes.items()}


def by_title(pictures):
    return {picture.title: picture for picture in pictures}


class Texts(HTMLParser):
    """Tags, and all text outside of styles."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.inside = [], "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = tag

    def handle_data(self, data):
        if self.inside != "style":
            self.text += data


def page_of(outcome, pictures, **rest):
    own = [cell for cell in outcome.submission.cells if not cell.given]
    return Feedback("Anna", outcome.grade, pictures, answer_cells(own, HOMEWORK.answers), **rest)


# ---------------------------------------------------------------- the evidence


def test_each_kind_of_evidence_is_drawn_beside_its_question(drawn):
    assert [picture.question for picture in drawn["right"]] == ["q1", "q2", "q3", "q3", "q3"]
    assert [picture.question for picture in drawn["wrong"]] == ["q1", "q2", "q3", "q3", "q3"]


def test_where_nothing_is_answered_there_is_a_page_without_pictures_of_it(outcomes, drawn):
    assert drawn["open"] == ()
    assert "Not answered" in to_html(page_of(outcomes["open"], drawn["open"]))


@pytest.mark.parametrize("name", ["right", "wrong"])
def test_the_losses_drawn_are_those_that_decided(outcomes, drawn, name):
    picture = by_title(drawn[name])["Training from your initialization"]
    evidence = outcomes[name].evidence
    losses = losses_of(evidence.init, evidence)
    shown = [float("inf") if loss == "diverged" else float(loss) for _, loss in picture.rows]
    np.testing.assert_allclose(shown, np.sort(losses), rtol=1e-3)
    (item,) = [item for item in outcomes[name].grade.items if item.id == "q3.training"]
    good = int(re.search(r"(\d+) have a test loss below 0.02", picture.says)[1])
    assert (2 * good >= len(losses)) == (item.state == "passed")
    assert item.state == "passed" or item.message.startswith(f"{good} of {len(losses)} networks")


def test_the_numbers_printed_stand_beside_the_right_ones(outcomes, drawn):
    for name, wrong in [("right", 0), ("wrong", 27)]:
        rows = by_title(drawn[name])["The numbers printed, and the right ones"].rows
        tasks = outcomes[name].evidence.challenge.norms
        right = [np.linalg.norm(matrix) for task in tasks for matrix in gradients(task.network, task.x, task.y)]
        np.testing.assert_allclose([float(row[3]) for row in rows], right, rtol=1e-4)
        printed = np.array([float(row[2]) for row in rows])
        # For a single row or column, the spectral norm is the right one.
        assert 0 <= wrong - np.count_nonzero(np.abs(printed / right - 1) > 1e-3) <= 2 * len(tasks)


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("", "the right one 0 times, another number 0 times and nothing 27 times"),
        ("0.0 " * 5, "another number 15 times and nothing 12 times"),
        ("1e999 " * 5, "another number 15 times and nothing 12 times"),
        ("nan " * 5, "another number 15 times and nothing 12 times"),
        ("-12.5 " * 5, "another number 15 times and nothing 12 times"),
    ],
)
def test_whatever_was_printed_can_be_drawn(outcomes, text, counted):
    evidence = outcomes["right"].evidence
    pictures = HOMEWORK.pictures(replace(evidence, norms=(text,) * len(evidence.norms)))
    picture = by_title(pictures)["The numbers printed, and the right ones"]
    assert counted in picture.says
    assert len(picture.rows) == 27
    assert "NaN" not in to_svg(picture.chart)


def test_the_law_fitted_is_that_of_the_answer(drawn):
    for name, law in [("right", "fan^-0.50"), ("wrong", "fan^-1.00")]:
        says = by_title(drawn[name])["The scale of your weights"].says
        assert f"goes like {law}. An accepted rule goes like fan^-0.50" in says


# ---------------------------------------------------------------- the page


def test_every_item_stands_on_the_page_with_its_reason_and_hint_also_in_markdown(outcomes, drawn):
    feedback = page_of(outcomes["wrong"], drawn["wrong"])
    page, pasted = Texts(to_html(feedback)).text, to_markdown(feedback).replace("\\", "")
    for item in outcomes["wrong"].grade.items:
        for text in (item.title, item.message, item.hint):
            assert text in page
            assert text in pasted
    for picture in drawn["wrong"]:
        assert picture.says in page
        assert picture.says in pasted


def test_it_shows_the_students_own_answers_and_neither_key_nor_seeds_nor_solution(outcomes, drawn):
    outcome = outcomes["wrong"]
    page = to_html(page_of(outcome, drawn["wrong"]))
    text = Texts(page).text
    for written in ("nn.GELU()", "torch.linalg.norm(param.grad, 2)", "def better_init(module)"):
        assert written in text, written
    challenge = outcome.evidence.challenge
    secrets = [KEY.decode(), KEY.hex(), str(challenge.judge_seed), str(challenge.worker_seed)]
    secrets += ["kaiming", "SOLUTION"]
    assert not [secret for secret in secrets if secret in page]


def test_a_name_that_another_answer_binds_again_is_shown_with_its_own_answer():
    cells = [
        Cell(1, "model = nn.Sequential()"),
        Cell(2, "def f(model):\n    pass"),
        Cell(3, "def g():\n    pass\nmodel = g()"),
    ]
    found = answer_cells(cells, {"a": "model", "b": "f", "c": "g", "d": "missing"})
    assert {question: cell.number for question, cell in found.items()} == {"a": 1, "b": 2, "c": 3}


def test_what_anybody_wrote_stays_text(tmp_path, chromium):
    items = [replace(item_score("q1.a", "lost", message=HOSTILE, hint=HOSTILE), title=HOSTILE, claim=HOSTILE)]
    chart = {"layer": [{"data": {"values": [{"x": HOSTILE}]}, "mark": "point", "encoding": {"x": {"field": "x"}}}]}
    feedback = Feedback(
        HOSTILE,
        grade_of(*items, notes=(HOSTILE,), cells=(CellRun(1, "error", HOSTILE),)),
        [Picture("q1", HOSTILE, HOSTILE, chart, (HOSTILE,), ((HOSTILE,),), HOSTILE)],
        {"q1": Cell(1, HOSTILE)},
        [HOSTILE],
        [HOSTILE],
    )
    (tmp_path / "page.html").write_text(to_html(feedback), encoding="utf-8")
    tab, seen = opened(chromium, tmp_path / "page.html")
    assert tab.locator("script, img, iframe").count() == 0
    assert tab.title().startswith("Feedback: </title><script>")
    assert (seen.errors, seen.dialogs, len(seen.requests)) == ([], [], 1)
    tab.context.close()
    pasted = to_markdown(feedback)
    assert not re.search(r"(?<!\\)<|\u202e", pasted)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["right", "wrong", "open"])
def test_axe_finds_nothing_and_nothing_is_loaded(outcomes, drawn, chromium, tmp_path, name, scheme):
    (page, _) = write_page(page_of(outcomes[name], drawn[name], facts=["late"]), tmp_path / "anna.html")
    tab, seen = opened(chromium, page, color_scheme=scheme)
    tab.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert violations(tab) == {}
    assert (seen.errors, len(seen.requests)) == ([], 1)
    tab.set_viewport_size({"width": 360, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.context.close()


# ---------------------------------------------------------------- records


def test_a_page_is_made_whatever_a_picture_runs_into(outcomes):
    outcome = outcomes["right"]
    record = Record(Student(name="Anna"), HandedIn("homework.ipynb"), Verdict(outcome.grade, {}, ""))

    def fails(_evidence):
        raise ZeroDivisionError("odd numbers")

    feedback, problem = feedback_of(record, replace(HOMEWORK, pictures=fails), outcome.evidence)
    assert problem == "no pictures: ZeroDivisionError: odd numbers"
    assert f"{TOTAL:g} of {TOTAL:g} points" in Texts(to_html(feedback)).text


@pytest.mark.parametrize("status", ["not_gradable", "infrastructure_error"])
def test_who_was_not_graded_reads_why(status):
    grade = grade_of(item_score("q1.a", "not reached"), status=status, message="it is a web page")
    for page in (to_html(Feedback("Anna", grade)), to_markdown(Feedback("Anna", grade))):
        assert "0 of 1" not in page
        assert status != "not_gradable" or "it is a web page" in page
