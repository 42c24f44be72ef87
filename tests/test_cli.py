"""The command line as people use it: real processes, real files, exit codes and messages."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from inithw.engine.settings import PLUGIN
from inithw.homework.rubric import POINTS

from tests.parts import project_copy

pytestmark = pytest.mark.slow

INITHW = [sys.executable, "-m", "inithw"]


def run(*arguments, cwd, **options):
    return subprocess.run(
        [*INITHW, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300, check=False, **options
    )


def records(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def graded(root, tmp_path_factory):
    """The reference, the skeleton and what cannot be graded, in one run with everything kept."""
    folder = tmp_path_factory.mktemp("class")
    reference = (root / "solutions/homework.ipynb").read_bytes()
    (folder / "anna.ipynb").write_bytes(reference)
    (folder / "Anna.ipynb").write_bytes(reference)
    (folder / "=cmd().ipynb").write_bytes((root / "assignment/homework.ipynb").read_bytes())
    (folder / "empty.ipynb").write_bytes(b"")
    names = ["anna.ipynb", "Anna.ipynb", "=cmd().ipynb", "empty.ipynb", "missing.ipynb"]
    done = run("grade", *names, "--json", "--out", "out", "--save-evidence", cwd=folder)
    return folder, names, done


def test_one_json_record_for_each_submission_and_exit_code_0(graded):
    _folder, names, done = graded
    assert done.returncode == 0, done.stderr
    found = records(done)
    assert [record["submission"] for record in found] == names
    assert [record["status"] for record in found] == ["graded"] * 3 + ["not_gradable"] * 2
    assert [record["score"] for record in found] == [10, 10, 0, 0, 0]
    assert found[0]["items"] == POINTS
    assert found[0]["messages"] == {}
    assert set(found[2]["messages"]) == set(POINTS)
    assert all(message.startswith("Not answered: ") for message in found[2]["messages"].values())
    assert all(record["max_score"] == sum(POINTS.values()) for record in found)
    assert "missing.ipynb does not exist" in found[4]["message"]


def test_no_record_overwrites_another_even_where_names_differ_by_case_only(graded):
    folder, names, _done = graded
    results = sorted(path.name for path in (folder / "out").glob("*.results.json"))
    assert len({name.lower() for name in results}) == len(names)
    for name in results:
        assert "score" in json.loads((folder / "out" / name).read_text())


def test_the_class_comes_as_a_csv_in_which_no_name_is_a_formula(graded):
    folder, _names, _done = graded
    with (folder / "out" / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    scores = ["10", "10", "0", "0", "0"]
    names = ["anna.ipynb", "Anna.ipynb", "'=cmd().ipynb", "empty.ipynb", "missing.ipynb"]
    assert {name: row["score"] for name, row in rows.items()} == dict(zip(names, scores, strict=True))
    assert rows["'=cmd().ipynb"]["label"] == "'=cmd()"
    assert rows["anna.ipynb"]["q3.scale"] == "2"
    assert rows["empty.ipynb"]["status"] == "not_gradable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused_before_anything_is_graded(root, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    done = run("grade", root / "solutions/homework.ipynb", "--out", "closed", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written to" in done.stderr


def test_what_is_wrong_with_the_projects_files_is_told_without_blaming_the_tool(root, tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "otter_config.json").write_text((root / "otter_config.json").read_text())
    (tmp_path / "solutions/homework.py").write_text("# %%\n# BEGIN SOLUTION\nx = 1\n")
    done = run("build", cwd=tmp_path)
    assert done.returncode == 1
    assert "solutions/homework.py" in done.stderr
    assert "the tool failed" not in done.stderr


def test_a_folder_without_evidence_says_how_to_make_some(tmp_path):
    done = run("rescore", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "--save-evidence" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["grade"], "Missing argument"),
        (["grade", "x", "--jbos", "2"], "--jobs"),
        (["grade", "x", "--jobs", "0"], "--jobs"),
        (["grade", "x", "--save-evidence"], "needs --out DIR"),
        (["grade", "x", "--out", "/dev/null/x"], "cannot be written to"),
        (["grdae", "x"], "grdae"),
        (["build"], "run this inside the project"),
    ],
)
def test_bad_usage_exits_with_2_and_says_what_is_wrong(arguments, told, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_without_arguments_the_commands_are_listed(tmp_path):
    done = run(cwd=tmp_path)
    for command in (
        "build",
        "verify",
        "grade",
        "rescore",
        "gradescope",
        "calibrate",
        "doctor",
        "dist",
        "answers",
        "new-term",
        "release",
    ):
        assert command in done.stdout + done.stderr


def test_a_table_of_few_shows_items_and_of_many_shows_a_line_each(graded, inithw, monkeypatch):
    folder, names, _done = graded
    monkeypatch.chdir(folder)
    _, few, _ = inithw("grade", "anna.ipynb", "empty.ipynb")
    assert f"anna.ipynb: {sum(POINTS.values()):g} of {sum(POINTS.values()):g} points" in few
    assert "q3.training" in few
    assert "empty.ipynb is empty" in few
    _, many, _ = inithw("grade", *names)
    assert "5 submissions" in many
    assert "all items not answered" in many
    assert "items, over 3 graded submissions" in many
    assert "Look at both" in many  # the two copies


SLEEPER = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "source": "import time\nfor k in range(500):\n    time.sleep(0.1)\ndef better_init(m): pass",
        }
    ],
}


def children_of(pid):
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def alive(pid):
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def wait_until(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("order", "jobs", "signal_sent"),
    [("quick slow other", 1, signal.SIGINT), ("slow quick", 2, signal.SIGINT), ("quick slow other", 1, signal.SIGTERM)],
)
def test_ctrl_c_ends_every_process_keeps_finished_records_and_says_so(graded, tmp_path, order, jobs, signal_sent):
    folder, _names, _done = graded
    (tmp_path / "quick.ipynb").write_bytes((folder / "=cmd().ipynb").read_bytes())
    for name in ("slow", "other"):
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(SLEEPER))
    names = [f"{name}.ipynb" for name in order.split()]
    command = [*INITHW, "grade", *names, "--out", "out", "--jobs", str(jobs)]
    # A shell starts what it puts in the background with Ctrl-C ignored, and children inherit that: not this one.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, preexec_fn=heard, **pipes) as process:
        try:
            wait_until(lambda: list(tmp_path.glob("out/records/*.json")))
            wait_until(lambda: len(children_of(process.pid)) == 2)  # the pre-loaded process and its worker
            descendants = children_of(process.pid)
            process.send_signal(signal_sent)
            _output, errors = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "inithw: stopped" in errors
    assert "Traceback" not in errors
    assert "the same command goes on from here" in " ".join(errors.split())
    assert [path.name for path in (tmp_path / "out").glob("*.results.json")] == ["quick.results.json"]
    assert [path.name for path in (tmp_path / "out/records").iterdir()] == ["quick.json"]
    with (tmp_path / "out/grades.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["submission"] for row in csv.DictReader(file)] == ["quick.ipynb"]
    wait_until(lambda: not any(map(alive, descendants)))


def test_ctrl_c_while_the_program_is_being_loaded_ends_it_with_a_word(tmp_path):
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*INITHW, "grade", "a.ipynb"], capture_output=True, text=True, env=environment, preexec_fn=heard, check=False
    )
    assert (done.returncode, done.stderr) == (130, "inithw: interrupted\n")


def test_a_closed_pipe_is_no_error_to_read_about(graded):
    folder, _names, _done = graded
    command = f"{sys.executable} -m inithw grade anna.ipynb empty.ipynb missing.ipynb --json | head -c 1"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "{"
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_fault_of_the_tool_is_one_line_unless_asked_for_more(graded):
    folder, _names, _done = graded
    broken = {**os.environ, "TMPDIR": "/nonexistent", "PYTHONWARNINGS": "ignore"}
    # no place for scratch folders: tempfile falls back, so take the worker's interpreter away instead
    code = (
        "import sys; sys.argv = ['inithw', 'grade', 'anna.ipynb', '--json']\n"
        "import inithw.engine.sandbox as s; s.sys.executable = '/bin/false'\n"
        "import inithw.cli; inithw.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, env=broken, check=False
    )
    assert done.returncode == 1
    (record,) = records(done)
    assert record["status"] == "infrastructure_error"
    assert record["message"].startswith("The grader failed, not the submission")
    assert "Traceback" not in done.stderr


def test_build_check_is_quiet_when_nothing_is_stale_and_shows_diff_and_fix_when_something_is(tmp_path):
    project_copy(tmp_path)
    assert run("build", cwd=tmp_path).returncode == 0
    done = run("build", "--check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout == "all generated files are up to date\n"
    skeleton = tmp_path / "assignment" / "homework.ipynb"
    skeleton.write_text(skeleton.read_text().replace("TODO q1", "TODO q9"))
    done = run("build", "--check", cwd=tmp_path)
    assert done.returncode == 1
    assert "assignment/homework.ipynb is stale" in done.stdout
    assert "+" in done.stdout
    assert "TODO q1" in done.stdout
    assert "`inithw build`" in done.stderr
    assert run("build", cwd=tmp_path).stdout == "wrote assignment/homework.ipynb\n"
    assert run("build", cwd=tmp_path).stdout == "everything is up to date\n"


# ---------------------------------------------------------------- what was handed in decides nothing

HUNDRED = {"points_possible": 100, "plugins": [{PLUGIN: {"visibility": "after_published"}}]}


@pytest.fixture
def handed_in(root, tmp_path):
    """A folder that a student handed in: a notebook, and a configuration with a key beside it."""
    folder = tmp_path / "handed in"
    folder.mkdir()
    (folder / "homework.ipynb").write_bytes((root / "assignment/homework.ipynb").read_bytes())
    (folder / "otter_config.json").write_text(json.dumps(HUNDRED))
    (folder / "inithw.key").write_text("a key that the student knows, of sixteen and more")
    (folder / "inithw.key").chmod(0o600)
    return folder


@pytest.mark.parametrize(
    ("where", "path"),
    [
        (".", "."),
        (".", "homework.ipynb"),
        (".", "./"),
        ("..", "handed in"),
        ("..", "handed in/homework.ipynb"),
        ("inner", ".."),
        ("inner", "../homework.ipynb"),
    ],
)
def test_the_configuration_and_the_key_in_a_submission_are_not_used(handed_in, where, path, inithw, monkeypatch):
    (handed_in / "inner").mkdir()
    monkeypatch.chdir(handed_in / where)
    code, _, errors = inithw("grade", path, "--json", "--out", handed_in.parent / "out")
    assert code == 0, errors
    (results,) = (handed_in.parent / "out").glob("*.results.json")
    assert sum(test["max_score"] for test in json.loads(results.read_text())["tests"]) == sum(POINTS.values())
    assert "100" not in results.read_text()
    assert "Configuration: none found, defaults; the public key" in errors


def test_a_configuration_that_is_named_is_used_and_said(handed_in, tmp_path, inithw, monkeypatch):
    config = tmp_path / "ours.json"
    config.write_text(json.dumps(HUNDRED))
    monkeypatch.chdir(handed_in)
    _, _, errors = inithw("grade", ".", "--config", config, "--out", tmp_path / "out")
    assert f"Configuration: {config}" in errors
    (results,) = (tmp_path / "out").glob("*.results.json")
    assert "100" in results.read_text()


@pytest.mark.parametrize("name", ["--allow-unsandboxed", "--json", "--out=elsewhere", "-h", "--config=hostile.json"])
def test_a_file_name_is_never_an_option(handed_in, name):
    (handed_in / name).write_text("x = 1")
    done = run("grade", *sorted(path.name for path in handed_in.iterdir()), cwd=handed_in)
    assert done.returncode == 2
    assert f"{name} is an option and the name of a file" in done.stderr
    assert f"./{name}" in done.stderr
    graded = run("grade", "--json", "--", name, cwd=handed_in)
    assert graded.returncode == (2 if name == "--json" else 0)  # --json stands before, and is a file here
    assert not (handed_in / "elsewhere").exists()


def test_results_are_closed_to_other_users(graded):
    folder, _names, _done = graded
    assert (folder / "out").stat().st_mode & 0o777 == 0o700
    assert (folder / "out/records").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (folder / "out").rglob("*") if path.is_file()} == {0o600}


@pytest.mark.parametrize("what", ["submission", "--out", "--config"])
def test_what_students_code_could_read_is_refused(what, root, tmp_path):
    library = Path(sysconfig.get_path("purelib")) / f"library-{os.getpid()}-{what}"
    library.mkdir()
    try:
        (library / "homework.ipynb").write_bytes((root / "assignment/homework.ipynb").read_bytes())
        (library / "otter_config.json").write_text(json.dumps(HUNDRED))
        arguments = {
            "submission": [library / "homework.ipynb"],
            "--out": [root / "assignment/homework.ipynb", "--out", library / "out"],
            "--config": [root / "assignment/homework.ipynb", "--config", library / "otter_config.json"],
        }[what]
        done = run("grade", *arguments, cwd=tmp_path)
    finally:
        shutil.rmtree(library)
    assert done.returncode == 1
    assert "a library folder, which students' code may read: move it elsewhere" in " ".join(done.stderr.split())
