"""Rewrite f-strings of Python 3.12 and later (PEP 701) for an older one: notebooks may come from a newer Python.

There, what stands in braces may hold the string's own quotes, backslashes, comments and line breaks, which older
parsers refuse. So strings in braces are spelled by the codes of their letters, `str().join(map(chr,(110, 111)))`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

_STRING = re.compile(r"(?<!\w)([bru]|f|fr|rf|br|rb)?(\"\"\"|'''|\"|')", re.IGNORECASE)
_TOKEN = re.compile(r"#[^\n]*|\s+|\w+|.", re.DOTALL)
_PLAIN_END = {
    quote: re.compile(rf"(?:\\.|[^\\{'' if len(quote) == 3 else chr(10)}])*?{quote}", re.DOTALL)
    for quote in ('"""', "'''", '"', "'")
}
_NAMED_LETTER = re.compile(r"\\N\{[^{}]*\}")
_SHOWS_ITSELF = re.compile(r"(?<![=!<>])=\s*\Z")  # f"{x = }"
_BRACES = {"{{": "{", "}}": "}"}
_CONVERSIONS = {"r": "repr", "s": "str", "a": "ascii"}


class _UnreadableError(Exception):
    """The text is no Python of any version."""


@dataclass(slots=True)
class _Field:
    """What stands in braces; `spec` is made of texts and fields, None without a colon."""

    expression: str
    conversion: str
    spec: list[str | _Field] | None


def for_older_python(source: str) -> str:
    """The same code, line by line, without what Python before 3.12 cannot read in f-strings; else as it is."""
    try:
        return _Reader(source).code()
    except (_UnreadableError, IndexError, SyntaxError, ValueError):
        return source


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0

    # ------------------------------------------------------------------ code

    def code(self) -> str:
        """All of the text: strings outside of braces stay, those in braces are spelled."""
        out: list[str] = []
        while self.at < len(self.source):
            begin = self.at
            string = _STRING.match(self.source, begin)
            if string is None:
                out.append(self._token())
            elif "f" in (string[1] or "").lower():
                out.append(self._written(string))
            else:
                self._skip_plain(string)
                out.append(self.source[begin : self.at])
        return "".join(out)

    def _token(self) -> str:
        token = _TOKEN.match(self.source, self.at)
        if token is None:
            raise _UnreadableError
        self.at = token.end()
        return token[0]

    def _skip_plain(self, string: re.Match[str]) -> None:
        end = _PLAIN_END[string[2]].match(self.source, string.end())
        if end is None:
            raise _UnreadableError
        self.at = end.end()

    def _written(self, string: re.Match[str]) -> str:
        """An f-string outside of braces; the line breaks that its fields have lost stand in the first of them."""
        begin = self.at
        parts = self._parts(string)
        quote, text = string[2], "".join(map(_in_braces, parts))
        lost = self.source.count("\n", begin, self.at) - text.count("\n")
        if lost:
            quote = 3 * quote[0]
            first = next(part for part in parts if isinstance(part, _Field))
            first.expression += lost * "\n"
            text = "".join(map(_in_braces, parts))
        return f"{string[1]}{quote}{text}{quote}"

    # ------------------------------------------------------------------ f-strings

    def _parts(self, string: re.Match[str]) -> list[str | _Field]:
        """The parts of an f-string that begins here; texts are as written."""
        self.at = string.end()
        raw = "r" in string[1].lower()
        parts: list[str | _Field] = []
        while not self.source.startswith(string[2], self.at):
            two = self.source[self.at : self.at + 2]
            named = None if raw else _NAMED_LETTER.match(self.source, self.at)
            if named is not None:
                parts.append(named[0])
                self.at = named.end()
            elif two in ("{{", "}}") or two[0] == "\\":
                parts.append(two)
                self.at += 2
            elif two[0] == "{":
                parts += self._field()
            elif two[0] == "\n" and len(string[2]) == 1:
                raise _UnreadableError
            else:
                parts.append(two[0])
                self.at += 1
        self.at += len(string[2])
        return parts

    def _field(self) -> list[str | _Field]:
        """What stands in the braces that open here; before it, its own text if it ends with `=`."""
        self.at += 1
        begin = self.at
        expression = self._expression()
        shown = [_escaped(self.source[begin : self.at])] if _SHOWS_ITSELF.search(expression) else []
        conversion, spec = "", None
        if self.source[self.at] == "!":
            conversion = self.source[self.at + 1]
            self.at += 2
            self._skip_blanks()
        if self.source[self.at] == ":":
            self.at += 1
            spec = self._spec()
        if self.source[self.at] != "}" or conversion not in ("", *_CONVERSIONS):
            raise _UnreadableError
        self.at += 1
        if shown and not conversion and spec is None:
            conversion = "r"
        return [*shown, _Field(_SHOWS_ITSELF.sub("", expression).strip(), conversion, spec)]

    def _skip_blanks(self) -> None:
        while self.source[self.at].isspace():
            self.at += 1

    def _spec(self) -> list[str | _Field]:
        spec: list[str | _Field] = []
        while self.source[self.at] != "}":
            if self.source[self.at] == "{":
                spec += self._field()
            else:
                spec.append(self.source[self.at])
                self.at += 1
        return spec

    def _expression(self) -> str:
        """Code in braces, in one line, with its strings spelled, up to what follows it."""
        out: list[str] = []
        strings: list[str] = []  # next to each other: they are one
        depth = 0
        while True:
            string = _STRING.match(self.source, self.at)
            if string is not None:
                strings.append(self._spelled(string))
                continue
            letter = self.source[self.at]
            ends = letter in ":}" or (letter == "!" and self.source[self.at + 1] != "=")
            if depth == 0 and ends:
                return "".join([*out, *_joined(strings)])
            token = self._token()
            if token.isspace() or token.startswith("#"):
                out += [] if strings else [" "]
                continue
            depth += (token in "([{") - (token in ")]}")
            out += [*_joined(strings), token]
            strings.clear()

    def _spelled(self, string: re.Match[str]) -> str:
        """A string in braces, without quotes."""
        begin, prefix, quote = self.at, (string[1] or "").lower(), string[2]
        if "f" not in prefix:
            self._skip_plain(string)
            return _codes(ast.literal_eval(self.source[begin : self.at]))
        plain, pieces = prefix.replace("f", ""), []
        for _kind, run in groupby(self._parts(string), key=type):
            parts = list(run)
            text = "".join(_BRACES.get(part, part) for part in parts if isinstance(part, str))
            pieces += [_codes(ast.literal_eval(f"{plain}{quote}{text}{quote}"))] if text else []
            pieces += [_formatted(part) for part in parts if isinstance(part, _Field)]
        return _concatenated(pieces)


