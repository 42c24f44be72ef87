"""Thresholds follow from the measurements on file, errors are as promised, and the page says so."""

from math import comb, inf

import numpy as np
import pytest
import torch
from inithw.homework.calibration import PAGE, PICTURE, THRESHOLDS, calibrate, document
from inithw.homework.calibration.families import FAMILIES, ITEMS, RIGHT, draw_layers
from inithw.homework.calibration.measuring import STATISTICS, Sizes
from inithw.homework.calibration.rates import (
    LARGEST_ERROR,
    choose_thresholds,
    limits,
    probability_lost,
    probability_not_lost,
    rate,
    training_outcome,
    verdicts,
)
from inithw.homework.reference import thresholds as live
from inithw.homework.reference.thresholds import Look
from inithw.homework.reference.training import train
from scipy import stats
from torch import nn

ROOT2 = 2**0.5
TORCH = {
    "He normal": nn.init.kaiming_normal_,
    "He uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "LeCun normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"),
    "LeCun uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="linear"),
    "Xavier normal": nn.init.xavier_normal_,
    "Xavier uniform": nn.init.xavier_uniform_,
    "Xavier, gain √2, normal": lambda weight: nn.init.xavier_normal_(weight, gain=ROOT2),
    "Xavier, gain √2, uniform": lambda weight: nn.init.xavier_uniform_(weight, gain=ROOT2),
    "PyTorch's default U(±1/√in)": lambda weight: nn.init.kaiming_uniform_(weight, a=5**0.5),
    "orthogonal": nn.init.orthogonal_,
    "orthogonal, gain √2": lambda weight: nn.init.orthogonal_(weight, gain=ROOT2),
    "He truncated": lambda weight: truncated(weight, (2 / weight.shape[1]) ** 0.5),
    "LeCun truncated": lambda weight: truncated(weight, weight.shape[1] ** -0.5),
    "He fan_out normal": lambda weight: nn.init.kaiming_normal_(weight, mode="fan_out"),
    "He fan_out uniform": lambda weight: nn.init.kaiming_uniform_(weight, mode="fan_out", nonlinearity="relu"),
    "std 0.02 everywhere": lambda weight: nn.init.normal_(weight, std=0.02),
    "naive ±3": lambda weight: nn.init.uniform_(weight, -3, 3),
    "gain 5/3 (tanh), fan in, normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="tanh"),
    "ones": nn.init.ones_,
    "identity": nn.init.eye_,
    "sparse_, std 0.01": lambda weight: nn.init.sparse_(weight, sparsity=0.1, std=0.01),
}
BY_NAME = {family.name: family for family in FAMILIES}


def truncated(weight, std):
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


@pytest.fixture(scope="module")
def on_file(root):
    return document.from_text((root / THRESHOLDS).read_text(encoding="utf-8"))


# ---------------------------------------------------------------- what is committed


def test_the_thresholds_in_use_are_those_on_file(on_file):
    assert on_file[0] == live.THRESHOLDS


def test_the_file_holds_what_was_promised_of_every_family(on_file):
    _, measured = on_file
    assert list(measured) == [family.name for family in FAMILIES]
    for of in measured.values():
        assert set(of.statistics) == set(STATISTICS)
        assert all(summary.values >= 10_000 for summary in of.statistics.values())
        assert of.training.runs >= 2_000


def test_the_thresholds_follow_from_the_measurements_by_the_rule(on_file):
    thresholds, measured = on_file
    medians = {
        family: {name: summary.median for name, summary in of.statistics.items()} for family, of in measured.items()
    }
    assert choose_thresholds(medians, {family: of.training for family, of in measured.items()}) == thresholds


def test_every_threshold_parts_the_medians_of_right_and_wrong_families(on_file):
    thresholds, measured = on_file
    for name, limit in limits(thresholds).items():
        statistic = STATISTICS[name]
        sign = 1 if statistic.large else -1
        for family in FAMILIES:
            median = measured[family.name].statistics[name].median
            if statistic.item in family.full:
                assert sign * median < sign * limit, (name, family.name)
            if name in family.caught_by:
                assert sign * median > sign * limit, (name, family.name)


