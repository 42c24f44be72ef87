"""Fills the templates: everything is escaped unless a template of ours made it."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import math
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from inithw.engine.settings import ProjectError
from inithw.engine.text import clean

_LONGEST = 4000  # characters of one text
_MOST_LINES = 400  # of one piece of code
_EXPORT = re.compile(r"export\s*\{[^}]*?\b([\w$]+) as default[^}]*\};?")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")


def render(template: str, /, **values: Any) -> str:
    """The text of a template; `.html` ones escape what they are given, `.md` ones through the filter `md`.

    Raises:
        ProjectError: What fills templates is not installed.
    """
    return str(_environment().get_template(template).render(**values))


@cache
def _environment() -> Any:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    except ModuleNotFoundError as error:
        raise ProjectError("pages need what only staff has: pip install 'inithw[staff]', or make setup") from error
    environment = Environment(
        loader=PackageLoader("inithw.engine.report.pages"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {
        "md": in_markdown,
        "lines": code_lines,
        "points": points,
        "asset": asset,
        "figure": figure,
        "anchor": anchor,
        "hash": script_hash,
    }
    return environment


def _shown(value: Any) -> Any:
    """Plain text on one line, without what a page would act on; what a template made is left as it is."""
    return clean(value, _LONGEST) if type(value) is str else value


def in_markdown(text: str) -> str:
    """Text in which Markdown sees nothing to act on."""
    return _MARKDOWN.sub(r"\\\1", clean(text, _LONGEST))


def code_lines(code: str) -> list[str]:
    """Code, line by line, without what a page would act on; of very long code the beginning."""
    lines = code.replace("\t", "    ").splitlines()
    shown = [_indented(line) for line in lines[:_MOST_LINES]]
    return [*shown, f"... {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else shown


def _indented(line: str) -> str:
    body = line.lstrip(" ")
    return " " * min(len(line) - len(body), 80) + clean(body, 500)


def points(number: float) -> str:
    """`1 point`, `2 points`."""
    return f"{number:g} point{'' if number == 1 else 's'}"


def asset(name: str) -> Any:
    """A file of ours, as it stands, for a style or script element."""
    from markupsafe import Markup

    return Markup(resources.files("inithw.engine.report.pages").joinpath("templates", name).read_text("utf-8"))


def datatables() -> Any:
    """DataTables, from the bundle of itables, as a script that leaves `DataTable` behind.

    Raises:
        ProjectError: It is not installed, or has another form.
    """
    from markupsafe import Markup

    spec = importlib.util.find_spec("itables")
    if spec is None or spec.origin is None:
        raise ProjectError("the report needs what only staff has: pip install 'inithw[staff]', or make setup")
    bundle = (Path(spec.origin).parent / "html" / "dt_bundle.js").read_text("utf-8")
    script, exports = _EXPORT.subn(r";globalThis.DataTable = \1;", bundle)
    if exports != 1:
        raise ProjectError("itables has another form than this program knows: install the version in constraints.txt")
    # In a page, these would begin or end something; in a string of the script they are the same.
    for mark in ("!--", "script", "/script"):
        script = script.replace(f"<{mark}", f"\\x3c{mark}")
    return Markup(script)


def figure(value: float | None) -> str:
    """A figure of the class with two digits at most; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.2f}"


def script_hash(script: str) -> Any:
    """What a page's policy calls its one script, so that a browser runs no other."""
    from markupsafe import Markup

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup(f"'sha256-{digest}'")


def anchor(name: str) -> str:
    """The id of a record as one of the page: no other thing on it begins so."""
    return "student-" + re.sub(r"[^\w.-]", "-", name)


def joined(parts: Iterable[str]) -> str:
    """Parts that are not empty, in one sentence-like line."""
    return " · ".join(part for part in parts if part)
