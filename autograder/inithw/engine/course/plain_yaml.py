"""Reads YAML that a Ruby program wrote, as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from inithw.engine.course.handin import CourseError


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain data only; what Ruby tagged is read as what it is made of."""


def _untagged(loader: Any, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _untagged)


def load_plain(file: Path) -> Any:
    """What a file holds; an empty table where it holds nothing.

    Raises:
        CourseError: It cannot be read, or is not YAML.
    """
    try:
        return yaml.load(file.read_bytes(), _Loader) or {}
    except OSError as error:
        raise CourseError(f"{file}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CourseError(f"{file}: not YAML ({reason}); export the submissions again") from error
