"""Joins the names of a class list, students.csv, to what was handed in, and says who handed in nothing."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inithw.engine.course.handin import CourseError, HandIn
from inithw.engine.course.student import Student, fold, squashed

# Headings of the lists that platforms export, in lower case, by what they hold.
COLUMNS: dict[str, tuple[str, ...]] = {
    "name": ("name", "student", "full name", "student name", "names"),
    "first": ("first name", "first_name", "firstname", "given name"),
    "last": ("last name", "last_name", "lastname", "surname", "family name"),
    "login": (
        "login",
        "sis login id",
        "username",
        "user name",
        "login id",
        "github_username",
        "github username",
        "netid",
    ),
    "email": ("email", "email address", "e-mail", "e-mail address", "mail"),
    "sid": ("sid", "sis user id", "student id", "student_id", "id number", "student number", "matriculation number"),
    "roster": ("identifier", "roster_identifier"),
    "id": ("id",),
}


@dataclass(frozen=True, slots=True)
class Headings:
    """Where in a table the columns are that say who a student is."""

    places: dict[str, int]

    @classmethod
    def of(cls, row: Sequence[str]) -> Headings:
        """Read a row of headings."""
        lower = [heading.strip().lstrip("\ufeff").casefold() for heading in row]
        return cls({field: lower.index(name) for field, names in COLUMNS.items() for name in names if name in lower})

    def student(self, row: Sequence[str]) -> Student:
        """Read one student's row."""
        value = {field: row[place].strip() for field, place in self.places.items() if place < len(row)}
        name = value.get("name", "") or " ".join(filter(None, (value.get("first", ""), value.get("last", ""))))
        number, roster = value.get("id", ""), value.get("roster", "")
        platform = ""
        if number.isdecimal():
            platform = f"canvas {number}"
        elif roster.split(" ")[-1].isdecimal() and " " in roster:  # "Participant 1234567"
            platform, roster = f"moodle {roster.split(' ')[-1]}", ""
        email = value.get("email", "") or (roster if "@" in roster else "")
        login = value.get("login", "") or ("" if platform else number)
        sid = value.get("sid", "") or ("" if "@" in roster else roster)
        return Student(name, login, email, sid, platform)


def read_roster(path: Path) -> tuple[Student, ...]:
    """Read a class list: a CSV file with a row of headings; those of Canvas, Moodle, GitHub Classroom are known.

    Raises:
        CourseError: It cannot be read, or no heading says who a student is.
    """
    text = read_text(path)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text)))
    if not rows:
        raise CourseError(
            f"{path}: empty; write a line of headings, such as name,login,email,sid, and a line a student"
        )
    headings = Headings.of(rows[0])
    if not headings.places:
        known = ", ".join(sorted(names[0] for names in COLUMNS.values()))
        raise CourseError(f"{path}: no heading says who a student is ({', '.join(rows[0])[:200]}); known are {known}")
    students = [headings.student(row) for row in rows[1:]]
    return tuple(
        dict.fromkeys(one for one in students if one != Student() and not one.name.startswith("Points Possible"))
    )


def read_text(path: Path) -> str:
    """Text of a CSV file, in whatever encoding a spreadsheet left it.

    Raises:
        CourseError: It cannot be read.
    """
    try:
        return decoded(path.read_bytes())[0]
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror})") from error


def decoded(data: bytes) -> tuple[str, str]:
    """Text and the encoding that turns it back into the same bytes."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16-le" if data.startswith(b"\xff\xfe") else "utf-16-be"
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            pass
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def delimiter_of(text: str) -> str:
    """What separates the cells: what stands most often in the line of headings."""
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


class Roster:
    """A class list, to look students up in."""

    def __init__(self, students: Iterable[Student]) -> None:
        """Sort the list by all that tells students apart."""
        self.students = tuple(students)
        self._by: dict[tuple[str, str], list[Student]] = defaultdict(list)
        for one in self.students:
            for key in _keys(one):
                self._by[key].append(one)

    def find(self, student: Student) -> Student | None:
        """The one row that must be this student; None where there is none, or several."""
        labels = {student.login, student.sid, student.label, student.email.partition("@")[0]} - {""}
        turns = [
            {("id", student.platform_id.casefold())},
            {("email", student.email.casefold())},
            {("sid", student.sid.casefold())},
            {("login", student.login.casefold())},
            {(kind, label.casefold()) for label in labels for kind in ("login", "sid", "email", "box")}
            | {("id", f"canvas {label}") for label in labels},
            {("name", fold(student.name)), ("name", fold(student.label))},
            {("squashed", squashed(student.name)), ("squashed", squashed(student.label))},
        ]
        for keys in turns:
            found = list(dict.fromkeys(row for key in keys if key[1] for row in self._by.get(key, ())))
            if len(found) == 1:
                return found[0]
            if found:
                return None
        return None


def _keys(one: Student) -> set[tuple[str, str]]:
    last, _, first = one.name.partition(",")
    forward, backward = squashed(f"{last} {first}"), squashed(f"{first} {last}") if first else ""
    words = one.name.split()
    turned = squashed(" ".join([words[-1], *words[:-1]])) if not first and words else ""
    keys = {
        ("id", one.platform_id.casefold()),
        ("email", one.email.casefold()),
        ("box", one.email.partition("@")[0].casefold()),
        ("sid", one.sid.casefold()),
        ("login", one.login.casefold()),
        ("name", fold(one.name)),
        *(("squashed", text) for text in (forward, backward, turned)),
    }
    return {key for key in keys if key[1]}


def joined(found: Iterable[HandIn], roster: Roster) -> tuple[list[HandIn], list[str]]:
    """The hand-ins with what the roster knows of their students, and a remark on those that it does not know."""
    hand_ins: list[HandIn] = []
    unknown = []
    for hand_in in found:
        students = []
        for student in hand_in.students:
            row = roster.find(student)
            students.append(row.joined(student) if row else student)
            if row is None:
                unknown.append(student.shown)
        hand_ins.append(replace(hand_in, students=tuple(students)))
    if not unknown:
        return hand_ins, []
    listed = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
    return hand_ins, [f"Not on the roster, or not to be told apart there: {listed}"]
