"""Reads a submission: hostile bytes in, code cells out; nothing is executed, unpacked to disk or followed.

Notebooks and percent scripts are read here and not by nbformat and jupytext: nbformat refuses notebooks that
lack a field and takes 10 s for 18 MB of small outputs, jupytext takes 7 s for 20,000 cells and loads YAML from the
file. All that is wanted is the text of the code cells; the tests hold the readers against both libraries.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from io import BytesIO
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from inithw.engine.homework import Homework
from inithw.engine.records import Cell, Submission
from inithw.engine.text import clean, replace_surrogates

MAX_FILE = 100_000_000  # bytes of one file, decompressed
MAX_TOTAL = 200_000_000  # bytes read for one submission
MAX_READS = 500  # files opened for one submission
MAX_ENTRIES = 50_000  # names looked at in a folder or zip
MAX_DEPTH = 20  # folders within folders
MAX_MEMORY = 300 << 20  # bytes that reading one file may take: the smallest container has 768 MB for everything
VALUE_MEMORY = 120  # bytes of a small JSON value, with its place in a list
MAX_CELLS = 2_000  # code cells
MAX_CODE = 2_000_000  # characters of code
NAME_LIMIT = 4096  # characters of a submission's name in messages

_SAVE = (
    "Submit the notebook itself as .ipynb (Jupyter: File > Save and Export Notebook As > Notebook; "
    "Colab: File > Download > Download .ipynb)."
)
_SMALLER = "Clear the outputs of the notebook (Jupyter: Edit > Clear Outputs of All Cells), save, submit again."
_TOO_MUCH_CODE = f"{{}} has more than {MAX_CODE} characters of code. Remove data pasted into cells."
_ONE = "Submit only the one notebook that holds your answers."

# Where other file formats show themselves: offset, bytes, name.
_FORMATS = (
    (0, b"%PDF", "a PDF"),
    (0, b"\x1f\x8b", "a gzip archive (.gz, .tar.gz)"),
    (257, b"ustar", "a tar archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Word or Excel document"),
    (0, b"{\\rtf", "a rich-text document (RTF)"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")

# What to look for in a folder or zip, in turn, and how many of them may be there.
_TURNS = (((".ipynb",), 100), ((".py", ".txt", ".json", ""), 100), ((".zip",), 1))
_DATA = (".txt", ".json", "")  # data unless a notebook is in it
_SKIPPED = frozenset({"__MACOSX", "__pycache__", "site-packages", "node_modules"})

_PERCENT = re.compile(r"^[ \t]*+#[ \t]*%%+((?:[ \t].*)?)$", re.MULTILINE)  # `# %%`, `# %% [markdown]`, not `# %%time`
_PERCENT_TEXT = re.compile(r"(?:^|\s)\[(?:markdown|md|raw)\]")
_EXPORTED = re.compile(r"^# In ?\[[ \d]*\]:()[ \t]*$", re.MULTILINE)  # nbconvert
_PYTHON = re.compile(r"^[ \t]*+(?:import|from)[ \t]+(?:torch|numpy|matplotlib)\b|^# ?%%|^# In ?\[", re.MULTILINE)
_MARKUP = re.compile(r"<[!?a-z]", re.IGNORECASE)
_STUB = re.compile(r"^[^#\n]*\btodo\(\s*[\"'](\w+)[\"']", re.MULTILINE)

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class NotGradable(Exception):
    """There is nothing to grade; the message is one line: what is wrong and what to do."""


def read_submission(path: Path, homework: Homework) -> Submission:
    """Read the code cells of a submission.

    Args:
        homework: Whose notebook it should be: tells it from others, and given cells from a student's.
        path: A notebook (nbformat 1 to 4), a Python file (percent cells, exported by nbconvert, or a plain
            script, which is one cell), a zip or a folder holding one. Content decides, not the extension.

    Raises:
        NotGradable: No code cells can be had from it.
    """
    label = _label(path.name or str(path))
    budget = _Budget(homework)
    with _opened(label, path) as descriptor:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            code = _pick(label, _folder_files(label, descriptor), budget)
        else:
            code = _from_bytes(label, _read(label, descriptor, budget), budget)
    notes = code.notes if code.label == label else (f"Graded {code.label}.", *code.notes)
    if not code.is_of(homework):
        notes += (f"Found neither {' nor '.join(homework.names)}: is this the right homework?",)
    return Submission(
        name=clean(str(path), NAME_LIMIT),
        cells=tuple(_cell(number, source, homework) for number, source in enumerate(code.sources, start=1)),
        digest=code.digest,
        notes=notes,
    )


def normalize(source: str) -> str:
    r"""Return `source` with "\n" newlines, without trailing whitespace and outer blank lines.

    Two cells with equal normalized sources count as the same cell.
    """
    lines = [line.rstrip() for line in _newlines(source).split("\n")]
    return "\n".join(lines).strip("\n")


# ---------------------------------------------------------------- cells


def _cell(number: int, source: str, homework: Homework) -> Cell:
    demonstration = _handout(homework.handout).get(_fingerprint(source))
    return Cell(number, source, given=demonstration is not None, demonstration=demonstration is True)


@cache
def _handout(file: Path) -> dict[str, bool]:
    """Fingerprints of the distributed notebook's code cells, and whether each is a demonstration."""
    return {_fingerprint(cell["source"]): cell["demonstration"] for cell in _given(file)}


