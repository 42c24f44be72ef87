"""Numbers of the model answers: all that differ from a run, and the same text with the numbers of the run.

`solutions/written_numbers.py` runs the reference notebook and says what it shows; here passages are read and written.
What was rewritten, and what is no longer true, is marked for a person, who reads it and takes the mark away.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inithw.engine.files import replace_file
from inithw.engine.settings import ProjectError

DOCUMENT = "solutions/written-answers.md"
PROGRAM = "solutions/written_numbers.py"
_GONE = f"no longer stands there: see {PROGRAM}"
MARK = "<!-- read again: "
_MARKED = re.compile(r"^<!-- read again: (.*) -->\n", re.MULTILINE)
_SECTION = re.compile(r"^## (W\d+)\b", re.MULTILINE)
_NUMBER = r"[-−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
_PLAIN = r"[-−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_LIST = rf"{_PLAIN}(?:,?\s+{_PLAIN})*"


class AnswersError(ProjectError):
    """The reference notebook could not be run; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that a model answer says and a run does not show.

    Attributes:
        question: `W1`, or `table`.
        said: The passage, as it stands.
        found: What the run shows in its place, or why the passage cannot be held.
        filled: Whether `filled` can put the right numbers in.
    """

    question: str
    said: str
    found: str
    filled: bool


def measure(root: Path, figures: Path | None = None, student: str = "") -> dict[str, Any]:
    """Run the reference notebook in a process of its own; what `solutions/written_numbers.py` prints.

    Args:
        root: Of the project.
        figures: Folder for the notebook's figures.
        student: Whose own data, in a term with variants.

    Raises:
        AnswersError: It failed.
    """
    command = [sys.executable, str(root / PROGRAM), *(["--figures", str(figures)] if figures else [])]
    command += [f"--student={student}"] if student else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise AnswersError(f"{PROGRAM} could not run solutions/homework.ipynb: {last}")
    return dict(json.loads(done.stdout))


def compare(document: str, measured: Mapping[str, Any]) -> tuple[str, list[Difference]]:
    """Hold every claim against a run.

    Args:
        document: The model answers.
        measured: As `measure` returns it.

    Returns:
        The document with the numbers of the run, marked where a person must read again, and all differences.
    """
    sections = _sections(document)
    found: list[Difference] = []
    marks: dict[tuple[str, str], list[str]] = {}
    for claim in measured["claims"]:
        question = claim["question"]
        text, difference = _hold(sections.get(question, ""), claim)
        if difference:
            found.append(difference)
            if difference.filled:
                sections[question] = text
                said = _passage(claim["passage"])
                marks.setdefault((question, said), []).append("numbers rewritten")
            else:
                marks.setdefault((question, ""), []).append(difference.found)
    for word in measured["words"]:
        section, question = sections.get(word["question"], ""), word["question"]
        expression = _spaced(word["words"])
        if not re.search(expression, section):
            found.append(Difference(question, word["words"], _GONE, False))
        elif not word["holds"]:
            said = " ".join(word["words"].split())
            found.append(Difference(question, said, "is not true of this run", False))
            marks.setdefault((question, expression), []).append(f"not true of this run: {said}")
    for failed in measured["failed"]:
        for question in failed["questions"]:
            reason = f"{failed['what']} could not be computed ({failed['reason']})"
            found.append(Difference(question, failed["what"], reason, False))
            marks.setdefault((question, ""), []).append(reason)
    for (question, expression), reasons in marks.items():
        if question in sections:
            sections[question] = _marked(sections[question], expression, reasons)
    return "".join(sections.values()), found


def passages(document: str, measured: Mapping[str, Any]) -> dict[str, list[str]]:
    """Every passage of a filled document that has numbers, by question."""
    sections, found = _sections(document), dict[str, list[str]]()
    for claim in measured["claims"]:
        match = re.search(_passage(claim["passage"]), sections.get(claim["question"], ""))
        if match:
            found.setdefault(claim["question"], []).append(" ".join(match[0].split()))
    return found


def questions(document: str) -> list[str]:
    """The questions that are answered, in order."""
    return _SECTION.findall(document)


def marks(document: str) -> list[str]:
    """What a person must still read again."""
    return _MARKED.findall(document)


def _sections(document: str) -> dict[str, str]:
    """The document in parts, in order: what is before W1 under `table`."""
    starts = [0, *(match.start() for match in _SECTION.finditer(document)), len(document)]
    names = ["table", *_SECTION.findall(document)]
    return {name: document[start:end] for name, start, end in zip(names, starts[:-1], starts[1:], strict=True)}


def _spaced(passage: str) -> str:
    return r"\s+".join(re.escape(word) for word in passage.split())


def _passage(passage: str) -> str:
    """The regular expression of a passage, with a group for each `#` and `##`."""
    return _spaced(passage).replace(r"\#\#", f"({_LIST})").replace(r"\#", f"({_NUMBER})")


def _hold(section: str, claim: Mapping[str, Any]) -> tuple[str, Difference | None]:
    """The section with the run's numbers in a passage, and how it differed."""
    question, passage = claim["question"], claim["passage"]
    match = re.search(_passage(passage), section)
    if match is None:
        return section, Difference(question, passage, _GONE, False)
    values, groups = claim["values"], match.groups()
    spares, rels = (_each(claim[name], len(values)) for name in ("spare", "rel"))
    if all(_agree(*four) for four in zip(groups, values, spares, rels, strict=True)):
        return section, None
    flat = [number for value in values for number in (value if isinstance(value, list) else [value])]
    if not all(map(math.isfinite, flat)):
        shown = ", ".join(f"{number:g}" for number in flat)
        return section, Difference(question, " ".join(match[0].split()), f"a run shows {shown}", False)
    new, end = "", match.start()
    for place, (written, value) in enumerate(zip(groups, values, strict=True), start=1):
        new += section[end : match.start(place)] + _written(written, value)
        end = match.end(place)
    new += section[end : match.end()]
    difference = Difference(question, " ".join(match[0].split()), " ".join(new.split()), True)
    return section[: match.start()] + new + section[match.end() :], difference


