"""Whether a changed homework can be graded fairly, from training a few networks: asked before minutes of measuring.

python -m inithw.homework.calibration.trial RUNS [FAMILY ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from inithw.engine.records import FloatArray
from inithw.homework.asked import HOMEWORK_SHAPES, NETWORKS
from inithw.homework.calibration.goodness import LARGEST_SHARE, LOSSES
from inithw.homework.calibration.measuring import SEED
from inithw.homework.calibration.rates import LARGEST_ERROR
from inithw.homework.families import FAMILIES, draw_layers
from inithw.homework.reference.data import TEST_Y
from inithw.homework.reference.training import train
from inithw.homework.statistics import TRAINING

_CRITICAL = 3
"""So many of the right and of the wrong families that come closest to half are trained more often."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What some training runs say.

    Attributes:
        good_loss: What would count as good.
        right: The right families with the fewest good networks, and their share.
        wrong: Those with the most that must lose, and their share.
        fair: Whether half of the networks parts them, as often as promised.
    """

    good_loss: float
    right: dict[str, float]
    wrong: dict[str, float]
    fair: bool


def trial(runs: int, names: Sequence[str] = ()) -> Trial:
    """Train networks of all families whose q3.training is decided, or of those named."""
    decided = [f for f in FAMILIES if (f.must_get(TRAINING) or f.caught("training")) and (not names or f.name in names)]
    losses: dict[str, FloatArray] = {}
    for family in decided:
        random = np.random.default_rng([SEED, len(losses)])
        networks = [draw_layers(family, random, runs, *shape) for shape in HOMEWORK_SHAPES]
        losses[family.name] = train(networks, seed=len(losses))
    right = [family.name for family in decided if family.must_get(TRAINING)]
    wrong = [family.name for family in decided if family.caught("training")]

    def shares(loss: float, names: Sequence[str]) -> dict[str, float]:
        return {name: float(np.mean(losses[name] < loss)) for name in names}

    def margin(loss: float) -> float:
        return min(min(shares(loss, right).values()) - 0.5, 0.5 - max(shares(loss, wrong).values()))

    allowed = [loss for loss in LOSSES if loss <= LARGEST_SHARE * float(np.var(TEST_Y))] or LOSSES[:1]
    best = max(allowed, key=margin)
    worst_right = dict(sorted(shares(best, right).items(), key=lambda item: item[1])[:_CRITICAL])
    best_wrong = dict(sorted(shares(best, wrong).items(), key=lambda item: -item[1])[:_CRITICAL])
    half = NETWORKS // 2
    error = max(
        stats.binom.cdf(half - 1, NETWORKS, min(worst_right.values())),
        stats.binom.sf(half - 1, NETWORKS, max(best_wrong.values())),
    )
    return Trial(best, worst_right, best_wrong, bool(error <= LARGEST_ERROR))


if __name__ == "__main__":
    json.dump(asdict(trial(int(sys.argv[1]), sys.argv[2:])), sys.stdout)
