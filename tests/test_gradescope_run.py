"""The zip that an instructor uploads: built and run as Gradescope does, with its limits, on real submissions."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from inithw.engine.settings import KEY_FILE, PLUGIN
from inithw.homework.rubric import POINTS
from inithw.release.packaging import make_dist
from jsonschema import Draft202012Validator

from tests.gradescope_container import MEMORY, Container
from tests.submissions.answer import REFERENCE, Answer, save, write_answer

ROOT = Path(__file__).parent.parent
TOTAL = sum(POINTS.values())
SKELETON = ROOT / "assignment" / "homework.ipynb"
VALID = Draft202012Validator(json.loads((Path(__file__).parent / "gradescope_results.schema.json").read_text()))

READABLE_PYTHON = next(path for path in ("/usr/bin/python3", sys.executable) if Path(path).exists())
NO_OTHER_INDEX = {name: "" for name in os.environ if name.startswith("PIP_")} | {"PIP_CONFIG_FILE": os.devnull}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="Gradescope's images are Linux")]
as_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="Gradescope runs it as root")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return make_dist(ROOT, tmp_path_factory.mktemp("dist"))[0]


@pytest.fixture
def container(archive):
    container = Container(archive)
    yield container
    container.remove()


# ---------------------------------------------------------------- setup.sh


def last_line(run):
    return run.stdout.strip().splitlines()[-1]


def program(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def old_image(tmp_path):
    """An image whose only python3 is too old, as the PATH of its programs, and a log of what apt was asked for."""
    folder = tmp_path / "bin"
    everywhere = os.environ["PATH"] + ":/sbin:/usr/sbin"
    for name in ("bash", "dirname", "grep", "ldconfig", "ln", "rm"):
        program(folder / name, f'exec {shutil.which(name, path=everywhere)} "$@"')
    program(folder / "python3", "exit 1")  # as the check of the version ends
    program(folder / "apt-get", f'echo "$@" >>{tmp_path}/asked; exit 100')
    return folder


def test_an_image_with_an_old_python_and_no_newer_one_stops_with_what_to_choose(container, old_image):
    run = container.build(PATH=str(old_image))
    assert run.returncode == 1
    assert last_line(run) == (
        "setup.sh: FAILED while looking for Python 3.11 or newer. This image has no Python 3.11 or newer, and apt "
        "offers none: on Gradescope, choose Ubuntu 22.04 or newer as base image."
    )


def test_an_image_whose_apt_has_a_newer_python_beside_the_old_one_gets_that(container, old_image, tmp_path):
    """As Ubuntu 22.04: python3 is 3.10, python3.11 a package of its own."""
    new = old_image / "python3.11"
    program(
        old_image / "apt-get",
        f'echo "$@" >>{tmp_path}/asked; [[ "$*" == *python3.11-venv* ]] && ln -sf {READABLE_PYTHON} {new}',
    )
    run = container.build(PATH=str(old_image), TORCH_INDEX=(tmp_path / "no-index").as_uri(), **NO_OTHER_INDEX)
    assert "python3.11 python3.11-venv" in (tmp_path / "asked").read_text()
    assert f"using {new}" in run.stdout
    assert "while installing PyTorch" in last_line(run), "it went on from there"


def test_a_package_that_cannot_be_had_stops_with_where_it_was_looked_for(container, tmp_path):
    run = container.build(TORCH_INDEX=(tmp_path / "no-index").as_uri(), **NO_OTHER_INDEX)
    assert run.returncode == 1
    assert last_line(run).startswith("setup.sh: FAILED while installing PyTorch for CPUs. Is file:///")
    assert not (container.root / "source" / KEY_FILE).exists()


def test_a_python_that_other_users_cannot_read_is_passed_over_for_the_next(container, old_image, tmp_path):
    (tmp_path / "home").mkdir(mode=0o700)
    shutil.copy(os.path.realpath(READABLE_PYTHON), tmp_path / "home" / "python3")
    (old_image / "python3.12").symlink_to(READABLE_PYTHON)
    run = container.build(
        PATH=f"{tmp_path / 'home'}:{old_image}", TORCH_INDEX=(tmp_path / "no-index").as_uri(), **NO_OTHER_INDEX
    )
    assert f"using {old_image / 'python3.12'}" in run.stdout
    assert not (tmp_path / "asked").exists(), "apt was not needed"


# ---------------------------------------------------------------- the whole run

HOSTILE = """
def attempt(action):
    try:
        action()
    except BaseException as error:
        return type(error).__name__
    return "done"

