"""Every labelled answer and every attack through stock Otter with the plugin, against what is declared for each item.

    .venv/bin/python -m tests.otter_corpus [--jobs N] [--every N]

`inithw verify` holds the engine to the same declarations. Otter is called by its own API, several submissions to a
process, with one sandbox for all of a process; apart from that it is what `otter run` does. Exit code 1 when any item
differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from inithw import otter_plugin
from inithw.engine.sandbox import Sandbox
from inithw.engine.settings import PLUGIN
from inithw.homework.definition import HOMEWORK
from inithw.homework.rubric import POINTS

from tests.attacks import ATTACKS
from tests.attacks.attack import write_attack
from tests.otter_commands import OURS, ROOT, generate
from tests.submissions import ANSWERS, packed, write_answer

SKELETON = ROOT / "assignment/homework.ipynb"
SHORT = {"cell_seconds": 2, "question_seconds": 3, "notebook_seconds": 10, "total_seconds": 25, "memory_mb": 1024}
"""Limits for attacks, many of which use up all they get."""


@dataclass(frozen=True)
class Case:
    """One submission to send through Otter.

    Attributes:
        name: What it is, in words.
        path: The submission.
        config: Configuration that goes into Otter's zip.
        kind: Labelled answer or attack.
        points: Of every item that is decided; none when nothing is to be graded.
    """

    name: str
    path: Path
    config: Path
    kind: str
    points: dict[str, float]


def cases(folder: Path) -> list[Case]:
    """The whole corpus, written below `folder`."""
    usual, short = folder / "usual.json", folder / "short.json"
    config = json.loads((ROOT / "otter_config.json").read_text())
    usual.write_text(json.dumps(config))
    config["plugins"][0][PLUGIN]["limits"] = SHORT
    short.write_text(json.dumps(config))
    answers = [
        Case(
            answer.name,
            write_answer(answer, SKELETON, folder / "answers"),
            usual,
            "labelled answers",
            answer.expected if answer.status == "graded" else {"not graded": 0.0},
        )
        for answer in packed(ANSWERS)
    ]
    targets = {"TOKEN": "otter", "KEY_MARK": "inithw-proving-", "PORT": 9, "JUDGE": os.getpid(), "HOME": "/root"}
    targets |= {name: str(folder / name) for name in ("CLOSED", "PUBLIC", "NEIGHBOUR", "WRITABLE", "SHARED", "UNIX")}
    targets["PROJECT"] = str(ROOT)
    attacks = [
        Case(
            attack.name,
            write_attack(attack, SKELETON, folder / f"attack{number}", targets),
            short,
            "attacks",
            {item: 0.0 for item in POINTS if item not in attack.earns},
        )
        for number, attack in enumerate(ATTACKS)
    ]
    return [*answers, *attacks]


def start(archives: dict[Path, Path]) -> None:
    """Prepare a process: one sandbox for every submission that it grades."""
    global zips
    zips = archives
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # every kernel warns that it talks over TCP
    sandbox = Sandbox(HOMEWORK.worker).__enter__()
    otter_plugin.Sandbox = lambda _worker: contextlib.nullcontext(sandbox)


def compare(case: Case) -> tuple[str, list[str]]:
    """How Otter took one submission, in a word, and every difference."""
    from otter.api import grade_submission

    os.chdir(tempfile.mkdtemp(dir=case.config.parent))
    try:
        results = grade_submission(str(as_upload(case.path)), str(zips[case.config]), quiet=True)
    except Exception as error:
        return "stopped before the plugin", [f"{type(error).__name__}: {str(error).strip()[:150]}"]
    found = {name: file.score for name, file in results.results.items()}
    differences = [
        f"{name}: {found.get(name)}, declared {points}"
        for name, points in case.points.items()
        if found.get(name) != points
    ]
    return ("differs" if differences else "agrees"), differences


def as_upload(path: Path) -> Path:
    """What Otter can take: a file, or a folder as a zip."""
    return Path(shutil.make_archive(str(path), "zip", path)) if path.is_dir() else path


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare everything and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="how many processes")
    parser.add_argument("--every", type=int, default=1, help="take every Nth submission only")
    options = parser.parse_args(arguments)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # of the processes started below
    with tempfile.TemporaryDirectory(prefix="otter-corpus-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        chosen = cases(folder)[:: options.every]
        random.Random(0).shuffle(chosen)  # so that a run that is stopped has seen some of everything
        archives = {}
        for config in {case.config for case in chosen}:
            place = folder / config.stem
            place.mkdir()
            archives[config] = generate(OURS, config, place)
        counts: Counter[str] = Counter()
        with ProcessPoolExecutor(
            options.jobs, multiprocessing.get_context("spawn"), initializer=start, initargs=(archives,)
        ) as pool:
            for case, (verdict, details) in zip(chosen, pool.map(compare, chosen), strict=True):
                counts[f"{case.kind}: {verdict}"] += 1
                if details:
                    print(f"{case.kind}: {case.name}: {verdict}\n  " + "\n  ".join(details), flush=True)
                print(f"{counts.total()} of {len(chosen)}", end="\r", file=sys.stderr, flush=True)
    for line, count in sorted(counts.items()):
        print(f"{line}: {count}")
    return int(any("differs" in line for line in counts))


if __name__ == "__main__":
    sys.exit(main())
