"""The one configuration file, `otter_config.json`, checked: Otter ignores what it does not know, we do not.

Stock Otter reads the same file. Its own keys stand at the top level; ours are the plugin's configuration, inside
`plugins`, where Otter passes them on and looks no further.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from inithw.engine.records import Limits, Scale

CONFIG_NAME = "otter_config.json"
PLUGIN = "inithw.otter_plugin.InithwPlugin"
KEY_VARIABLE = "INITHW_KEY"
KEY_FILE = "inithw.key"
"""Looked for beside the configuration; only its owner may read it."""
LEAST_KEY_LENGTH = 16
PUBLIC_KEY = b"a key of your own makes challenges unpredictable; this one makes them repeatable"
"""Used where no key is set: on a TA's machine, in tests; never on Gradescope."""

VISIBILITIES = ("visible", "after_due_date", "after_published")


class ProjectError(Exception):
    """A file of the project is not as it must be; the message says what to do."""


class ConfigError(ProjectError):
    """The configuration cannot be used; the message says which key and what to write instead."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an instructor may set.

    Attributes:
        assignment_name: Heads every report; None for the homework's title.
        key: Secret from which challenges are drawn: `INITHW_KEY`, else the file `inithw.key`, else the public one.
        limits: What one submission may use.
        leaderboard: Whether results carry the median test loss for Gradescope's leaderboard.
        visibility: When students see the items, and with them their score: one of `VISIBILITIES`.
        points_possible: What full marks are worth; None for the rubric's sum.
        score_threshold: Share of the points, 0 to 1, from which on the score is full, and nothing below; None for
            the points themselves.
        show_stdout: Whether students see the autograder's log.
    """

    assignment_name: str | None = None
    key: bytes = field(default=PUBLIC_KEY, repr=False)
    limits: Limits = field(default_factory=Limits)
    leaderboard: bool = False
    visibility: str = "visible"
    points_possible: float | None = None
    score_threshold: float | None = None
    show_stdout: bool = False

    @property
    def scale(self) -> Scale:
        """How points become a score."""
        return Scale(self.points_possible, self.score_threshold)


def find_config(start: Path, submissions: Iterable[Path] = ()) -> Path | None:
    """The nearest configuration file in `start` or a folder above it.

    Args:
        start: A folder.
        submissions: What will be graded. Configuration that lies in or beside a submission may have been handed in with
            it, and is passed over.
    """
    theirs = {path.resolve() if path.is_dir() else path.resolve().parent for path in submissions}
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / CONFIG_NAME).is_file() and theirs.isdisjoint((folder, *folder.parents)):
            return folder / CONFIG_NAME
    return None


