"""q3's checks on evidence made in this process: what is missing or broken, when training stops."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from inithw.engine.archive import load_evidence, save_evidence
from inithw.engine.grading import judge
from inithw.engine.records import Submission, Unavailable
from inithw.engine.verdict import Lost, NotAnswered, NotReached
from inithw.homework import checks, statistics
from inithw.homework.asked import NETWORKS
from inithw.homework.challenge import draw_challenge
from inithw.homework.checks import initialization as module_under_test
from inithw.homework.definition import HOMEWORK
from inithw.homework.questions import questions
from inithw.homework.records import Evidence
from inithw.homework.thresholds import thresholds
from inithw.homework.worker.answers import Answers
from torch import nn

CHECKS = {
    "draws": checks.check_draws,
    "scale": checks.check_scale,
    "gradients": checks.check_gradients,
    "training": checks.check_training,
}
OPEN = Unavailable("not answered", "not asked here")
CHALLENGE = draw_challenge(b"key", Submission("s", (), "digest"))


class Here:
    """The session of a worker, with a `better_init` of this process; and the reply that it gives."""

    def __init__(self, better_init):
        self.better_init = better_init

    def call(self, _name, function, *arguments):
        return function(*arguments)

    def reply(self, question):
        details, start = dict(question.details), list(question.arrays)
        self.header, values = Answers(self)._initialized(self.better_init, details, start, torch.float32)
        self.values = np.concatenate([array.ravel() for array in values]).astype(np.float32)
        return question.read(self)

    def floats(self, *shapes):
        sizes = [int(np.prod(shape)) for shape in shapes]
        *parts, self.values = np.split(self.values, np.cumsum(sizes))
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def text(self, name):
        return self.header.get(name, "")


def evidence_of(better_init):
    """What the worker would hand over for this `better_init`."""
    (question,) = [question for question in questions(CHALLENGE) if question.name == "init"]
    return around(Here(better_init).reply(question).part)


def around(init):
    return Evidence(CHALLENGE, (), OPEN, (OPEN,) * len(CHALLENGE.norms), init)


def lecun(module):
    if isinstance(module, nn.Linear):
        with torch.no_grad():
            module.weight.normal_(0, module.in_features**-0.5)
            module.bias.zero_()


def found(evidence):
    """{item: diagnosis} of what is lost."""
    lost = {}
    for item, check in CHECKS.items():
        try:
            check(evidence)
        except Lost as reason:
            lost[item] = reason
    assert all(reason.message.endswith(".") and bool(reason.diagnosis) == bool(reason.hint) for reason in lost.values())
    return {item: reason.diagnosis for item, reason in lost.items()}


# ---------------------------------------------------------------- evidence that is missing or broken


@pytest.fixture(scope="module")
def right():
    return evidence_of(lecun)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 2, 3, 4, 5, 20, -1])
def test_a_single_weight_that_is_not_finite_loses_the_draws(right, place, value):
    samples = [*right.init.networks, *right.init.layers]
    broken = samples[place].weights.copy()
    broken[0].flat[0] = value
    samples[place] = replace(samples[place], weights=broken)
    init = replace(right.init, networks=tuple(samples[:5]), layers=tuple(samples[5:]))
    lost = found(around(init))
    assert {"draws", "scale"} <= set(lost)
    assert ("training" in lost) == (0 <= place < 5)


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (1e-30, ["draws"]),
        (math.nan, ["draws", "gradients", "training"]),
        (math.inf, ["draws", "gradients", "training"]),
    ],
)
def test_a_bias_that_is_not_zero_loses_the_draws_and_one_that_is_not_finite_what_follows(right, value, items):
    first = right.init.networks[0]
    biases = first.biases.copy()
    biases[7, 3] = value
    init = replace(right.init, networks=(replace(first, biases=biases), *right.init.networks[1:]))
    assert found(around(init)) == dict.fromkeys(items, "q3.bias")


def test_weights_beyond_float32s_square_are_judged_not_raised(right):
    networks, restarted = (
        tuple(replace(each, weights=each.weights * np.float32(1e37)) for each in samples)
        for samples in (right.init.networks, right.init.restarted)
    )
    lost = found(around(replace(right.init, networks=networks, restarted=restarted)))
    assert set(lost) == {"scale", "gradients", "training"}


def test_a_network_that_does_not_run_loses_gradients_and_training_with_the_reason(right):
    evidence = around(replace(right.init, forward_error="RuntimeError: shapes cannot be multiplied"))
    assert set(found(evidence)) == {"gradients", "training"}
    with pytest.raises(Lost, match="shapes cannot be multiplied"):
        checks.check_training(evidence)


@pytest.mark.parametrize(("state", "kind"), [("not answered", NotAnswered), ("not reached", NotReached)])
@pytest.mark.parametrize("check", CHECKS.values())
def test_what_was_not_answered_or_not_reached_is_said_so(check, state, kind):
    with pytest.raises(kind, match="because"):
        check(around(Unavailable(state, "because")))


# ---------------------------------------------------------------- training stops when it is clear


@pytest.fixture
def trained(monkeypatch):
    """Numbers of networks trained, call by call."""
    calls = []

    def counted(networks, seed):
        calls.append(len(networks[0]))
        return real(networks, seed)

    real = module_under_test.train
    monkeypatch.setattr(module_under_test, "train", counted)
    return calls


def test_a_clear_answer_is_trained_to_the_first_look_and_tells_the_median_test_loss(right, trained):
    figures = checks.check_training(replace(right))
    assert trained == [thresholds().looks[0].runs]
    assert list(figures) == ["median test loss"]
    assert 0.001 < figures["median test loss"] < 0.02


def test_an_unclear_answer_is_trained_to_the_last_look(right, monkeypatch):
    losses, counts = iter([0.0, 1.0] * NETWORKS), []

    def half_good(networks, _seed):
        counts.append(len(networks[0]))
        return np.array([next(losses) for _ in networks[0]])

    monkeypatch.setattr(module_under_test, "train", half_good)
    checks.check_training(replace(right))  # half of them are good, which is enough
    assert sum(counts) == thresholds().looks[-1].runs


def test_scoring_evidence_that_was_kept_trains_nothing_again(right, trained, tmp_path):
    _, kept = load_evidence(save_evidence(tmp_path, "s", "s", replace(right)), HOMEWORK)
    first = judge("s", kept, HOMEWORK)
    assert len(trained) == 1
    _, kept = load_evidence(save_evidence(tmp_path, "s", "s", kept), HOMEWORK)
    assert judge("s", kept, HOMEWORK) == first
    assert len(trained) == 1
    changed = replace(kept, init=replace(kept.init, networks=kept.init.networks[:1] * len(kept.init.networks)))
    assert changed.computed == {}, "what was computed from other weights"


def test_the_record_tells_the_median_test_loss_of_a_right_answer_only(right):
    assert set(judge("s", right, HOMEWORK).figures) == {"median test loss"}
    biases = replace(right.init.networks[0], biases=right.init.networks[0].biases + 1)
    wrong = around(replace(right.init, networks=(biases, *right.init.networks[1:])))
    assert judge("s", wrong, HOMEWORK).figures == {}


def test_weights_are_measured_once_for_all_checks(right, monkeypatch):
    calls = []
    real = statistics.measure

    def counted(*arguments):
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(statistics, "measure", counted)
    judge("s", around(right.init), HOMEWORK)
    assert len(calls) == 1
