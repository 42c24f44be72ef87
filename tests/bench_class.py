"""What a class costs, from one submission to ten thousand, beside stock Otter; writes docs/performance.md.

    .venv/bin/python -m tests.bench_class [--minutes M] [--write]

Processor time tells what the work is, whatever else the machine does; what rests on the clock is told as a ratio of
figures taken in turn in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

# One thread, as the command line sets it: before NumPy is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import psutil
from inithw import __version__
from inithw.engine.archive import save_evidence
from inithw.engine.batch import Pool, grade_all, threads
from inithw.engine.course.fingerprints import fingerprints
from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.intake import collect
from inithw.engine.course.rescoring import rescore_class
from inithw.engine.course.running import ClassRun
from inithw.engine.course.similar import similar_pairs
from inithw.engine.execution import execute
from inithw.engine.grading import Grader, Outcome, judge
from inithw.engine.records import Limits
from inithw.engine.sandbox import Sandbox, Worker
from inithw.engine.settings import Settings
from inithw.engine.submission import handout_cells
from inithw.homework.definition import HOMEWORK

from tests.bench_otter import INITHW, REFERENCE, STOCK_OTTER, measure, routes
from tests.parts import read_submission

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/performance.md"
KEY = b"a key for the benchmark"
SECONDS_BETWEEN_LOOKS = 0.01
PLANNED = 100_000
PRICE = 0.05
"""Dollars for an hour of one processor: the order of what clouds ask for machines of general purpose."""
BUSY = """
**The machine was busy with other things: what rests on two processors being free, the second worker's share, is not
what a quiet one gives.**"""


def copies(folder: Path, number: int) -> Path:
    """So many submissions in folders of their own: the reference, each with another remark."""
    notebook = json.loads(REFERENCE.read_text())
    remark = {"cell_type": "code", "id": "remark", "metadata": {}, "outputs": [], "execution_count": None}
    for place in range(number):
        cells = [*notebook["cells"], {**remark, "source": f"remark = {place}"}]
        path = folder / f"student{place:05}" / REFERENCE.name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**notebook, "cells": cells}))
    return folder


@dataclass
class Phases:
    """Processor seconds of one honest submission, medians."""

    read: float
    draw: float
    worker: float
    judge: float
    worker_memory: int
    worker_own: int

    @property
    def total(self) -> float:
        return self.read + self.draw + self.worker + self.judge


@contextmanager
def watched_workers(used: list[float], held: list[tuple[int, int]]):
    """Note what each worker used, and the most that it held: with its share of what is shared, and without."""
    end, enter = Worker.end, Worker.__enter__

    def noted_end(self, *arguments, **named):
        used.append(self.used_seconds())
        end(self, *arguments, **named)

    def noted_enter(self):
        worker = enter(self)
        threading.Thread(target=look, args=(worker.pid,), daemon=True).start()
        return worker

    def look(pid):
        most = (0, 0)
        with suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            while True:
                memory = process.memory_full_info()
                most = max(most, (memory.pss, memory.uss))
                held.append(most)
                time.sleep(SECONDS_BETWEEN_LOOKS)

    Worker.end, Worker.__enter__ = noted_end, noted_enter
    try:
        yield
    finally:
        Worker.end, Worker.__enter__ = end, enter


def phases(repeat: int) -> Phases:
    """Grade the reference under several keys, stage by stage."""
    rows: list[tuple[float, ...]] = []
    used: list[float] = []
    held: list[tuple[int, int]] = []
    with Sandbox(HOMEWORK.worker) as sandbox, watched_workers(used, held):
        for number in range(repeat + 1):
            times = [time.thread_time()]
            submission = read_submission(REFERENCE)
            times.append(time.thread_time())
            challenge = HOMEWORK.draw(KEY + bytes([number]), submission)
            times.append(time.thread_time())
            evidence = execute(submission, challenge, HOMEWORK, sandbox, Limits())
            times.append(time.thread_time())
            grade = judge("reference", evidence, HOMEWORK)
            times.append(time.thread_time())
            assert grade.score == grade.max_score
            read, draw, dialogue, judging = (after - before for before, after in pairwise(times))
            rows.append((read, draw, used[-1] + dialogue, judging))
    medians = [statistics.median(column) for column in zip(*rows[1:], strict=True)]  # the first one warms up
    pss, uss = (max(column) for column in zip(*held, strict=True))
    return Phases(*medians, pss, uss)


def throughput(paths: Sequence[Path], rounds: int) -> tuple[float, float]:
    """Wall seconds per submission with one worker and with two, in turn: medians."""
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for jobs, seconds in found.items():
            with Sandbox(HOMEWORK.worker, jobs) as sandbox:
                grader = Grader(HOMEWORK, sandbox, KEY, Limits())
                list(grade_all(grader, paths[:1], jobs=1))  # the first waits for imports
                started = time.monotonic()
                assert all(grade.score == grade.max_score for grade in grade_all(grader, paths, jobs=jobs))
                seconds.append((time.monotonic() - started) / len(paths))
    return statistics.median(found[1]), statistics.median(found[2])


def growth(folder: Path, sizes: Sequence[int], until: float) -> list[tuple[int, float, float, int]]:
    """Size, wall and processor seconds, and bytes held by `inithw grade` of whole classes with two workers, as far as
    the time goes.
    """
    rows: list[tuple[int, float, float, int]] = []
    for size in sizes:
        if rows and time.monotonic() + rows[-1][1] * size / rows[-1][0] > until:
            break
        command = [INITHW, "grade", copies(folder / f"of{size}", size), "--out", folder / f"out{size}", "--jobs", "2"]
        cost = measure([*command, "--json", "--layout", "each"], folder, key=KEY.decode())
        rows.append((size, cost.wall, cost.processor, cost.memory))
    return rows


def around(folder: Path, size: int) -> float:
    """Processor seconds per submission of all but running and judging: reading, records, tables, look-alikes."""
    copies(folder / "class", size)
    settings = Settings(key=KEY)
    with Sandbox(HOMEWORK.worker) as sandbox:
        grade = Grader(HOMEWORK, sandbox, KEY, Limits()).grade(REFERENCE).grade
    started = time.process_time()
    with ClassFolder(folder / "out") as opened, ThreadPoolExecutor(2) as executor:
        intake = collect([folder / "class"], opened.scratch, preferred=HOMEWORK.notebook, layout="each")
        run = ClassRun(HOMEWORK, fingerprints(HOMEWORK, settings, __version__), settings.scale, opened)
        pool = Pool(executor, lambda one: Outcome(replace(grade, submission=one.name), one), ahead=4)
        done = list(run.grade(intake.hand_ins, pool))
        opened.write_tables(settings)
        similar_pairs(done, opened, handout_cells(HOMEWORK))
    assert len(done) == size
    return (time.process_time() - started) / size


def rescoring(folder: Path, size: int) -> tuple[float, float]:
    """Wall and processor seconds to score again so many records of a class graded with evidence."""
    copies(folder / "class", size)
    settings = Settings(key=KEY)
    with Sandbox(HOMEWORK.worker) as sandbox:
        outcome = Grader(HOMEWORK, sandbox, KEY, Limits()).grade(REFERENCE)
    assert outcome.evidence is not None
    with ClassFolder(folder / "out") as opened, ThreadPoolExecutor(1) as executor:
        intake = collect([folder / "class"], opened.scratch, preferred=HOMEWORK.notebook, layout="each")
        run = ClassRun(HOMEWORK, fingerprints(HOMEWORK, settings, __version__), settings.scale, opened)
        pool = Pool(executor, lambda one: Outcome(replace(outcome.grade, submission=one.name), one), ahead=2)
        for _ in run.grade(intake.hand_ins, pool):
            pass
        evidence = save_evidence(folder, "one", "one", outcome.evidence)
        for name, record in list(opened.records.items()):  # one file under many names: a disk need not hold them all
            link = f"{name}.0123456789.evidence.npz"
            os.link(evidence, opened.path / "records" / link)
            opened.save(replace(record, verdict=replace(record.verdict, evidence=link)))
        started, used = time.monotonic(), time.process_time()
        with threads(2) as pair:
            again = list(rescore_class(opened, HOMEWORK, settings.scale, pair))
    assert len(again) == size
    assert not any(one.changed or one.problem for one in again)
    return time.monotonic() - started, time.process_time() - used


def page(found: Found) -> str:
    """docs/performance.md."""
    cost, one, two = found.phases, found.one, found.two
    parts = [("reading", cost.read), ("drawing the challenge", cost.draw), ("the worker", cost.worker)]
    parts += [("judging", cost.judge)]
    table = "\n".join(f"| {name} | {seconds:.3f} | {seconds / cost.total:.0%} |" for name, seconds in parts)
    rows = "\n".join(
        f"| {size:,} | {wall:.1f} | {processor:.1f} | {processor / size:.2f} | {memory / 1e6:.0f} |"
        for size, wall, processor, memory in found.growth
    )
    others = "\n".join(f"| {size:,} | {1e3 * seconds:.1f} |" for size, seconds in found.around)
    each = cost.total + found.around[-1][1]
    hours = PLANNED * each / 3600
    busy = "" if found.load <= os.cpu_count() + 1 else BUSY
    return f"""# What grading costs

