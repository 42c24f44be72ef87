"""A class in a folder: each student once, nothing lost, one truth, and nothing written that nobody asked for."""

import csv
import fcntl
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inithw.cli import shared
from inithw.engine.course import folder as class_folder
from inithw.engine.course.cells import Sheet
from inithw.engine.course.folder import ClassFolder
from inithw.engine.grading import Grader
from inithw.engine.records import Item
from inithw.engine.report.pages import rendering
from inithw.engine.report.progress import Meter
from inithw.engine.settings import PLUGIN
from inithw.engine.verdict import Lost, available

from tests import exports, faults, small_class
from tests.another_homework.definition import HOMEWORK
from tests.exports import FORMS
from tests.rights import unless_closed

pytestmark = [pytest.mark.slow, unless_closed]


@pytest.fixture
def inithw(inithw, monkeypatch):
    """The command line, with the other homework and three jobs."""
    monkeypatch.setattr(shared, "the_homework", lambda: HOMEWORK)
    return lambda *arguments: inithw(*arguments, *(["--jobs", "3"] if arguments[0] in ("grade", "rescore") else []))


@pytest.fixture
def members():
    return small_class.people(5)


@pytest.fixture
def graded(inithw, members, tmp_path):
    """A class of five in folders, graded with evidence; the scores that it must have."""
    people, scores = members
    FORMS["folders"](tmp_path / "class", people)
    code, _, errors = inithw("grade", "class", "--out", "out", "--save-evidence")
    assert code == 0, errors
    assert "5 records; 5 graded now, 0 as they were" in errors
    return people, scores


