"""Opens hostile folders and zips: no link is followed, nothing is unpacked to disk."""

from __future__ import annotations

import errno
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath

from inithw.engine.submission.limits import (
    MAX_DEPTH,
    MAX_ENTRIES,
    MAX_FILE,
    ONE,
    SAVE,
    Budget,
    NotGradable,
    label_of,
    too_large,
)

_SKIPPED = frozenset({"__MACOSX", "__pycache__", "site-packages", "node_modules"})
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class File:
    """A file in a folder or zip.

    Attributes:
        name: Its path therein, with slashes.
        read: Returns its bytes, or raises `NotGradable`.
    """

    name: str
    read: Callable[[Budget], bytes]

    @property
    def suffix(self) -> str:
        """Extension in lower case, without what a browser adds to the second download."""
        return PurePosixPath(re.sub(r" ?\(\d+\)$", "", self.name)).suffix.lower()

    @property
    def skipped(self) -> bool:
        """Whether it lies in something hidden or not the student's own (`.` and `..` hide nothing)."""
        return any(map(is_skipped, self.name.split("/")))


def is_skipped(part: str) -> bool:
    """Whether a folder or file of this name is hidden or not the student's own."""
    return part in _SKIPPED or (part.startswith(".") and part.strip(".") != "")


# -- folders: opened one name at a time, from descriptor to descriptor, so that no link is ever followed


@contextmanager
def opened(label: str, path: str | Path, folder: int | None = None) -> Iterator[int]:
    """Open a path, or a name in a folder that is open, without following a link."""
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
            label = label_of("/".join(parts[:number]))
            descriptor = stack.enter_context(opened(label, part, descriptor))
        yield descriptor


def read(label: str, descriptor: int, budget: Budget) -> bytes:
    """The bytes of an open file."""
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        raise NotGradable(f"{label} is not a file but a device, pipe or socket. {ONE}")
    if info.st_size > MAX_FILE:
        raise too_large(label)
    budget.spend(label, info.st_size)
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(info.st_size + 1)
    except OSError as error:
        raise NotGradable(_why(label, error)) from None
    if len(data) != info.st_size:
        raise NotGradable(f"{label} changed while it was read. Submit it again.")
    return data


def _read_below(root: int, parts: tuple[str, ...], budget: Budget) -> bytes:
    label = label_of("/".join(parts))
    with _opened_below(root, parts) as descriptor:
        if os.fstat(descriptor).st_nlink > 1:  # it may be somebody else's file under a second name
            raise NotGradable(f"{label} is a hard link. Submit a copy of the file.")
        return read(label, descriptor, budget)


def folder_files(label: str, root: int) -> list[File]:
    """What a folder holds, folders within it included."""
    files: list[File] = []
    pending: list[tuple[str, ...]] = [()]
    seen = 0
    while pending:
        folder = pending.pop()
        try:
            with _opened_below(root, folder) as descriptor, os.scandir(descriptor) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MAX_ENTRIES:
                        raise NotGradable(f"{label} holds more than {MAX_ENTRIES} files. {ONE}")
                    parts = (*folder, entry.name)
                    if not entry.is_dir(follow_symlinks=False):
                        files.append(File("/".join(parts), partial(_read_below, root, parts)))
                    elif not is_skipped(entry.name) and len(parts) <= MAX_DEPTH:
                        pending.append(parts)
        except OSError as error:
            raise NotGradable(_why(label, error)) from None
    return files


# -- zips: read in memory, so that a name in one leads nowhere


def zip_files(label: str, data: bytes) -> list[File]:
    """What a zip holds: read in memory, so that a name in one leads nowhere."""
    if data.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise NotGradable(f"{label} holds more than {MAX_ENTRIES} files. {ONE}")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except Exception:  # zipfile raises a dozen different ones on malformed input
        raise NotGradable(f"{label} is a broken zip. Make it again, or submit the notebook itself.") from None
    if any(entry.filename in ("[Content_Types].xml", "mimetype") for entry in entries):
        raise NotGradable(f"{label} is a Word, Excel or OpenDocument file, not a notebook. {SAVE}")
    return [File(entry.filename.replace("\\", "/"), partial(_read_entry, archive, entry)) for entry in entries]


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget) -> bytes:
    label = label_of(entry.filename)
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise NotGradable(f"{label} is a symbolic link or device in a zip. Submit the file itself.")
    if entry.flag_bits & 1:
        raise NotGradable(f"{label} is encrypted. Make the zip without a password.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA may ask for 4 GB
        raise NotGradable(f"{label} is compressed in an unusual way. Submit the notebook itself, without a zip.")
    if entry.file_size > MAX_FILE:
        raise too_large(label)
    budget.spend(label, entry.file_size)
    try:
        with archive.open(entry) as stream:
            return stream.read(entry.file_size)  # never gives more than was declared, checks the CRC
    except Exception:
        raise NotGradable(f"{label} is broken in its zip. Make it again, or submit the notebook itself.") from None
