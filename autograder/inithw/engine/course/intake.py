"""From the paths of a command line to hand-ins: one for each student or group, whatever form a class comes in."""

from __future__ import annotations

import os
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inithw.engine.course import exports
from inithw.engine.course.handin import CourseError, HandIn, Intake
from inithw.engine.course.roster import Roster, joined
from inithw.engine.course.student import Student
from inithw.engine.course.unpacking import members, unpack

LAYOUTS = ("auto", "gradescope", "canvas", "moodle", "nbgrader", "classroom", "each", "one")


def collect(
    paths: Sequence[Path],
    scratch: Callable[[], Path],
    *,
    preferred: str,
    layout: str = "auto",
    roster: Roster | None = None,
    trusted: Callable[[Path], bool] = lambda _path: True,
) -> Intake:
    """Find what each student handed in.

    A single path that is a platform's export, folder or zip, is taken apart; so is one of several folders or zips with
    no file of code beside them. Of several paths each is one submission, and so is a path that by its own name or its
    neighbours is one student's: what a student put into it never makes it a class. `layout` says outright what all
    paths are, `each` a class with one entry for each student, `one` single submissions.

    Args:
        paths: Of the command line.
        scratch: Gives a new folder, to which a zip of a class may be unpacked.
        preferred: Where a repository keeps its answers.
        layout: One of `LAYOUTS`.
        roster: Tells who they are.
        trusted: Whether a path may be taken apart without being told so.

    Raises:
        CourseError: A path is not of the layout named, or an export is damaged.
    """
    found: list[HandIn] = []
    remarks: list[str] = []
    apart: list[Path] = []
    paths = list(dict.fromkeys(paths))
    for path in paths:
        if path.name == exports.GRADESCOPE_METADATA and layout != "one":
            remarks.append(f"{path}: read for names, not a submission")
            continue
        folder, kind = _opened(path, scratch, layout, alone=len(paths) == 1)
        if kind == "":
            found.append(_single(path, layout, preferred))
            continue
        if layout == "auto" and not trusted(path):
            raise CourseError(
                f"{path}: looks like {_KINDS[kind].partition(' (')[0]}, and the class has records already. If it is "
                f"more of the class, say `--layout {kind}`; if it is one student's, say `--layout one`"
            )
        inside = _read(folder, str(path), kind, preferred)
        if not inside:
            raise CourseError(f"{path}: holds no submission in the layout `{kind}`; --layout names another")
        remarks.append(f"{path}: {_KINDS[kind]}, {len(inside)} hand-in{'s' * (len(inside) != 1)}")
        remarks += _left_aside(folder, inside)
        found += inside
        apart.append(path)
    found = _told_apart(found)
    if roster is not None:
        found, unknown = joined(found, roster)
        remarks += unknown
    return Intake(_one_each(found, remarks), tuple(remarks), tuple(apart))


_KINDS = {
    "gradescope": "an export of Gradescope",
    "canvas": "an export of Canvas",
    "moodle": "an export of Moodle",
    "nbgrader": "nbgrader's folder of submissions",
    "classroom": "repositories of GitHub Classroom",
    "each": "a class, every entry one student's (--layout one if all is one student's)",
}


@dataclass(frozen=True, slots=True)
class _Tree:
    """Names in a folder or a zip.

    Attributes:
        inside: Of a path therein, the names and which of them are folders.
    """

    inside: Callable[[str], dict[str, bool]]

    def kind(self, at: str, own: str) -> str:
        """Which platform's export lies at a path therein; empty where none does."""
        names = self.inside(at)
        folders = [name for name, folder in names.items() if folder]
        return exports.recognize(list(names), folders, lambda name: list(self.inside(f"{at}/{name}")), own)

    def located(self, at: str, own: str) -> tuple[str, str]:
        """Where in the tree a class lies, and in which layout; the layout is empty where there is none."""
        if kind := self.kind(at, own):
            return at, kind
        names = self.inside(at)
        wanted = [name for name in names if not exports.is_metadata(name)]
        if names.get("submitted") and (kind := self.kind(f"{at}/submitted", "submitted")):
            return f"{at}/submitted", kind
        if len(wanted) == 1 and names[wanted[0]]:  # a folder around the export
            inner, kind = self.located(f"{at}/{wanted[0]}", wanted[0])
            if kind:
                return inner, kind
        return at, "each" if _is_class(names) else ""