def table(folder=Path("out")):
    with (folder / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def scores_in(folder=Path("out")):
    return {name: float(row["score"]) for name, row in table(folder).items() if row["score"]}


def records(folder=Path("out")):
    return {path.stem: json.loads(path.read_text()) for path in (folder / "records").glob("*.json")}


def settings(**rest):
    Path("otter_config.json").write_text(json.dumps({"plugins": [{PLUGIN: {}}], **rest}))


# ---------------------------------------------------------------- one folder, one class


def test_one_more_student_is_merged_and_a_path_spelt_otherwise_is_the_same_student(graded, inithw, tmp_path):
    people, scores = graded
    late = exports.Person("Late", "Comer", 777, {"homework.ipynb": exports.notebook(small_class.source("reference"))})
    FORMS["folders"](tmp_path / "late", [late])
    code, _, errors = inithw("grade", f"late/{late.login}", "--out", "out")
    assert code == 0, errors
    assert scores_in() == {**scores, late.login: 4}
    for path in (f"class/{people[0].login}", tmp_path / "class" / people[0].login / "homework.ipynb"):
        assert "1 graded now" not in inithw("grade", path, "--out", "out")[2]
    assert scores_in() == {**scores, late.login: 4}
    assert {path.name.removesuffix(".results.json") for path in Path("out").glob("*.results.json")} == set(scores_in())


def test_the_same_command_again_grades_nothing(graded, inithw, monkeypatch):
    before = {path: path.read_bytes() for path in Path("out").rglob("*.json")}
    monkeypatch.setattr(Grader, "grade_read", lambda *_: pytest.fail("graded again"))
    code, output, errors = inithw("grade", "class", "--out", "out", "--json")
    assert code == 0
    assert "0 graded now, 5 as they were" in errors
    assert [json.loads(line)["score"] for line in output.splitlines()] == list(graded[1].values())
    assert before == {path: path.read_bytes() for path in Path("out").rglob("*.json")}


def test_what_was_handed_in_anew_is_graded_anew_and_said_and_the_earlier_result_is_kept(graded, inithw, tmp_path):
    people, scores = graded
    last = people[1]  # had left everything open
    exports.put(tmp_path / "class" / last.login / "homework.ipynb", exports.notebook(small_class.source("reference")))
    code, _, errors = inithw("grade", "class", "--out", "out")
    assert code == 0
    assert "1 graded now, 4 as they were" in errors
    assert f"Graded anew: class/{last.login}: another submission" in errors
    assert scores_in() == {**scores, last.login: 4}
    (old,) = records()[last.login]["earlier"]
    assert (old["until"], old["score"]) == ("another submission", 0)


def test_other_settings_are_refused_by_name_unless_told_and_then_said(graded, inithw, monkeypatch):
    people, _ = graded
    monkeypatch.setenv("INITHW_KEY", "another key of more than sixteen characters")
    before = records()
    code, output, errors = inithw("grade", "class", "--out", "out", "--save-evidence")
    assert code == 2
    assert output == ""
    assert "out: holds grades given otherwise: 5 with another key. Nothing was graded." in " ".join(errors.split())
    assert "`--regrade`" in errors
    assert records() == before
    code, _, errors = inithw("grade", f"class/{people[0].login}", "--out", "out", "--regrade", "--save-evidence")
    assert code == 0
    assert "another key" in errors
    keys = {name: record["verdict"]["graded_with"]["key"] for name, record in records().items()}
    assert len(set(keys.values())) == 2
    assert "another key of" not in (Path("out") / "records" / f"{people[0].login}.json").read_text()
    inithw("grade", "class", "--out", "out", "--regrade", "--save-evidence")
    assert len({record["verdict"]["graded_with"]["key"] for record in records().values()}) == 1


def test_every_record_says_what_decided_and_so_does_the_screen(graded, inithw):
    for record in records().values():
        decided = record["verdict"]["graded_with"]
        assert set(decided) >= {"homework", "version", "key", "rubric", "limits", "points"}
        assert decided["key"] == "public"
        assert record["verdict"]["graded_at"].endswith("+00:00")
    settings()
    _, _, errors = inithw("grade", "class", "--out", "out")
    assert f"Configuration: {Path('otter_config.json').resolve()}; the public key: challenges" in errors


def test_the_configuration_beside_a_class_counts_and_that_beside_a_submission_does_not(inithw, members, tmp_path):
    people, _ = members
    FORMS["folders"](tmp_path / "class", people)
    exports.zipped(tmp_path / "class")
    settings(points_possible=8)
    (tmp_path / "class" / "otter_config.json").write_text("{}")  # from a student, who may put nothing there
    for path, config in [("class.zip", "otter_config.json"), ("class", "otter_config.json")]:
        _, output, errors = inithw("grade", path, "--json")
        assert f"Configuration: {tmp_path / config};" in errors
        assert {json.loads(line)["max_score"] for line in output.splitlines()} == {8}
    shutil.copy(tmp_path / "class" / people[0].login / "homework.ipynb", tmp_path / "homework.ipynb")
    assert "Configuration: none found, defaults; the public key" in inithw("grade", "homework.ipynb")[2]


def test_points_possible_is_one_number_on_screen_in_the_table_the_record_and_for_gradescope(inithw, members, tmp_path):
    people, scores = members
    FORMS["folders"](tmp_path / "class", people)
    settings(points_possible=10)
    code, output, errors = inithw("grade", "class", "--out", "out", "--json")
    assert code == 0, errors
    scaled = {name: score * 2.5 for name, score in scores.items()}
    assert scores_in() == scaled
    assert {name: record["score"] for name, record in records().items()} == scaled
    assert [json.loads(line)["score"] for line in output.splitlines()] == list(scaled.values())
    for name, score in scaled.items():
        assert json.loads(Path(f"out/{name}.results.json").read_text())["score"] == score
    _, output, _ = inithw("grade", f"class/{people[2].login}", "--out", "out")
    assert "7.5 of 10 points, from 3 of 4 in the rubric" in output


def test_a_group_gets_one_grade_and_every_member_a_line(inithw, members, tmp_path):
    people, scores = members
    FORMS["gradescope"](tmp_path / "export", people)
    code, output, errors = inithw("grade", "export", "--out", "out", "--json")
    assert code == 0, errors
    assert len(output.splitlines()) == 4
    rows = table()
    assert {row["email"]: float(row["score"]) for row in rows.values()} == {
        person.email: scores[people[min(place, 3)].login] for place, person in enumerate(people)
    }
    assert rows[people[4].sid]["group"] == people[3].name
    assert rows[people[3].sid]["submission_id"] == rows[people[4].sid]["submission_id"]


def test_who_handed_in_nothing_is_listed_also_later(graded, inithw, tmp_path):
    people, scores = graded
    missing = exports.Person("Gone", "Away", 555, {})
    exports.roster(tmp_path / "students.csv", [*people, missing])
    for more in (["--roster", "students.csv"], []):
        code, _, errors = inithw("grade", "class", "--out", "out", *more)
        assert code == 0
        assert "Handed in nothing, 1 of 6 on the roster: Away, Gone" in errors
        rows = table()
        assert rows[missing.login]["status"] == "nothing handed in"
        assert rows[missing.login]["score"] == ""
        assert len(rows) == 6
    assert rows[people[0].login]["email"] == people[0].email
    assert scores_in() == scores


def test_what_cannot_be_graded_has_its_record_and_is_not_read_as_new_each_time(graded, inithw, tmp_path):
    exports.put(tmp_path / "class" / "zoe" / "homework.pdf", b"%PDF-1.4")
    for graded_now in (1, 0):
        code, _, errors = inithw("grade", "class", "--out", "out")
        assert code == 0
        assert f"6 records; {graded_now} graded now" in errors
    assert table()["zoe"]["status"] == "not_gradable"


def test_a_fault_of_ours_is_tried_twice_takes_no_grade_away_and_is_tried_again(graded, inithw, monkeypatch, tmp_path):
    people, scores = graded
    last = people[0]
    exports.put(
        tmp_path / "class" / last.login / "homework.ipynb", exports.notebook(small_class.source("reference", "new"))
    )
    tried = []

    def broken(grader, submission):
        tried.append(submission.name)
        raise RuntimeError("no machine today")

    with monkeypatch.context() as patch:
        patch.setattr(Grader, "grade_read", broken)
        code, _, errors = inithw("grade", "class", "--out", "out")
    assert code == 1
    assert len(tried) == 2
    assert "The same command tries them again" in " ".join(errors.split())
    assert scores_in() == scores
    code, _, errors = inithw("grade", "class", "--out", "out")
    assert code == 0
    assert "1 graded now" in errors


def test_a_folder_of_another_homework_or_another_program_is_refused(graded, inithw):
    for path in Path("out/records").glob("*.json"):
        path.write_text(path.read_text().replace(HOMEWORK.title, "Another one"))
    code, _, errors = inithw("grade", "class", "--out", "out")
    assert code == 2
    assert "holds grades of another homework (Another one)" in errors
    with open("out/.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, errors = inithw("grade", "class", "--out", "out")
    assert code == 2
    assert "another inithw is writing there" in errors


def test_a_damaged_record_is_said_and_made_anew(graded, inithw):
    people, scores = graded
    Path(f"out/records/{people[0].login}.json").write_text('{"form": 1, "stud')
    Path(f"out/records/{people[1].login}.json").write_text("{}")
    code, _, errors = inithw("grade", "class", "--out", "out")
    assert code == 0
    assert errors.count("damaged, made anew") == 2
    assert scores_in() == scores


def test_a_student_cannot_become_others_by_what_lies_in_their_folder(graded, inithw, tmp_path):
    people, scores = graded
    victim, late = people[0], tmp_path / "late" / "mallory"
    for name in (victim.login, people[3].login):
        exports.put(late / name / "homework.ipynb", exports.notebook(small_class.source("skeleton")))
    code, _, errors = inithw("grade", "late/mallory", "--out", "out")
    assert code == 2
    assert "--layout one" in errors
    exports.put(late / "submission_metadata.yml", b"submission_1:\n  :submitters:\n  - :name: x\n    :sid: '1'\n")
    assert inithw("grade", "late/mallory", "--out", "out")[0] == 2
    assert scores_in() == scores


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["grade", "class", "--layout", "blackbord"], "--layout blackbord: there is none; write one of auto"),
        (["grade", "class", "--roster", "none.csv"], "none.csv: cannot be read"),
        (["grade", "class", "--out", "class.txt/x"], "cannot be written to"),
        (["grade", "class", "--layout", "gradescope", "--out", "o"], "submission_metadata.yml: cannot be read"),
        (["rescore", "class"], "no records here; make some with"),
    ],
)
def test_bad_input_is_a_clear_line(arguments, told, inithw, members, tmp_path):
    FORMS["folders"](tmp_path / "class", members[0])
    Path("class.txt").write_text("")
    code, output, errors = inithw(*arguments)
    assert (code, output) == (2, "")
    assert told in " ".join(errors.split())


