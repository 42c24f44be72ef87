"""Three other terms with thresholds measured for them: `make terms` measures anew and grades all labelled answers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from inithw.release.new_term import CHANGES, TERM, edited

from tests.parts import ROOT, project_copy, run_in

HERE = Path(__file__).parent
THRESHOLDS = "autograder/inithw/homework/thresholds.json"
SIZES = "blocks=1_500, networks=2_000"
"""As `inithw new-term` measures: each file says how large the probability of a false verdict may be."""


@dataclass(frozen=True)
class Other:
    """A term.

    Attributes:
        name: Of its thresholds, beside this file.
        changes: Of term.toml.
        what: In words.
    """

    name: str
    changes: dict[str, object]
    what: str

    @property
    def thresholds(self) -> Path:
        """What was measured."""
        return HERE / f"{self.name}.json"


OTHERS = (
    Other(
        "wide",
        {"term": "Wide", "network.width": 32, "network.hidden_layers": 5, "training.learning_rate": 0.07},
        "5 hidden layers of width 32",
    ),
    Other(
        "target",
        {"term": "Target", "data.frequencies": 4, "data.function_seed": 12, "data.data_seed": 11, "data.noise": 0.2},
        "another target and noise",
    ),
    Other(
        "small",
        {
            "term": "Small",
            "network.width": 16,
            "data.train": 800,
            "data.test": 200,
            "training.epochs": 20,
            "training.learning_rate": 0.11,
        },
        "a smaller one, for weak laptops",
    ),
)


def other_project(other: Other, folder: Path) -> Path:
    """A copy of the project as it is in that term, with its thresholds where there are some, built."""
    project = project_copy(folder)
    file = project / TERM
    file.write_text(edited(file.read_text("utf-8"), other.changes), "utf-8")
    page = project / CHANGES
    page.write_text(f"{page.read_text('utf-8')}\n## {other.changes['term']}, handout 1\n", "utf-8")
    if other.thresholds.is_file():
        shutil.copy(other.thresholds, project / THRESHOLDS)
    built = run_in(project, "inithw", "build")
    assert built.returncode == 0, built.stderr
    return project


__all__ = ["OTHERS", "ROOT", "SIZES", "THRESHOLDS", "Other", "other_project"]
