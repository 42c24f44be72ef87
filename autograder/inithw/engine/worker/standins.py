"""What a grading machine has not got (packages, programs, a GPU, a debugger), answered with something harmless.

A stand-in costs none of the answers around it, and remembers that it was used: an answer that rests on one is told so.
"""

from __future__ import annotations

import bdb
import builtins
import code
import collections
import collections.abc
import contextlib
import getpass
import importlib
import importlib.abc
import importlib.machinery
import io
import os
import pdb
import re
import subprocess
import sys
import types
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.utils.data
from torch.overrides import TorchFunctionMode

_NO_ACCELERATOR = re.compile(r"\b(CUDA|NVIDIA|mps|xpu|accelerator)\b", re.IGNORECASE)
_OPTIONAL = re.compile(r"Missing optional dependency '([\w.-]+)'|`Import ([\w.-]+)` failed")  # pandas
_VERSION = "999.0.0"  # newer than whatever a notebook asks for

# ---------------------------------------------------------------- packages


class _StandIn:
    """What stand-ins for modules and for values have in common: nothing that is done with one fails."""

    def __call__(self, *arguments: Any, **_options: Any) -> Any:
        # tqdm(range(9)), jaxtyped(function): whatever wraps its first argument hands it back
        note(self)
        first = arguments[0] if arguments else None
        if type(first) is list:  # the columns of a table: as the list, and whatever else is asked of it
            return _Listed(first, path_of(self))
        if type(first) is dict:  # settings, likewise
            return _Keyed(first, path_of(self))
        wraps = callable(first) or (hasattr(first, "__iter__") and not isinstance(first, str | _StandIn))
        return first if wraps else Value(path_of(self))

    def __iter__(self) -> Iterator[Any]:
        note(self)
        return iter(())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def __await__(self) -> Any:
        note(self)
        yield from ()
        return self

    def __bool__(self) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __len__(self) -> int:
        return 0

    def __contains__(self, _item: object) -> bool:
        return False

    def __int__(self) -> int:
        note(self)
        return 0

    def __float__(self) -> float:
        note(self)
        return 0.0

    def __index__(self) -> int:
        note(self)
        return 0

    def __format__(self, _form: str) -> str:
        note(self)
        return ""

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        note(self)
        # lightning's and others' modules are torch's with more methods
        torch_module = path_of(self).endswith("Module") and not any(
            isinstance(base, type) and issubclass(base, torch.nn.Module) for base in bases
        )
        return (torch.nn.Module,) if torch_module else ()

    def __instancecheck__(self, _instance: object) -> bool:
        return False

    def __subclasscheck__(self, _subclass: object) -> bool:
        return False

    def __setitem__(self, _key: Any, _value: Any) -> None:
        note(self)

    def __delitem__(self, _key: Any) -> None:
        note(self)


def _itself(self: Any, *_: Any) -> Any:
    note(self)
    return self


def _never(self: Any, *_: Any) -> bool:
    note(self)
    return False


_NAMES = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or"
_ARITHMETIC = tuple(_NAMES.split())
_REFLECTED = (f"r{name}" for name in _ARITHMETIC if name != "mod")  # "%s" % value is text
_IN_PLACE = (f"i{name}" for name in _ARITHMETIC if name != "divmod")
for _name in ("getitem", "neg", "pos", "abs", "invert", "round", *_ARITHMETIC, *_REFLECTED, *_IN_PLACE):
    setattr(_StandIn, f"__{_name}__", _itself)
for _name in ("lt", "le", "gt", "ge"):
    setattr(_StandIn, f"__{_name}__", _never)


class Value(_StandIn, str):
    """What an absent package's function returned: a string, because it may be one (a key, a path, a name)."""

    def __new__(cls, path: str) -> Value:  # noqa: D102
        made = super().__new__(cls, "")
        made._path = path
        return made

    _path: str

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name in ("encode", "format"):
            return object.__getattribute__(self, name)
        note(self)
        return Value(f"{self._path}.{name}")

    __hash__ = _StandIn.__hash__


class _Listed(list[Any]):
    """What an absent package made of a list."""

    def __init__(self, values: list[Any], path: str) -> None:
        super().__init__(values)
        self._path = path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(Value(self._path), name)


class _Keyed(dict[Any, Any]):
    """What an absent package made of a dict: its entries are attributes, too."""

    def __init__(self, values: dict[Any, Any], path: str) -> None:
        super().__init__(values)
        self._path = path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = self.get(name, Value(f"{self._path}.{name}"))
        return _Keyed(found, self._path) if type(found) is dict else found


class Absent(_StandIn, types.ModuleType):
    """Stands for a module that is not installed."""

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return _VERSION
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}")

    __hash__ = _StandIn.__hash__

    def __str__(self) -> str:
        note(self)
        return ""

    __repr__ = __str__


_used: set[str] = set()


def path_of(thing: _StandIn) -> str:
    """The dotted name under which a stand-in was reached."""
    return str(thing._path if isinstance(thing, Value) else vars(thing)["__name__"])


