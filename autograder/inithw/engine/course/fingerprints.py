"""What decided a grade, each in a few letters: two records with the same fingerprints were graded alike."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import inithw.engine
from inithw.engine.homework import Homework
from inithw.engine.records import Scale
from inithw.engine.settings import PUBLIC_KEY, Settings

_LETTERS = 10
_NO_VERDICTS = frozenset({"report", "course"})  # rooms of the engine that render and keep what was decided


def fingerprints(homework: Homework, settings: Settings, version: str) -> dict[str, str]:
    """Name each thing that decides a grade: key, program, rubric, thresholds, limits, points.

    The key's is a hash from which the key cannot be found; `public` stands for the published one.
    """
    rubric = [(item.id, item.points, item.title, item.claim) for item in homework.rubric]
    return {
        "homework": homework.title,
        **({"handout": homework.version} if homework.version else {}),
        "version": f"{version}+{_sources(homework)}",
        "key": "public" if settings.key == PUBLIC_KEY else _hash(b"fingerprint of an inithw key\0" + settings.key),
        "rubric": _hash(json.dumps(rubric).encode()),
        **{name: _hash(path.read_bytes() if path.is_file() else b"") for name, path in homework.files.items()},
        "limits": _hash(json.dumps(asdict(settings.limits)).encode()),
        "points": in_words(settings.scale),
    }


def in_words(scale: Scale) -> str:
    """How points become a score, in a few words."""
    full = "the rubric's points" if scale.points_possible is None else f"full marks are {scale.points_possible:g}"
    return full if scale.score_threshold is None else f"{full}, all from {scale.score_threshold:.0%} on, else nothing"


def differing(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """What two records were not graded alike by."""
    return tuple(name for name in dict.fromkeys([*new, *old]) if old.get(name) != new.get(name))


def _sources(homework: Homework) -> str:
    """Hash of the code that decides: the engine's and the homework's."""
    own = sys.modules[homework.draw.__module__].__file__
    folders = {Path(inithw.engine.__file__).parent, *([Path(own).parent] if own else [])}
    digest = hashlib.sha256()
    for folder in sorted(folders):
        for path in sorted(folder.rglob("*.py")):
            if path.relative_to(folder).parts[0] not in _NO_VERDICTS:
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:_LETTERS]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_LETTERS]
