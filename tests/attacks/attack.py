"""One attack, and the notebook made of it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.submissions.answer import filled, save

OPEN = {
    "q1": 'model = nn.Sequential(\n    todo("q1")\n)',
    "q2": 'gnorm = todo("q2")',
    "q3": 'todo("q3")',
}
"""The handout's stubs: what an attack does not answer stays open."""

TOOLS = """
import ctypes, gc, glob, json, os, signal, socket, struct, sys, threading, time
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)

def tell(value):
    raise RuntimeError(str(value)[:280])  # messages are the way out of the sandbox

def call(name, *arguments):
    if (result := libc[name](*arguments)) < 0:
        raise OSError(ctypes.get_errno(), name)
    return result

def boast_of(held):
    if held > 4 * SCRATCH_BYTES:
        tell(f"{BOAST}: {held >> 20} MB")

def touch(folder, name="canary"):
    with open(os.path.join(folder, f"{name}-{TOKEN}"), "w") as file:
        file.write("was here")

def frame(value):
    body = json.dumps(value).encode()
    return struct.pack(">I", len(body)) + body

def session():
    return next(o for o in gc.get_objects() if type(o).__name__ == "Session" and hasattr(o, "timeline"))
"""
"""Put before every attack: shortcuts of the attacker's, and the names of `Targets`."""


@dataclass(frozen=True)
class Attack:
    """A hostile submission.

    Attributes:
        name: What it is, in words.
        tries: What it tries, and how success would show.
        first: A cell put before all others.
        q1: Statements in place of the stub, as in `Answer`; None leaves the question open. So for `q2` and `q3`.
        earns: Items whose right answer it contains all the same; every other item must earn nothing.
        file_name: Under which it is handed in.
        metadata: Put into the notebook's metadata.
        telling: Belongs to the sample that is tried in every setting.
        landlock: Only Landlock keeps out all that it tries: without it, what is open to all users is open to this one.
    """

    name: str
    tries: str
    first: str = ""
    q1: str | None = None
    q2: str | None = None
    q3: str | None = None
    earns: frozenset[str] = frozenset()
    file_name: str = "homework.ipynb"
    metadata: Mapping[str, object] | None = None
    telling: bool = False
    landlock: bool = False


def write_attack(attack: Attack, skeleton: Path, folder: Path, targets: Mapping[str, object]) -> Path:
    """Write the submission into `folder`, aimed at `targets` (names that its code may use); the path to grade."""
    notebook = json.loads(skeleton.read_text(encoding="utf-8"))
    answers = {question: getattr(attack, question) or stub for question, stub in OPEN.items()}
    notebook = filled(notebook, **answers)
    notebook["metadata"].update(attack.metadata or {})
    aims = "\n".join(f"{name} = {value!r}" for name, value in targets.items())
    cells = [aims + TOOLS, textwrap.dedent(attack.first).strip("\n")]
    notebook["cells"][:0] = [
        {"cell_type": "code", "id": f"attack-{number}", "metadata": {}, "outputs": [], "execution_count": None}
        | {"source": source}
        for number, source in enumerate(cells)
        if source
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return save(notebook, folder / attack.file_name)
