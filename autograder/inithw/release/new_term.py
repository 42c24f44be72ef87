"""Next term's homework: edits term.toml and does all that follows, in a copy that replaces the old term at the end."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from inithw.engine.files import replace_file
from inithw.engine.settings import KEY_FILE, ProjectError
from inithw.homework.term import Term, parse_term, read_term
from inithw.release.answers import DOCUMENT
from inithw.release.answers import marks as unread
from inithw.release.distribution import CHANGES

TERM = "autograder/inithw/homework/term.toml"
STAGE = ".new-term"
PAGE = "dist/new-term.html"
_READY = "ready.json"
_PROJECT = "project"
_MEASURED = ("data", "network", "training", "scales", "seeds")
"""Tables of term.toml on which figures depend."""
_NOT_COPIED = (".*", "__pycache__", "*.egg-info", "dist", "build", "results", "htmlcov", KEY_FILE)
_UNRELIABLE = 0.75
"""Share of good networks of a right family below which many a student's single run looks bad."""
_SLOWER = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
_FASTER = (1.1, 1.2, 1.35, 1.5, 1.75, 2.0)
"""Factors of the learning rate to try where right families train too rarely, or wrong ones too often."""


class NewTermError(ProjectError):
    """The new term cannot be made; the message says why, and the old one stands as it was."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new term that is ready to replace the old one, and what a person must know of it.

    Attributes:
        root: Of the project.
        before: The old term.
        after: The new one.
        thresholds: The thresholds file.
        families: Share of good networks of every family, by its name, where thresholds were measured.
        run: What `solutions/written_numbers.py` says of the reference notebook.
        figures: Its figures.
        differences: Passages of the model answers that differed, in words.
        marks: What a person must read again.
        gate: What the release gate said.
        warnings: Where the lesson no longer shows, with what works.
    """

    root: Path
    before: Term
    after: Term
    thresholds: Mapping[str, Any]
    families: Mapping[str, float]
    run: Mapping[str, Any]
    figures: tuple[bytes, ...]
    differences: tuple[str, ...]
    marks: tuple[str, ...]
    gate: str
    warnings: tuple[str, ...]


# ---------------------------------------------------------------- the file


def edited(text: str, changes: Mapping[str, object]) -> str:
    """term.toml with other values; comments and order stay.

    Args:
        text: The file.
        changes: By key, `network.width`; for the points of an item, `points.q2.norms`.

    Raises:
        NewTermError: There is no such key.
    """
    document = tomlkit.parse(text)
    for key, value in changes.items():
        table, _, name = key.partition(".")
        place: Any = document[table] if name and table in document else document
        name = name or key
        if name not in place:
            known = (
                ", ".join(f"{table}.{name}" for name in place)
                if name and place is not document
                else ", ".join(document)
            )
            raise NewTermError(f"{key} = {value!r}: there is no such key; known are {known}")
        old = place[name]
        new = tomlkit.item(value)
        if hasattr(old, "trivia"):
            new.trivia.comment, new.trivia.comment_ws = old.trivia.comment, old.trivia.comment_ws
        place[name] = new
    return tomlkit.dumps(document)


def planned(root: Path, changes: Mapping[str, object]) -> tuple[str, Term, Term]:
    """term.toml as it will be, the old term and the new one.

    Raises:
        TermError: A value is not allowed, or contradicts another: key, value and rule are named.
        NewTermError: There is no such key, or nothing changes.
    """
    file = root / TERM
    before = read_term(file)
    text = edited(file.read_text(encoding="utf-8"), changes)
    after = parse_term(text, Path("term.toml"))
    if after == before:
        raise NewTermError("nothing changes: name what is to be other than it is")
    return text, before, after


def values(term: Term) -> dict[str, object]:
    """All values of a term by their keys."""
    return {
        **{name: getattr(term, name) for name in ("title", "term", "handout", "due", "late", "variants")},
        **{f"{table}.{name}": value for table in _MEASURED for name, value in term.table(table)},
        **{f"points.{item}": points for item, points in term.points.items()},
    }


def differences(before: Term, after: Term) -> list[tuple[str, object, object]]:
    """Key, old and new value of all that changes."""
    old, new = values(before), values(after)
    return [(key, old.get(key), new[key]) for key in new if old.get(key) != new[key]]


# ---------------------------------------------------------------- the copy