Generated by `make bench`: do not edit. Measured with {os.cpu_count()} processors at a load of {found.load:.1f}. Other
programs make every figure larger, those of the clock most; compare ratios, which were taken in turn in one run.{busy}

## One honest submission

| stage | processor seconds | share |
|---|---|---|
{table}
| all | {cost.total:.3f} | |

The worker runs the cells, initializes some 620 networks and layers, and prints norms. Judging is, above all, the
training of 32 networks or more. A worker holds {cost.worker_own / 1e6:.0f} MB of its own and, with its share of what
workers share, {cost.worker_memory / 1e6:.0f} MB.

## Beside stock Otter, and with a second worker

| | notebooks in the time of one `otter run` ({found.stock:.0f} s) |
|---|---|
| one worker | {found.stock / one:.0f} |
| two workers | {found.stock / two:.0f} |

Stock `otter run` grades by the same rubric as ordinary tests, one notebook after the other. Two workers do
{one / two:.2f} times the work of one: parallel efficiency {one / two / 2:.2f}.

## Growth

`inithw grade CLASS --out DIR --jobs 2`, from the start of the program to its end, on copies of the reference that
differ.

| submissions | seconds by the clock | processor seconds | each | MB in all |
|---|---|---|---|---|
{rows}

What is done around running and judging, that is reading, records, tables and look-alikes, for each submission:

