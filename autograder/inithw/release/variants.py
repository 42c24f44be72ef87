"""Model answers for every student, where a term has variants: the reference notebook run on data of their own."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inithw.engine.course.roster import read_roster
from inithw.engine.files import replace_file
from inithw.engine.report.progress import Meter
from inithw.engine.report.table import write_table
from inithw.engine.settings import ProjectError
from inithw.engine.text import clean
from inithw.homework.reference.data import DATA_SEED
from inithw.homework.term import TERM, VARIANTS
from inithw.homework.variants import own_seed
from inithw.release.answers import DOCUMENT, PROGRAM, compare, measure, passages

RUNS = ".variants"
NUMBERS = "numbers.csv"
_NOTEBOOK = "solutions/homework.ipynb"
_MARK = re.compile(r"<!-- read again: (?:numbers rewritten(?:; )?)?(.*?) ?-->\n")


class NoVariants(ProjectError):
    """The term has none, or nobody was named."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Whose data.

    Attributes:
        name: Of the student, where a class list has it.
        id: As it counts: trimmed, in lower case.
        seed: Of the data.
    """

    name: str
    id: str
    seed: int


@dataclass(frozen=True, slots=True)
class Answers:
    """Model answers on one student's data.

    Attributes:
        variant: Whose.
        document: The model answers, with the numbers of their data.
        numbers: Every passage with numbers, by question.
        untrue: What the model answers say in words, or need, that is not so for their data.
        unlucky: What their figures do not show and ought to.
    """

    variant: Variant
    document: str
    numbers: Mapping[str, Sequence[str]]
    untrue: Sequence[str]
    unlucky: Sequence[str]


def variants_of(who: Iterable[str]) -> tuple[list[Variant], list[str]]:
    """The students of class lists, and those named by their ids.

    Args:
        who: Paths of class lists, CSV files, and ids.

    Returns:
        Each variant once, and a remark on everybody who has no usable id: their data are the term's own.

    Raises:
        NoVariants: The term has none, or nobody has a usable id.
        CourseError: A class list cannot be read.
    """
    if not TERM.variants:
        choices = " or ".join(f"variants={field}" for field in VARIANTS)
        raise NoVariants(f"this term has no variants: all students have the same data. `inithw new-term {choices}`")
    stated: list[tuple[str, str]] = []
    for word in who:
        listed = word.lower().endswith(".csv") or os.path.isfile(word)
        stated += (
            [(one.shown, getattr(one, TERM.variants)) for one in read_roster(Path(word))] if listed else [("", word)]
        )
    found: dict[str, Variant] = {}
    without: list[str] = []
    for name, said in stated:
        seed, plain = own_seed(said, DATA_SEED), said.strip().lower()
        if seed == DATA_SEED:
            what = f"{clean(said, 40)!r} is no" if said else "no"
            without.append(f"{clean(name or said, 40)}: {what} {VARIANTS[TERM.variants]}; has the term's own data")
        else:
            found.setdefault(plain, Variant(name, plain, seed))
    if not found:
        raise NoVariants("\n".join([*without, f"nobody has a usable {VARIANTS[TERM.variants]}"]))
    return list(found.values()), without


def run_all(root: Path, variants: Sequence[Variant], jobs: int) -> dict[Variant, dict[str, Any]]:
    """Run the reference notebook on the data of each; what was run is kept in `RUNS`, so that a second call goes on.

    Raises:
        AnswersError: The notebook could not be run.
    """
    folder = root / RUNS
    folder.mkdir(exist_ok=True)
    version = hashlib.sha256(b"".join((root / name).read_bytes() for name in (_NOTEBOOK, PROGRAM))).hexdigest()[:12]
    files = {one: folder / f"{one.seed}-{version}.json" for one in variants}

    def run(one: Variant) -> None:
        replace_file(files[one], json.dumps(measure(root, student=one.id)), mode=0o600)

    with Meter(len(variants), "notebooks run") as meter, ThreadPoolExecutor(jobs) as pool:
        try:
            futures = []
            for one, file in files.items():
                if file.is_file():
                    meter.kept()
                else:
                    futures.append(pool.submit(run, one))
            for future in as_completed(futures):
                future.result()
                meter.done()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {one: json.loads(file.read_text(encoding="utf-8")) for one, file in files.items()}


def answers_for(variant: Variant, text: str, measured: Mapping[str, Any]) -> Answers:
    """The model answers `text`, with the numbers of one student's run and a word where something is not so."""
    filled, found = compare(text, measured)
    amiss = [one for one in found if not one.filled]
    stale = {one.said for one in amiss}
    unlucky = [f"{one['what']}: {one['found']}" for one in measured["lesson"] if not one["shows"]]
    head = [f"> Data of **{variant.id}**, seed {variant.seed}. For the marker: do not publish."]
    head += [f"> Does not show: {said}. Grade against the student's figures." for said in unlucky]
    body = _MARK.sub(lambda mark: f"> **Not so here:** {mark[1]}\n\n" if mark[1] else "", filled)
    return Answers(
        variant,
        "\n".join(head) + "\n\n" + body,
        {question: [one for one in some if one not in stale] for question, some in passages(filled, measured).items()},
        [f"{one.question}: {' '.join(one.said.split())}: {one.found}" for one in amiss],
        unlucky,
    )


def write_all(root: Path, out: Path, runs: Mapping[Variant, Mapping[str, Any]]) -> list[Answers]:
    """Write `ID.md` for each student, and one table, `numbers.csv`; returns what was written."""
    text = (root / DOCUMENT).read_text(encoding="utf-8")
    written = [answers_for(variant, text, measured) for variant, measured in runs.items()]
    out.mkdir(parents=True, exist_ok=True)
    for one in written:
        replace_file(out / f"{one.variant.id}.md", one.document, mode=0o600)
    questions = sorted(
        {name for one in written for name in one.numbers if name != "table"}, key=lambda name: int(name[1:])
    )
    rows = [
        {
            "student": one.variant.name,
            TERM.variants: one.variant.id,
            "data seed": str(one.variant.seed),
            "does not show": "; ".join(one.unlucky),
            "not so": "; ".join(one.untrue),
            **{name: "; ".join(one.numbers.get(name, ())) for name in questions},
        }
        for one in written
    ]
    columns = ("student", TERM.variants, "data seed", "does not show", "not so", *questions)
    write_table(out / NUMBERS, columns, rows, "utf-8-sig")
    return written
