"""q3's checks on evidence made by torch in this process: who loses what, under which name, and how soon."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from inithw.engine.grading import judge
from inithw.engine.records import Unavailable
from inithw.engine.verdict import Lost, NotAnswered, NotReached
from inithw.homework import checks
from inithw.homework.asked import LAYER_TASKS, NETWORKS, SHAPES
from inithw.homework.checks import initialization as module_under_test
from inithw.homework.definition import HOMEWORK
from inithw.homework.diagnosis.initialization import MISTAKES
from inithw.homework.records import Challenge, Evidence, ForwardTask, InitEvidence, Network, WeightSample
from inithw.homework.thresholds import thresholds
from torch import nn

CHECKS = {
    "draws": checks.check_draws,
    "scale": checks.check_scale,
    "gradients": checks.check_gradients,
    "training": checks.check_training,
}
OPEN = Unavailable("not answered", "not asked here")
CHALLENGE = Challenge(ForwardTask(Network((), ()), np.empty(0)), (), LAYER_TASKS, NETWORKS, 1, 2)


def evidence_of(better_init, seed=0):
    """What the worker would hand over for this `better_init`."""

    def initialized(shapes, before=math.nan):
        nonlocal seed
        network = [nn.Linear(*shape) for shape in shapes]
        seed += 1
        torch.manual_seed(seed)
        np.random.seed(seed)
        for linear in network:
            nn.init.constant_(linear.weight, before)
            nn.init.constant_(linear.bias, before)
            better_init(linear)
        return network

    networks = zip(*(initialized(SHAPES[:5]) for _ in range(NETWORKS)), strict=True)
    layers = [
        [initialized([shape])[0] for _ in range(task.draws)]
        for shape, task in zip(SHAPES[5:], LAYER_TASKS, strict=True)
    ]
    return around(
        InitEvidence(tuple(map(sample, layers)), tuple(map(sample, networks)), sample(initialized([(20, 20)], 1.0)))
    )


def sample(layers):
    return WeightSample(
        layers[0].in_features,
        layers[0].out_features,
        np.array([linear.weight.detach().numpy() for linear in layers], np.float32),
        np.array([linear.bias.detach().numpy() for linear in layers], np.float32),
    )


def around(init):
    return Evidence(CHALLENGE, (), OPEN, (), init)


def weights(change):
    """A `better_init` that changes the weights so, under no_grad, and sets the biases to zero."""

    def better_init(linear):
        with torch.no_grad():
            change(linear)
            linear.bias.zero_()

    return better_init


def scaled(std):
    """Normal weights with a standard deviation that follows from fan_in and fan_out."""
    return weights(lambda linear: linear.weight.normal_(0, std(linear.in_features, linear.out_features)))


def filled(value):
    return weights(lambda linear: linear.weight.fill_(value(linear.in_features)))


def lost_items(evidence):
    """{item: what was raised} of what is lost."""
    lost = {}
    for item, check in CHECKS.items():
        try:
            check(evidence)
        except Lost as reason:
            lost[item] = reason
    return lost


def found(evidence):
    """{item: diagnosis} of what is lost."""
    lost = lost_items(evidence)
    assert all(reason.message.endswith(".") and bool(reason.diagnosis) == bool(reason.hint) for reason in lost.values())
    return {item: reason.diagnosis for item, reason in lost.items()}


RIGHT = {
    "He normal": weights(lambda linear: nn.init.kaiming_normal_(linear.weight)),
    "He uniform": weights(lambda linear: nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")),
    "Xavier normal": weights(lambda linear: nn.init.xavier_normal_(linear.weight)),
    "Xavier uniform, gain root two": weights(lambda linear: nn.init.xavier_uniform_(linear.weight, gain=2**0.5)),
    "LeCun": scaled(lambda i, _: i**-0.5),
    "default": weights(lambda linear: linear.reset_parameters()),
    "orthogonal": weights(lambda linear: nn.init.orthogonal_(linear.weight)),
    "orthogonal, gain root two": weights(lambda linear: nn.init.orthogonal_(linear.weight, gain=2**0.5)),
    "larger fan": scaled(lambda i, o: max(i, o) ** -0.5),
    "truncated": weights(lambda linear: nn.init.trunc_normal_(linear.weight, std=linear.in_features**-0.5)),
    "NumPy": weights(
        lambda linear: linear.weight.copy_(
            torch.from_numpy(np.random.randn(*linear.weight.shape) * np.sqrt(2 / linear.in_features))
        )
    ),
}
SCALE_GRADIENTS_TRAINING = ("scale", "gradients", "training")
SAVED = itertools.cycle(range(5))


def seeded(linear):
    torch.manual_seed(0)
    nn.init.kaiming_normal_(linear.weight)


def saved(linear):
    torch.manual_seed(next(SAVED))
    nn.init.kaiming_normal_(linear.weight)


def saved_alike(linear):
    """As those of a trained network: other in each layer, yet with something in common."""
    saved(linear)
    torch.manual_seed(99)
    linear.weight.add_(nn.init.kaiming_normal_(torch.empty_like(linear.weight)), alpha=0.5)


def homework_only(linear):
    if linear.in_features in (1, 20) and linear.out_features in (1, 20):
        nn.init.kaiming_normal_(linear.weight)


WRONG = {
    # name: (better_init, {item: diagnosis}), items that the rulings leave open are not compared
    "He fan_out": (
        weights(lambda linear: nn.init.kaiming_normal_(linear.weight, mode="fan_out")),
        {"training": "q3.fan_out"},
    ),
    "std 0.1": (scaled(lambda *_: 0.1), {"scale": "q3.constant_scale"}),
    "root of 2/20": (scaled(lambda *_: 0.1**0.5), {"scale": "q3.constant_scale"}),
    "std 0.02": (scaled(lambda *_: 0.02), dict.fromkeys(SCALE_GRADIENTS_TRAINING, "q3.gpt_scale")),
    "std 0.01": (scaled(lambda *_: 0.01), dict.fromkeys(SCALE_GRADIENTS_TRAINING, "q3.constant_scale")),
    "std 1": (scaled(lambda *_: 1), dict.fromkeys(SCALE_GRADIENTS_TRAINING, "q3.constant_scale")),
    "naive 3": (
        weights(lambda linear: linear.weight.uniform_(-3, 3)),
        dict.fromkeys(SCALE_GRADIENTS_TRAINING, "q3.constant_scale"),
    ),
    "root missing, in": (scaled(lambda i, _: 2 / i), {"scale": "q3.missing_root", "gradients": "q3.missing_root"}),
    "root missing, both": (
        scaled(lambda i, o: 2 / (i + o)),
        {"scale": "q3.missing_root", "training": "q3.missing_root"},
    ),
    "gain 2": (scaled(lambda i, _: 2 / i**0.5), dict.fromkeys(SCALE_GRADIENTS_TRAINING, "q3.gain_too_large")),
    "Xavier, gain 2": (
        weights(lambda linear: nn.init.xavier_normal_(linear.weight, gain=2)),
        dict.fromkeys(SCALE_GRADIENTS_TRAINING, "q3.gain_too_large"),
    ),
    "gain 1/5": (scaled(lambda i, _: 0.2 / i**0.5), {"scale": "q3.gain_too_small"}),
    "inverted": (scaled(lambda i, _: (i / 2) ** 0.5), dict.fromkeys(SCALE_GRADIENTS_TRAINING, "q3.inverted_fan")),
    "zeros": (filled(lambda _: 0.0), dict.fromkeys(CHECKS, "q3.constant")),
    "ones": (filled(lambda _: 1.0), {"draws": "q3.constant", "training": "q3.constant"}),
    "mean and std swapped": (
        filled(lambda i: (2 / i) ** 0.5),
        {"draws": "q3.mean_std_swapped", "training": "q3.mean_std_swapped"},
    ),
    "mean and std swapped, std 1": (
        weights(lambda linear: linear.weight.normal_((2 / linear.in_features) ** 0.5, 1)),
        {"draws": "q3.mean_std_swapped", "training": "q3.mean_std_swapped"},
    ),
    "one-sided": (
        weights(lambda linear: linear.weight.uniform_(0, (6 / linear.in_features) ** 0.5)),
        {"draws": "q3.one_sided", "training": "q3.one_sided"},
    ),
    "negative": (
        weights(lambda linear: linear.weight.normal_(0, linear.in_features**-0.5).abs_().neg_()),
        {"draws": "q3.one_sided", "training": "q3.one_sided"},
    ),
    "identity": (
        weights(lambda linear: nn.init.eye_(linear.weight)),
        {"draws": "q3.identity", "training": "q3.identity"},
    ),
    "equal rows": (
        weights(lambda linear: linear.weight.copy_(torch.randn(linear.in_features) / linear.in_features**0.5)),
        {"draws": "q3.repeated"},
    ),
    "seed inside": (weights(seeded), {"draws": "q3.seeded"}),
    "the same five layers every time": (
        weights(saved),
        dict.fromkeys(("draws", "gradients", "training"), "q3.fixed_weights"),
    ),
    "the same five layers, somewhat alike": (
        weights(saved_alike),
        dict.fromkeys(("draws", "gradients", "training"), "q3.fixed_weights"),
    ),
    "no effect": (weights(lambda linear: linear.weight + 1), dict.fromkeys(CHECKS, "q3.no_effect")),
    "rescaled": (
        weights(lambda linear: linear.weight.mul_((2 / linear.in_features) ** 0.5)),
        dict.fromkeys(CHECKS, "q3.rescaled"),
    ),
    "the homework's sizes only": (weights(homework_only), {"draws": "q3.special_case", "scale": "q3.special_case"}),
    "sparse": (weights(lambda linear: nn.init.sparse_(linear.weight, 0.1)), {"gradients": "q3.dead_layer"}),
    "biases drawn too": (
        lambda linear: (nn.init.kaiming_normal_(linear.weight), nn.init.normal_(linear.bias)),
        {"draws": "q3.bias"},
    ),
    "biases left as they were": (lambda linear: nn.init.kaiming_normal_(linear.weight), {"draws": "q3.bias"}),
}
LEFT_OPEN = {
    "He fan_out": {"gradients"},
    "std 0.1": {"gradients", "training"},
    "root of 2/20": {"gradients", "training"},
    "root missing, in": {"training"},
    "root missing, both": {"gradients"},
    "gain 1/5": {"gradients", "training"},
    "seed inside": {"scale", "gradients", "training"},
    **{f"the same five layers{how}": {"scale"} for how in (" every time", ", somewhat alike")},
    "sparse": {"draws", "scale", "training"},
    **{name: {"scale", "gradients"} for name in ("zeros", "ones", "one-sided", "negative", "identity")},
    "equal rows": {"scale", "gradients", "training"},
    **{name: {"scale", "gradients"} for name in ("mean and std swapped", "mean and std swapped, std 1")},
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_loses_nothing(name):
    assert found(evidence_of(RIGHT[name], seed=1000 * len(name))) == {}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_loses_what_the_rulings_say_under_its_name(name):
    better_init, expected = WRONG[name]
    lost = found(evidence_of(better_init, seed=1000 * len(name)))
    open_items = LEFT_OPEN.get(name, set())
    assert {item: label for item, label in lost.items() if item not in open_items or item in expected} == expected


def test_every_mistake_has_an_answer_that_makes_it():
    named = {label for _, expected in WRONG.values() for label in expected.values()}
    assert set(MISTAKES) == named


# ---------------------------------------------------------------- evidence that is missing or broken


@pytest.fixture(scope="module")
def right():
    return evidence_of(RIGHT["LeCun"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(10))
def test_a_single_weight_that_is_not_finite_loses_the_draws(right, place, value):
    samples = [*right.init.networks, *right.init.layers]
    broken = samples[place].weights.copy()
    broken[3].flat[0] = value
    samples[place] = replace(samples[place], weights=broken)
    init = replace(right.init, networks=tuple(samples[:5]), layers=tuple(samples[5:]))
    lost = found(around(init))
    assert {"draws", "scale"} <= set(lost)
    assert ("training" in lost) == (place < 5)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e-30])
def test_a_single_bias_that_is_not_zero_loses_the_draws_only(right, value):
    first = right.init.networks[0]
    biases = first.biases.copy()
    biases[7, 3] = value
    init = replace(right.init, networks=(replace(first, biases=biases), *right.init.networks[1:]))
    assert found(around(init)) == {"draws": "q3.bias"}


def test_weights_beyond_float32s_square_are_judged_not_raised(right):
    networks = tuple(replace(each, weights=each.weights * np.float32(1e37)) for each in right.init.networks)
    lost = found(around(replace(right.init, networks=networks)))
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


def test_a_clear_answer_is_trained_to_the_first_look_and_tells_the_median_test_loss(trained):
    figures = checks.check_training(evidence_of(RIGHT["LeCun"], seed=5))
    assert trained == [thresholds().looks[0].runs]
    assert list(figures) == ["median test loss"]
    assert 0.001 < figures["median test loss"] < 0.02


def test_an_unclear_answer_is_trained_to_the_last_look(monkeypatch):
    losses, counts = iter([0.0, 1.0] * NETWORKS), []

    def half_good(networks, _seed):
        counts.append(len(networks[0]))
        return np.array([next(losses) for _ in networks[0]])

    monkeypatch.setattr(module_under_test, "train", half_good)
    checks.check_training(evidence_of(RIGHT["LeCun"], seed=6))  # half of them are good, which is enough
    assert sum(counts) == thresholds().looks[-1].runs


def test_the_record_tells_the_median_test_loss_of_a_right_answer_only(right):
    assert set(judge("s", right, HOMEWORK).figures) == {"median test loss"}
    biases = replace(right.init.networks[0], biases=right.init.networks[0].biases + 1)
    wrong = around(replace(right.init, networks=(biases, *right.init.networks[1:])))
    assert judge("s", wrong, HOMEWORK).figures == {}
