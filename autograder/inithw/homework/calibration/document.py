"""Writes measurements down: the thresholds file, the tables of docs/grading.md and its picture."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, astuple
from io import BytesIO
from typing import Any

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.calibration.families import FAMILIES, ITEMS, TRAINING, Family
from inithw.homework.calibration.measuring import STATISTICS, Values
from inithw.homework.calibration.rates import CONFIDENCE, RULE, Measured, Summary, Trained, Verdict, limits, verdicts
from inithw.homework.reference.data import TEST_LOSS_TARGET
from inithw.homework.reference.initialization import NETWORKS
from inithw.homework.reference.thresholds import Thresholds, read_thresholds

BEGIN, END = "<!-- begin: written by `inithw calibrate` -->", "<!-- end: written by `inithw calibrate` -->"
RIGHT_COLOUR, WRONG_COLOUR, GREY = "#0072B2", "#D55E00", "#595959"


# ---------------------------------------------------------------- the thresholds file


def to_text(thresholds: Thresholds, measured: Mapping[str, Measured]) -> str:
    """The content of the thresholds file: JSON with one line for each statistic of each family."""
    families = ",\n".join(
        f"  {_json(name)}: {{\n"
        + "".join(f"   {_json(key)}: {_json(_finite(astuple(value)))},\n" for key, value in of.statistics.items())
        + f'   "training": {_json(_finite(astuple(of.training)))}\n  }}'
        for name, of in measured.items()
    )
    return (
        '{\n "generated": "by `inithw calibrate`, never by hand",\n'
        f' "rule": {json.dumps(RULE, indent=2, ensure_ascii=False)},\n'
        f' "thresholds": {json.dumps(asdict(thresholds), indent=2)},\n'
        f' "columns": {_json(list(Summary.__dataclass_fields__))},\n'
        f' "columns of training": {_json(list(Trained.__dataclass_fields__))},\n'
        f' "measured": {{\n{families}\n }}\n}}\n'
    )


def from_text(text: str) -> tuple[Thresholds, dict[str, Measured]]:
    """What `to_text` wrote."""
    measured = {
        name: Measured(
            {key: Summary(*_numbers(values)) for key, values in of.items() if key != "training"},
            Trained(*_numbers(of["training"])),
        )
        for name, of in json.loads(text)["measured"].items()
    }
    return read_thresholds(text), measured


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _finite(values: tuple[float, ...]) -> list[float | None]:
    """JSON has no infinity: null stands for it."""
    return [value if math.isfinite(value) else None for value in values]


def _numbers(values: list[float | None]) -> list:
    return [math.inf if value is None else value for value in values]


# ---------------------------------------------------------------- the tables


def tables(thresholds: Thresholds, measured: Mapping[str, Measured]) -> str:
    """Thresholds and error rates in Markdown, between their markers."""
    found = {family.name: verdicts(family, measured[family.name], thresholds.looks) for family in FAMILIES}
    largest_loss = max(sum(v.error for v in found[f.name].values()) for f in FAMILIES if set(f.full) == set(ITEMS))
    largest_pass = max(v.error for of in found.values() for v in of.values() if v.expected == "lost")
    return "\n".join(
        [
            BEGIN,
            "",
            *(f"- {sentence}" for sentence in RULE),
            "",
            "| statistic | accepted | right family closest to it | wrong family closest to it |",
            "|---|---|---|---|",
            *_threshold_rows(thresholds, measured),
            "",
            "| networks trained | lost with at most | passed with at least |",
            "|---|---|---|",
            *(f"| {look.runs} | {look.lost_at} good | {look.passed_at} good |" for look in thresholds.looks),
            "",
            f"**Largest probability that a right family loses any of the four items: {largest_loss:.0e}. Largest "
            f"probability that a wrong family gets an item that it must lose: {largest_pass:.0e}.** Every rate behind "
            f"them is taken at its Clopper-Pearson bound ({CONFIDENCE:.1%}, one-sided).",
            "",
            "The number in a cell is the largest probability of the other verdict. *Italics*: the rulings leave it to "
            "measurement, and this is what it shows.",
            "",
            "| family | q3.draws | q3.scale | q3.gradients | q3.training | good networks |",
            "|---|---|---|---|---|---|",
            *(_family_row(family, found[family.name], measured[family.name].training) for family in FAMILIES),
            "",
            END,
        ]
    )


def put_tables(page: str, new: str) -> str:
    """Replace what stands between the markers.

    Raises:
        ValueError: The page has not exactly one pair of markers.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"docs/grading.md needs the lines {BEGIN!r} and {END!r} once each")
    return page[: page.index(BEGIN)] + new + page[page.index(END) + len(END) :]


