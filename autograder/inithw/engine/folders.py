"""Folders in which hostile code has written: how much is in them, and how they are removed."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

_DEEPEST = 40  # folders within the scratch folder
_OPEN_TO_ALL = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")


def exceeds(folder: Path, limit: int) -> bool:
    """Whether `folder` holds more than `limit` bytes, or folders that cannot be looked into.

    Every entry counts as 512 bytes at least. Code may change the folder meanwhile.
    """
    total, pending = 0, [(str(folder), 0)]
    while pending:
        path, depth = pending.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append((entry.path, depth + 1))
                    total += max(entry.stat(follow_symlinks=False).st_size, 512)
                    if total > limit:
                        return True
        except FileNotFoundError:
            continue
        except OSError:
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


def sweep(uid: int) -> None:
    """Remove what a user left in the folders in which everybody may write."""
    for place in _OPEN_TO_ALL:
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid == uid:
                        if entry.is_dir(follow_symlinks=False):
                            remove_tree(Path(entry.path))
                        else:
                            os.unlink(entry.path)
