"""Reads a submission: hostile bytes in, code cells out; nothing is executed, unpacked to disk or followed."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from os import fstat
from pathlib import Path, PurePosixPath

from inithw.engine.homework import Homework
from inithw.engine.records import HelperFile, Submission
from inithw.engine.submission.files import File, folder_files, opened, read, zip_files
from inithw.engine.submission.foreign import name_foreign, say_what_it_is
from inithw.engine.submission.handout import handout_cells, newlines, normalize, other_handout, read_cell
from inithw.engine.submission.limits import (
    MAX_CELLS,
    MAX_CODE,
    MAX_DEPTH,
    MAX_ENTRIES,
    MAX_FILE,
    MAX_HELPER,
    MAX_HELPERS,
    NAME_LIMIT,
    ONE,
    SAVE,
    Budget,
    NotGradable,
    label_of,
)
from inithw.engine.submission.notebook import TOO_MUCH_CODE, bounded, decoded, notebook_sources, unknown
from inithw.engine.submission.script import is_marimo, script_sources
from inithw.engine.text import clean, replace_surrogates

__all__ = [
    "MAX_CELLS",
    "MAX_CODE",
    "MAX_DEPTH",
    "MAX_ENTRIES",
    "MAX_FILE",
    "NAME_LIMIT",
    "NotGradable",
    "handout_cells",
    "normalize",
    "read_submission",
]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_PYTHON = re.compile(r"^[ \t]*+(?:import|from)[ \t]+(?:torch|numpy|matplotlib)\b|^# ?%%|^# In ?\[", re.MULTILINE)
_STUB = re.compile(r"^[^#\n]*\btodo\(\s*[\"'](\w+)[\"']", re.MULTILINE)
_MOST_CANDIDATES = 100
_PERHAPS_DATA = (".txt", ".json", "")  # no submission unless a notebook is in it
_HELPER_NAME = re.compile(r"(?:[\w-][\w. -]{0,99}/){0,4}[\w-][\w. -]{0,99}\.py")
_OF_TESTS = frozenset({"tests", "test"})  # the handout's folder of local checks, or a student's


def read_submission(
    path: Path, homework: Homework, *, only: str | None = None, preferred: str | None = None, name: str | None = None
) -> Submission:
    """Read the code cells of a submission.

    Args:
        homework: Whose notebook it should be: tells it from others, and given cells from a student's.
        path: A notebook (nbformat 1 to 4), a Python file (with marked cells, or cut at its headings), a zip or a folder
            holding one, with Python files that it imports. Content decides, not the extension.
        only: Of a folder or zip, the file of this name or path counts and no other.
        preferred: Of several files with answers, the one with this path therein counts, or else none.
        name: What to call the submission, by default the path.

    Raises:
        NotGradable: No code cells can be had from it.
    """
    label = label_of(path.name or str(path))
    reader = _Reader(homework, only, preferred)
    with opened(label, path) as descriptor:
        if stat.S_ISDIR(fstat(descriptor).st_mode):
            code = reader.pick(label, folder_files(label, descriptor))
        else:
            code = reader.from_bytes(label, read(label, descriptor, reader.budget))
    notes = code.notes if code.label == label else (f"Graded {code.label}.", *code.notes)
    if not code.is_of(homework):
        notes += (f"Found neither {' nor '.join(homework.names)}: is this the right homework?",)
    if other := other_handout(code.sources, homework):
        notes += (f"Made from the handout of {other}; the current one is {homework.version}.",)
    cells = tuple(read_cell(number, source, homework) for number, source in enumerate(code.sources, start=1))
    return Submission(
        name=clean(name or str(path), NAME_LIMIT),
        cells=cells,
        digest=_digest([cell.source for cell in cells], code.files),
        notes=notes,
        files=code.files,
    )


def _digest(sources: Sequence[str], files: Sequence[HelperFile]) -> str:
    """Hash of what a worker is sent, all of it and nothing else; lengths keep the borders."""
    digest = hashlib.sha256()
    parts = [("cell", source) for source in sources]
    parts += [part for file in files for part in (("file", file.name), ("text", file.text))]
    for kind, text in parts:
        data = text.encode()
        digest.update(kind.encode() + len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Code:
    """Code read from one file.

    Attributes:
        label: The file, as messages call it.
        sources: Its code cells.
        notebook: Whether it is a notebook rather than a script.
        notes: Remarks on the way to it.
        files: Python files beside it.
    """

    label: str
    sources: tuple[str, ...]
    notebook: bool
    notes: tuple[str, ...] = ()
    files: tuple[HelperFile, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Equal for two files whose cells count as the same."""
        return _digest([source for source in map(normalize, self.sources) if source], ())

    def is_of(self, homework: Homework) -> bool:
        """Whether it is this homework: a name of it stands outside of comments."""
        named = re.compile(rf"^[^#\n]*\b(?:{'|'.join(map(re.escape, homework.names))})\b", re.MULTILINE)
        return any(map(named.search, self.sources))

    def is_blank(self, homework: Homework) -> bool:
        """Whether it is this homework and the stubs of all questions are still there."""
        stubs = {stub for source in self.sources for stub in _STUB.findall(source)}
        return self.is_of(homework) and stubs >= {item.question for item in homework.rubric}