| submissions | processor milliseconds each |
|---|---|
{others}

## Scoring again

`inithw rescore` of {found.rescored:,} records with their evidence: {found.rescoring[1]:.0f} processor seconds,
{found.rescoring[0]:.0f} s by the clock with two threads. What was computed from evidence is kept with it.

## A plan for {PLANNED:,} submissions

{PLANNED:,} times {each:.2f} s are {hours:.0f} hours of one processor; at {PRICE:.2f} dollars an hour of a processor
(set `PRICE` in `tests/bench_class.py` to yours) they cost {hours * PRICE:.2f} dollars.

| machines of 16 processors | hours |
|---|---|
| 1 | {hours / 16:.1f} |
| 4 | {hours / 64:.1f} |
| 16 | {hours / 256:.1f} |

Each processor needs a `dask worker` process of its own with its sandbox, some {found.growth[0][3] / 1e6:.0f} MB: 16 of
them {16 * found.growth[0][3] / 1e9:.0f} GB, and what submissions may use besides. Such processes share no interpreter,
so that the efficiency above, which is that of threads, does not bound them. Take half as much again for stragglers and
starting. One machine collects the records: with evidence, 4 MB each, {PLANNED * 4 / 1e6:.1f} TB in all.
[cluster.md](cluster.md) says how to start them.
"""


@dataclass
class Found:
    """All that was measured."""

    phases: Phases
    stock: float
    one: float
    two: float
    growth: list[tuple[int, float, float, int]]
    around: list[tuple[int, float]]
    rescored: int
    rescoring: tuple[float, float]
    load: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the page, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15, help="for the growth of a class")
    parser.add_argument("--submissions", type=int, default=24, help="for the throughput")
    parser.add_argument("--rounds", type=int, default=3, help="for the throughput")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--around", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--rescored", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args(arguments)

    def say(what: str) -> None:
        print(f"measuring {what} ...", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-class-") as name:
        folder = Path(name)
        say("one submission, stage by stage")
        costs = phases(repeat=9)
        say("one worker and two")
        paths = sorted(copies(folder / "throughput", options.submissions).iterdir())
        one, two = throughput(paths, options.rounds)
        say("stock Otter")
        (folder / "otter").mkdir()
        stock = measure(routes(folder / "otter")[STOCK_OTTER], folder, key=KEY.decode()).wall
        say("the growth of a class")
        grown = growth(folder, options.sizes, time.monotonic() + 60 * options.minutes)
        say("what is done around running and judging")
        rest = [(size, around(folder / f"around{size}", size)) for size in options.around]
        say("scoring again")
        scored = rescoring(folder / "rescoring", options.rescored)
    found = Found(costs, stock, one, two, grown, rest, options.rescored, scored, os.getloadavg()[1])
    print(page(found))
    if options.write:
        PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
