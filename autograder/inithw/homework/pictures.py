"""What the evidence looks like: for a student who asks why, from the same numbers that decided."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from inithw.engine.records import FloatArray, Picture, Unavailable
from inithw.engine.verdict import Lost
from inithw.homework.checks.initialization import test_losses, usable
from inithw.homework.checks.norms import right_gradients
from inithw.homework.checks.response import output_scale
from inithw.homework.printout import Number, Printout, read_printout
from inithw.homework.records import Evidence, InitEvidence
from inithw.homework.reference.initialization import FANS
from inithw.homework.reference.network import forward
from inithw.homework.reference.norms import frobenius
from inithw.homework.statistics import Measured
from inithw.homework.thresholds import thresholds

Values = list[dict[str, float]]
_SMALLEST, _LARGEST = 1e-12, 1e12
"""What lies beyond is drawn at the edge."""
_BEYOND = 300.0
"""Numbers printed that are so many times too large or too small, or more, are drawn at the edge."""
_RATIOS = (0.01, 0.1, 0.5, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 5, 10, 100)
_WORST_LOSS = 10.0
"""Losses beyond are drawn there: a constant is better."""
_FAN_WORDS = {"fan_in": "inputs", "fan_out": "outputs", "average": "average of inputs and outputs", "max": "larger fan"}


def pictures(evidence: Evidence) -> tuple[Picture, ...]:
    """All pictures for which there is evidence, question by question."""
    drawn = [_function(evidence), _norms(evidence)]
    if not isinstance(evidence.init, Unavailable):
        seen = evidence.measured
        drawn += [_scale(seen), _gradients(seen), _losses(evidence, evidence.init)]
    return tuple(picture for picture in drawn if picture is not None)


# ---------------------------------------------------------------- q1


def _function(evidence: Evidence) -> Picture | None:
    """The network's outputs beside the right ones, with the weights where they differ most."""
    model, task = evidence.model, evidence.challenge.forward
    if isinstance(model, Unavailable) or isinstance(model.outputs, Unavailable):
        return None
    expected = np.stack([forward(network, task.inputs) for network in task.networks])
    if model.outputs.shape != expected.shape:
        return None
    scales = np.stack([output_scale(task.inputs, outputs) for outputs in expected])
    off = np.nan_to_num(np.abs(model.outputs - expected) / scales, nan=np.inf, posinf=np.inf)
    worst = int(np.argmax(off.max(axis=1)))
    near = np.abs(task.inputs) <= 4  # where the homework's data lie, and somewhat beyond
    order = np.flatnonzero(near)[np.argsort(task.inputs[near])]
    x, right, found = task.inputs[order], expected[worst][order], model.outputs[worst][order]
    differs = bool(off.max() > 1e-4)
    size = float(np.abs(right).max()) or 1.0
    says = (
        f"With {len(expected)} sets of new weights on {len(task.inputs)} inputs, your network computed "
        + (
            f"another function: at worst it was off by {off.max():.2g} of the function's size."
            if differs
            else "the right function."
        )
        + " The picture shows inputs between -4 and 4; the grader looked at larger ones, too."
    )
    return Picture(
        "q1",
        "What your network computes",
        says,
        _chart(
            [
                _marks("line", _xy(x, right), "right", strokeWidth=5, opacity=0.45),
                _marks("point", _xy(x, np.clip(found, -9 * size, 9 * size)), "bad" if differs else "good", size=18),
            ],
            x={"title": "input x", "scale": {"nice": False}},
            y={"title": "output", "axis": {"format": "~g", "tickCount": 3}},
            key=[("line", "right", "expected"), ("dot", "bad" if differs else "good", "yours")],
        ),
        ("x", "expected", "yours"),
        tuple((_text(a), _text(b), _text(c)) for a, b, c in zip(x[::4], right[::4], found[::4], strict=True)),
    )


# ---------------------------------------------------------------- q2


