"""The forms in which platforms export a class: each reader turns a folder's entries into hand-ins.

Names were looked at in real exports: Gradescope's `submission_97316124` with submission_metadata.yml, Canvas's
`mulleranna_LATE_41252_990128_homework-1.ipynb`, Moodle's `Anna Müller_1234567_assignsubmission_file_`, nbgrader's
`submitted/STUDENT/ASSIGNMENT`, GitHub Classroom's `homework-1-LOGIN`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from inithw.engine.course.handin import Candidate, CourseError, HandIn
from inithw.engine.course.student import Student

GRADESCOPE_METADATA = "submission_metadata.yml"

_CANVAS = re.compile(r"(?P<name>[^_]+)(?P<late>_LATE|_late)?_(?P<user>\d+)_(?P<submission>\d+)_(?P<file>.+)", re.DOTALL)
_MOODLE = re.compile(
    r"(?P<name>.+?)_(?P<user>\d+)_assignsubmission_(?P<kind>[a-z]+)_?(?P<file>.*)", re.DOTALL | re.IGNORECASE
)
_UPLOADED_AGAIN = re.compile(r"-(\d{1,2})$")
_CODE = (".ipynb", ".zip", "")  # before scripts, and those before what holds no code
_METADATA = frozenset(
    {GRADESCOPE_METADATA, "grades.csv", "students.csv", "roster.csv", "classroom_roster.csv", "metadata.json"}
    | {
        "otter_config.json",
        "inithw.key",
        "thumbs.db",
        "desktop.ini",
        "readme.md",
        "readme.txt",
        "readme",
        "license",
        "makefile",
    }
)
_METADATA_SUFFIXES = frozenset({".yml", ".yaml", ".csv", ".xlsx", ".log", ".toml", ".cfg", ".ini"})

Reader = Callable[[Path, str], list[HandIn]]


def is_metadata(name: str) -> bool:
    """Whether an entry of a class's folder is about the class, and nobody's submission."""
    name = name.lower()
    return name.startswith((".", "__macosx")) or name in _METADATA or os.path.splitext(name)[1] in _METADATA_SUFFIXES


def entries(folder: Path) -> list[str]:
    """Names in a folder that may be submissions, sorted."""
    try:
        return sorted(name for name in os.listdir(folder) if not is_metadata(name))
    except OSError as error:
        raise CourseError(f"{folder}: cannot be read ({error.strerror})") from error


def recognize(names: Sequence[str], folders: Iterable[str], inner: Callable[[str], Sequence[str]], own: str) -> str:
    """Which platform's export a folder is; empty where it is none.

    Args:
        names: What is in it, metadata included.
        folders: Those of them that are folders.
        inner: Names in one of those.
        own: The folder's own name.
    """
    folders = [name for name in folders if not is_metadata(name)]
    rest = [name for name in names if not is_metadata(name)]
    if GRADESCOPE_METADATA in names:
        return "gradescope"
    if rest and 2 * sum(map(bool, map(_MOODLE.fullmatch, rest))) > len(rest):
        return "moodle"
    if rest and 2 * sum(map(bool, map(_CANVAS.fullmatch, rest))) > len(rest):
        return "canvas"
    if own == "submitted" and folders and len(folders) == len(rest):
        return "nbgrader"
    if len(folders) >= 2 and sum(".git" in inner(name) for name in folders) >= 2:
        return "classroom"
    return ""


# ---------------------------------------------------------------- Gradescope


def gradescope(folder: Path, shown: str) -> list[HandIn]:
    """Read an export with its metadata: who submitted what; the members of a group share one hand-in."""
    metadata = gradescope_metadata(folder / GRADESCOPE_METADATA)
    names = list(dict.fromkeys([*metadata, *(name for name in entries(folder) if (folder / name).is_dir())]))
    return [gradescope_one(folder / name, f"{shown}/{name}", metadata) for name in names]


def gradescope_one(path: Path, shown: str, metadata: dict[str, dict[str, Any]]) -> HandIn:
    """One submission of an export."""
    about = metadata.get(path.name, {})
    submitters = about.get("submitters")
    students = tuple(
        Student(name=_text(one, "name"), email=_text(one, "email"), sid=_text(one, "sid"))
        for one in map(_without_colons, submitters if isinstance(submitters, list) else [])
        if any(_text(one, key) for key in ("name", "email", "sid"))
    )
    number = path.name.removeprefix("submission_")
    late = about.get("late")
    candidate = Candidate(
        path, shown, number, late if isinstance(late, bool) else None, submitted_at=_text(about, "created_at")
    )
    return HandIn(students or (Student(label=path.name),), (candidate,), "gradescope")


@lru_cache(4)  # asked for once for each path that a shell expanded
def gradescope_metadata(file: Path) -> dict[str, dict[str, Any]]:
    """What Gradescope says of each submission, by the folder's name; keys without Ruby's colons."""
    try:
        from inithw.engine.course.plain_yaml import load_plain  # slow to import, rarely needed, not in an image
    except ModuleNotFoundError as missing:
        raise CourseError(f"{file}: {missing.name} is needed to read it: `pip install 'inithw[staff]'`") from missing

    content = load_plain(file)
    if not isinstance(content, dict):
        raise CourseError(f"{file}: not what Gradescope exports, a table of submissions; export the submissions again")
    return {
        name: _without_colons(about)
        for name, about in content.items()
        if isinstance(name, str) and "/" not in name and name not in (".", "..")
    }


def _without_colons(table: Any) -> dict[str, Any]:
    return {str(key).removeprefix(":"): value for key, value in table.items()} if isinstance(table, dict) else {}


def _text(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    return "" if value is None else str(value).strip()


# ---------------------------------------------------------------- Canvas and Moodle


def canvas(folder: Path, shown: str) -> list[HandIn]:
    """Read files `name[_LATE]_user_submission_file`."""
    return _grouped(canvas_one(folder / name, f"{shown}/{name}") for name in entries(folder))


def canvas_one(path: Path, shown: str) -> HandIn | None:
    """One file; Canvas numbers what was uploaded again, `homework-1.ipynb`."""
    found = _CANVAS.fullmatch(path.name)
    if found is None:
        return None
    again = _UPLOADED_AGAIN.search(os.path.splitext(found["file"])[0])
    attempt = int(again[1]) + 1 if again else 1
    student = Student(name=found["name"], platform_id=f"canvas {found['user']}")
    candidate = Candidate(path, shown, found["submission"], bool(found["late"]), attempt)
    return HandIn((student,), (candidate,), "canvas")


def moodle(folder: Path, shown: str) -> list[HandIn]:
    """Read folders `name_number_assignsubmission_file_`, or files with that before their names."""
    grouped = _grouped(moodle_one(folder / name, f"{shown}/{name}") for name in entries(folder))
    return [replace(one, candidates=_handed_in(one.candidates)) for one in grouped]


def _handed_in(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Without the text that Moodle keeps beside every file, unless there is nothing else."""
    return tuple(one for one in candidates if not _typed_in(one)) or candidates


