"""Run notebook cells with IPython's semantics, statement by statement: one that fails costs itself only."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import itertools
import os
import re
import signal
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import SList
from traitlets import Type
from traitlets.config import Config

from inithw.engine.worker import statements
from inithw.engine.worker.standins import (
    AbsentFinder,
    OnCpu,
    Usage,
    imported,
    install,
    missing_package,
    wants_accelerator,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MESSAGE_LIMIT = 300
_PROCESS_MAGICS = _words("bash sh script system sx ! !! perl ruby python python2 python3 pypy cmd")
# They install, change folders, ask the history or open what is not here: nothing of an answer.
_INERT_MAGICS = _words(
    """
    pip conda mamba micromamba uv matplotlib gui load_ext reload_ext unload_ext cd pushd popd dirs dhist bookmark alias
    unalias rehashx history hist rerun recall rep pastebin notebook save edit ed debug pdb page tb load loadpy
    logstart logstop logon logoff logstate killbgscripts
    """
)
_RUN_THEIR_CODE = {"time", "timeit", "prun", "run"}
_HOLD_NO_PYTHON = _words("R sql bigquery cu cython julia octave matlab mermaid skip cpp js javascript shell")
_OUT_OF_MEMORY = re.compile("can't allocate memory")
_IMPORTED_FROM = re.compile(r" \((?:/|[A-Za-z]:\\|unknown location)[^)]*\)$")
_PATH = re.compile(r"(?<![\w.])/[^\s'\":,;()<>|]+")
_NAME_OF_AN_OBJECT = re.compile(r"<IPython\.|<[\w.<>]+(?: object)? at 0x[0-9a-f]+>$")
_HOME = os.path.expanduser("~")


class TimeLimitReached(BaseException):
    """Raised inside student code by the alarm; not an Exception, so that `except Exception` lets it through."""


_NOTHING_LEFT = 0.05  # seconds


def _starved_seconds() -> float:
    """How long the main thread could have run and got no processor; 0 where the system does not say."""
    try:
        with open("/proc/self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


@contextlib.contextmanager
def time_limit(seconds: float, patience: float) -> Iterator[None]:
    """Interrupt the Python code inside; the judge's clocks end what does not listen.

    Args:
        seconds: Processor time of the whole process that it may use.
        patience: Time by the clock that it may take: it may be asleep.
    """

    began, starved = time.monotonic(), _starved_seconds()
    reached = False

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal reached
        if reached:  # the other timer, too: once more would fall into the handling of the first
            return
        if number == signal.SIGALRM:
            left = patience - (time.monotonic() - began) + (_starved_seconds() - starved)
            if left > _NOTHING_LEFT:  # other programs have kept it waiting
                signal.setitimer(signal.ITIMER_REAL, left)
                return
        most, reached = patience if number == signal.SIGALRM else seconds, True
        raise TimeLimitReached(f"took longer than {most:.0f} s and was stopped")

    timers = {signal.ITIMER_PROF: (signal.SIGPROF, seconds), signal.ITIMER_REAL: (signal.SIGALRM, patience)}
    for timer, (number, most) in timers.items():
        signal.signal(number, interrupt)
        signal.setitimer(timer, max(most, 0.01))
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)


class _BoundedBytes(io.RawIOBase):
    """Keeps the first bytes written while recording, and nothing otherwise."""

    def __init__(self) -> None:
        self.limit = 0
        self.kept = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        room = self.limit - len(self.kept)
        if room > 0:
            self.kept += view[:room]
        return len(view)


class Output(io.TextIOWrapper):
    """Stands for stdout: drops what is printed, except while `record` is active."""

    def __init__(self) -> None:
        self._bytes = _BoundedBytes()
        super().__init__(self._bytes, encoding="utf-8", errors="replace", write_through=True)  # type: ignore[arg-type]

    def close(self) -> None:
        """Stay open, as Jupyter's does: `with sys.stdout as out: ...` ends nothing."""

    @contextlib.contextmanager
    def record(self, limit: int) -> Iterator[bytearray]:
        """Collect up to `limit` bytes of what is printed inside."""
        self._bytes.kept, self._bytes.limit = bytearray(), limit
        try:
            yield self._bytes.kept
        finally:
            self._bytes.limit = 0