def _in_folder(root: Path) -> _Tree:
    def inside(at: str) -> dict[str, bool]:
        try:
            with os.scandir(f"{root}{at}") as found:
                return {entry.name: entry.is_dir(follow_symlinks=False) for entry in found}
        except OSError:
            return {}

    return _Tree(inside)


def _in_zip(names: Sequence[str]) -> _Tree:
    table: dict[str, dict[str, bool]] = defaultdict(dict)
    for name in names:
        parts = name.strip("/").split("/")
        for depth, part in enumerate(parts):
            above = "".join(f"/{folder}" for folder in parts[:depth])
            table[above][part] = table[above].get(part, False) or depth + 1 < len(parts)
    return _Tree(lambda at: table.get(at, {}))


def _opened(path: Path, scratch: Callable[[], Path], layout: str, *, alone: bool) -> tuple[Path, str]:
    """The folder in which a class lies, and its layout; the layout is empty where the path is one submission."""
    if layout == "one" or not path.exists() or (layout == "auto" and (not alone or _is_ones(path))):
        return path, ""
    if path.is_dir():
        at, kind = _in_folder(path).located("", path.resolve().name)
        return Path(f"{path}{at}"), kind if layout == "auto" else layout
    if not zipfile.is_zipfile(path):
        if layout != "auto" and not _named(path, layout):
            raise CourseError(f"{path}: neither a folder nor a zip, which `--layout {layout}` takes apart")
        return path, ""
    at, kind = _in_zip(members(path)).located("", path.stem)
    if layout == "auto" and not kind:
        return path, ""
    folder = scratch()
    unpack(path, folder)
    return Path(f"{folder}{at}"), kind if layout == "auto" else layout


def _is_ones(path: Path) -> bool:
    """Whether a path by its own name or its neighbours is one student's, whatever is in it."""
    return any(_named(path, layout) for layout in LAYOUTS[1:-2])


def _named(path: Path, layout: str) -> bool:
    real = Path(os.path.abspath(path))
    if layout == "gradescope":
        metadata = real.parent / exports.GRADESCOPE_METADATA
        return metadata.is_file() and real.name in exports.gradescope_metadata(metadata)
    if layout == "canvas":
        return exports.canvas_one(real, "") is not None
    if layout == "moodle":
        return exports.moodle_one(real, "") is not None
    if layout == "nbgrader":
        return real.parent.name == "submitted" and real.is_dir()
    return layout == "classroom" and (real / ".git").exists()


def _is_class(names: Mapping[str, bool]) -> bool:
    """Whether folders or zips, two at least, are all that may hold code, and nothing says that it is one repository."""
    if ".git" in names:
        return False
    wanted = {name: folder for name, folder in names.items() if not exports.is_metadata(name)}
    packed = [name for name, folder in wanted.items() if folder or name.lower().endswith(".zip")]
    loose = [name for name, folder in wanted.items() if not folder and name.lower().endswith((".ipynb", ".py"))]
    return len(packed) >= 2 and not loose


def _read(folder: Path, shown: str, kind: str, preferred: str) -> list[HandIn]:
    if kind == "gradescope":
        return exports.gradescope(folder, shown)
    if kind == "canvas":
        return exports.canvas(folder, shown)
    if kind == "moodle":
        return exports.moodle(folder, shown)
    if kind == "nbgrader":
        return exports.nbgrader(folder, shown)
    if kind == "classroom":
        return exports.classroom(folder, shown, preferred)
    return exports.each(folder, shown)