# ---------------------------------------------------------------- nothing lost


def test_a_full_disk_keeps_what_is_written_says_so_and_the_same_command_goes_on(inithw, members, tmp_path, monkeypatch):
    people, scores = members
    FORMS["folders"](tmp_path / "class", people)
    real, left = class_folder.replace_file, [4]  # class.json and three records

    def full(path, content, mode=0o644):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(path, content, mode)

    with monkeypatch.context() as patch:
        patch.setattr(class_folder, "replace_file", full)
        code, _, errors = inithw("grade", "class", "--out", "out")
    assert code == 1
    told = " ".join(errors.split())
    assert "--out out: cannot write there any more (No space left on device). 3 of 5 submissions have" in told
    assert "the same command goes on from here" in told
    assert len(records()) == 3
    before = {path: path.read_bytes() for path in Path("out/records").glob("*.json")}
    code, _, errors = inithw("grade", "class", "--out", "out")
    assert "2 graded now, 3 as they were" in errors
    assert all(path.read_bytes() == data for path, data in before.items())
    assert scores_in() == scores


@pytest.mark.slow
def test_kills_at_random_moments_lose_double_and_leave_nothing(tmp_path):
    found = faults.inject(kills=6, seed=20261103, folder=tmp_path, students=6)
    assert found.wrong == []
    assert found.kills == 6