class _Publisher(DisplayPublisher):
    """Prints what a notebook would show, as far as it is text."""

    def publish(self, data: dict[str, Any], *_: Any, **__: Any) -> None:
        shown = data.get("text/plain", "")
        if _NAME_OF_AN_OBJECT.match(shown):  # its text comes in another format
            texts = (text for kind, text in data.items() if kind.startswith("text/") or kind == "image/svg+xml")
            shown = next((text for text in texts if text is not shown), shown)
        print(shown)


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """A statement that failed, or a call of a function of the student's.

    Attributes:
        error: What it raised.
        cell: Number of the code cell, 0 where it is not known.
        line: Line in that cell, counted from 1, or 0.
        packages: Absent packages that it used.
        cause: The first failure, for which this one only follows.
    """

    error: BaseException
    cell: int = 0
    line: int = 0
    packages: tuple[str, ...] = ()
    cause: Failure | None = None

    @property
    def name(self) -> str:
        """The name that was missing, if that is what failed."""
        missing = isinstance(self.error, NameError) and not isinstance(self.error, UnboundLocalError)
        return (self.error.name or "") if missing and isinstance(self.error, NameError) else ""

    @property
    def out_of_memory(self) -> bool:
        """Whether it asked for more than there is: Python and NumPy, or torch."""
        return isinstance(self.error, MemoryError) or (
            isinstance(self.error, RuntimeError) and _OUT_OF_MEMORY.search(str(self.error)) is not None
        )

    @property
    def ends_the_cell(self) -> bool:
        """Whether no further statement of the cell should run."""
        return isinstance(self.error, TimeLimitReached) or self.out_of_memory


