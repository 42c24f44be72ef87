"""The reader takes what students really hand in, refuses the rest in one line, and follows nothing anywhere."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import random
import re
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import unicodedata
import zipfile
from importlib import resources
from pathlib import Path

import jupytext
import nbformat
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from inithw.engine import submission
from inithw.engine.submission import NotGradable, files, handout, normalize
from inithw.homework.definition import HOMEWORK

from tests.parts import read_submission

ANSWERS = (
    "model = nn.Sequential(nn.Linear(1, 20))",
    "def print_gnorms(model):\n    print(1)",
    "def better_init(module):\n    pass",
)
STUBS = (
    "model = nn.Sequential(\n    todo('q1')\n)",
    'def print_gnorms(model):\n    gnorm = todo("q2")',
    'def better_init(module):\n    todo("q3")',
)
OTHER = ("import numpy as np", "print(np.pi)")
SCRIPT = "\n\n".join(("import torch", *ANSWERS)).encode()


def code_cell(source, **fields):
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        **fields,
    }


def notebook(*sources, minor=5, **fields):
    cells = [code_cell(source) for source in sources]
    return {"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": cells, **fields}


def encoded(*sources):
    return json.dumps(notebook(*sources)).encode()


def zipped(entries, compression=zipfile.ZIP_DEFLATED):
    """A zip of names or ZipInfos with their bytes, in order; a name may repeat."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def link_entry(name):
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def sources(read):
    return tuple(cell.source for cell in read.cells)


def settle(path):
    """Read, and hold whatever comes out to what later stages rely on; None when it is not gradable."""
    try:
        read = read_submission(path)
    except NotGradable as reason:
        assert_shown_on_one_line(str(reason))
        return None
    for text in (read.name, *read.notes):
        assert_shown_on_one_line(text)
    assert [cell.number for cell in read.cells] == list(range(1, len(read.cells) + 1))
    assert len(read.cells) <= submission.MAX_CELLS
    assert sum(len(cell.source) for cell in read.cells) <= submission.MAX_CODE
    assert all("\r" not in cell.source and cell.source.encode() is not None for cell in read.cells)
    assert re.fullmatch("[0-9a-f]{64}", read.digest)
    return read


def assert_shown_on_one_line(text):
    assert 0 < len(text) < 5000
    assert not {unicodedata.category(c) for c in text} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.fixture
def write(tmp_path):
    """Write files into one folder and return the path of the last."""

    def write(name, content):
        path = tmp_path / "handed in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


def refused(path, *words):
    """The reason why there is nothing to grade, which must hold `words`."""
    with pytest.raises(NotGradable) as caught:
        read_submission(path)
    reason = str(caught.value)
    assert_shown_on_one_line(reason)
    for word in words:
        assert word in reason
    return reason


# ---------------------------------------------------------------- notebooks


def test_code_cells_come_in_order_numbered_from_one_without_markdown_and_outputs(write):
    given = notebook("a = 1", "b = 2")
    given["cells"].insert(1, {"cell_type": "markdown", "source": "c = 3", "metadata": {}})
    given["cells"].append({"cell_type": "raw", "source": "d = 4", "metadata": {}})
    read = read_submission(write("x.ipynb", given))
    assert [(cell.number, cell.source) for cell in read.cells] == [(1, "a = 1"), (2, "b = 2")]


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("utf-32"),
        lambda text: b"\n\r\n  " + text.encode() + b"\n",
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16 with mark", "utf-16-le", "utf-16-be", "utf-32", "blanks around"],
)
def test_every_encoding_of_json_is_read(write, encode):
    given = notebook("größe = '数学 😀'")
    assert sources(read_submission(write("x.ipynb", encode(json.dumps(given, ensure_ascii=False))))) == (
        "größe = '数学 😀'",
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda nb: nb.pop("nbformat"),
        lambda nb: nb.pop("nbformat_minor"),
        lambda nb: nb.pop("metadata"),
        lambda nb: nb.update(nbformat=5),
        lambda nb: nb.update(nbformat="4"),
        lambda nb: nb.update(nbformat=3, nbformat_minor=None),
        lambda nb: nb.update(metadata={"widgets": {"application/vnd.jupyter.widget-state+json": {}}}),
        lambda nb: nb.update(metadata={"colab": {"provenance": []}, "kernelspec": None}),
        lambda nb: [cell.update(id="same") for cell in nb["cells"]],
        lambda nb: [cell.update(id=["not", 1, "name"]) for cell in nb["cells"]],
        lambda nb: [cell.pop("outputs") for cell in nb["cells"]],
        lambda nb: [cell.update(outputs=[{"output_type": "stream"}, 7]) for cell in nb["cells"]],
        lambda nb: [cell.update(source=["a = 1\n", "b = 2"]) for cell in nb["cells"]],
        lambda nb: [cell.update(source="a = 1\r\nb = 2") for cell in nb["cells"]],
        lambda nb: [cell.update(source="a = 1\rb = 2") for cell in nb["cells"]],
        lambda nb: [cell.update(source=["a = 1\n", None, 3, "b = 2"]) for cell in nb["cells"]],
        lambda nb: nb["cells"].extend([None, 3, [], {}, {"cell_type": ["code"]}]),
    ],
)
def test_what_else_is_missing_or_wrong_does_not_matter(write, change):
    given = notebook("a = 1\nb = 2")
    change(given)
    assert sources(read_submission(write("x.ipynb", given))) == ("a = 1\nb = 2",)


@pytest.mark.parametrize("source", [None, 7, {"a": 1}, []])
def test_a_cell_without_text_is_empty_but_keeps_its_number(write, source):
    assert sources(read_submission(write("x.ipynb", notebook("a = 1", source, "b = 2")))) == ("a = 1", "", "b = 2")


def test_a_notebook_without_code_is_read_and_remarked_upon(write):
    read = read_submission(write("x.ipynb", notebook()))
    assert read.cells == ()
    assert "right homework" in read.notes[0]


def test_json_that_only_python_writes_is_read(write):
    text = json.dumps(notebook("a = 1")).replace('"metadata": {}', '"metadata": {"a": NaN, "b": -Infinity, "c": "\t"}')
    assert sources(read_submission(write("x.ipynb", text.encode()))) == ("a = 1",)


def test_of_duplicate_keys_the_last_counts_as_in_jupyter(write):
    text = '{"cells": [], "nbformat": 4, "cells": [{"cell_type": "code", "source": "no", "source": "yes"}]}'
    assert sources(read_submission(write("x.ipynb", text.encode()))) == ("yes",)