class Stage:
    """A copy of the project in which the new term is made; the project is untouched until `swap`."""

    def __init__(self, root: Path) -> None:
        """Copy the project; what an interrupted run left is thrown away."""
        self.root = root
        self.folder = root / STAGE
        finish_swap(root)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.project = self.folder / _PROJECT
        shutil.copytree(root, self.project, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        (root / ".calibration").mkdir(exist_ok=True)
        (self.project / ".calibration").symlink_to(root / ".calibration")  # measurements are kept for all terms
        self._before = {name: _hash(self.project / name) for name in self._files()}

    def run(self, *arguments: str, quiet: bool = True, fail: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `python -m ARGUMENTS` with the copy's package; its progress is seen unless it is `quiet`.

        Raises:
            NewTermError: It failed; with its last words.
        """
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.project / "autograder"),
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        }
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
        )
        if done.returncode and fail:
            said = "\n".join(part.strip() for part in (done.stdout, done.stderr or "") if part.strip())
            raise NewTermError(f"`{' '.join(arguments)}` failed:\n{said[-3000:]}")
        return done

    def path(self, name: str) -> Path:
        """A file of the copy."""
        return self.project / name

    def changed(self) -> list[str]:
        """Files that are not as they were when the project was copied."""
        return [name for name in self._files() if self._before.get(name) != _hash(self.project / name)]

    def swap(self) -> list[str]:
        """Let the new term replace the old one; returns the files that changed.

        Raises:
            NewTermError: A file of the project was changed since it was copied.
        """
        changed = self.changed()
        if edited_since := [name for name in changed if _hash(self.root / name) != self._before.get(name)]:
            raise NewTermError(
                f"{', '.join(edited_since)}: edited while the new term was made; nothing was replaced. Run it again"
            )
        replace_file(self.folder / _READY, json.dumps(changed))  # from here on the new term counts
        finish_swap(self.root)
        return changed

    def discard(self) -> None:
        """Throw the copy away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[str]:
        found = (path for path in self.project.rglob("*") if path.is_file() and not _hidden(path, self.project))
        return sorted(path.relative_to(self.project).as_posix() for path in found)


def finish_swap(root: Path) -> bool:
    """Put the files of a new term that is ready into their places; ended in between, the next call goes on."""
    ready = root / STAGE / _READY
    if not ready.is_file():
        return False
    with _without_interrupts():
        for name in json.loads(ready.read_text(encoding="utf-8")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            replace_file(root / name, (root / STAGE / _PROJECT / name).read_bytes())
        ready.unlink()
        shutil.rmtree(root / STAGE, ignore_errors=True)
    return True


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(root).parts)


def _hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C, or being asked to end, waits for the few moments in which files change places."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---------------------------------------------------------------- the steps


def make(
    stage: Stage,
    changes: Mapping[str, object],
    *,
    full: bool,
    gate: str,
    jobs: int | None,
    step: Callable[[str], Any],
) -> Made:
    """Do all that follows from other values, in the copy.

    Args:
        stage: The copy.
        changes: See `edited`.
        full: Measure as much as for the first handout, not a seventh of it.
        gate: `small`, `full` or `none`.
        jobs: Processes of the calibration, one for each core unless given.
        step: Called with the name of each step; a context manager, as `rich.console.Console.status`.

    Raises:
        NewTermError: No fair thresholds exist: the nearest setting that has some is named. Or a step failed.
    """
    text, before, after = planned(stage.project, changes)
    replace_file(stage.path(TERM), text)
    _add_heading(stage.path(CHANGES), after)
    with step("building"):
        stage.run("inithw", "build")
    if stage.run("inithw", "calibrate", "--check", fail=False).returncode:
        with step("asking whether it can be graded fairly"):
            _refuse_unfair(stage, before, after, step)
        stage.run(
            "inithw",
            "calibrate",
            *([] if full else ["--quick"]),
            *(["--jobs", str(jobs)] if jobs else []),
            quiet=False,
        )
    with step("building again"):
        stage.run("inithw", "build")
        stage.run("inithw", "build", "--check")
    document = stage.path(DOCUMENT).read_text(encoding="utf-8")
    answers: dict[str, Any] = {"run": {"lesson": [], "figures": []}, "differences": [], "marks": unread(document)}
    if _measures_anew(before, after):
        with step("running the reference notebook, for the model answers and the figures"):
            answers = json.loads(stage.run("inithw.release.answers", str(stage.folder / "figures")).stdout)
    said = "not asked"
    if gate != "none":
        said = stage.run("inithw", "verify", *(["--small"] if gate == "small" else []), quiet=False).stdout.strip()
    thresholds = json.loads(stage.path("autograder/inithw/homework/thresholds.json").read_text(encoding="utf-8"))
    families = _good_networks(stage, thresholds["good loss"])
    return Made(
        root=stage.root,
        before=before,
        after=after,
        thresholds=thresholds,
        families=families,
        run=answers["run"],
        figures=tuple(path.read_bytes() for path in sorted((stage.folder / "figures").glob("*.png"))),
        differences=tuple(answers["differences"]),
        marks=tuple(answers["marks"]),
        gate=said,
        warnings=(*_same_name(before, after), *_warnings(answers["run"], families)),
    )


def _add_heading(page: Path, term: Term) -> None:
    """An entry of what students read of changes, for a handout that has none yet."""
    text = page.read_text(encoding="utf-8")
    if f"## {term.version}\n" not in text:
        first = text.index("## ")
        said = "The first handout." if term.handout == 1 else "Staff: say here what was wrong, and who is concerned."
        replace_file(page, f"{text[:first]}## {term.version}\n\n{said}\n\n{text[first:]}")


def _refuse_unfair(stage: Stage, before: Term, after: Term, step: Callable[[str], Any]) -> None:
    """Stop where training parts right and wrong initializations too badly, and say what does better."""
    first = _trial(stage, 64)
    critical = (*first["right"], *first["wrong"])
    if first["fair"] or (first := _trial(stage, 256, critical))["fair"]:
        return
    shown = [f"{name}: {share:.0%}" for name, share in (*first["right"].items(), *first["wrong"].items())]
    nearest = "Nothing near by that was tried does better."
    file, text = stage.path(TERM), stage.path(TERM).read_text(encoding="utf-8")
    lenient = max(first["wrong"].values()) - 0.5 > 0.5 - min(first["right"].values())
    for change in _near(before, after, _FASTER if lenient else _SLOWER):
        words = ", ".join(f"{key} = {value}" for key, value in change.items())
        with step(f"trying {words}"):
            replace_file(file, edited(text, change))
            if _trial(stage, 128, critical)["fair"] and _trial(stage, 64)["fair"]:
                nearest = f"The nearest setting with fair thresholds: {words}."
                break
    raise NewTermError(
        "No fair thresholds exist for q3.training. At least half of the networks must be good for every right "
        f"initialization, and fewer for every wrong one; of 256, below a test loss of {first['good_loss']:g} ended\n  "
        + "\n  ".join(shown)
        + f"\n{nearest}\nThe old term stands as it was."
    )


def _trial(stage: Stage, runs: int, names: tuple[str, ...] = ()) -> dict[str, Any]:
    return dict(json.loads(stage.run("inithw.homework.calibration.trial", str(runs), *names).stdout))


def _near(before: Term, after: Term, factors: Sequence[float]) -> Iterator[dict[str, object]]:
    """Settings to try, the nearest first: another learning rate, another function, a network more like the old one."""
    for factor in factors:
        yield {"training.learning_rate": float(f"{factor * after.training.learning_rate:.2g}")}
    if after.data.function_seed != before.data.function_seed:
        for seed in range(after.data.function_seed + 1, after.data.function_seed + 4):
            yield {"data.function_seed": seed}
    for key in ("hidden_layers", "width"):
        old, new = getattr(before.network, key), getattr(after.network, key)
        for value in dict.fromkeys((round((old + 3 * new) / 4), round((old + new) / 2), old)):
            if value != new:
                yield {f"network.{key}": value}


def _good_networks(stage: Stage, good_loss: float) -> dict[str, float]:
    with stage.path("autograder/inithw/homework/calibration/measurements.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        rows = [row for row in csv.DictReader(file) if row["statistic"] == "training"]
    return {row["family"]: int(row[f"below {good_loss:g}"]) / int(row["runs"]) for row in rows}


def _warnings(run: Mapping[str, Any], families: Mapping[str, float]) -> Iterator[str]:
    for lesson in run["lesson"]:
        if not lesson["shows"]:
            works = f" What works: {lesson['works']}." if lesson.get("works") else ""
            yield f"The lesson no longer shows: {lesson['what']}? {lesson['found']}.{works}"
    from inithw.homework.families import FAMILIES

    for name in (family.name for family in FAMILIES if family.must_get("q3.training")):
        if families.get(name, 1) < _UNRELIABLE:
            yield (
                f"{name} ends well in {families[name]:.0%} of its runs only: graded fairly all the same, but as many "
                "students see a single run that went wrong. A smaller learning rate helps."
            )


def _same_name(before: Term, after: Term) -> Iterator[str]:
    if before.version == after.version and _measures_anew(before, after):
        yield (
            f"The handout is still called {after.version}, with another homework in it: if students have had that one, "
            "say --term, or handout=2."
        )


def _measures_anew(before: Term, after: Term) -> bool:
    return any(key.partition(".")[0] in _MEASURED for key, _, _ in differences(before, after))


def parse(words: list[str]) -> dict[str, object]:
    """Values from words such as `network.width=32`; numbers and true or false are read as such.

    Raises:
        NewTermError: A word has no `=`.
    """
    return together(*map(_pair, words))


def together(*changes: Mapping[str, object]) -> dict[str, object]:
    """All changes.

    Raises:
        NewTermError: Two of them give one key different values.
    """
    found: dict[str, object] = {}
    for key, value in (item for some in changes for item in some.items()):
        if found.setdefault(key, value) != value:
            raise NewTermError(f"{key} is given twice: {found[key]} and {value}")
    return found


def _pair(word: str) -> dict[str, object]:
    key, equals, text = word.partition("=")
    if not equals:
        raise NewTermError(f"{word}: write KEY=VALUE, as network.width=32")
    return {key.strip(): read_value(text.strip())}


def read_value(text: str) -> object:
    """A number if it looks like one, else the text."""
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text
