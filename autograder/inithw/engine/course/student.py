"""Who a student is, as far as platforms, rosters and names of files tell."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, fields, replace

_STRONG = ("login", "sid", "email", "platform_id")
"""What tells two students apart and one student again, best for naming a file first."""


@dataclass(frozen=True, slots=True)
class Student:
    """What is known of one student; every field may be empty.

    Attributes:
        name: As people call them.
        login: Account name: SIS login, GitHub account, nbgrader's student id.
        email: Address.
        sid: Number or name in the university's records.
        platform_id: Number on the platform, with its name: `canvas 41252`.
        label: What their file or folder was called, where nothing better tells who they are.
    """

    name: str = ""
    login: str = ""
    email: str = ""
    sid: str = ""
    platform_id: str = ""
    label: str = ""

    @property
    def identifiers(self) -> frozenset[tuple[str, str]]:
        """What two records of the same student have in common; a name is none, for two students may share it."""
        found = {(field, value.casefold()) for field in _STRONG if (value := getattr(self, field))}
        if self.label:
            found.add(("label", self.label))
        return frozenset(found or {("name", fold(self.name))})

    @property
    def id(self) -> str:
        """Names the files of this student's record: readable, the same however a path is spelt, no two alike."""
        key = next((value.casefold() for field in _STRONG if (value := getattr(self, field))), self.label or self.name)
        safe = re.sub(r"[^a-z0-9._-]+", "-", key.lower()).strip("-.")
        if safe == key and len(safe) <= 100:
            return safe
        return f"{safe[:80]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}".lstrip("-")

    @property
    def shown(self) -> str:
        """What to call them in a table."""
        return self.name or next((value for field in _STRONG if (value := getattr(self, field))), self.label)

    def joined(self, other: Student) -> Student:
        """The same student, with what only `other` knows."""
        missing = {field.name: getattr(other, field.name) for field in fields(self) if not getattr(self, field.name)}
        return replace(self, **missing)


def fold(name: str) -> str:
    """A name without case, accents, punctuation and order: `Müller, Anna` and `anna muller` are alike."""
    return " ".join(sorted(re.findall(r"\w+", _plain(name))))


def squashed(name: str) -> str:
    """A name as Canvas writes it in the names of files: `müller anna` becomes `mulleranna`."""
    return "".join(re.findall(r"\w+", _plain(name)))


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
