"""Kill a class's grading at random moments and go on: nothing may be lost, graded twice, or left about.

`python -m tests.faults --kills 200` for the figures; the suite does a few.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests import small_class
from tests.exports import FORMS

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "tests.small_class"]


@dataclass
class Faults:
    """What was found.

    Attributes:
        kills: How often a run was ended while it ran.
        runs: Classes that were graded to their end.
        wrong: What was lost, doubled or left, in sentences.
        during: How many of the kills came while records were being written.
    """

    kills: int = 0
    runs: int = 0
    during: int = 0
    wrong: list[str] = field(default_factory=list)


def inject(kills: int, seed: int, folder: Path, students: int = 12) -> Faults:
    """Kill at `kills` moments drawn from `seed`, every third time by Ctrl-C, else by kill -9."""
    draw = random.Random(seed)
    people, scores = small_class.people(students)
    FORMS["folders"](folder / "class", people)
    found = Faults()
    took = _whole(folder, found, scores)
    while found.kills < kills:
        out = folder / f"out{found.runs}"
        before: dict[str, bytes] = {}
        while found.kills < kills:
            # Until the first record nothing can go wrong; half of the kills come where records are written.
            moment = draw.uniform(0.5, 1.05) * took if draw.random() < 0.8 else draw.uniform(0, took)
            by = signal.SIGINT if draw.random() < 1 / 3 else signal.SIGKILL
            ended = _run(folder, out, moment, by)
            now = records_of(out)
            found.wrong += _compare(before, now, f"kill {found.kills}")
            if ended:
                break
            found.kills += 1
            print(f"\r{found.kills} of {kills} kills, {len(found.wrong)} wrong", end="", file=sys.stderr, flush=True)
            found.during += len(now) not in (0, students)
            before = now
        _run(folder, out, None, signal.SIGKILL)
        found.wrong += _compare(before, records_of(out), "at the end") + _complete(out, scores)
        found.runs += 1
    return found


def _whole(folder: Path, found: Faults, scores: dict[str, float]) -> float:
    started = time.monotonic()
    _run(folder, folder / "whole", None, signal.SIGKILL)
    found.wrong += _complete(folder / "whole", scores)
    return time.monotonic() - started


def _run(folder: Path, out: Path, moment: float | None, by: signal.Signals) -> bool:
    """Grade until the end, which is reported as true, or until a moment."""
    command = [*COMMAND, "grade", str(folder / "class"), "--out", str(out), "--json", "--save-evidence", "--jobs", "3"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=ROOT, preexec_fn=_hears_ctrl_c, **quiet)
    try:
        _, errors = process.communicate(timeout=moment if moment is not None else 300)
    except subprocess.TimeoutExpired:
        process.send_signal(by)
        _, errors = process.communicate(timeout=600)
        return process.returncode == 0
    if process.returncode != 0:
        raise RuntimeError(f"grading failed: {errors.decode()[-2000:]}")
    return True


def _hears_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def records_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "records").glob("*.json")}


def scores_of(out: Path) -> dict[str, float]:
    return {name.removesuffix(".json"): json.loads(data)["score"] for name, data in records_of(out).items()}


def _compare(before: dict[str, bytes], now: dict[str, bytes], when: str) -> list[str]:
    lost = [f"{when}: {name} was lost" for name in before.keys() - now.keys()]
    return lost + [
        f"{when}: {name} was graded again" for name in before.keys() & now.keys() if before[name] != now[name]
    ]


def _complete(out: Path, scores: dict[str, float]) -> list[str]:
    """What is missing, wrong or left in a class that was graded to its end."""
    records = {name.removesuffix(".json"): json.loads(data) for name, data in records_of(out).items()}
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        table = {row["student"]: float(row["score"]) for row in csv.DictReader(file)}
    results = {
        path.name.removesuffix(".results.json"): json.loads(path.read_text())["score"]
        for path in out.glob("*.results.json")
    }
    kept = {path.name for path in (out / "records").glob("*.npz")}
    named = {record["verdict"]["evidence"] for record in records.values()}
    wrong = []
    for what, found in [
        ("records", {name: one["score"] for name, one in records.items()}),
        ("table", table),
        ("results", results),
    ]:
        if found != scores:
            wrong.append(f"{out.name}: {what} are {found}, not {scores}")
    if kept != named:
        wrong.append(f"{out.name}: evidence {kept ^ named} has no record, or a record none")
    left = [
        name for name in (*os.listdir(out), *os.listdir(out / "records")) if name.startswith(".") and name != ".lock"
    ]
    return wrong + [f"{out.name}: {name} was left" for name in left]


def main() -> None:
    """Inject faults and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="inithw-faults-") as folder:
        found = inject(options.kills, options.seed, Path(folder))
    print(f"{found.kills} kills at random moments, {found.during} of them between the first record and the last;")
    print(f"{found.runs} classes went on to their end; lost, doubled or left: {len(found.wrong)}")
    for line in found.wrong[:20]:
        print(" ", line)
    sys.exit(bool(found.wrong))


if __name__ == "__main__":
    main()