def _norms(evidence: Evidence) -> Picture | None:
    """What print_gnorms showed for each weight matrix, over what was right."""
    rows: list[tuple[str, ...]] = []
    shown: list[tuple[float, Number | None]] = []
    asked = zip(evidence.challenge.norms, evidence.norms, strict=True)
    for place, (task, text) in enumerate(asked, start=1):
        widths = "-".join(map(str, task.network.widths))
        if isinstance(text, Unavailable):
            rows.append((f"{place}: {widths}", "", "", text.reason))
            continue
        printout = read_printout(text, len(task.network.weights))
        norms = frobenius(right_gradients(task, printout, evidence.challenge.own_data))
        for layer, (norm, number) in enumerate(zip(norms.tolist(), _beside(printout, norms), strict=True)):
            said = "nothing" if number is None else number.text[:40]
            rows.append((f"{place}: {widths}", f"{2 * layer}.weight", said, f"{norm:.6g}"))
            shown.append((norm, number))
    if not shown:
        return None
    found = [(norm, number) for norm, number in shown if number is not None]
    right = [{"x": norm, "y": 1.0} for norm, number in found if number.shows(norm)]
    wrong = [
        {"x": norm, "y": min(max(_nearest(number, norm) / norm, 1 / _BEYOND), _BEYOND)}
        for norm, number in found
        if not number.shows(norm)
    ]
    ratios = [0.5, 2.0, *(point["y"] for point in wrong)]
    says = (
        f"For {len(evidence.challenge.norms)} fresh networks, print_gnorms was to print {len(shown)} norms. It printed "
        f"the right one {len(right)} times, another number {len(wrong)} times and nothing "
        f"{len(shown) - len(found)} times. Right numbers lie on the line at 1."
    )
    ends = [extreme(norm for norm, _ in shown) for extreme in (min, max)]
    ticks = [tick for tick in _RATIOS if min(ratios) <= tick <= max(ratios)]
    return Picture(
        "q2",
        "The numbers printed, and the right ones",
        says,
        _chart(
            [
                _marks("line", [{"x": end, "y": 1.0} for end in ends], "right", strokeWidth=2),
                _marks("point", right, "good", size=50),
                _marks("point", wrong, "bad", size=60, shape=_CROSS),
            ],
            x={"title": "the gradient's L2 norm", "scale": {"type": "log"}},
            y={
                "title": "printed / right",
                "scale": {"type": "log", "domain": [min(ratios), max(ratios)], "nice": False},
                "axis": {"values": ticks, "labelExpr": "format(datum.value, '~g')", "labelOverlap": "greedy"},
            },
            key=[("line", "right", "printed = right"), ("dot", "good", "right"), ("cross", "bad", "another number")],
        ),
        ("network", "matrix", "printed", "right"),
        tuple(rows),
    )


def _beside(printout: Printout, right: FloatArray) -> list[Number | None]:
    """The number to show for each matrix: the right one, else the first beside its name or in its place."""
    if all(printout.named) and printout.named:
        usual, choices = printout.named, printout.all_named
    elif len(printout.ordered) == len(right):
        usual = choices = tuple((number,) for number in printout.ordered)
    else:
        left = iter(printout.all_ordered)
        return [next((number for number in left if number.shows(norm)), None) for norm in right]
    return [
        next((one for one in some if one.shows(norm)), first[0] if first else None)
        for first, some, norm in zip(usual, choices, right, strict=True)
    ]


def _nearest(number: Number, norm: float) -> float:
    """The reading nearest to the norm on a logarithmic axis; 0 where none is positive, NaN included."""
    values = [value for value in map(float, number.values) if value > 0]
    return min(values, key=lambda value: abs(math.log(value) - math.log(norm)), default=0.0)


# ---------------------------------------------------------------- q3