def load_settings(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the configuration at `path`; without one, everything has its default.

    Args:
        path: Of `otter_config.json`, or None.
        environment: Where `INITHW_KEY` is looked for.

    Raises:
        ConfigError: A key or value cannot be used, or the grading key is not secret.
    """
    settings = Settings() if path is None else _Reader(path).settings()
    return replace(settings, key=_key(path, environment))


# ---------------------------------------------------------------- values

_Check = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a value must be, and how to say so."""

    allows: _Check
    wanted: str

    def or_null(self) -> _Kind:
        return _Kind(lambda value: value is None or self.allows(value), f"{self.wanted}, or null")


def _choice(*values: str) -> _Kind:
    return _Kind(lambda value: value in values, "one of " + ", ".join(json.dumps(value) for value in values))


def _between(least: float, most: float, unit: str) -> _Kind:
    return _Kind(lambda value: _is_number(value) and least <= value <= most, f"a number of {unit}, {least} to {most}")


def _whole_between(least: int, most: int, unit: str) -> _Kind:
    return _Kind(
        lambda value: _is_whole(value) and least <= value <= most, f"a whole number of {unit}, {least} to {most}"
    )


_SWITCH = _Kind(lambda value: isinstance(value, bool), "true or false")
_TEXT = _Kind(_is_text, "a text in double quotes")
_POINTS = _Kind(lambda value: _is_number(value) and value > 0, "a number above 0")
_SHARE = _Kind(lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1")
_ANY = _Kind(lambda _value: True, "anything")
_TABLE = _Kind(lambda value: isinstance(value, dict), "an object in braces, {...}")
_LIST = _Kind(lambda value: isinstance(value, list), "a list in brackets, [...]")

_SHARED_KEYS: dict[str, _Kind] = {
    "points_possible": _POINTS.or_null(),
    "score_threshold": _SHARE.or_null(),
    "show_stdout": _SWITCH,
}
"""Otter's own keys that `inithw gradescope` follows as well."""

# Otter 7: otter.run.run_autograder.autograder_config.AutograderConfig (a test compares). It checks their values.
OTTER_KEYS: dict[str, _Kind] = {
    **dict.fromkeys(("show_hidden", "show_all_public", "grade_from_log", "pdf", "filtering", "pagebreaks"), _ANY),
    **dict.fromkeys(("debug", "logo", "print_summary", "print_score", "zips", "warn_missing_pdf", "token"), _ANY),
    **dict.fromkeys(("use_submission_pdf", "pdf_via_html", "force_public_test_summary", "lang", "log_level"), _ANY),
    **dict.fromkeys(("submit_blank_pdf_on_export_failure", "seed", "seed_variable", "serialized_variables"), _ANY),
    **dict.fromkeys(("course_id", "assignment_id", "assignment_name", "autograder_dir", "miniconda_path"), _ANY),
    **_SHARED_KEYS,
    "plugins": _LIST,
}

OUR_KEYS: dict[str, _Kind] = {
    "assignment_name": _TEXT.or_null(),
    "visibility": _choice(*VISIBILITIES),
    "leaderboard": _SWITCH,
    "limits": _TABLE,
}

_SECONDS = _between(1, 2400, "seconds")  # Gradescope allows 40 minutes at most
LIMIT_KEYS: dict[str, _Kind] = {
    "notebook_seconds": _SECONDS,
    "cell_seconds": _SECONDS,
    "question_seconds": _SECONDS,
    "total_seconds": _SECONDS,
    "memory_mb": _whole_between(256, 1 << 16, "megabytes"),
    "scratch_mb": _whole_between(1, 4096, "megabytes"),
    "processes": _whole_between(8, 1024, "threads"),
}


# ---------------------------------------------------------------- the file


class _Reader:
    """Checks one configuration file; every complaint names the file and the key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def settings(self) -> Settings:
        config = self._load()
        self._check("", config, OTTER_KEYS)
        ours = self._ours(config.get("plugins", []))
        where = f"plugins.{PLUGIN}"
        self._check(where, ours, OUR_KEYS)
        limits = self._limits(f"{where}.limits", ours.get("limits", {}))
        shared = {name: config[name] for name in _SHARED_KEYS if name in config}
        values: dict[str, Any] = {**shared, **ours, "limits": limits}
        return Settings(**values)

    def _load(self) -> dict[str, Any]:
        try:
            config = json.loads(
                self.path.read_bytes(),
                object_pairs_hook=self._once,
                parse_constant=lambda value: self._fail("", f"{value} is not JSON; write a number or null"),
            )
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{self.path} is not JSON: {error}") from error
        if not isinstance(config, dict):
            self._fail("", "must be an object in braces, {...}")
        return config

    def _once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for name, value in pairs:
            if name in table:
                self._fail(name, "is there twice; keep one")
            table[name] = value
        return table

    def _check(self, where: str, table: Mapping[str, Any], kinds: Mapping[str, _Kind]) -> None:
        for name, value in table.items():
            key = f"{where}.{name}" if where else name
            if name in kinds:
                if not kinds[name].allows(value):
                    self._fail(key, f"is {json.dumps(value)[:60]}; write {kinds[name].wanted}")
            elif name in ("key", KEY_VARIABLE):
                self._fail(
                    key,
                    f"does not belong here, for this file travels in the zip; set {KEY_VARIABLE} or write the file "
                    f"{KEY_FILE} (docs/gradescope.md)",
                )
            else:
                self._fail(key, f"is not a setting; {_advice(name, where, kinds)}")

    def _ours(self, plugins: Iterable[Any]) -> dict[str, Any]:
        """The configuration of our plugin: without it, Otter would run students' code beside the tests."""
        found: list[Any] = []
        names: list[str] = []
        for number, entry in enumerate(plugins):
            named: Any = {entry: {}} if isinstance(entry, str) else entry
            if not isinstance(named, dict) or len(named) != 1:
                self._fail(f"plugins[{number}]", "must be a name, or an object with one name and its settings")
            names.extend(named)
            found.extend(config for name, config in named.items() if name == PLUGIN)
        if len(found) > 1:
            self._fail("plugins", f"{PLUGIN} is there twice; keep one")
        if not found:
            instead = difflib.get_close_matches(PLUGIN, names, 1)
            found_text = f" (found {json.dumps(instead[0])})" if instead else ""
            self._fail("plugins", f'must hold {{"{PLUGIN}": {{...}}}}{found_text}')
        if not isinstance(found[0], dict):
            self._fail(f"plugins.{PLUGIN}", f"write {_TABLE.wanted}")
        return found[0]

    def _limits(self, where: str, table: dict[str, Any]) -> Limits:
        self._check(where, table, LIMIT_KEYS)
        values = {name: value for name, value in table.items() if not name.endswith("_mb")}
        values |= {name.replace("_mb", "_bytes"): value << 20 for name, value in table.items() if name.endswith("_mb")}
        limits = Limits(**values)
        for inner, outer in [
            ("cell_seconds", "notebook_seconds"),
            ("notebook_seconds", "total_seconds"),
            ("question_seconds", "total_seconds"),
        ]:
            if getattr(limits, inner) > getattr(limits, outer):
                self._fail(
                    f"{where}.{inner}",
                    f"is {getattr(limits, inner):g}, more than {outer} ({getattr(limits, outer):g}); raise {outer} or "
                    f"lower {inner}",
                )
        return limits

    def _fail(self, key: str, problem: str) -> NoReturn:
        raise ConfigError(f"{self.path}: {key} {problem}" if key else f"{self.path}: {problem}")


def _advice(name: str, where: str, kinds: Mapping[str, _Kind]) -> str:
    """What was meant, most likely: a neighbour's spelling first, then another place."""
    if near := difflib.get_close_matches(name.lower(), kinds, 1):
        return f"did you mean {near[0]}?"
    places = {"": OTTER_KEYS, f"plugins.{PLUGIN}": OUR_KEYS, f"plugins.{PLUGIN}.limits": LIMIT_KEYS}
    for place, others in places.items():
        if place != where and (near := difflib.get_close_matches(name.lower(), others, 1)):
            return f"{near[0]} belongs " + (f"into {place}" if place else "to the top level")
    return "known are " + ", ".join(sorted(kinds))


# ---------------------------------------------------------------- the key


def _key(path: Path | None, environment: Mapping[str, str]) -> bytes:
    if text := environment.get(KEY_VARIABLE, ""):
        return _long_enough(text.strip().encode(), KEY_VARIABLE)
    if path is None or not (file := path.parent / KEY_FILE).exists():
        return PUBLIC_KEY
    try:
        if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ConfigError(f"{file} can be read by others; say `chmod 600 {file}`")
        return _long_enough(file.read_bytes().strip(), str(file))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error


def _long_enough(key: bytes, where: str) -> bytes:
    if len(key) < LEAST_KEY_LENGTH:
        raise ConfigError(
            f"{where} holds a key of {len(key)} characters; write at least {LEAST_KEY_LENGTH}, such as what "
            "`python3 -c 'import secrets; print(secrets.token_hex(32))'` prints"
        )
    return key
