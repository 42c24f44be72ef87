"""Grades what a class handed in, each once: what has its record already is kept, and each record is written at once."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from inithw.engine.batch import Pool, run_all
from inithw.engine.course.fingerprints import differing
from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.handin import CourseError, HandIn
from inithw.engine.course.reading import Counted, read_counted
from inithw.engine.course.record import HandedIn, Record, Verdict
from inithw.engine.grading import Outcome, our_fault, ungraded
from inithw.engine.homework import Homework
from inithw.engine.records import UNSCALED, Evidence, Grade, Scale, Submission
from inithw.engine.text import clean


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one hand-in.

    Attributes:
        place: Of the hand-in among those given, from 0.
        hand_in: Which.
        grade: What it got.
        kept: Whether it had been graded before, and nothing was run.
        why: Why it was graded anew though there was a record; empty where there was none.
        submission: What was read; None where nothing could be.
        passed_over: What else there was, and what counts instead, in sentences.
    """

    place: int
    hand_in: HandIn
    grade: Grade
    kept: bool = False
    why: str = ""
    submission: Submission | None = None
    passed_over: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        """Whose it is; where nothing is known but a path, that."""
        return ", ".join(one.shown for one in self.hand_in.students) if self.hand_in.platform else self.hand_in.shown


@dataclass(frozen=True, slots=True)
class _Task:
    place: int
    hand_in: HandIn
    counted: Counted
    submission: Submission
    why: str


