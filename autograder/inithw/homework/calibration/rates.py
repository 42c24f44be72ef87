"""From measurements to thresholds, by a rule, and to the probabilities of false verdicts, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats

from inithw.engine.records import FloatArray
from inithw.homework.asked import BLOCKS, NETWORKS
from inithw.homework.calibration.goodness import LOSSES, below, choose_good_loss, rate
from inithw.homework.calibration.measuring import Values
from inithw.homework.families import FAMILIES, Family
from inithw.homework.statistics import DRAWS, ITEMS, STATISTICS, TRAINING
from inithw.homework.thresholds import Look, Thresholds

RUNS_PER_LOOK = 32
_OF_A_GAIN = ("gain_low", "gain_high")
LOOK_ERROR = 1e-9
"""Largest probability of stopping with the wrong verdict at one look."""
LARGEST_ERROR = 1e-6
"""Largest accepted probability of a false verdict: what the project promises."""


def rule(good_loss: float) -> tuple[str, ...]:
    """How thresholds follow from measurements, and verdicts from thresholds."""
    return (
        "A threshold is the geometric midpoint of two medians: that of the right family and that of the wrong family "
        "that come closest to each other. Right are the families that must get the item, wrong those that the "
        "statistic must catch. Where families whose verdict is left to measurement, but whose law is right except for "
        "gain or fan, have medians in between, the threshold is the midpoint of the widest gap, on a logarithmic "
        "scale.",
        "An item is lost when at least half of the votes lie beyond a threshold: a vote is one of "
        f"{BLOCKS} blocks of weights, or one of {NETWORKS} networks. (Of networks that are copies of earlier ones, "
        f"{STATISTICS['novelty'].needed} are enough.)",
        f"Training: after every {RUNS_PER_LOOK} networks, count the good ones (test loss below {good_loss:g}). "
        f"Stop with 'lost' where so few would have at most the probability {LOOK_ERROR:g} for the worst right family, "
        "and with 'passed' where so many would have at most that for the best of the families that must lose this "
        "item, never against what half of the networks say. Once "
        f"a number would be both, and in any case at {NETWORKS}, half of the networks decide.",
        f"What counts as good is the one of {', '.join(f'{loss:g}' for loss in LOSSES)} for which half of the networks "
        "is farthest from the worst right family and from the best of those that must lose; at most a quarter of the "
        "function's variance, which is the loss of a constant.",
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """What is kept of the values of one statistic in one family.

    Attributes:
        low: Quantile 0.001.
        median: Quantile 0.5.
        high: Quantile 0.999.
        against: How many values lie beyond the threshold.
        values: How many there are.
    """

    low: float
    median: float
    high: float
    against: int
    values: int


@dataclass(frozen=True, slots=True)
class Trained:
    """What is kept of the training runs of one family.

    Attributes:
        runs: How many.
        below: How many ended below each of `goodness.LOSSES`.
        diverged: How many diverged.
        median: Median test loss.
    """

    runs: int
    below: tuple[int, ...]
    diverged: int
    median: float

    def good(self, good_loss: float) -> int:
        """How many are good."""
        return self.below[LOSSES.index(good_loss)]


@dataclass(frozen=True, slots=True)
class Measured:
    """What is kept of one family.

    Attributes:
        statistics: By the names of `STATISTICS`.
        training: Its training runs.
    """

    statistics: Mapping[str, Summary]
    training: Trained


# ---------------------------------------------------------------- thresholds


def summarize(values: Mapping[str, Values]) -> tuple[Thresholds, dict[str, Measured]]:
    """Choose thresholds, and count the values beyond them.

    Args:
        values: By family, as `measure` returns them.
    """
    kept = {family: {name: _rounded_quantiles(found[name]) for name in STATISTICS} for family, found in values.items()}
    trained = {family: _trained(found["loss"]) for family, found in values.items()}
    thresholds = choose_thresholds(
        {family: {name: quantiles[1] for name, quantiles in found.items()} for family, found in kept.items()}, trained
    )
    return thresholds, {
        family: Measured(
            {
                name: Summary(
                    *kept[family][name],
                    against=int(np.count_nonzero(thresholds.against(name, found[name]))),
                    values=len(found[name]),
                )
                for name in STATISTICS
            },
            trained[family],
        )
        for family, found in values.items()
    }


def _rounded_quantiles(values: FloatArray) -> tuple[float, float, float]:
    """Quantiles 0.001, 0.5 and 0.999 in four digits; what has no value counts as infinite."""
    ordered = np.sort(np.where(np.isnan(values), np.inf, values))
    low, median, high = (float(f"{ordered[int(q * (len(ordered) - 1))]:.4g}") for q in (0.001, 0.5, 0.999))
    return low, median, high


def _trained(losses: FloatArray) -> Trained:
    return Trained(
        runs=len(losses),
        below=below(losses),
        diverged=int(np.count_nonzero(np.isinf(losses))),
        median=float(f"{np.median(losses):.4g}"),
    )


def choose_thresholds(medians: Mapping[str, Mapping[str, float]], trained: Mapping[str, Trained]) -> Thresholds:
    """Apply `RULE`.

    Args:
        medians: By family, then by statistic.
        trained: By family.
    """
    good_loss = choose_good_loss({family: (of.runs, of.below) for family, of in trained.items()})
    right = [trained[family.name] for family in FAMILIES if family.must_get(TRAINING)]
    wrong = [trained[family.name] for family in FAMILIES if family.caught("training")]
    return Thresholds(
        limits={
            name: choose_threshold(name, {family: of[name] for family, of in medians.items()}) for name in STATISTICS
        },
        looks=choose_looks(
            worst_right=min(rate(of.good(good_loss), of.runs)[0] for of in right),
            best_wrong=max(rate(of.good(good_loss), of.runs)[1] for of in wrong),
        ),
        good_loss=good_loss,
    )


def choose_threshold(name: str, medians: Mapping[str, float]) -> float:
    """The threshold of one statistic, in three significant digits; `medians` by family."""
    statistic = STATISTICS[name]
    sign = 1 if statistic.large else -1

    def logs(families: Iterable[Family]) -> list[float]:
        with np.errstate(divide="ignore"):
            return [sign * float(np.log(medians[family.name])) for family in families]

    worst_right = max(logs(family for family in FAMILIES if family.must_get(statistic.item)))
    nearest_wrong = min(logs(family for family in FAMILIES if family.caught(name)))
    other_gain = (f for f in FAMILIES if f.must_get(DRAWS) and set(f.caught_by.split()) <= {*_OF_A_GAIN, "training"})
    open_ones = logs(f for f in other_gain if expected_verdict(f, statistic.item) == "as measured")
    stops = sorted([worst_right, nearest_wrong, *(log for log in open_ones if worst_right < log < nearest_wrong)])
    below, above = max(pairwise(stops), key=lambda gap: gap[1] - gap[0])
    return float(f"{np.exp(sign * (below + above) / 2):.3g}")


def choose_looks(worst_right: float, best_wrong: float) -> tuple[Look, ...]:
    """The stopping rule.

    Args:
        worst_right: Probability of a good network in the worst right family.
        best_wrong: The same in the best family that must lose.
    """
    looks = []
    for runs in range(RUNS_PER_LOOK, NETWORKS + 1, RUNS_PER_LOOK):
        counts, half = np.arange(runs + 1), (runs + 1) // 2
        lost_at = int(np.sum(stats.binom.cdf(counts, runs, worst_right) <= LOOK_ERROR)) - 1
        passed_at = runs + 1 - int(np.sum(stats.binom.sf(counts - 1, runs, best_wrong) <= LOOK_ERROR))
        if lost_at + 1 >= passed_at or runs == NETWORKS:
            looks.append(Look(runs, half - 1, half))
            break
        looks.append(Look(runs, min(lost_at, half - 1), max(passed_at, half)))
    return tuple(looks)


# ---------------------------------------------------------------- errors


def probability_lost(against: float, votes: int, needed: int) -> float:
    """That at least `needed` of the votes are against, when each is with this probability."""
    return float(stats.binom.sf(needed - 1, votes, against))


def probability_not_lost(against: float, votes: int, needed: int) -> float:
    """That fewer are."""
    return float(stats.binom.cdf(needed - 1, votes, against))


def training_outcome(good: float, looks: tuple[Look, ...]) -> tuple[float, float]:
    """That the stopping rule ends with `passed`, and with `lost`, when each network is good with this probability.

    Dynamic programming over the number of good networks among those trained.
    """
    passed = lost = 0.0
    going, before = np.ones(1), 0
    for look in looks:
        going = np.convolve(going, stats.binom.pmf(np.arange(look.runs - before + 1), look.runs - before, good))
        lost += float(going[: look.lost_at + 1].sum())
        passed += float(going[look.passed_at :].sum())
        going[: look.lost_at + 1] = going[look.passed_at :] = 0
        before = look.runs
    return passed, lost


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a family gets at one item.

    Attributes:
        expected: `full`, `lost` or `as measured`.
        error: Upper bound on the probability of another verdict; for `as measured`, that of losing the item.
    """

    expected: str
    error: float


