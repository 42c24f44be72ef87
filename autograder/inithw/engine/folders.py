"""Folders in which hostile code has written: how much is in them, and how they are removed."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

_DEEPEST = 40  # folders within the scratch folder
ENTRY_BYTES = 4096
"""What any file or folder takes on a disk at least."""


def open_folders() -> tuple[str, ...]:
    """All folders of this machine in which every user may write; takes a second or more."""
    found, pending = [], ["/"]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False) and entry.path not in ("/proc", "/sys"):
                        pending.append(entry.path)
                        if entry.stat(follow_symlinks=False).st_mode & stat.S_IWOTH:
                            found.append(entry.path)
    return tuple(found)


def exceeds(folder: Path, limit: int, owner: int | None = None, places: Iterable[str] = ()) -> bool:
    """Whether `folder` holds more than `limit` bytes, or folders that cannot be looked into.

    What is there must not move meanwhile, or it may be missed: stop the process that owns it.

    Args:
        folder: A worker's.
        limit: In bytes; every entry counts as `ENTRY_BYTES` at least.
        owner: Count only what is this user's.
        places: Folders of others, in which what is the owner's counts as well.
    """
    total, pending = 0, [(str(folder), 0), *((place, 0) for place in places)]
    while pending:
        path, depth = pending.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if owner not in (None, status.st_uid):
                        continue
                    if stat.S_ISDIR(status.st_mode):
                        pending.append((entry.path, depth + 1))
                    total += max(status.st_size, ENTRY_BYTES)
                    if total > limit:
                        return True
        except FileNotFoundError:
            continue
        except OSError:
            if depth or path == str(folder):
                return True
        if depth > _DEEPEST:
            return True
    return False


def remove_tree(folder: Path) -> None:
    """Remove a folder of a worker that has ended, whatever modes, names and depth its code gave it.

    Deep folders are moved up until none is deep: no path gets too long, nothing recurses. No link is followed.
    """
    with contextlib.suppress(OSError):
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            while names := os.listdir(top):
                for name in names:
                    _remove_entry(top, name)
        finally:
            os.close(top)
        os.rmdir(folder)


def _remove_entry(top: int, name: str) -> None:
    """Remove an entry of the folder `top`; what a folder holds besides files is moved into `top`."""
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(os.lstat(name, dir_fd=top).st_mode):
            os.unlink(name, dir_fd=top)
            return
    os.chmod(name, 0o700, dir_fd=top)
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        for child in os.listdir(inner):
            if stat.S_ISDIR(os.lstat(child, dir_fd=inner).st_mode):
                os.chmod(child, 0o700, dir_fd=inner)  # moving a folder changes it
                os.rename(child, secrets.token_hex(16), src_dir_fd=inner, dst_dir_fd=top)
            else:
                os.unlink(child, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)


def sweep(uid: int, places: Iterable[str]) -> None:
    """Remove what a user left in the folders in which everybody may write."""
    for place in places:
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid == uid:
                        if entry.is_dir(follow_symlinks=False):
                            remove_tree(Path(entry.path))
                        else:
                            os.unlink(entry.path)
