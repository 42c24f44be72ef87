"""Tells a handout's cells from a student's."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from inithw.engine.homework import Homework
from inithw.engine.records import Cell
from inithw.engine.submission.script import without_text
from inithw.engine.text import clean

_QUOTES = ('"""', "'''")
_VERSION = re.compile(r"^# Handout: (.+)$", re.MULTILINE)


def normalize(source: str) -> str:
    r"""Return `source` with "\n" newlines, without trailing whitespace and outer blank lines.

    Two cells with equal normalized sources count as the same cell.
    """
    lines = [line.rstrip() for line in newlines(source).split("\n")]
    return "\n".join(lines).strip("\n")


def other_handout(sources: Iterable[str], homework: Homework) -> str:
    """Which other handout than today's a submission was made from, by its own words; empty for none."""
    said = {clean(version.strip(), 100) for source in sources for version in _VERSION.findall(newlines(source))}
    return "" if not homework.version or homework.version in said else ", ".join(sorted(said))


def newlines(text: str) -> str:
    r"""Return `text` with "\n" for every end of a line."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def fingerprint(source: str) -> str:
    """A hash of a cell that is equal for cells that count as the same: text around the code does not count."""
    return hashlib.sha256(without_text_around(normalize(source)).encode()).hexdigest()


def without_text_around(source: str) -> str:
    """The source without comments, and strings alone on their lines, above it, and without comments below.

    So exports to scripts write a notebook's text.
    """
    lines = source.split("\n")
    start = 0
    while start < len(lines) and (not lines[start] or lines[start].startswith(("#", *_QUOTES))):
        if lines[start].startswith(_QUOTES):
            quotes, end = lines[start][:3], start
            while end < len(lines) and not lines[end][3 * (end == start) :].endswith(quotes):
                end += 1
            if end == len(lines):  # a string that never ends is no text
                break
            start = end
        start += 1
    return without_text("\n".join(lines[start:]))


def read_cell(number: int, source: str, homework: Homework) -> Cell:
    """A cell of a submission; one that the handout gives is taken from the handout, blanks at line ends and all."""
    given = _handout(homework.handout).get(fingerprint(source))
    if given is None:
        return Cell(number, source)
    return Cell(number, given["source"], given=True, demonstration=given["demonstration"] is True)


def handout_cells(homework: Homework) -> list[str]:
    """The code cells of the distributed notebook."""
    return [cell["source"] for cell in _given(homework.handout)]


@cache
def _handout(file: Path) -> dict[str, dict[str, Any]]:
    """The distributed notebook's code cells by their fingerprints."""
    return {fingerprint(cell["source"]): cell for cell in _given(file)}


def _given(file: Path) -> list[dict[str, Any]]:
    """What `inithw build` has written of the handout; nothing before that."""
    return list(json.loads(file.read_text("utf-8"))["cells"]) if file.is_file() else []
