"""Fills the templates: everything is escaped unless a template of ours made it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from inithw.engine.settings import ProjectError
from inithw.engine.text import clean

_LONGEST = 4000  # characters of one text
_MOST_LINES = 400  # of one piece of code
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
    environment.filters |= {"md": in_markdown, "lines": code_lines, "points": points, "asset": asset}
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


def joined(parts: Iterable[str]) -> str:
    """Parts that are not empty, in one sentence-like line."""
    return " · ".join(part for part in parts if part)