def handout_cells(homework: Homework) -> list[str]:
    """The code cells of the distributed notebook."""
    return [cell["source"] for cell in _given(homework.handout)]


def _given(file: Path) -> list[dict[str, Any]]:
    """What `inithw build` has written of the handout; nothing before that."""
    return list(json.loads(file.read_text("utf-8"))["cells"]) if file.is_file() else []


def _fingerprint(source: str) -> str:
    return hashlib.sha256(normalize(source).encode()).hexdigest()


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


# ---------------------------------------------------------------- one file


@dataclass(frozen=True, slots=True)
class _Code:
    """Code read from one file.

    Attributes:
        label: The file, as messages call it.
        sources: Its code cells.
        notebook: Whether it is a notebook rather than a script.
        notes: Remarks on the way to it.
    """

    label: str
    sources: tuple[str, ...]
    notebook: bool
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Hash of the cells that are not empty; the length before each one keeps their borders."""
        digest = hashlib.sha256()
        for source in filter(None, map(normalize, self.sources)):
            data = source.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()

    def is_of(self, homework: Homework) -> bool:
        """Whether it is this homework: a name of it stands outside of comments."""
        named = re.compile(rf"^[^#\n]*\b(?:{'|'.join(map(re.escape, homework.names))})\b", re.MULTILINE)
        return any(map(named.search, self.sources))

    def is_blank(self, homework: Homework) -> bool:
        """Whether it is this homework and the stubs of all questions are still there."""
        stubs = {stub for source in self.sources for stub in _STUB.findall(source)}
        return self.is_of(homework) and stubs >= {item.question for item in homework.rubric}


class _Budget:
    """What may still be read for one submission of a homework."""

    def __init__(self, homework: Homework) -> None:
        self.homework = homework
        self.bytes, self.reads = MAX_TOTAL, MAX_READS

    def spend(self, label: str, size: int) -> None:
        if size > self.bytes or self.reads == 0:
            raise NotGradable(f"{label} is too much to read after the other files of this submission. {_ONE}")
        self.bytes, self.reads = self.bytes - size, self.reads - 1


def _from_bytes(label: str, data: bytes, budget: _Budget, *, inner: bool = False, zips: int = 0) -> _Code:
    """Read a file by its content.

    Args:
        label: The file, as messages call it.
        data: Its bytes.
        budget: Paid for `data` already.
        inner: Whether it lies in a folder or zip.
        zips: How many zips it lies in.
    """
    if data.startswith(_ZIP):
        if zips == 2:
            raise NotGradable(f"{label} is a zip within a zip within a zip. {_ONE}")
        return _pick(label, _zip_files(label, data), budget, within=f"{label}/" if inner else "", zips=zips + 1)
    for offset, magic, kind in _FORMATS:
        if data.startswith(magic, offset):
            raise NotGradable(f"{label} is {kind}, not a notebook. {_SAVE}")
    encoding = json.detect_encoding(data)  # by byte order mark, else by where the zero bytes are
    if encoding.startswith("utf-8"):
        data = data.lstrip(b"\xef\xbb\xbf \t\r\n")  # rather than of the text, which may have four bytes a character
    memory = _memory_of_text(data)
    if memory > MAX_MEMORY:
        raise _too_much_memory(label)
    text = _decoded(label, data, encoding).lstrip("\ufeff \t\r\n")
    suffix = PurePosixPath(label).suffix.lower()
    if not text:
        raise NotGradable(f"{label} is empty. {_SAVE}")
    if _MARKUP.match(text):
        raise NotGradable(f"{label} is a web page (HTML or XML), not a notebook. {_SAVE}")
    if text.startswith(("{", "[")) and (suffix != ".py" or '"cells"' in text or '"worksheets"' in text):
        values = sum(map(text.count, ",:[{"))
        if memory + values * VALUE_MEMORY > MAX_MEMORY:
            raise _too_much_memory(label)
        return _Code(label, _bounded(label, _notebook_sources(label, text)), notebook=True)
    if "\0" in text or not (suffix == ".py" or _PYTHON.search(text)):
        raise _unknown(label)
    if len(text) > MAX_CODE:
        raise NotGradable(_TOO_MUCH_CODE.format(label))
    return _Code(label, _bounded(label, _script_sources(_newlines(text))), notebook=False)


def _memory_of_text(data: bytes) -> int:
    """Bytes that some text and a copy of all its parts take: one, two or four a character, by the widest in it."""
    highest = int(np.frombuffer(data, np.uint8).max(initial=0))
    width = 1 if highest < 0xC4 else 2 if highest < 0xF0 else 4
    return len(data) * (1 + 2 * width)


def _too_much_memory(label: str) -> NotGradable:
    return NotGradable(f"{label} would take more than {MAX_MEMORY >> 20} MB of memory to read. {_SMALLER}")


def _decoded(label: str, data: bytes, encoding: str) -> str:
    try:
        # Old editors leave Latin-1 in what is UTF-8 otherwise. In UTF-16 an error is no text, and slow to replace.
        return data.decode(encoding, "replace" if encoding.startswith("utf-8") else "strict")
    except UnicodeDecodeError:
        raise _unknown(label) from None


def _unknown(label: str) -> NotGradable:
    return NotGradable(f"{label} is neither a notebook nor Python code. {_SAVE}")


def _bounded(label: str, sources: Iterable[str]) -> tuple[str, ...]:
    """Take sources as far as the limits go, with newlines and surrogates put right."""
    kept: list[str] = []
    size = 0
    for source in sources:
        size += len(source)
        if len(kept) == MAX_CELLS:
            raise NotGradable(f"{label} has more than {MAX_CELLS} code cells. Remove those you do not need.")
        if size > MAX_CODE:
            raise NotGradable(_TOO_MUCH_CODE.format(label))
        kept.append(_newlines(replace_surrogates(source)))
    return tuple(kept)


def _notebook_sources(label: str, text: str) -> Iterator[str]:
    """Return the code cells of a notebook in JSON, whatever else in it is missing or wrong."""
    try:
        notebook = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        raise NotGradable(
            f"{label} is damaged: it is not JSON at line {error.lineno}, column {error.colno} ({error.msg}). "
            "Download it again, check that Jupyter opens it, submit again."
        ) from None
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets in brackets
        raise NotGradable(f"{label} holds data nested too deep or numbers too long. {_SMALLER}") from None
    cells = _cells(notebook)
    if cells is None:
        raise NotGradable(f"{label} is JSON, but not a notebook: it has no list of cells. {_SAVE}")
    return (_source(cell) for cell in cells if cell.get("cell_type") == "code")


def _cells(notebook: Any) -> list[dict[str, Any]] | None:
    """Find the list of cells: at the top since nbformat 4, in worksheets in 2 and 3."""
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        sheets = notebook.get("worksheets")
        if not isinstance(sheets, list):
            return None
        cells = [
            cell
            for sheet in sheets
            if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
            for cell in sheet["cells"]
        ]
    found = [cell for cell in cells if isinstance(cell, dict)]
    return found if "nbformat" in notebook or any("cell_type" in cell for cell in found) else None


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input"))  # `input` up to nbformat 3
    if isinstance(source, list):
        lines = [line for line in source if isinstance(line, str)]
        # Up to nbformat 3 some programs left the newlines out of the list.
        bare = "source" not in cell and not (lines and lines[0].endswith(("\n", "\r")))
        return ("\n" if bare else "").join(lines)
    return source if isinstance(source, str) else ""


def _script_sources(text: str) -> Iterator[str]:
    """Yield the code cells of a Python file; what is not marked as cells is one."""
    marker = _PERCENT if _PERCENT.search(text) else _EXPORTED
    head, *parts = marker.split(text)
    if not parts or _without_text(head) != "":
        yield head
    for tag, part in zip(parts[::2], parts[1::2], strict=True):
        if marker is _EXPORTED:
            yield _without_text(part)
        elif not _PERCENT_TEXT.search(tag):
            yield part.strip("\n")


def _without_text(part: str) -> str:
    """Return `part` without blank lines and comments at its end: nbconvert's markdown cells."""
    lines = part.lstrip("\n").split("\n")
    while lines and (not lines[-1].strip() or lines[-1].startswith("#")):
        lines.pop()
    return "\n".join(lines)


