"""The import contracts hold whatever is added: a forbidden import planted anywhere makes `lint-imports` fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLANTS = {
    "the engine knows the homework": ("engine/archive.py", "import inithw.homework.rubric"),
    "a new room of the engine knows the homework": ("engine/new.py", "import inithw.homework.term"),
    "the homework knows a door": ("homework/challenge.py", "import inithw.cli"),
    "the homework knows the release": ("homework/term.py", "import inithw.release.pages"),
    "the release knows a door": ("release/pages.py", "import inithw.doctor"),
    "the engine's untrusted half knows the judge": ("engine/worker/shell.py", "import inithw.engine.records"),
    "a new room of the untrusted half knows the judge": ("homework/worker/new.py", "import inithw.homework.term"),
    "the judge runs torch": ("homework/reference/norms.py", "import torch"),
    "a new door runs pickle": ("engine/report/new.py", "import pickle"),
    "a door runs IPython": ("gradescope.py", "import IPython"),
    "the judge runs torch by way of the untrusted half": ("engine/sandbox.py", "import inithw.engine.worker.shell"),
    "a new door has no place in the order": ("prairielearn.py", ""),
}


@pytest.fixture(scope="module")
def copy(root, tmp_path_factory):
    place = tmp_path_factory.mktemp("imports")
    shutil.copytree(root / "autograder", place / "autograder", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "tests").mkdir()
    for name in ("pyproject.toml", "tests/import_contracts.py"):
        shutil.copy(root / name, place / name)
    return place


def lint(place: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(place / "autograder")}
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=place, env=environment, capture_output=True, text=True
    )


def test_the_package_as_it_is_keeps_all_contracts(copy):
    assert lint(copy).returncode == 0, lint(copy).stdout


@pytest.mark.parametrize("plant", PLANTS)
def test_a_forbidden_import_is_found(copy, plant):
    name, line = PLANTS[plant]
    file = copy / "autograder/inithw" / name
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\n{line}\n")
    try:
        found = lint(copy)
    finally:
        file.unlink() if before is None else file.write_text(before)
    assert found.returncode != 0
    assert "BROKEN" in found.stdout or "not listed" in found.stdout, found.stdout