def _threshold_rows(thresholds: Thresholds, measured: Mapping[str, Measured]) -> list[str]:
    rows = []
    for name, limit in limits(thresholds).items():
        statistic = STATISTICS[name]
        right, wrong = nearest(name, measured)
        at = {family: measured[family].statistics[name].median for family in (right, wrong)}
        rows.append(
            f"| {statistic.what} | {'at most' if statistic.large else 'at least'} {limit:g} | "
            f"{at[right]:.3g} ({right}) | {at[wrong]:.3g} ({wrong}) |"
        )
    return rows


def nearest(name: str, measured: Mapping[str, Measured]) -> tuple[str, str]:
    """The right and the wrong family whose medians come closest to the threshold of a statistic."""
    statistic = STATISTICS[name]
    sign = 1 if statistic.large else -1

    def position(family: Family) -> float:
        return sign * measured[family.name].statistics[name].median

    right = max((family for family in FAMILIES if statistic.item in family.full), key=position)
    wrong = min((family for family in FAMILIES if name in family.caught_by), key=position)
    return right.name, wrong.name


def nearest_in_training(measured: Mapping[str, Measured]) -> tuple[str, str]:
    """The right family with the fewest good networks, and the one with the most that must lose q3.training."""
    share = {family.name: measured[family.name].training.good for family in FAMILIES}
    right = min((family.name for family in FAMILIES if TRAINING in family.full), key=share.__getitem__)
    wrong = max((family.name for family in FAMILIES if "training" in family.caught_by), key=share.__getitem__)
    return right, wrong


def _family_row(family: Family, found: Mapping[str, Verdict], trained: Trained) -> str:
    cells = " | ".join(_cell(found[item]) for item in ITEMS)
    return f"| {family.name} | {cells} | {trained.good / trained.runs:.1%} |"


def _cell(verdict: Verdict) -> str:
    if verdict.expected != "as measured":
        error = "< 1e-12" if verdict.error < 1e-12 else f"{verdict.error:.0e}"
        return f"{'full' if verdict.expected == 'full' else '**lost**'} {error}"
    likely, other = ("lost", 1 - verdict.error) if verdict.error > 0.5 else ("full", verdict.error)
    return f"*{likely}*" if other < 0.001 else f"*{likely}, in {1 - other:.1%}*"


# ---------------------------------------------------------------- the picture

_TITLES = {
    "offset": "Do the weights lie around zero?",
    "row_correlation": "Do rows or columns differ?",
    "layer_correlation": "Do layers differ?",
    "draw_correlation": "Do calls differ?",
    "spread": "Does the scale follow the fan?",
    "gain_low": "Is the gain large enough?",
    "gain_high": "Is the gain small enough?",
    "gradient_low": "Are gradients large enough?",
    "gradient_high": "Are gradients small enough?",
    "imbalance": "Are the layers balanced?",
}


