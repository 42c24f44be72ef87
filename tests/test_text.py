"""Text of a submission is safe to show."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from inithw.engine.text import clean, replace_surrogates


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mC1 colour", "C1 colour"),
        ("\x9d0;C1 title\x9cafter", "after"),
        ("\x1bPdevice control\x1b\\after", "after"),
        ("\x1bc reset", " reset"),
        ("\x1b(0line drawing", "line drawing"),
        ("cut off \x1b", "cut off "),
        ("unterminated \x1b]0;stays", "unterminated 0;stays"),
        ("two\r\nlines", "two lines"),
        ("para\u2029graph", "para graph"),
        ("tab\tbed", "tab bed"),
        ("back\x08space\x00\x7f", "backspace"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("\u2066isolated\u2069", "isolated"),
        ("zero\u200bwidth\ufeff\u2060", "zerowidth"),
        ("hangul\u3164filler", "hangulfiller"),
        ("tag\U000e0041s", "tags"),
        ("vari\ufe0fation\ufe00 sel\U000e0101ectors\U000e01ef", "variation selectors"),
        ("pri\ue000vate\uf8ff \U000f0000use\U0010fffd", "private use"),
        ("braille\u2800blank", "brailleblank"),
        ("not\u0378 as\U000323b0signed\ufffe", "not assigned"),
        ("z" + "\u0335" * 100 + "algo", "z\u0335\u0335\u0335algo"),
        ("\u0301" * 5 + "marks without a letter", "marks without a letter"),
        ("\u20dd" * 40 + "x" + "\u20dd" * 40, "x\u20dd\u20dd\u20dd"),
        ("e\u0323\u0302 \u0b95\u0bcd \u05e9\u05c1\u05b8", "e\u0323\u0302 \u0b95\u0bcd \u05e9\u05c1\u05b8"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("<b>&amp;</b> =1+1", "<b>&amp;</b> =1+1"),
        ("Größe 数学 😀", "Größe 数学 😀"),
    ],
)
def test_what_a_terminal_would_act_on_is_removed(hostile, shown):
    assert clean(hostile, 100) == shown


def test_a_long_text_ends_in_an_ellipsis_at_the_limit():
    assert clean("abcdef", 6) == "abcdef"
    assert clean("abcdefg", 6) == "abcde…"
    assert clean("ab", 1) == "…"


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 50))
@example("\x1b\x1b[[31m", 10)
@example("\x1b[\x1b[31m31m", 10)
def test_any_text_becomes_one_short_printable_line_and_stays_so(text, limit):
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert shown.encode().decode() == shown
    assert shown.splitlines() in ([], [shown])
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert clean(shown, limit) == shown


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_is_kept(text):
    assert clean(text, max(len(text), 1)) == text


@pytest.mark.parametrize("piece", ["\x1b]", "\x1b[", "\x1b[;", "\x9d", "\x1b "])
def test_repeated_openings_are_read_once(piece):
    # Half a megabyte: a scan that starts over at each opening would not come back.
    assert len(clean(piece * 250_000, 10)) <= 10


def test_only_surrogates_are_replaced():
    assert replace_surrogates("a\ud800b\udfffc\u202e\n😀") == "a\ufffdb\ufffdc\u202e\n😀"
