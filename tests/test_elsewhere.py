"""Properties of running any notebook, and right answers graded where nothing but the locked packages is installed."""

import json
import keyword
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from inithw.engine.execution import execute
from inithw.engine.records import Cell, Limits, Submission
from inithw.homework.definition import HOMEWORK
from inithw.release.packaging import locked
from inithw.release.verification import SKELETON

from tests.submissions import packed, write_answer
from tests.submissions.elsewhere import DTYPES, ELSEWHERE, FAILING, HELPERS, IPYTHON, PACKAGES, WRITTEN

pytestmark = pytest.mark.slow

SETUP = """import functools
import numpy as np, torch, torch.nn as nn
np.random.seed(10)
train_x = np.random.uniform(-1, 1, 1500)
train_y = np.sin(train_x)
gain = 2 ** 0.5
settings = {"power": 0.5}
criterion = nn.MSELoss()"""
HELPER = """def l2(t):
    return t.pow(2).sum().sqrt()"""
Q1 = """width = 20
model = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width),
                      nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
assert len(model) == 9"""
Q2 = """def print_gnorms(model):
    x = torch.from_numpy(train_x).float().unsqueeze(-1)
    loss = criterion(torch.from_numpy(train_y).float(), model(x).view(-1))
    model.zero_grad()
    loss.backward()
    for name, param in model.named_parameters():
        if name.endswith(".weight"):
            print(name, "{:.8f}".format(l2(param.grad)))
print_gnorms(model)"""
Q3 = """def better_init(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=gain / module.in_features ** settings["power"])
        nn.init.zeros_(module.bias)
model.apply(better_init)"""
CELLS = (SETUP, HELPER, Q1, Q2, Q3)
USED = "nn torch np functools train_x train_y gain settings criterion l2 width model x loss name param print len isinstance format"
LIMITS = Limits(notebook_seconds=30, cell_seconds=10, question_seconds=20, total_seconds=120)
few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def submission(cells):
    return Submission("x", tuple(Cell(number, source) for number, source in enumerate(cells, 1)), "0" * 64)


CHALLENGE = HOMEWORK.draw(b"public", submission(CELLS))


def ran(cells, sandbox):
    return execute(submission(cells), CHALLENGE, HOMEWORK, sandbox, LIMITS)


@cache
def expected(sandbox):
    return ran(CELLS, sandbox)


def assert_same_answers(cells, sandbox):
    """Every answer is, to the last bit, that of the notebook as it was: so is every verdict."""
    found, right = ran(cells, sandbox), expected(sandbox)
    assert found.norms == right.norms
    assert all(isinstance(text, str) for text in found.norms)
    assert np.array_equal(found.model.outputs, right.model.outputs)
    assert found.model.children == right.model.children
    for mine, theirs in zip(found.init.networks, right.init.networks, strict=True):
        assert np.array_equal(mine.weights, theirs.weights)


