"""Writes measurements down: the thresholds file, the tables of docs/grading.md and its picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, astuple
from io import BytesIO, StringIO
from typing import Any

import numpy as np
import pandas

from inithw.engine.records import FloatArray
from inithw.homework.asked import NETWORKS
from inithw.homework.calibration.goodness import CONFIDENCE, LOSSES
from inithw.homework.calibration.measuring import Values
from inithw.homework.calibration.rates import (
    LARGEST_ERROR,
    Fairness,
    Measured,
    Summary,
    Trained,
    Verdict,
    fairness,
    rule,
    verdicts,
)
from inithw.homework.families import FAMILIES, Family
from inithw.homework.statistics import ITEMS, STATISTICS, TRAINING
from inithw.homework.thresholds import Thresholds, measured_on

BEGIN, END = "<!-- begin: written by `inithw calibrate` -->", "<!-- end: written by `inithw calibrate` -->"
_BELOW = [f"below {loss:g}" for loss in LOSSES]
RIGHT_COLOUR, WRONG_COLOUR, GREY = "#0072B2", "#D55E00", "#595959"


# ---------------------------------------------------------------- the files


def to_text(thresholds: Thresholds, measured: Mapping[str, Measured]) -> str:
    """The content of the thresholds file: what decides, what it was measured on, and what it promises."""
    fair = fairness(thresholds, measured)
    head = {
        "generated": "by `inithw calibrate`, never by hand",
        "rule": rule(thresholds.good_loss),
        "good loss": thresholds.good_loss,
        "looks": list(map(astuple, thresholds.looks)),
        "largest probability of a false verdict": {
            "on a right answer": float(f"{fair.right:.1e}"),
            "on a wrong answer": float(f"{fair.wrong:.1e}"),
        },
    }
    lines = [f" {_json(key)}: {_json(value)}" for key, value in head.items()]
    lines += [_block("limits", thresholds.limits), _block("measured on", measured_on())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _block(key: str, values: Mapping[str, Any]) -> str:
    inner = ",\n".join(f"  {_json(name)}: {_json(value)}" for name, value in values.items())
    return f" {_json(key)}: {{\n{inner}\n }}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def to_csv(measured: Mapping[str, Measured]) -> str:
    """What is kept of the measurements: a row for each statistic of each family, and one for its training."""
    rows = [
        {"family": family, "statistic": name, **asdict(summary)}
        for family, of in measured.items()
        for name, summary in of.statistics.items()
    ]
    rows += [
        {
            "family": family,
            "statistic": "training",
            "median": of.training.median,
            "runs": of.training.runs,
            "diverged": of.training.diverged,
            **dict(zip(_BELOW, of.training.below, strict=True)),
        }
        for family, of in measured.items()
    ]
    columns = ["low", "median", "high", "against", "values", "runs", "diverged", *_BELOW]
    table = pandas.DataFrame(rows).astype({name: "Int64" for name in columns[3:]})
    return table.sort_values("family", kind="stable", key=lambda names: names.map(list(measured).index)).to_csv(
        index=False, columns=["family", "statistic", *columns], lineterminator="\n"
    )


def from_csv(text: str) -> dict[str, Measured]:
    """What `to_csv` wrote."""
    table = pandas.read_csv(StringIO(text)).set_index(["family", "statistic"])
    measured = {}
    for family in table.index.unique("family"):
        of = table.loc[family]
        statistics = {
            name: Summary(row["low"], row["median"], row["high"], int(row["against"]), int(row["values"]))
            for name, row in of.drop(index="training").iterrows()
        }
        run = of.loc["training"]
        measured[family] = Measured(
            statistics,
            Trained(int(run["runs"]), tuple(int(run[name]) for name in _BELOW), int(run["diverged"]), run["median"]),
        )
    return measured


# ---------------------------------------------------------------- the tables


def tables(thresholds: Thresholds, measured: Mapping[str, Measured]) -> str:
    """Thresholds and error rates in Markdown, between their markers."""
    found = {family.name: verdicts(family, measured[family.name], thresholds) for family in FAMILIES}
    fair = fairness(thresholds, measured)
    return "\n".join(
        [
            BEGIN,
            "",
            *(f"- {sentence}" for sentence in rule(thresholds.good_loss)),
            "",
            "| statistic | accepted | right family closest to it | wrong family closest to it |",
            "|---|---|---|---|",
            *_threshold_rows(thresholds, measured),
            "",
            "| networks trained | lost with at most | passed with at least |",
            "|---|---|---|",
            *(f"| {look.runs} | {look.lost_at} good | {look.passed_at} good |" for look in thresholds.looks),
            "",
            f"**Largest probability that a right family loses any of the four items: {fair.right:.0e}. Largest "
            f"probability that a wrong family gets an item that it must lose: {fair.wrong:.0e}.** Every rate behind "
            f"them is taken at its Clopper-Pearson bound ({CONFIDENCE:.1%}, one-sided).",
            "",
            "The number in a cell is the largest probability of the other verdict. *Italics*: the rulings leave it to "
            "measurement, and this is what it shows.",
            "",
            "| family | q3.draws | q3.scale | q3.gradients | q3.training | good networks |",
            "|---|---|---|---|---|---|",
            *(
                _family_row(
                    family,
                    found[family.name],
                    measured[family.name].training.runs,
                    measured[family.name].training.good(thresholds.good_loss),
                )
                for family in FAMILIES
            ),
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
    for name, limit in thresholds.limits.items():
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

    right = max((family for family in FAMILIES if family.must_get(statistic.item)), key=position)
    wrong = min((family for family in FAMILIES if family.caught(name)), key=position)
    return right.name, wrong.name


def nearest_in_training(thresholds: Thresholds, measured: Mapping[str, Measured]) -> tuple[str, str]:
    """The right family with the fewest good networks, and the one with the most that must lose q3.training."""
    trained = {family.name: measured[family.name].training for family in FAMILIES}
    share = {name: of.good(thresholds.good_loss) / of.runs for name, of in trained.items()}
    right = min((family.name for family in FAMILIES if family.must_get(TRAINING)), key=share.__getitem__)
    wrong = max((family.name for family in FAMILIES if family.caught("training")), key=share.__getitem__)
    return right, wrong


def _family_row(family: Family, found: Mapping[str, Verdict], runs: int, good: int) -> str:
    cells = " | ".join(_cell(found[item]) for item in ITEMS)
    return f"| {family.name} | {cells} | {good / runs:.1%} |"


def _cell(verdict: Verdict) -> str:
    if verdict.expected != "as measured":
        error = "< 1e-12" if verdict.error < 1e-12 else f"{verdict.error:.0e}"
        return f"{'full' if verdict.expected == 'full' else '**lost**'} {error}"
    likely, other = ("lost", 1 - verdict.error) if verdict.error > 0.5 else ("full", verdict.error)
    return f"*{likely}*" if other < 0.001 else f"*{likely}, in {1 - other:.1%}*"


def verdict(fair: Fairness, thresholds: Thresholds) -> list[str]:
    """What calibration has found, in words."""
    if fair.problems:
        return [
            f"Too little was measured to promise {LARGEST_ERROR:.0e}; with these shares, more would be enough:"
            if fair.too_few
            else "No fair thresholds exist for this homework:",
            *(f"  {problem}" for problem in fair.problems),
        ]
    return [
        f"Fair: a right initialization loses an item with probability {fair.right:.0e} at most, a wrong one gets an "
        f"item that it must lose with {fair.wrong:.0e} at most (promised: {LARGEST_ERROR:.0e}).",
        f"A trained network is good below a test loss of {thresholds.good_loss:g}.",
    ]


# ---------------------------------------------------------------- the picture


def picture(thresholds: Thresholds, measured: Mapping[str, Measured], values: Mapping[str, Values]) -> bytes:
    """For each threshold, the right and the wrong family that come closest to it, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = 4
    rows = -(-(len(STATISTICS) + 2) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(15, 3.07 * rows))
    figure.subplots_adjust(left=0.02, right=0.98, top=0.85, bottom=0.06, hspace=0.7, wspace=0.12)
    panels = list(grid.flat)
    for panel in panels:
        panel.axis("off")
    for panel, (name, limit) in zip(panels, thresholds.limits.items(), strict=False):
        families = nearest(name, measured)
        votes = [values[family][name] for family in families]
        judged = [_medians(some, STATISTICS[name].votes) for some in votes]
        _draw_panel(panel, limit, families, judged, votes)
        panel.set_title(STATISTICS[name].title, fontsize=13, fontweight="bold", pad=8)
        panel.set_xlabel(STATISTICS[name].what, fontsize=10.5, color=GREY)
    families = nearest_in_training(thresholds, measured)
    trained = [measured[family].training for family in families]
    rates = [of.good(thresholds.good_loss) / of.runs for of in trained]
    random = np.random.default_rng(0)
    training = panels[len(STATISTICS)]
    _draw_panel(training, 0.5, families, [random.binomial(NETWORKS, rate, 4000) / NETWORKS for rate in rates], None)
    training.set_title("Do most networks train?", fontsize=13, fontweight="bold", pad=8)
    training.set_xlabel(f"share of networks with test loss below {thresholds.good_loss:g}", fontsize=10.5, color=GREY)
    _draw_legend(panels[len(STATISTICS) + 1])
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

    panel.axis("on")
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
