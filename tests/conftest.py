"""What tests share: one sandbox for all, the command line in this process, and the evidence of what is under test."""

import contextlib
import functools
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from inithw import cli
from inithw.cli import classes, grade
from inithw.engine.execution import execute
from inithw.engine.records import Limits
from inithw.engine.sandbox import Sandbox
from inithw.engine.settings import find_config, load_settings
from inithw.engine.submission import NotGradable
from inithw.homework.challenge import draw_challenge
from inithw.homework.definition import HOMEWORK
from inithw.release import verification

from tests.parts import read_submission, without_coverage

ROOT = Path(__file__).parent.parent
ITEMS = Path(__file__).parent / "otter"


def pytest_addoption(parser):
    parser.addoption("--submission", type=Path, help="Grade this notebook: `pytest tests/otter --submission PATH`.")


def pytest_collect_file(file_path, parent):
    """The item files are named after questions, not test_*.py: collect them when there is something to grade."""
    if file_path.parent == ITEMS and file_path.suffix == ".py" and parent.config.getoption("--submission"):
        return pytest.Module.from_parent(parent, path=file_path)
    return None


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def preloaded():
    """Gives the sandbox of a homework's worker, opened once: to load what notebooks import takes longer than a test."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda worker: stack.enter_context(Sandbox(worker, jobs=4)))


@pytest.fixture(scope="session")
def sandbox(preloaded):
    return preloaded(HOMEWORK.worker)


@pytest.fixture
def doors(monkeypatch, preloaded):
    """In this process, every door grades in the sandbox that is open for all tests."""
    for door in (grade, classes, verification):
        monkeypatch.setattr(door, "Sandbox", lambda worker, *_, **__: contextlib.nullcontext(preloaded(worker)))


@pytest.fixture
def inithw(monkeypatch, capsys, tmp_path, doors):
    """Runs the command line in this process, in a folder of the test's own: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["inithw", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return code, told.out, told.err

    return run


@pytest.fixture(scope="session")
def evidence(request, sandbox):
    """Evidence of the submission given on the command line."""
    settings = load_settings(find_config(ROOT))
    try:
        submission = read_submission(request.config.getoption("--submission"))
    except NotGradable as reason:
        pytest.exit(f"not gradable: {reason}", returncode=2)
    return execute(submission, draw_challenge(settings.key, submission), HOMEWORK, sandbox, settings.limits)


@pytest.fixture
def limits():
    return Limits(notebook_seconds=30, cell_seconds=5, question_seconds=10, total_seconds=60)


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """The reference notebook, renamed, after a run from top to bottom in a real Jupyter kernel: (folder, notebook)."""
    from filelock import FileLock
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("student")
    shutil.copytree(ROOT / "assignment/tests", folder / "tests")
    shutil.copy(ROOT / "solutions/homework.ipynb", folder / "my homework (2).ipynb")
    # One run is enough for all processes of pytest-xdist.
    base = tmp_path_factory.getbasetemp()
    result = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "executed.ipynb"
    with FileLock(f"{result}.lock"):
        if not result.exists():
            notebook = nbformat.read(folder / "my homework (2).ipynb", as_version=4)
            NotebookClient(
                notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
            ).execute(env=without_coverage())
            nbformat.write(notebook, result)
    shutil.copy(result, folder / "my homework (2).ipynb")
    return folder, nbformat.read(result, as_version=4)


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium that talks to nobody but the server under test; see `make browser`."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium: `make browser` installs it, or says how")
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=[*quiet, *root, "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()
