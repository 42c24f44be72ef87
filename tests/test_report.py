"""The report of a class, in a real browser: complete, quick to search, text stays text, everybody can read it."""

import re
from dataclasses import replace

import numpy as np
import pytest
from inithw.engine.course.analysis import analyse, without_comments
from inithw.engine.course.overview import write_report
from inithw.engine.similarity import Pair
from inithw.homework.definition import HOMEWORK

from tests.made_up_class import HOSTILE, made_up
from tests.pages import opened, violations

pytestmark = pytest.mark.slow

STUDENTS = 1000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("class"), STUDENTS, hostile=5)


@pytest.fixture(scope="module")
def path(made):
    return write_report(made, HOMEWORK, [Pair("login0", "login1", 0.93, 40)])


@pytest.fixture
def tab(chromium, path):
    tab, seen = opened(chromium, path)
    tab.locator(".dt-info").wait_for()
    yield tab
    assert (seen.errors, seen.dialogs, len(seen.requests)) == ([], [], 1)
    tab.context.close()


def names(tab):
    return tab.locator("#table tbody tr:visible summary").all_inner_texts()


def info(tab):
    return tab.locator(".dt-info").inner_text()


# ---------------------------------------------------------------- figures


def test_difficulty_and_discrimination_are_those_of_the_textbook(made):
    found = analyse(made.records, HOMEWORK.answers)
    grades = [record.grade for record in made.records.values() if record.grade.status == "graded"]
    for place, one in enumerate(found.items):
        passed = np.array([grade.items[place].state == "passed" for grade in grades])
        rest = np.array([sum(item.earned for item in grade.items if item.id != one.item.id) for grade in grades])
        # Point-biserial correlation with the rest of the points.
        apart = (rest[passed].mean() - rest[~passed].mean()) / rest.std() * np.sqrt(passed.mean() * (1 - passed.mean()))
        assert one.share == pytest.approx(passed.mean())
        assert one.discrimination == pytest.approx(apart)
    assert sum(one.states["lost"] for one in found.items) == sum(
        item.state == "lost" for grade in grades for item in grade.items
    )


def test_mistakes_are_counted_by_student_and_their_examples_name_nobody(made):
    found = analyse(made.records, HOMEWORK.answers)
    for mistake in found.mistakes:
        mine = [
            name
            for name, record in found.graded.items()
            if mistake.label in {item.diagnosis for item in record.grade.items}
        ]
        assert mistake.students == len(mine)
    shown = " ".join(mistake.message + mistake.hint + mistake.code for mistake in found.mistakes)
    assert "for …" in shown
    assert not re.search(r"login\d|Family\d|Given\d|uni\.edu|# by", shown)


def test_what_a_person_should_look_at_is_found(made):
    found = analyse(made.records, HOMEWORK.answers)
    assert found.slow == ["login3"]
    nothing = [name for name, record in found.graded.items() if not any(item.earned for item in record.grade.items)]
    assert found.empty == nothing != []


def test_comments_are_taken_out_and_nothing_else():
    code = 's = "# no comment"  # by Anna\n\n# by Anna\nprint(s)'
    assert without_comments(code) == 's = "# no comment"\nprint(s)'
    assert "Anna" not in without_comments("def (:\n  '''\n x # by Anna")


def test_an_empty_class_has_a_report_too(tmp_path, chromium):
    tab, seen = opened(chromium, write_report(made_up(tmp_path, 0), HOMEWORK, ()))
    assert "Nobody is graded yet." in tab.locator("main").inner_text()
    assert seen.errors == []
    tab.context.close()


# ---------------------------------------------------------------- in a browser


def test_a_thousand_students_can_be_sorted_searched_and_filtered_by_keyboard(tab, made):
    assert info(tab) == "1 to 25 of 1,000 students"
    score = tab.get_by_role("columnheader", name="Score").get_by_role("button")
    score.focus()
    tab.keyboard.press("Enter")
    assert tab.locator("th[aria-sort='ascending']").inner_text().startswith("Score")
    tab.keyboard.press("Enter")
    best = max(record.grade.score for record in made.records.values() if record.grade.status == "graded")
    assert float(tab.locator("#table tbody tr").first.locator("td").nth(1).inner_text()) == best
    tab.get_by_label("Search").fill("login777@")
    assert names(tab) == ["Family777, Given777"]
    tab.get_by_role("button", name="Show all").click()
    tab.get_by_label("Handed in").select_option("late")
    late = sum(bool(record.handed_in.late) for record in made.records.values())
    tab.wait_for_function(f"document.querySelector('.dt-info').textContent.includes('of {late} students')")


