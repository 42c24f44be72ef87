"""Thresholds follow from the measurements on file, errors are as promised, and the page says so."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from math import comb, inf

import numpy as np
import pytest
import torch
from inithw.engine.records import Submission
from inithw.engine.settings import ProjectError
from inithw.homework.calibration import (
    CACHE,
    MEASUREMENTS,
    MOST_OFTEN,
    PAGE,
    PICTURE,
    THRESHOLDS,
    NoFairThresholds,
    calibrate,
    check,
    document,
    more_training,
)
from inithw.homework.calibration.goodness import LOSSES, choose_good_loss, margin
from inithw.homework.calibration.measuring import Sizes, measure
from inithw.homework.calibration.rates import (
    LARGEST_ERROR,
    Fairness,
    choose_thresholds,
    fairness,
    probability_lost,
    probability_not_lost,
    rate,
    training_outcome,
    verdicts,
)
from inithw.homework.challenge import draw_challenge
from inithw.homework.drawing import normal
from inithw.homework.families import ALL, FAMILIES, Family, draw_layers, std
from inithw.homework.reference.data import TEST_Y, WIDTHS
from inithw.homework.reference.training import train
from inithw.homework.statistics import DRAWS, STATISTICS, TRAINING
from inithw.homework.thresholds import Look, StaleThresholds, read_thresholds, thresholds
from scipy import stats
from torch import nn

from tests.parts import of_the_first_handout

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
SMALL = Sizes(blocks=20, networks=100, runs=8)
RIGHT = [family for family in FAMILIES if family.full == ALL]
BY_NAME = {family.name: family for family in FAMILIES}


def truncated(weight, std):
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


@pytest.fixture(scope="module")
def on_file(root):
    texts = [(root / path).read_text(encoding="utf-8") for path in (THRESHOLDS, MEASUREMENTS)]
    return read_thresholds(texts[0]), document.from_csv(texts[1])


# ---------------------------------------------------------------- what is committed


def test_the_thresholds_in_use_are_those_on_file(on_file):
    assert on_file[0] == thresholds()


@of_the_first_handout
def test_the_file_holds_what_was_promised_of_every_family(on_file):
    limits, measured = on_file
    assert list(measured) == [family.name for family in FAMILIES]
    for of in measured.values():
        assert set(of.statistics) == set(STATISTICS)
        assert all(summary.values >= 1_000 for summary in of.statistics.values())
        assert of.training.runs >= 128
    for family in RIGHT:
        assert all(summary.values >= 10_000 for summary in measured[family.name].statistics.values())
    for family in FAMILIES:
        trained = measured[family.name].training
        good = trained.good(limits.good_loss) / trained.runs
        if (family.must_get(TRAINING) or family.must_lose(TRAINING)) and 0.1 < good < 0.9:
            assert trained.runs >= 2_000


def test_the_thresholds_follow_from_the_measurements_by_the_rule(on_file):
    limits, measured = on_file
    medians = {
        family: {name: summary.median for name, summary in of.statistics.items()} for family, of in measured.items()
    }
    assert choose_thresholds(medians, {family: of.training for family, of in measured.items()}) == limits


def test_every_threshold_parts_the_medians_of_right_and_wrong_families(on_file):
    limits, measured = on_file
    for name, limit in limits.limits.items():
        statistic = STATISTICS[name]
        sign = 1 if statistic.large else -1
        for family in FAMILIES:
            median = measured[family.name].statistics[name].median
            if family.must_get(statistic.item):
                assert sign * median < sign * limit, (name, family.name)
            if family.caught(name):
                assert sign * median > sign * limit, (name, family.name)


@pytest.mark.parametrize("family", RIGHT, ids=lambda family: family.name)
def test_a_right_family_loses_none_of_the_four_items_by_chance(family, on_file):
    limits, measured = on_file
    found = verdicts(family, measured[family.name], limits)
    assert {verdict.expected for verdict in found.values()} == {"full"}
    assert sum(verdict.error for verdict in found.values()) <= LARGEST_ERROR


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_item_that_is_decided_gets_the_other_verdict_by_chance(family, on_file):
    limits, measured = on_file
    decided = [
        verdict
        for verdict in verdicts(family, measured[family.name], limits).values()
        if verdict.expected != "as measured"
    ]
    assert decided
    assert all(verdict.error <= LARGEST_ERROR for verdict in decided)


def test_the_page_shows_the_measurements_on_file(root, on_file):
    page = (root / PAGE).read_text(encoding="utf-8")
    assert document.put_tables(page, document.tables(*on_file)) == page


def trained_like(right, wrong):
    """Runs of all families of which these shares end below each loss."""
    shares = {family.name: right if family.must_get(TRAINING) else wrong for family in FAMILIES}
    return {name: (2000, tuple(round(2000 * share) for share in of)) for name, of in shares.items()}


def test_what_counts_as_good_is_where_half_is_farthest_from_right_and_wrong():
    #             0.001 0.002 0.005 0.01 0.02 0.05 0.1 0.2 0.5
    right = (0.0, 0.0, 0.2, 0.7, 0.8, 0.9, 1, 1, 1)
    assert choose_good_loss(trained_like(right, (0, 0, 0, 0.0, 0.1, 0.9, 1, 1, 1))) == 0.02
    assert choose_good_loss(trained_like(right, (0, 0, 0, 0.1, 0.4, 0.9, 1, 1, 1))) == 0.01
    assert margin(0.01, trained_like(right, (0, 0, 0, 0.1, 0.4, 0.9, 1, 1, 1))) == pytest.approx(0.2, abs=0.04)
    assert margin(0.02, trained_like(right, (0, 0, 0, 0.1, 0.6, 0.9, 1, 1, 1))) < 0


def test_what_counts_as_good_is_clearly_better_than_a_constant():
    always = (0, 0, 0, 0, 0, 1, 1, 1, 1)
    assert choose_good_loss(trained_like(always, (0,) * len(LOSSES))) <= np.var(TEST_Y) / 4


def test_no_promise_is_made_where_a_right_family_fails_in_half_of_its_runs(on_file):
    limits, measured = on_file
    trained = replace(measured["He uniform"].training, below=tuple(1000 for _ in LOSSES), runs=2000)
    unlucky = {**measured, "He uniform": replace(measured["He uniform"], training=trained)}
    assert not fairness(limits, measured).problems
    (problem,) = fairness(limits, unlucky).problems
    assert problem.startswith("He uniform: q3.training must be full, and may be lost with probability")
    assert not fairness(limits, unlucky).too_few


def test_too_few_measurements_are_told_from_thresholds_that_cannot_be_fair(on_file):
    limits, measured = on_file
    few = {
        name: replace(summary, values=50, against=round(50 * summary.against / summary.values))
        for name, summary in measured["He normal"].statistics.items()
    }
    fair = fairness(limits, {**measured, "He normal": replace(measured["He normal"], statistics=few)})
    assert fair.problems
    assert fair.too_few
    assert document.verdict(fair, limits)[0].startswith("Too little was measured to promise 1e-06")


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


def test_no_statistic_needs_more_than_half_of_the_votes_and_most_need_half():
    for statistic in STATISTICS.values():
        assert statistic.needed == statistic.votes // (16 if statistic.name == "novelty" else 2)


def test_an_item_is_lost_when_at_least_half_of_the_votes_are_against():
    for votes in (7, 8):
        p = 0.3
        by_hand = sum(comb(votes, k) * p**k * (1 - p) ** (votes - k) for k in range(votes + 1) if 2 * k >= votes)
        needed = (votes + 1) // 2
        assert probability_lost(p, votes, needed) == pytest.approx(by_hand)
        assert probability_not_lost(p, votes, needed) == pytest.approx(1 - by_hand)


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


def test_a_right_answer_is_usually_decided_within_two_looks_and_at_the_first_where_nearly_all_networks_train(on_file):
    limits, measured = on_file
    first, second = limits.looks[:2]
    for family in RIGHT:
        trained = measured[family.name].training
        good = trained.good(limits.good_loss) / trained.runs
        assert training_outcome(good, (first, second))[0] > 0.98
        if good > 0.97:
            assert training_outcome(good, (first,))[0] > 0.98


# ---------------------------------------------------------------- measuring again


@pytest.mark.parametrize("name", ["He uniform", "He fan_out normal"])
def test_a_fresh_sample_agrees_with_the_rate_on_file(name, on_file):
    limits, measured = on_file
    trained = measured[name].training
    random = np.random.default_rng(99)
    networks = [draw_layers(BY_NAME[name], random, 64, *shape) for shape in pairwise(WIDTHS)]
    good = int(np.count_nonzero(train(networks, seed=1) < limits.good_loss))
    before = trained.good(limits.good_loss)
    together = [[good, 64 - good], [before, trained.runs - before]]
    assert stats.fisher_exact(together).pvalue > 1e-5


@pytest.fixture
def project(tmp_path):
    for path in (THRESHOLDS, MEASUREMENTS, PAGE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / THRESHOLDS).write_text("old")
    (tmp_path / PAGE).write_text(f"Before.\n\n{document.BEGIN}\nold\n{document.END}\n\nAfter.\n")
    return tmp_path


def files(folder):
    paths = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(path) for path in paths if CACHE not in path.parents}


@pytest.mark.slow
def test_calibrate_writes_thresholds_page_and_picture(project, capsys):
    said = calibrate(project, sizes=SMALL, jobs=2, anyway=True)
    limits = read_thresholds((project / THRESHOLDS).read_text(encoding="utf-8")).limits
    measured = document.from_csv((project / MEASUREMENTS).read_text(encoding="utf-8"))
    assert list(measured) == list(BY_NAME)
    for name in ("gain_low", "gain_high"):
        assert limits[name] == pytest.approx(thresholds().limits[name], rel=0.05)
    assert measured["ones"].statistics["offset"].median == inf
    page = (project / PAGE).read_text(encoding="utf-8")
    assert page.startswith("Before.\n")
    assert page.endswith("After.\n")
    assert page.count("\n| He normal |") == 1
    assert (project / PICTURE).read_bytes().startswith(b"\x89PNG")
    written = (THRESHOLDS, MEASUREMENTS, PAGE, PICTURE)
    assert files(project) == {str(path) for path in written}
    assert capsys.readouterr().out.count("wrote ") == len(written)
    assert "promise" in said[0] or "No fair" in said[0], "so few measurements cannot promise much"
    before = {path: (project / path).read_bytes() for path in written}
    with pytest.raises(NoFairThresholds, match=r"must be lost, and may be full with probability [\d.]+e-"):
        calibrate(project, sizes=SMALL, jobs=2)
    assert {path: (project / path).read_bytes() for path in written} == before


def test_training_goes_on_where_nothing_else_is_lacking_and_not_for_ever():
    short = Fairness(1e-5, 0.0, ("He normal: q3.training must be full, and may be lost",), frozenset({TRAINING}), True)
    more = [sizes := Sizes()]
    while (sizes := more_training(sizes, short)) is not None:
        more.append(sizes)
    assert [sizes.often for sizes in more] == [16, 64, MOST_OFTEN]
    assert {replace(sizes, often=16) for sizes in more} == {Sizes()}
    for other in (
        replace(short, problems=(), items=frozenset()),
        replace(short, too_few=False),
        replace(
            short,
            problems=(*short.problems, "He normal: q3.draws must be full, and may be lost"),
            items=short.items | {DRAWS},
        ),
    ):
        assert more_training(Sizes(), other) is None


def test_an_interrupt_leaves_everything_as_it_was(project, monkeypatch):
    def interrupted(*_arguments):
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
    assert not any(family.caught_by for family in RIGHT)
    assert all(family.caught_by for family in FAMILIES if family not in RIGHT)
    assert len(BY_NAME) == len(FAMILIES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"caught_by": "spread row_corelation"}, "no statistic is called row_corelation"),
        ({"caught_by": "q3.training"}, "no statistic is called q3.training"),
        ({"full": "draws gradient"}, "no item is called gradient"),
        ({"full": ALL, "caught_by": "training"}, "must both get and lose q3.training"),
    ],
)
def test_a_mistyped_name_in_a_family_is_refused(words, said):
    with pytest.raises(ValueError, match=said):
        Family("some", normal, std(1), **words)


# ---------------------------------------------------------------- thresholds are those of this homework


@of_the_first_handout
def test_check_says_in_words_that_thresholds_are_todays_and_what_they_promise(root):
    said = " ".join(check(root))
    assert "belong to today's homework: measured on networks 1-20-20-20-20-1" in said
    assert "good below a test loss of 0.02" in said
    assert "(promised: 1e-06)" in said


def test_check_names_everything_that_differs(project, monkeypatch, root):
    (project / THRESHOLDS).write_bytes((root / THRESHOLDS).read_bytes())
    monkeypatch.setattr("inithw.homework.reference.data.TRAIN_N", 1000)
    monkeypatch.setattr("inithw.homework.reference.data.NOISE", 0.3)
    with pytest.raises(StaleThresholds) as refused:
        check(project)
    assert "training points: 1500 then, 1000 today" in str(refused.value)
    assert "noise: 0.1 then, 0.3 today" in str(refused.value)
    assert "`inithw calibrate`" in str(refused.value)


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("inithw.homework.reference.data", "WIDTHS", (1, 32, 32, 32, 32, 1)),
        ("inithw.homework.reference.data", "TRAIN_N", 1000),
        ("inithw.homework.reference.data", "STEPS", 400),
        ("inithw.homework.families", "FAMILIES", FAMILIES[1:]),
    ],
)
def test_thresholds_measured_on_anything_else_are_refused_with_what_to_run(place, name, value, root, monkeypatch):
    text = (root / THRESHOLDS).read_text(encoding="utf-8")
    monkeypatch.setattr(f"{place}.{name}", value)
    with pytest.raises(StaleThresholds, match="run `inithw calibrate`"):
        read_thresholds(text)
    thresholds.cache_clear()
    with pytest.raises(ProjectError):
        draw_challenge(b"key", Submission("s", (), "digest"))
    thresholds.cache_clear()


def test_limits_for_other_statistics_are_refused(root):
    text = (root / THRESHOLDS).read_text(encoding="utf-8").replace('"spread"', '"spred"')
    with pytest.raises(StaleThresholds, match="spred"):
        read_thresholds(text)


def test_grading_needs_no_library_of_the_calibration():
    code = "import sys, inithw.homework.rubric, inithw.homework.challenge; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "scipy", "matplotlib", "torch"} & set(loaded)


@pytest.mark.slow
def test_an_interrupted_calibration_goes_on_where_it_was(tmp_path):
    sizes, done = Sizes(blocks=2, networks=4, runs=1), []

    def interrupt(number, total):
        done.append(number)
        if number >= total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(sizes, 1, tmp_path, interrupt)
    kept = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert len(kept) >= len(done)
    values = measure(sizes, 1, tmp_path, lambda *_: None)
    assert all((tmp_path / name).stat().st_mtime_ns == then for name, then in kept.items())
    again = measure(sizes, 1, tmp_path / "other", lambda *_: None)
    assert all(np.array_equal(values[f][s], again[f][s], equal_nan=True) for f in values for s in values[f])
