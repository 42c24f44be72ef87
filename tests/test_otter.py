"""Stock Otter, by its real commands: with the plugin it grades as the engine does; the public tests work in it."""

import contextlib
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import nbformat
import pytest
from inithw import otter_plugin
from inithw.engine.sandbox import SandboxError
from inithw.engine.settings import ConfigError, find_config, load_settings
from inithw.homework.rubric import POINTS
from inithw.otter_plugin import InithwPlugin
from otter.run import AutograderConfig
from otter.test_files import GradingResults
from otter.test_files.abstract_test import TestCaseResult
from otter.test_files.exception_test import ExceptionTestFile

from tests.otter_commands import OURS, ROOT, generate, otter, run
from tests.parts import grader
from tests.submissions.answer import Answer, write_answer

pytestmark = pytest.mark.slow

REFERENCE, SKELETON = ROOT / "solutions/homework.ipynb", ROOT / "assignment/homework.ipynb"
ANSWERS = (
    Answer("spectral norm and He", q2="gnorm = torch.linalg.matrix_norm(param.grad, 2)"),
    Answer(
        "a cell fails, and the weights are constant", q1="model = undefined", q3="nn.init.constant_(module.weight, 0.1)"
    ),
)


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    return generate(OURS, ROOT / "otter_config.json", tmp_path_factory.mktemp("generated"))


@pytest.fixture
def engine(sandbox):
    settings = load_settings(find_config(ROOT))
    return lambda path: grader(sandbox, settings.key, settings.limits).grade(path).grade


def agree(otters, ours):
    """Every item has the same points and reason, and Otter says which cells failed."""
    assert otters.points == {item.id: item.earned for item in ours.items}, otters.log
    for item in ours.items:
        assert (item.message or item.claim) in " ".join(otters.messages[item.id].split())
    assert all(cell.error in otters.output for cell in ours.cells if cell.state == "error")


# ---------------------------------------------------------------- otter generate, otter run


@pytest.mark.parametrize("path", [REFERENCE, SKELETON], ids=["reference", "skeleton"])
def test_otter_run_and_the_engine_agree_on_every_item(path, archive, engine, tmp_path):
    agree(run(archive, path, tmp_path), engine(path))


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.stem)
def test_otter_run_and_the_engine_agree_on_mistakes(answer, archive, engine, tmp_path):
    path = write_answer(answer, SKELETON, tmp_path)
    (tmp_path / "out").mkdir()
    ours = engine(path)
    assert 0 < ours.score < ours.max_score
    agree(run(archive, path, tmp_path / "out"), ours)


class Canary:
    """Unpickled, it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def test_nothing_uploaded_beside_the_notebook_is_unpickled_imported_or_run(archive, tmp_path):
    canaries = [tmp_path / name for name in ("log", "module", "test", "cell")]
    touch = "import pathlib; pathlib.Path({!r}).touch()\n"
    notebook = nbformat.read(SKELETON, as_version=4)
    attack = (
        touch.format(str(canaries[3])) + "import otter.test_files.exception_test as e\n"
        "e.test_case.call_func = lambda *_: None"
    )
    notebook.cells.insert(0, nbformat.v4.new_code_cell(attack))
    with zipfile.ZipFile(tmp_path / "upload.zip", "w") as upload:
        upload.writestr("homework.ipynb", nbformat.writes(notebook))
        upload.writestr(".OTTER_LOG", pickle.dumps(Canary(canaries[0])))
        upload.writestr("inithw/__init__.py", touch.format(str(canaries[1])))
        upload.writestr("tests/q1.py", touch.format(str(canaries[2])))
    (tmp_path / "out").mkdir()
    found = run(archive, tmp_path / "upload.zip", tmp_path / "out")
    assert found.points == dict.fromkeys(POINTS, 0.0), found.log
    assert not [canary.name for canary in canaries if canary.exists()]


def test_a_file_that_otter_cannot_open_never_reaches_the_plugin(archive, tmp_path):
    (tmp_path / "damaged.ipynb").write_bytes(REFERENCE.read_bytes()[:5000])
    (tmp_path / "out").mkdir()
    found = run(archive, tmp_path / "damaged.ipynb", tmp_path / "out")
    assert found.points is None, "docs/otter.md says that Otter leaves no results here"
    assert "NotJSONError" in found.log


# ---------------------------------------------------------------- the plugin, step by step


@pytest.fixture
def autograder(tmp_path, sandbox, monkeypatch):
    """A folder as Otter makes it: `submission` with Otter's copy of the tests, `source` with the configuration."""
    monkeypatch.setattr(otter_plugin, "Sandbox", lambda _worker: contextlib.nullcontext(sandbox))  # one for all tests
    for name in ("source", "submission/tests", "results"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "submission_metadata.json").write_text("{}")
    shutil.copy(ROOT / "otter_config.json", tmp_path / "source")
    (tmp_path / "submission/tests/q1.py").write_text("")
    return tmp_path


def graded(autograder, content, **options):
    """A plugin after `before_grading`, and the configuration that it was given."""
    submission = autograder / "submission/mine.ipynb"
    submission.write_text(content)
    plugin = InithwPlugin(str(submission), {}, {})
    config = AutograderConfig({"autograder_dir": str(autograder)})
    config.otter_run = options.get("otter_run", True)
    plugin.before_grading(config)
    return plugin, config


def results_of(plugin, otters=None):
    """What Otter has after `after_grading`, by default of a kernel that brought nothing back."""
    results = otters or GradingResults.without_results(EOFError("Ran out of input"))
    plugin.after_grading(results)
    return results


