"""A release in one go: both zips, the package for staff and the checklist, refused when anything is stale."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from inithw.engine.files import replace_file
from inithw.engine.settings import ProjectError, Settings
from inithw.homework import calibration
from inithw.homework.definition import HOMEWORK
from inithw.homework.rubric import POINTS
from inithw.release import answers
from inithw.release.packaging import (
    RELEASED,
    content_of,
    make_dist,
    refuse_changed_handout,
    refuse_stale,
    released,
    zipped,
)
from inithw.release.verification import verify

_FOR_STAFF = ("solutions/homework.ipynb", answers.DOCUMENT, "docs/grading.md", "docs/thresholds.png")
CHECKLIST = """# Checklist: {title}, {version}

Gradescope
- [ ] *Create Assignment*, *Programming Assignment*; autograder points {points}, manual grading off.
- [ ] *Configure Autograder*: upload `autograder.zip`; its build ends with `setup.sh: done`.
- [ ] *Test Autograder* with `homework.ipynb` of staff.zip: {points} points; with that of assignment.zip: 0 points.
- [ ] An assignment of its own for the written answers (*Online or Homework*), 2 points each.

Otter, where a course uses it instead
- [ ] `otter generate` as docs/otter.md says; `otter run` on the reference: {points} points.

Everybody
- [ ] Give students `assignment.zip`. What they quote on the forum: **{version}**.
- [ ] Keep `staff.zip` where students cannot read: it holds the model answers.
- [ ] Commit `{released}`: an erratum then needs a new handout number.
"""


class ReleaseError(ProjectError):
    """Not fit for release; the message says what to do first."""


def release(root: Path, out: Path, settings: Settings, *, gate: str = "full") -> list[Path]:
    """Check everything, run the gate, write zips and checklist.

    Args:
        root: The project.
        out: Folder for what is made.
        settings: To grade with in the gate.
        gate: `full` or `small`.

    Raises:
        ProjectError: Something is stale, unread or not graded as declared; nothing was written.
    """
    refuse_stale(root)
    promised = calibration.check(root)
    if unread := answers.marks((root / answers.DOCUMENT).read_text(encoding="utf-8")):
        raise ReleaseError(
            f'{len(unread)} passages of {answers.DOCUMENT} are marked "read again": read them, correct the words, take '
            "the marks away"
        )
    refuse_changed_handout(root)
    report = io.StringIO()
    if verify(root, settings, Console(file=report, width=120), small=gate == "small"):
        raise ReleaseError(f"the gate found submissions that are not graded as declared:\n{report.getvalue()}")
    made = make_dist(root, out)
    facts = {
        "title": HOMEWORK.title,
        "version": HOMEWORK.version,
        "points": f"{sum(POINTS.values()):g}",
        "released": RELEASED,
    }
    checklist = CHECKLIST.format(**facts).encode()
    files = {Path(name).name: (root / name).read_bytes() for name in _FOR_STAFF}
    files["gate.txt"] = "\n".join([*promised, report.getvalue()]).encode()
    files["CHECKLIST.md"] = checklist
    for name, content in (("staff.zip", zipped(files)), ("CHECKLIST.md", checklist)):
        replace_file(out / name, content)
        made.append(out / name)
    _note(root)
    return made


def _note(root: Path) -> None:
    text = json.dumps({**released(root), HOMEWORK.version: content_of(root)}, indent=1, ensure_ascii=False) + "\n"
    if not (root / RELEASED).is_file() or (root / RELEASED).read_text(encoding="utf-8") != text:
        replace_file(root / RELEASED, text)
