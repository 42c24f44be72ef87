"""The two zips: the same bytes on every build, nothing in them that a student must not have."""

import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import jupytext
import pytest
from inithw.engine.settings import KEY_FILE, ConfigError
from inithw.homework.definition import FACTS, HOMEWORK
from inithw.release.packaging import PackagingError, handout_files, locked, make_dist
from inithw.release.pages import facts, fill

from tests.parts import project_copy

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SECRET = "0123456789abcdef-the-grading-key"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with what an instructor's checkout holds besides: a key, caches, a graded class."""
    copy = project_copy(tmp_path_factory.mktemp("project"))
    shutil.copy(ROOT / ".gitignore", copy)
    (copy / KEY_FILE).write_text(SECRET)
    (copy / KEY_FILE).chmod(0o600)
    (copy / "autograder" / KEY_FILE).write_text(SECRET)
    (copy / "autograder" / "inithw" / "__pycache__").mkdir(exist_ok=True)
    (copy / "autograder" / "inithw" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"x")
    (copy / "assignment" / "tests" / "__pycache__").mkdir(exist_ok=True)
    (copy / "assignment" / "tests" / "__pycache__" / "q1.cpython-311.pyc").write_bytes(b"x")
    (copy / "results").mkdir()
    (copy / "results" / "student.results.json").write_text("{}")
    return copy


@pytest.fixture(scope="module")
def dist(project, tmp_path_factory):
    autograder, assignment = make_dist(project, tmp_path_factory.mktemp("dist") / "new")
    return {"autograder": autograder, "assignment": assignment}


def unpacked(path):
    """Every file in a zip and in the wheels inside it, by name."""
    files = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            files[name] = content
            if name.endswith(".whl"):
                files |= {f"{name}/{inner}": text for inner, text in unpacked(io.BytesIO(content)).items()}
    return files


def wheel_of(files):
    return {name.split(".whl/")[1]: text for name, text in files.items() if ".whl/" in name}


# ---------------------------------------------------------------- the same bytes


def test_another_folder_clock_umask_and_hash_seed_give_the_same_bytes(project, dist, tmp_path):
    elsewhere = tmp_path / "a folder of another name"
    old = os.umask(0o077)
    try:
        shutil.copytree(project, elsewhere, copy_function=shutil.copyfile)  # new dates, other modes
        environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1"}
        program = (
            "import pathlib, sys; from inithw.release.packaging import make_dist; "
            "make_dist(*map(pathlib.Path, sys.argv[1:]))"
        )
        subprocess.run([sys.executable, "-c", program, elsewhere, tmp_path / "out"], check=True, env=environment)
    finally:
        os.umask(old)
    for name, path in dist.items():
        assert (tmp_path / "out" / f"{name}.zip").read_bytes() == path.read_bytes()


def test_scripts_are_executable_and_everything_is_readable_and_dated_alike(dist):
    for path in dist.values():
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        assert {entry.date_time for entry in entries} == {(2020, 1, 1, 0, 0, 0)}
        assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
        for entry in entries:
            script = entry.filename in ("setup.sh", "run_autograder")
            assert entry.external_attr >> 16 == stat.S_IFREG | (0o755 if script else 0o644), entry.filename


# ---------------------------------------------------------------- what is in them


def test_gradescope_gets_scripts_configuration_lock_and_wheel_at_the_root(dist):
    names = [name for name in unpacked(dist["autograder"]) if ".whl/" not in name]
    (wheel,) = [name for name in names if name.endswith(".whl")]
    assert re.fullmatch(r"inithw-[\d.]+-py3-none-any\.whl", wheel)
    assert set(names) == {"setup.sh", "run_autograder", "otter_config.json", "requirements.txt", wheel}


