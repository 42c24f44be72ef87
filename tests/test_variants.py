"""Variants: off, nothing is other than it was; on, every student has data of their own, graded by the same engine."""

import dataclasses
import inspect
import json
import math
import re

import numpy as np
import pytest
from inithw.engine.records import Cell, Submission
from inithw.homework.reference.data import DATA_SEED, training_data
from inithw.homework.term import TERM, TermError, read_term
from inithw.homework.variants import FACTS, own_seed, student_of
from inithw.release import variants
from inithw.release.distribution import build
from inithw.release.new_term import TERM as TERM_FILE

from tests.parts import of_the_first_handout, project_copy, run_in

HOSTILE = ("", "  ", "ä", "a b", "a" * 101, "=1+1", "@a", "../../etc/passwd", "\ud800", "a\nb", "a\x00", "1' + x", "💥")
IDS = ("ada", "b-7@uni.edu")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in a term with variants, built."""
    project = project_copy(tmp_path_factory.mktemp("variants"))
    text = (project / TERM_FILE).read_text()
    assert text.count('variants = ""') == 1
    (project / TERM_FILE).write_text(text.replace('variants = ""', 'variants = "login"'))
    built = run_in(project, "inithw", "build")
    assert built.returncode == 0, built.stderr
    return project


def code(notebook):
    """Sources of a notebook's code cells."""
    cells = json.loads(notebook)["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def data_of(project, student):
    """What the notebook's own cells make for a student: training inputs and targets, and those with x < 0.4."""
    names = {"np": np, "math": math}
    for source in code((project / "assignment/homework.ipynb").read_text()):
        if re.match(r"STUDENT = |np\.random\.seed\(\d+\)\nF_TRUE|# Noisy|np.random.seed\(own_seed", source):
            exec(source.replace('STUDENT = ""', f"STUDENT = {student!r}"), names)
    return names["train_x"], names["train_y"], names["ood_train_x"], names["ood_train_y"]


# ---------------------------------------------------------------- off


def test_off_the_notebook_asks_for_nobody(root):
    assert TERM.variants == ""
    assert tuple(FACTS.values()) == ("", DATA_SEED, TERM.seeds.half)
    assert "STUDENT" not in (root / "assignment/homework.ipynb").read_text()


def test_on_built_files_differ_by_a_cell_and_by_what_the_data_are_seeded_with(root, project):
    for name, content in build(root).items():
        text = (project / name).read_text()
        if name.endswith((".ipynb", "given.json")):
            before, after = [json.loads(t)["cells"] for t in (content, text)]
            after = [c for c in after if not "".join(c["source"]).startswith('STUDENT = ""')]
            assert len(after) == len(before)
            changed = [
                ("".join(a["source"]), "".join(b["source"])) for a, b in zip(before, after, strict=True) if a != b
            ]
            assert len(changed) == 2
            for old, new in changed:
                new = new.replace("(DATA_SEED)", f"({DATA_SEED})").replace("own_seed(STUDENT, 50)", "50")
                assert new == old
        else:
            assert text == content.decode(), name


# ---------------------------------------------------------------- the rule


def test_the_rule_gives_these_seeds_on_every_machine():
    assert own_seed("ada", 10) == own_seed(" ADA\t", 10) == 2372962162
    assert own_seed("b-7@uni.edu", 10) == 2379352025
    assert own_seed("123456", 10) == own_seed(123456, 10) == 158520171


@pytest.mark.parametrize("student", HOSTILE)
def test_what_is_no_id_gives_the_terms_data_and_a_line_that_says_what_to_do(project, capsys, student):
    assert own_seed(student, 10) == 10
    np.testing.assert_array_equal(data_of(project, student)[0], training_data(DATA_SEED)[0])
    (line,) = capsys.readouterr().out.splitlines()
    assert "write your login (a-z 0-9 . _ @ + -) between STUDENT's quotes" in line


@of_the_first_handout
def test_the_notebook_has_the_rule_of_the_judge_and_makes_the_data_that_the_judge_makes(project, capsys):
    assert inspect.getsource(own_seed) in "\n".join(code((project / "assignment/homework.ipynb").read_text()))
    first, second = (data_of(project, one) for one in IDS)
    for one, made in zip(IDS, (first, second), strict=True):
        for mine, judges in zip(made, training_data(own_seed(one, DATA_SEED)), strict=False):
            np.testing.assert_allclose(mine, judges, atol=1e-12)
    assert not any(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(first, data_of(project, " ADA "), strict=True))
    assert capsys.readouterr().out.startswith("Your own data: ada, seed 2372962162.\n")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('STUDENT = "Ada"  # me', "Ada"),
        ("x = 1\n  STUDENT='ada'; y = 2", "ada"),
        ("STUDENT = 4711", "4711"),
        ('STUDENT = "a"\nSTUDENT = "b"', "b"),
        ('STUDENT = ""', ""),
        ('STUDENT = input("who?")', ""),
        ('# STUDENT = "a"', ""),
        ("STUDENT = '" + 100_000 * "a", ""),
        ("%matplotlib inline\n!x", ""),
    ],
)
def test_the_judge_reads_an_id_in_plain_quotes_without_running_anything(source, expected):
    assert student_of(Submission("s", (Cell(1, "a = 1"), Cell(2, source)), "0")) == expected


def test_another_setting_is_refused_by_name(root, tmp_path):
    (tmp_path / "term.toml").write_text((root / TERM_FILE).read_text().replace('variants = ""', "variants = true"))
    with pytest.raises(TermError, match='variants = True: must be "" for none, or one of login, email, sid'):
        read_term(tmp_path / "term.toml")


# ---------------------------------------------------------------- grading