def _in_braces(part: str | _Field) -> str:
    """A part of an f-string as it is written there."""
    if isinstance(part, str):
        return part
    conversion = f"!{part.conversion}" if part.conversion else ""
    spec = "" if part.spec is None else ":" + "".join(map(_in_braces, part.spec))
    return f"{{{' ' * part.expression.startswith('{')}{part.expression}{conversion}{spec}}}"


def _formatted(field: _Field) -> str:
    """What a field gives, as a call."""
    value = f"{_CONVERSIONS[field.conversion]}({field.expression})" if field.conversion else f"({field.expression})"
    if not field.spec:
        return f"format({value})"
    spec = _concatenated(_codes(part) if isinstance(part, str) else _formatted(part) for part in field.spec)
    return f"format({value},{spec})"


def _concatenated(pieces: Iterable[str]) -> str:
    return f"str().join(({''.join(f'{piece},' for piece in pieces)}))"


def _joined(strings: list[str]) -> list[str]:
    return [f"({'+'.join(strings)})"] if strings else []


def _codes(value: str | bytes) -> str:
    """A string without quotes."""
    letters = list(value) if isinstance(value, bytes) else list(map(ord, value))
    codes = "".join(f"{letter}," for letter in letters)
    return f"bytes(({codes}))" if isinstance(value, bytes) else f"str().join(map(chr,({codes})))"


def _escaped(text: str) -> str:
    """Text for the literal part of an f-string, whatever its quotes."""
    return "".join(f"\\U{ord(letter):08x}" if letter in "{}\\'\"\n" else letter for letter in text)