def test_who_made_a_mistake_is_one_click_away(tab, made):
    mistake = analyse(made.records, HOMEWORK.answers).mistakes[0]
    tab.get_by_role("link", name=f"Who made {mistake.label}?").click()
    assert f"of {mistake.students} students" in info(tab)
    tab.get_by_role("button", name="Show all").click()
    tab.wait_for_function("document.querySelector('.dt-info').textContent.includes('1,000 students')")


def test_who_is_to_be_looked_at_is_found_in_the_table(tab):
    tab.get_by_label("Handed in").select_option("late")
    look = tab.get_by_role("region", name="For a person to look at")
    last = look.get_by_role("link").nth(15)
    assert last.inner_text() not in names(tab)
    last.click()
    assert last.inner_text() in names(tab)
    row = tab.locator("#table tbody tr", has=tab.get_by_text(last.inner_text(), exact=True))
    assert row.locator("details").get_attribute("open") == ""
    assert "a web page" in row.inner_text()


def test_what_students_wrote_stays_text(tab):
    assert tab.locator("script").count() == 1
    assert tab.locator("img, iframe, object, textarea").count() == 0
    tab.get_by_label("Search").fill("<script>alert")
    assert names(tab) == [f"Family{place}, Given{place}{HOSTILE}" for place in range(5)]
    assert tab.title() == f"Report: {HOMEWORK.title}"


def test_the_browser_runs_no_script_but_ours(path, chromium, tmp_path):
    """Were something not escaped, it would do nothing."""
    spoilt = tmp_path / "report.html"
    spoilt.write_text(path.read_text("utf-8").replace("<main>", "<main><script>alert(1)</script>"), encoding="utf-8")
    tab, seen = opened(chromium, spoilt)
    tab.locator(".dt-info").wait_for()
    assert seen.dialogs == []
    assert len(seen.errors) == 1
    assert "Content Security Policy" in seen.errors[0]
    tab.context.close()


def test_pairs_stand_side_by_side_with_what_they_share_marked(tab):
    tab.get_by_text("93 % of their unusual code").click()
    sides = tab.locator(".pair pre")
    assert sides.count() == 2
    marked = [sides.nth(side).locator("mark").all_inner_texts() for side in (0, 1)]
    assert marked[0] == marked[1]
    assert "def print_gnorms(model):" in marked[0]
    assert not [line for line in marked[0] if "login" in line]


def test_on_paper_and_without_scripts_everybody_is_there(tab, chromium, path):
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("#table tbody tr").count() == STUDENTS
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator("#table tbody tr").count() == 25
    plain, _ = opened(chromium, path, java_script_enabled=False)
    assert plain.locator("#table tbody tr").count() == STUDENTS
    plain.context.close()


def test_a_row_leads_to_the_students_page(made, tmp_path, chromium):
    made = replace_folder(made, tmp_path)
    name = next(iter(made.records))
    (tmp_path / "feedback").mkdir()
    (tmp_path / "feedback" / f"{name}.html").write_text("<title>theirs</title>")
    tab, _ = opened(chromium, write_report(made, HOMEWORK, ()))
    tab.locator("#table tbody summary").first.click()
    tab.get_by_role("link", name="feedback page").click()
    assert tab.title() == "theirs"
    tab.context.close()


def replace_folder(made, folder):
    """The first three students of the class in another folder."""
    other = made_up(folder, 0)
    other.records = dict(list(made.records.items())[:3])
    return other


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_whatever_is_open(chromium, made, tmp_path, scheme):
    few = replace_folder(made, tmp_path)
    extra = list(made.records.items())[40:60]
    few.records.update(extra)
    first = next(iter(few.records))
    few.records[first] = replace(few.records[first], group=("Someone else",))
    pairs = [Pair("login0", "login1", 0.93, 40)]
    tab, seen = opened(chromium, write_report(few, HOMEWORK, pairs), color_scheme=scheme)
    tab.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert violations(tab) == {}
    assert (seen.errors, seen.dialogs) == ([], [])
    tab.set_viewport_size({"width": 360, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.context.close()