class GradingShell(InteractiveShell):
    """IPython without a terminal, a history, tracebacks on screen, or subprocesses."""

    display_pub_class = Type(_Publisher)
    kernel = None  # that there is this attribute tells pandas and others that this is no terminal

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "NoColor"
        config.InteractiveShell.autoindent = False
        self.user_main = types.ModuleType("__main__")
        super().__init__(config=config, user_module=self.user_main)
        self.db: dict[str, Any] = {}  # not a folder of the machine's
        self.absent = AbsentFinder()
        self.before_statement: Callable[[int], None] = lambda line: None
        self.after_statement: Callable[[int], None] = lambda line: None
        self._on_cpu: OnCpu | None = None
        self._unmade: dict[str, Failure] = {}  # names that a failed statement would have bound
        self._translations: dict[str, str] = {}
        self._files: dict[str, int] = {}  # the compiler's names of cells, and their numbers
        self._failures: list[Failure] = []
        self._cell = self._depth = self._start = self.resume = 0
        self._skip: frozenset[int] = frozenset()

    # -- no processes, no installs: said to succeed
    def system(self, cmd: str) -> None:  # noqa: D102
        self.user_ns["_exit_code"] = 0

    system_raw = system_piped = system

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:  # noqa: D102
        return SList() if split else ""

    def magic(self, arg_s: str) -> Any:
        """What IPython had up to version 8, and old notebooks call."""
        name, _, line = arg_s.lstrip("%").partition(" ")
        return self.run_line_magic(name, line, 2)

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:  # noqa: D102
        if magic_name in _INERT_MAGICS | _PROCESS_MAGICS or self.find_line_magic(magic_name) is None:
            return None
        if magic_name == "timeit":
            line = f"-n1 -r1 {line}"
        if magic_name == "run" and line.strip():
            line = _in_this_folder(line, line.split()[0])
        try:
            return super().run_line_magic(magic_name, line, _stack_depth + 1)
        except Exception:
            if magic_name in _RUN_THEIR_CODE:
                raise
            return None

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:  # noqa: D102
        known = self.find_cell_magic(magic_name) is not None
        if magic_name in _PROCESS_MAGICS or (not known and magic_name in _HOLD_NO_PYTHON):
            return None
        above = sys._getframe(1).f_lineno  # so that errors inside name their line in the whole cell
        if magic_name in ("time", "prun", "debug") or not known:
            return self.run_cell("\n" * above + cell) and None
        if magic_name == "capture":
            return super().run_cell_magic(magic_name, line, "\n" * above + cell)
        if magic_name == "timeit":
            return super().run_cell_magic(magic_name, f"-n1 -r1 {line}", cell)
        if magic_name in ("writefile", "file") and line.strip():
            line = _in_this_folder(line, line.split()[-1])
        with contextlib.suppress(Exception):
            return super().run_cell_magic(magic_name, line, cell)

    # -- errors are reported by `run`, not printed
    def showtraceback(self, *_: Any, **__: Any) -> None:  # noqa: D102
        return None

    def showsyntaxerror(self, *_: Any, **__: Any) -> None:  # noqa: D102
        return None

    def enable_gui(self, gui: Any = None) -> None:  # noqa: D102
        return None

    def ask_exit(self) -> None:  # noqa: D102
        return None

    # -- one statement after the other
    def run(self, source: str, number: int = 0, start: int = 0, skip: frozenset[int] = frozenset()) -> list[Failure]:
        """Run one cell: what failed, in order of lines.

        Afterwards `resume` is the line of the statement to go on with, where the cell was ended before its end, or 0.

        Args:
            source: The cell.
            number: Its number, for messages.
            start: The first line to run.
            skip: Lines whose statements are left out.
        """
        self._cell, self._start, self._skip, self.resume, self._failures = number, start, skip, 0, []
        self.execution_count = number  # part of the name under which the compiler files the cell
        self.run_cell(source, store_history=False)
        return sorted(self._failures, key=lambda failure: failure.line)

    def explain(self, error: BaseException, packages: tuple[str, ...] = ()) -> Failure:
        """The failure behind an error that code of the student's raised: where, and for which first cause."""
        cell, line = self._place(error)
        found = Failure(error, cell, line, packages)
        cause = self._unmade.get(found.name) or (self._unmade.get("*") if found.name else None)
        return Failure(error, cell, line, packages, cause and (cause.cause or cause))

    def transform_cell(self, raw_cell: str) -> str:
        """Translate a cell to Python without its damaged statements; every line keeps its number."""
        if raw_cell.lstrip().startswith("%%"):
            return self._translated(raw_cell)
        code, damages = statements.translate(raw_cell, self._translated)
        for damage in damages:
            if damage.line >= self._start and damage.line not in self._skip:
                self._fail(
                    Failure(damage.error, self._cell, damage.error.lineno or damage.line),
                    statements.bound_in(damage.source),
                )
        return code

    def plain(self, source: str) -> str:
        """A cell as Python, for those who read it: without its damaged statements and cell magics, lines in place."""
        lines = source.split("\n")
        for number, line in enumerate(lines):
            if line.strip() and not line.startswith("%%"):
                break
            lines[number] = ""
        return statements.translate("\n".join(lines), self._translated)[0]

    def _translated(self, source: str) -> str:
        if source not in self._translations:  # IPython takes longer for it than Python to run most cells
            blank = len(list(itertools.takewhile(lambda line: not line.strip(), source.split("\n"))))
            self._translations[source] = "\n" * blank + str(super().transform_cell(source))
        return self._translations[source]

    def should_run_async(self, *_: Any, **__: Any) -> bool:
        """Never as a whole: a statement that awaits gets a loop for itself."""
        return False

    async def run_ast_nodes(
        self,
        nodelist: list[ast.stmt],
        cell_name: str,
        interactivity: str = "last_expr",
        compiler: Any = compile,
        result: Any = None,
    ) -> bool:
        """Run the statements of a cell, each whatever became of the others; whether one failed."""
        self._files[cell_name] = self._cell
        before = len(self._failures)
        self._depth += 1
        try:
            for node in nodelist:
                if self._depth == 1 and (node.lineno < self._start or node.lineno in self._skip):
                    continue
                if self._failures[before:] and self._failures[-1].ends_the_cell:
                    self.resume = node.lineno if self._depth == 1 else 0
                    break
                shown = interactivity != "none" and node is nodelist[-1] and isinstance(node, ast.Expr)
                if self._depth == 1 and len(nodelist) > 1:
                    self.before_statement(node.lineno)
                self._run_statement(node, cell_name, compiler, "single" if shown else "exec")
        finally:
            self._depth -= 1
        failures = self._failures[before:]
        if failures and result is not None:
            result.error_in_exec = failures[0].error
        return bool(failures)

    def _run_statement(self, node: ast.stmt, cell_name: str, compiler: Any, mode: str) -> None:
        usage = Usage()
        try:
            error = self._attempt(node, cell_name, compiler, mode)
            while error is not None and self.remedy(error):
                error = self._attempt(node, cell_name, compiler, mode)
            if isinstance(error, ImportError) and isinstance(node, ast.ImportFrom):
                error = self._import_each(node, error)
        finally:
            packages = usage.close()
        names = statements.bound_names(node)
        if error is None:
            for name in names:
                self._unmade.pop(name, None)
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and node.module:
                self._note_star(node)
        else:
            failure = self.explain(error, packages)
            self._fail(Failure(error, self._cell, failure.line or node.lineno, packages, failure.cause), names)
        self.after_statement(node.lineno)

    def _attempt(self, node: ast.stmt, cell_name: str, compiler: Any, mode: str) -> BaseException | None:
        try:
            module = ast.Interactive([node]) if mode == "single" else ast.Module([node], [])
            with compiler.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
                code = compiler(module, cell_name, mode)
            if code.co_flags & inspect.CO_COROUTINE:
                _loop().run_until_complete(eval(code, self.user_global_ns, self.user_ns))
            else:
                exec(code, self.user_global_ns, self.user_ns)
        except BaseException as error:
            return error
        return None

    def remedy(self, error: BaseException) -> bool:
        """Put a stand-in in the place of what was missing; whether another attempt makes sense.

        Not before something fails: `try: import x` must see the truth.
        """
        if self.absent.admit(error):
            return True
        if self._on_cpu is None and wants_accelerator(error):
            self._on_cpu = OnCpu()
            self._on_cpu.__enter__()  # for good: functions of this cell are called later
            return True
        return False

    def _import_each(self, node: ast.ImportFrom, error: BaseException) -> BaseException | None:
        """Import the names that are there, and put stand-ins for those that this version has not got."""
        if not node.module or node.level or node.names[0].name == "*":
            return error
        try:
            found = {alias.asname or alias.name: imported(node.module, alias.name) for alias in node.names}
        except BaseException:
            return error
        self.user_ns.update(found)
        return None

    def _note_star(self, node: ast.ImportFrom) -> None:
        """Everything missing later may have been meant to come from a package that is not here."""
        module = node.module or ""
        if any(module == root or module.startswith(root + ".") for root in self.absent.roots):
            missing = ModuleNotFoundError(f"No module named {module!r}", name=module)
            self._unmade.setdefault("*", Failure(missing, self._cell, node.lineno))

    def _fail(self, failure: Failure, names: set[str]) -> None:
        self._failures.append(failure)
        for name in names:
            self._unmade[name] = failure

    def _place(self, error: BaseException) -> tuple[int, int]:
        """Cell and line of the outermost statement of the student's that an error went through."""
        if isinstance(error, SyntaxError) and (error.filename or "") in self._files:
            return self._files[error.filename or ""], error.lineno or 0
        frame = error.__traceback__
        while frame is not None:
            cell = self._files.get(frame.tb_frame.f_code.co_filename)
            if cell is not None:
                return cell, frame.tb_lineno
            frame = frame.tb_next
        return 0, 0