def test_what_a_killed_program_left_half_written_is_cleared_away(graded, inithw):
    left = ["out/.grades.csv.x.part", "out/records/.a.json.y.part", "out/records/a.0123456789.evidence.npz"]
    for path in left:
        Path(path).write_bytes(b"half")
    Path("out/.unpacked-1").mkdir()
    _, _, errors = inithw("grade", "class", "--out", "out", "--save-evidence")
    assert "0 graded now" in errors
    assert not any(map(os.path.exists, [*left, "out/.unpacked-1"]))
    assert len(list(Path("out/records").glob("*.npz"))) == 5


# ---------------------------------------------------------------- rescoring


def stricter(evidence):
    available(evidence.losses)
    raise Lost("nothing is good enough.")


@pytest.fixture
def new_policy(monkeypatch):
    """Item s1.value is lost by everybody."""
    from dataclasses import replace

    items = tuple(
        Item(item.id, item.points, item.title, f"{item.claim} Really.", stricter) if item.id == "s1.value" else item
        for item in HOMEWORK.rubric
    )
    monkeypatch.setattr(shared, "the_homework", lambda: replace(HOMEWORK, rubric=items))


def test_rescoring_shows_what_would_change_for_whom_and_writes_nothing(graded, inithw, new_policy):
    people, _ = graded
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    code, output, errors = inithw("rescore", "out")
    assert code == 0, errors
    assert "4 of 5 would change" in output
    line = next(line for line in output.splitlines() if people[0].login in line)
    assert "4/4" in line
    assert "3/4" in line
    assert "s1.value 1 -> 0" in line
    assert "Mean of 5 graded: 2.60 before, 1.80 after" in output
    assert "nothing was written: `--write` lets the new grades stand" in errors
    assert before == {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}


