"""A submission is run in a process of its own, and whatever ends a cell or a question costs that one only."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from inithw.engine.execution import execute
from inithw.engine.records import Cell, Limits, Submission, Unavailable
from inithw.homework.challenge import draw_challenge
from inithw.homework.definition import HOMEWORK

pytestmark = pytest.mark.slow

SETUP = """
import functools
import numpy as np, torch, torch.nn as nn
np.random.seed(10)
train_x = np.random.uniform(-1, 1, 1500)
train_y = np.sin(train_x)
def naive_init(scale, module):
    if isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -scale, scale)
        nn.init.zeros_(module.bias)
"""
Q1 = """
model = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(),
                      nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 1))
assert len(model) == 9
"""
Q2 = """
def print_gnorms(model):
    x = torch.from_numpy(train_x).float().unsqueeze(-1)
    y = torch.from_numpy(train_y).float()
    loss = nn.MSELoss()(y, model(x).view(-1))
    model.zero_grad()
    loss.backward()
    for name, param in model.named_parameters():
        if name.endswith(".weight"):
            print(name, "{:.8f}".format(param.grad.norm()))
"""
Q3 = """
def better_init(module):
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(module.bias)
"""
ANSWERS = (SETUP, Q1, Q2, Q3)
LIMITS = Limits(notebook_seconds=30, cell_seconds=2, question_seconds=10, total_seconds=60, memory_bytes=1 << 30)


def submission(*sources: str, given=(), demonstrations=()) -> Submission:
    cells = tuple(
        Cell(
            number,
            source,
            given=number in given or number in demonstrations,
            demonstration=number in demonstrations,
        )
        for number, source in enumerate(sources, 1)
    )
    return Submission("test.ipynb", cells, digest="0" * 64)


def run(sandbox, *sources, limits=LIMITS, **flags):
    work = submission(*sources, **flags)
    return execute(work, draw_challenge(b"key", work), HOMEWORK, sandbox, limits)


def assert_complete(evidence):
    """All three answers of ANSWERS were seen."""
    assert not isinstance(evidence.model, Unavailable), evidence.model
    assert not isinstance(evidence.init, Unavailable), evidence.init
    assert all(isinstance(text, str) and text.count("\n") >= 2 for text in evidence.norms), evidence.norms


def test_a_complete_submission_answers_everything_in_the_forms_dictated(sandbox):
    evidence = run(sandbox, *ANSWERS)
    assert_complete(evidence)
    challenge = evidence.challenge
    assert [cell.state for cell in evidence.cells] == ["ok"] * 4
    assert evidence.model.parameters == 1321
    forward = challenge.forward
    assert evidence.model.outputs.shape == (len(forward.networks), *forward.inputs.shape)
    assert [sample.weights.shape for sample in evidence.init.layers] == [
        (task.draws, task.fan_out, task.fan_in) for task in challenge.layers
    ]
    for found, count in ((evidence.init.networks, challenge.networks), (evidence.init.restarted, challenge.restarted)):
        assert [sample.weights.shape for sample in found] == [
            (count, fan_out, fan_in) for fan_in, fan_out in [(1, 20), (20, 20), (20, 20), (20, 20), (20, 1)]
        ]
    assert all(not sample.biases.any() for sample in evidence.init.networks)


@pytest.mark.parametrize(
    ("killer", "said"),
    [
        pytest.param(
            "import os\nos._exit(0)",
            "ended the run: it left the process (exit code 0)",
            id="leaves the process",
        ),
        pytest.param("import ctypes\nctypes.string_at(0)", "ended the run: it crashed (SIGSEGV)", id="crashes"),
        pytest.param(
            "import signal\nfor number in (signal.SIGALRM, signal.SIGPROF): signal.signal(number, signal.SIG_IGN)\n"
            "while True: pass",
            "ended the run: took longer than 2 s",
            id="ignores the alarms",
        ),
        pytest.param(
            "import signal, time\n"
            "for number in (signal.SIGALRM, signal.SIGPROF): signal.signal(number, signal.SIG_IGN)\n"
            "time.sleep(10 ** 6)",
            "ended the run: no answer within 10 s",
            id="sleeps, deaf",
        ),
        pytest.param("import time\ntime.sleep(10 ** 6)", "took longer than 10 s", id="sleeps"),
        pytest.param(
            "import gc, socket, time\n"
            "[o.close() for o in gc.get_objects() if isinstance(o, socket.socket)]; time.sleep(10 ** 6)",
            "ended the run: it closed its connection to the judge",
            id="hangs up",
        ),
        pytest.param("while True: pass", "took longer than 2 s", id="endless loop"),
        *(
            pytest.param(
                f"kept = []\nwhile True: kept.append({taken})",
                "more than 1024 MB of memory",
                id=f"takes all memory, {by}",
            )
            for by, taken in [
                ("Python", "bytearray(2 << 30)"),  # too much at once: no page has to be cleared before
                ("NumPy", "np.empty(100 << 20, np.uint8)"),
                ("torch", "torch.empty(100 << 20, dtype=torch.uint8)"),
            ]
        ),
        pytest.param("raise SystemExit", "SystemExit", id="exits politely"),
    ],
)
def test_a_cell_that_ends_the_process_costs_itself_only(sandbox, killer, said):
    evidence = run(sandbox, SETUP, Q1, killer, Q2, Q3)
    assert_complete(evidence)
    assert [cell.state for cell in evidence.cells] == ["ok", "ok", "error", "ok", "ok"]
    assert said in evidence.cells[2].error


@pytest.mark.parametrize("body", ["import os; os._exit(1)", "while True: pass", "import ctypes; ctypes.string_at(0)"])
def test_a_question_that_ends_the_process_costs_itself_only(sandbox, body):
    limits = replace(LIMITS, question_seconds=1)
    evidence = run(sandbox, SETUP, Q1, Q2, f"def better_init(module):\n    {body}", limits=limits)
    assert isinstance(evidence.init, Unavailable)
    assert evidence.init.state == "not reached"
    assert not isinstance(evidence.model, Unavailable)
    assert all(isinstance(text, str) for text in evidence.norms)


def test_code_that_asks_for_more_threads_runs_on_one(sandbox):
    threads = """
