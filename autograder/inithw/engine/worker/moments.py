"""The state of a notebook when a cell had run, and the way back to it while a function is asked.

A later cell may rebind what a function uses, change it in place, or turn a switch of torch or NumPy: in the notebook
the function had been called before that.
"""

from __future__ import annotations

import builtins
import contextlib
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

_MOST_PARTS = 20_000  # objects of one moment that are looked into
_LARGEST = 1_000_000  # elements of an array that is copied
_DEEPEST = 4  # containers within containers

_set_default_device = torch.set_default_device  # as torch defines it: stand-ins and cells put others in its place


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]


_SWITCHES: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_default_device, _set_default_device),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (torch.get_num_threads, torch.set_num_threads),
    (np.geterr, lambda kinds: np.seterr(**kinds)),
    (np.get_printoptions, lambda options: np.set_printoptions(**options)),
    (lambda: dict(vars(torch._tensor_str.PRINT_OPTS)), lambda old: vars(torch._tensor_str.PRINT_OPTS).update(old)),
    (lambda: list(warnings.filters), _set_filters),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.gettrace, sys.settrace),
    (sys.getprofile, sys.setprofile),
    (lambda: sys.displayhook, lambda hook: setattr(sys, "displayhook", hook)),
)


class Moment:
    """What names, containers, arrays, modules and switches were at a moment."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._names = dict(namespace)
        self._builtins = dict(vars(builtins))
        self._switches = [(read(), write) for read, write in _SWITCHES]
        self._contents: dict[int, tuple[Any, Any]] = {}
        for value in self._names.values():
            self._look_into(value, 0)
        self._modules = [(module, vars(module).copy()) for module in _modules(self._names)]

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Everything as it was at this moment; afterwards as it was before."""
        present = Moment(self._namespace)
        self._put_back()
        try:
            yield
        finally:
            present._put_back()

    def _look_into(self, value: Any, depth: int) -> None:
        if depth > _DEEPEST or id(value) in self._contents or len(self._contents) >= _MOST_PARTS:
            return
        inner: Any
        if type(value) in (list, dict, set) and len(value) <= _MOST_PARTS:
            copy = value.copy()
            inner = value.values() if isinstance(value, dict) else value
        elif isinstance(value, np.ndarray):
            if value.size > _LARGEST or not value.flags.writeable or value.dtype.hasobject:
                return
            copy, inner = value.copy(), ()
        elif isinstance(value, torch.Tensor):
            if value.numel() > _LARGEST or value.is_sparse or value.is_meta:
                return
            copy, inner = value.detach().clone(), ()
        elif _is_the_students(value):
            copy = dict(vars(value))
            inner = copy.values()
        else:
            return
        self._contents[id(value)] = value, copy
        for part in inner:
            self._look_into(part, depth + 1)

    def _put_back(self) -> None:
        vars(builtins).update(self._builtins)
        if self._namespace.keys() != self._names.keys():
            for name in self._namespace.keys() - self._names.keys():
                del self._namespace[name]
        self._namespace.update(self._names)
        for module, names in self._modules:
            present = vars(module)
            for name, value in names.items():
                if present.get(name) is not value and _is_public(name, value):
                    setattr(module, name, value)
        for value, copy in self._contents.values():
            with contextlib.suppress(Exception):
                _fill(value, copy)
        for (read, write), (old, _write) in zip(_SWITCHES, self._switches, strict=True):
            if read() != old:
                write(old)


def _is_the_students(value: Any) -> bool:
    """Whether it is an object or a class of the notebook's own, or a plain bag of attributes."""
    kind = value if isinstance(value, type) else type(value)
    bag = isinstance(value, types.SimpleNamespace) or kind.__name__ == "Namespace"
    return hasattr(value, "__dict__") and (
        bag or (kind.__module__ == "__main__" and not isinstance(value, torch.nn.Module))
    )


def _fill(value: Any, copy: Any) -> None:
    if isinstance(value, list):
        value[:] = copy
    elif isinstance(value, dict | set):
        if value != copy or any(value[key] is not copy[key] for key in copy if isinstance(value, dict)):
            value.clear()
            value.update(copy)
    elif isinstance(value, np.ndarray):
        value[...] = copy
    elif isinstance(value, torch.Tensor):
        with torch.no_grad():
            value.copy_(copy)
    else:
        for name in vars(value).keys() - copy.keys():
            delattr(value, name)
        for name, part in copy.items():
            if vars(value).get(name) is not part:
                setattr(value, name, part)


def _modules(names: dict[str, Any]) -> list[types.ModuleType]:
    """The modules that names are bound to, and their submodules that an attribute leads to."""
    found: dict[int, types.ModuleType] = {}
    for value in names.values():
        if isinstance(value, types.ModuleType) and value.__name__ != "__main__":
            found[id(value)] = value
            for part in list(vars(value).values()):
                if isinstance(part, types.ModuleType) and part.__name__.startswith(value.__name__ + "."):
                    found[id(part)] = part
    return list(found.values())


def _is_public(name: str, value: Any) -> bool:
    """Whether it is a module's function, class, module or constant: not state that it keeps for itself."""
    kept = (types.FunctionType, types.BuiltinFunctionType, type, types.ModuleType, float, int, np.ufunc)
    # By the type: asking a deprecated object for its class may warn, and a cell may have made warnings errors.
    return name[:1] != "_" and issubclass(type(value), kept)
