"""results.json: always there, always valid, readable, and never at a student's expense."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import inithw.gradescope
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inithw.engine.container import container_memory, fitting
from inithw.engine.grading import Grader, Outcome, ungraded
from inithw.engine.metadata import best_earlier_score
from inithw.engine.records import CellRun, Grade, ItemScore, Limits
from inithw.engine.report.gradescope import to_results, write_results
from inithw.engine.settings import KEY_FILE, KEY_VARIABLE, PLUGIN, Settings
from inithw.gradescope import run_gradescope
from inithw.homework.definition import HOMEWORK
from inithw.homework.rubric import POINTS
from jsonschema import Draft202012Validator

from tests.parts import grade_of, item_score, of_the_first_handout

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads((Path(__file__).parent / "gradescope_results.schema.json").read_text())
Draft202012Validator.check_schema(SCHEMA)
VALID = Draft202012Validator(SCHEMA)
TOTAL = sum(POINTS.values())
WITHOUT_Q2 = TOTAL - POINTS["q2.norms"] - POINTS["q2.general"]


def graded(**states):
    """A graded record: every item passed, but for those named like `q1_layers="lost"`."""
    items = []
    for id_, points in POINTS.items():
        state = states.get(id_.replace(".", "_"), "passed")
        items.append(
            item_score(
                id_,
                state,
                points,
                message="" if state == "passed" else f"what was found for {id_}",
                diagnosis="q2.spectral" if state == "lost" else "",
                hint="where to look" if state == "lost" else "",
            )
        )
    return grade_of(*items, seconds=12.3)


def item_of(results, item):
    (found,) = [test for test in results["tests"] if f"({item})" in test["name"]]
    return found


# ---------------------------------------------------------------- the schema


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"tests": []},
        {"tests": [{"name": "no score anywhere"}]},
        {"score": "10"},
        {"score": 1, "visiblity": "visible"},
        {"score": 1, "visibility": "everyone"},
        {"score": 1, "output": None},
        {"score": 1, "tests": [{"score": 1, "status": "ok"}]},
        {"score": 1, "leaderboard": [{"name": "loss"}]},
        [],
    ],
)
def test_the_schema_refuses_what_the_documentation_does_not_allow(wrong):
    assert not VALID.is_valid(wrong)


def test_the_schema_accepts_the_example_of_the_documentation():
    VALID.validate(
        {
            "score": 44.0,
            "execution_time": 136,
            "output": "Text relevant to the entire submission",
            "output_format": "simple_format",
            "test_output_format": "text",
            "test_name_format": "text",
            "visibility": "after_due_date",
            "stdout_visibility": "visible",
            "extra_data": {},
            "tests": [
                {
                    "score": 2.0,
                    "max_score": 2.0,
                    "status": "passed",
                    "name": "Your name here",
                    "name_format": "text",
                    "number": "1.1",
                    "output": "Giant multiline string",
                    "output_format": "text",
                    "tags": ["tag1", "tag2", "tag3"],
                    "visibility": "visible",
                    "extra_data": {},
                }
            ],
            "leaderboard": [
                {"name": "Accuracy", "value": 0.926},
                {"name": "Time", "value": 15.1, "order": "asc"},
                {"name": "Stars", "value": "*****"},
            ],
        }
    )


# ---------------------------------------------------------------- what a student sees

hostile = st.text(max_size=50) | st.sampled_from(
    ["\x1b[2J", "<script>alert(1)</script>", "\ud800", "\u202e", "a\nLOST: 0", "x" * 100_000, "\0", "\u200b"]
)
item_scores = st.builds(
    lambda id_, title, claim, points, state, message, diagnosis, hint, figures: ItemScore(
        id_, title, claim, points, points if state == "passed" else 0.0, state, message, diagnosis, hint, figures
    ),
    st.sampled_from(list(POINTS)) | hostile,
    hostile,
    hostile,
    st.sampled_from([1.0, 2.0]),
    st.sampled_from(["passed", "lost", "not answered", "not reached"]),
    hostile,
    hostile,
    hostile,
    st.dictionaries(hostile, st.floats(), max_size=3),
)
grades = st.builds(
    Grade,
    submission=hostile,
    homework=hostile,
    status=st.sampled_from(["graded", "not_gradable", "infrastructure_error"]),
    items=st.lists(item_scores, min_size=1, max_size=4).map(tuple),
    message=hostile,
    cells=st.lists(
        st.builds(CellRun, st.integers(1, 2000), st.sampled_from(["ok", "error", "open", "not reached"]), hostile),
        max_size=60,
    ).map(tuple),
    notes=st.lists(hostile, max_size=60).map(tuple),
    seconds=st.floats(0, 1e4),
)
presentations = st.builds(
    Settings,
    leaderboard=st.booleans(),
    visibility=st.sampled_from(["visible", "after_due_date", "after_published"]),
    points_possible=st.none() | st.floats(0.1, 1000),
    score_threshold=st.none() | st.floats(0, 1),
    show_stdout=st.booleans(),
)


@pytest.mark.slow
@given(grades, presentations, st.none() | st.floats(0, 1e6))
@settings(max_examples=200, deadline=None)
def test_every_grade_gives_valid_bounded_plain_text_that_encodes(grade, presentation, earlier):
    results = to_results(grade, presentation, earlier)
    VALID.validate(json.loads(json.dumps(results, allow_nan=False)))
    texts = [results["output"], *(test[key] for test in results["tests"] for key in ("name", "output"))]
    for text in texts:
        text.encode("utf-8")
        assert len(text) < 60_000
        assert not {unicodedata.category(letter) for letter in text.replace("\n", "")} & {"Cc", "Cf", "Cs"}
    formats = [results["output_format"], *(test["output_format"] for test in results["tests"])]
    assert set(formats) == {"text"}, "other formats would act on markup"
    full = presentation.points_possible or grade.max_score
    assert 0 <= results["score"] <= full + 1e-5
    assert all(test["output"].split(":")[0] in ("PASSED", "LOST", "NOT ANSWERED", "NOT REACHED")
               for test in results["tests"])  # fmt: skip


def test_without_configuration_the_total_is_the_sum_of_the_items():
    results = to_results(graded(q2_norms="lost", q3_training="not reached"))
    assert (
        results["score"]
        == sum(test["score"] for test in results["tests"])
        == TOTAL - POINTS["q2.norms"] - POINTS["q3.training"]
    )
    assert sum(test["max_score"] for test in results["tests"]) == TOTAL


def test_a_lost_item_says_what_was_wanted_and_found_which_mistake_and_where_to_look():
    lost = item_of(to_results(graded(q2_norms="lost")), "q2.norms")
    assert (lost["score"], lost["max_score"], lost["status"]) == (0, 2, "failed")
    assert lost["output"].splitlines() == [
        "LOST: 0 of 2 points.",
        "To show: what q2.norms claims",
        "Found: what was found for q2.norms",
        "Known mistake: q2.spectral",
        "Hint: where to look",
    ]


def test_not_answered_and_not_reached_are_told_apart_from_wrong():
    results = to_results(graded(q1_layers="not answered", q3_draws="not reached"))
    assert item_of(results, "q1.layers")["output"].startswith("NOT ANSWERED: 0 of 1 point.")
    assert "Why: what was found for q3.draws" in item_of(results, "q3.draws")["output"]
    assert "Not answered: q1.layers (1 point)." in results["output"]
    assert "Not reached: q3.draws (1 point)." in results["output"]
    assert "Lost:" not in results["output"]


def test_the_summary_names_cells_that_failed_or_were_not_reached_and_the_time():
    cells = (CellRun(3, "ok"), CellRun(4, "error", "NameError: x, line 2"), CellRun(9, "not reached", "no time left"))
    grade = replace(graded(), cells=cells, notes=("took b.ipynb",))
    lines = to_results(grade)["output"].splitlines()
    assert "  code cell 4: NameError: x, line 2" in lines
    assert "Code cells not reached: 9. no time left" in lines
    assert "Note: took b.ipynb" in lines
    assert "Grading took 12 seconds." in lines


def test_local_checks_are_put_in_their_place_only_when_an_answer_was_wrong():
    assert "structure of an answer only" in to_results(graded(q2_norms="lost"))["output"]
    assert "structure" not in to_results(graded())["output"]
    assert "structure" not in to_results(graded(q1_layers="not answered"))["output"]


def test_nothing_hides_the_total_score_unless_configured():
    results = to_results(graded(q2_norms="lost"))
    assert results["visibility"] == "visible"
    assert not any("visibility" in test for test in results["tests"])
    assert to_results(graded(), Settings(visibility="after_due_date"))["visibility"] == "after_due_date"


@pytest.mark.parametrize(
    ("presentation", "score"),
    [
        (Settings(), WITHOUT_Q2),
        (Settings(points_possible=100), 100 * WITHOUT_Q2 / TOTAL),
        (Settings(score_threshold=WITHOUT_Q2 / TOTAL), TOTAL),
        (Settings(score_threshold=WITHOUT_Q2 / TOTAL + 0.01), 0),
        (Settings(score_threshold=0.5, points_possible=1), 1),
    ],
)
def test_points_are_scaled_and_judged_by_otters_rules(presentation, score):
    assert to_results(graded(q2_norms="lost", q2_general="lost"), presentation)["score"] == pytest.approx(score)


def test_the_leaderboard_holds_finite_figures_smallest_first_and_only_when_asked_for():
    items = graded().items
    items = (*items[:-1], replace(items[-1], figures={"Median test loss": 0.004, "other": float("inf")}))
    grade = replace(graded(), items=items)
    assert "leaderboard" not in to_results(grade)
    board = to_results(grade, Settings(leaderboard=True))["leaderboard"]
    assert board == [{"name": "Median test loss", "value": 0.004, "order": "asc"}]


def test_a_fault_of_ours_keeps_the_best_earlier_score_and_says_so():
    fault = ungraded(HOMEWORK, "infrastructure_error", "the disk is full")
    kept = to_results(fault, earlier=7.5)
    assert kept["score"] == 7.5
    assert kept["tests"] == []
    assert "costs you no points" in kept["output"]
    assert "Your best earlier score, 7.5, is kept." in kept["output"]
    assert "For the staff: the disk is full" in kept["output"]
    assert "no earlier score" in to_results(fault)["output"]
    assert to_results(fault, earlier=400)["score"] == TOTAL, "recorded under other points"


def test_what_cannot_be_graded_gets_nothing_whatever_was_earned_before():
    results = to_results(ungraded(HOMEWORK, "not_gradable", "hw.pdf is a PDF."), earlier=7.5)
    assert results["score"] == 0
    assert "Nothing was graded: hw.pdf is a PDF." in results["output"]


def test_results_that_cannot_be_written_leave_the_earlier_ones(tmp_path):
    path = tmp_path / "results.json"
    write_results(path, to_results(graded()))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_results(path, {"score": float("nan")})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["results.json"]


# ---------------------------------------------------------------- Gradescope's metadata


@pytest.mark.parametrize(
    ("previous", "best"),
    [
        ([], None),
        ([{"score": 3.0}, {"score": 9.5}, {"score": 4}], 9.5),
        ([{"score": "7.5", "results": {"score": 99}}], 7.5),
        ([{"results": {"score": 6.0}}, {"score": None, "results": {"score": "2"}}], 6.0),
        ([{"score": "none"}, {"score": "nan"}, {"score": "inf"}, {"score": -3}, {}, {"results": None}], None),
    ],
)
def test_the_best_earlier_score_comes_from_the_metadata(tmp_path, previous, best):
    path = tmp_path / "submission_metadata.json"
    path.write_text(json.dumps({"id": 1, "previous_submissions": previous}))
    assert best_earlier_score(path) == best


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["score", "results", "x"]), inner),
    max_leaves=10,
)


@given(json_values, json_values)
@settings(max_examples=200, deadline=None)
def test_no_metadata_stop_the_grader(tmp_path_factory, whole, previous):
    path = tmp_path_factory.mktemp("metadata") / "submission_metadata.json"
    for value in (whole, {"previous_submissions": previous}):
        path.write_text(json.dumps(value))
        best = best_earlier_score(path)
        assert best is None or 0 <= best < float("inf")
    path.write_bytes(b"\xff{")
    assert best_earlier_score(path) is None
    assert best_earlier_score(path.with_name("missing.json")) is None


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("process", "files", "limit"),
    [
        ("0::/", {"memory.max": "805306368\n"}, 768 << 20),
        ("0::/", {"memory.max": "max\n"}, None),
        ("0::/a/b", {"memory.max": "max", "a/memory.max": "500", "a/b/memory.max": "900"}, 500),
        ("0::/of/the/host", {"memory.max": "500"}, 500),
        ("4:memory:/", {"memory/memory.limit_in_bytes": "805306368\n"}, 768 << 20),
        ("4:memory:/", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("5:cpu:/x\n4:hugetlb,memory:/docker/1", {"memory/docker/1/memory.limit_in_bytes": "7"}, 7),
        ("1:name=systemd:/", {"memory.max": "500"}, None),
        (None, {"memory.max": "500"}, None),
    ],
)
def test_the_containers_memory_is_found_in_both_generations_of_control_groups(tmp_path, process, files, limit):
    if process is not None:
        (tmp_path / "cgroup").write_text(process)
    for name, text in files.items():
        path = tmp_path / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert container_memory(tmp_path / "cgroup", tmp_path / "mount") == limit


def test_a_submission_gets_no_more_memory_than_the_container_can_give():
    assert fitting(Limits(), None) == Limits()
    assert fitting(Limits(), 768 << 20).memory_bytes == 384 << 20
    assert fitting(Limits(), 1 << 20).memory_bytes == 256 << 20
    assert fitting(Limits(memory_bytes=300 << 20), 8 << 30).memory_bytes == 300 << 20


# ---------------------------------------------------------------- the whole run


@pytest.fixture
def autograder(tmp_path, monkeypatch):
    """Gradescope's folder, with a key, and an engine that does not start."""
    for name in ("source", "submission", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "source" / "otter_config.json").write_text(
        json.dumps({"plugins": [{PLUGIN: {"assignment_name": "Our homework"}}], "points_possible": 20})
    )
    (tmp_path / "submission_metadata.json").write_text('{"previous_submissions": [{"score": 15}]}')
    monkeypatch.setenv(KEY_VARIABLE, "a key for these tests only")
    monkeypatch.setattr(inithw.gradescope, "Sandbox", lambda worker: contextlib.nullcontext())
    return tmp_path