def _each(value: float | Sequence[float], count: int) -> list[float]:
    return list(value) if isinstance(value, Sequence) else [value] * count


def _agree(written: str, value: float | list[float], spare: float, rel: float) -> bool:
    if not isinstance(value, list):
        return agrees(written, value, spare, rel)
    numbers = re.findall(_PLAIN, written)
    return len(numbers) == len(value) and all(
        agrees(one, number, spare, rel) for one, number in zip(numbers, value, strict=True)
    )


def agrees(written: str, value: float, spare: float = 0.0, rel: float = 0.01) -> bool:
    """Whether a number is right to its last digit, give or take `spare` and `rel` of it."""
    digits, _, exponent = written.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return abs(_value(written) - value) <= unit / 2 + spare + rel * abs(value)


def _value(written: str) -> float:
    return float(written.replace("−", "-").replace(",", ""))


def _written(written: str, value: float | list[float]) -> str:
    if not isinstance(value, list):
        return like(written, value)
    numbers = re.findall(_PLAIN, written)
    separator = ", " if "," in written else " "
    return separator.join(like(numbers[min(k, len(numbers) - 1)], number) for k, number in enumerate(value))


def like(written: str, value: float) -> str:
    """A number in the form of another: as many digits that count, whole where that was whole."""
    if agrees(written, value, rel=0):
        return written
    digits, _, exponent = written.partition("e")
    significant = max(1, len(re.sub(r"\D", "", digits).lstrip("0")))
    if "," in written:
        text = f"{float(f'{value:.1e}'):,.0f}"
    elif not exponent and "." not in digits and 1 <= abs(value) < 1e7:
        text = f"{value:.0f}"
    elif value == 0:
        text = "0"
    elif exponent or not 1e-4 <= abs(value) < 1e7:
        mantissa, power = f"{value:.{significant - 1}e}".split("e")
        text = f"{mantissa}e{int(power)}"
    else:
        places = max(0, significant - 1 - math.floor(math.log10(abs(float(f"{value:.{significant - 1}e}")))))
        text = f"{value:.{places}f}"
    return "−" + text[1:] if text.startswith("-") else text


def _marked(section: str, expression: str, reasons: Sequence[str]) -> str:
    """The section with a mark above the paragraph, or the row, that holds a passage; above all of it without one."""
    match = re.search(expression, section) if expression else None
    start = section.rfind("\n\n", 0, match.start()) + 2 if match else section.find("\n\n") + 2
    earlier, rest = section[:start], section[start:]
    present = _MARKED.match(rest)
    known = present[1].split("; ") if present else []
    reasons = [*known, *(reason for reason in dict.fromkeys(reasons) if reason not in known)]
    return f"{earlier}{MARK}{'; '.join(reasons)} -->\n{rest[present.end() if present else 0 :]}"


def _for_new_term(root: Path, figures: Path) -> None:
    """Fill in the numbers and print what was found, for `new_term`."""
    measured = measure(root, figures)
    document = root / DOCUMENT
    filled, found = compare(document.read_text(encoding="utf-8"), measured)
    replace_file(document, filled)
    differences = [f"{one.question}: {one.said} → {one.found}" for one in found]
    json.dump({"run": measured, "differences": differences, "marks": marks(filled)}, sys.stdout)


if __name__ == "__main__":
    _for_new_term(Path.cwd(), Path(sys.argv[1]))