def test_lone_surrogates_and_stray_latin_1_are_replaced(write):
    read = read_submission(write("x.ipynb", b'{"cells": [{"cell_type": "code", "source": "\\ud800 # caf\xe9"}]}'))
    assert sources(read) == ("\ufffd # caf\ufffd",)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_older_formats_are_read(write, version):
    cells = [
        {"cell_type": "code", "input": ["a = 1\n", "b = 2"], "language": "python", "outputs": []},
        {"cell_type": "heading", "source": "title", "level": 1},
        {"cell_type": "code", "input": "c = 3", "outputs": [{"output_type": "pyout", "text": "3"}]},
        {"cell_type": "code", "input": ["d = 4", "e = 5"], "outputs": []},
    ]
    body = {"cells": cells} if version == 1 else {"worksheets": [{"cells": cells[:2]}, {"cells": cells[2:]}]}
    read = read_submission(write("x.ipynb", {"nbformat": version, "metadata": {"name": ""}, **body}))
    assert sources(read) == ("a = 1\nb = 2", "c = 3", "d = 4\ne = 5")


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r"), max_size=30)
cells = st.lists(st.tuples(st.sampled_from(["code", "markdown", "raw"]), texts), max_size=6)


@given(cells, st.sampled_from([3, 4]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_valid_notebooks_are_read_as_nbformat_reads_them(write, given_cells, version):
    make = {
        "code": nbformat.v4.new_code_cell,
        "markdown": nbformat.v4.new_markdown_cell,
        "raw": nbformat.v4.new_raw_cell,
    }
    written = nbformat.v4.new_notebook(cells=[make[kind](text) for kind, text in given_cells])
    text = nbformat.writes(nbformat.convert(written, version), version=version)
    expected = [cell.source for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "code"]
    assert sources(read_submission(write("x.ipynb", text.encode()))) == tuple(expected)


def test_twenty_megabytes_of_outputs_change_nothing(write):
    given = notebook(*ANSWERS)
    plain = read_submission(write("x.ipynb", given))
    given["cells"][0]["outputs"] = [
        {"output_type": "display_data", "data": {"image/png": "A" * 10_000_000}, "metadata": {}},
        {"output_type": "stream", "name": "stdout", "text": ["epoch, loss: [0.1]\n"] * 500_000},
    ]
    assert read_submission(write("x.ipynb", given)) == plain


# ---------------------------------------------------------------- Python files


def test_a_plain_script_is_one_cell(write):
    text = "#!/usr/bin/env python\nimport torch\n\n\ndef f():\n    pass\n"
    assert sources(read_submission(write("x.py", text.encode()))) == (text,)


@given(cells.filter(lambda cells: any(kind == "code" and text.strip() for kind, text in cells)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_percent_scripts_are_read_as_jupytext_reads_them(write, given_cells):
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    written = nbformat.v4.new_notebook(
        # What could be a marker or a docstring of jupytext's own stays out of the comparison.
        cells=[
            make.get(kind, make["markdown"])(re.sub(r"[^\w\n =+().]", "", text, flags=re.ASCII))
            for kind, text in given_cells
        ]
    )
    form = {"extension": ".py", "format_name": "percent", "comment_magics": False}
    text = jupytext.writes(written, form)
    expected = [cell.source for cell in jupytext.reads(text, form).cells if cell.cell_type == "code"]
    assume(any(expected))
    assert [normalize(source) for source in sources(read_submission(write("x.py", text.encode())))] == [
        normalize(source) for source in expected
    ]


@pytest.mark.parametrize("marker", ["# %%", "#%%", "# %% a title", '# %% tags=["a"]', "# %%%"])
def test_every_spelling_of_the_percent_marker_starts_a_cell(write, marker):
    header, markdown = "# ---\n# jupyter:\n#   a: b\n# ---\n\n", "# %% [markdown]\n# text\n\n"
    text = f"{header}{marker}\na = 1\n# %%time\n\n{markdown}{marker}\nb = 2\n"
    assert sources(read_submission(write("x.py", text.encode()))) == ("a = 1\n# %%time", "b = 2")


def test_code_before_the_first_marker_is_a_cell(write):
    assert sources(read_submission(write("x.py", b"import torch\n# %%\r\na = 1\r\n"))) == ("import torch\n", "a = 1")


def test_an_export_of_nbconvert_gives_the_notebooks_cells_back(write):
    nbconvert = pytest.importorskip("nbconvert")
    make = nbformat.v4
    written = make.new_notebook(
        cells=[
            make.new_markdown_cell("# Title\n\ntext"),
            make.new_code_cell("import torch\n\n\nx = 1  # one"),
            make.new_markdown_cell("more\n\ntext"),
            make.new_code_cell("%matplotlib inline\n!ls", execution_count=12),
            make.new_code_cell("def f():\n    return 2"),
        ]
    )
    text, _ = nbconvert.PythonExporter().from_notebook_node(written)
    read = sources(read_submission(write("x.py", text.encode())))
    assert read[0] == "import torch\n\n\nx = 1  # one"
    assert "get_ipython()" in read[1]
    assert read[2] == "def f():\n    return 2"
    assert len(read) == 3


# ---------------------------------------------------------------- content decides


@pytest.mark.parametrize("name", ["x.ipynb", "x.txt", "x.json", "x.py", "x", "x.ipynb.txt", "x.ipynb (1)", "X.IPYNB"])
def test_a_notebook_is_a_notebook_whatever_its_name(write, name):
    assert sources(read_submission(write(name, encoded(*ANSWERS)))) == ANSWERS


@pytest.mark.parametrize("name", ["x.zip", "x.ipynb", "x.py", "x"])
def test_a_zip_is_a_zip_whatever_its_name(write, name):
    read = read_submission(write(name, zipped([("a/hw.ipynb", encoded(*ANSWERS))])))
    assert sources(read) == ANSWERS
    assert read.notes == ("Graded a/hw.ipynb.",)


@pytest.mark.parametrize("name", ["x.py", "x.ipynb", "x.txt"])
def test_python_is_python_whatever_its_name(write, name):
    assert sources(read_submission(write(name, b"import torch\nx = {}"))) == ("import torch\nx = {}",)


def test_a_script_that_starts_with_a_brace_is_a_script(write):
    assert sources(read_submission(write("x.py", b"{1: 2}\nx = 1"))) == ("{1: 2}\nx = 1",)


def tar_gz():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("hw.ipynb"))
    return gzip.compress(buffer.getvalue(), mtime=0)  # the same bytes in every process that collects the tests


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7 ...", "a PDF"),
        (tar_gz(), "a gzip archive"),
        (b"hw.ipynb".ljust(257, b"\0") + b"ustar  ", "a tar archive"),
        (b"7z\xbc\xaf\x27\x1c...", "a 7-Zip archive"),
        (b"Rar!\x1a\x07\x01", "a RAR archive"),
        (b"{\\rtf1 text}", "RTF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Word"),
        (b"\x89PNG\r\n", "a picture"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "a web page"),
        (b"<html><body>", "a web page"),
        (zipped([("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"")]), "Word"),
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"My answer is 42.", "neither a notebook nor Python"),
        (b"\x00\x01\x02\x03 import torch", "neither a notebook nor Python"),
        (b"\xff\xfe\x00\xdc\x00\xdc", "neither a notebook nor Python"),
        (b"<<<<<<< HEAD\n{", "neither a notebook nor Python"),
        (encoded("a = 1")[:-9], "damaged: it is not JSON at line 1, column"),
        (b"{}", "no list of cells"),
        (b"[]", "no list of cells"),
        (b'{"cells": 3, "nbformat": 4}', "no list of cells"),
        (b'{"cells": {}, "worksheets": 1, "nbformat": 4}', "no list of cells"),
        (b'{"cells": [{"row": 1}, 2]}', "no list of cells"),
    ],
)
def test_what_is_no_notebook_is_named_with_what_to_do(write, content, words):
    assert re.search(r"\.ipynb \(|again", refused(write("x.ipynb", content), "x.ipynb", words))


# ---------------------------------------------------------------- folders and zips


def as_folder(write, files):
    for name, data in files:
        path = write(name, data)
    return next(parent for parent in path.parents if parent.name == "handed in")


def as_zip(write, files):
    return write("handed in.zip", zipped(files))


both = pytest.mark.parametrize("pack", [as_folder, as_zip])


@both
def test_the_notebook_is_found_among_everything_else(write, pack):
    path = pack(
        write,
        [
            ("__MACOSX/deep/._hw.ipynb", b"\x00\x05\x16\x07"),
            ("deep/._hw.ipynb", b"\x00\x05\x16\x07"),
            ("deep/.ipynb_checkpoints/hw-checkpoint.ipynb", encoded(*OTHER)),
            ("deep/env/pyvenv.cfg", b""),
            ("deep/env/share/demo.ipynb", encoded(*OTHER)),
            ("lib/site-packages/demo.ipynb", encoded(*OTHER)),
            (".hidden/demo.ipynb", encoded(*OTHER)),
            (".OTTER_LOG", b"pickle"),
            ("deep/helpers.py", b"def better_init(module):\n    pass"),
            ("deep/data.json", b'{"cells": [1]}'),
            ("deep/data.csv", b"1,2"),
            ("deep/er/hw.IPYNB", encoded(*ANSWERS)),
        ],
    )
    read = read_submission(path)
    assert sources(read) == ANSWERS
    assert read.notes == ("Graded deep/er/hw.IPYNB.",)
    assert read.name == str(path)


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "# # Training\n# Now train it.\n\n{}",
        '"""Now\ntrain it."""\n\n{}',
        "{}\n\n# -\n\n# What do you see?",
        "'''x'''\n{}\n#",
    ],
)
def test_text_around_a_given_cell_leaves_it_the_handouts(around):
    for source in handout.handout_cells(HOMEWORK):
        assert handout.read_cell(1, around.format(source), HOMEWORK).source == source
        assert not handout.read_cell(1, around.format(source) + "\nx = 1", HOMEWORK).given


def test_many_strings_above_a_cell_take_time_in_proportion():
    """The square of this many lines would take hours."""
    code = '"""a"""\n' * 300_000 + "x = 1"
    assert handout.fingerprint(code) == handout.fingerprint("x = 1")


def test_a_string_that_is_used_or_never_ends_is_code():
    for source in ('"""a""".upper()\nx = 1', '"""a\nx = 1', "x = 1\n'''b'''"):
        assert handout.fingerprint(source) not in {handout.fingerprint("x = 1"), handout.fingerprint("")}


@both
def test_helper_files_that_are_left_out_are_named(write, pack):
    files = [
        ("hw.ipynb", encoded(*ANSWERS)),
        ("good.py", b"x = 1"),
        ("big.py", b"#" * 200_001),
        ("odd\u0301;.py", b"y = 2"),
    ]
    read = read_submission(pack(write, files))
    assert [file.name for file in read.files] == ["good.py"]
    (note,) = [note for note in read.notes if "can be imported" in note]
    assert note.startswith("Not there when the code ran: big.py")
    assert "(2 in all)" in note


@both
@pytest.mark.parametrize("name", ["hw.json", "hw.txt", "hw.py", "hw", "hw.ipynb.txt", "hw.ipynb (1)"])
def test_a_notebook_of_another_name_is_found_when_there_is_no_ipynb(write, pack, name):
    files = [(name, encoded(*ANSWERS)), ("setup.py", b"x = 1"), ("readme.txt", b"import torch"), ("d.json", b"{}")]
    assert sources(read_submission(pack(write, files))) == ANSWERS


@both
def test_the_script_with_the_answers_is_taken_among_scripts(write, pack):
    files = [("hw.py", "\n\n".join(ANSWERS).encode()), ("utils.py", b"x = 1"), ("requirements.txt", b"import torch")]
    read = read_submission(pack(write, files))
    assert sources(read) == ("\n\n".join(ANSWERS),)
    assert read.notes == ("Graded hw.py.", "Ignored utils.py: not this homework.")


@both
def test_of_several_notebooks_the_answered_one_is_taken(write, pack):
    files = [
        ("a/skeleton.ipynb", encoded(*STUBS)),
        ("b/other.ipynb", encoded(*OTHER)),
        ("c/hw.ipynb", encoded(*ANSWERS)),
        ("d/copy.ipynb", json.dumps(notebook("", *ANSWERS, minor=2, metadata={"a": 1})).encode()),
        ("e/cut.ipynb", encoded(*ANSWERS)[:-5]),
    ]
    read = read_submission(pack(write, files))
    assert sources(read) == ANSWERS
    assert read.notes[:4] == (
        "Graded c/hw.ipynb.",
        "Ignored d/copy.ipynb: the same code.",
        "Ignored b/other.ipynb: not this homework.",
        "Ignored a/skeleton.ipynb: nothing answered in it.",
    )
    assert read.notes[4].startswith("Could not read a file: e/cut.ipynb is damaged")


@both
def test_a_partly_answered_notebook_counts_as_answered(write, pack):
    files = [("a.ipynb", encoded(*STUBS)), ("b.ipynb", encoded(*STUBS[:2], ANSWERS[2]))]
    assert sources(read_submission(pack(write, files))) == (*STUBS[:2], ANSWERS[2])


@both
def test_an_answer_that_mentions_the_stubs_in_comments_is_answered(write, pack):
    mention = '# replaced todo("q1"), was: todo("q2"), todo("q3")'
    files = [("a.ipynb", encoded(*STUBS)), ("b.ipynb", encoded(mention, *ANSWERS))]
    assert sources(read_submission(pack(write, files))) == (mention, *ANSWERS)


@both
def test_the_skeleton_alone_is_read(write, pack):
    read = read_submission(pack(write, [("a.ipynb", encoded(*STUBS)), ("b.ipynb", encoded(*OTHER))]))
    assert sources(read) == STUBS


@both
def test_several_answered_notebooks_are_named_and_refused(write, pack):
    files = [("a/one.ipynb", encoded(*ANSWERS)), ("b/two.ipynb", encoded(*ANSWERS, "x = 1"))]
    refused(pack(write, files), "a/one.ipynb, b/two.ipynb", "only the one")


@both
def test_several_notebooks_of_other_homeworks_are_named_and_refused(write, pack):
    refused(pack(write, [("a.ipynb", encoded(*OTHER)), ("b.ipynb", encoded("x = 1"))]), "a.ipynb, b.ipynb")


@both
def test_a_script_stands_in_for_a_broken_notebook(write, pack):
    read = read_submission(pack(write, [("hw.ipynb", b"{"), ("hw.py", ANSWERS[2].encode())]))
    assert sources(read) == (ANSWERS[2],)
    assert "hw.ipynb is damaged" in read.notes[1]


@both
def test_only_a_broken_notebook_says_what_is_wrong_with_it(write, pack):
    refused(pack(write, [("hw.ipynb", b"<html>"), ("data.csv", b"1")]), "hw.ipynb is a web page")


@both
def test_no_notebook_says_what_was_found(write, pack):
    refused(pack(write, [("report.pdf", b"%PDF"), ("data.csv", b"1")]), "holds no notebook", "data.csv, report.pdf")


@both
def test_too_many_candidates_are_refused(write, pack):
    refused(pack(write, [(f"{n}.ipynb", encoded(f"x = {n}")) for n in range(101)]), "holds 101 files")


@both
def test_names_are_shown_without_tricks(write, pack):
    name = "\x1b]0;title\x07\u202e<b>" + "x" * 150 + ".ipynb"
    read = settle(pack(write, [(name, encoded(*OTHER))]))
    assert read.notes[0] == "Graded <b>" + "x" * 150 + ".ipynb."


@both
def test_a_zip_in_a_folder_or_zip_is_read_and_named(write, pack):
    inner = zipped([("a/hw.ipynb", encoded(*ANSWERS))])
    read = read_submission(pack(write, [("notes.txt", b"hello"), ("sub.zip", inner)]))
    assert sources(read) == ANSWERS
    assert read.notes == ("Graded sub.zip/a/hw.ipynb.",)


@both
def test_several_zips_without_a_notebook_are_refused(write, pack):
    inner = zipped([("a/hw.ipynb", encoded(*ANSWERS))])
    refused(pack(write, [("a.zip", inner), ("b.zip", inner)]), "holds 2 files")


def test_an_empty_folder_and_an_empty_zip_hold_no_notebook(write, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty holds no notebook; found: nothing")
    refused(write("empty.zip", zipped([])), "empty.zip holds no notebook; found: nothing")


def test_folders_within_folders_are_searched_so_far_and_no_further(write):
    as_folder(write, [("d/" * submission.MAX_DEPTH + "hw.ipynb", encoded(*ANSWERS))])
    path = as_folder(write, [("d/" * (submission.MAX_DEPTH + 1) + "hw.ipynb", encoded(*OTHER))])
    assert sources(read_submission(path)) == ANSWERS


# ---------------------------------------------------------------- files that are none


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "x.ipynb", "x.ipynb does not exist")


def test_a_name_that_cannot_be_is_refused(tmp_path):
    refused(tmp_path / "x\0.ipynb", "cannot be read")
    refused(tmp_path / ("x" * 300), "cannot be read")


@pytest.fixture
def unprivileged():
    """Lay root down: it may read everything."""
    before = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder), (lambda: os.seteuid(65534) if before == 0 else None)
        os.seteuid(before)


def test_what_may_not_be_read_is_refused(unprivileged):
    folder, lay_down = unprivileged
    (folder / "closed.ipynb").write_bytes(encoded(*ANSWERS))
    (folder / "closed.ipynb").chmod(0)
    (folder / "open" / "inner").mkdir(parents=True)
    (folder / "open").chmod(0o755)  # whatever the umask
    (folder / "open" / "inner").chmod(0)
    lay_down()
    refused(folder / "closed.ipynb", "closed.ipynb cannot be read (Permission denied)", "permissions")
    refused(folder / "open", "inner cannot be read (Permission denied)")


def test_a_symbolic_link_is_never_followed(write, tmp_path):
    target = write("x.ipynb", encoded(*ANSWERS))
    (tmp_path / "file.ipynb").symlink_to(target)
    (tmp_path / "folder").symlink_to(target.parent)
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("file.ipynb", "folder", "dangling"):
        refused(tmp_path / name, f"{name} is a symbolic link")


def test_devices_pipes_and_sockets_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.ipynb")
    refused(tmp_path / "pipe.ipynb", "device, pipe or socket")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(tmp_path):
        server.bind("socket.ipynb")  # by its short name: an address has 108 bytes
        refused(tmp_path / "socket.ipynb", "socket.ipynb cannot be read")
    with open(os.devnull) as null:
        refused(Path(null.name), "device, pipe or socket")


def test_hostile_entries_of_a_folder_are_refused_by_name(write, tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(encoded("secret"))
    folder = tmp_path / "handed in"
    folder.mkdir()
    (folder / "a.ipynb").symlink_to(secret)
    refused(folder, "a.ipynb is a symbolic link")
    (folder / "a.ipynb").unlink()
    os.link(secret, folder / "a.ipynb")
    refused(folder, "a.ipynb is a hard link")
    (folder / "a.ipynb").unlink()
    os.mkfifo(folder / "a.ipynb")
    refused(folder, "a.ipynb is not a file but a device, pipe or socket")
    (folder / "linked").symlink_to(tmp_path)
    write("b.ipynb", encoded(*ANSWERS))
    assert sources(read_submission(folder)) == ANSWERS


def test_a_sparse_gigabyte_is_refused_by_its_size(tmp_path):
    with open(tmp_path / "x.ipynb", "wb") as file:
        file.truncate(1_000_000_000)
    refused(tmp_path / "x.ipynb", "larger than 100 MB", "Clear the outputs")
    refused(tmp_path, "x.ipynb is larger than 100 MB")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux")
def test_a_file_that_reads_otherwise_than_its_size_says_is_refused():
    refused(Path("/proc/self/status"), "changed while it was read")
    refused(Path("/proc/self/mem"), "mem cannot be read")


def test_a_folder_with_very_many_files_is_refused(write, monkeypatch):
    monkeypatch.setattr(files, "MAX_ENTRIES", 3)
    refused(as_folder(write, [(f"d/{n}.csv", b"1") for n in range(3)]), "holds more than 3 files")


# ---------------------------------------------------------------- hostile zips


@pytest.mark.parametrize("name", ["../../secret.ipynb", "/etc/secret.ipynb", "C:\\x\\secret.ipynb", "./a/../x.ipynb"])
def test_a_name_in_a_zip_leads_nowhere(write, opened, name):
    path = write("x.zip", zipped([(name, encoded(*ANSWERS))]))
    with opened as paths:
        assert sources(read_submission(path)) == ANSWERS
    assert paths == [str(path)]


def test_a_link_in_a_zip_is_refused_or_passed_over(write):
    refused(write("x.zip", zipped([(link_entry("a.ipynb"), b"/etc/passwd")])), "a.ipynb is a symbolic link")
    path = write("x.zip", zipped([(link_entry("a.ipynb"), b"b.ipynb"), ("b.ipynb", encoded(*ANSWERS))]))
    assert sources(read_submission(path)) == ANSWERS


def test_two_entries_of_one_name_are_two_files(write):
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped([("x.ipynb", encoded(*ANSWERS)), ("x.ipynb", encoded(*ANSWERS, "x = 1"))])
    refused(write("x.zip", data), "several notebooks")


def test_an_encrypted_zip_is_refused(write):
    data = bytearray(zipped([("x.ipynb", encoded(*ANSWERS))]))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refused(write("x.zip", bytes(data)), "x.ipynb is encrypted", "without a password")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_unusual_compression_is_refused(write, method):
    refused(write("x.zip", zipped([("x.ipynb", encoded(*ANSWERS))], method)), "unusual way")


def test_a_broken_zip_is_refused(write):
    data = zipped([("x.ipynb", encoded(*ANSWERS))])
    refused(write("x.zip", data[: len(data) // 2]), "x.zip is a broken zip")
    refused(write("x.zip", data[:60] + bytes([data[60] ^ 255]) + data[61:]), "x.ipynb is broken in its zip")
    wrong_flag = zipped([("\xe4.ipynb", b"")]).replace("\xe4".encode(), b"\xff\xff")
    refused(write("x.zip", wrong_flag), "x.zip is a broken zip")


def test_a_zip_that_declares_less_than_it_holds_is_cut_there(write):
    data = bytearray(zipped([("x.ipynb", b" " * 50_000_000)]))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(signature) + offset, 1000)
    refused(write("x.zip", bytes(data)), "x.ipynb is broken in its zip")


def test_a_zip_bomb_is_refused_file_by_file_and_in_sum(write):
    bomb = b" " * (submission.MAX_FILE - 1000)
    refused(write("x.zip", zipped([("a.ipynb", bomb + b" " * 2000)])), "a.ipynb is larger than 100 MB")
    read = read_submission(write("x.zip", zipped([(f"{n}.ipynb", bomb) for n in "abcd"] + [("hw.py", b"x = 1")])))
    assert [note for note in read.notes if "c.ipynb is too much to read" in note]


def test_a_zip_with_very_many_names_is_refused(write):
    entry = zipped([("x", b"")])[: -22 - 47]
    directory = zipped([("x", b"")])[-22 - 47 : -22]
    many = submission.MAX_ENTRIES + 1
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, many * len(directory), len(entry), 0)
    refused(write("x.zip", entry + directory * many + end), f"more than {submission.MAX_ENTRIES} files")


def test_zips_in_zips_in_zips_are_refused(write):
    data = encoded(*ANSWERS)
    for _ in range(3):
        data = zipped([("x.zip", data if data.startswith(b"PK") else zipped([("hw.ipynb", data)]))])
    refused(write("x.zip", data), "zip within a zip")


# ---------------------------------------------------------------- hostile notebooks


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"cells":' + b"[" * 200_000, "nested too deep"),
        (b'{"cells":' + b'{"a":' * 200_000, "nested too deep"),
        (b'{"nbformat":' + b"9" * 1_000_000 + b',"cells":[]}', "numbers too long"),
        (b'{"cells":[' + b"[]," * 3_000_000 + b"[]]}", "more than 300 MB of memory"),
        (json.dumps(notebook(*[""] * 2001)).encode(), "more than 2000 code cells"),
        (json.dumps(notebook("x" * 2_000_001)).encode(), "more than 2000000 characters"),
        (b"# %%\n" * 2001, "more than 2000 code cells"),
        (b"import torch\n" + b"\n" * 2_000_000, "more than 2000000 characters"),
    ],
)
def test_whatever_takes_memory_is_bounded(write, content, words):
    refused(write("x.ipynb", content), words)


def test_as_much_as_the_limits_allow_is_read(write):
    full = ["x" * (submission.MAX_CODE // submission.MAX_CELLS)] * submission.MAX_CELLS
    assert sources(read_submission(write("x.ipynb", notebook(*full)))) == tuple(full)


@pytest.mark.parametrize(
    "piece", ['todo("q1"', "todo( ", "print_gnorms# ", "better_init", " \n", "# %% ", "#%%%", "\t"]
)
def test_no_pattern_takes_more_than_linear_time(write, piece):
    # Two megabytes: a search that starts over at each piece would not come back.
    text = "import torch" + piece * ((submission.MAX_CODE - 12) // len(piece))
    for name in ("x.py", "x.txt"):
        settle(write(name, text.encode()))
    settle(write("x.ipynb", notebook(text)))


def test_control_characters_in_code_are_kept_for_the_worker_to_judge(write):
    assert sources(read_submission(write("x.ipynb", notebook("a = '\x00\x1b\u202e'\x0c")))) == (
        "a = '\x00\x1b\u202e'\x0c",
    )


# ---------------------------------------------------------------- digest, demonstrations, notes


def test_the_digest_covers_exactly_what_is_sent(write):
    read = read_submission(write("x.ipynb", notebook("\n\na = 1  \r\n", "  \n", "é")))
    framed = b"".join(
        b"cell" + len(part).to_bytes(8, "big") + part for part in (b"\n\na = 1  \n", b"  \n", "é".encode())
    )
    assert read.digest == hashlib.sha256(framed).hexdigest()


def test_the_digest_sees_code_and_nothing_else(write):
    def digest(*given, **fields):
        return read_submission(write("x.ipynb", notebook(*given, **fields))).digest

    base = digest("a = 1", "b = 2")
    assert base == digest("a = 1", "b = 2", minor=2, metadata={"x": 1})
    assert base == read_submission(write("y.py", b"# %%\na = 1\n\n# %%\nb = 2\n")).digest
    others = [("b = 2", "a = 1"), ("a = 1\nb = 2",), ("a = 1",), ("a = 1", "b  = 2"), ()]
    seen = [
        ("a = 1 ", "b = 2"),
        ("a = 1", "b = 2", ""),
        ("a = 1", "", "b = 2"),
        ("\na = 1", "b = 2"),
        ("a = 1", "b = 2\n"),
    ]
    assert len({base, *(digest(*one) for one in (*others, *seen))}) == 11


def test_blanks_in_a_given_cell_are_neither_sent_nor_counted(write):
    given_cell = handout.handout_cells(HOMEWORK)[3]
    plain, blank = (
        read_submission(write("x.ipynb", notebook(text, "a = 1"))) for text in (given_cell, given_cell + "  \n")
    )
    assert plain.cells == blank.cells
    assert plain.digest == blank.digest


# ---------------------------------------------------------------- Python files beside the notebook


@pytest.mark.parametrize("folder", ["", "hw/", "a/b/"])
def test_python_files_beside_the_notebook_travel_with_it(write, folder):
    for pack in (as_folder, as_zip):
        files_in = [
            (f"{folder}hw.ipynb", encoded(*ANSWERS, "import he")),
            (f"{folder}he.py", b"\xef\xbb\xbfx = 1\r\n"),
            (f"{folder}pack/__init__.py", b""),
            (f"{folder}pack/inner.py", b"y = 2"),
            (f"{folder}tests/q1.py", b"z = 3"),
            (f"{folder}.hidden/x.py", b""),
            (f"{folder}data.csv", b"1"),
            (f"{folder}large.py", b"x = 1\n" * 100_000),
        ]
        read = settle(pack(write, files_in))
        found = {file.name: file.text for file in read.files}
        assert found == {"he.py": "x = 1\n", "pack/__init__.py": "", "pack/inner.py": "y = 2"}


def test_python_files_elsewhere_in_the_upload_keep_their_path(write):
    read = settle(as_zip(write, [("nb/hw.ipynb", encoded(*ANSWERS)), ("src/he.py", b"x = 1"), ("he.py", b"y = 1")]))
    assert {file.name for file in read.files} == {"src/he.py", "he.py"}


def test_the_digest_sees_the_files_beside_the_notebook(write):
    def digest(*beside):
        return settle(as_zip(write, [("hw.ipynb", encoded(*ANSWERS)), *beside])).digest

    assert len({digest(), digest(("he.py", b"x")), digest(("he.py", b"y")), digest(("she.py", b"x"))}) == 4
    assert digest(("notes.txt", b"x")) == digest()


OUTSIDE = ("../he.py", "/he.py", "a/../../he.py", "C:/he.py", "a\\..\\..\\he.py", "-" * 200 + ".py", "a/b/c/d/e/f/g.py")


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_file_is_laid_down_outside_of_the_folder(write, name):
    read = settle(as_zip(write, [("hw.ipynb", encoded(*ANSWERS)), (name, b"x = 1")]))
    for file in read.files:
        assert ".." not in file.name.split("/")
        assert not file.name.startswith("/")
        assert len(file.name.split("/")) <= 5


def test_too_many_files_beside_the_notebook_are_bounded(write):
    many = [(f"f{number}.py", b"x = 1") for number in range(90)]
    assert len(settle(as_zip(write, [("hw.ipynb", encoded(*ANSWERS)), *many])).files) == 50


# ---------------------------------------------------------------- which file counts


@pytest.mark.parametrize(
    ("given_files", "taken"),
    [
        ([("hw.py", SCRIPT), ("Untitled.ipynb", encoded("1 + 1"))], "hw.py"),
        ([("hw.py", SCRIPT), ("Untitled.ipynb", encoded(*STUBS))], "hw.py"),
        ([("hw.py", SCRIPT), ("hw.ipynb", encoded(*ANSWERS))], "hw.ipynb"),
        ([("hw.py", SCRIPT), ("tests/q2.py", b"def test(print_gnorms): pass\nimport torch")], "hw.py"),
        ([("hw.ipynb", encoded(*ANSWERS)), ("tests/q2.py", b"def test(print_gnorms): pass\nimport torch")], "hw.ipynb"),
        ([("tests/q3.py", b"better_init"), ("hw.zip", zipped([("hw.ipynb", encoded(*ANSWERS))]))], "hw.zip/hw.ipynb"),
        ([("hw.ipynb", encoded(*STUBS)), ("my.ipynb", encoded(*ANSWERS)), ("x.py", SCRIPT)], "my.ipynb"),
        ([("Untitled.ipynb", encoded("1 + 1")), ("my.ipynb", encoded(*ANSWERS))], "my.ipynb"),
        ([("he.py", b"import torch\ndef better_init(m): 1"), ("a.ipynb", encoded("import better_init"))], "a.ipynb"),
        ([("README.md", b"# better_init"), ("sub/my.ipynb", encoded(*ANSWERS))], "sub/my.ipynb"),
    ],
)  # fmt: skip
@both
def test_this_homeworks_notebook_wins_over_strays_scripts_and_the_handouts_tests(write, pack, given_files, taken):
    assert settle(pack(write, given_files)).notes[0] == f"Graded {taken}."


# ---------------------------------------------------------------- what is no notebook


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("hw.md", b"# Homework\n```python\nimport torch\n```", "Markdown"),
        ("hw.qmd", b"---\ntitle: x\n---\n```{python}\nimport torch\n```", "Quarto"),
        ("hw.Rmd", b"---\ntitle: x\n---\n```{python}\nimport torch\n```", "R Markdown"),
        ("hw.tex", b"\\documentclass{article}", "LaTeX"),
        ("hw.rst", b"Homework\n========\nimport torch", "reStructuredText"),
        ("hw.py", b"import marimo\n\napp = marimo.App()\n\n@app.cell\ndef _():\n    import torch\n", "marimo"),
        ("hw.gdoc", b'{"url": "https://docs.google.com/x", "doc_id": "1"}', "a link"),
        ("hw.ipynb", b'{"url": "https://docs.google.com/x", "doc_id": "1", "email": "a@b"}', "a link"),
        ("hw.url", b"[InternetShortcut]\r\nURL=https://colab.research.google.com/x", "a link"),
        ("hw.ipynb", b"https://colab.research.google.com/drive/abc", "a link"),
        ("hw.webloc", b"<?xml version='1.0'?><plist></plist>", "a link"),
        ("hw.desktop", b"[Desktop Entry]\nType=Link", "a link"),
        ("hw.ipynb", b'{\n<<<<<<< HEAD\n "cells": [],\n=======\n>>>>>>> main\n}', "conflict markers"),
        ("hw.html", b"<!DOCTYPE html>", "web page"),
        ("hw.pdf", b"%PDF-1.7", "a PDF"),
        ("hw.pyc", b"\xa7\r\r\n\0\0", "compiled Python"),
    ],
)
def test_what_is_no_notebook_is_named(write, name, content, words):
    assert "ubmit" in refused(write(name, content), name, words)
    refused(as_zip(write, [(name, content), ("data.csv", b"1")]), words)


def test_a_notebook_among_checkpoints_only_is_named(write):
    refused(as_zip(write, [(".ipynb_checkpoints/hw-checkpoint.ipynb", encoded(*ANSWERS))]), ".ipynb_checkpoints")


# ---------------------------------------------------------------- scripts whose cells are marked otherwise

PARTS = ("import torch", "def print_gnorms(model):\n    # a comment\n\n    x = 1", "model = 1\n\nassert model")
MARKED = {
    "percent": "# %%\n{0}\n\n# %% [markdown]\n# text\n\n# %%\n{1}\n\n#%%\n{2}\n",
    "codecell": (
        "# -*- coding: utf-8 -*-\n# <nbformat>3.0</nbformat>\n\n# <codecell>\n\n{0}\n\n# <markdowncell>\n\n# text\n\n"
        "# <codecell>\n\n{1}\n\n# <codecell>\n\n{2}\n"
    ),
    "nbconvert": (
        "#!/usr/bin/env python\n# coding: utf-8\n\n# In[1]:\n\n\n{0}\n\n\n# # Title\n\n# In[ ]:\n\n\n{1}\n\n\n"
        "# In[3]:\n\n\n{2}\n"
    ),
    "databricks": ("# Databricks notebook source\n{0}\n\n# COMMAND ----------\n\n{1}\n\n# COMMAND ----------\n\n{2}\n"),
    "colab": (
        '# -*- coding: utf-8 -*-\n"""hw.ipynb\n\nAutomatically generated by Colab.\n"""\n\n{0}\n\n"""## Title\n\n'
        '# not a heading\n\ntext"""\n\n{1}\n\n"""text"""\n\n{2}\n'
    ),
    "light": (
        "# ---\n# jupyter:\n#   jupytext: light\n# ---\n\n# # Title\n\n{0}\n\n# ## Question 1\n\n{1}\n\n"
        "# text\n# more\n\n{2}\n"
    ),
    "light with marks": "# +\n{0}\n# -\n\n# text\n\n# +\n{1}\n# -\n\n# +\n{2}\n",
    "banners": "{0}\n\n################\n# Question 1   #\n################\n\n{1}\n\n# Question 2\n\n{2}\n",
    "In[1] without a colon": "# In[1]\n{0}\n# In[2]\n{1}\n# In[3]\n{2}\n",
}


@pytest.mark.parametrize("form", MARKED)
def test_a_script_has_cells_where_its_headings_are(write, form):
    read = settle(write("hw.py", MARKED[form].format(*PARTS).encode()))
    assert len(read.cells) == 3
    for cell, part in zip(read.cells, PARTS, strict=True):
        assert part in cell.source


def test_no_heading_is_seen_within_a_string_or_a_function(write):
    script = 'import torch\n\ntext = """\n\n# one\n\n# two\n\n"""\n\ndef f():\n\n# odd\n\n    return 1\n'
    assert len(settle(write("hw.py", script.encode())).cells) == 1


@given(st.text(st.sampled_from("ab \t\n\r\f\u2028")))
def test_normalizing_drops_blanks_at_line_ends_and_around_and_nothing_else(text):
    once = normalize(text)
    assert normalize(once) == once == normalize(text.replace("\n", "\r\n").replace("\r\r\n", "\r\n")) or "\r\n" in text
    assert "\r" not in once
    assert not once.startswith("\n")
    assert not once.endswith("\n")
    assert all(line == line.rstrip() for line in once.split("\n"))
    kept = [line.rstrip() for line in re.split("\r\n|\r|\n", text)]
    assert [line for line in kept if line] == [line for line in once.split("\n") if line]


def test_cells_of_the_handout_are_recognized_until_they_are_edited(write):
    handout = json.loads((resources.files("inithw.homework") / "given.json").read_text("utf-8"))
    cells = [cell["source"] for cell in handout["cells"]]
    read = read_submission(write("x.ipynb", notebook(*(f"\n{source}  \r\n" for source in cells), "x = 1")))
    assert [cell.given for cell in read.cells] == [True] * len(cells) + [False]
    assert sum(cell.demonstration for cell in read.cells) == sum(cell["demonstration"] for cell in handout["cells"])
    edited = read_submission(write("x.ipynb", notebook(*(f"{source}\nx = 1" for source in cells))))
    assert not any(cell.given or cell.demonstration for cell in edited.cells)


def test_another_homework_is_read_with_a_question(write):
    note = "Found neither print_gnorms nor better_init: is this the right homework?"
    assert read_submission(write("x.ipynb", notebook(*OTHER, "# better_init"))).notes == (note,)
    assert read_submission(write("x.ipynb", notebook(*OTHER, "model.apply(better_init)"))).notes == ()


# ---------------------------------------------------------------- anything at all


class Opened:
    """Records what is opened or listed while it is entered."""

    def __init__(self):
        self.paths = None
        sys.addaudithook(self.see)

    def see(self, event, arguments):
        # A descriptor, already open, is no path.
        if self.paths is not None and event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str):
            self.paths.append(arguments[0])

    def __enter__(self):
        self.paths = []
        return self.paths

    def __exit__(self, *error):
        self.paths = None


@pytest.fixture(scope="session")
def opened():
    handout._handout(HOMEWORK.handout)  # is read once
    return Opened()


def test_from_the_folder_down_only_single_names_are_opened(write, opened):
    path = as_folder(write, [("a/b/hw.ipynb", encoded(*ANSWERS)), ("a/data.csv", b"1"), ("c.txt", b"import torch")])
    (path / "a" / "out").symlink_to("/")
    with opened as paths:
        read_submission(path)
    assert paths[0] == str(path)
    assert set(paths[1:]) == {"a", "b", "hw.ipynb"}


suffixes = st.sampled_from([".ipynb", ".py", ".zip", ".txt", ""])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cells", "worksheets", "cell_type", "source", "input", "nbformat"]) | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)
hostile_cells = st.fixed_dictionaries({"cell_type": st.just("code") | values, "source": values})
hostile_notebooks = st.fixed_dictionaries({"cells": st.lists(hostile_cells | values, max_size=4)}) | values
fuzzed = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@given(st.binary(max_size=300), suffixes)
@fuzzed
def test_any_bytes_settle(write, data, suffix):
    settle(write(f"x{suffix}", data))


@given(hostile_notebooks, suffixes, st.sampled_from(["utf-8", "utf-16", "utf-32"]), st.booleans())
@fuzzed
def test_any_json_settles(write, value, suffix, encoding, escape):
    settle(write(f"x{suffix}", json.dumps(value, ensure_ascii=escape).encode(encoding, "surrogatepass")))


@given(st.integers(0, 2**32), suffixes)
@fuzzed
def test_damaged_files_settle(write, seed, suffix):
    chance = random.Random(seed)
    whole = chance.choice([encoded(*ANSWERS), zipped([("hw.ipynb", encoded(*ANSWERS)), ("hw.py", b"# %%\nx = 1")])])
    data = bytearray(whole)
    for _ in range(chance.randint(1, 8)):
        start = chance.randrange(len(data) + 1)
        data[start : start + chance.randint(0, 4)] = chance.choice(
            [b"", chance.randbytes(3), data[chance.randrange(len(data) + 1) :][:40], b"\xff\xff\xff\xff"]
        )
    settle(write(f"x{suffix}", bytes(data)))


names = st.text(st.characters(exclude_categories=()), min_size=1, max_size=12) | st.sampled_from(
    ["hw.ipynb", "../hw.ipynb", "/hw.ipynb", "a/../../b.py", ".hidden.ipynb", "__MACOSX/x.ipynb", "a\\b.ipynb", "z.zip"]
)


@pytest.mark.slow
@given(st.lists(st.tuples(names, st.binary(max_size=50) | hostile_notebooks), max_size=5), st.integers(0, 2))
@fuzzed
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_zip_settles(write, opened, entries, depth):
    files = [(name, data if isinstance(data, bytes) else json.dumps(data).encode()) for name, data in entries]
    try:
        data = zipped(files)
    except (UnicodeEncodeError, ValueError, IndexError):  # no such name can be written
        assume(False)
    for _ in range(depth):
        data = zipped([("in.zip", data)])
    path = write("x.zip", data)
    with opened as paths:
        settle(path)
    assert paths == [str(path)]


# ---------------------------------------------------------------- the judge's own memory and time

MILLION = 1_000_000
LARGE = {
    "a long text": lambda: '"' + "a" * (95 * MILLION) + '"',
    "a long text with one wide character": lambda: '"' + "a" * (95 * MILLION) + '\U0001f600"',
    "a text of wide characters": lambda: '"' + "\U0001f600" * (24 * MILLION) + '"',
    "escapes": lambda: '"' + "\\u00e9" * (16 * MILLION) + '"',
    "empty objects": lambda: "[" + "{}," * (3 * MILLION) + "0]",
    "nested lists": lambda: "[" + '{"a":[[]]},' * MILLION + "0]",
    "short texts": lambda: "[" + '"abcdefghijklmnop",' * (4 * MILLION) + "0]",
    "short texts of wide characters": lambda: "[" + '"\U0001f600\U0001f601",' * (4 * MILLION) + "0]",
    "numbers": lambda: "[" + "1.5," * (4 * MILLION) + "0]",
    "blanks": lambda: " " * (95 * MILLION) + '"\U0001f600"',
}
PEAK = """
import sys
from pathlib import Path
from tests.parts import read_submission
from inithw.engine.submission import NotGradable
try:
    read_submission(Path(sys.argv[1]))
except NotGradable as reason:
    assert "Clear the outputs" in str(reason), reason
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak.split()[1]) >> 10)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count in other units")
@pytest.mark.parametrize("kind", LARGE)
def test_reading_a_small_zip_with_a_large_notebook_leaves_memory_in_the_smallest_container(kind, tmp_path, root):
    before = ' {"nbformat": 4, "cells": [{"cell_type": "code", "source": "x = 1"}], "metadata": '
    with zipfile.ZipFile(tmp_path / "small.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("homework.ipynb", before + LARGE[kind]() + "}")
    assert (tmp_path / "small.zip").stat().st_size < MILLION
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "small.zip")], capture_output=True, text=True, check=True, cwd=root
    )
    assert int(done.stdout) < 400  # MB, of the 768 in which the worker's ancestor has 250


def test_thousands_of_environments_take_no_more_time_than_their_number(tmp_path):
    def seconds(count):
        path = tmp_path / f"{count}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(count):
                archive.writestr(f"{number}/pyvenv.cfg", "")
            archive.writestr("homework.py", "import torch")
        started = time.process_time()
        assert read_submission(path).cells
        return time.process_time() - started

    whole = seconds(24_000)
    assert whole < 2 or whole < 3 * seconds(12_000)


@pytest.mark.slow
def test_deep_names_take_no_more_time_than_their_length(tmp_path):
    def seconds(depth):
        path = tmp_path / f"{depth}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(200):
                archive.writestr("d/" * depth + f"{number}/pyvenv.cfg", "")
            archive.writestr("homework.py", "import torch")
        started = time.process_time()
        assert read_submission(path).cells
        return time.process_time() - started

    whole = seconds(32_000)
    assert whole < 2 or whole < 3 * seconds(16_000)