def note(thing: _StandIn) -> None:
    """Remember that the package of a stand-in was used."""
    _used.add(package(path_of(thing)))


def package(path: str) -> str:
    """The package of a dotted name, as it is installed: two parts below a shared roof."""
    parts = path.split(".")
    return ".".join(parts[: 2 if parts[0] == "google" else 1])


class Usage:
    """Which absent packages were used since this was made."""

    def __init__(self) -> None:
        self._before = set(_used)
        _used.clear()

    def packages(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(sorted(_used - {"otter"}))  # local checks: given code uses them

    def close(self) -> tuple[str, ...]:
        """Their names, and an end of listening."""
        found = self.packages()
        _used.update(self._before)
        return found


class AbsentFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Last in line: finds the modules that a cell has failed to import, and loads a stand-in."""

    def __init__(self) -> None:
        self.roots: set[str] = set()

    def admit(self, error: BaseException) -> bool:
        """Whether the import that failed succeeds from now on, with a stand-in."""
        name = error.name if isinstance(error, ModuleNotFoundError) else None
        if not name or name in self.roots:
            return False
        self.roots.add(name)
        if name == "tensorboard":  # torch's half of it asks more of the other half than a stand-in has
            sys.modules["torch.utils.tensorboard"] = Absent("tensorboard")
        return True

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> importlib.machinery.ModuleSpec | None:  # noqa: D102
        if any(name == root or name.startswith(root + ".") for root in self.roots):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:  # noqa: D102
        return Absent(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:  # noqa: D102
        return None


_MOVED = {"IPython.core.display": "IPython.display", "collections": "collections.abc"}


def imported(module: str, name: str) -> Any:
    """What `from module import name` gives, or where it went, or a stand-in: a version may lack a name.

    Raises:
        ImportError: The module itself cannot be imported.
    """
    found = importlib.import_module(module)
    for place in (found, importlib.import_module(_MOVED.get(module, module))):
        if hasattr(place, name):
            return getattr(place, name)
    try:
        return importlib.import_module(f"{module}.{name}")
    except ImportError:
        return Absent(f"{module}.{name}")


def missing_package(error: BaseException) -> str:
    """The package for want of which an error arose, or nothing."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return package(error.name)
    found = _OPTIONAL.search(str(error)) if isinstance(error, ImportError) else None
    return (found[1] or found[2]) if found else ""


# ---------------------------------------------------------------- a GPU


class OnCpu(TorchFunctionMode):
    """Runs on the CPU what asks for a GPU: `.cuda()`, `.to("cuda")`, `device="cuda"`, also within modules."""

    def __torch_function__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.Tensor.cuda, torch.Tensor.xpu, torch.Tensor.pin_memory):
            return args[0]
        args = tuple(map(_cpu_for_gpu, args))
        return function(*args, **{name: _cpu_for_gpu(value) for name, value in (kwargs or {}).items()})


def _cpu_for_gpu(value: Any) -> Any:
    accelerator = isinstance(value, str | torch.device) and str(value).startswith(("cuda", "mps", "xpu"))
    return "cpu" if accelerator else value


def wants_accelerator(error: BaseException) -> bool:
    """Whether an error says that there is no GPU."""
    # torch raises AssertionError when built without CUDA, RuntimeError when there is no driver or no MPS
    return isinstance(error, AssertionError | RuntimeError) and _NO_ACCELERATOR.search(str(error)) is not None


# ---------------------------------------------------------------- programs


class _Finished(subprocess.Popen):
    """A program that was not started, and ended well without saying anything."""

    def __init__(self, args: Any, *_: Any, **options: Any) -> None:
        text = any(options.get(name) for name in ("text", "universal_newlines", "encoding", "errors"))
        self.args, self.pid, self.returncode = args, 0, 0
        self._nothing: Any = "" if text else b""
        self.stdin, self.stdout, self.stderr = (io.StringIO() if text else io.BytesIO() for _ in range(3))

    def communicate(self, *_: Any, **__: Any) -> tuple[Any, Any]:
        return self._nothing, self._nothing

    def wait(self, timeout: float | None = None) -> int:
        return 0

    def poll(self) -> int:
        return 0

    def send_signal(self, sig: int) -> None:
        return None

    terminate = kill = lambda self: None

    def __exit__(self, *_: object) -> None:
        return None

    def __del__(self) -> None:
        return None


def _with_piped_loops() -> None:
    """Threads wake an event loop through a pipe: the walls allow no sockets, not even between two of one's own ends."""

    def make(loop: Any) -> None:
        loop._pipe = os.pipe()
        for end in loop._pipe:
            os.set_blocking(end, False)
        loop._internal_fds += 1
        loop._add_reader(loop._pipe[0], loop._read_from_self)

    def close(loop: Any) -> None:
        loop._remove_reader(loop._pipe[0])
        loop._internal_fds -= 1
        for end in loop._pipe:
            os.close(end)

    def read(loop: Any) -> None:
        with contextlib.suppress(OSError):
            os.read(loop._pipe[0], 4096)

    def write(loop: Any) -> None:
        with contextlib.suppress(OSError):
            os.write(loop._pipe[1], b"\0")

    methods = {"_make_self_pipe": make, "_close_self_pipe": close, "_read_from_self": read, "_write_to_self": write}
    for name, method in methods.items():
        setattr(BaseSelectorEventLoop, name, method)


