"""What a worker is told of the walls that it shall raise around itself: written by the judge, read in the child."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

REQUIRED: tuple[tuple[str, ...], ...] = (
    ("no_new_privs",),
    ("capabilities",),
    ("limits",),
    ("seccomp",),
    ("uid", "landlock"),  # without either, the child could write wherever the judge can
)
"""Of each group one wall at least must be up, or nothing is run."""


@dataclass(frozen=True, slots=True)
class WallPlan:
    """What a child may still do.

    Attributes:
        uid: Unprivileged user to become, whose group has the same number; None to stay who we are.
        scratch: The only writable folder: exists, becomes the working and home folder, and is given to `uid`.
        readable: Trees and files that the child may read.
        memory_bytes: Address space on top of what the pre-loaded process has mapped already.
        total_seconds: Processor time, of all threads together.
        scratch_bytes: Bytes of all files in the scratch folder.
        scratch_entries: Files and folders in it.
        file_bytes: Bytes of any one file.
        open_files: Descriptors.
        processes: Threads; processes there are none.
        processor: The only one that its threads may use; None for any.
        keep: Descriptors to leave open, every other one is closed; None leaves them all.
        hidden: Trees inside `readable` that it may not read all the same.
        required: Of each group of walls one at least must be up.
    """

    uid: int | None
    scratch: str
    readable: tuple[str, ...]
    memory_bytes: int
    total_seconds: float
    scratch_bytes: int
    scratch_entries: int
    file_bytes: int
    open_files: int
    processes: int
    processor: int | None = None
    keep: tuple[int, ...] | None = None
    hidden: tuple[str, ...] = ()
    required: tuple[tuple[str, ...], ...] = REQUIRED

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can say it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> WallPlan:
        """Undo `to_json`, which has made lists of tuples."""
        return cls(**{name: _as_tuples(part) for name, part in value.items()})


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