def _loop() -> asyncio.AbstractEventLoop:
    try:
        with contextlib.suppress(DeprecationWarning):
            loop = asyncio.get_event_loop()
            if not loop.is_closed():
                return loop
    except RuntimeError:  # none yet, or asyncio.run has put it away
        pass
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def prepare(shell: GradingShell) -> Output:
    """Make this process look like a notebook's kernel to the code that will run; to be called in the child."""
    output = Output()
    vars(sys).update(dict.fromkeys(["stdout", "stderr", "__stdout__", "__stderr__"], output))
    sys.stdin = io.StringIO()
    sys.modules["__main__"] = shell.user_main
    sys.argv = [""]
    sys.path.insert(0, "")  # as in a kernel: a cell may write a module that the next imports
    os.environ["MPLBACKEND"] = "Agg"
    shell.absent = install()
    return output


def describe(failure: Failure, of_cell: int | None = None) -> str:
    """One line for the student: the first cause, and where it arose.

    Args:
        failure: What failed.
        of_cell: The cell that the line is shown beside: its own number is left out.
    """
    if failure.cause is not None:
        first = failure.cause
        return f"cell {first.cell}, line {first.line}: {_said(first)} (so {failure.name!r} is missing here)"
    line = f"line {failure.line}"
    place = line if failure.cell in (0, of_cell) else f"cell {failure.cell}, {line}"
    return _said(failure) + (f" ({place})" if failure.line else "")


def _in_this_folder(line: str, path: str) -> str:
    """A magic's line with a path of a folder that is not here, such as /content, in this one."""
    return line if Path(path).parent.is_dir() else line.replace(path, Path(path).name)


def _said(failure: Failure) -> str:
    error = failure.error
    packages = failure.packages
    if absent := missing_package(error):
        return f"{absent} is needed, which the grading machine does not have"
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException:
        message = "(no message)"
    version = f" in Python {sys.version_info[0]}.{sys.version_info[1]}" if isinstance(error, SyntaxError) else ""
    name = "" if isinstance(error, TimeLimitReached) else f"{type(error).__name__}{version}: "
    said = f"{name}{without_paths(message)[:MESSAGE_LIMIT]}".strip().removesuffix(":")
    return said + (f"; it uses {lacking(packages)}" if packages else "")


def lacking(packages: Iterable[str]) -> str:
    """Absent packages by name, and that they are absent."""
    return f"{' and '.join(packages)}, which the grading machine does not have"


def without_paths(message: str) -> str:
    """Leave out where things lie on this machine; paths of the student's own stay."""
    roots = {
        os.path.abspath(path) for path in (*sys.path, sys.prefix, sys.base_prefix, _HOME, os.getcwd()) if path != "/"
    }

    def shortened(match: re.Match[str]) -> str:
        path = os.path.abspath(match[0])
        return (
            os.path.basename(path) if any(path == root or path.startswith(root + "/") for root in roots) else match[0]
        )

    return _PATH.sub(shortened, _IMPORTED_FROM.sub("", message))
