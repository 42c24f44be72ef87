"""What the container that this process is in allows it, memory and processors: read from its control groups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from inithw.engine.records import Limits

JUDGE_BYTES = 384 << 20
"""What the judge and the pre-loaded worker keep resident; a container's memory less this is the submission's."""
LEAST_BYTES = 256 << 20
_NO_LIMIT = 1 << 50  # written as "max", or as a number near 2^63


_PROCESS = Path("/proc/self/cgroup")
"""Names this process's control group, one line for each hierarchy."""
_MOUNT = Path("/sys/fs/cgroup")
"""Where the hierarchies are; in a container, often only the part that is its own."""


def container_memory(process: Path = _PROCESS, mount: Path = _MOUNT) -> int | None:
    """Bytes that this container may use, or None when no limit is to be found."""
    texts = [
        text
        for place, unified in _groups(process, mount, "memory")
        for text in _texts(place, "memory.max" if unified else "memory.limit_in_bytes")
    ]
    return min((int(text) for text in texts if text.isdigit() and int(text) < _NO_LIMIT), default=None)


def usable_memory() -> int | None:
    """Bytes that this container, or else the whole machine, has; None where the system does not say."""
    amounts = [container_memory()]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        amounts.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min((amount for amount in amounts if amount is not None), default=None)


def container_processors(process: Path = _PROCESS, mount: Path = _MOUNT) -> float | None:
    """How many processors' time this container may use, such as 0.5, or None when no quota is to be found."""
    quotas: list[float] = []
    for place, unified in _groups(process, mount, "cpu"):
        if unified:
            pairs = [text.split() for text in _texts(place, "cpu.max")]
        else:
            whole, each = _texts(place, "cpu.cfs_quota_us"), _texts(place, "cpu.cfs_period_us")
            pairs = [list(pair) for pair in zip(whole, each, strict=False)]
        quotas += [int(pair[0]) / int(pair[1]) for pair in pairs if len(pair) == 2 and all(map(_is_count, pair))]
    return min(quotas, default=None)


def _is_count(text: str) -> bool:
    return text.isdigit() and int(text) > 0


def _groups(process: Path, mount: Path, controller: str) -> Iterator[tuple[list[Path], bool]]:
    """For each hierarchy with the controller the folders of our group and of all that it is part of, innermost first.

    Yields:
        The folders, and whether it is the unified hierarchy (version 2).
    """
    with suppress(OSError):
        for line in process.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                top = mount
            elif controller in controllers.split(","):
                top = mount / controller
            else:
                continue
            place = top / group.lstrip("/")
            yield [folder for folder in (place, *place.parents) if folder.is_relative_to(top)], controllers == ""


def _texts(folders: list[Path], name: str) -> list[str]:
    found = []
    for folder in folders:
        with suppress(OSError):
            found.append((folder / name).read_text().strip())
    return found


def fitting(limits: Limits, memory: int | None, jobs: int = 1) -> Limits:
    """The limits, with no more memory than the container can give each of `jobs`: it would end the judge as well."""
    if memory is None:
        return limits
    return replace(limits, memory_bytes=min(limits.memory_bytes, max((memory - JUDGE_BYTES) // jobs, LEAST_BYTES)))
