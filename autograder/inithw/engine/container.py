"""What the container that this process is in allows it: read from its control groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from inithw.engine.records import Limits

JUDGE_BYTES = 384 << 20
"""What the judge and the pre-loaded worker keep resident; a container's memory less this is the submission's."""
LEAST_BYTES = 256 << 20
_NO_LIMIT = 1 << 50  # written as "max", or as a number near 2^63


def container_memory(process: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this container may use, or None when no limit is to be found.

    Args:
        process: Names this process's control group, one line for each hierarchy.
        mount: Where the hierarchies are; in a container, often only the part that is its own.
    """
    limits: list[int] = []
    with suppress(OSError):
        for line in process.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                limits += _limits_up_to(mount, group, "memory.max")
            elif "memory" in controllers.split(","):
                limits += _limits_up_to(mount / "memory", group, "memory.limit_in_bytes")
    return min(limits, default=None)


def _limits_up_to(top: Path, group: str, name: str) -> Iterator[int]:
    """The limits of a control group and of all that it is part of."""
    place = top / group.lstrip("/")
    for folder in (place, *place.parents):
        with suppress(OSError):
            text = (folder / name).read_text().strip()
            if text.isdigit() and int(text) < _NO_LIMIT:
                yield int(text)
        if folder == top:
            return


def fitting(limits: Limits, memory: int | None) -> Limits:
    """The limits, with no more memory than the container can give: else it would end the judge as well."""
    if memory is None:
        return limits
    return replace(limits, memory_bytes=min(limits.memory_bytes, max(memory - JUDGE_BYTES, LEAST_BYTES)))
