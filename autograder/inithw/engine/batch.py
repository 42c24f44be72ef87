"""Grade many submissions, several at a time, each with its record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inithw.engine.grading import grade, ungraded
from inithw.engine.records import Evidence, Grade, Limits
from inithw.engine.sandbox import Sandbox


def grade_all(
    paths: list[Path],
    *,
    key: bytes,
    sandbox: Sandbox,
    limits: Limits,
    jobs: int,
    on_done: Callable[[Path, Grade], None] = lambda _path, _record: None,
    keep_evidence: Callable[[Path, Evidence], None] | None = None,
) -> Generator[Grade]:
    """Yield one record for each path, in the order given; closing the generator cancels what has not begun.

    Threads suffice: students' code runs in processes of its own, and NumPy works outside the interpreter's lock.

    Args:
        on_done: Called with each path and record as soon as it is there, in any order, from another thread; after the
            generator is closed no more, for what then fails does so because its worker is taken away.
    """
    closed = threading.Event()

    def work(path: Path) -> Grade:
        try:
            record = grade(path, key=key, sandbox=sandbox, limits=limits, keep_evidence=keep_evidence)
        except Exception as fault:  # a fault of ours must not cost the others their records
            reason = f"The grader failed, not the submission: {type(fault).__name__}: {fault}"
            record = ungraded(str(path), "infrastructure_error", reason)
        if not closed.is_set():
            on_done(path, record)
        return record

    executor = ThreadPoolExecutor(jobs)
    try:
        yield from executor.map(work, paths)
    finally:
        closed.set()
        executor.shutdown(wait=False, cancel_futures=True)
