"""Facts in pages that are written by hand: what stands between two markers is put there by `inithw build`.

    <!-- inithw build: points -->10<!-- end -->

A fact of several lines stands on lines of its own, between a marker each. In the homework's source, from which all is
generated, `{{ points }}` is enough.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from inithw.engine.homework import Homework

_FACT = re.compile(r"(<!-- inithw build: ([\w ]+) -->)(.*?)(<!-- end -->)", re.DOTALL)


_PLACEHOLDER = re.compile(r"\{\{ ([\w ]+) \}\}")


class PageError(ValueError):
    """A page asks for a fact that nobody knows, or a marker is not closed."""


def facts(homework: Homework, constants: Mapping[str, object]) -> dict[str, str]:
    """What pages may ask for, by name.

    Args:
        homework: Whose items the tables show.
        constants: Further facts, by name.
    """
    return {
        "points": f"{sum(item.points for item in homework.rubric):g}",
        "items": _items(homework),
        **{name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in constants.items()},
    }


def put_facts(page: str, known: Mapping[str, str]) -> str:
    """The page with every fact as it is now.

    Raises:
        PageError: A fact is unknown, or a marker is not closed.
    """

    def put(match: re.Match[str]) -> str:
        begin, name, _old, end = match.groups()
        fact = _known(name, known)
        return f"{begin}\n\n{fact}\n\n{end}" if "\n" in fact else f"{begin}{fact}{end}"

    new, count = _FACT.subn(put, page)
    if count != page.count("<!-- inithw build: ") or count != page.count("<!-- end -->"):
        raise PageError("a marker `<!-- inithw build: NAME -->` or its `<!-- end -->` is missing or misspelt")
    return new


def fill(source: str, known: Mapping[str, str]) -> str:
    """The source with every `{{ name }}` replaced.

    Raises:
        PageError: A fact is unknown.
    """
    return _PLACEHOLDER.sub(lambda match: _known(match[1], known), source)


def _known(name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        raise PageError(f"asks for {name!r}; known are {', '.join(sorted(known))}")
    return known[name]


def _items(homework: Homework) -> str:
    rows = (f"| {item.id} | {item.points:g} | {item.claim} |" for item in homework.rubric)
    return "\n".join(["| item | points | what a passing answer has shown |", "|---|---|---|", *rows])
