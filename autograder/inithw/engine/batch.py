"""Work on many submissions, several at a time, on any executor of the standard interface."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from inithw.engine.grading import Grader, Outcome, our_fault
from inithw.engine.records import Grade, Submission
from inithw.engine.submission import NAME_LIMIT
from inithw.engine.text import clean

Task = TypeVar("Task")
Part = TypeVar("Part")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Pool:
    """Who grades submissions: threads of this process, or other machines.

    Attributes:
        executor: Where.
        work: What it is given to do with each.
        ahead: How many are handed to it at a time.
    """

    executor: Executor
    work: Callable[[Submission], Outcome]
    ahead: int


def run_all(
    executor: Executor,
    work: Callable[[Part], Result],
    tasks: Iterable[Task],
    *,
    part: Callable[[Task], Part],
    ahead: int,
    failed: Callable[[Task, BaseException], Result],
    again: Callable[[Result], bool] = lambda _result: False,
) -> Generator[tuple[Task, Result]]:
    """Yield each task with its result as soon as it is there, in any order.

    Tasks are taken one by one, as there is room: neither they nor their results pile up. Closing the generator cancels
    what has not begun.

    Args:
        executor: Of threads, processes, a cluster.
        work: What is done with a part of each task, the only thing that another machine needs.
        tasks: What to do.
        part: Which part.
        ahead: How many are handed to the executor at a time.
        failed: The result of a task that raised.
        again: Whether a result asks for one more try.
    """
    waiting: dict[Future[Result], tuple[Task, bool]] = {}
    left = iter(tasks)
    exhausted = False
    try:
        while True:
            while not exhausted and len(waiting) < ahead:
                try:
                    task = next(left)
                except StopIteration:
                    exhausted = True
                else:
                    waiting[executor.submit(work, part(task))] = (task, True)
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                task, first = waiting.pop(future)
                fault = CancelledError("the scheduler gave it up") if future.cancelled() else future.exception()
                result = future.result() if fault is None else failed(task, fault)
                if first and again(result):
                    waiting[executor.submit(work, part(task))] = (task, False)
                else:
                    yield task, result
    finally:
        for future in waiting:
            future.cancel()


@contextmanager
def threads(jobs: int) -> Iterator[Executor]:
    """Threads of this process, which is left without waiting for them.

    They suffice: students' code runs in processes of its own, and NumPy works outside the interpreter's lock.
    """
    executor = ThreadPoolExecutor(jobs)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


@contextmanager
def threads_that_grade(grader: Grader, jobs: int) -> Iterator[Pool]:
    """Threads of this process, as `threads`."""
    with threads(jobs) as executor:
        yield Pool(executor, grader.grade_read, ahead=2 * jobs)


def grade_all(
    grader: Grader,
    paths: Sequence[Path],
    *,
    jobs: int,
    on_done: Callable[[Path, Outcome], None] = lambda _path, _outcome: None,
) -> Generator[Grade]:
    """Yield one record for each path, in the order given; closing the generator cancels what has not begun.

    Args:
        grader: Grades each.
        paths: The submissions.
        jobs: How many at a time.
        on_done: Called with each path and what came of it as soon as it is there, in any order.
    """

    def failed(task: tuple[int, Path], fault: BaseException) -> Outcome:  # it must not cost the others their records
        reason = fault if isinstance(fault, Exception) else str(fault)
        return Outcome(our_fault(grader.homework, reason, clean(str(task[1]), NAME_LIMIT)))

    ready: dict[int, Grade] = {}
    following = 0
    with threads(jobs) as executor:
        tasks = enumerate(paths)
        for (place, path), outcome in run_all(
            executor, grader.grade, tasks, part=lambda task: task[1], ahead=2 * jobs, failed=failed
        ):
            on_done(path, outcome)
            ready[place] = outcome.grade
            while following in ready:
                yield ready.pop(following)
                following += 1