def _left_aside(folder: Path, inside: Sequence[HandIn]) -> list[str]:
    used = {candidate.path.name for hand_in in inside for candidate in hand_in.candidates}
    rest = [name for name in exports.entries(folder) if name not in used and "_onlinetext" not in name]
    if not rest:
        return []
    listed = ", ".join(rest[:5]) + (f" and {len(rest) - 5} more" if len(rest) > 5 else "")
    return [f"Left aside, nobody's submission by its name: {listed}"]


def _single(path: Path, layout: str, preferred: str) -> HandIn:
    """A path that is one submission; its name and its neighbours may say whose."""
    real, shown = Path(os.path.abspath(path)), str(path)
    kinds = LAYOUTS[1:-2] if layout == "auto" else (layout,)
    kind = next((kind for kind in kinds if _named(path, kind)), "")
    if kind == "gradescope":
        metadata = exports.gradescope_metadata(real.parent / exports.GRADESCOPE_METADATA)
        return _at(path, exports.gradescope_one(real, shown, metadata))
    if kind == "classroom":
        return _at(path, exports.classroom_one(real, shown, exports.classroom_prefix(real.parent), preferred))
    if kind == "nbgrader":
        return _at(path, exports.nbgrader_one(real, shown))
    named = exports.canvas_one(real, shown) if kind == "canvas" else None
    named = exports.moodle_one(real, shown) if kind == "moodle" else named
    return _at(path, named) if named else exports.one(path, shown)


def _at(path: Path, hand_in: HandIn) -> HandIn:
    """The hand-in with its path as it was given."""
    return replace(hand_in, candidates=(replace(hand_in.candidates[0], path=path),))


def _told_apart(found: Sequence[HandIn]) -> list[HandIn]:
    """Two paths of the same name are two students where only the name is known: then the folders above name them."""
    same: dict[str, list[HandIn]] = defaultdict(list)
    for hand_in in found:
        if hand_in.students == (Student(label=hand_in.students[0].label),):
            same[hand_in.students[0].label].append(hand_in)
    told = []
    for hand_in in found:
        alike = same.get(hand_in.students[0].label, [])
        if hand_in in alike and len(alike) > 1:
            paths = [Path(os.path.abspath(one.candidates[0].path)).parts for one in alike]
            deep = next(depth for depth in range(1, 100) if len({parts[-depth:] for parts in paths}) == len(set(paths)))
            own = Path(os.path.abspath(hand_in.candidates[0].path)).parts
            hand_in = replace(hand_in, students=(Student(label="/".join(own[-deep:])),))
        told.append(hand_in)
    return told


def _one_each(found: Sequence[HandIn], remarks: list[str]) -> tuple[HandIn, ...]:
    """Join what the same student handed in twice; of two groups, the one named first has the student."""
    groups: list[list[HandIn]] = []
    at: dict[tuple[str, str], int] = {}
    for hand_in in found:
        places = [_place(student, at) for student in hand_in.students]
        known = [place for place in places if place is not None]
        alone = len(hand_in.students) == 1 and known and len(groups[known[0]][0].students) == 1
        if alone:
            groups[known[0]].append(hand_in)
        else:
            fresh = [one for one, place in zip(hand_in.students, places, strict=True) if place is None]
            for student, place in zip(hand_in.students, places, strict=True):
                if place is not None:
                    counted = groups[place][0].shown
                    remarks.append(f"{student.shown} is in two submissions: {counted} counts, {hand_in.shown} does not")
            if not fresh:
                continue
            known = [len(groups)]
            groups.append([replace(hand_in, students=tuple(fresh))])
        for student in hand_in.students:
            for key in student.identifiers:
                at.setdefault(key, known[0])
    return tuple(group[0] if len(group) == 1 else exports.together(group) for group in groups)


def _place(student: Student, at: dict[tuple[str, str], int]) -> int | None:
    return next((at[key] for key in sorted(student.identifiers) if key in at), None)