def _scale(seen: Measured) -> Picture | None:
    """Standard deviations over the fan under which they fit best, with the law that fits and the accepted band."""
    blocks, law = seen.readings.blocks, seen.readings.law
    rules, votes = np.unique(law.rule, return_counts=True)
    rule = str(rules[np.argmax(votes)])
    fans = FANS[rule](blocks.shapes[..., 0], blocks.shapes[..., 1]).ravel()
    stds = blocks.stds.ravel()
    fine = np.isfinite(stds) & (stds > 0)
    if fine.sum() < 2 or np.ptp(np.log(fans[fine])) == 0:
        return None
    slope, height = np.polyfit(np.log(fans[fine]), np.log(stds[fine]), 1)
    ends = np.array([fans.min(), fans.max()])
    limits = thresholds().limits
    low, high = (limits[name] / np.sqrt(ends) for name in ("gain_low", "gain_high"))
    lost = any(
        thresholds().lost(name, seen.votes(name)) for name in ("spread", "bend", "exponent", "gain_low", "gain_high")
    )
    says = (
        f"Each dot is a layer that your better_init has filled. Over layers whose fan ({_FAN_WORDS[rule]}) goes from "
        f"{_size(fans.min())} to {_size(fans.max())}, the standard deviation of the weights goes like "
        f"fan^{round(slope, 2) + 0:.2f}. An accepted rule goes like fan^-0.50 and stays within the band."
    )
    return Picture(
        "q3",
        "The scale of your weights",
        says,
        _chart(
            [
                {
                    "data": {
                        "values": [
                            {"x": float(x), "y": _inside(a), "y2": _inside(b)}
                            for x, a, b in zip(ends, low, high, strict=True)
                        ]
                    },
                    "mark": {"type": "area", "color": "right", "opacity": 0.2},
                    "encoding": {**_AXES, "y2": {"field": "y2"}},
                },
                _marks(
                    "line", _xy(ends, np.exp(height + slope * np.log(ends))), "plain", strokeWidth=2, strokeDash=[6, 4]
                ),
                _marks("point", _xy(fans[fine], stds[fine]), "bad" if lost else "good", size=25),
            ],
            x={"title": f"fan: {_FAN_WORDS[rule]} of the layer", "scale": {"type": "log"}},
            y={"title": "standard deviation", "scale": {"type": "log"}},
            key=[
                ("dot", "bad" if lost else "good", "your layers"),
                ("dash", "plain", "the law that fits them"),
                ("band", "right", "accepted"),
            ],
        ),
        ("inputs", "outputs", "standard deviation", "times √fan"),
        tuple(
            (_size(i), _size(o), _text(std), _text(std * math.sqrt(fan)))
            for (i, o), std, fan in sorted(
                zip(blocks.shapes[0].tolist(), blocks.stds[0].tolist(), fans.tolist(), strict=False),
                key=lambda row: row[2],
            )
        ),
        "Apply better_init to nn.Linear(10, 10), nn.Linear(100, 100), nn.Linear(1000, 1000), and print weight.std().",
    )


