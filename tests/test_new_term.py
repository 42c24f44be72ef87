"""`inithw new-term`: everything happens in a copy, and the old term is whole until the new one is."""

import json
import signal
import tomllib

import pytest
from inithw.homework.calibration.trial import trial
from inithw.homework.term import parse_term, read_term
from inithw.release import new_term
from inithw.release.new_term import (
    STAGE,
    TERM,
    NewTermError,
    Stage,
    edited,
    finish_swap,
    parse,
)

from tests.parts import project_copy, run_in


def contents(project):
    """Every file of the project, by path."""
    files = (path for path in project.rglob("*") if path.is_file() and not {".new-term", "__pycache__"} & {*path.parts})
    return {str(path.relative_to(project)): path.read_bytes() for path in files if ".calibration" not in path.parts}


@pytest.fixture
def text(root):
    return (root / TERM).read_text("utf-8")


def test_an_edit_changes_values_and_leaves_comments_and_order(text):
    new = edited(text, {"network.width": 32, "points.q2.norms": 3, "term": "Spring 2027", "data.noise": 0.2})
    assert "width = 32             # of every hidden layer" in new
    assert '"q2.norms" = 3' in new
    assert len(new.splitlines()) == len(text.splitlines())
    assert [line.split("#")[1:] for line in new.splitlines()] == [line.split("#")[1:] for line in text.splitlines()]
    values = tomllib.loads(new)
    assert (values["term"], values["data"]["noise"]) == ("Spring 2027", 0.2)


@pytest.mark.parametrize(
    ("key", "said"),
    [("network.height", "known are network.width, network.hidden_layers"), ("nothing", "known are title, term")],
)
def test_a_key_that_does_not_exist_is_named_with_those_that_do(text, key, said):
    with pytest.raises(NewTermError, match=f"^{key} = 1: there is no such key; {said}"):
        edited(text, {key: 1})


def test_words_become_numbers_where_they_look_like_some():
    assert parse(["data.noise=0.2", "network.width = 32", "due=9 October"]) == {
        "data.noise": 0.2,
        "network.width": 32,
        "due": "9 October",
    }
    with pytest.raises(NewTermError, match="write KEY=VALUE"):
        parse(["width"])


def test_settings_near_by_are_tried_the_nearest_first(text):
    before = parse_term(text, TERM)
    after = parse_term(edited(text, {"network.hidden_layers": 6, "data.function_seed": 7}), TERM)
    tried = list(new_term._near(before, after, (0.9, 0.8)))
    assert tried == [
        {"training.learning_rate": 0.09},
        {"training.learning_rate": 0.08},
        *({"data.function_seed": seed} for seed in (8, 9, 10)),
        {"network.hidden_layers": 5},
        {"network.hidden_layers": 4},
    ]
    for change in tried:
        assert parse_term(edited(text, change), TERM)


def test_a_trial_tells_a_right_from_a_wrong_initialization_by_a_few_runs():
    found = trial(32, ["LeCun normal", "std 0.02 everywhere"])
    assert found.right == {"LeCun normal": pytest.approx(1, abs=0.2)}
    assert found.wrong == {"std 0.02 everywhere": 0}
    assert found.fair


@pytest.fixture
def little(tmp_path):
    """A project of three files: what moving files needs."""
    project = tmp_path / "project"
    (project / "docs").mkdir(parents=True)
    for name in ("one.txt", "two.txt", "docs/three.txt"):
        (project / name).write_text(f"old {name}")
    (project / ".git").mkdir()
    return project


def test_what_changed_in_the_copy_replaces_the_old_and_nothing_else(little):
    stage = Stage(little)
    stage.path("one.txt").write_text("new")
    stage.path("docs/four.txt").write_text("new")
    assert contents(little)["one.txt"] == b"old one.txt", "the old term stands until the swap"
    assert stage.swap() == ["docs/four.txt", "one.txt"]
    after = contents(little)
    assert after["one.txt"] == after["docs/four.txt"] == b"new"
    assert after["two.txt"] == b"old two.txt"
    assert not (little / STAGE).exists()


def test_a_swap_that_was_ended_in_between_goes_on(little):
    stage = Stage(little)
    for name in ("one.txt", "two.txt"):
        stage.path(name).write_text("new")
    (little / STAGE / "ready.json").write_text(json.dumps(["one.txt", "two.txt"]))
    (little / "one.txt").write_text("new")  # so far it came
    assert finish_swap(little)
    assert contents(little)["two.txt"] == b"new"
    assert not finish_swap(little)


