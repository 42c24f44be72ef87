"""How far a class is: a bar with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_EVERY = 30.0  # seconds between two lines in a log


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{60 * speed:.0f} a minute" if speed < 5 else f"{speed:.0f} a second")


class Meter:
    """Counts what is done; what is kept from before does not count, or the time left would be too short."""

    def __init__(self, total: int, what: str = "grading") -> None:
        """Count up to `total`."""
        self._total, self._done, self._what = total, 0, what
        self._terminal = sys.stderr.isatty()
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()]
        self._bar = Progress(
            *columns,
            console=Console(stderr=True),
            transient=True,
            disable=not self._terminal,
            speed_estimate_period=120,
        )
        self._task = self._bar.add_task(what, total=total)
        self._started = self._told = time.monotonic()

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        self._bar.stop()

    def kept(self) -> None:
        """Count one that needs nothing done."""
        self._total -= 1
        self._bar.update(self._task, total=self._total)

    def done(self) -> None:
        """Count one that was worked on."""
        self._done += 1
        self._bar.advance(self._task)
        now = time.monotonic()
        if not self._terminal and now - self._told >= _EVERY:
            self._told = now
            print(self.line(now - self._started), file=sys.stderr, flush=True)

    def line(self, seconds: float) -> str:
        """How far it is, in words."""
        left = (self._total - self._done) * seconds / self._done
        return (
            f"{self._what}: {self._done} of {self._total}, {60 * self._done / seconds:.0f} a minute, "
            f"about {left / 60:.0f} minutes left"
        )