@dataclass(frozen=True, slots=True)
class ClassRun:
    """How a class is graded.

    Attributes:
        homework: Which is graded.
        graded_with: Fingerprints of what decides.
        scale: How points become a score.
        folder: Where records are kept; None to keep none.
        only: Name of the file that counts, said outright.
        keep_evidence: Whether to keep what `rescore` needs.
        regrade: Whether to grade where the folder holds records graded under other settings.
    """

    homework: Homework
    graded_with: Mapping[str, str]
    scale: Scale = UNSCALED
    folder: ClassFolder | None = None
    only: str | None = None
    keep_evidence: bool = False
    regrade: bool = False

    def check(self) -> list[str]:
        """Refuse a folder that was graded under other settings, unless told to go on; remarks for people.

        Raises:
            CourseError: Grades would not be comparable.
        """
        if self.folder is None:
            return []
        remarks = [f"{self.folder.path / name}: damaged, made anew" for name in self.folder.damaged]
        titles = {record.grade.homework for record in self.folder.records.values()} - {self.homework.title}
        if titles:
            raise CourseError(f"{self.folder.path}: holds grades of another homework ({titles.pop()}); choose another")
        changed: Counter[str] = Counter()
        for record in self.folder.records.values():
            if record.grade.status == "graded":
                changed[_changes(record.verdict.graded_with, self.graded_with)] += 1
        changed.pop("", None)
        if not changed:
            return remarks
        listed = "; ".join(f"{number} with another {what}" for what, number in changed.most_common(5))
        if not self.regrade:
            raise CourseError(
                f"{self.folder.path}: holds grades given otherwise: {listed}. Nothing was graded. `--regrade` "
                "grades anew what you name; `inithw rescore` scores saved evidence under the present rules; or choose "
                "another folder"
            )
        return [*remarks, f"{self.folder.path}: graded otherwise: {listed}. What is named now is graded anew"]

    def grade(self, hand_ins: Sequence[HandIn], pool: Pool) -> Generator[Done]:
        """Yield what comes of each hand-in, in any order; what is new has its record by then.

        A submission whose worker dies, or whose machine, is tried once more.

        Raises:
            OSError: A record cannot be written.
        """
        ready: deque[Done] = deque()

        def failed(task: _Task, fault: BaseException) -> Outcome:
            reason = fault if isinstance(fault, Exception) else str(fault)
            record = our_fault(self.homework, reason, task.submission.name, self.scale)
            return Outcome(record, task.submission)

        results = run_all(
            pool.executor,
            pool.work,
            self._tasks(hand_ins, ready),
            part=lambda task: task.submission,
            ahead=pool.ahead,
            failed=failed,
            again=lambda outcome: outcome.grade.status == "infrastructure_error",
        )
        try:
            for task, outcome in results:
                yield from _drained(ready)
                yield self._finished(task, outcome)
            yield from _drained(ready)
        finally:
            results.close()

    def _tasks(self, hand_ins: Sequence[HandIn], ready: deque[Done]) -> Iterator[_Task]:
        """What must be run; what need not goes to `ready`."""
        for place, hand_in in enumerate(hand_ins):
            counted = read_counted(hand_in, self.homework, self.only)
            if counted.submission is None:
                ready.append(self._not_gradable(place, hand_in, counted))
                continue
            old = self._old(hand_in)
            why = self._why(old, counted.submission)
            if old and why == "":
                grade = replace(old[0].grade, submission=counted.submission.name)
                ready.append(Done(place, hand_in, grade, True, "", counted.submission, counted.remarks))
                self._refresh(hand_in, counted, old)
                continue
            yield _Task(place, hand_in, counted, counted.submission, why if old else "")

    def _old(self, hand_in: HandIn) -> list[Record]:
        """The records of a hand-in's students, if every one has one."""
        if self.folder is None:
            return []
        found = [self.folder.of(student) for student in hand_in.students]
        known = [record for record in found if record is not None]
        return known if len(known) == len(found) else []

    def _why(self, old: Sequence[Record], submission: Submission) -> str:
        """Why the records do not stand; empty where they do."""
        for record in old:
            if record.grade.status == "infrastructure_error":
                return "it could not be graded before"
            if record.handed_in.digest != submission.digest:
                return "another submission"
            if changes := _changes(record.verdict.graded_with, self.graded_with):
                return f"another {changes}"
            if self.keep_evidence and not self._has_evidence(record):
                return "its evidence was not kept"
        return ""

    def _has_evidence(self, record: Record) -> bool:
        folder = self.folder
        return folder is not None and bool(record.verdict.evidence) and folder.has(record.verdict.evidence)

    def _not_gradable(self, place: int, hand_in: HandIn, counted: Counted) -> Done:
        name = clean(counted.candidate.shown, 4096)
        grade = ungraded(self.homework, "not_gradable", counted.reason, name, self.scale)
        grade = replace(grade, notes=counted.remarks)
        old = self._old(hand_in)
        same = bool(old) and all(
            (record.grade.status, record.grade.message) == (grade.status, grade.message) for record in old
        )
        if same:
            self._refresh(hand_in, counted, old)
        else:
            self._save(hand_in, counted, grade, None, "another submission")
        why = "another submission" if old and not same else ""
        return Done(place, hand_in, grade, same, why, None, counted.remarks)

    def _finished(self, task: _Task, outcome: Outcome) -> Done:
        self._save(task.hand_in, task.counted, outcome.grade, outcome.evidence, task.why or "another submission")
        over = task.counted.remarks
        return Done(task.place, task.hand_in, outcome.grade, False, task.why, task.submission, over)

    # ------------------------------------------------------------ records

    def _save(self, hand_in: HandIn, counted: Counted, grade: Grade, evidence: Evidence | None, why: str) -> None:
        if self.folder is None:
            return
        verdict = Verdict(grade, dict(self.graded_with), _now())
        for student in hand_in.students:
            old = self.folder.of(student)
            if old is not None and old.grade.status == "graded" and grade.status == "infrastructure_error":
                continue  # a fault of ours takes nobody's grade away
            earlier = ((why, old.verdict), *old.earlier) if old and old.grade.status == "graded" else ()
            record = Record(student, _handed_in(hand_in, counted), verdict, _others(hand_in, student), earlier)
            mark = hashlib.sha256(f"{record.handed_in.digest} {sorted(self.graded_with.items())}".encode()).hexdigest()
            self.folder.save(record, evidence if self.keep_evidence else None, mark[:10])

    def _refresh(self, hand_in: HandIn, counted: Counted, old: Sequence[Record]) -> None:
        """Write what is known better now: names from a roster, another path, lateness."""
        if self.folder is None:
            return
        for student, record in zip(hand_in.students, old, strict=True):
            now = replace(
                record,
                student=student.joined(record.student),
                handed_in=_handed_in(hand_in, counted),
                group=_others(hand_in, student),
            )
            if now != record:
                self.folder.save(now)


def _drained(ready: deque[Done]) -> Iterator[Done]:
    while ready:
        yield ready.popleft()


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    return ", ".join(name.removesuffix(Path(name).suffix) for name in differing(old, new))


def _others(hand_in: HandIn, student: object) -> tuple[str, ...]:
    return tuple(other.shown for other in hand_in.students if other is not student)


def _handed_in(hand_in: HandIn, counted: Counted) -> HandedIn:
    candidate, submission = counted.candidate, counted.submission
    return HandedIn(
        path=clean(candidate.shown, 4096),
        platform=hand_in.platform,
        submission_id=candidate.submission_id,
        late=candidate.late,
        attempt=candidate.attempt,
        submitted_at=candidate.submitted_at,
        digest=submission.digest if submission else "",
        code=tuple(cell for cell in submission.cells if not cell.given) if submission else (),
        files=submission.files if submission else (),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
