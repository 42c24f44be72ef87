"""What each worker has for itself on this machine: a user number, and a processor.

A claim is the name of a socket that exists in memory only, so that nothing is left when a grader dies.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inithw.engine.container import container_processors

_FIRST_UID = 64000
_SLOTS = 900  # up to 64899: no system gives these numbers to people, and rootless containers end at 65535
_MOST_JOBS = 8  # by default: each has its threads and arrays in the judge, too
_TURN_SECONDS = 3600  # any worker gives its processor back much sooner
_LOOK_SECONDS = 0.05


class NoSlotError(Exception):
    """Nothing is free."""


# ---------------------------------------------------------------- users


@dataclass(frozen=True, slots=True)
class Slot:
    """What one worker after the other has for itself.

    Attributes:
        number: Tells the slots of one user's graders apart.
        uid: The user that workers become; None without root.
        claim: Held open as long as the slot is ours: no other grader on this machine takes the same one.
    """

    number: int = 0
    uid: int | None = None
    claim: socket.socket | None = None


def claim_slots(count: int) -> list[Slot]:
    """Slots that nobody else on this machine uses: two graders at once must not share a user, for each ends all of it.

    Raises:
        NoSlotError: There are no more.
    """
    if sys.platform != "linux":
        return [Slot()] * count
    user = os.geteuid()
    slots: list[Slot] = []
    for number in range(_SLOTS):
        if len(slots) == count:
            break
        uid = _FIRST_UID + number if user == 0 else None
        if uid is not None and _in_use(uid):
            continue
        if claim := _claim(f"worker-{user}-{number}"):
            slots.append(Slot(number, uid, claim))
    if len(slots) < count:
        raise NoSlotError(f"no {count} user numbers from {_FIRST_UID} on are free on this machine")
    return slots


def _claim(name: str) -> socket.socket | None:
    """Claim a name on this machine: it is ours until the socket is closed; None if it is taken."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0inithw-{name}")
    except OSError:
        claim.close()
        return None
    return claim


def _in_use(uid: int) -> bool:
    """Whether processes of this user exist that are none of our workers."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                    return True
    return False


# ---------------------------------------------------------------- processors


def processors() -> tuple[int, ...]:
    """The processors that workers may have to themselves: those that this process may use, as far as its quota goes.

    Where a quota leaves some out, containers of one machine begin at different ones.
    """
    if sys.platform != "linux":
        return tuple(range(os.cpu_count() or 1))
    usable = sorted(os.sched_getaffinity(0))
    quota = container_processors()
    if quota is None or quota >= len(usable):
        return tuple(usable)
    first = zlib.crc32(socket.gethostname().encode()) % len(usable)
    return tuple((usable[first:] + usable[:first])[: max(1, int(quota))])


def default_jobs() -> int:
    """How many submissions to run at once when nobody says: one for each processor that no other grader uses now."""
    free = 0
    for number in processors():
        if claim := _claim(f"processor-{number}"):
            claim.close()
            free += 1
    return max(1, min(free, _MOST_JOBS))


@contextlib.contextmanager
def own_processor(stopped: Callable[[], bool]) -> Iterator[int]:
    """A processor that no other worker on this machine has meanwhile; waits until there is one.

    Args:
        stopped: Says that there is no need to wait any more.

    Raises:
        NoSlotError: There was none in an hour, or `stopped`.
    """
    until = time.monotonic() + _TURN_SECONDS
    while True:
        for number in processors():
            if claim := _claim(f"processor-{number}"):
                with claim:
                    yield number
                return
        if stopped():
            raise NoSlotError("grading was stopped")
        if time.monotonic() > until:
            raise NoSlotError(f"no processor was free for {_TURN_SECONDS // 60} minutes: other graders hold them all")
        time.sleep(_LOOK_SECONDS)
