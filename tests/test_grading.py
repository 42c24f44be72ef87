"""Whatever happens to a submission, to the sandbox or to a check: there is a record, and it says whose fault it was."""

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from inithw.engine import batch, grading, scoring
from inithw.engine.archive import file_stem
from inithw.engine.files import replace_file
from inithw.engine.grading import Grader, Outcome
from inithw.engine.records import Item, Submission, Unavailable
from inithw.engine.report.json_line import to_json
from inithw.engine.report.table import write_csv
from inithw.engine.report.terminal import print_grade, print_overview
from inithw.engine.sandbox import SandboxError, _exit_reason
from inithw.engine.verdict import Lost
from inithw.homework.challenge import draw_challenge
from inithw.homework.definition import HOMEWORK
from inithw.homework.records import Evidence
from inithw.homework.rubric import POINTS, RUBRIC
from rich.console import Console

from tests.parts import grade_of, grader, item_score, of_the_first_handout

NOTHING = Unavailable("not reached", "it never ran")
EVIDENCE = Evidence(draw_challenge(b"k", Submission("s", (), "d")), (), NOTHING, (NOTHING,) * 6, NOTHING)


class BrokenSandbox:
    """A sandbox from which no worker comes."""

    def __getattr__(self, name):
        raise SandboxError("no worker today")


@of_the_first_handout
def test_the_rubric_is_that_of_the_design():
    assert sum(POINTS.values()) == 10
    assert list(POINTS) == [
        "q1.layers", "q1.forward", "q2.norms", "q2.general", "q3.draws", "q3.scale", "q3.gradients", "q3.training"
    ]  # fmt: skip


def test_a_broken_sandbox_costs_no_points_but_is_named_as_our_fault(root, limits):
    record = grader(BrokenSandbox(), limits=limits).grade(root / "solutions/homework.ipynb").grade
    assert record.status == "infrastructure_error"
    assert record.message == "The grader failed, not the submission: no worker today"


def test_a_file_that_cannot_be_graded_needs_no_sandbox(tmp_path, limits):
    record = grader(BrokenSandbox(), limits=limits).grade(tmp_path / "none.ipynb").grade
    assert record.status == "not_gradable"
    assert record.score == 0
    assert {item.state for item in record.items} == {"not reached"}


def test_evidence_that_was_not_reached_earns_nothing_and_says_why():
    record = grading.judge("s", EVIDENCE, HOMEWORK)
    assert record.score == 0
    assert {(item.state, item.message) for item in record.items} == {("not reached", "it never ran")}


@pytest.mark.parametrize("error", [ValueError("oops"), ZeroDivisionError(), KeyError("x"), AssertionError("bare")])
def test_a_check_that_fails_instead_of_deciding_is_the_graders_fault(error):
    def check(_evidence):
        raise error

    with pytest.raises(scoring.ScoringError, match=r"the check of q9\.x failed with"):
        scoring.score(EVIDENCE, [Item("q9.x", 1.0, "title", "claim", check)])


def test_every_item_is_judged_by_itself():
    def lose(_evidence):
        raise Lost("no.", diagnosis="q9.label", hint="Think.")

    ITEMS = [Item("a", 2.0, "t", "A.", lose), Item("b", 3.0, "t", "B.", lambda _evidence: {"figure": 1.5})]
    first, second = scoring.score(EVIDENCE, ITEMS)
    assert (first.earned, first.state, first.diagnosis, first.hint) == (0.0, "lost", "q9.label", "Think.")
    assert (second.earned, second.state, second.message) == (3.0, "passed", "")
    assert (first.figures, second.figures) == ({}, {"figure": 1.5})


def test_one_fault_in_a_batch_costs_no_other_submission_its_record_and_keeps_the_order(monkeypatch):
    def grade(_grader, path):
        if path.name == "bad":
            raise RuntimeError("a bug of ours")
        return Outcome(grading.judge(str(path), EVIDENCE, HOMEWORK))

    monkeypatch.setattr(Grader, "grade", grade)
    done = []
    paths = [Path("a"), Path("bad"), Path("c"), Path("d")]
    records = list(batch.grade_all(grader(None), paths, jobs=3, on_done=lambda path, _outcome: done.append(path)))
    assert [record.submission for record in records] == ["a", "bad", "c", "d"]
    assert [record.status for record in records] == ["graded", "infrastructure_error", "graded", "graded"]
    assert "RuntimeError: a bug of ours" in records[1].message
    assert sorted(done) == sorted(paths)


