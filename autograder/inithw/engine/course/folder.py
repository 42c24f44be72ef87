"""The folder of a class: one record for each student, written the moment it exists, and tables made of the records.

    records/ID.json             the record; there completely or not at all, and the last to be written
    records/ID.HASH.evidence.npz   what `rescore` needs, where it was asked for
    ID.results.json             the grade as Gradescope reads it
    grades.csv                  one line for each student
    class.json                  the roster, and which paths were taken for the class

Whatever ends the program, the records are whole; everything else is made of them again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from inithw.engine.archive import save_evidence
from inithw.engine.course.handin import CourseError
from inithw.engine.course.record import Record, RecordError, from_text, to_text
from inithw.engine.course.student import Student
from inithw.engine.course.table import write_grades
from inithw.engine.files import replace_file
from inithw.engine.records import Evidence
from inithw.engine.report.gradescope import to_results, write_results
from inithw.engine.settings import Settings

_RECORDS = "records"
_CLASS = "class.json"
_LOCK = ".lock"
_UNPACKED = ".unpacked-"
_EVIDENCE = ".evidence.npz"
_PRIVATE = 0o600


class ClassFolder:
    """The folder of a class, open for one program at a time.

    Attributes:
        path: The folder.
        records: By the students' ids.
        damaged: Names of files in the place of a record that hold none.
        roster: Everybody who should hand in; empty where nobody said.
    """

    def __init__(self, path: Path) -> None:
        """Name the folder; entering opens it."""
        self.path = path
        self.records: dict[str, Record] = {}
        self.damaged: list[str] = []
        self.roster: tuple[Student, ...] = ()
        self._apart: list[str] = []
        self._ids: dict[tuple[str, str], str] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Make or read the folder.

        Raises:
            CourseError: It cannot be written, or somebody else is writing.
        """
        with self._open:
            self._lock()
            self._read()
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Let others write."""
        self._open.close()

    # ------------------------------------------------------------ reading

    def _lock(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not any(self.path.iterdir()):
                self.path.chmod(0o700)
            (self.path / _RECORDS).mkdir(exist_ok=True, mode=0o700)
            lock = os.open(self.path / _LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
            self._open.callback(os.close, lock)
        except OSError as error:
            raise CourseError(f"{self.path}: cannot be written to ({error.strerror}); choose another folder") from error
        try:
            import fcntl
        except ModuleNotFoundError:  # Windows, where two runs into one folder are the user's own care
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however that ends
        except OSError as error:
            raise CourseError(
                f"{self.path}: another inithw is writing there; wait for it, or choose another folder"
            ) from error

    def _read(self) -> None:
        names = sorted(os.listdir(self.path / _RECORDS))
        for name in names:
            if name.startswith(".") and name.endswith(".part"):  # a program was ended while it wrote this
                self._forget(name)
            elif name.endswith(".json"):
                try:
                    self._know(name.removesuffix(".json"), from_text((self.path / _RECORDS / name).read_bytes()))
                except (RecordError, OSError):
                    self.damaged.append(f"{_RECORDS}/{name}")
        for name in os.listdir(self.path):
            if name.startswith(".") and name.endswith(".part"):
                with contextlib.suppress(OSError):
                    os.unlink(self.path / name)
            elif name.startswith(_UNPACKED):
                shutil.rmtree(self.path / name, ignore_errors=True)
        kept = {record.verdict.evidence for record in self.records.values()}
        kept |= {old.evidence for record in self.records.values() for _, old in record.earlier}
        for name in names:
            if name.endswith(_EVIDENCE) and name not in kept:  # no record came to name it
                self._forget(name)
        self._read_class()

    def _forget(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.path / _RECORDS / name)

    def _know(self, name: str, record: Record) -> None:
        self.records[name] = record
        for key in record.student.identifiers:
            self._ids.setdefault(key, name)

    def _read_class(self) -> None:
        try:
            about: dict[str, Any] = json.loads((self.path / _CLASS).read_bytes())
            self.roster = tuple(Student(**one) for one in about["roster"])
            self._apart = [str(path) for path in about["taken_apart"]]
        except FileNotFoundError:
            return
        except (OSError, ValueError, LookupError, TypeError):
            self.damaged.append(_CLASS)

    # ------------------------------------------------------------ the class

    def trusts(self, path: Path) -> bool:
        """Whether a path may be taken apart: the class is empty, or grew from this path before."""
        return not self.records or os.path.realpath(path) in self._apart

    def remember(self, roster: Sequence[Student], paths: Iterable[Path]) -> None:
        """Keep who should hand in, and which paths held the class."""
        self.roster = tuple(roster) or self.roster
        self._apart = list(dict.fromkeys([*self._apart, *map(os.path.realpath, paths)]))
        about = {"roster": [asdict(one) for one in self.roster], "taken_apart": self._apart}
        replace_file(self.path / _CLASS, json.dumps(about, indent=1, ensure_ascii=False), _PRIVATE)

    def scratch(self) -> Path:
        """A new folder in this one, closed to others, that is gone when the class is closed or opened again."""
        place = Path(tempfile.mkdtemp(prefix=_UNPACKED, dir=self.path))
        self._open.callback(shutil.rmtree, place, ignore_errors=True)
        return place

    def id_of(self, student: Student) -> str:
        """The id of a student's record: that of the record they have, by whatever it knows of them, or a new one."""
        known = [self._ids[key] for key in sorted(student.identifiers) if key in self._ids]
        if known:
            return known[0]
        name, number = student.id, 2
        while name in self.records:
            name, number = f"{student.id}-{number}", number + 1
        return name

    def of(self, student: Student) -> Record | None:
        """A student's record."""
        return self.records.get(self.id_of(student))

    def absent(self) -> list[Student]:
        """Who is on the roster and has no record."""
        return [student for student in self.roster if self.of(student) is None]

    # ------------------------------------------------------------ writing

    def save(self, record: Record, evidence: Evidence | None = None, mark: str = "") -> Record:
        """Write a student's record, evidence first, so that no record ever names evidence that is not its own.

        Args:
            record: Takes the place of the one that the student has.
            evidence: Kept beside it.
            mark: Tells evidence of one submission and grading from another's.

        Raises:
            OSError: The disk is full, or the folder gone.
        """
        name = self.id_of(record.student)
        old = self.records.get(name)
        if old is not None:
            record = replace(record, student=record.student.joined(old.student))
        if evidence is not None:
            file = save_evidence(self.path / _RECORDS, f"{name}.{mark}", record.grade.submission, evidence)
            record = replace(record, verdict=replace(record.verdict, evidence=file.name))
        replace_file(self.path / _RECORDS / f"{name}.json", to_text(record), _PRIVATE)
        kept = {record.verdict.evidence, *(verdict.evidence for _, verdict in record.earlier)}
        if old is not None and old.verdict.evidence not in {*kept, ""}:
            self._forget(old.verdict.evidence)
        self._know(name, record)
        return record

    def write_tables(self, settings: Settings) -> None:
        """Write grades.csv and the results.json that are missing or older than their records.

        Raises:
            OSError: The disk is full, or the folder gone.
        """
        for name, record in self.records.items():
            target = self.path / f"{name}.results.json"
            if not target.exists() or target.stat().st_mtime_ns <= self.record_path(name).stat().st_mtime_ns:
                write_results(target, to_results(record.grade, settings), mode=_PRIVATE)
        write_grades(self.path / "grades.csv", self.records, self.absent())

    def has(self, evidence: str) -> bool:
        """Whether a file of evidence is there."""
        return (self.path / _RECORDS / evidence).is_file()

    def evidence_path(self, record: Record) -> Path:
        """Where the evidence of a record lies."""
        return self.path / _RECORDS / record.verdict.evidence

    def record_path(self, name: str) -> Path:
        """Where a record lies."""
        return self.path / _RECORDS / f"{name}.json"
