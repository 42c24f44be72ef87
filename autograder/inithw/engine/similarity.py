"""Point a person to submissions whose own code is nearly the same; information only, never part of a score.

The measure: what a student wrote beyond the handout is tokenized (names, strings and comments do not count), cut into
overlapping pieces, and thinned by winnowing (Schleimer, Wilkerson, Aiken: "Winnowing: local algorithms for document
fingerprinting", SIGMOD 2003; by the library copydetect). Pieces that more than a tenth of the class wrote are idioms of
the homework and are dropped. Two submissions are reported when they share many of the remaining pieces, and these are
most of what the shorter of them has.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from copydetect.utils import filter_code, hashed_kgrams, winnow

from inithw.engine.records import Submission

_PIECE = 25  # characters of tokenized code: about eight tokens
_WINDOW = 5
_FEWEST = 20  # shared pieces, some 15 lines: three short right answers are bound to look alike
_SHARE = 0.8
_IDIOM = 0.1
_LONGEST = 200_000  # characters of one submission that are looked at


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
    pieces = [_pieces(_own_code(submission)) - boilerplate for submission in submissions]
    holders: dict[int, list[int]] = defaultdict(list)
    for index, own in enumerate(pieces):
        for piece in own:
            holders[piece].append(index)
    most = max(2, int(_IDIOM * len(submissions)))
    rare = {piece: indices for piece, indices in holders.items() if len(indices) <= most}
    counts = Counter(index for indices in rare.values() for index in indices)
    shared = Counter(pair for indices in rare.values() for pair in combinations(indices, 2))
    pairs = [
        Pair(submissions[a].name, submissions[b].name, number / min(counts[a], counts[b]), number)
        for (a, b), number in shared.items()
        if number >= _FEWEST and number >= _SHARE * min(counts[a], counts[b])
    ]
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.pieces, pair.first, pair.second))


def _own_code(submission: Submission) -> str:
    """What a student wrote or uploaded: cells that the handout does not give, and files beside the notebook."""
    own = [cell.source for cell in submission.cells if not cell.given]
    return "\n".join([*own, *(file.text for file in submission.files)])


def _pieces(code: str) -> set[int]:
    text, _offsets = filter_code(code[:_LONGEST], "submission.py", "python")
    hashes = hashed_kgrams(text, _PIECE)
    if len(hashes) < _WINDOW:
        return set(hashes.tolist())
    return set(winnow(hashes, _WINDOW)[0].tolist())