@dataclass(slots=True)
class _Found:
    """What the files of a folder or zip turned out to be.

    Attributes:
        codes: Notebooks and scripts, each with its path therein.
        failures: Why other files could not be read.
    """

    codes: list[tuple[str, _Code]]
    failures: list[NotGradable]


class _Reader:
    """Reads one submission of a homework, within a budget."""

    def __init__(self, homework: Homework, only: str | None = None, preferred: str | None = None) -> None:
        self.homework, self.only, self.preferred = homework, only, preferred
        self.budget = Budget()

    def from_bytes(self, label: str, data: bytes, *, inner: bool = False, zips: int = 0) -> _Code:
        """Read a file by its content.

        Args:
            label: The file, as messages call it.
            data: Its bytes, which the budget has paid for.
            inner: Whether it lies in a folder or zip.
            zips: How many zips it lies in.
        """
        if data.startswith(_ZIP):
            if zips == 2:
                raise NotGradable(f"{label} is a zip within a zip within a zip. {ONE}")
            return self.pick(label, zip_files(label, data), within=f"{label}/" if inner else "", zips=zips + 1)
        say_what_it_is(label, data)
        text = decoded(label, data)
        suffix = PurePosixPath(label).suffix.lower()
        if text.startswith(("{", "[")) and (suffix != ".py" or '"cells"' in text or '"worksheets"' in text):
            return _Code(label, bounded(label, notebook_sources(label, data, text)), notebook=True)
        if "\0" in text or not (suffix == ".py" or _PYTHON.search(text)):
            raise unknown(label)
        if len(text) > MAX_CODE:
            raise NotGradable(TOO_MUCH_CODE.format(label))
        text = newlines(text)
        if is_marimo(text):
            raise NotGradable(f"{label} is a marimo notebook. Run `marimo export ipynb {label}` and submit the result.")
        return _Code(label, bounded(label, script_sources(text)), notebook=False)

    def pick(self, label: str, files: list[File], *, within: str = "", zips: int = 0) -> _Code:
        """Read the one file that holds the homework, and the Python files beside it.

        Args:
            label: The folder or zip, as messages call it.
            files: What is in it.
            within: Put before the files' names in messages.
            zips: How many zips the files lie in.
        """
        beside = _own(files)
        own = _named(label, beside, self.only)
        notebooks = self._read(label, [file for file in own if file.suffix == ".ipynb"], within, zips)
        found = notebooks
        if not any(code.is_of(self.homework) and not code.is_blank(self.homework) for _name, code in notebooks.codes):
            may_be = [file for file in own if file.suffix in (".py", *_PERHAPS_DATA) and not _is_test(file)]
            scripts = self._read(label, may_be, within, zips)
            found = _Found(notebooks.codes + scripts.codes, notebooks.failures + scripts.failures)
        if not found.codes:
            inner = self._read(label, [file for file in own if file.suffix == ".zip"], within, zips, most=1)
            found = _Found(inner.codes, found.failures + inner.failures)
        if not found.codes:
            raise _nothing_found(label, files, own, found.failures)
        name, code = self._choose(label, found)
        return code if code.files else self._with_helpers(code, name, beside)

    def _read(self, label: str, files: list[File], within: str, zips: int, most: int = _MOST_CANDIDATES) -> _Found:
        if len(files) > most:
            raise NotGradable(f"{label} holds {len(files)} files that could be the homework. {ONE}")
        found = _Found([], [])
        for file in files:
            try:
                code = self.from_bytes(label_of(within + file.name), file.read(self.budget), inner=True, zips=zips)
            except NotGradable as failure:
                if file.suffix not in _PERHAPS_DATA:
                    found.failures.append(failure)
            else:
                if code.notebook or file.suffix not in _PERHAPS_DATA:
                    found.codes.append((file.name, code))
        return found

    def _choose(self, label: str, found: _Found) -> tuple[str, _Code]:
        """Take the file with this homework's answers, or say which files leave it open.

        An answered notebook comes first, then an answered script, then what is still blank, then what is another's.
        """
        unique: dict[str, tuple[str, _Code]] = {}
        copies = [
            code for name, code in found.codes if unique.setdefault(code.fingerprint, (name, code))[1] is not code
        ]
        kinds: list[list[tuple[str, _Code]]] = [[] for _ in range(6)]
        for name, code in unique.values():
            kinds[self._rank(code)].append((name, code))
        rank, left = next((rank, kind) for rank, kind in enumerate(kinds) if kind)
        aside: list[_Code] = []
        if len(left) > 1 and (wanted := [one for one in left if one[0] == self.preferred]):
            left, aside = wanted, [code for name, code in left if name != self.preferred]
        if len(left) > 1:
            names = _names([code for _name, code in left])
            raise NotGradable(f"{label} holds several notebooks or scripts with different code: {names}. {ONE}")
        name, chosen = left[0]
        lower = [[code for _name, code in kind] for kind in kinds[rank + 1 :]]
        lower = [[]] * (6 - len(lower)) + lower
        scripts = lower[1] if chosen.notebook else []
        ignored = (
            (aside, "not where the homework belongs"),
            (copies, "the same code"),
            (lower[4] + lower[5], "not this homework"),
            (lower[2] + lower[3], "nothing answered in it"),
            (scripts, "the notebook counts"),
        )
        notes = [f"Ignored {_names(group)}: {why}." for group, why in ignored if group]
        notes += [f"Could not read a file: {failure}" for failure in found.failures[:3]]
        return name, replace(chosen, notes=(*chosen.notes, *notes))

    def _rank(self, code: _Code) -> int:
        """0 and 1: an answered notebook or script of this homework; 2 and 3: a blank one; 4 and 5: another's."""
        of_homework, blank = code.is_of(self.homework), code.is_blank(self.homework)
        return (0 if of_homework and not blank else 2 if blank else 4) + (not code.notebook)

    def _with_helpers(self, code: _Code, chosen: str, files: list[File]) -> _Code:
        """The code with the Python files beside it, as it would import them; the first of a name counts."""
        folder = chosen.rpartition("/")[0]
        helpers: dict[str, str] = {}
        left_out: list[str] = []
        left = MAX_CODE
        for file in files:
            inside = not folder or file.name.startswith(folder + "/")
            name = file.name[len(folder) + 1 :] if folder and inside else file.name
            if file.suffix != ".py" or file.name == chosen or _is_test(file) or name in helpers:
                continue
            text = self._helper(file, name, left) if len(helpers) < MAX_HELPERS else None
            if text is None:
                left_out.append(label_of(name))
            else:
                helpers[name] = text
                left -= len(text)
        found = tuple(HelperFile(name, text) for name, text in sorted(helpers.items()))
        note = (
            f"Not there when the code ran: {clean(', '.join(left_out[:5]), 300)} ({len(left_out)} in all). Up to "
            f"{MAX_HELPERS} Python files of {MAX_HELPER:,} characters, with plain names, can be imported."
        )
        return replace(code, files=found, notes=(*code.notes, note) if left_out else code.notes)

    def _helper(self, file: File, name: str, left: int) -> str | None:
        """The text of a file that can be imported; None where it cannot."""
        if not _HELPER_NAME.fullmatch(name):
            return None
        try:
            text = newlines(replace_surrogates(decoded(name, file.read(self.budget))))
        except NotGradable:
            return None
        return text if len(text) <= min(MAX_HELPER, left) and "\0" not in text else None


