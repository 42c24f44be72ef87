"""Changes single cells of a CSV file and leaves every other byte as it was.

The standard reader forgets how a cell was quoted and how a line ended; platforms do not promise to read back what
another program would write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from inithw.engine.course.roster import decoded, delimiter_of


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: where in the text it stands, with its quotes, and what it says."""

    start: int
    end: int
    value: str


@dataclass(slots=True)
class Sheet:
    """A CSV file, cell by cell.

    Attributes:
        text: All of it.
        encoding: Turns the text back into the bytes it was read from.
        delimiter: Between cells.
        rows: The cells of each line.
    """

    text: str
    encoding: str
    delimiter: str
    rows: list[list[Cell]]
    _new: dict[tuple[int, int], str] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes) -> Sheet:
        """Take a file apart."""
        text, encoding = decoded(data)
        delimiter = delimiter_of(text)
        return cls(text, encoding, delimiter, list(_rows(text, delimiter)))

    def values(self, row: int) -> list[str]:
        """What a line says."""
        return [cell.value for cell in self.rows[row]]

    def value(self, row: int, column: int) -> str:
        """What a cell says; nothing beyond the end of a line."""
        return self.rows[row][column].value if column < len(self.rows[row]) else ""

    def put(self, row: int, column: int, value: str) -> None:
        """Let a cell say something else.

        Raises:
            IndexError: The line ends before it.
        """
        self.rows[row][column]
        self._new[row, column] = value

    def new(self, row: int, column: int) -> str | None:
        """What a cell was made to say; None where it says what it said."""
        return self._new.get((row, column))

    def data(self) -> bytes:
        """The file with the new values."""
        parts, place = [], 0
        for (row, column), value in sorted(self._new.items()):
            cell = self.rows[row][column]
            # An empty line is no row, and the ends of two lines may be read as that of one.
            quoted = self.text[cell.start : cell.start + 1] == '"' or (not value and len(self.rows[row]) == 1)
            parts += [self.text[place : cell.start], self._written(value, quoted)]
            place = cell.end
        return "".join([*parts, self.text[place:]]).encode(self.encoding, "replace")

    def _written(self, value: str, quoted: bool) -> str:
        if quoted or any(letter in value for letter in (self.delimiter, '"', "\n", "\r")):
            return '"' + value.replace('"', '""') + '"'
        return value


def _rows(text: str, delimiter: str) -> Iterator[list[Cell]]:
    """Cut the text into lines of cells; a quote that is never closed runs to the end."""
    cell = re.compile(rf'"((?:[^"]|"")*+)(?:"([^{re.escape(delimiter)}\r\n]*+)|\Z)|([^{re.escape(delimiter)}\r\n]*+)')
    place = 1 if text.startswith("\ufeff") else 0
    while place < len(text):
        row = []
        while True:
            found = cell.match(text, place)
            assert found is not None  # the last alternative matches nothing at all
            inner = found[1]
            value = found[3] if inner is None else inner.replace('""', '"') + (found[2] or "")
            row.append(Cell(place, found.end(), value or ""))
            place = found.end()
            if not text.startswith(delimiter, place):
                break
            place += 1
        yield row
        place += 2 if text.startswith("\r\n", place) else 1