@pytest.mark.parametrize("family", RIGHT, ids=lambda family: family.name)
def test_a_right_family_loses_none_of_the_four_items_by_chance(family, on_file):
    thresholds, measured = on_file
    found = verdicts(family, measured[family.name], thresholds.looks)
    assert {verdict.expected for verdict in found.values()} == {"full"}
    assert sum(verdict.error for verdict in found.values()) <= LARGEST_ERROR


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_item_that_is_decided_gets_the_other_verdict_by_chance(family, on_file):
    thresholds, measured = on_file
    decided = [
        verdict
        for verdict in verdicts(family, measured[family.name], thresholds.looks).values()
        if verdict.expected != "as measured"
    ]
    assert decided
    assert all(verdict.error <= LARGEST_ERROR for verdict in decided)


def test_the_page_shows_the_measurements_on_file(root, on_file):
    page = (root / PAGE).read_text(encoding="utf-8")
    assert document.put_tables(page, document.tables(*on_file)) == page


# ---------------------------------------------------------------- the families are what they are called


@pytest.mark.parametrize("name", TORCH)
def test_a_family_draws_what_torch_draws(name):
    torch.manual_seed(len(name))
    random = np.random.default_rng(len(name))
    for fan_in, fan_out, count in ((1, 20, 60), (20, 20, 30), (20, 1, 60), (64, 16, 10), (16, 64, 10)):
        weight = torch.empty(fan_out, fan_in)
        theirs = np.array([TORCH[name](weight).numpy().copy() for _ in range(count)])
        ours = draw_layers(BY_NAME[name], random, count, fan_in, fan_out)
        assert ours.shape == theirs.shape
        if len(np.unique(theirs)) <= 2:
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert stats.ks_2samp(ours.ravel(), theirs.ravel()).pvalue > 1e-5, (fan_in, fan_out)
            assert np.mean(ours == 0) == pytest.approx(np.mean(theirs == 0), abs=1e-3)


def test_orthogonal_layers_are_orthogonal():
    for fan_in, fan_out in ((20, 20), (512, 32), (32, 512), (1, 20)):
        (matrix,) = draw_layers(BY_NAME["orthogonal"], np.random.default_rng(0), 1, fan_in, fan_out)
        short = matrix if fan_out <= fan_in else matrix.T
        np.testing.assert_allclose(short @ short.T, np.eye(len(short)), atol=1e-5)


# ---------------------------------------------------------------- exact probabilities


def test_bounds_on_a_rate_leave_the_promised_probability_outside():
    for count, of in ((3, 50), (0, 1000), (640, 2048)):
        low, high = rate(count, of)
        assert low <= count / of <= high
        if count:
            assert stats.binom.sf(count - 1, of, low) == pytest.approx(0.001)
        assert stats.binom.cdf(count, of, high) == pytest.approx(0.001)
    assert rate(7, 7)[1] == 1.0


def test_an_item_is_lost_when_at_least_half_of_the_votes_are_against():
    for votes in (7, 8):
        p = 0.3
        by_hand = sum(comb(votes, k) * p**k * (1 - p) ** (votes - k) for k in range(votes + 1) if 2 * k >= votes)
        assert probability_lost(p, votes) == pytest.approx(by_hand)
        assert probability_not_lost(p, votes) == pytest.approx(1 - by_hand)


