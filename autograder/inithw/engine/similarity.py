"""Point a person to submissions whose own code is nearly the same; information only, never part of a score.

The measure: what a student wrote beyond the handout is tokenized (names, strings and comments do not count), cut into
overlapping pieces, and thinned by winnowing (Schleimer, Wilkerson, Aiken: "Winnowing: local algorithms for document
fingerprinting", SIGMOD 2003). Pieces that more than a tenth of the class wrote are idioms of
the homework and are dropped. Two submissions are reported when they share many of the remaining pieces, and these are
most of what the shorter of them has.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.sparse import csr_array

from inithw.engine.records import Submission

_PIECE = 25  # characters of tokenized code: about eight tokens
_WINDOW = 5
_FEWEST = 20  # shared pieces, some 15 lines: three short right answers are bound to look alike
_SHARE = 0.8
_IDIOM = 0.1
_LONGEST = 200_000  # characters of one submission that are looked at
_MOST_PIECES = 4_000  # of one submission that are compared, the same ones of equal submissions

# Not a library's lexer: on hostile text, such as a line of blanks, those take the square of its length. Here every part
# takes what it can and never gives any of it back.
_TOKEN = re.compile(
    r"""\s++ | \#[^\n]*+
    | (?P<string>[bfruBFRU]{0,2}+ (?:
          \"{3} (?:[^"\\]|\\.|\"{1,2}(?!"))*+ (?:\"{3}|\Z) | '{3} (?:[^'\\]|\\.|'{1,2}(?!'))*+ (?:'{3}|\Z)
        | " (?:[^"\\\n]|\\.)*+ "? | ' (?:[^'\\\n]|\\.)*+ '?))
    | (?P<name>[^\W\d]\w*+) | (?P<other>\d[\w.]*+ | .)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two submissions with nearly the same code of their own.

    Attributes:
        first: Name of one.
        second: Name of the other.
        share: Part of the shorter one's rare pieces that the other has too, 0 to 1.
        pieces: How many rare pieces they share.
    """

    first: str
    second: str
    share: float
    pieces: int


def near_identical(submissions: Sequence[Submission], given: Sequence[str]) -> list[Pair]:
    """Pairs to look at, most alike first.

    Args:
        submissions: The class.
        given: Code cells of the handout.
    """
    boilerplate = _pieces("\n".join(given))
    pieces = [np.setdiff1d(_pieces(_own_code(submission)), boilerplate) for submission in submissions]
    holders = np.repeat(np.arange(len(pieces)), [len(own) for own in pieces])
    values, columns = np.unique(np.concatenate([*pieces, np.empty(0, np.int64)]), return_inverse=True)
    rare = (np.bincount(columns, minlength=len(values)) <= max(2, int(_IDIOM * len(submissions))))[columns]
    places = holders[rare], columns[rare]
    held = csr_array((np.ones(rare.sum(), np.int32), places), shape=(len(pieces), len(values)))
    counts = held.sum(axis=1)
    shared = (held @ held.T).tocoo()
    pairs = [
        Pair(submissions[a].name, submissions[b].name, number / min(counts[a], counts[b]), int(number))
        for a, b, number in zip(*shared.coords, shared.data, strict=True)
        if a < b and number >= _FEWEST and number >= _SHARE * min(counts[a], counts[b])
    ]
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.pieces, pair.first, pair.second))


def _own_code(submission: Submission) -> str:
    """What a student wrote or uploaded: cells that the handout does not give, and files beside the notebook."""
    own = [cell.source for cell in submission.cells if not cell.given]
    return "\n".join([*own, *(file.text for file in submission.files)])


def _pieces(code: str) -> np.ndarray:
    """Hashes of the pieces that winnowing keeps, sorted, each once."""
    text = "".join(map(_token, _TOKEN.finditer(code[:_LONGEST]))).encode(errors="surrogatepass")
    # Not Python's own hash, with which winnowing would keep other pieces in every run.
    hashes = np.array([crc32(text[start : start + _PIECE]) for start in range(len(text) - _PIECE + 1)], np.uint32)
    if len(hashes) >= _WINDOW:
        hashes = sliding_window_view(hashes, _WINDOW).min(axis=1)
    return np.unique(hashes)[:_MOST_PIECES]


def _token(match: re.Match[str]) -> str:
    if match.lastgroup == "string":
        return "S"
    if match.lastgroup == "name":
        return match[0] if keyword.iskeyword(match[0]) else "V"
    return match["other"] or ""