def picture(thresholds: Thresholds, measured: Mapping[str, Measured], values: Mapping[str, Values]) -> bytes:
    """For each threshold, the right and the wrong family that come closest to it, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(3, 4, figsize=(15, 9.2))
    figure.subplots_adjust(left=0.02, right=0.98, top=0.85, bottom=0.06, hspace=0.7, wspace=0.12)
    panels = list(grid.flat)
    for panel, (name, limit) in zip(panels, limits(thresholds).items(), strict=False):
        families = nearest(name, measured)
        votes = [values[family][name] for family in families]
        judged = [_medians(some, STATISTICS[name].votes) for some in votes]
        _draw_panel(panel, limit, families, judged, votes)
        panel.set_title(_TITLES[name], fontsize=13, fontweight="bold", pad=8)
        panel.set_xlabel(STATISTICS[name].what, fontsize=10.5, color=GREY)
    families = nearest_in_training(measured)
    rates = [measured[family].training.good / measured[family].training.runs for family in families]
    random = np.random.default_rng(0)
    _draw_panel(panels[10], 0.5, families, [random.binomial(NETWORKS, rate, 4000) / NETWORKS for rate in rates], None)
    panels[10].set_title("Do most networks train?", fontsize=13, fontweight="bold", pad=8)
    panels[10].set_xlabel(f"share of networks with test loss below {TEST_LOSS_TARGET:g}", fontsize=10.5, color=GREY)
    _draw_legend(panels[11])
    figure.suptitle(
        "Each question of q3 has a threshold between the right answer and the wrong answer that come closest to it",
        fontsize=16,
        fontweight="bold",
        y=0.975,
    )
    written = BytesIO()
    figure.savefig(written, format="png", dpi=90, metadata={"Software": None})
    plt.close(figure)
    return written.getvalue()


def _medians(votes: FloatArray, count: int) -> FloatArray:
    """What submissions would be judged by: medians of `count` votes, drawn from those measured."""
    random = np.random.default_rng(0)
    return np.median(random.choice(votes, (4000, count)), axis=1)


def _draw_panel(
    panel: Any, limit: float, families: tuple[str, str], judged: list[FloatArray], votes: list[FloatArray] | None
) -> None:
    """Histograms of a right and a wrong family; without `votes` the axis is a share, else logarithmic."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    if votes is None:
        low, high, edges = 0.0, 1.0, np.linspace(0, 1, 90)
    else:
        tails = [np.quantile(some[some > 0], [0.02, 0.98]) for some in votes]
        shown = np.concatenate([*judged, *tails, [limit]])
        low, high = float(shown.min()) / 1.2, float(shown.max()) * 1.2
        edges = np.geomspace(low, high, 90)
        panel.set_xscale("log")
        candidates = [digit * 10.0**power for power in range(-9, 3) for digit in (1, 1.5, 2, 3, 5)]
        inside = [tick for tick in candidates if low < tick < high]
        decades = [tick for tick in inside if f"{tick:.0e}".startswith("1e") and tick in candidates[::5]]
        panel.xaxis.set_major_locator(FixedLocator(decades if len(decades) > 1 else inside))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        for some, colour in zip(votes, (RIGHT_COLOUR, WRONG_COLOUR), strict=True):
            panel.stairs(*_heights(some, edges), color=colour, linewidth=1.2, alpha=0.8)
    for some, colour, hatch in zip(judged, (RIGHT_COLOUR, WRONG_COLOUR), ("", "////"), strict=True):
        panel.stairs(*_heights(some, edges), fill=True, facecolor=colour, edgecolor="white", hatch=hatch, linewidth=0)
    panel.axvline(limit, ymax=0.74, color="black", linestyle="--", linewidth=1.6)
    panel.set(xlim=(low, high), ylim=(0, 1.5), yticks=[])
    panel.spines[["left", "top", "right"]].set_visible(False)
    right_is_left = np.median(judged[0]) < np.median(judged[1])
    for family, colour, left in zip(
        families, (RIGHT_COLOUR, WRONG_COLOUR), (right_is_left, not right_is_left), strict=True
    ):
        panel.text(
            x=0.0 if left else 1.0,
            y=0.92 if left else 0.78,
            s=family,
            ha="left" if left else "right",
            color=colour,
            fontsize=11,
            transform=panel.transAxes,
        )


def _heights(values: FloatArray, edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    counts = np.histogram(values, edges)[0]
    return counts / counts.max(), edges


def _draw_legend(panel: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    panel.axis("off")
    panel.legend(
        handles=[
            Patch(facecolor=RIGHT_COLOUR, label="right answer, as judged"),
            Patch(facecolor=WRONG_COLOUR, edgecolor="white", hatch="////", label="wrong answer, as judged"),
            Line2D([], [], color=GREY, linewidth=1.2, label="outline: a single network or block"),
            Line2D([], [], color="black", linestyle="--", linewidth=1.6, label="threshold"),
        ],
        loc="center",
        fontsize=12,
        frameon=False,
        title="filled: the median of all votes, which decides",
        title_fontsize=12,
    )
