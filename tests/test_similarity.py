"""Near-identical code is pointed out; short right answers and the handout's own code are not."""

import subprocess
import sys
import time

import pytest
from inithw.engine.records import Cell, Submission
from inithw.engine.similarity import _MOST_PIECES, _pieces, near_identical

from tests.parts import without_coverage

GIVEN = "def f_true(x):\n    return (np.sin(x[:, None] * np.arange(5)[None, :] * math.pi) * PARAMS).sum(axis=-1)\n" * 5
SHORT = (
    "def better_init(module):\n    if isinstance(module, nn.Linear):\n        nn.init.kaiming_normal_(module.weight)\n"
)


def essay(seed: int) -> str:
    """A long piece of code of somebody's own; different seeds have different structure."""
    operators = ["+", "-", "*", "/", "**", "%", "//"]
    lines = []
    for k in range(60):
        a, b, c = ((seed * 7919 + k * k * 31 + j * 17) % 97 for j in range(3))
        lines.append(f"    value_{k} = (x[{a}] {operators[b % 7]} {c}) {operators[(a + c) % 7]} len(data[{b}:{a + b}])")
    return "def explore(x, data):\n" + "\n".join(lines)


def submission(name: str, *sources: str) -> Submission:
    cells = (Cell(1, GIVEN, given=True), *(Cell(n, source) for n, source in enumerate(sources, 2)))
    return Submission(name, cells, "")


def test_a_copy_with_other_names_and_comments_is_reported():
    original = essay(1)
    copy = original.replace("value_", "v").replace("explore", "mine").replace("def ", "# my own work\ndef ")
    others = [submission(f"s{n}", SHORT, essay(n)) for n in range(2, 30)]
    (pair,) = near_identical([submission("a", SHORT, original), *others, submission("b", SHORT, copy)], [GIVEN])
    assert {pair.first, pair.second} == {"a", "b"}
    assert pair.share > 0.8


def test_a_class_of_short_right_answers_is_not():
    assert near_identical([submission(f"s{n}", SHORT) for n in range(20)], [GIVEN]) == []
    assert near_identical([submission("a", SHORT), submission("b", SHORT)], [GIVEN]) == []


def test_the_handout_repeated_in_a_cell_of_ones_own_is_not():
    assert near_identical([submission("a", GIVEN + SHORT), submission("b", GIVEN + SHORT)], [GIVEN]) == []


def test_code_that_many_wrote_is_an_idiom_of_the_homework():
    idiom = essay(5)
    assert near_identical([submission(f"s{n}", idiom) for n in range(40)], [GIVEN]) == []


def test_empty_and_broken_code_is_no_trouble():
    assert near_identical([submission("a"), submission("b", "def ("), submission("c", "\x00" * 100)], []) == []


HOSTILE = {
    "blanks": " " * 200_000,
    "blank lines": "\n" * 200_000,
    "tabs and blanks": "\t " * 100_000,
    "brackets": "(" * 200_000,
    "quotes": "'" * 200_001,
    "quotes of both kinds": "\"'" * 100_000,
    "triple quotes": '"""' * 66_667 + "'" * 10,
    "an open string of quotes": '"""' + '"" ' * 66_000,
    "backslashes": "\\" * 200_000,
    "a string of backslashes": "'" + "\\" * 200_001,
    "comments": "#" * 200_000,
    "one long name": "a" * 200_000,
    "prefixes": "rb" * 100_000,
    "one long number": "1" * 200_000,
    "exponents": "1e" * 100_000,
    "letters of all scripts": "".join(map(chr, range(0x100, 0xD000))) * 4,
    "decorators": "@" * 200_000,
    "formats": "f'{" * 66_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_more_time_than_its_length(text):
    """By the processor's clock, against half of it: a square would take four times as long, not two."""

    def seconds(text):
        started = time.process_time()
        near_identical([submission("a", text), submission("b", text)], [GIVEN])
        return time.process_time() - started

    whole = seconds(text)
    assert whole < 1 or whole < 3 * seconds(text[: len(text) // 2])


def test_of_long_code_a_bounded_part_is_compared_and_copies_are_found_all_the_same():
    long = "\n".join(essay(seed) for seed in range(60))
    assert len(_pieces(long)) == _MOST_PIECES
    others = [submission(f"s{n}", essay(100 + n)) for n in range(20)]
    (pair,) = near_identical([submission("a", long), *others, submission("b", long + "\nx = 1")], [GIVEN])
    assert {pair.first, pair.second} == {"a", "b"}
    assert pair.pieces <= _MOST_PIECES


def test_a_pair_is_as_near_in_every_run():
    """Winnowing keeps the same pieces whatever seeds Python's hashes."""
    code = "from inithw.engine.similarity import _pieces; print(_pieces('for k in range(9): print(k, k * 2)\\n' * 40))"
    shown = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**without_coverage(), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(shown) == 1