def _typed_in(candidate: Candidate) -> bool:
    return "_onlinetext" in candidate.path.name


def moodle_one(path: Path, shown: str) -> HandIn | None:
    """One student's folder, or file; a text that was typed in counts where no file was handed in."""
    found = _MOODLE.fullmatch(path.name)
    if found is None:
        return None
    student = Student(name=found["name"], platform_id=f"moodle {found['user']}")
    return HandIn((student,), (Candidate(path, shown),), "moodle")


def _grouped(found: Iterable[HandIn | None]) -> list[HandIn]:
    """One hand-in for each student, its candidates in the order in which they count."""
    groups: dict[Student, list[HandIn]] = {}
    for hand_in in found:
        if hand_in is not None:
            groups.setdefault(hand_in.students[0], []).append(hand_in)
    return [together(group) for group in groups.values()]


def together(group: Sequence[HandIn]) -> HandIn:
    """The hand-ins of one student as one, that which counts first.

    The rule: what may hold a notebook before scripts, those before everything else; then what was submitted, numbered
    or uploaded last.
    """
    first = group[0]
    candidates = sorted((candidate for one in group for candidate in one.candidates), key=_precedence, reverse=True)
    who = first.students[0]
    for one in group[1:]:
        who = who.joined(one.students[0])
    students = (who, *first.students[1:])
    return HandIn(students, tuple(candidates), first.platform, first.preferred)


