"""The model answers quote what the reference notebook shows: every number, and what is said of them in words."""

import re
from pathlib import Path

import pytest
from inithw.release.answers import DOCUMENT, agrees, compare, like, marks, measure

from tests.parts import of_the_first_handout, project_copy

ROOT = Path(__file__).parent.parent
TEXT = """# Answers

| start | numbers |
|---|---|
| He | 1.8 6.7 4.6 | 174 |

## W1 Norms

**Model answer.** 9.4e-7, 1.06e-6 for the matrices 1 to 2. The signal falls
from 7.3e-3 to −0.024. It predicts one constant.

**Points.** 2.

## W2 Ranks

The rank is 4. The factor is −59,000.
"""


def claim(question, passage, *values, spare=0.0, rel=0.01):
    return {"question": question, "passage": passage, "values": list(values), "spare": spare, "rel": rel}


def run(*claims, words=(), failed=()):
    return {"claims": claims, "words": words, "failed": failed}


NORMS = "## for the matrices 1 to #"
FALLS = "falls from # to #."


@pytest.mark.slow
def test_every_number_and_statement_of_the_model_answers_agrees_with_a_run():
    measured = measure(ROOT)
    text = (ROOT / DOCUMENT).read_text("utf-8")
    filled, found = compare(text, measured)
    assert [f"{one.question}: {one.said}: {one.found}" for one in found] == []
    assert filled == text
    assert marks(text) == []
    assert len(measured["claims"]) > 80
    assert {claim["question"] for claim in measured["claims"]} == {"table", *(f"W{k}" for k in range(1, 12))}
    assert all(lesson["shows"] for lesson in measured["lesson"])


def test_every_row_of_the_table_is_held():
    rows = re.findall(r"^\| ([^|`]+?) \| \d", (ROOT / DOCUMENT).read_text("utf-8"), re.MULTILINE)
    program = (ROOT / "solutions/written_numbers.py").read_text("utf-8")
    assert len(rows) == 8
    assert all(f'"{row}": ' in program for row in rows)


def test_numbers_that_agree_change_nothing():
    assert compare(TEXT, run(claim("W1", NORMS, [9.39e-7, 1.061e-6], 2), claim("W1", FALLS, 7.3e-3, -0.0241))) == (
        TEXT,
        [],
    )


def test_all_that_differ_are_shown_at_once_and_filled_in_their_own_form():
    filled, found = compare(
        TEXT,
        run(
            claim("W1", NORMS, [3.14159e-5, 2.5e-6, 0.25e-6], 3),
            claim("W1", FALLS, 0.0123456, -3.21),
            claim("W2", "The factor is #.", -123456.0),
            claim("table", "| He | ## | # |", [2.04, 5.06], 98.4),
        ),
    )
    assert len(found) == 4
    assert all(one.filled for one in found)
    assert "3.1e-5, 2.50e-6, 2.50e-7 for the matrices 1 to 3." in filled
    assert "falls\nfrom 1.2e-2 to −3.2." in filled
    assert "The factor is −120,000." in filled
    assert "| He | 2.0 5.1 | 98 |" in filled
    assert found[0].said == "9.4e-7, 1.06e-6 for the matrices 1 to 2"
    assert found[0].found == "3.1e-5, 2.50e-6, 2.50e-7 for the matrices 1 to 3"


def test_what_was_rewritten_is_marked_above_its_paragraph_once_and_a_second_run_finds_nothing():
    measured = run(claim("W1", NORMS, [3e-5, 2e-6], 2), claim("W1", FALLS, 0.5, 0.25))
    filled, _ = compare(TEXT, measured)
    assert marks(filled) == ["numbers rewritten"]
    assert "## W1 Norms\n\n<!-- read again: numbers rewritten -->\n**Model answer.** " in filled
    assert compare(filled, measured) == (filled, [])


def test_words_that_are_not_true_any_more_and_passages_that_are_gone_are_named():
    words = [
        {"question": "W1", "words": "It predicts one\nconstant", "holds": False},
        {"question": "W2", "words": "The rank is odd", "holds": True},
    ]
    filled, found = compare(TEXT, run(claim("W2", "rank was #", 4), words=words))
    assert [(one.question, one.said, one.filled) for one in found] == [
        ("W2", "rank was #", False),
        ("W1", "It predicts one constant", False),
        ("W2", "The rank is odd", False),
    ]
    assert "not true of this run: It predicts one constant" in marks(filled)


def test_what_could_not_be_computed_is_marked_at_its_question():
    failed = [{"questions": ["W2"], "what": "the rank", "reason": "ValueError: no network"}]
    filled, (difference,) = compare(TEXT, run(failed=failed))
    assert marks(filled) == ["the rank could not be computed (ValueError: no network)"]
    assert not difference.filled


def test_a_number_that_is_none_is_never_written():
    filled, (difference,) = compare(TEXT, run(claim("W1", FALLS, float("nan"), 1.0)))
    assert "from 7.3e-3 to −0.024" in filled
    assert difference.found == "a run shows nan, 1"


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ("0.0046", 0.00464, "0.0046"),
        ("0.0046", 0.0123, "0.012"),
        ("9.4e-7", 1.234e-5, "1.2e-5"),
        ("65412", 3210.4, "3210"),
        ("4", 6, "6"),
        ("−0.024", 0.5, "0.50"),
        ("0.311", -0.4567, "−0.457"),
        ("59,000", 1234567.0, "1,200,000"),
        ("38.73", 31.6228, "31.62"),
        ("0.0034", 9.96e-3, "0.010"),
        ("0.5", 0.00001234, "1e-5"),
    ],
)
def test_a_number_keeps_its_form_and_as_many_digits(written, value, expected):
    assert like(written, value) == expected
    assert agrees(expected, value, rel=0.05)


@of_the_first_handout
def test_the_command_shows_everything_first_and_writes_only_when_told(tmp_path, monkeypatch, capsys):
    """The run of the notebook itself is held above; here it says that two numbers have moved."""
    from inithw.cli import project, shared
    from inithw.release import answers

    document = project_copy(tmp_path) / DOCUMENT
    before = document.read_text("utf-8")
    moved = run(claim("W2", "It predicts one constant, #,", 0.5), claim("W4", "a root mean square of #", 99.0))
    monkeypatch.setattr(answers, "measure", lambda _root: moved)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(shared.Stop, match="2 passages differ from a run: `inithw answers --write` fills numbers in"):
        project.answers()
    assert document.read_text("utf-8") == before
    assert capsys.readouterr().out.count(" says: ") == 2
    project.answers(write=True)
    assert "It predicts one constant, 0.50," in document.read_text("utf-8")
    assert '2 passages are marked "read again"' in capsys.readouterr().out