import os, torch
raise RuntimeError(" ".join([
    *(attempt(lambda: open(path).read()) for path in {files!r}),
    attempt(lambda: os.listdir({folder!r})),
    attempt(lambda: torch.ones(250_000_000)),
]))
"""


def hostile(root):
    """The reference's answers, and cells that never end, take too much memory and read what they must not."""
    files = [f"{root}/source/{KEY_FILE}", f"{root}/results/results.json", f"{root}/submission_metadata.json"]

    def transform(notebook, place):
        for source in ("while True: pass", HOSTILE.format(files=files, folder=str(root))):
            notebook["cells"].append(
                {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
            )
        return save(notebook, place / "homework.ipynb")

    return Answer("hostile", q1=REFERENCE["q1"], transform=transform)


@as_root
def test_the_uploaded_zip_grades_as_gradescope_runs_it(container, tmp_path):
    """One test, because installing PyTorch takes most of the time."""
    built = container.build()
    assert built.returncode == 0, built.stdout[-3000:]
    assert last_line(built).startswith("setup.sh: done:")
    assert_installed(container.root)

    config = container.root / "source" / "otter_config.json"
    settings = json.loads(config.read_text())
    settings["plugins"][0][PLUGIN]["limits"]["cell_seconds"] = 5
    config.write_text(json.dumps(settings))
    (tmp_path / "two").mkdir()
    for name in ("a", "b"):
        shutil.copy(SKELETON, tmp_path / "two" / f"{name}.ipynb")
    (tmp_path / "corrupt.ipynb").write_bytes(b'{"cells": [\xff')
    spectral = write_answer(Answer("spectral", q2="gnorm = torch.linalg.norm(param.grad, 2)"), SKELETON, tmp_path)

    runs = {
        "reference": container.grade(ROOT / "solutions" / "homework.ipynb", earlier=4),
        "skeleton": container.grade(SKELETON, earlier=4),
        "spectral norm": container.grade(spectral),
        "the same again": container.grade(spectral),
        "hostile": container.grade(write_answer(hostile(container.root), SKELETON, tmp_path)),
        "corrupt": container.grade(tmp_path / "corrupt.ipynb", earlier=4),
        "two notebooks": container.grade(tmp_path / "two"),
        "judge killed": killed(container, ROOT / "solutions" / "homework.ipynb", earlier=4),
        "too little memory": container.grade(spectral, earlier=4, memory=40 << 20),
    }
    for run in runs.values():
        VALID.validate(run.results)
    assert {name: run.results["score"] for name, run in runs.items()} == {
        "reference": TOTAL,
        "skeleton": 0,
        "spectral norm": TOTAL - POINTS["q2.norms"] - POINTS["q2.general"],
        "the same again": TOTAL - POINTS["q2.norms"] - POINTS["q2.general"],
        "hostile": TOTAL,
        "corrupt": 0,
        "two notebooks": 0,
        "judge killed": 4,
        "too little memory": 4,
    }
    deadline = time.monotonic() + 600
    while processes_of(container.root):  # a worker that was still starting notices the judge's end after that
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert all(run.peak is None or run.peak < MEMORY for run in runs.values())

    said = {name: run.results["output"] for name, run in runs.items()}
    assert "All items are passed." in said["reference"]
    assert "NOT ANSWERED" in runs["skeleton"].results["tests"][0]["output"]
    assert "corrupt.ipynb" in said["corrupt"]
    assert "a.ipynb" in said["two notebooks"]
    assert "stopped before it had finished" in said["judge killed"]
    assert "costs you no points" in said["too little memory"]
    errors = re.search("RuntimeError: (.*)", said["hostile"])[1]
    assert re.fullmatch(
        "PermissionError PermissionError PermissionError PermissionError (Memory|Runtime)Error.*", errors
    )
    assert runs["spectral norm"].results["tests"] == runs["the same again"].results["tests"], "the same challenge"


def killed(container, submission, earlier):
    """Grade, and kill the judge as soon as it has written its first results."""

    def kill():
        while "stopped before it had finished" not in read_if_there(container.root / "results" / "results.json"):
            time.sleep(0.02)
        # What the judge is just starting has its command line, and a higher number, for a moment.
        judge = min(pid for pid, command in processes_of(container.root) if "gradescope" in command)
        os.kill(judge, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    run = container.grade(submission, earlier=earlier)
    killer.join(timeout=600)
    return run


def read_if_there(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def processes_of(root):
    """Processes running from a container's environment: number and command."""
    found = [(each.pid, each.info["cmdline"]) for each in psutil.process_iter(["cmdline"])]
    return [(pid, command) for pid, command in found if command and command[0].startswith(f"{root}/env/")]


def assert_installed(root):
    """Everything that is installed has what it needs."""
    check = subprocess.run([root / "env/bin/pip", "check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
    key = root / "source" / KEY_FILE
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_text().strip()) == 64