def results_of(root):
    results = json.loads((root / "results" / "results.json").read_text())
    VALID.validate(results)
    return results


def grade_with(monkeypatch, function):
    """Let `function(grader, path)` make the record."""
    monkeypatch.setattr(Grader, "grade", lambda grader, path: Outcome(function(grader, path)))


@of_the_first_handout
def test_a_graded_submission_is_written_and_logged(autograder, monkeypatch, capfd):
    asked = {}

    def grade(grader, path):
        asked.update(key=grader.key, path=path)
        return graded(q2_norms="lost")

    grade_with(monkeypatch, grade)
    assert run_gradescope(autograder) == 0
    assert results_of(autograder)["score"] == 16
    assert asked["path"] == autograder / "submission"
    assert asked["key"] == b"a key for these tests only"
    log = capfd.readouterr().out
    assert "Our homework: 16 of 20 points." in log
    assert "LOST: 0 of 2 points." in log
    assert "a key for these tests" not in log
    assert (autograder / "results" / "results.json").stat().st_mode & 0o777 == 0o600


def test_before_grading_begins_the_results_say_that_it_was_stopped(autograder, monkeypatch):
    seen = {}

    def grade(*_, **__):
        seen.update(results_of(autograder))
        return graded()

    grade_with(monkeypatch, grade)
    run_gradescope(autograder)
    assert seen["score"] == 15
    assert "Our homework: 15 of 20 points." in seen["output"]
    assert "stopped before it had finished" in seen["output"]


