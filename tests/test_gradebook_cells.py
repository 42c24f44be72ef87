"""Changing cells of a CSV file leaves every other byte as it was, whoever wrote the file."""

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st
from inithw.engine.course.cells import Sheet

CELLS = st.text(st.sampled_from('ab ,;"\t\r\nÄ=0.5\ufeff'), max_size=6)


@st.composite
def files(draw):
    """A CSV file as some program might write it, and how."""
    columns = draw(st.integers(2, 5))
    rows = draw(st.lists(st.lists(CELLS, min_size=columns, max_size=columns), min_size=2, max_size=5))
    style = {
        "delimiter": draw(st.sampled_from(",;\t")),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n"])),
    }
    text = io.StringIO(newline="")
    rows[0] = [f"h{place}" for place in range(columns)]
    csv.writer(text, **style).writerows(rows)
    data = text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))
    return style, data[: len(data) - draw(st.integers(0, 1)) * (b"\0" not in data)]


@settings(max_examples=300, deadline=None)
@given(files(), st.data())
def test_cells_are_those_of_the_standard_reader_and_all_but_one_keep_their_bytes(file, data):
    style, content = file
    sheet = Sheet.read(content)
    assert sheet.data() == content, "nothing changed"
    text = sheet.text.removeprefix("\ufeff")
    expected = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=style["delimiter"]) if row]
    found = [sheet.values(row) for row in range(len(sheet.rows))]
    assert [row for row in found if row != [""]] == expected
    row = data.draw(st.integers(1, len(sheet.rows) - 1))
    column = data.draw(st.integers(0, len(sheet.rows[row]) - 1))
    value = data.draw(st.sampled_from(["9.5", "", "a,b", 'say "so"', "two\nlines", "8,5"]))
    old = [[sheet.text[cell.start : cell.end] for cell in line] for line in sheet.rows]
    sheet.put(row, column, value)
    again = Sheet.read(sheet.data())
    assert again.value(row, column) == value
    new = [[again.text[cell.start : cell.end] for cell in line] for line in again.rows]
    new[row][column] = old[row][column]
    assert new == old


def test_a_line_whose_only_cell_is_emptied_stays_a_line():
    sheet = Sheet.read(b"a,b\n1,2\r3\n4,5\n")  # between the ends of two lines, nothing would make one of them
    sheet.put(2, 0, "")
    again = Sheet.read(sheet.data())
    assert [again.values(row) for row in range(len(again.rows))] == [["a", "b"], ["1", "2"], [""], ["4", "5"]]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_whatever_bytes_a_file_has_they_come_back(content):
    assert Sheet.read(content).data() == content
