"""What each worker has for itself on this machine: a user number and a processor."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from dataclasses import dataclass

_FIRST_UID = 64000
_SLOTS = 900  # up to 64899: no system gives these numbers to people, and rootless containers end at 65535


class NoSlotError(Exception):
    """Nothing is free."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What one worker at a time has for itself on this machine.

    Attributes:
        uid: The user it becomes; None without root.
        processor: The only one that it may use, so that its threads starve nobody; None where that cannot be said.
        claim: Held open as long as the slot is ours: no other grader on this machine takes the same one.
    """

    uid: int | None = None
    processor: int | None = None
    claim: socket.socket | None = None


def claim_slots(count: int) -> list[Slot]:
    """Slots that nobody else on this machine uses: two graders at once must not share a user, for each ends all of it.

    A claim is the name of a socket that exists in memory only, so that nothing is left when this process dies.
    """
    if sys.platform != "linux":
        return [Slot()] * count
    user = os.geteuid()
    cpus = sorted(os.sched_getaffinity(0))
    slots: list[Slot] = []
    for number in range(_SLOTS):
        if len(slots) == count:
            break
        uid = _FIRST_UID + number if user == 0 else None
        if uid is not None and _in_use(uid):
            continue
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0inithw-worker-{user}-{number}")
        except OSError:
            claim.close()
        else:
            slots.append(Slot(uid, cpus[number % len(cpus)], claim))
    if len(slots) < count:
        raise NoSlotError(f"no {count} user numbers from {_FIRST_UID} on are free on this machine")
    return slots


def _in_use(uid: int) -> bool:
    """Whether processes of this user exist that are none of our workers."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                    return True
    return False
