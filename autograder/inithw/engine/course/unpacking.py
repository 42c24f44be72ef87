"""Unpacks the zip of a class: its names lead nowhere, its sizes are bounded, a file too large is a hole."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from inithw.engine.course.handin import CourseError
from inithw.engine.submission import MAX_FILE

MAX_MEMBERS = 500_000
MAX_UNPACKED = 50 << 30
"""Bytes of a class: 500 times what 1,000 notebooks take."""
_NAME_BYTES = 200


def members(path: Path) -> list[str]:
    """Names of the files in a zip, with slashes.

    Raises:
        CourseError: It is broken, or holds too much.
    """
    with _open(path) as archive:
        return [_name(info) for info in archive.infolist() if not info.is_dir()]


def unpack(path: Path, folder: Path) -> None:
    """Write the files of a zip below `folder`.

    Links are left out. A file beyond what may be read of a submission becomes a hole of that size: the reader then says
    so, and no disk is filled. What is encrypted or broken becomes a file that is empty, for one student's damage must
    not cost the others their grades.

    Raises:
        CourseError: The zip is broken, or holds too much.
        OSError: It cannot be written.
    """
    left = MAX_UNPACKED
    with _open(path) as archive:
        for info in archive.infolist():
            parts = _parts(_name(info))
            if info.is_dir() or not parts or stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                continue
            target = folder.joinpath(*parts)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                continue  # a file has the name of this folder
            if target.exists():
                continue
            with target.open("wb") as file:
                if info.file_size > MAX_FILE:
                    file.truncate(MAX_FILE + 1)
                    continue
                left -= info.file_size
                if left < 0:
                    raise CourseError(f"{path}: holds more than {MAX_UNPACKED >> 30} GB; unpack it yourself")
                try:
                    source = archive.open(info)
                except Exception:  # zipfile raises a dozen different ones on malformed input
                    continue
                with source:
                    _copy(source, file)


def _copy(source: IO[bytes], file: BinaryIO) -> None:
    try:
        shutil.copyfileobj(source, file)
    except OSError:
        raise
    except Exception:
        file.truncate(0)


def _open(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise CourseError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:
        raise CourseError(f"{path}: a broken zip; download it again") from error
    if len(archive.infolist()) > MAX_MEMBERS:
        raise CourseError(f"{path}: holds more than {MAX_MEMBERS} files; unpack it yourself")
    return archive


def _name(info: zipfile.ZipInfo) -> str:
    return info.filename.replace("\\", "/")


def _parts(name: str) -> list[str]:
    """The names on the way to a file, none of which leads up or is too long for a file system."""
    parts = [part for part in PurePosixPath("/", name.replace("\0", "")).parts[1:] if part not in ("", ".", "..")]
    if "__MACOSX" in parts:
        return []
    return [_short(part) for part in parts]


def _short(part: str) -> str:
    data = part.encode("utf-8", "replace")
    if len(data) <= _NAME_BYTES:
        return data.decode()
    suffix = PurePosixPath(part).suffix[:20].encode("utf-8", "replace")
    return (data[: _NAME_BYTES - len(suffix)] + suffix).decode(errors="ignore")