@pytest.mark.parametrize("fault", [RuntimeError("the disk is full"), MemoryError(), RecursionError()])
def test_a_crash_of_the_grader_costs_no_points(autograder, monkeypatch, fault):
    def grade(*_, **__):
        raise fault

    grade_with(monkeypatch, grade)
    assert run_gradescope(autograder) == 1
    results = results_of(autograder)
    assert results["score"] == 15
    assert f"For the staff: {type(fault).__name__}" in results["output"]


def test_a_wrong_configuration_is_our_fault(autograder, monkeypatch):
    grade_with(monkeypatch, lambda *_, **__: pytest.fail("must not be reached"))
    (autograder / "source" / "otter_config.json").write_text('{"plugin": []}')
    assert run_gradescope(autograder) == 1
    assert "did you mean plugins?" in results_of(autograder)["output"]


def test_without_a_key_of_its_own_nothing_is_graded(autograder, monkeypatch):
    grade_with(monkeypatch, lambda *_, **__: pytest.fail("must not be reached"))
    monkeypatch.delenv(KEY_VARIABLE)
    assert run_gradescope(autograder) == 1
    assert "no grading key" in results_of(autograder)["output"]
    key = autograder / "source" / KEY_FILE
    key.write_text("0123456789abcdef")
    key.chmod(0o600)
    grade_with(monkeypatch, lambda *_, **__: graded())
    assert run_gradescope(autograder) == 0


