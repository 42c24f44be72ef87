"""The one configuration file, `otter_config.json`, checked: Otter ignores what it does not know, we do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from inithw.records import Limits

CONFIG_NAME = "otter_config.json"
PLUGIN = "inithw.otter_plugin.InithwPlugin"
KEY_VARIABLE = "INITHW_KEY"
_DEFAULT_KEY = "a key of your own makes challenges unpredictable; this one makes them repeatable"


class ConfigError(Exception):
    """The configuration cannot be used; the message says which key and what to write instead."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an instructor may set.

    Attributes:
        assignment_name: Checked against Gradescope's title when given there.
        key: Secret from which challenges are drawn; `INITHW_KEY` in the environment wins.
        limits: What one submission may use.
        leaderboard: Whether results carry the median test loss for Gradescope's leaderboard.
    """

    assignment_name: str = "Initialization and local linearization"
    key: bytes = _DEFAULT_KEY.encode()
    limits: Limits = field(default_factory=Limits)
    leaderboard: bool = False


def find_config(start: Path) -> Path | None:
    """The nearest configuration file in `start` or a folder above it."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
    return None


def load_settings(path: Path | None) -> Settings:
    """Placeholder until validated settings land."""
    return Settings()