Bounds = Callable[[int, int], tuple[float, float]]
"""A lower and an upper bound on a probability, from how often something happened, and of how many."""


def as_counted(count: int, of: int) -> tuple[float, float]:
    """No bounds: as if as many had been measured as one likes, and the shares had stayed."""
    return count / of, count / of


def verdicts(family: Family, measured: Measured, thresholds: Thresholds, bounds: Bounds = rate) -> dict[str, Verdict]:
    """What one family gets at every item."""
    return {
        item: _training_verdict(family, measured.training, thresholds, bounds)
        if item == TRAINING
        else _vote_verdict(family, item, measured.statistics, bounds)
        for item in ITEMS
    }


def _training_verdict(family: Family, trained: Trained, thresholds: Thresholds, bounds: Bounds) -> Verdict:
    expected, looks = expected_verdict(family, TRAINING), thresholds.looks
    good = trained.good(thresholds.good_loss)
    low, high = bounds(good, trained.runs)
    if expected == "lost":
        return Verdict(expected, training_outcome(high, looks)[0])
    return Verdict(expected, training_outcome(low if expected == "full" else good / trained.runs, looks)[1])


def _vote_verdict(family: Family, item: str, statistics: Mapping[str, Summary], bounds: Bounds) -> Verdict:
    expected = expected_verdict(family, item)
    lost, passed = 0.0, 1.0
    for name, statistic in STATISTICS.items():
        if statistic.item != item:
            continue
        summary = statistics[name]
        low, high = bounds(summary.against, summary.values)
        against = high if expected == "full" else summary.against / summary.values
        lost += probability_lost(against, statistic.votes, statistic.needed)
        if family.caught(name):
            passed = min(passed, probability_not_lost(low, statistic.votes, statistic.needed))
    return Verdict(expected, passed if expected == "lost" else min(lost, 1.0))


