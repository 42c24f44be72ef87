"""Near-identical code is pointed out; short right answers and the handout's own code are not."""

from inithw.engine.records import Cell, Submission
from inithw.engine.similarity import near_identical

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