torch.set_num_threads(4)
torch.set_num_interop_threads(4)
large = torch.ones(1000, 1000, requires_grad=True)
(large @ large).relu().sum().backward()
np.ones((1000, 1000)) @ np.ones((1000, 1000))
"""
    evidence = run(sandbox, SETUP, threads, Q1, Q2, Q3)
    assert_complete(evidence)
    assert [cell.state for cell in evidence.cells] == ["ok"] * 5


def test_after_too_many_ended_runs_the_reason_names_them_and_not_the_time(sandbox):
    evidence = run(sandbox, *ANSWERS, *["import os\nos._exit(3)"] * 7)
    assert evidence.model.reason == (
        "it was not asked any more after 6 runs that a cell ended, the last: it left the process (exit code 3)"
    )


def test_demonstrations_are_left_out_and_run_when_something_needs_them(sandbox):
    demonstration = "shown = 5"
    left_out = run(sandbox, demonstration, *ANSWERS, demonstrations={1})
    assert_complete(left_out)
    assert left_out.cells[0].state == "left out"
    needed = run(sandbox, demonstration, "print(shown + 1)", *ANSWERS, demonstrations={1})
    assert_complete(needed)
    assert [cell.state for cell in needed.cells] == ["ok"] * 6
    for wrong in ("assert 1 == 2", "print(never_bound)", "for"):  # errors that demonstrations would not have prevented
        evidence = run(sandbox, demonstration, wrong, *ANSWERS, demonstrations={1})
        assert [cell.state for cell in evidence.cells] == ["left out", "error"] + ["ok"] * 4


def test_open_stubs_are_not_answered_and_errors_are_not_reached(sandbox):
    stub = "raise NotImplementedError('{0} is not answered yet: see the TODO')"
    evidence = run(
        sandbox,
        SETUP,
        "model = nn.Sequential(" + "(_ for _ in ()).throw(NotImplementedError('q1 is not answered yet')))",
        f"def print_gnorms(model):\n    {stub.format('q2')}",
        "def better_init(module):\n    1 / 0",
    )
    assert evidence.model.state == "not answered"
    assert [text.state for text in evidence.norms] == ["not answered"] * len(evidence.norms)
    assert evidence.init.state == "not reached"
    assert "ZeroDivisionError" in evidence.init.reason


def test_a_syntax_error_in_an_answer_is_named_with_its_cell(sandbox):
    evidence = run(sandbox, SETUP, Q1, "def print_gnorms(model):\n    gnorm = (model", Q3)
    assert evidence.norms[0].state == "not reached"
    assert "code cell 3" in evidence.norms[0].reason
    assert "SyntaxError" in evidence.norms[0].reason
    assert not isinstance(evidence.init, Unavailable)


def test_an_answer_sent_before_the_question_does_not_count(sandbox):
    forge = (
        "import socket, json, struct\n"
        "import inithw.engine.wire as w\n"
        "import gc\n"
        "for s in [o for o in gc.get_objects() if isinstance(o, socket.socket)]:\n"
        "    w.send_json(s, {'token': 'guessed', 'error': ''})\n"
    )
    evidence = run(sandbox, SETUP, Q1, forge, Q2, Q3)
    assert evidence.cells[2].state == "error"
    assert_complete(evidence)  # run again without the forging cell


def test_data_captured_as_default_arguments_is_the_judges_too(sandbox):
    captured = Q2.replace("def print_gnorms(model):", "def print_gnorms(model, train_x=train_x, train_y=train_y):")
    plain, defaults = run(sandbox, *ANSWERS), run(sandbox, SETUP, Q1, captured, Q3)
    assert plain.norms == defaults.norms


def test_a_value_returned_and_not_printed_is_what_a_notebook_would_show(sandbox):
    returning = Q2.replace('print(name, "{:.8f}".format(param.grad.norm()))', "norms.append(param.grad.norm().item())")
    returning = returning.replace("    loss.backward()", "    loss.backward()\n    norms = []") + "    return norms\n"
    evidence = run(sandbox, SETUP, Q1, returning, Q3)
    assert all(text.startswith("[") for text in evidence.norms)


def test_too_much_written_ends_the_cell_that_wrote_it(sandbox):
    limits = replace(LIMITS, scratch_bytes=4 << 20)
    flood = "import time\nfor n in range(100):\n    open(f'f{n}', 'wb').write(bytes(1 << 20))\n    time.sleep(0.02)"
    evidence = run(sandbox, SETUP, Q1, flood, Q2, Q3, limits=limits)
    assert evidence.cells[2].state == "error"
    assert "4 MB" in evidence.cells[2].error
    assert_complete(evidence)


@pytest.fixture
def place(monkeypatch):
    """Where workers get their folders: reachable for every user, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o711)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def test_nothing_is_left_behind(sandbox, place):
    seen = run(sandbox, *ANSWERS, "open('note.txt', 'w').write('x')")
    assert seen.cells[-1].state == "ok"
    assert list(place.iterdir()) == []


def test_a_dead_preloaded_process_is_replaced(sandbox):
    assert_complete(run(sandbox, *ANSWERS))
    os.kill(sandbox._process.pid, 9)
    sandbox._process.wait()
    assert_complete(run(sandbox, *ANSWERS))


def test_running_out_of_total_time_marks_the_rest_not_reached(sandbox):
    limits = replace(LIMITS, notebook_seconds=1, total_seconds=1)
    evidence = run(sandbox, SETUP, "import time\ntime.sleep(9)", Q1, Q2, Q3, limits=limits)
    assert evidence.cells[-1].state == "not reached"
    assert isinstance(evidence.model, Unavailable)
    assert evidence.model.state == "not reached"