# ---------------------------------------------------------------- folders and zips


@dataclass(frozen=True, slots=True)
class _File:
    """A file in a folder or zip.

    Attributes:
        name: Its path therein, with slashes.
        read: Returns its bytes, or raises `NotGradable`.
    """

    name: str
    read: Callable[[_Budget], bytes]

    @property
    def suffix(self) -> str:
        """Extension in lower case, without what a browser adds to the second download."""
        return PurePosixPath(re.sub(r" ?\(\d+\)$", "", self.name)).suffix.lower()

    @property
    def skipped(self) -> bool:
        """Whether it lies in something hidden or not the student's own (`.` and `..` hide nothing)."""
        return any(map(_skipped, self.name.split("/")))


def _folders_of(name: str) -> Iterator[str]:
    """The folders that a file lies in, outermost first, as deep as folders are looked into."""
    parts = name.split("/", MAX_DEPTH + 1)[:-1]
    return accumulate(parts, "{}/{}".format)


def _skipped(part: str) -> bool:
    return part in _SKIPPED or (part.startswith(".") and part.strip(".") != "")


def _label(name: str) -> str:
    """How messages call a file: the end of its name, with the extension."""
    return clean(name if len(name) <= 200 else f"…{name[-199:]}", 200)


def _pick(label: str, files: list[_File], budget: _Budget, *, within: str = "", zips: int = 0) -> _Code:
    """Read the one file that holds the homework.

    Args:
        label: The folder or zip, as messages call it.
        files: What is in it.
        budget: What may still be read.
        within: Put before the files' names in messages.
        zips: How many zips the files lie in.
    """
    environments = {file.name.removesuffix("/pyvenv.cfg") for file in files if file.name.endswith("/pyvenv.cfg")}
    files = [file for file in files if not (file.skipped or environments.intersection(_folders_of(file.name)))]
    files.sort(key=lambda file: (file.name.count("/"), file.name))
    failures: list[NotGradable] = []
    for suffixes, most in _TURNS:
        candidates = [file for file in files if file.suffix in suffixes]
        if len(candidates) > most:
            raise NotGradable(f"{label} holds {len(candidates)} files that could be the homework. {_ONE}")
        notebooks, scripts = [], []
        for file in candidates:
            name = _label(within + file.name)
            try:
                code = _from_bytes(name, file.read(budget), budget, inner=True, zips=zips)
            except NotGradable as failure:
                if file.suffix not in _DATA:
                    failures.append(failure)
            else:
                if code.notebook:
                    notebooks.append(code)
                elif file.suffix not in _DATA:
                    scripts.append(code)
        if notebooks or scripts:
            return _choose(label, notebooks or scripts, failures, budget.homework)
    if failures:
        raise failures[0]
    names = clean(", ".join(file.name for file in files[:3]), 200) or "nothing"
    raise NotGradable(f"{label} holds no notebook; found: {names}. {_SAVE}")


