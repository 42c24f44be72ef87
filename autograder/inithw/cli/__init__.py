"""The command line: `inithw --help` lists its commands."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from typing import Annotated

# One thread in the judge too: more are slower on small matrices and starve the worker. Before NumPy is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import typer
from rich.console import Console
from rich.markup import escape

from inithw import __version__
from inithw.cli import classes, grade, project
from inithw.cli.shared import FAILED, USAGE, Stop
from inithw.engine.archive import ArchiveError
from inithw.engine.cluster import ClusterError
from inithw.engine.course.handin import CourseError
from inithw.engine.sandbox import SandboxError
from inithw.engine.scoring import ScoringError
from inithw.engine.settings import ProjectError

app = typer.Typer(
    name="inithw",
    help="Grade the homework on initialization and local linearization: many fresh seeds, isolated code, a reason for "
    "every lost point.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; no traceback ever reaches a student or a TA."""
    errors = Console(stderr=True, highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who is asked to end leaves as little as after Ctrl-C
    try:
        _refuse_names_as_options(sys.argv[1:])
        app()
    except Stop as stop:
        errors.print(escape(str(stop)))
        sys.exit(stop.code)
    except CourseError as fault:
        errors.print(f"inithw: {escape(str(fault))}")
        sys.exit(USAGE)
    except (ProjectError, SandboxError, ScoringError, ArchiveError, ClusterError) as fault:
        errors.print(f"inithw: {escape(str(fault))}")
        sys.exit(FAILED)
    except BrokenPipeError:  # `inithw grade ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as fault:  # a disk that is full, a folder that is gone
        if os.environ.get("INITHW_DEBUG"):
            raise
        errors.print(f"inithw: {escape(str(fault.filename or 'a file'))}: {fault.strerror or fault}")
        sys.exit(FAILED)
    except Exception as fault:
        if os.environ.get("INITHW_DEBUG"):
            raise
        errors.print(f"inithw: the tool failed: {type(fault).__name__}: {escape(str(fault))}")
        errors.print("Set INITHW_DEBUG=1 to see where, and report it with the command line used.")
        sys.exit(FAILED)


def _refuse_names_as_options(arguments: list[str]) -> None:
    """Stop when an option is the name of a file here: `inithw grade *` must not obey what a student called a file."""
    for argument in itertools.takewhile(lambda text: text != "--", arguments):
        if argument.startswith("-") and os.path.lexists(argument):
            raise Stop(
                f"{argument} is an option and the name of a file in this folder. To grade the file, write ./{argument} "
                "or put -- before all paths; to use the option, rename the file",
                USAGE,
            )


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"inithw {__version__}")
        raise typer.Exit


for _command in (
    grade.grade,
    classes.explain,
    classes.report,
    classes.rescore,
    project.build,
    project.answers,
    project.variants,
    project.calibrate,
    project.new_term,
    project.verify,
    project.dist,
    project.release,
    project.gradescope,
    project.doctor,
):
    app.command()(_command)
