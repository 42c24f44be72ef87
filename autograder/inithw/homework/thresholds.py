"""Where right and wrong initializations part: limits that `inithw calibrate` measured, for today's homework only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inithw.engine.records import FloatArray
from inithw.engine.settings import ProjectError
from inithw.homework import families
from inithw.homework.asked import BLOCKS, FEWEST_WEIGHTS, NETWORKS, RESTARTED, SHAPE_RANGES
from inithw.homework.reference import data
from inithw.homework.statistics import STATISTICS

FILE_NAME = "thresholds.json"


class StaleThresholds(ProjectError):
    """The thresholds on file were measured on another homework."""


@dataclass(frozen=True, slots=True)
class Look:
    """When to stop training more networks.

    Attributes:
        runs: Networks trained so far.
        lost_at: Lost with so many good ones or fewer.
        passed_at: Passed with so many good ones or more; `lost_at` + 1 at the last look.
    """

    runs: int
    lost_at: int
    passed_at: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits of all statistics, and the stopping rule of training.

    Attributes:
        limits: By the names of `STATISTICS`, every one.
        looks: The stopping rule.
        good_loss: A trained network is good when its test loss is below.
    """

    limits: Mapping[str, float]
    looks: tuple[Look, ...]
    good_loss: float

    def __post_init__(self) -> None:
        if set(self.limits) != set(STATISTICS):
            raise StaleThresholds(
                f"the thresholds are those of other statistics ({', '.join(set(self.limits) ^ set(STATISTICS))}): "
                "run `inithw calibrate`"
            )

    def against(self, name: str, values: FloatArray) -> NDArray[np.bool_]:
        """Which values of a statistic speak against the claim; what has no value does."""
        fine = values <= self.limits[name] if STATISTICS[name].large else values >= self.limits[name]
        return ~fine

    def lost(self, name: str, votes: FloatArray) -> bool:
        """Whether enough of the votes speak against the claim: half of them, unless the statistic says otherwise."""
        return int(np.count_nonzero(self.against(name, votes))) >= STATISTICS[name].quorum * len(votes)


def measured_on() -> dict[str, Any]:
    """Everything of the homework that thresholds depend on, as it is today."""
    today = {
        "widths": list(data.WIDTHS),
        "training points": data.TRAIN_N,
        "test points": data.TEST_N,
        "noise": data.NOISE,
        "frequencies": len(data.F_TRUE_PARAMS),
        "seeds of function and data": [data.FUNCTION_SEED, data.DATA_SEED],
        "learning rate, momentum": [data.LEARNING_RATE, data.MOMENTUM],
        "batch size, steps": [data.BATCH_SIZE, data.STEPS],
        "blocks, networks, restarted": [BLOCKS, NETWORKS, RESTARTED],
        "layers": [*SHAPE_RANGES, FEWEST_WEIGHTS],
        "families": families.fingerprint(),
    }
    return json.loads(json.dumps(today))  # tuples become lists, as on file


def differences(then: Mapping[str, Any]) -> list[str]:
    """In words, a line each: where the homework that thresholds were `measured on` is not today's."""
    today = measured_on()
    return [f"{name}: {then.get(name)} then, {today[name]} today" for name in today if then.get(name) != today[name]]


def read_thresholds(text: str) -> Thresholds:
    """Read a thresholds file.

    Raises:
        StaleThresholds: It was measured on another homework than today's.
    """
    values = json.loads(text)
    if changed := differences(values.get("measured on", {})):
        raise StaleThresholds(
            f"the thresholds of q3 were measured on another homework ({changed[0]}): run `inithw calibrate`"
        )
    if "good loss" not in values:
        raise StaleThresholds("the thresholds of q3 say not which test loss is good: run `inithw calibrate`")
    return Thresholds(values["limits"], tuple(Look(*look) for look in values["looks"]), values["good loss"])


def on_file() -> str:
    """The thresholds file as it is, be it of today's homework or of another."""
    return resources.files("inithw.homework").joinpath(FILE_NAME).read_text(encoding="utf-8")


def good_loss_on_file() -> float:
    """For texts: they are made before thresholds of a changed homework are measured, and again afterwards."""
    return float(json.loads(on_file())["good loss"])


@cache
def thresholds() -> Thresholds:
    """The thresholds in use.

    Raises:
        StaleThresholds: They were measured on another homework than today's.
    """
    return read_thresholds(on_file())
