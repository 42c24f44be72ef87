"""A class in every form in which platforms export one, made from answers whose scores are known."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inithw.engine.course.student import Student, squashed


@dataclass(frozen=True)
class Person:
    """One student, and what they handed in.

    Attributes:
        first: First name.
        last: Last name.
        number: On the platform; the other numbers follow from it.
        files: What they handed in last, by name.
        late: Whether it came late.
    """

    first: str
    last: str
    number: int
    files: Mapping[str, bytes]
    late: bool = False

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def login(self) -> str:
        return squashed(self.first) + str(self.number % 100)

    @property
    def email(self) -> str:
        return f"{self.login}@uni.edu"

    @property
    def sid(self) -> str:
        return str(700_000 + self.number)

    @property
    def known(self) -> Student:
        return Student(self.name, self.login, self.email, self.sid)


def notebook(source: str) -> bytes:
    """A notebook with the cells of a percent script."""
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": part.strip("\n")}
        for part in source.split("# %%\n")
        if part.strip()
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def gradescope(folder: Path, people: Sequence[Person]) -> None:
    """`submission_N/` and submission_metadata.yml, in which the last two are a group."""
    export = folder / "assignment_4711_export"
    entries = [[person] for person in people[:-2]] + [list(people[-2:])]
    lines = ["---"]
    for group in entries:
        number = 97_300_000 + group[0].number
        for name, data in group[0].files.items():
            put(export / f"submission_{number}" / name, data)
        lines += [f"submission_{number}:", "  :submitters:"]
        for person in group:
            lines += [f"  - :name: {person.name}", f"    :sid: '{person.sid}'", f"    :email: {person.email}"]
        lines += ["  :created_at: 2026-11-03 21:04:05.123456000 Z", "  :score: 8.0", "  :status: processed"]
        lines += [
            "  :results: !ruby/hash:ActiveSupport::HashWithIndifferentAccess",
            "    output: 'a: b'",
            "  :history: []",
        ]
    (export / "submission_metadata.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def canvas(folder: Path, people: Sequence[Person]) -> None:
    """One flat folder; everybody uploaded twice, the first with one byte of another answer."""
    for person in people:
        late = "_LATE" if person.late else ""
        stem = f"{squashed(f'{person.last} {person.first}')}{late}_{person.number}"
        for place, (name, data) in enumerate(person.files.items()):
            first, dot, suffix = name.partition(".")
            put(folder / f"{stem}_{990_000 + 10 * person.number + place}_{first}-1{dot}{suffix}", data)
            if name.endswith(".ipynb"):
                put(folder / f"{stem}_{980_000 + 10 * person.number + place}_{name}", notebook("print_gnorms = 0"))


def moodle(folder: Path, people: Sequence[Person]) -> None:
    """A folder each."""
    for person in people:
        for name, data in person.files.items():
            put(folder / f"{person.name}_{1_230_000 + person.number}_assignsubmission_file_" / name, data)
        put(
            folder / f"{person.name}_{1_230_000 + person.number}_assignsubmission_onlinetext_" / "onlinetext.html",
            b"<p>",
        )


def moodle_flat(folder: Path, people: Sequence[Person]) -> None:
    """All files in one folder."""
    for person in people:
        for name, data in person.files.items():
            put(folder / f"{person.name}_{1_230_000 + person.number}_assignsubmission_file_{name}", data)


def nbgrader(folder: Path, people: Sequence[Person]) -> None:
    """`submitted/STUDENT/hw/`."""
    for person in people:
        for name, data in person.files.items():
            put(folder / "submitted" / person.login / "hw" / name, data)
        put(folder / "submitted" / person.login / "hw" / "timestamp.txt", b"2026-11-03 21:04:05 UTC")


def classroom(folder: Path, people: Sequence[Person]) -> None:
    """A repository each, with what the template held and an experiment beside the homework."""
    for person in people:
        repository = folder / f"hw-init-{person.login}"
        put(repository / ".git" / "HEAD", b"ref: refs/heads/main\n")
        put(repository / "README.md", b"# Homework\n")
        put(repository / "tests" / "q2.py", b"import numpy\nOK_FORMAT = True\n")
        for name, data in person.files.items():
            put(repository / name, data)
        tried = next(data for name, data in person.files.items() if name.endswith(".ipynb"))
        put(repository / "scratch" / "try1.ipynb", tried.replace(b"import", b"x = 1; import", 1))
    (folder / "classroom_roster.csv").write_text("identifier,github_username,github_id,name\n")


def folders(folder: Path, people: Sequence[Person]) -> None:
    """A folder each, called by the login."""
    for person in people:
        for name, data in person.files.items():
            put(folder / person.login / name, data)
    (folder / "README.md").write_text("put yours here\n")


def zips(folder: Path, people: Sequence[Person]) -> None:
    """A zip each, called by the login."""
    for person in people:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / f"{person.login}.zip", "w") as archive:
            for name, data in person.files.items():
                archive.writestr(name, data)


FORMS: dict[str, Callable[[Path, Sequence[Person]], None]] = {
    "gradescope": gradescope,
    "canvas": canvas,
    "moodle": moodle,
    "moodle_flat": moodle_flat,
    "nbgrader": nbgrader,
    "classroom": classroom,
    "folders": folders,
    "zips": zips,
}


def put(path: Path, data: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def zipped(folder: Path) -> Path:
    """The folder as a zip beside it, which is how platforms hand it out."""
    return Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))


def roster(path: Path, people: Sequence[Person]) -> Path:
    """A class list with everybody in it."""
    lines = [f'"{one.last}, {one.first}",{one.number},{one.sid},{one.login},{one.email}' for one in people]
    path.write_text("Student,ID,SIS User ID,SIS Login ID,Email\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


SKELETON = Path(__file__).parent.parent / "assignment" / "homework.ipynb"
_FIRST = ("Anna", "Ben", "Chloé", "Đặng", "Emil", "Fatima", "Göran", "Hana", "Ines", "Jun", "Kaan", "Lê", "Mia", "Noor")
_LAST = ("Müller", "O'Neill", "van den Berg", "Nguyễn", "Sánchez Ruiz", "Al-Sayed", "Ødegård", "Yamada", "Wang", "Kim")


def labelled_class(number: int) -> tuple[list[Person], dict[str, dict[str, float]]]:
    """So many students who hand in labelled answers of this homework, and by login the points of every item."""
    from tests.submissions import ANSWERS, write_answer

    answers = [one for one in ANSWERS if one.transform is None and not one.measured]
    step = max(1, len(answers) // number)
    people, points = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for place in range(number):
            answer = answers[place * step % len(answers)]
            data = write_answer(answer, SKELETON, Path(folder)).read_bytes()
            first, last = _FIRST[place % len(_FIRST)], _LAST[place * 3 % len(_LAST)]
            person = Person(first, last, 41_200 + place, {"homework.ipynb": data}, late=place % 11 == 5)
            people.append(person)
            points[person.login] = answer.expected
    return people, points


def main() -> None:
    """Write a class, and its students.csv beside it."""
    parser = argparse.ArgumentParser(prog="python -m tests.exports", description=__doc__)
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--students", type=int, default=25)
    options = parser.parse_args()
    people, _ = labelled_class(options.students)
    FORMS[options.form](options.folder / options.form, people)
    roster(options.folder / "students.csv", people)


if __name__ == "__main__":
    main()
