"""From a Python file to its cells: where its editor has marked them, or where its headings are.

Read here and not by jupytext: it takes 7 s for 20,000 cells and loads YAML from the file. The tests hold the percent
format against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

# `# %%`, `#%%`, `# %% [markdown]`, but not `# %%time`, which is a magic that an export has commented out.
_PERCENT = re.compile(r"^[ \t]*+#[ \t]*%%+((?:[ \t].*)?)$", re.MULTILINE)
_CODECELL = re.compile(r"^# <(\w+cell)(?: [^>\n]*)?>[ \t]*$", re.MULTILINE)  # IPython 0.12, Spyder
_EXPORTED = re.compile(r"^# In ?\[[ \d]*\]:?()[ \t]*$", re.MULTILINE)  # nbconvert
_COMMAND = re.compile(r"^# COMMAND -{5,}()[ \t]*$", re.MULTILINE)  # Databricks
_LIGHT = re.compile(r"^# \+()(?:[ \t].*)?$", re.MULTILINE)  # jupytext's light format, where it marks cells
_MARKERS = (_PERCENT, _CODECELL, _EXPORTED, _COMMAND, _LIGHT)
_TEXT = re.compile(r"(?:^|\s)\[(?:markdown|md|raw)\]|^(?:markdown|raw|html|heading)cell$")

# Comments and strings, so that a heading within a string is none; in linear time.
_QUOTED = re.compile(
    r"#[^\n]*"
    r"|(\"{3}[\s\S]*?(?:\"{3}|\Z)|'{3}[\s\S]*?(?:'{3}|\Z))"
    r"|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?"
)
_HEADING = re.compile(r"(?:\A|\n[ \t]*\n)((?:#[^\n]*\n)+[ \t]*\n|[rR]?(?:\"{3}|'{3}))")
_MARIMO = re.compile(r"^import marimo\b[\s\S]*?^app\s*=\s*marimo\.App\(", re.MULTILINE)


def is_marimo(text: str) -> bool:
    """Whether it is a marimo notebook, whose cells are functions."""
    return _MARIMO.search(text) is not None


def script_sources(text: str) -> Iterator[str]:
    """Yield the code cells of a Python file; where nothing marks them, its headings do."""
    marker = next((marker for marker in _MARKERS if marker.search(text)), None)
    if marker is None:
        yield from _between_headings(text)
        return
    head, *parts = marker.split(text)
    if not parts or without_text(head) != "":
        yield head
    for tag, part in zip(parts[::2], parts[1::2], strict=True):
        if marker is _EXPORTED:
            yield without_text(part)
        elif not _TEXT.search(tag or ""):
            yield part.strip("\n")


def without_text(part: str) -> str:
    """Return `part` without blank lines and comments at its end: nbconvert's markdown cells."""
    lines = part.lstrip("\n").split("\n")
    while lines and (not lines[-1].strip() or lines[-1].startswith("#")):
        lines.pop()
    return "\n".join(lines)


def _between_headings(text: str) -> Iterator[str]:
    """Cut where a paragraph of comments or a string stands alone at the top level, as exports write text cells."""
    strings = [(match.start(1), match.end(1)) for match in _QUOTED.finditer(text) if match[1]]
    cuts = []
    position = 0
    for match in _HEADING.finditer(text):
        start = match.start(1)
        while position < len(strings) and strings[position][1] <= start:
            position += 1
        within = position < len(strings) and strings[position][0] < start
        below = re.compile(r"[^\n]*").match(text, match.end()) if match[1].startswith("#") else None
        goes_on = below is not None and re.match(r"[ \t]+\S", below[0]) is not None  # a comment in a function's body
        if not within and not goes_on:
            cuts.append(start)
    if not cuts:
        yield text
        return
    cuts = [0, *cuts, len(text)]
    pieces = [text[start:end].strip("\n") for start, end in pairwise(cuts)]
    kept = [piece for piece in pieces if without_text(piece)]
    yield from kept or [text]