def _own(files: list[File]) -> list[File]:
    """The files that are neither hidden nor of an environment, nearest to the top first."""
    environments = {file.name.removesuffix("/pyvenv.cfg") for file in files if file.name.endswith("/pyvenv.cfg")}
    own = [file for file in files if not file.skipped and not environments.intersection(_folders(file.name))]
    return sorted(own, key=lambda file: (file.name.count("/"), file.name))


def _named(label: str, files: list[File], only: str | None) -> list[File]:
    """The file that was asked for by name; where there is none, the zips in which it may be."""
    if only is None:
        return files
    wanted = PurePosixPath(only).parts
    named = [file for file in files if PurePosixPath(file.name).parts[-len(wanted) :] == wanted]
    if left := named[:1] or [file for file in files if file.suffix == ".zip"]:
        return left
    names = clean(", ".join(file.name for file in files[:3]), 200) or "nothing"
    raise NotGradable(f"{label} holds no {label_of(only)}, which was asked for; found: {names}.")


def _folders(name: str) -> Iterator[str]:
    """The folders that a file lies in, outermost first, as deep as folders are looked into."""
    return accumulate(name.split("/", MAX_DEPTH + 1)[:-1], "{}/{}".format)


def _is_test(file: File) -> bool:
    return not _OF_TESTS.isdisjoint(file.name.lower().split("/")[:-1])


def _nothing_found(label: str, files: list[File], own: list[File], failures: list[NotGradable]) -> NotGradable:
    if failures:
        return failures[0]
    if any(".ipynb_checkpoints/" in f"/{file.name}" and file.suffix == ".ipynb" for file in files):
        return NotGradable(
            f"{label} holds a notebook in .ipynb_checkpoints only: Jupyter's automatic copy, perhaps an old one. "
            "Submit the notebook itself."
        )
    names = clean(", ".join(file.name for file in own[:3]), 200) or "nothing"
    foreign = next(filter(None, (name_foreign(label_of(file.name)) for file in own)), SAVE)
    return NotGradable(f"{label} holds no notebook; found: {names}. {foreign}")


def _names(found: list[_Code]) -> str:
    return clean(", ".join(code.label for code in found), 300)
