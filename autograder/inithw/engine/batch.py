"""Grade many submissions, several at a time, each with its record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inithw.engine.grading import Grader, Outcome, our_fault
from inithw.engine.records import Grade
from inithw.engine.submission import NAME_LIMIT
from inithw.engine.text import clean


def grade_all(
    grader: Grader,
    paths: Sequence[Path],
    *,
    jobs: int,
    on_done: Callable[[Path, Outcome], None] = lambda _path, _outcome: None,
) -> Generator[Grade]:
    """Yield one record for each path, in the order given; closing the generator cancels what has not begun.

    Threads suffice: students' code runs in processes of its own, and NumPy works outside the interpreter's lock.

    Args:
        grader: Grades each.
        paths: The submissions.
        jobs: How many at a time.
        on_done: Called with each path and what came of it as soon as it is there, in any order, from another thread;
            after the generator is closed no more, for what then fails does so because its worker is taken away.
    """
    closed = threading.Event()

    def work(path: Path) -> Grade:
        try:
            outcome = grader.grade(path)
        except Exception as fault:  # a fault of ours must not cost the others their records
            outcome = Outcome(our_fault(grader.homework, fault, clean(str(path), NAME_LIMIT)))
        if not closed.is_set():
            on_done(path, outcome)
        return outcome.grade

    executor = ThreadPoolExecutor(jobs)
    try:
        yield from executor.map(work, paths)
    finally:
        closed.set()
        executor.shutdown(wait=False, cancel_futures=True)
