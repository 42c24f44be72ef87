"""A release holds what the sources say, and nothing that is stale, unread or changed under its old name."""

import json
import tomllib
import zipfile

import pytest
from inithw.release.packaging import RELEASED, PackagingError, make_dist, refuse_changed_handout

from tests.parts import project_copy, run_in


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return project_copy(tmp_path_factory.mktemp("release") / "project")


def test_dist_refuses_what_build_check_refuses(tmp_path):
    project = project_copy(tmp_path)
    (project / "assignment/homework.ipynb").write_text("old")
    with pytest.raises(
        PackagingError, match=r"assignment/homework\.ipynb: not what the sources say; run `inithw build`"
    ):
        make_dist(project, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


@pytest.mark.slow
def test_a_release_waits_until_marked_passages_are_read(project):
    answers = project / "solutions/written-answers.md"
    text = answers.read_text("utf-8")
    answers.write_text(text.replace("**Model answer.**", "<!-- read again: x -->\n**Model answer.**", 1), "utf-8")
    done = run_in(project, "inithw", "release", "--gate", "small")
    answers.write_text(text, "utf-8")
    assert done.returncode == 1
    assert '1 passages of solutions/written-answers.md are marked "read again"' in " ".join(done.stderr.split())


def test_other_content_under_a_name_that_went_out_is_refused(project):
    from inithw.homework.definition import HOMEWORK

    refuse_changed_handout(project)
    (project / RELEASED).write_text(json.dumps({HOMEWORK.version: "0123456789abcdef"}))
    with pytest.raises(PackagingError, match="was released with other content"):
        refuse_changed_handout(project)
    (project / RELEASED).unlink()


@pytest.mark.slow
def test_a_release_makes_both_zips_the_package_for_staff_and_a_checklist(project):
    done = run_in(project, "inithw", "release", "--gate", "small")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(project / "dist/staff.zip") as staff:
        assert {"written-answers.md", "homework.ipynb", "gate.txt", "CHECKLIST.md"} <= {*staff.namelist()}
        gate = staff.read("gate.txt").decode()
    assert "submissions graded exactly as declared" in gate
    assert "belong to today's homework" in gate
    with zipfile.ZipFile(project / "dist/assignment.zip") as assignment:
        assert "homework/CHANGES.md" in assignment.namelist()
        assert not any("answers" in name or "staff" in name for name in assignment.namelist())
    assert "autograder points 10" in (project / "dist/CHECKLIST.md").read_text()
    assert list(json.loads((project / RELEASED).read_text())) == ["Autumn 2026, handout 1"]


def test_who_cites_the_project_cites_its_version(root):
    import inithw

    cited = dict(
        line.split(": ", 1) for line in (root / "CITATION.cff").read_text().splitlines() if line.count(": ") == 1
    )
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert (cited["version"], cited["license"]) == (inithw.__version__, project["license"])
