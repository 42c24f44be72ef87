"""Which final test loss counts as good: chosen by a rule from training runs, with bounds on how often it is reached."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats

from inithw.engine.records import FloatArray
from inithw.homework.families import FAMILIES
from inithw.homework.reference.data import TEST_Y
from inithw.homework.statistics import TRAINING

CONFIDENCE = 0.999
"""Of every bound on a rate, one-sided."""
LOSSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""What may count as good."""
LARGEST_SHARE = 1 / 4
"""Of the variance of the function, which is the loss of a constant: what counts as good must be clearly better."""


def below(losses: FloatArray) -> tuple[int, ...]:
    """How many runs ended below each of `LOSSES`."""
    return tuple(int(np.count_nonzero(losses < loss)) for loss in LOSSES)


def choose_good_loss(trained: Mapping[str, tuple[int, tuple[int, ...]]]) -> float:
    """The one of `LOSSES` for which half of the runs is farthest from the worst right and the best wrong family.

    Args:
        trained: By family: how many runs, and how many of them ended below each of `LOSSES`.
    """
    allowed = [loss for loss in LOSSES if loss <= LARGEST_SHARE * float(np.var(TEST_Y))] or LOSSES[:1]
    return max(allowed, key=lambda loss: (margin(loss, trained), -loss))


def margin(loss: float, trained: Mapping[str, tuple[int, tuple[int, ...]]]) -> float:
    """How far half of the runs is from the nearest family's share of good ones; negative on the wrong side of it."""
    place = LOSSES.index(loss)
    bounds = {family: rate(counts[place], runs) for family, (runs, counts) in trained.items()}
    right = [bounds[family.name][0] for family in FAMILIES if family.must_get(TRAINING) and family.name in bounds]
    wrong = [bounds[family.name][1] for family in FAMILIES if family.caught("training") and family.name in bounds]
    return min(min(right) - 0.5, 0.5 - max(wrong))


def rate(count: int, of: int) -> tuple[float, float]:
    """Clopper-Pearson bounds on a probability, each one-sided with `CONFIDENCE`."""
    low = float(stats.beta.ppf(1 - CONFIDENCE, count, of - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(CONFIDENCE, count + 1, of - count)) if count < of else 1.0
    return low, high