def expected_verdict(family: Family, item: str) -> str:
    """`full`, `lost` or `as measured`."""
    return "full" if family.must_get(item) else "lost" if family.must_lose(item) else "as measured"


@dataclass(frozen=True, slots=True)
class Fairness:
    """What thresholds promise.

    Attributes:
        right: Largest probability that a right family loses any of the four items.
        wrong: Largest probability that a family gets an item that it must lose.
        problems: In words, a line for each verdict that may be false more often than `LARGEST_ERROR`.
        items: Of these verdicts.
        too_few: Whether more measurements would end them, if shares stayed as they are.
    """

    right: float
    wrong: float
    problems: tuple[str, ...]
    items: frozenset[str]
    too_few: bool


def fairness(thresholds: Thresholds, measured: Mapping[str, Measured]) -> Fairness:
    """How often verdicts may be false, over all families."""
    found = {family.name: verdicts(family, measured[family.name], thresholds) for family in FAMILIES}
    false = [
        (family, item, verdict)
        for family, of in found.items()
        for item, verdict in of.items()
        if verdict.expected != "as measured" and verdict.error > LARGEST_ERROR
    ]
    problems = [
        f"{family}: {item} must be {'full' if verdict.expected == 'full' else 'lost'}, and may be "
        f"{'lost' if verdict.expected == 'full' else 'full'} with probability {verdict.error:.0e}"
        for family, item, verdict in false
    ]
    return Fairness(
        right=max(sum(v.error for v in found[f.name].values()) for f in FAMILIES if all(map(f.must_get, ITEMS))),
        wrong=max(v.error for of in found.values() for v in of.values() if v.expected == "lost"),
        problems=tuple(problems),
        items=frozenset(item for _, item, _ in false),
        too_few=all(
            verdict.error <= LARGEST_ERROR
            for family in FAMILIES
            for verdict in verdicts(family, measured[family.name], thresholds, as_counted).values()
            if verdict.expected != "as measured"
        ),
    )