SAMPLE = """
import json, sys
from pathlib import Path
from tests.submissions import ANSWERS, packed, write_answer
given = Path("assignment/homework.ipynb").read_text("utf-8")
kept = [a for a in ANSWERS if a.name.endswith("kept outside") or a.name == "q2 right for the homework's data only"]
some = [a for a in packed([a for a in ANSWERS if a.transform is None])[::40]]
for number, student in enumerate(sys.argv[2:]):
    skeleton = Path(sys.argv[1], f"{number}.ipynb")
    skeleton.write_text(given.replace('STUDENT = \\\\"\\\\"', f'STUDENT = \\\\"{student}\\\\"'), "utf-8")
    assert student in skeleton.read_text("utf-8")
    for answer in [*kept, *some]:
        path = write_answer(answer, skeleton, Path(sys.argv[1], str(number)))
        print(json.dumps([answer.name, str(path), answer.expected]))
"""


@pytest.mark.slow
def test_labelled_answers_on_data_of_a_students_own_are_graded_as_declared(project, tmp_path):
    (project / "sample.py").write_text(SAMPLE)
    made = run_in(project, "sample", tmp_path, IDS[0].upper(), IDS[1])
    sample = [json.loads(line) for line in made.stdout.splitlines()]
    assert len(sample) >= 12, made.stderr
    done = run_in(project, "inithw", "grade", *(path for _, path, _ in sample), "--json")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    for record, (name, _, expected) in zip(records, sample, strict=True):
        assert {item: record["items"][item] for item in expected} == expected, (name, record["messages"])


# ---------------------------------------------------------------- for staff


@pytest.fixture
def on(monkeypatch):
    monkeypatch.setattr(variants, "TERM", dataclasses.replace(TERM, variants="login"))


ROSTER = "Name,Login,Email\nAda,ADA ,a@x.edu\nBob,=cmd|' /C calc'!A0,b@x.edu\nCyd,,c@x.edu\nAda again,ada,d@x.edu\n"


def test_a_class_list_and_ids_give_each_variant_once_and_a_remark_on_who_has_none(on, tmp_path):
    (tmp_path / "class.csv").write_text(ROSTER)
    found, without = variants.variants_of([str(tmp_path / "class.csv"), "zed", "ä" * 5000])
    assert [(one.name, one.id, one.seed) for one in found] == [
        ("Ada", "ada", own_seed("ada", DATA_SEED)),
        ("", "zed", own_seed("zed", DATA_SEED)),
    ]
    assert [line.split(":")[0] for line in without[:2]] == ["Bob", "Cyd"]
    assert all("login; has the term's own data" in line and len(line) < 150 for line in without)
    with pytest.raises(variants.NoVariants, match="nobody has a usable login"):
        variants.variants_of(["=1"])


def test_a_term_without_variants_says_how_to_have_some():
    with pytest.raises(variants.NoVariants, match="`inithw new-term variants=login or variants=email"):
        variants.variants_of(["ada"])


def measured(constant, shows=True):
    """What a run might say."""
    claim = {"question": "W2", "passage": "It predicts one constant, #,", "values": [constant], "spare": 0, "rel": 0.01}
    word = {"question": "W6", "words": "All layers between 0.08 and 0.43", "holds": shows}
    lesson = {"what": "the better start fits", "found": "test loss 3", "shows": shows, "works": ""}
    return {"claims": [claim], "words": [word], "failed": [], "lesson": [lesson]}


def test_what_was_run_is_kept_and_an_interrupted_call_goes_on(on, root, tmp_path, monkeypatch):
    for name in ("solutions/homework.ipynb", "solutions/written_numbers.py", "solutions/written-answers.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((root / name).read_bytes())
    asked, stopped = [], ["bob"]

    def measure(_root, student):
        asked.append(student)
        if student in stopped:
            raise KeyboardInterrupt
        return measured(0.5 if student == "ada" else float("nan"), student == "ada")

    monkeypatch.setattr(variants, "measure", measure)
    both, _ = variants.variants_of(["ada", "bob"])
    with pytest.raises(KeyboardInterrupt):
        variants.run_all(tmp_path, both, jobs=1)
    stopped.clear()
    runs = variants.run_all(tmp_path, both, jobs=1)
    assert asked == ["ada", "bob", "bob"]
    ada, bob = variants.write_all(tmp_path, tmp_path / "out", runs)
    assert "It predicts one constant, 0.50," in (tmp_path / "out/ada.md").read_text()
    assert ada.numbers == {"W2": ["It predicts one constant, 0.50,"]}
    assert (ada.untrue, ada.unlucky, bob.numbers) == ([], [], {"W2": []})
    assert [one.partition(":")[0] for one in bob.untrue] == ["W2", "W6"]
    text = (tmp_path / "out/bob.md").read_text()
    assert "> Does not show: the better start fits: test loss 3." in text
    assert "> **Not so here:** not true of this run: All layers between 0.08 and 0.43\n" in text
    assert "read again" not in text
    header, *rows = (tmp_path / "out/numbers.csv").read_text("utf-8-sig").splitlines()
    assert header == "student,login,data seed,does not show,not so,W2"
    assert len(rows) == 2


@pytest.mark.slow
def test_the_command_runs_the_notebook_on_the_students_data(project):
    done = run_in(project, "inithw", "variants", "Ada", "=1", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert "=1: '=1' is no login; has the term's own data" in done.stderr
    assert f"ada  seed {own_seed('ada', DATA_SEED)}  " in done.stdout
    terms, own = ((project / name).read_text() for name in ("solutions/written-answers.md", "dist/variants/ada.md"))
    for begins in (r"It predicts one constant, \S+,", r"\(test loss \S+ for x < 0.4\)", r"\| He uniform \|.*"):
        assert re.search(begins, terms)[0] != re.search(begins, own)[0]