def notebook_of(*sources):
    return nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources]))


def test_only_otters_tests_a_stub_and_evidence_stay_in_the_folder(autograder):
    submission = autograder / "submission"
    for name in (".OTTER_LOG", "otter.py", "__init__.py"):
        (submission / name).write_text("raise SystemExit")
    (submission / "torch").mkdir()
    (submission / "link").symlink_to("/etc")
    graded(autograder, notebook_of("secret = 1"))
    assert {path.name for path in submission.iterdir()} == {"tests", "mine.ipynb", "submission.evidence.npz"}
    assert "secret" not in (submission / "mine.ipynb").read_text()
    assert Path("/etc/passwd").exists()


def test_other_users_can_read_neither_tests_nor_metadata(autograder):
    for name in ("source", "submission", "results"):
        (autograder / name).chmod(0o755)
    graded(autograder, notebook_of("x = 1"))
    modes = {path.name: path.stat().st_mode & 0o077 for path in autograder.iterdir()}
    assert modes == dict.fromkeys(modes, 0)


def test_a_kernel_that_brings_nothing_back_costs_no_points(autograder, engine):
    plugin, config = graded(autograder, notebook_of("x = 1"))
    plugin._grade = engine(REFERENCE)
    found = results_of(plugin).to_gradescope_dict(config)
    assert {test["name"]: test["score"] for test in found["tests"]} == POINTS


def test_tests_that_decide_otherwise_than_the_rubric_are_a_fault_of_the_grader(autograder, engine):
    plugin, _ = graded(autograder, notebook_of("x = 1"))
    otters = GradingResults(
        [ExceptionTestFile.from_file(str(OURS / f"{question}.py")) for question in ("q1", "q2", "q3")]
    )
    for file in otters.results.values():
        file.test_case_results = [TestCaseResult(case, "", passed=case.name != "q3.scale") for case in file.test_cases]
    plugin._grade = engine(REFERENCE)
    results = results_of(plugin, otters)
    assert results.total == 0
    assert results.output.count("disagree on q3.scale\n") == 1


def test_a_file_that_is_no_submission_is_told_so(autograder):
    plugin, config = graded(autograder, "not a notebook")
    found = results_of(plugin).to_gradescope_dict(config)
    assert [(test["score"], test["max_score"]) for test in found["tests"]] == [(0, 10)]
    assert "Nothing was graded: " in found["output"]


def test_a_fault_of_the_grader_keeps_the_best_earlier_score(autograder, monkeypatch):
    def broken(_worker):
        raise SandboxError("no fork")

    monkeypatch.setattr(otter_plugin, "Sandbox", broken)
    earlier = {"previous_submissions": [{"score": "3.0"}, {"score": "7.5"}, {"score": "4.0"}]}
    (autograder / "submission_metadata.json").write_text(json.dumps(earlier))
    plugin, config = graded(autograder, notebook_of("x = 1"))
    results = results_of(plugin)
    config.points_possible = 10
    assert results.to_gradescope_dict(config)["score"] == 7.5
    assert "no fork" in results.output


def test_in_a_container_the_public_key_does_not_grade(autograder):
    plugin, _ = graded(autograder, notebook_of("x = 1"), otter_run=False)
    assert "there is no grading key" in results_of(plugin).output
    key = autograder / "source/inithw.key"
    key.write_text("0123456789abcdef" * 4)  # unpacked by Otter, it is readable by all
    plugin, _ = graded(autograder, notebook_of("x = 1"), otter_run=False)
    assert plugin._grade.status == "graded"
    assert key.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("visibility", "otters"),
    [("visible", "visible"), ("after_due_date", "after_published"), ("after_published", "after_published")],
)
def test_items_are_shown_when_the_configuration_says(visibility, otters, autograder):
    path = autograder / "source/otter_config.json"
    config = json.loads(path.read_text())
    config["plugins"][0]["inithw.otter_plugin.InithwPlugin"]["visibility"] = visibility
    path.write_text(json.dumps(config))
    plugin, config = graded(autograder, notebook_of("x = 1"))
    found = results_of(plugin).to_gradescope_dict(config)
    assert {test["visibility"] for test in found["tests"]} == {otters}


@pytest.mark.parametrize("change", [{"points_posible": 5}, {"pdf": True}, {"grade_from_log": True}, {"token": "x"}])
def test_otter_generate_refuses_what_cannot_work(change):
    config = json.loads((ROOT / "otter_config.json").read_text())
    InithwPlugin(None, {}, {}).during_generate(config, None)
    with pytest.raises(ConfigError, match=next(iter(change))):
        InithwPlugin(None, {}, {}).during_generate(config | change, None)


# ---------------------------------------------------------------- the public tests in Otter's own hands


def test_otter_check_passes_the_reference_and_names_what_a_skeleton_lacks(tmp_path):
    said = {}
    for name, path in {"reference": REFERENCE, "skeleton": SKELETON}.items():
        shutil.copy(path, tmp_path / f"{name}.ipynb")
        ended = otter("check", "-t", ROOT / "assignment/tests", f"{name}.ipynb", folder=tmp_path)
        assert ended.returncode == 0, ended.stderr
        said[name] = ended.stdout
    assert said["reference"].strip() == "All tests passed!"
    assert "q3 is not answered yet" in said["skeleton"]
    assert "model is no nn.Sequential: q1 is not answered yet" in said["skeleton"]