# ---------------------------------------------------------------- reports


def lost_grade(message="m", name="a.ipynb", diagnosis=""):
    items = (item_score(item.id, "lost", item.points, message=message, diagnosis=diagnosis) for item in RUBRIC)
    return grade_of(*items, name=name)


def shown(print_it, *arguments):
    console = Console(file=io.StringIO(), width=200)
    print_it(*arguments, console)
    return console.file.getvalue()


def test_markup_in_what_a_student_wrote_stays_text_on_the_terminal():
    hostile = "[red]full marks[/red] [link=http://x]y[/link] [/]"
    assert hostile in shown(print_grade, lost_grade(hostile))
    assert hostile in shown(print_overview, [lost_grade(name=hostile)] * 4)


def test_the_overview_names_the_mistakes_in_words():
    text = shown(
        print_overview,
        [
            replace(
                lost_grade(diagnosis="q2.running_total"), items=(*lost_grade(diagnosis="q2.running_total").items[:2],)
            )
        ]
        * 4,
    )
    assert "all items lost" in text
    one_right = replace(
        lost_grade(),
        items=(
            replace(lost_grade().items[0], state="passed", earned=1.0),
            replace(lost_grade().items[2], diagnosis="q2.running_total"),
            replace(lost_grade().items[3], state="not reached"),
        ),
    )
    text = shown(print_overview, [one_right] * 4)
    assert "q2.norms (running total), q2.general (not reached)" in text


def test_a_name_that_a_spreadsheet_would_run_is_disarmed(tmp_path):
    names = ["=cmd()", "+1", "-1", "@x", "ok"]
    write_csv(tmp_path / "g.csv", [lost_grade(name=name) for name in names])
    firsts = [line.split(",")[0] for line in (tmp_path / "g.csv").read_text().splitlines()[1:]]
    assert firsts == ["'=cmd()", "'+1", "'-1", "'@x", "ok"]


def test_a_long_name_in_any_script_makes_a_file_name_that_file_systems_take(tmp_path):
    replace_file(tmp_path / f"{file_stem('作业' * 200 + '.ipynb')}.evidence.npz", b"")


def test_a_worker_ended_by_any_signal_is_described():
    reasons = [_exit_reason(-number, used=0, most=60) for number in (11, 35)]
    assert reasons == [("it crashed (SIGSEGV)", False), ("it crashed (signal 35)", False)]


def test_a_worker_killed_by_somebody_else_is_lost_unless_its_time_was_used_up():
    assert [_exit_reason(status, used=1, most=60)[1] for status in (-9, None, 0, 137, "alive")] == [
        *(True, True, False, False, False)
    ]
    assert _exit_reason(-9, used=61, most=60) == ("it used 60 s of processor time", False)


def test_a_class_of_nobody_is_a_table_of_nothing(tmp_path):
    write_csv(tmp_path / "g.csv", [])
    assert (tmp_path / "g.csv").read_text().startswith("submission,score")


def test_the_json_record_names_every_lost_item_once():
    record = to_json(lost_grade("why", diagnosis="q2.mean"))
    assert record["score"] == 0
    assert set(record["messages"]) == set(record["items"]) == set(POINTS)
    assert set(record["diagnoses"].values()) == {"q2.mean"}


# ---------------------------------------------------------------- files


def test_a_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path):
    target = tmp_path / "results.json"
    replace_file(target, "one")
    replace_file(target, "tw\ud800o")
    assert target.read_text() == "tw?o"
    assert target.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["results.json"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    target = tmp_path / "results.json"
    replace_file(target, "one")

    def fail(*_arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        replace_file(target, "two")
    assert target.read_text() == "one"
    assert os.listdir(tmp_path) == ["results.json"]