def test_a_copy_that_was_not_ready_is_thrown_away(little):
    Stage(little).path("one.txt").write_text("new")
    assert not finish_swap(little)
    assert Stage(little).path("one.txt").read_text() == "old one.txt"


def test_a_file_edited_in_the_meantime_is_never_overwritten(little):
    stage = Stage(little)
    stage.path("one.txt").write_text("new")
    (little / "one.txt").write_text("somebody's edit")
    with pytest.raises(NewTermError, match=r"one\.txt: edited while the new term was made; nothing was replaced"):
        stage.swap()
    assert (little / "one.txt").read_text() == "somebody's edit"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_waits_while_files_change_places(little, monkeypatch, sent):
    stage = Stage(little)
    stage.path("one.txt").write_text("new")
    replace = new_term.replace_file

    def interrupted(*arguments):
        signal.raise_signal(sent)
        replace(*arguments)

    before = signal.getsignal(sent)
    (little / STAGE / "ready.json").write_text(json.dumps(["one.txt"]))
    monkeypatch.setattr(new_term, "replace_file", interrupted)
    assert finish_swap(little)
    assert (little / "one.txt").read_text() == "new"
    assert signal.getsignal(sent) is before


@pytest.mark.slow
def test_a_term_with_other_points_and_dates_is_made_in_one_command(tmp_path):
    project = project_copy(tmp_path / "project")
    options = ("--term", "Spring 2027", "--points", "q2.norms=3", "due=9 October", "--gate", "none", "--yes")
    done = run_in(project, "inithw", "new-term", *options)
    assert done.returncode == 0, done.stderr
    term = read_term(project / TERM)
    assert (term.version, term.points["q2.norms"], term.due) == ("Spring 2027, handout 1", 3, "9 October")
    assert "| q2.norms | 3 |" in (project / "assignment/README.md").read_text()
    assert "Due: 9 October." in (project / "assignment/README.md").read_text()
    assert (project / "assignment/CHANGES.md").read_text().index("Spring 2027") < 500
    assert "# Handout: Spring 2027, handout 1" in (project / "assignment/homework.ipynb").read_text()
    page = (project / "dist/new-term.html").read_text()
    assert "<td>points.q2.norms</td><td>2.0</td><td>3.0</td>" in page
    assert not (project / STAGE).exists()
    assert run_in(project, "inithw", "build", "--check").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--width", "1"), "term.toml: network.width = 1: must be a whole number from 2 to 512"),
        (("points.q9=1",), "points.q9 = 1: there is no such key; known are points.q1.layers"),
        ((), "say what is to change, as --width 32 or data.noise=0.2"),
        (("data.noise=0.1",), "nothing changes"),
    ],
)
def test_what_cannot_be_is_refused_and_the_old_term_stands(root, tmp_path, options, said):
    project = project_copy(tmp_path / "project")
    before = contents(project)
    done = run_in(project, "inithw", "new-term", *options, "--yes")
    assert done.returncode in (1, 2)
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert contents(project) == before
    assert not (project / STAGE).exists()


def test_asked_for_every_value_only_what_is_answered_otherwise_changes(monkeypatch):
    """As at a terminal, where Enter keeps what is."""
    from inithw.cli import project

    answers = {"network.width": "32", "due": "9 October", "data.noise": "0.2"}
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda key, default: answers.get(key, default))
    assert project._asked(new_term) == {"network.width": 32, "due": "9 October", "data.noise": 0.2}


def test_a_key_that_is_given_twice_with_different_values_is_refused_by_name():
    with pytest.raises(new_term.NewTermError, match=r"network\.width is given twice: 32 and 16"):
        new_term.together({"network.width": 32}, new_term.parse(["network.width=16"]))
    with pytest.raises(new_term.NewTermError, match=r"points\.q2\.norms is given twice: 3 and 4"):
        new_term.parse(["points.q2.norms=3", "points.q2.norms=4"])
    assert new_term.together({"network.width": 32}, new_term.parse(["network.width=32"])) == {"network.width": 32}


def test_without_anybody_to_ask_the_old_term_is_replaced_only_with_yes(tmp_path):
    done = run_in(project_copy(tmp_path / "project"), "inithw", "new-term", "--points", "q2.norms=3")
    assert done.returncode == 2
    assert "add --yes" in done.stderr