# ---------------------------------------------------------------- all together


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _as_it_is(model: Any = None, **_: Any) -> Any:
    """`torch.compile` without a compiler, also as `@torch.compile(mode=...)`."""
    return _as_it_is if model is None else model


def _revive() -> None:
    """Names that notebooks of another year use, where this year's libraries have dropped them."""
    aliases = {
        "float": float, "int": int, "bool": bool, "object": object, "str": str, "float_": np.float64,
        "Inf": np.inf, "Infinity": np.inf, "NaN": np.nan, "infty": np.inf, "product": np.prod, "cumproduct": np.cumprod,
        "sometrue": np.any, "alltrue": np.all, "asfarray": lambda a, dtype=float: np.asarray(a, dtype),
        "in1d": getattr(np, "isin", None), "row_stack": np.vstack, "trapz": getattr(np, "trapezoid", None),
    }  # fmt: skip
    for name, value in aliases.items():
        if name not in vars(np) and value is not None:
            setattr(np, name, value)
    import matplotlib
    import matplotlib.pyplot

    if not hasattr(matplotlib.cm, "get_cmap"):
        vars(matplotlib.cm)["get_cmap"] = matplotlib.pyplot.get_cmap
    for name in ("Iterable", "Mapping", "MutableMapping", "Sequence", "Callable", "Hashable"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))


def install() -> AbsentFinder:
    """Put every stand-in in its place, for good; to be called in the child."""
    builtins.input = lambda prompt="": ""
    vars(getpass).update(getpass=builtins.input, getuser=lambda: "student")
    os.chdir = _nothing  # "/content/drive" is not here, and nothing is lost by that
    _without_programs()
    _without_debuggers()
    _with_torch_alone()
    _without_widgets()
    _revive()
    _with_piped_loops()
    sys.modules["otter"] = Absent("otter")  # local checks have no say here, whether Otter is installed or not
    finder = AbsentFinder()
    sys.meta_path.append(finder)
    return finder


def _without_programs() -> None:
    subprocess.Popen = _Finished  # type: ignore[misc]
    os.system = lambda command: 0
    os.popen = lambda *_: io.StringIO()  # type: ignore[assignment]


def _without_debuggers() -> None:
    sys.breakpointhook = _nothing
    bdb.Bdb.set_trace = pdb.Pdb.set_trace = _nothing  # type: ignore[method-assign, method-assign]
    vars(pdb).update(dict.fromkeys(["set_trace", "post_mortem", "pm", "run", "runcall"], _nothing))
    code.interact = _nothing
    import IPython
    import IPython.core.debugger
    import IPython.terminal.embed

    IPython.embed = IPython.terminal.embed.embed = IPython.core.debugger.set_trace = _nothing


_OF_LOADING_PROCESSES = (
    "num_workers", "pin_memory", "timeout", "worker_init_fn", "multiprocessing_context", "prefetch_factor",
    "persistent_workers", "pin_memory_device",
)  # fmt: skip


def _with_torch_alone() -> None:
    """No compiler, no GPU, no processes that load data."""
    torch.compile = _as_it_is
    torch.nn.Module.compile = _nothing
    default_device, default_type = torch.set_default_device, torch.set_default_tensor_type
    torch.set_default_device = lambda device: default_device(_cpu_for_gpu(device))
    torch.set_default_tensor_type = lambda kind: default_type(
        kind.replace("cuda.", "") if isinstance(kind, str) else kind
    )
    for namespace in (torch.cuda, torch.mps):
        for name in ("synchronize", "empty_cache"):
            setattr(namespace, name, _nothing)
    load = torch.utils.data.DataLoader.__init__

    def load_here(self: Any, *args: Any, **options: Any) -> None:
        args = (*args[:5], 0, *args[6:]) if len(args) > 5 else args
        for name in _OF_LOADING_PROCESSES:
            options.pop(name, None)
        load(self, *args, **options)

    torch.utils.data.DataLoader.__init__ = load_here


def _without_widgets() -> None:
    import tqdm
    import tqdm.auto
    import tqdm.notebook

    bars = {"tqdm": tqdm.std.tqdm, "tqdm_notebook": tqdm.std.tqdm, "trange": tqdm.std.trange}
    for module in (tqdm.notebook, tqdm.auto):
        vars(module).update(bars, tnrange=tqdm.std.trange)
    vars(tqdm).update(tqdm_notebook=tqdm.std.tqdm, tnrange=tqdm.std.trange)
