"""The thresholds of q3, as `inithw calibrate` measured and wrote them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

FILE_NAME = "thresholds.json"


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
    """Where right and wrong initializations part; see `inithw.homework.reference.initialization` for the statistics.

    Attributes:
        offset: Largest accepted |mean| / std.
        row_correlation: Largest accepted, between rows or columns of a matrix.
        layer_correlation: Largest accepted, between layers of a network.
        draw_correlation: Largest accepted, between networks.
        spread: Largest accepted spread of std * sqrt(fan) over the shapes.
        gain: Accepted std * sqrt(fan), smallest and largest.
        gradient: Accepted gradient norms, smallest and largest.
        imbalance: Largest accepted ratio of a network's gradient norms.
        looks: The stopping rule of training.
    """

    offset: float
    row_correlation: float
    layer_correlation: float
    draw_correlation: float
    spread: float
    gain: tuple[float, float]
    gradient: tuple[float, float]
    imbalance: float
    looks: tuple[Look, ...]


def read_thresholds(text: str) -> Thresholds:
    """Read the file's part that decides."""
    values = json.loads(text)["thresholds"]
    return Thresholds(
        offset=values["offset"],
        row_correlation=values["row_correlation"],
        layer_correlation=values["layer_correlation"],
        draw_correlation=values["draw_correlation"],
        spread=values["spread"],
        gain=tuple(values["gain"]),
        gradient=tuple(values["gradient"]),
        imbalance=values["imbalance"],
        looks=tuple(Look(**look) for look in values["looks"]),
    )


THRESHOLDS = read_thresholds(resources.files("inithw.homework").joinpath(FILE_NAME).read_text(encoding="utf-8"))
