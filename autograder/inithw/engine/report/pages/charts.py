"""Draws a picture's Vega-Lite as SVG for a page, in the colours of the page's style sheet, light or dark."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from inithw.engine.settings import ProjectError

COLOURS = ("good", "bad", "right", "plain")
"""What a chart may call a colour; the style sheet says which they are."""
_WIDTH, _HEIGHT = 560, 200
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_INK = "var(--ink)"
_POWERS = (
    "abs(log(datum.value) / LN10 - round(log(datum.value) / LN10)) > 1e-9 ? '' : "
    "datum.value >= 1e5 || datum.value < 1e-3 ? format(datum.value, '.0e') : format(datum.value, '~g')"
)
"""What stands at the ticks of a logarithmic axis: nothing but powers of ten."""
_THEME: dict[str, Any] = {
    "aria": False,  # the page says in words what is drawn; a name for every dot would be read aloud one by one
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        **{part: _INK for part in ("domainColor", "tickColor", "labelColor", "titleColor")},
        "grid": False,
        "labelFontSize": 12,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "labelOverlap": True,
        "tickCount": 5,
    },
}


def to_svg(chart: Mapping[str, Any], width: int = _WIDTH, height: int = _HEIGHT) -> str:
    """The chart as an SVG element that takes the width it gets.

    Raises:
        ProjectError: What draws it is not installed.
    """
    try:
        import vl_convert
    except ModuleNotFoundError as error:
        raise ProjectError("pictures need what only staff has: pip install 'inithw[staff]', or make setup") from error
    spec = {"$schema": _SCHEMA, "width": width, "height": height, "config": _THEME, **_in_colours(chart)}
    svg = vl_convert.vegalite_to_svg(json.dumps(spec, allow_nan=False))
    svg = re.sub(r' (?:role|aria-\w+)="[^"<>]*"', "", svg)  # see `aria` above: its groups have some all the same
    size = re.compile(r'^<svg [^>]*?\bwidth="[\d.]+" height="[\d.]+"')
    return size.sub('<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true"', svg)


def _in_colours(part: Any) -> Any:
    """A part of a chart with the names of colours as the style sheet's, and numbers on logarithmic axes as written."""
    if isinstance(part, Mapping):
        part = {
            name: f"var(--{of})" if name == "color" and of in COLOURS else _in_colours(of) for name, of in part.items()
        }
        if isinstance(scale := part.get("scale"), Mapping) and scale.get("type") == "log":
            part = {**part, "axis": {"labelExpr": _POWERS, **part.get("axis", {})}}
        return part
    return [_in_colours(one) for one in part] if isinstance(part, list | tuple) else part
