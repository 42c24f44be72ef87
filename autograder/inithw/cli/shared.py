"""What the commands share: options, exit codes, and how they speak to a person."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from inithw.engine.homework import Homework
from inithw.engine.settings import find_config
from inithw.engine.text import clean

HOMEWORK = "inithw.homework.definition:HOMEWORK"
FAILED, USAGE, INTERRUPTED = 1, 2, 130

GradebookFile = Annotated[
    Path | None, typer.Option(help="Gradebook that Canvas, Moodle or nbgrader exported: a filled copy is written.")
]
Column = Annotated[
    str | None, typer.Option(metavar="HEADING", help="The gradebook's column, or nbgrader's assignment.")
]
Unsandboxed = Annotated[
    bool,
    typer.Option(help="Grade on a system without walls: students' code then runs with all your rights."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="The configuration to use; by default the nearest otter_config.json here or above, but never one "
        "in or beside a submission.",
    ),
]


class Stop(Exception):
    """End the command with a line for the user and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        """Keep both."""
        super().__init__(message)
        self.code = code


def the_homework() -> Homework:
    """The homework; imported here, so that a fault in its constants is told as such."""
    homework: Homework = pkgutil.resolve_name(HOMEWORK)
    return homework


def say(lines: Iterable[str]) -> None:
    """Tell a person, apart from what programs read."""
    for line in lines:
        print(clean(line, 2000), file=sys.stderr)


def say_settings(config: Path | None, decided: Mapping[str, str]) -> None:
    """Whose rules hold, by their fingerprints, and whether challenges can be known beforehand."""
    public = "the public key: challenges can be known beforehand"
    key = public if decided["key"] == "public" else f"key {decided['key']}"
    rest = ", ".join(f"{Path(name).stem} {value}" for name, value in decided.items() if name not in ("homework", "key"))
    say([f"Configuration: {config or 'none found, defaults'}; {key}; {rest}"])


def project_root() -> Path:
    """The project that the command was called in."""
    config = find_config(Path.cwd())
    if config is None or not (config.parent / "solutions" / "homework.py").is_file():
        raise Stop(
            "run this inside the project: no folder here or above holds otter_config.json and solutions/",
            USAGE,
        )
    return config.parent
