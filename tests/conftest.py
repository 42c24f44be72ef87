"""What tests share: one sandbox for all, and the evidence of the submission under test."""

import os
from pathlib import Path

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from inithw.challenge import draw_challenge
from inithw.execution import execute
from inithw.records import Limits
from inithw.sandbox import Sandbox
from inithw.settings import find_config, load_settings
from inithw.submission import NotGradable, read_submission

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
def sandbox():
    with Sandbox(jobs=4) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def evidence(request, sandbox):
    """Evidence of the submission given on the command line."""
    settings = load_settings(find_config(ROOT))
    try:
        submission = read_submission(request.config.getoption("--submission"))
    except NotGradable as reason:
        pytest.exit(f"not gradable: {reason}", returncode=2)
    return execute(submission, draw_challenge(settings.key, submission), sandbox, settings.limits)


@pytest.fixture
def limits():
    return Limits(notebook_seconds=30, cell_seconds=5, question_seconds=10, total_seconds=60)