def test_a_written_rescoring_keeps_both_results_the_notes_and_those_not_gradable(graded, inithw, new_policy, tmp_path):
    people, scores = graded
    exports.put(tmp_path / "class" / people[0].login / "other.ipynb", exports.notebook("x = 1"))
    exports.put(tmp_path / "more" / "zoe" / "homework.pdf", b"%PDF-1.4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "the_homework", lambda: HOMEWORK)
        inithw("grade", "class", "--out", "out")
        inithw("grade", "more/zoe", "--out", "out")
    notes = {name: row["notes"] for name, row in table().items()}
    code, _, errors = inithw("rescore", "out", "--write")
    assert code == 0, errors
    assert "4 of 6 change; written to out" in errors
    now = {name: max(0, score - 1) for name, score in scores.items()}
    assert scores_in() == {**now, "zoe": 0}
    assert table()["zoe"]["status"] == "not_gradable"
    assert {name: row["notes"] for name, row in table().items()} == notes
    record = records()[people[0].login]
    assert [(old["score"], old["until"]) for old in record["earlier"]] == [(4, "rescored under another rubric")]
    assert json.loads(Path(f"out/{people[0].login}.results.json").read_text())["score"] == 3
    with open("out/changed.csv", encoding="utf-8-sig", newline="") as file:
        changes = {row["student"]: (row["before"], row["after"], row["items"]) for row in csv.DictReader(file)}
    assert changes[people[0].login] == ("4", "3", "s1.value 1 -> 0")
    assert len(changes) == 4
    code, _, errors = inithw("rescore", "out")
    assert "0 of 6 change" in errors
    assert "0 graded now, 5 as they were" in inithw("grade", "class", "--out", "out")[2]


def test_damaged_evidence_is_named_the_rest_is_scored_and_what_has_none_stays(graded, inithw, new_policy):
    people, _ = graded
    damaged, none = people[0].login, people[2].login
    next(Path("out/records").glob(f"{damaged}.*.npz")).write_bytes(b"PK damaged")
    path = Path(f"out/records/{none}.json")
    record = json.loads(path.read_text())
    record["verdict"]["evidence"] = ""
    path.write_text(json.dumps(record))
    code, output, errors = inithw("rescore", "out", "--write", "--json")
    assert code == 1
    assert f"Damaged, and left as they were: {damaged}" in " ".join(errors.split())
    assert f"{none}: stays as it was: no evidence was kept" in errors
    assert len(output.splitlines()) == 5
    assert scores_in()[damaged] == 4
    assert scores_in()[none] == 3


def test_a_change_of_points_alone_needs_no_evidence(inithw, members, tmp_path):
    people, scores = members
    FORMS["folders"](tmp_path / "class", people)
    inithw("grade", "class", "--out", "out")
    settings(points_possible=100)
    code, _, errors = inithw("grade", "class", "--out", "out")
    assert code == 2
    assert "another points" in errors
    assert inithw("rescore", "out", "--write")[0] == 0
    assert scores_in() == {name: 25 * score for name, score in scores.items()}
    assert "0 graded now" in inithw("grade", "class", "--out", "out")[2]


# ---------------------------------------------------------------- gradebooks

CANVAS = (
    'Student,ID,SIS User ID,SIS Login ID,Section,"Softmax cross-entropy (4711)",Quiz (12),Final Score\r\n'
    "    Points Possible,,,,,4,10,(read only)\r\n{lines}"
    '"Student, Test",99,,x,1,,,\r\n'
)


def canvas_gradebook(people):
    lines = "".join(
        f'"{one.last}, {one.first}",{one.number},{one.sid},{one.login},"S ""1""",{"2.5" if place else ""},07.50,\r\n'
        for place, one in enumerate(people)
    )
    return CANVAS.format(lines=lines)


def cells_of(data):
    sheet = Sheet.read(data)
    return [[sheet.text[cell.start : cell.end] for cell in row] for row in sheet.rows]


@pytest.mark.parametrize("form", ["canvas", "folders"])
def test_canvas_gradebook_is_filled_and_every_other_cell_is_the_same_bytes(form, inithw, members, tmp_path):
    people, scores = members
    FORMS[form](tmp_path / "class", people)
    given = canvas_gradebook(people).encode("utf-8-sig")
    (tmp_path / "gradebook.csv").write_bytes(given)
    code, _, errors = inithw("grade", "class", "--out", "out", "--gradebook", "gradebook.csv")
    assert code == 0, errors
    assert "5 grades in the column 'Softmax cross-entropy (4711)'; nothing else changed" in errors
    assert (tmp_path / "gradebook.csv").read_bytes() == given
    before, after = cells_of(given), cells_of(Path("out/gradebook.filled.csv").read_bytes())
    for place, one in enumerate(people):
        assert after[place + 2][5] == f"{scores[one.login]:g}"
        after[place + 2][5] = before[place + 2][5]
    assert after == before
    assert "had another grade there" in errors


def test_moodle_worksheet_gets_grades_and_reasons_and_what_is_closed_or_not_gradable_is_left(inithw, members, tmp_path):
    people, scores = members
    FORMS["moodle"](tmp_path / "class", people)
    folder = tmp_path / "class" / f"{people[2].name}_{1_230_000 + people[2].number}_assignsubmission_file_"
    shutil.rmtree(folder)
    exports.put(folder / "homework.pdf", b"%PDF")
    head = "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,Feedback comments\n"
    lines = [
        f'Participant {1_230_000 + one.number},{one.name},{one.email},Submitted,,"4,00",'
        f"{'No' if one is people[3] else 'Yes'},\n"
        for one in people
    ]
    (tmp_path / "sheet.csv").write_text(head + "".join(lines))
    code, _, errors = inithw("grade", "class", "--gradebook", "sheet.csv")
    assert code == 0, errors
    with open("sheet.filled.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [f"{scores[one.login]:g}" for one in people]
    assert [row["Grade"] for row in rows] == [*expected[:2], "", "", expected[4]]
    assert "Not answered" in rows[1]["Feedback comments"]
    assert rows[0]["Feedback comments"] == "All items are passed."
    assert "1 not gradable, so their cells were left" in errors
    assert "1 have grades that cannot be changed there" in errors


def test_nbgraders_table_keeps_other_assignments_and_its_penalties(inithw, members, tmp_path):
    people, scores = members
    FORMS["nbgrader"](tmp_path / "course", people)
    head = (
        "assignment,duedate,timestamp,student_id,last_name,first_name,email,raw_score,late_submission_penalty,score,"
        "max_score\n"
    )
    lines = [f"{hw},,,{one.login},,,,0.0,1.0,0.0,4.0\n" for one in people for hw in ("hw", "other")]
    (tmp_path / "grades.csv").write_text(head + "".join(lines))
    code, _, errors = inithw("grade", "course", "--gradebook", "grades.csv")
    assert code == 2
    assert "which assignment? Say it with --column; there are: 'hw', 'other'" in " ".join(errors.split())
    code, _, errors = inithw("grade", "course", "--gradebook", "grades.csv", "--column", "hw")
    assert code == 0, errors
    with open("grades.filled.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        score = scores[row["student_id"]]
        wanted = (f"{score:g}", f"{max(0, score - 1):g}") if row["assignment"] == "hw" else ("0.0", "0.0")
        assert (row["raw_score"], row["score"]) == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty; export the gradebook again"),
        ("a,b\n1,2\n", "no column says who a student is"),
        ("Student,ID,One (1),Two (2)\n", "which column is 'Softmax cross-entropy'? Say it with --column"),
    ],
)
def test_a_gradebook_that_cannot_be_filled_is_told(text, told, inithw, members, tmp_path):
    FORMS["folders"](tmp_path / "class", members[0][:1])
    Path("book.csv").write_text(text)
    code, _, errors = inithw("grade", f"class/{members[0][0].login}", "--gradebook", "book.csv")
    assert code == 2
    assert told in " ".join(errors.split())
    assert not Path("book.filled.csv").exists()


def test_evidence_is_that_of_the_record_that_names_it(graded):
    with ClassFolder(Path("out")) as folder:
        for record in folder.records.values():
            with np.load(folder.evidence_path(record), allow_pickle=False) as archive:
                assert json.loads(archive["header"].tobytes())["submission"] == record.grade.submission


# ---------------------------------------------------------------- this homework


@pytest.mark.slow
def test_labelled_answers_get_their_declared_points_through_a_platforms_export(inithw, tmp_path, monkeypatch):
    from inithw.homework.definition import HOMEWORK as THIS

    monkeypatch.setattr(shared, "the_homework", lambda: THIS)
    people, points = exports.labelled_class(4)
    FORMS["canvas"](tmp_path / "class", people)
    exports.roster(tmp_path / "students.csv", people)
    code, _, errors = inithw("grade", exports.zipped(tmp_path / "class"), "--out", "out", "--roster", "students.csv")
    assert code == 0, errors
    rows = {row["login"]: row for row in table().values()}
    found = {login: {item: float(row[item]) for item in points[login]} for login, row in rows.items()}
    assert found == points


def test_a_log_says_how_far_it_is():
    meter = Meter(10)
    meter.kept()
    for _ in range(3):
        meter.done()
    assert meter.line(30.0) == "grading: 3 of 9, 6 a minute, about 1 minutes left"


def test_near_identical_pairs_of_the_whole_class_are_kept_in_its_folder(inithw, tmp_path):
    twins = [
        exports.Person(name, "Twin", number, {"homework.ipynb": exports.notebook(LONG)})
        for number, name in enumerate("AB")
    ]
    FORMS["folders"](tmp_path / "class", twins)
    inithw("grade", f"class/{twins[0].login}", "--out", "out")
    _, output, _ = inithw("grade", f"class/{twins[1].login}", "--out", "out")
    assert "Look at both" in output
    with open("out/similar.csv", encoding="utf-8-sig", newline="") as file:
        (pair,) = csv.DictReader(file)
    assert {pair["first"], pair["second"]} == {one.login for one in twins}


LONG = "import numpy\n" + "\n".join(
    f"def helper_{k}(values, weights):\n    total = sum(v ** {k} * w for v, w in zip(values, weights))\n"
    f"    return total / (len(values) + {k}) if total > {k} else -total * {k} + len(weights)"
    for k in range(12)
)


# ---------------------------------------------------------------- feedback


def test_each_student_gets_a_page_that_names_nobody_else(graded, inithw):
    people, _ = graded
    code, _, errors = inithw("explain", "out")
    assert code == 0, errors
    assert "out/feedback: 5 pages written, 0 as they were" in errors
    for person in people:
        for suffix in ("html", "md"):
            page = Path(f"out/feedback/{person.login}.{suffix}")
            assert page.stat().st_mode & 0o077 == 0
            text = page.read_text("utf-8")
            assert person.login in text
            assert not [one for one in people if one is not person and re.search(rf"\b{one.login}\b", text)]


def test_a_class_run_with_feedback_writes_what_is_due(members, inithw, tmp_path):
    people, _ = members
    FORMS["folders"](tmp_path / "class", people)
    grade = ("grade", "class", "--out", "out", "--feedback")
    assert "5 pages written, 0 as they were" in inithw(*grade)[2]
    assert all(record["verdict"]["evidence"] for record in records().values())
    last = people[1]  # had left everything open
    exports.put(tmp_path / "class" / last.login / "homework.ipynb", exports.notebook(small_class.source("reference")))
    assert "1 pages written, 4 as they were" in inithw(*grade)[2]
    page = Path(f"out/feedback/{last.login}.html").read_text("utf-8")
    assert "4 of 4 points" in page
    assert "An earlier result, 0 of 4, no longer stands: another submission." in page


def test_explain_makes_one_page_alone_and_says_what_it_cannot_explain(graded, inithw):
    person = graded[0][0]
    (record,) = Path("out/records").glob(f"{person.login}.json")
    (evidence,) = Path("out/records").glob(f"{person.login}.*.evidence.npz")
    for path in (record, evidence, f"class/{person.login}/homework.ipynb"):
        code, output, errors = inithw("explain", path, "--out", "page.html")
        assert code == 0, errors
        assert output.splitlines() == ["wrote page.html", "wrote page.md"]
        assert "4 of 4 points" in Path("page.html").read_text("utf-8")
        Path("page.html").unlink()
    assert not Path("out/feedback").exists()
    code, _, errors = inithw("explain", record, "--out", "page.pdf")
    assert (code, "name the page, such as page.html" in errors) == (2, True)
    Path("out/records/odd.json").write_text("{}")
    code, _, errors = inithw("explain", "out/records/odd.json")
    assert (code, "no record of a class" in errors) == (2, True)


# ---------------------------------------------------------------- report


def test_a_class_run_writes_the_report_and_rescoring_renews_it(graded, inithw, monkeypatch):
    people, _ = graded
    assert "Look at the class: out/report.html" in inithw("grade", "class", "--out", "out")[2]
    page = Path("out/report.html").read_text("utf-8")
    assert all(person.login in page for person in people)
    settings(points_possible=40)
    Path("out/report.html").unlink()
    assert "Look at the class" not in inithw("rescore", "out")[2]
    errors = inithw("rescore", "out", "--write")[2]
    assert "Look at the class" in errors
    assert "feedback pages" not in errors
    assert "mean, of 40 points" in Path("out/report.html").read_text("utf-8")
    assert "another" not in inithw("explain", "out")[2]
    assert f"feedback/{people[0].login}.html" in Path("out/report.html").read_text("utf-8")
    settings(points_possible=80)
    errors = inithw("rescore", "out", "--write")[2]
    assert "5 feedback pages are older than their records: `inithw explain out` writes them anew" in errors


def test_without_what_only_staff_has_a_class_is_graded_all_the_same(graded, inithw, monkeypatch):
    there = rendering.importlib.util.find_spec
    monkeypatch.setattr(
        rendering.importlib.util, "find_spec", lambda name, *rest: None if name == "itables" else there(name, *rest)
    )
    Path("out/report.html").unlink()
    code, _, errors = inithw("grade", "class", "--out", "out")
    assert (code, scores_in()) == (0, graded[1])
    assert "out/report.html was not written: the report needs what only staff has" in errors
    code, _, errors = inithw("report", "out")
    assert (code, "pip install 'inithw[staff]'" in errors) == (1, True)
    code, _, errors = inithw("report", "class")
    assert (code, "no records here" in errors) == (2, True)


def test_explain_says_that_a_verdict_does_not_go_by_the_limits_that_pictures_show(
    graded, inithw, monkeypatch, tmp_path
):
    (tmp_path / "limits").write_text("others")
    monkeypatch.setattr(shared, "the_homework", lambda: replace(HOMEWORK, files={"limits.json": tmp_path / "limits"}))
    for path in ("out", f"out/records/{graded[0][0].login}.json"):
        assert "verdicts were given under another limits; pictures show today's" in inithw("explain", path)[2]