@pytest.mark.parametrize("good", [0.05, 0.4, 0.55, 0.9])
def test_the_stopping_rule_ends_as_often_as_counted_over_all_paths(good):
    looks = (Look(3, 0, 3), Look(5, 1, 4), Look(6, 2, 3))
    passed = lost = 0.0
    for path in range(2**6):
        runs = [path >> k & 1 for k in range(6)]
        chance = np.prod([good if run else 1 - good for run in runs])
        for look in looks:
            count = sum(runs[: look.runs])
            if count <= look.lost_at:
                lost += chance
                break
            if count >= look.passed_at:
                passed += chance
                break
    assert training_outcome(good, looks) == pytest.approx((passed, lost))
    assert passed + lost == pytest.approx(1)


def test_no_look_stops_against_what_half_of_the_networks_say(on_file):
    looks = on_file[0].looks
    assert all(2 * look.lost_at < look.runs <= 2 * look.passed_at for look in looks)
    assert looks[-1].lost_at + 1 == looks[-1].passed_at


def test_a_right_answer_is_usually_decided_at_the_first_look(on_file):
    (first, *_), measured = on_file[0].looks, on_file[1]
    for family in RIGHT:
        trained = measured[family.name].training
        assert stats.binom.sf(first.passed_at - 1, first.runs, trained.good / trained.runs) > 0.98


# ---------------------------------------------------------------- measuring again


@pytest.mark.parametrize("name", ["He uniform", "He fan_out normal"])
def test_a_fresh_sample_agrees_with_the_rate_on_file(name, on_file):
    trained = on_file[1][name].training
    random = np.random.default_rng(99)
    networks = [
        draw_layers(BY_NAME[name], random, 64, i, o) for i, o in ((1, 20), (20, 20), (20, 20), (20, 20), (20, 1))
    ]
    good = int(np.count_nonzero(train(networks, seed=1) < 0.02))
    together = [[good, 64 - good], [trained.good, trained.runs - trained.good]]
    assert stats.fisher_exact(together).pvalue > 1e-5


@pytest.fixture
def project(tmp_path):
    for path in (THRESHOLDS, PAGE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / THRESHOLDS).write_text("old")
    (tmp_path / PAGE).write_text(f"Before.\n\n{document.BEGIN}\nold\n{document.END}\n\nAfter.\n")
    return tmp_path


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_calibrate_writes_thresholds_page_and_picture(project, capsys):
    calibrate(project, sizes=Sizes(blocks=20, networks=100, runs=8), jobs=2)
    thresholds, measured = document.from_text((project / THRESHOLDS).read_text(encoding="utf-8"))
    assert set(measured) == set(BY_NAME)
    assert thresholds.gain == pytest.approx(live.THRESHOLDS.gain, rel=0.05)
    assert measured["ones"].statistics["offset"].median == inf
    page = (project / PAGE).read_text(encoding="utf-8")
    assert page.startswith("Before.\n")
    assert page.endswith("After.\n")
    assert page.count("\n| He normal |") == 1
    assert (project / PICTURE).read_bytes().startswith(b"\x89PNG")
    assert files(project) == {str(path) for path in (THRESHOLDS, PAGE, PICTURE)}
    assert capsys.readouterr().out.count("wrote ") == 3


def test_an_interrupt_leaves_everything_as_it_was(project, monkeypatch):
    def interrupted(_sizes, _jobs, _on_done):
        raise KeyboardInterrupt

    monkeypatch.setattr("inithw.homework.calibration.measure", interrupted)
    before = files(project)
    with pytest.raises(KeyboardInterrupt):
        calibrate(project)
    assert files(project) == before
    assert (project / THRESHOLDS).read_text() == "old"


def test_a_page_without_a_place_for_the_tables_is_refused_before_measuring(project, monkeypatch):
    (project / PAGE).write_text("no markers")
    monkeypatch.setattr("inithw.homework.calibration.measure", lambda *_: pytest.fail("measured"))
    with pytest.raises(ValueError, match="once each"):
        calibrate(project)


def test_every_wrong_family_loses_an_item_and_every_right_one_none():
    assert all(set(family.full) == set(ITEMS) and not family.caught_by for family in RIGHT)
    assert all(family.caught_by for family in FAMILIES if family not in RIGHT)
