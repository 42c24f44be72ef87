"""From the bytes of a notebook to its code cells.

Read here and not by nbformat: it refuses notebooks that lack a field and takes 10 s for 18 MB of small outputs. All
that is wanted is the text of the code cells; the tests hold this reader against it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from inithw.engine.submission.handout import newlines
from inithw.engine.submission.limits import MAX_CELLS, MAX_CODE, MAX_MEMORY, SAVE, SMALLER, VALUE_MEMORY, NotGradable
from inithw.engine.text import replace_surrogates

TOO_MUCH_CODE = f"{{}} has more than {MAX_CODE} characters of code. Remove data pasted into cells."
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|={7})(?: |$)", re.MULTILINE)


def unknown(label: str) -> NotGradable:
    """Why a file of no known kind is not read."""
    return NotGradable(f"{label} is neither a notebook nor Python code. {SAVE}")


def decoded(label: str, data: bytes) -> str:
    """The text of a file in any encoding of Unicode.

    Raises:
        NotGradable: It is no text, or would take too much memory.
    """
    encoding = json.detect_encoding(data)  # by byte order mark, else by where the zero bytes are
    if encoding.startswith("utf-8"):
        data = data.lstrip(b"\xef\xbb\xbf \t\r\n")  # rather than of the text, which may have four bytes a character
    if memory_of_text(data) > MAX_MEMORY:
        raise _too_much_memory(label)
    try:
        # Old editors leave Latin-1 in what is UTF-8 otherwise. In UTF-16 an error is no text, and slow to replace.
        return data.decode(encoding, "replace" if encoding.startswith("utf-8") else "strict")
    except UnicodeDecodeError:
        raise unknown(label) from None


def memory_of_text(data: bytes) -> int:
    """Bytes that some text and a copy of all its parts take: one, two or four a character, by the widest in it."""
    highest = int(np.frombuffer(data, np.uint8).max(initial=0))
    width = 1 if highest < 0xC4 else 2 if highest < 0xF0 else 4
    return len(data) * (1 + 2 * width)


def _too_much_memory(label: str) -> NotGradable:
    return NotGradable(f"{label} would take more than {MAX_MEMORY >> 20} MB of memory to read. {SMALLER}")


def notebook_sources(label: str, text: str, memory: int) -> Iterator[str]:
    """Return the code cells of a notebook in JSON, whatever else in it is missing or wrong."""
    if memory + sum(map(text.count, ",:[{")) * VALUE_MEMORY > MAX_MEMORY:
        raise _too_much_memory(label)
    try:
        notebook = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        if _CONFLICT.search(text):
            raise NotGradable(
                f"{label} holds the conflict markers of a git merge (<<<<<<< and >>>>>>>), so it is no notebook. "
                "Take one of the two versions, check that Jupyter opens it, submit again."
            ) from None
        raise NotGradable(
            f"{label} is damaged: it is not JSON at line {error.lineno}, column {error.colno} ({error.msg}). "
            "Download it again, check that Jupyter opens it, submit again."
        ) from None
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets in brackets
        raise NotGradable(f"{label} holds data nested too deep or numbers too long. {SMALLER}") from None
    cells = _cells(notebook)
    if cells is None:
        raise NotGradable(f"{label} is JSON, but not a notebook: it has no list of cells. {SAVE}")
    return (_source(cell) for cell in cells if cell.get("cell_type") == "code")


def _cells(notebook: Any) -> list[dict[str, Any]] | None:
    """Find the list of cells: at the top since nbformat 4, in worksheets in 2 and 3."""
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        sheets = notebook.get("worksheets")
        if not isinstance(sheets, list):
            return None
        cells = [
            cell
            for sheet in sheets
            if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
            for cell in sheet["cells"]
        ]
    found = [cell for cell in cells if isinstance(cell, dict)]
    return found if "nbformat" in notebook or any("cell_type" in cell for cell in found) else None


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input"))  # `input` up to nbformat 3
    if isinstance(source, list):
        lines = [line for line in source if isinstance(line, str)]
        # Up to nbformat 3 some programs left the newlines out of the list.
        bare = "source" not in cell and not (lines and lines[0].endswith(("\n", "\r")))
        return ("\n" if bare else "").join(lines)
    return source if isinstance(source, str) else ""


def bounded(label: str, sources: Iterable[str]) -> tuple[str, ...]:
    """Take sources as far as the limits go, with newlines and surrogates put right."""
    kept: list[str] = []
    size = 0
    for source in sources:
        size += len(source)
        if len(kept) == MAX_CELLS:
            raise NotGradable(f"{label} has more than {MAX_CELLS} code cells. Remove those you do not need.")
        if size > MAX_CODE:
            raise NotGradable(TOO_MUCH_CODE.format(label))
        kept.append(newlines(replace_surrogates(source)))
    return tuple(kept)