def test_the_wheel_holds_every_module_and_table_of_the_package(dist):
    package = ROOT / "autograder" / "inithw"
    expected = {
        f"inithw/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel_of(unpacked(dist["autograder"])) if name.startswith("inithw/")} == expected


def test_students_get_the_handout_as_it_is_in_the_project(dist):
    files = unpacked(dist["assignment"])
    tracked = {
        f"homework/{path}": (ROOT / "assignment" / path).read_bytes()
        for path in (
            "README.md",
            "CHANGES.md",
            "homework.ipynb",
            "requirements.txt",
            "tests/q1.py",
            "tests/q2.py",
            "tests/q3.py",
        )
    }
    assert files == tracked


def code_answers():
    """Lines of the reference's answers that say something."""
    source = fill((ROOT / "solutions" / "homework.py").read_text(), facts(HOMEWORK, FACTS))
    inside = False
    for cell in jupytext.reads(source, fmt="py:percent").cells:
        for line in cell.source.splitlines():
            if "BEGIN SOLUTION" in line or "END SOLUTION" in line:
                inside = "BEGIN" in line
            elif inside and "STUDENT:" not in line and len(line.strip()) > 12:
                yield line.strip()


def written_answers():
    """Beginnings of the model answers' lines."""
    for line in (ROOT / "solutions" / "written-answers.md").read_text().splitlines():
        if len(line) > 60:
            yield line.strip()[:60]


def lines_of(name, content):
    """The lines of a file; those of a notebook as they are read, not as JSON writes them."""
    text = content.decode("utf-8", "replace")
    if name.endswith(".ipynb"):
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text


def test_the_reference_notebook_holds_every_line_of_the_solution():
    notebook = lines_of("homework.ipynb", (ROOT / "solutions" / "homework.ipynb").read_bytes())
    lines = set(code_answers())
    assert len(lines) >= 5, "else the next test would look for nothing"
    assert all(line in notebook for line in lines)
    assert len(set(written_answers())) >= 11


@pytest.mark.parametrize("name", ["autograder", "assignment"])
def test_no_zip_holds_a_line_of_a_solution_or_the_key(dist, name):
    handout = "\n".join(lines_of(*file) for file in handout_files(ROOT).items())
    lines = {line for line in (*code_answers(), *written_answers()) if line not in handout.splitlines()}
    for path, content in unpacked(dist[name]).items():
        text = lines_of(path, content)
        assert SECRET not in text
        assert not {line for line in lines if line in text}, path


def test_what_lies_in_the_handouts_folder_and_is_not_part_of_it_is_refused(project, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    (copy / "assignment" / "homework-solved.ipynb").write_text("{}")
    with pytest.raises(PackagingError, match=r"homework-solved\.ipynb is not part of the handout"):
        make_dist(copy, tmp_path / "out")


def test_a_wrong_configuration_is_seen_before_the_upload(project, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    config = json.loads((copy / "otter_config.json").read_text())
    (copy / "otter_config.json").write_text(json.dumps({**config, "show_stdot": True}))
    with pytest.raises(ConfigError, match="did you mean show_stdout"):
        make_dist(copy, tmp_path / "out")
    assert not (tmp_path / "out" / "autograder.zip").exists()


# ---------------------------------------------------------------- the lock


def test_the_lock_pins_exact_versions_all_of_them_from_the_constraints(dist):
    lines = unpacked(dist["autograder"])["requirements.txt"].decode().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin) for pin in pins)
    same = {re.sub(r"[-_.]+", "-", line.lower()) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {re.sub(r"[-_.]+", "-", pin) for pin in pins} <= same


def test_neither_notebook_tools_nor_otter_nor_gpu_libraries_are_locked():
    names = {pin.split("==")[0] for pin in locked(ROOT)}
    assert {"torch", "numpy", "ipython", "matplotlib", "pyseccomp", "typer"} <= names
    assert not [name for name in names if re.search("otter|jupyter|nbconvert|ipykernel|nvidia|triton|pytest", name)]


def test_a_package_without_a_version_is_named(tmp_path):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    (tmp_path / "constraints.txt").write_text("\n".join(line for line in lines if not line.startswith("sympy")))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with pytest.raises(PackagingError, match="no version of sympy"):
        locked(tmp_path)


def test_another_version_than_the_locked_one_installed_here_is_named(tmp_path):
    text = re.sub("(?m)^rich==.*$", "rich==1.2.3", (ROOT / "constraints.txt").read_text())
    (tmp_path / "constraints.txt").write_text(text)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with pytest.raises(PackagingError, match=r"constraints\.txt says 1\.2\.3: run `make setup`"):
        locked(tmp_path)
