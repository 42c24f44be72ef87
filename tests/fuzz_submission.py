"""Fuzzes the reader with atheris: `python tests/fuzz_submission.py -max_total_time=60` (options are libFuzzer's).

Whatever the bytes, the reader must return a submission or refuse in one line: anything else that is raised is a
crash, more than ten seconds or 2 GB is a finding. The first byte says how the rest is handed in.
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["inithw.engine.submission", "inithw.engine.text", "zipfile"]):
    from inithw.engine import submission  # noqa: F401 - before the tests import it without instruments

from test_submission import ANSWERS, STUBS, encoded, settle, zipped

FORMS = ("x.ipynb", "x.py", "x.zip", "x", "zipped", "zipped twice", "two files")


def hand_in(folder, data):
    """Write the file that `data` stands for, and return its path."""
    form, rest = FORMS[data[0] % len(FORMS)] if data else "x", data[1:]
    if form == "zipped":
        form, rest = "x.zip", zipped([("hw.ipynb", rest)])
    elif form == "zipped twice":
        form, rest = "x.zip", zipped([("in.zip", zipped([("hw.py", rest)]))])
    elif form == "two files":
        first, _, second = rest.partition(b"\0\0\0\0")
        form, rest = "x.zip", zipped([("a.ipynb", first), ("b.ipynb", second)])
    (folder / form).write_bytes(rest)
    return folder / form


def write_seeds(corpus):
    """Start from one well-formed file of each kind."""
    script = b"# ---\n# a: b\n# ---\n# %% [markdown]\n# text\n# %%\nimport torch\n"
    exported = b"#!/usr/bin/env python\n# coding: utf-8\n\n# # Title\n\n# In[1]:\n\n\nimport torch\n\n\n# text\n"
    older = b'{"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["a\\n", "b"]}]}]}'
    for number, rest in enumerate(
        (
            encoded(*ANSWERS),
            script,
            zipped([("hw.ipynb", encoded(*STUBS))]),
            encoded(*ANSWERS).decode().encode("utf-16"),
        )
    ):
        (corpus / str(number)).write_bytes(bytes([number]) + rest)
    (corpus / "older").write_bytes(bytes([4]) + older)
    (corpus / "exported").write_bytes(bytes([5]) + exported)
    (corpus / "two").write_bytes(bytes([6]) + encoded(*ANSWERS) + b"\0\0\0\0" + encoded(*STUBS))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder, corpus = Path(name, "handed in"), Path(name, "corpus")
        folder.mkdir()
        corpus.mkdir()
        write_seeds(corpus)
        child = os.fork()  # Fuzz ends its process without cleaning up
        if child == 0:
            limits = ["-timeout=10", "-rss_limit_mb=2048"]
            atheris.Setup(
                [sys.argv[0], *limits, *sys.argv[1:], str(corpus)], lambda data: settle(hand_in(folder, data))
            )
            atheris.Fuzz()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(code)
