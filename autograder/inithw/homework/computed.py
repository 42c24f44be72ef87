"""What the judge computed from evidence is kept with it: scoring again takes no time. None of it is a verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from inithw.homework.records import Evidence

_HERE = Path(__file__).parent
_NO_COMPUTATION = frozenset({"calibration", "checks", "diagnosis", "pictures.py", "worker"})
"""What may change, as a policy does, without changing what is computed."""

Value = TypeVar("Value")


def once(evidence: Evidence, name: str, compute: Callable[[], Value]) -> Value:
    """What `compute` returns: kept in `evidence.computed` for as long as the program and the term are the same."""
    kept: dict[str, Any] = evidence.computed
    key = f"{name} {_program()}"
    if key not in kept:
        kept[key] = compute()
    value: Value = kept[key]
    return value


@cache
def _program() -> str:
    """Hash of the code that computes, and of the constants of the homework."""
    digest = hashlib.sha256()
    for path in sorted([*_HERE.rglob("*.py"), _HERE / "term.toml"]):
        if path.relative_to(_HERE).parts[0] not in _NO_COMPUTATION:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
