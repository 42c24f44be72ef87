"""Finds look-alikes in a whole class, and keeps their names in its folder: for a person to look at, never a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.running import Done
from inithw.engine.records import Submission
from inithw.engine.report.table import write_table

if TYPE_CHECKING:
    from inithw.engine.similarity import Pair


def similar_pairs(done: Sequence[Done], folder: ClassFolder | None, given: Sequence[str]) -> list[Pair]:
    """Pairs with nearly the same code of their own; with a folder, of all whose records it holds, in similar.csv too.

    Args:
        done: What was graded now.
        folder: Of the class.
        given: Code cells of the handout.
    """
    if folder is None:
        return _pairs([replace(one.submission, name=one.who) for one in done if one.submission is not None], given)
    own = {one.handed_in.path: (name, one.handed_in) for name, one in folder.records.items() if one.handed_in.digest}
    pairs = _pairs([Submission(name, one.code, one.digest) for name, one in own.values()], given)  # of a group, one
    rows: list[dict[str, str | float]] = [
        {"first": pair.first, "second": pair.second, "share": round(pair.share, 3)} for pair in pairs
    ]
    write_table(folder.path / "similar.csv", ("first", "second", "share"), rows, "utf-8-sig")
    return pairs


def _pairs(submissions: Sequence[Submission], given: Sequence[str]) -> list[Pair]:
    if len(submissions) < 2:
        return []
    from inithw.engine.similarity import near_identical  # loads what nothing else needs

    return near_identical(submissions, given)
