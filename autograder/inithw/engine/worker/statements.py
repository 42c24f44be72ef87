"""Take the statements that are Python out of a cell that is not, each line where it was."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from inithw.engine.worker.fstrings import for_older_python

_MOST_ATTEMPTS = 400  # of parsing a part; a cell damaged in more places than that is given up
_LONGEST_SEARCH = 20  # boundaries within one statement: lines of a string or of brackets that are not indented
_CONTINUES = re.compile(r"(?:[\s#)\]}]|$|(?:else|elif|except|finally|case)\b)")  # the statement above, or nothing
_UNFINISHED = re.compile(r"never closed|unterminated triple|unexpected EOF|EOF while|expected an indented block")
_BINDS = re.compile(r"^(?:(?:async\s+)?def|class)\s+(\w+)|^(\w+)\s*=(?!=)", re.MULTILINE)
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


@dataclass(frozen=True, slots=True)
class Damage:
    """A statement that is not Python.

    Attributes:
        line: Where it begins, counted from 1.
        error: What the parser said, with `lineno` counted in the whole cell.
        source: The statement's text.
    """

    line: int
    error: SyntaxError
    source: str


class _TooDamaged(Exception):
    pass


class _Parts:
    """The lines of a cell, and which parts of it are Python."""

    def __init__(self, source: str, translate: Callable[[str], str]) -> None:
        self.lines = source.split("\n")
        self.translate = translate
        self.attempts = 0
        self.starts = [0]
        previous = ""
        for number, line in enumerate(self.lines):
            if number and not _CONTINUES.match(line) and not previous.startswith("@"):
                self.starts.append(number)
            if line.strip() and not line.startswith("#"):
                previous = line
        self.starts.append(len(self.lines))

    def text(self, first: int, last: int) -> str:
        return "\n".join(self.lines[self.starts[first] : self.starts[last]])

    def translated(self, first: int, last: int) -> str | SyntaxError:
        """The part from boundary `first` to boundary `last` as plain Python, or why it is none."""
        self.attempts += 1
        if self.attempts > _MOST_ATTEMPTS:
            raise _TooDamaged
        try:
            code = self.translate(self.text(first, last))
            return readable(code)
        except NOT_PYTHON as error:
            return _located(error, self.starts[first])

    def boundary(self, line: int | None) -> int:
        """The last boundary at or above a line that is counted from 1."""
        return max(k for k, start in enumerate(self.starts) if start <= max((line or 1) - 1, 0))


def translate(source: str, translate: Callable[[str], str]) -> tuple[str, list[Damage]]:
    """Return a cell as plain Python without the statements that are damaged, and these.

    A line keeps its number, and the parts between two damaged statements run as they would alone.

    Args:
        source: The cell as written.
        translate: Turns what is IPython's (magics, shell lines) into Python; may raise SyntaxError.
    """
    parts = _Parts(source, translate)
    whole = parts.translated(0, len(parts.starts) - 1)
    if isinstance(whole, str):
        return whole, []
    kept: dict[int, str] = {}
    damages: list[Damage] = []
    position, end = 0, len(parts.starts) - 1
    error: SyntaxError = whole
    try:
        while position < end:
            rest = parts.translated(position, end)
            if isinstance(rest, str):
                kept[parts.starts[position]] = rest
                break
            error = rest
            damaged = _keep_healthy(parts, position, min(parts.boundary(error.lineno), end - 1), kept)
            while damaged < end and isinstance(code := parts.translated(damaged, damaged + 1), str):
                kept[parts.starts[damaged]] = code  # joined lines above it: the parser's count was behind
                damaged += 1
            if damaged < end:
                own = parts.translated(damaged, damaged + 1)
                error = own if isinstance(own, SyntaxError) and damaged > position else error
                _keep_simple(parts, damaged, error, kept)
            position = _resume(parts, min(damaged + 1, end), kept)
            damages.append(Damage(parts.starts[damaged] + 1, error, parts.text(damaged, position)))
    except _TooDamaged:
        damages.append(Damage(parts.starts[position] + 1, error, parts.text(position, end)))
    return _assembled(kept), damages


def readable(code: str) -> str:
    """The code, where need be in words that this Python reads, too.

    Raises:
        SyntaxError: It is none of any Python; so are the parser's other errors.
    """
    try:
        ast.parse(code)
    except SyntaxError as error:
        older = for_older_python(code) if sys.version_info < (3, 12) else code
        if older == code:
            raise
        try:
            ast.parse(older)
        except NOT_PYTHON:
            raise error from None
        return older
    return code


def _keep_healthy(parts: _Parts, position: int, damaged: int, kept: dict[int, str]) -> int:
    """Keep what is Python between `position` and the damaged statement; where that one begins."""
    while damaged > position:
        code = parts.translated(position, damaged)
        if isinstance(code, str):
            kept[parts.starts[position]] = code
            break
        damaged -= 1
    return damaged


def _keep_simple(parts: _Parts, damaged: int, error: SyntaxError, kept: dict[int, str]) -> None:
    """Keep the simple statements above the damaged line: what is indented below them does not belong to them."""
    start = parts.starts[damaged]
    above = "\n".join(parts.lines[start : (error.lineno or 1) - 1])
    try:
        code = readable(parts.translate(above))
        body = ast.parse(code).body
    except NOT_PYTHON:
        return
    if body and not hasattr(body[-1], "body"):  # half a function would be another function
        kept[start] = code


def _resume(parts: _Parts, start: int, kept: dict[int, str]) -> int:
    """The first boundary from `start` on where a statement parses again."""
    last = len(parts.starts) - 1
    for position in range(start, last):
        for end in range(position + 1, min(position + _LONGEST_SEARCH, last) + 1):
            code = parts.translated(position, end)
            if isinstance(code, str):
                return position
            if end == position + 1:
                _keep_simple(parts, position, code, kept)
            if not _UNFINISHED.search(str(code.msg)):
                break
    return last


def _assembled(kept: dict[int, str]) -> str:
    text = ""
    for start, code in sorted(kept.items()):
        text += "\n" * max(start - text.count("\n"), 0) + code.rstrip("\n") + "\n"
    return text


def _located(error: BaseException, above: int) -> SyntaxError:
    if not isinstance(error, SyntaxError):
        located = SyntaxError(str(error))
        located.lineno = above + 1
        return located
    error.lineno = (error.lineno or 1) + above
    return error


def bound_names(node: ast.AST) -> set[str]:
    """The names that a top-level statement binds, those inside its functions and classes left out."""
    names: set[str] = set()
    pending: list[ast.AST] = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(item.name)
            continue
        if isinstance(item, ast.Lambda):
            continue
        if isinstance(item, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in item.names}
        elif isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
            names.add(item.id)
        elif isinstance(item, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and item.name:
            names.add(item.name)
        pending += ast.iter_child_nodes(item)
    return names


def bound_in(source: str) -> set[str]:
    """The names that text which is not Python would have bound, as far as its lines show."""
    return {name for pair in _BINDS.findall(source) for name in pair if name}