def _gradients(seen: Measured) -> Picture | None:
    """Gradient norms at initialization, layer by layer, over many fresh networks."""
    norms = seen.readings.gradients
    norms = norms[np.isfinite(norms).all(axis=1)]
    if not len(norms):
        return None
    limits = thresholds().limits
    quantiles = np.quantile(norms, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    values = [
        {"x": f"{2 * layer}.weight", **{name: _inside(float(q)) for name, q in zip("abcde", column, strict=True)}}
        for layer, column in enumerate(quantiles.T)
    ]
    lost = any(thresholds().lost(name, seen.votes(name)) for name in ("gradient_low", "gradient_high", "imbalance"))
    colour = "bad" if lost else "good"
    middle = quantiles[2]
    says = (
        f"In {len(norms)} fresh networks, the median gradient norm is {middle.min():.2g} in the layer where it is "
        f"smallest and {middle.max():.2g} where it is largest. Expected of a network: none below "
        f"{limits['gradient_low']:.2g}, none above {limits['gradient_high']:.3g}, and at most a factor of "
        f"{limits['imbalance']:.0f} between its layers."
    )

    def span(start: str, end: str, width: float, opacity: float) -> dict[str, Any]:
        return {
            "data": {"values": values},
            "mark": {"type": "rule", "color": colour, "strokeWidth": width, "opacity": opacity},
            "encoding": {
                "x": {"field": "x", "type": "nominal"},
                "y": {"field": start, "type": "quantitative"},
                "y2": {"field": end},
            },
        }

    return Picture(
        "q3",
        "The gradients at initialization",
        says,
        _chart(
            [
                *(
                    {
                        "data": {"values": [{"y": limits[name]}]},
                        "mark": {"type": "rule", "color": "right", "strokeWidth": 2, "strokeDash": [6, 4]},
                        "encoding": {"y": {"field": "y", "type": "quantitative"}},
                    }
                    for name in ("gradient_low", "gradient_high")
                ),
                span("a", "e", 2, 1),
                span("b", "d", 12, 0.5),
                {
                    "data": {"values": values},
                    "mark": {"type": "point", "color": colour, "filled": True, "size": 90, "shape": "square"},
                    "encoding": {"x": {"field": "x", "type": "nominal"}, "y": {"field": "c", "type": "quantitative"}},
                },
            ],
            x={"title": "weight matrix, first to last", "axis": {"labelAngle": 0}, "sort": None},
            y={"title": "norm of the gradient", "scale": {"type": "log"}},
            key=[("dot", colour, "median, and where 50 % and 90 % lie"), ("dash", "right", "limits")],
        ),
        ("matrix", "5 % are below", "median", "5 % are above"),
        tuple(
            (f"{2 * layer}.weight", _text(column[0]), _text(column[2]), _text(column[4]))
            for layer, column in enumerate(quantiles.T)
        ),
        "Run the cell of better_init and print_gnorms(model) several times, with other seeds.",
    )


def _losses(evidence: Evidence, init: InitEvidence) -> Picture | None:
    """Test losses of networks trained from the student's weights, beside the threshold."""
    try:
        usable(evidence)
    except Lost:
        return None
    losses = np.sort(test_losses(init, evidence))
    losses[np.isnan(losses)] = np.inf
    good, diverged = (losses < thresholds().good_loss), ~np.isfinite(losses)
    drawn = np.clip(losses, _SMALLEST, _WORST_LOSS)
    share = np.arange(1, len(losses) + 1) / len(losses)
    says = (
        f"{len(losses)} networks were trained as in the homework, each from fresh weights of your better_init. "
        f"{np.count_nonzero(good)} have a test loss below {thresholds().good_loss:g} (at least half are expected), the "
        f"median is {'none' if diverged[len(losses) // 2] else f'{np.median(losses):.3g}'}"
        + (f", and {np.count_nonzero(diverged)} diverged: they stand at the right end." if diverged.any() else ".")
    )
    return Picture(
        "q3",
        "Training from your initialization",
        says,
        _chart(
            [
                {
                    "data": {"values": [{"y": 0.5}]},
                    "mark": {"type": "rule", "color": "plain", "strokeWidth": 1},
                    "encoding": {"y": {"field": "y", "type": "quantitative"}},
                },
                {
                    "data": {"values": [{"x": thresholds().good_loss}]},
                    "mark": {"type": "rule", "color": "right", "strokeWidth": 2, "strokeDash": [6, 4]},
                    "encoding": {"x": {"field": "x", "type": "quantitative"}},
                },
                _marks("point", _xy(drawn[good], share[good]), "good", size=35),
                _marks("point", _xy(drawn[~good], share[~good]), "bad", size=40, shape=_CROSS),
            ],
            x={"title": "test loss after training", "scale": {"type": "log"}},
            y={
                "title": "share of the networks",
                "axis": {"format": "%", "values": [0, 0.5, 1]},
                "scale": {"domain": [0, 1]},
            },
            key=[
                ("dot", "good", f"below {thresholds().good_loss:g}"),
                ("cross", "bad", "above, or diverged"),
                ("dash", "right", "threshold: half must be to its left"),
            ],
        ),
        ("network, best first", "test loss"),
        tuple((str(place), "diverged" if math.isinf(loss) else f"{loss:.4g}") for place, loss in enumerate(losses, 1)),
        "The last section of the notebook, “The claim, tested”, trains networks from your better_init.",
    )


# ---------------------------------------------------------------- drawing

_CROSS = "M-1,-1L1,1M1,-1L-1,1"
_AXES: dict[str, Any] = {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}


def _marks(kind: str, values: Values, color: str, **mark: Any) -> dict[str, Any]:
    """A layer of a chart."""
    if kind == "point":
        mark = {"filled": mark.get("shape") != _CROSS, "opacity": 0.8, "strokeWidth": 1.5, **mark}
    return {"data": {"values": values}, "mark": {"type": kind, "color": color, **mark}, "encoding": _AXES}


def _chart(layers: Iterable[dict[str, Any]], x: Any, y: Any, key: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Layers that share two axes; `key` says what each kind of mark means: shape, colour, words."""
    layers = list(layers)
    for layer in layers:
        encoding = layer["encoding"]
        layer["encoding"] = {
            name: {**of, **({"x": x, "y": y}[name] if name in ("x", "y") else {})} for name, of in encoding.items()
        }
    return {"layer": layers, "usermeta": {"key": [list(entry) for entry in key]}}


def _xy(x: FloatArray, y: FloatArray) -> Values:
    """Points, as far as both numbers can be drawn."""
    return [
        {"x": float(a), "y": float(np.clip(b, -_LARGEST, _LARGEST))}
        for a, b in zip(x, y, strict=True)
        if math.isfinite(a) and not math.isnan(b)
    ]


def _inside(value: float) -> float:
    return min(max(float(value), _SMALLEST), _LARGEST)


def _text(value: float) -> str:
    return f"{value:.4g}"


def _size(value: float) -> str:
    return f"{value:.0f}"
