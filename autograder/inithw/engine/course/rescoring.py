"""Scores a class again from saved evidence, and shows what would change for whom before anything is written."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from inithw.engine.archive import ArchiveError, load_evidence
from inithw.engine.batch import run_all
from inithw.engine.course.fingerprints import differing
from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.record import Record, Verdict
from inithw.engine.grading import judge, ungraded
from inithw.engine.homework import Homework
from inithw.engine.records import Grade, Scale
from inithw.engine.report.table import write_table
from inithw.engine.scoring import ScoringError

CHANGES = "changed.csv"


@dataclass(frozen=True, slots=True)
class Rescored:
    """What scoring again makes of one record.

    Attributes:
        id: The record's.
        record: As it stands.
        grade: As it would be.
        problem: Why it stays as it was, where it does; empty where it was scored again.
        damaged: Whether that is because its evidence cannot be read.
    """

    id: str
    record: Record
    grade: Grade
    problem: str = ""
    damaged: bool = False

    @property
    def changed(self) -> bool:
        """Whether any point, verdict or the score is another."""
        return _told(self.record.grade) != _told(self.grade)

    @property
    def items(self) -> list[str]:
        """What is another, item by item: `q3.scale 2 -> 0`."""
        old = {item.id: item for item in self.record.grade.items}
        lines = []
        for item in self.grade.items:
            before = old.pop(item.id, None)
            if before is None:
                lines.append(f"{item.id} new: {item.earned:g}")
            elif (before.earned, before.state) != (item.earned, item.state):
                states = "" if before.earned != item.earned else f" ({before.state} -> {item.state})"
                lines.append(f"{item.id} {before.earned:g} -> {item.earned:g}{states}")
        return [*lines, *(f"{item.id} is no more: {item.earned:g}" for item in old.values())]


def _told(grade: Grade) -> tuple[object, ...]:
    return grade.score, grade.max_score, [(item.id, item.earned, item.state) for item in grade.items]


def rescore_class(folder: ClassFolder, homework: Homework, scale: Scale, executor: Executor) -> Generator[Rescored]:
    """Yield what scoring again makes of each record, in any order; nothing is written.

    Notes and the time that grading took stay those of the grading. What was not gradable stays so, of today's points.
    Where no evidence was kept, the verdicts stay and only the scale is today's.
    """

    def work(task: tuple[str, Record]) -> Rescored:
        name, record = task
        old = record.grade
        if old.status != "graded":
            again = ungraded(homework, old.status, old.message, old.submission, scale)  # of today's points
            return Rescored(name, record, replace(again, notes=old.notes, seconds=old.seconds))
        if not record.verdict.evidence:
            return Rescored(name, record, replace(old, scale=scale), "no evidence was kept")
        try:
            _, evidence = load_evidence(folder.evidence_path(record), homework)
            grade = judge(old.submission, evidence, homework, scale)
        except (ArchiveError, ScoringError) as fault:
            return Rescored(name, record, old, str(fault), damaged=True)
        return Rescored(name, record, replace(grade, notes=old.notes, seconds=old.seconds))

    def failed(task: tuple[str, Record], fault: BaseException) -> Rescored:
        return Rescored(*task, task[1].grade, f"the tool failed: {type(fault).__name__}: {fault}")

    tasks = sorted(folder.records.items())
    for _, result in run_all(executor, work, tasks, part=lambda task: task, ahead=32, failed=failed):
        yield result


def write_rescored(folder: ClassFolder, results: list[Rescored], graded_with: Mapping[str, str]) -> None:
    """Let the new grades stand: each record keeps the old one, and changed.csv says what changed for whom.

    A record of which nothing changed is graded by today's rules as well, and says so. One that stays as it was for a
    problem keeps saying by what it was graded.

    Raises:
        OSError: The folder cannot be written.
    """
    changed = [result for result in results if result.changed]
    rows: list[dict[str, str | float]] = [
        {
            "student": result.id,
            "name": result.record.student.name,
            "before": result.record.grade.score,
            "after": result.grade.score,
            "items": "; ".join(result.items),
        }
        for result in sorted(changed, key=lambda result: result.id)
    ]
    write_table(folder.path / CHANGES, ("student", "name", "before", "after", "items"), rows, "utf-8-sig")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for result in results:
        old = result.record.verdict
        decided = {**old.graded_with, **_decided(result, graded_with)}
        if result.grade == old.grade and decided == dict(old.graded_with):
            continue
        verdict = Verdict(result.grade, decided, now, old.evidence)
        earlier = result.record.earlier
        if result.changed:
            what = ", ".join(Path(name).stem for name in differing(old.graded_with, decided)) or "rules"
            earlier = ((f"rescored under another {what}", old), *earlier)
        folder.save(replace(result.record, verdict=verdict, earlier=earlier))


def _decided(result: Rescored, graded_with: Mapping[str, str]) -> dict[str, str]:
    """The fingerprints that scoring again made today's; evidence stays that of its key and limits."""
    if result.problem:
        return {"points": graded_with["points"]} if result.grade.scale != result.record.grade.scale else {}
    return {name: value for name, value in graded_with.items() if name not in ("key", "limits")}
