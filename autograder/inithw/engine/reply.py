"""One answer of a worker: plain data of the expected form, or not at all."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from inithw.engine import wire
from inithw.engine.records import FloatArray, Unavailable
from inithw.engine.text import clean

TEXT_LIMIT = 300  # characters
_LARGEST_WHOLE = 1 << 40
_MALFORMED = "its answer was malformed"


class MalformedError(Exception):
    """What the worker said has not the form that was dictated; the message is for the student."""


class Reply:
    """The fields of an answer, then arrays of shapes that the reader dictates.

    Args:
        fields: What the worker sent as JSON.
        connection: Whence arrays follow; None where none do.
        deadline: `time.monotonic()` after which arrays are late.
    """

    def __init__(
        self, fields: Mapping[str, Any], connection: socket.socket | None = None, deadline: float | None = None
    ) -> None:
        self._fields = fields
        self._connection = connection
        self._deadline = deadline

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str, limit: int = TEXT_LIMIT) -> str:
        """A line of text, cleaned; with a higher limit the text as it is; empty where there is none."""
        value = self._fields.get(name, "")
        if not isinstance(value, str):
            raise MalformedError(_MALFORMED)
        return value[:limit] if limit > TEXT_LIMIT else clean(value, limit)

    def whole(self, name: str) -> int:
        """A whole number from 0 on; 0 where there is none."""
        value = self._fields.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST_WHOLE:
            raise MalformedError(_MALFORMED)
        return value

    def flag(self, name: str) -> bool:
        """Whether it was said to be true."""
        return self._fields.get(name) is True

    def parts(self, name: str, most: int) -> list[Reply]:
        """A list of at most `most` objects, each with fields of its own."""
        value = self._fields.get(name)
        if not isinstance(value, list) or len(value) > most or not all(isinstance(item, dict) for item in value):
            raise MalformedError(_MALFORMED)
        return [Reply(item) for item in value]

    def floats(self, *shapes: tuple[int, ...]) -> list[FloatArray]:
        """The arrays that follow the fields, float32, of these shapes."""
        if self._connection is None:
            raise MalformedError(_MALFORMED)
        try:
            return list(wire.receive_floats(self._connection, *shapes, deadline=self._deadline))
        except wire.WireError as error:
            raise MalformedError(f"its answer was incomplete: {error}") from error

    def unavailable(self) -> Unavailable | None:
        """Why there is no answer, where the worker says so."""
        if "unavailable" not in self:
            return None
        open_ = self._fields["unavailable"] == "not answered"
        return Unavailable("not answered" if open_ else "not reached", self.text("reason"))
