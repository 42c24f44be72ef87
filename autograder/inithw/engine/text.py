"""Makes text that comes from a submission safe to show on one line of a terminal, a page or a log."""

from __future__ import annotations

import re
import unicodedata

# Escape sequences of ECMA-48: strings (terminal titles, links) with their terminator, then control
# sequences (colours, cursor), then everything shorter. An unterminated string loses its opening only,
# so that no text can be hidden behind it. A scan ends at the next opening: hostile input takes linear time.
_ESCAPE = re.compile(
    r"(?:\x1b[PX\]^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*+(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"
    r"|\x1b[ -/]*+[0-~]?"
)
_BREAK = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LOOKED_AT = 100  # times the limit
# Drawn as nothing although Unicode calls them letters or marks.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | {
    *map(chr, range(0xFE00, 0xFE10)),  # variation selectors
    *map(chr, range(0xE0100, 0xE01F0)),
}
_UNSEEN = frozenset(("Cc", "Cf", "Co", "Cn"))  # controls, formats, private use, not assigned
_MARKS = 3  # on one letter, more than any language puts there


def replace_surrogates(text: str) -> str:
    """Return `text` with every lone surrogate replaced by U+FFFD, so that it encodes to UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def _visible(letter: str) -> bool:
    return letter not in _INVISIBLE and unicodedata.category(letter) not in _UNSEEN


def _without_piles(text: str) -> str:
    """Return `text` with at most `_MARKS` combining marks in a row, and none where there is no letter."""
    kept, marks = [], _MARKS
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        if marks <= _MARKS:
            kept.append(letter)
    return "".join(kept)


def clean(text: str, limit: int) -> str:
    """Return `text` on one line, without what a terminal or a page would act on, at most `limit` long.

    Terminal escape sequences, control characters, bidirectional overrides, characters that are drawn as nothing or as
    anything (private use), and combining marks beyond a few on one letter are removed, tabs and line breaks become one
    space, lone surrogates become U+FFFD. Markup stays: whoever writes HTML or CSV must escape for it.

    Args:
        text: Anything a student could have written.
        limit: Longest result in characters, at least 1; a longer text ends in an ellipsis. Of a megabyte, only the
            beginning is looked at.
    """
    text = text[: _LOOKED_AT * limit]
    text = _BREAK.sub(" ", _ESCAPE.sub("", replace_surrogates(text)))
    text = _without_piles("".join(filter(_visible, text)))
    return text if len(text) <= limit else text[: limit - 1] + "…"