def is_python(text):
    try:
        compile(text, "x", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


names = st.from_regex(r"[a-z_]{3,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in USED
)
errors = st.sampled_from(
    ["ValueError", "TypeError", "KeyError", "OSError", "SystemExit", "KeyboardInterrupt", "StopIteration", "Exception"]
)
failing = st.one_of(
    st.sampled_from(sorted(FAILING.values())),
    names.map(lambda name: f"missing_{name}.attribute = 3"),
    errors.map(lambda error: f"raise {error}('on purpose')"),
    st.tuples(names, names).map(
        lambda pair: f"with open('/content/{pair[0]}') as {pair[1]}:\n    text = {pair[1]}.read()"
    ),
    st.lists(
        st.sampled_from(
            [
                "(",
                ")",
                "[",
                "]",
                "{",
                "}",
                ":",
                "=",
                "+",
                "'a'",
                '"',
                "#",
                "for",
                "if",
                "def",
                "return",
                "lambda",
                "1",
                "x",
                ",",
            ]
        ),
        min_size=2,
        max_size=8,
    )
    .map(" ".join)
    .filter(lambda text: not is_python(text)),
)


@few
@given(failing, st.integers(0, len(CELLS) - 1), st.integers(0, 20))
def test_inserting_any_failing_statement_outside_of_an_answer_changes_no_answer(sandbox, statement, cell, position):
    lines = CELLS[cell].split("\n")
    tops = [number for number, line in enumerate(lines) if line and not line[0].isspace()] + [len(lines)]
    assume("\n" not in statement or not statement[0].isspace())
    at = tops[position % len(tops)]
    changed = "\n".join([*lines[:at], statement, *lines[at:]])
    assert_same_answers([*CELLS[:cell], changed, *CELLS[cell + 1 :]], sandbox)


values = st.sampled_from(["None", "0", "'text'", "lambda *a, **k: 0", "[]", "3.5", "object()"])
rebinding = st.one_of(
    st.tuples(st.sampled_from(USED.split()), values).map(" = ".join),
    st.sampled_from(USED.split()).map(lambda name: f"for {name} in (0.1, 1.0, 3.0):\n    pass"),
    st.sampled_from(USED.split()).map(lambda name: f"def {name}(*a, **k):\n    return 0"),
    st.sampled_from(USED.split()).map(lambda name: f"del {name}"),
    st.sampled_from(
        [
            "settings['power'] = 7", "settings.clear()", "train_x[:] = 0", "torch.set_grad_enabled(False)", "nn.Linear = None",
            "torch.set_default_dtype(torch.float64)", "import sys\nsys.stdout = open('log.txt', 'w')", "nn.init.normal_ = nn.init.ones_",
            "np.seterr(all='raise')", "torch.set_default_device('meta')", "train_x = train_x[:3]", "%reset -f",
        ]
    ),
)  # fmt: skip


@few
@given(st.lists(rebinding, min_size=1, max_size=5))
def test_appending_any_cells_that_rebind_what_the_answers_use_changes_no_answer(sandbox, cells):
    assert_same_answers([*CELLS, *cells], sandbox)


# ---------------------------------------------------------------- kinds


def test_every_kind_has_eight_members_or_more():
    assert len({answer.stem for answer in ELSEWHERE}) == len(ELSEWHERE)
    kinds = {answer.name.partition(":")[0] for answer in ELSEWHERE if answer not in WRITTEN}
    for kind in kinds:
        assert sum(answer.name.startswith(f"{kind}:") for answer in ELSEWHERE) >= 8, kind


def test_experiments_that_use_the_time_up_cost_nothing(sandbox):
    limits = Limits(notebook_seconds=3, cell_seconds=2, question_seconds=20, total_seconds=60)
    slow = "import time\nfor _ in range(100):\n    time.sleep(0.1)"
    found = execute(submission([*CELLS[:4], *[slow] * 3, Q3]), CHALLENGE, HOMEWORK, sandbox, limits)
    assert found.init.networks
    assert all(isinstance(text, str) for text in found.norms)


# ---------------------------------------------------------------- the locked packages only


@pytest.fixture(scope="module")
def locked_only(root, tmp_path_factory):
    """A Python with the packages that grading installs, by hard links, and nothing else."""
    folder = tmp_path_factory.mktemp("locked")
    os.chmod(folder, 0o755)
    for parent in folder.parents:
        if parent.owner() == folder.owner() and parent != Path(parent.root):
            parent.chmod(parent.stat().st_mode | 0o055)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    site = next((folder / "venv/lib").glob("python3*")) / "site-packages"
    for pin in locked(root):
        installed = distribution(pin.partition("==")[0])
        for file in installed.files or ():
            source, target = Path(installed.locate_file(file)), site / file
            if ".." not in file.parts and source.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(source, target)
                except OSError:
                    shutil.copy(source, target)
    shutil.copytree(root / "autograder/inithw", site / "inithw")
    return folder / "venv/bin/python"


WHERE_PACKAGES_MATTER = packed([*PACKAGES, *HELPERS, *DTYPES, *IPYTHON])


def test_with_the_locked_packages_only_every_answer_is_graded_as_declared(locked_only, root, tmp_path):
    missing = subprocess.run([locked_only, "-c", "import ipywidgets"], capture_output=True, check=False)
    assert missing.returncode
    paths = {str(write_answer(answer, root / SKELETON, tmp_path)): answer for answer in WHERE_PACKAGES_MATTER}
    command = [locked_only, "-m", "inithw", "grade", "--json", *paths]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=600)
    records = {record["submission"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert records.keys() == paths.keys(), done.stderr[-2000:]
    for path, answer in paths.items():
        for item, points in answer.expected.items():
            assert records[path]["items"][item] == points, (answer.name, item, records[path]["messages"])