def _precedence(candidate: Candidate) -> tuple[int, str, int, int, str]:
    suffix = candidate.path.suffix.lower()
    folder = suffix not in (".ipynb", ".zip", ".py") and candidate.path.is_dir()
    kind = 0 if _typed_in(candidate) else 2 if suffix in _CODE or folder else 1 if suffix == ".py" else 0
    number = int(candidate.submission_id) if candidate.submission_id.isdecimal() else 0
    return kind, candidate.submitted_at, candidate.attempt or 0, number, candidate.shown


# ---------------------------------------------------------------- nbgrader, Classroom, folders


def nbgrader(folder: Path, shown: str) -> list[HandIn]:
    """Read `submitted/STUDENT/ASSIGNMENT`: the folder's name is the student's id."""
    return [nbgrader_one(folder / name, f"{shown}/{name}") for name in entries(folder) if (folder / name).is_dir()]


def nbgrader_one(path: Path, shown: str) -> HandIn:
    """One student's folder; the time is that of the assignment, where there is only one."""
    stamps = sorted(path.glob("*/timestamp.txt"))
    stamp = ""
    if len(stamps) == 1:
        with open(stamps[0], encoding="utf-8", errors="replace") as file:
            stamp = file.read(100).strip()
    return HandIn((Student(login=path.name),), (Candidate(path, shown, submitted_at=stamp),), "nbgrader")


def classroom(folder: Path, shown: str, preferred: str) -> list[HandIn]:
    """Read repositories `ASSIGNMENT-LOGIN`: what all names begin with is the assignment."""
    prefix = classroom_prefix(folder)
    names = [name for name in entries(folder) if (folder / name).is_dir()]
    return [classroom_one(folder / name, f"{shown}/{name}", prefix, preferred) for name in names]


def classroom_one(path: Path, shown: str, prefix: str, preferred: str) -> HandIn:
    """One repository."""
    login = path.name.removeprefix(prefix) if prefix else ""
    student = Student(login=login, label=path.name)
    return HandIn((student,), (Candidate(path, shown),), "classroom", preferred)


@lru_cache(4)
def classroom_prefix(folder: Path) -> str:
    """What the names of all repositories in a folder have in common, up to a hyphen; empty for a single one."""
    names = [name for name in entries(folder) if (folder / name / ".git").exists()]
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[: first.rfind("-", 0, same) + 1]


def each(folder: Path, shown: str) -> list[HandIn]:
    """Read a folder of which every entry is one student's."""
    return [one(folder / name, f"{shown}/{name}") for name in entries(folder)]


def one(path: Path, shown: str) -> HandIn:
    """One path, that of one student of whom only its name is known."""
    return HandIn((Student(label=label_of(path)),), (Candidate(path, shown),))


def label_of(path: Path) -> str:
    """What a path says of its student: its name; a file that everybody calls the same, its folder's name."""
    path = path.absolute() if path.name in ("", ".", "..") else path
    path = path.resolve() if path.name in ("", ".", "..") else path
    plain = path.stem if path.suffix.lower() in (".ipynb", ".py", ".zip") else path.name
    if plain.lower() in ("homework", "submission", "solution", "assignment", "hw", "untitled") and path.suffix:
        return path.absolute().parent.name or plain
    return plain or "submission"