def _choose(label: str, found: list[_Code], failures: list[NotGradable], homework: Homework) -> _Code:
    """Take the file with this homework's answers, or say which files leave it open."""
    unique: dict[str, _Code] = {}
    copies = [code for code in found if unique.setdefault(code.digest, code) is not code]
    strangers = [code for code in unique.values() if not code.is_of(homework)]
    blank = [code for code in unique.values() if code.is_blank(homework)]
    answered = [code for code in unique.values() if code.is_of(homework) and not code.is_blank(homework)]
    left = answered or blank or strangers
    if len(left) > 1:
        raise NotGradable(f"{label} holds several notebooks or scripts with different code: {_names(left)}. {_ONE}")
    ignored = ((copies, "the same code"), (strangers, "not this homework"), (blank, "nothing answered in it"))
    notes = [f"Ignored {_names(group)}: {why}." for group, why in ignored if group and group is not left]
    notes += [f"Could not read a file: {failure}" for failure in failures[:3]]
    return replace(left[0], notes=(*left[0].notes, *notes))


def _names(found: list[_Code]) -> str:
    return clean(", ".join(code.label for code in found), 300)


def _too_large(label: str) -> NotGradable:
    return NotGradable(f"{label} is larger than {MAX_FILE // 1_000_000} MB. {_SMALLER}")