def test_a_judge_that_hangs_is_ended_and_leaves_the_first_results(autograder):
    program = f"""
import contextlib, pathlib, time, inithw.gradescope as gradescope
gradescope.Sandbox, gradescope.OUTSIDE_SECONDS = lambda worker: contextlib.nullcontext(), -419.5
gradescope.Grader.grade = lambda *_: time.sleep(60)
gradescope.run_gradescope(pathlib.Path({str(autograder)!r}))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
    assert run.returncode == 1
    assert "Timeout" in run.stderr
    assert results_of(autograder)["score"] == 15


# ---------------------------------------------------------------- run_autograder, around whatever happens to the grader


@pytest.fixture
def container(autograder):
    """The real run_autograder, and an installed `inithw` that a test replaces."""
    shutil.copy(ROOT / "autograder" / "run_autograder", autograder)
    (autograder / "env" / "bin").mkdir(parents=True)
    (autograder / "submission" / "homework.ipynb").write_text("{}")
    autograder.chmod(0o755)
    return autograder


def run_autograder(root, inithw=None):
    if inithw is not None:
        program = root / "env" / "bin" / "inithw"
        program.write_text(f"#!/bin/bash\n{inithw}\n")
        program.chmod(0o755)
    return subprocess.run([root / "run_autograder"], capture_output=True, text=True, timeout=600, cwd="/")


@pytest.mark.parametrize(
    ("inithw", "code"),
    [
        (None, 127),
        ("exit 1", 1),
        (f"kill -{signal.SIGKILL:d} $$", 128 + signal.SIGKILL),
        (f"kill -{signal.SIGSEGV:d} $$", 128 + signal.SIGSEGV),
        ("echo '{' >results/.half; exit 3", 3),
    ],
)
def test_whatever_becomes_of_the_grader_there_are_valid_results(container, inithw, code):
    run = run_autograder(container, inithw)
    assert run.returncode == 0
    assert f"exit code {code}" in run.stdout
    results = results_of(container)
    assert "The grader failed, not you" in results["output"]


def test_the_graders_results_stay_and_it_is_told_where_to_work(container):
    run = run_autograder(container, 'echo "$@"; pwd; echo \'{"score": 4}\' >results/results.json')
    assert run.stdout.splitlines() == [f"gradescope --root {container}", str(container)]
    assert results_of(container) == {"score": 4}


def test_results_and_source_are_closed_to_others_before_the_grader_starts(container):
    for path in (container / "source", container / "submission", container / "results"):
        path.chmod(0o777)
    (container / "source" / "otter_config.json").chmod(0o666)
    (container / "submission" / "link").symlink_to("/etc/hostname")
    (container / "submission" / "dangling").symlink_to("/nowhere")
    before = Path("/etc/hostname").stat().st_mode
    look = "stat -c '%a %n' source submission results submission_metadata.json source/otter_config.json ."
    modes = dict(line.split()[::-1] for line in run_autograder(container, look).stdout.splitlines())
    assert modes == {
        "source": "700",
        "submission": "700",
        "results": "700",
        "submission_metadata.json": "600",
        "source/otter_config.json": "600",
        ".": "711",
    }
    assert Path("/etc/hostname").stat().st_mode == before


def test_results_of_an_earlier_run_are_not_taken_for_this_ones(container):
    (container / "results" / "results.json").write_text('{"score": 10}')
    run_autograder(container, "exit 1")
    assert results_of(container)["score"] == 0
