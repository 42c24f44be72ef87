"""f-strings of a newer Python are rewritten for an older one, and mean the same."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inithw.engine.worker.fstrings import for_older_python
from inithw.engine.worker.statements import translate

KNOWN = {"d": {"a": 3.14159, "b": [1, 2]}, "x": 2.5, "w": 8, "names": ["p", "q"]}
NEWER = {
    'f"{d["a"]}"': "3.14159",
    "f'{d['a'] = :.2f}'": "d['a'] = 3.14",
    'f"{d["a"] = }"': 'd["a"] = 3.14159',
    'f"{"\\n".join(names)}"': "p\nq",
    'f"{f"{x:.2f}"} and {x=}"': "2.50 and x=2.5",
    'f"{f"{f"{1}"}"}"': "1",
    'f"{\n  x  # c\n}"': "2.5",
    'f"{\n d["a"]!r\n:>9} {x\n}"': "  3.14159 2.5",
    "f'''{d['a']  # c\n}\n'''": "3.14159\n",
    'f"{d["a"]:.{"2"}f}"': "3.14",
    'f"{x:{"="}^{w}}"': "==2.5===",
    'f"{"a" "b"!r}{{}} \\N{BULLET} {x!s:>5}"': "'ab'{} •   2.5",
    'rf"\\d{d["a"]}"': "\\d3.14159",
    'f"{ {1: "x"}[1] }"': "x",
    'f"{(lambda y: y + "!")("k")}"': "k!",
    'f"{d["a"] if x != 2 else "n"}"': "3.14159",
    '"{" f"{d["a"]}" "}"': "{3.14159}",
    'f"""{d["a"]}\n {"""x"""}"""': "3.14159\n x",
    'f"{b"\\x01"[0]}"': "1",
    "f\"{'#'}\"": "#",
    'f"{[y for y in "ab"]}"': "['a', 'b']",
    'f"{"it\'s"}{""}"': "it's",
    'f"{f"a{x}b{{" + "c"}"': "a2.5b{c",
    'f"{f"\\x41\\N{BULLET}{{{x}{w}\\u00e9"}"': "A•{2.58é",
    'f"{d["b"][0]:02d}|{"x":>3}|{x:,.1f}"': "01|  x|2.5",
}


def as_it_is(source):
    return source


@pytest.mark.parametrize("source", NEWER)
def test_every_older_python_reads_it_on_the_same_lines(source):
    older = for_older_python(source)
    assert eval(older, dict(KNOWN)) == NEWER[source]
    assert older.count("\n") == source.count("\n")


@pytest.mark.parametrize("source", NEWER)
def test_a_cell_with_one_is_run_whatever_python_grades_it(source):
    code, damages = translate(f"before = 1\nshown = ({source})\nafter = 2", as_it_is)
    names = dict(KNOWN)
    exec(code, names)
    assert not damages
    assert (names["before"], names["shown"], names["after"]) == (1, NEWER[source], 2)


@pytest.mark.parametrize("source", ['f"{d["a"}"', 'f"{', 'f"{x!z}"', "f'{x'", '"open', 'f"{x:', "x = (", 'f"}"'])
def test_what_no_python_reads_is_left_as_it_is_and_called_damaged(source):
    _code, damages = translate(f"before = 1\n{source}", as_it_is)
    assert [damage.line for damage in damages] == [2]


TEXT = st.text(st.sampled_from("ab {}:!='#\n\\tN é"), max_size=6)
VALUES = st.one_of(st.sampled_from(["x", "d['a']", "names", "w + 1", "x if w else 0", "[*names]"]), TEXT.map(ascii))


@given(st.lists(st.tuples(TEXT, VALUES, st.sampled_from(["", "!r", "!s", "!a"]), st.sampled_from(["", ":>12"]))))
def test_what_every_python_reads_means_the_same_afterwards(parts):
    fields = "".join(
        f"{ascii(text)[1:-1].replace('{', '{{').replace('}', '}}')}{{{value}{conversion}{spec}}}"
        for text, value, conversion, spec in parts
        if not set(value) & set('\\#"') and not (spec and not conversion and value in ("names", "[*names]"))
    )
    source = f'f"""{fields}"""'
    try:
        ast.parse(source)
    except SyntaxError:
        return
    assert eval(for_older_python(source), dict(KNOWN)) == eval(source, dict(KNOWN))


@given(st.text(st.sampled_from("fr\"'{}:=!#\\\n ax1+()[]"), max_size=40))
def test_it_never_raises_and_leaves_what_it_does_not_change_alone(source):
    for_older_python(source)
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return
    older = for_older_python(source)
    assert ast.dump(ast.parse(older)) == ast.dump(ast.parse(source)) or "{" in source
