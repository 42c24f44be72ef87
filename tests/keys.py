"""Grade the corpus under many keys: the challenge changes, a verdict must not (`python -m tests.keys --keys 20`)."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from inithw.engine.batch import grade_all
from inithw.engine.records import Grade
from inithw.engine.sandbox import Sandbox
from inithw.homework.definition import HOMEWORK
from inithw.release.verification import SKELETON, label

from tests.parts import grader
from tests.submissions import ANSWERS, packed, write_answer

ROOT = Path(__file__).parent.parent


def verdict(grade: Grade) -> dict[str, tuple[float, str]]:
    """Points and label of every item; the status besides."""
    return {"status": (0.0, grade.status)} | {item.id: (item.earned, label(item)) for item in grade.items}


def main() -> int:
    """Print every verdict that differs from that under the first key; the exit code says whether one with a ruling did.

    Where the ruling is "as measured", an answer may lie on a threshold: those are counted apart.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.keys", description=__doc__)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8))
    parser.add_argument("--only", default="", help="answers whose name holds this")
    arguments = parser.parse_args()
    answers = [answer for answer in packed(ANSWERS) if arguments.only in answer.name]
    first: dict[str, dict[str, tuple[float, str]]] = {}
    different: Counter[bool] = Counter()
    compared: Counter[bool] = Counter()
    with (
        tempfile.TemporaryDirectory(prefix="inithw-keys-") as folder,
        Sandbox(HOMEWORK.worker, arguments.jobs) as sandbox,
    ):
        paths = [write_answer(answer, ROOT / SKELETON, Path(folder)) for answer in answers]
        for number in range(1, arguments.keys + 1):
            grades = grade_all(grader(sandbox, f"key {number}".encode()), paths, jobs=arguments.jobs)
            for answer, grade in zip(answers, grades, strict=True):
                found = verdict(grade)
                expected = first.setdefault(answer.name, found)
                for item in found:
                    measured = item in answer.measured
                    compared[measured] += number > 1
                    if found[item] != expected[item]:
                        different[measured] += 1
                        ruling = " (ruling: as measured)" if measured else ""
                        print(
                            f"key {number}: {answer.name}: {item} {expected[item]} -> {found[item]}{ruling}", flush=True
                        )
            print(
                f"{number} keys: {different[False]} of {compared[False]} verdicts differ, and {different[True]} of "
                f"{compared[True]} where the ruling is 'as measured'",
                file=sys.stderr,
                flush=True,
            )
    return int(different[False] > 0)


if __name__ == "__main__":
    sys.exit(main())