# -- folders: opened one name at a time, from descriptor to descriptor, so that no link is ever followed


@contextmanager
def _opened(label: str, path: str | Path, folder: int | None = None) -> Iterator[int]:
    try:
        descriptor = os.open(path, _FLAGS, dir_fd=folder)
    except (OSError, ValueError) as error:
        raise NotGradable(_why(label, error)) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _why(label: str, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{label} does not exist. Check the path."
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return f"{label} is a symbolic link, which is never followed. Submit the file itself."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return f"{label} cannot be read ({reason}). Check the file and its permissions."


@contextmanager
def _opened_below(root: int, parts: tuple[str, ...]) -> Iterator[int]:
    with ExitStack() as stack:
        descriptor = root
        for number, part in enumerate(parts, start=1):
            label = _label("/".join(parts[:number]))
            descriptor = stack.enter_context(_opened(label, part, descriptor))
        yield descriptor


def _read(label: str, descriptor: int, budget: _Budget) -> bytes:
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        raise NotGradable(f"{label} is not a file but a device, pipe or socket. {_ONE}")
    if info.st_size > MAX_FILE:
        raise _too_large(label)
    budget.spend(label, info.st_size)
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(info.st_size + 1)
    except OSError as error:
        raise NotGradable(_why(label, error)) from None
    if len(data) != info.st_size:
        raise NotGradable(f"{label} changed while it was read. Submit it again.")
    return data


def _read_below(root: int, parts: tuple[str, ...], budget: _Budget) -> bytes:
    label = _label("/".join(parts))
    with _opened_below(root, parts) as descriptor:
        if os.fstat(descriptor).st_nlink > 1:  # it may be somebody else's file under a second name
            raise NotGradable(f"{label} is a hard link. Submit a copy of the file.")
        return _read(label, descriptor, budget)


def _folder_files(label: str, root: int) -> list[_File]:
    files: list[_File] = []
    pending: list[tuple[str, ...]] = [()]
    seen = 0
    while pending:
        folder = pending.pop()
        try:
            with _opened_below(root, folder) as descriptor, os.scandir(descriptor) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MAX_ENTRIES:
                        raise NotGradable(f"{label} holds more than {MAX_ENTRIES} files. {_ONE}")
                    parts = (*folder, entry.name)
                    if not entry.is_dir(follow_symlinks=False):
                        files.append(_File("/".join(parts), partial(_read_below, root, parts)))
                    elif not _skipped(entry.name) and len(parts) <= MAX_DEPTH:
                        pending.append(parts)
        except OSError as error:
            raise NotGradable(_why(label, error)) from None
    return files


# -- zips: read in memory, so that a name in one leads nowhere


def _zip_files(label: str, data: bytes) -> list[_File]:
    if data.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise NotGradable(f"{label} holds more than {MAX_ENTRIES} files. {_ONE}")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except Exception:  # zipfile raises a dozen different ones on malformed input
        raise NotGradable(f"{label} is a broken zip. Make it again, or submit the notebook itself.") from None
    if any(entry.filename in ("[Content_Types].xml", "mimetype") for entry in entries):
        raise NotGradable(f"{label} is a Word, Excel or OpenDocument file, not a notebook. {_SAVE}")
    return [_File(entry.filename.replace("\\", "/"), partial(_read_entry, archive, entry)) for entry in entries]


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget) -> bytes:
    label = _label(entry.filename)
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise NotGradable(f"{label} is a symbolic link or device in a zip. Submit the file itself.")
    if entry.flag_bits & 1:
        raise NotGradable(f"{label} is encrypted. Make the zip without a password.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA may ask for 4 GB
        raise NotGradable(f"{label} is compressed in an unusual way. Submit the notebook itself, without a zip.")
    if entry.file_size > MAX_FILE:
        raise _too_large(label)
    budget.spend(label, entry.file_size)
    try:
        with archive.open(entry) as stream:
            return stream.read(entry.file_size)  # never gives more than was declared, checks the CRC
    except Exception:
        raise NotGradable(f"{label} is broken in its zip. Make it again, or submit the notebook itself.") from None
