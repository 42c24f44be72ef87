"""Run notebook cells with IPython's semantics, each tolerated on its own.

What a grading machine has not got (a shell, pip, a browser, Colab, a GPU, a third-party package) is answered with
something harmless, so that it costs none of the answers around it.
"""

from __future__ import annotations

import builtins
import contextlib
import getpass
import importlib.abc
import importlib.machinery
import io
import os
import re
import signal
import sys
import types
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import SList
from torch.overrides import TorchFunctionMode
from traitlets import Type
from traitlets.config import Config

MESSAGE_LIMIT = 300
_PROCESS_MAGICS = {"bash", "sh", "script", "system", "sx", "!", "!!", "perl", "ruby", "python2", "cmd"}
_INERT_MAGICS = {"pip", "conda", "mamba", "micromamba", "uv", "matplotlib", "gui", "load_ext", "reload_ext"}
_NO_ACCELERATOR = re.compile(r"\b(CUDA|NVIDIA|mps|xpu)\b", re.IGNORECASE)


class TimeLimitReached(BaseException):
    """Raised inside student code by the alarm; not an Exception, so that `except Exception` lets it through."""


@contextlib.contextmanager
def time_limit(seconds: float, patience: float) -> Iterator[None]:
    """Interrupt the Python code inside; the judge's clocks end what does not listen.

    Args:
        seconds: Processor time of the whole process that it may use.
        patience: Time by the clock that it may take: it may be asleep.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        most = patience if number == signal.SIGALRM else seconds
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

    @contextlib.contextmanager
    def record(self, limit: int) -> Iterator[bytearray]:
        """Collect up to `limit` bytes of what is printed inside."""
        self._bytes.kept, self._bytes.limit = bytearray(), limit
        try:
            yield self._bytes.kept
        finally:
            self._bytes.limit = 0


class Absent(types.ModuleType):
    """Stands for a module that is not installed: any attribute, call, iteration or context does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(name)

    def __call__(self, *arguments: Any, **_options: Any) -> Any:  # noqa: D102
        # tqdm(range(9)), jaxtyped(function): whatever wraps its first argument hands it back
        first = arguments[0] if arguments else None
        wraps = callable(first) or (hasattr(first, "__iter__") and not isinstance(first, str | Absent))
        return first if wraps else Absent("result")

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __bool__(self) -> bool:
        return False


class _AbsentFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Last in line: finds the modules that a cell has failed to import, and loads a stand-in."""

    def __init__(self) -> None:
        self.roots: set[str] = set()

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if any(name == root or name.startswith(root + ".") for root in self.roots):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return Absent(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        return None


class _OnCpu(TorchFunctionMode):
    """Runs on the CPU what asks for a GPU: `.cuda()`, `.to("cuda")`, `device="cuda"`, also within modules."""

    def __torch_function__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.Tensor.cuda, torch.Tensor.xpu):
            return args[0]
        args = tuple(map(_cpu_for_gpu, args))
        return function(*args, **{name: _cpu_for_gpu(value) for name, value in (kwargs or {}).items()})


def _cpu_for_gpu(value: Any) -> Any:
    accelerator = isinstance(value, str | torch.device) and str(value).startswith(("cuda", "mps", "xpu"))
    return "cpu" if accelerator else value


class _Publisher(DisplayPublisher):
    """Prints what a notebook would show, as far as it is text."""

    def publish(self, data: dict[str, Any], *_: Any, **__: Any) -> None:
        shown = data.get("text/plain", "")
        if shown.startswith("<IPython."):  # the name of an object whose text comes in another format
            shown = next((text for kind, text in data.items() if kind.startswith("text/") and text is not shown), shown)
        print(shown)


class GradingShell(InteractiveShell):
    """IPython without a terminal, a history, tracebacks on screen, or subprocesses."""

    display_pub_class = Type(_Publisher)

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "NoColor"
        config.InteractiveShell.autoindent = False
        self.user_main = types.ModuleType("__main__")
        super().__init__(config=config, user_module=self.user_main)
        self.absent = _AbsentFinder()
        self.on_cpu: _OnCpu | None = None

    # -- no processes, no installs: said to succeed
    def system(self, cmd: str) -> None:  # noqa: D102
        self.user_ns["_exit_code"] = 0

    system_raw = system_piped = system

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:  # noqa: D102
        return SList() if split else ""

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:  # noqa: D102
        if magic_name in _INERT_MAGICS | _PROCESS_MAGICS or self.find_line_magic(magic_name) is None:
            return None
        return super().run_line_magic(magic_name, line, _stack_depth + 1)

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:  # noqa: D102
        if magic_name in _PROCESS_MAGICS or self.find_cell_magic(magic_name) is None:
            return None
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

    def run(self, source: str) -> BaseException | None:
        """Run one cell; the exception that ended it, or None.

        A failed import of a package that is not installed is repeated with a stand-in, and a cell that fails for want
        of a GPU on the CPU, so that the rest of the cell counts. (Not before it fails: `try: import x` must see the
        truth.)
        """
        while True:
            error = self._run_once(source)
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if missing and missing not in self.absent.roots:
                self.absent.roots.add(missing)
            elif self.on_cpu is None and _wants_accelerator(error):
                self.on_cpu = _OnCpu()
                self.on_cpu.__enter__()  # for good: functions of this cell are called later
            else:
                return error

    def _run_once(self, source: str) -> BaseException | None:
        result = self.run_cell(source, store_history=False)
        return result.error_before_exec or result.error_in_exec


def _wants_accelerator(error: BaseException | None) -> bool:
    # torch raises AssertionError when built without CUDA, RuntimeError when there is no driver or no MPS
    return isinstance(error, AssertionError | RuntimeError) and _NO_ACCELERATOR.search(str(error)) is not None


def prepare(shell: GradingShell) -> Output:
    """Make this process look like a notebook's kernel to the code that will run; to be called in the child."""
    output = Output()
    vars(sys).update(dict.fromkeys(["stdout", "stderr", "__stdout__", "__stderr__"], output))
    sys.stdin = io.StringIO()
    builtins.input = lambda prompt="": ""
    vars(getpass).update(getpass=builtins.input, getuser=lambda: "student")
    sys.modules["otter"] = Absent("otter")  # local checks have no say here, whether Otter is installed or not
    sys.modules["__main__"] = shell.user_main
    sys.argv = [""]
    sys.path.insert(0, "")  # as in a kernel: a cell may write a module that the next imports
    os.chdir = lambda path: None  # "/content/drive" is not here, and nothing is lost by that
    sys.meta_path.append(shell.absent)
    os.environ["MPLBACKEND"] = "Agg"
    return output


def describe(error: BaseException) -> str:
    """One line for the student: exception name, message, and the line of the cell where it arose."""
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException:
        message = "(no message)"
    line = _line_in_cell(error)
    where = f" (line {line})" if line else ""
    name = "" if isinstance(error, TimeLimitReached) else f"{type(error).__name__}: "
    return f"{name}{message[:MESSAGE_LIMIT]}".strip().removesuffix(":") + where


def _line_in_cell(error: BaseException) -> int:
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    frame = error.__traceback__
    while frame is not None:
        if "ipython-input" in frame.tb_frame.f_code.co_filename:
            return frame.tb_lineno  # of this cell, even if the error arose in a function of another
        frame = frame.tb_next
    return 0
