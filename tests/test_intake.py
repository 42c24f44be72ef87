"""Whatever form a class comes in, each student has one hand-in, and it is known whose."""

import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inithw.engine.course.handin import CourseError
from inithw.engine.course.intake import collect
from inithw.engine.course.reading import read_counted
from inithw.engine.course.roster import Roster, read_roster
from inithw.engine.course.student import Student, fold
from inithw.engine.course.unpacking import unpack

from tests import exports
from tests.another_homework.definition import HOMEWORK
from tests.exports import FORMS, Person, notebook, put

NAMES = [
    *(("Anna", "Müller"), ("Ben", "O'Neill"), ("Chloé", "van den Berg"), ("Đặng", "Lê")),
    *(("Emil", "Meyer-Lüdenscheidt"), ("Wei", "张")),
]


def answer(number):
    return notebook(f"import numpy\ndef cross_entropy(logits, labels):\n    return {number}\n")


@pytest.fixture
def people():
    return [
        Person(first, last, 41_200 + place, {"homework.ipynb": answer(place), "plot.png": b"\x89PNG"}, late=place == 1)
        for place, (first, last) in enumerate(NAMES)
    ]


@pytest.fixture
def scratch(tmp_path_factory):
    return lambda: tmp_path_factory.mktemp("unpacked")


def collected(path, scratch, **options):
    paths = path if isinstance(path, list) else [path]
    return collect(paths, scratch, preferred="homework.ipynb", **options)


def number_of(hand_in):
    """Whose answer was read."""
    found = read_counted(hand_in, HOMEWORK)
    assert found.submission is not None, found.reason
    return int(found.submission.cells[0].source.rpartition("return ")[2])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_one_hand_in_for_each_student_and_the_right_file_of_it(form, packed, people, scratch, tmp_path):
    FORMS[form](tmp_path / "class", people)
    path = exports.zipped(tmp_path / "class") if packed else tmp_path / "class"
    roster = Roster(read_roster(exports.roster(tmp_path / "students.csv", people)))
    intake = collected(path, scratch, roster=roster)
    assert len(intake.hand_ins) == (len(people) - 1 if form == "gradescope" else len(people))
    found = {}
    for hand_in in intake.hand_ins:
        for student in hand_in.students:
            found[student.email] = (student, number_of(hand_in))
    assert {email: number for email, (_, number) in found.items()} == {
        person.email: 4 if form == "gradescope" and place == 5 else place for place, person in enumerate(people)
    }
    for person in people:
        student = found[person.email][0]
        assert (student.login, student.sid) == (person.login, person.sid)
        assert fold(student.name) == fold(person.name)
    assert not any("Not on the roster" in remark for remark in intake.remarks)


@pytest.mark.parametrize("form", FORMS)
def test_without_a_roster_everybody_is_still_told_apart_and_named_by_what_the_platform_knows(
    form, people, scratch, tmp_path
):
    FORMS[form](tmp_path / "class", people)
    intake = collected(tmp_path / "class", scratch)
    ids = [student.id for hand_in in intake.hand_ins for student in hand_in.students]
    assert len(set(ids)) == len(people) == len(ids)
    expected = {
        "gradescope": lambda person: person.sid,
        "canvas": lambda person: f"canvas {person.number}",
        "moodle": lambda person: f"moodle {1_230_000 + person.number}",
        "moodle_flat": lambda person: f"moodle {1_230_000 + person.number}",
    }.get(form, lambda person: person.login)
    values = {value for hand_in in intake.hand_ins for one in hand_in.students for _, value in one.identifiers}
    assert {expected(person) for person in people} <= values


@pytest.mark.parametrize("form", FORMS)
def test_a_student_has_the_same_record_name_from_the_export_and_from_their_own_path(
    form, people, scratch, tmp_path, monkeypatch
):
    FORMS[form](tmp_path / "class", people)
    whole = collected(tmp_path / "class", scratch)
    monkeypatch.chdir(tmp_path)
    for hand_in in whole.hand_ins:
        path = hand_in.candidates[0].path
        for spelt in (path, path.relative_to(tmp_path), Path("..", tmp_path.name, path.relative_to(tmp_path))):
            (alone,) = collected(spelt, scratch).hand_ins
            assert [one.id for one in alone.students] == [one.id for one in hand_in.students]


def test_what_shells_expand_is_understood_and_metadata_is_nobodys_submission(people, scratch, tmp_path):
    FORMS["gradescope"](tmp_path, people)
    paths = sorted((tmp_path / "assignment_4711_export").iterdir())
    intake = collected(paths, scratch)
    assert len(intake.hand_ins) == len(people) - 1
    assert any("submission_metadata.yml: read for names" in remark for remark in intake.remarks)
    assert {len(hand_in.students) for hand_in in intake.hand_ins} == {1, 2}


def test_canvas_says_who_is_late_and_the_last_upload_counts(people, scratch, tmp_path):
    FORMS["canvas"](tmp_path / "class", people)
    hand_ins = {hand_in.students[0].platform_id: hand_in for hand_in in collected(tmp_path / "class", scratch).hand_ins}
    late = {number: hand_in.candidates[0].late for number, hand_in in hand_ins.items()}
    assert late == {f"canvas {person.number}": person.late for person in people}
    for hand_in in hand_ins.values():
        found = read_counted(hand_in, HOMEWORK)
        assert found.candidate.attempt == 2
        assert found.candidate.path.name.endswith("homework-1.ipynb")
        (note,) = [note for note in found.remarks if "homework.ipynb" in note]
        assert note.startswith("Not counted: ")


def test_what_is_not_this_homework_does_not_win_by_being_later(scratch, tmp_path):
    put(tmp_path / "c" / "amy_1_10_homework.ipynb", answer(7))
    put(tmp_path / "c" / "amy_1_11_other.ipynb", notebook("x = 1"))
    put(tmp_path / "c" / "amy_1_12_notes.pdf", b"%PDF")
    (hand_in,) = collected(tmp_path / "c", scratch).hand_ins
    assert number_of(hand_in) == 7


def test_nobody_who_handed_in_something_else_goes_without_a_record(scratch, tmp_path):
    put(tmp_path / "c" / "amy_1_10_homework.pdf", b"%PDF")
    put(tmp_path / "c" / "bob_2_11_homework.ipynb", answer(1))
    amy, bob = collected(tmp_path / "c", scratch).hand_ins
    found = read_counted(amy, HOMEWORK)
    assert found.submission is None
    assert "is a PDF" in found.reason
    assert number_of(bob) == 1


def test_a_file_named_outright_counts(scratch, tmp_path):
    put(tmp_path / "r" / "homework.ipynb", answer(1))
    put(tmp_path / "r" / "late" / "final.ipynb", answer(2))
    (hand_in,) = collected(tmp_path / "r", scratch).hand_ins
    assert read_counted(hand_in, HOMEWORK).submission is None
    assert "several notebooks" in read_counted(hand_in, HOMEWORK).reason
    assert "return 2" in read_counted(hand_in, HOMEWORK, only="final.ipynb").submission.cells[0].source


def test_a_students_own_folder_or_file_is_one_submission(scratch, tmp_path):
    put(tmp_path / "anna" / "homework.ipynb", answer(1))
    put(tmp_path / "anna" / "data" / "x.csv", b"1")
    put(tmp_path / "anna" / "old" / "homework.ipynb", answer(1))
    for path in (tmp_path / "anna", tmp_path / "anna" / "homework.ipynb"):
        (hand_in,) = collected(path, scratch).hand_ins
        assert hand_in.students == (Student(label="anna"),)


def test_paths_of_one_name_are_two_students(scratch, tmp_path):
    paths = [tmp_path / group / "anna" / "homework.ipynb" for group in ("monday", "tuesday")]
    for path in paths:
        put(path, answer(1))
    labels = [hand_in.students[0].label for hand_in in collected(paths, scratch).hand_ins]
    assert labels == ["monday/anna/homework.ipynb", "tuesday/anna/homework.ipynb"]


@pytest.mark.parametrize("form", FORMS)
def test_what_a_student_put_into_their_folder_never_makes_it_a_class(form, people, scratch, tmp_path):
    FORMS[form](tmp_path / "class", people)
    for hand_in in collected(tmp_path / "class", scratch).hand_ins:
        path = hand_in.candidates[0].path
        if path.is_dir() and form != "folders":
            FORMS["gradescope"](path, people)
            FORMS["folders"](path, people)
            (alone,) = collected(path, scratch).hand_ins
            assert [student.id for student in alone.students] == [student.id for student in hand_in.students]
    several = sorted((tmp_path / "class").iterdir())
    assert len(collected([*several, tmp_path / "other"], scratch).hand_ins) <= len(several) + 1


def test_a_folder_that_looks_like_a_class_needs_a_word_where_it_is_not_trusted(people, scratch, tmp_path):
    FORMS["folders"](tmp_path / "emil", people)
    with pytest.raises(CourseError, match="say `--layout each`; if it is one student's, say `--layout one`"):
        collected(tmp_path / "emil", scratch, trusted=lambda _path: False)
    told = collected(tmp_path / "emil", scratch, trusted=lambda _path: False, layout="each")
    assert len(told.hand_ins) == len(people)


def test_a_layout_can_be_said_outright(scratch, tmp_path):
    for name in ("anna", "ben"):
        put(tmp_path / "class" / f"{name}.ipynb", answer(1))
        put(tmp_path / "parts" / name / "part.ipynb", answer(1))
    assert len(collected(tmp_path / "class", scratch, layout="each").hand_ins) == 2
    assert len(collected(tmp_path / "class", scratch).hand_ins) == 1
    assert len(collected(tmp_path / "parts", scratch).hand_ins) == 2
    assert len(collected(tmp_path / "parts", scratch, layout="one").hand_ins) == 1
    with pytest.raises(CourseError, match="holds no submission in the layout `canvas`; --layout names another"):
        collected(tmp_path / "class", scratch, layout="canvas")


@pytest.mark.parametrize("text", ["a: [", "- 1", "\0", "&a [*a]", "submission_1:\n  :submitters: 3", ""])
def test_a_metadata_file_of_another_form_is_told_or_ignored_but_never_a_traceback(text, scratch, tmp_path):
    put(tmp_path / "submission_metadata.yml", text.encode())
    put(tmp_path / "submission_1" / "homework.ipynb", answer(1))
    if text in ("submission_1:\n  :submitters: 3", ""):
        assert len(collected(tmp_path, scratch).hand_ins) == 1
    else:
        with pytest.raises(CourseError, match=r"submission_metadata\.yml"):
            collected(tmp_path, scratch)


# ---------------------------------------------------------------- roster


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,login\nAnna Müller,anna\n", Student("Anna Müller", "anna")),
        (
            "\ufeffFirst name;Last name;ID number;Email address\nAnna;Müller;77;a@b\n",
            Student("Anna Müller", "", "a@b", "77"),
        ),
        ("identifier,github_username,github_id,name\na@b,anna,99,Anna\n", Student("Anna", "anna", "a@b")),
        (
            'Student,ID,SIS User ID,SIS Login ID,Section\n"Müller, Anna",41,s1,anna,1\n',
            Student("Müller, Anna", "anna", "", "s1", "canvas 41"),
        ),
        ("Identifier,Full name,Email address\nParticipant 12,Anna,a@b\n", Student("Anna", "", "a@b", "", "moodle 12")),
        ("id,last_name,first_name,email\nanna,Müller,Anna,a@b\n", Student("Anna Müller", "anna", "a@b")),
    ],
)
def test_the_lists_that_platforms_export_are_rosters(text, expected, tmp_path):
    for encoding in ("utf-8", "utf-16"):
        (tmp_path / "students.csv").write_bytes(text.encode(encoding))
        assert read_roster(tmp_path / "students.csv") == (expected,)


@pytest.mark.parametrize(
    ("text", "told"), [("", "empty; write a line of headings"), ("a,b\n1,2\n", "no heading says who a student is")]
)
def test_a_roster_that_cannot_be_one_says_what_to_write(text, told, tmp_path):
    (tmp_path / "students.csv").write_text(text)
    with pytest.raises(CourseError, match=told):
        read_roster(tmp_path / "students.csv")
    with pytest.raises(CourseError, match="cannot be read"):
        read_roster(tmp_path / "none.csv")


def test_two_students_of_one_name_are_not_guessed_apart():
    roster = Roster([Student("Wei Li", "wli1"), Student("Li Wei", "wli2"), Student("Ann Lee", "alee")])
    assert roster.find(Student(name="Wei Li")) is None
    assert roster.find(Student(label="wli2")) == Student("Li Wei", "wli2")
    assert roster.find(Student(name="LEE, ann")).login == "alee"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=30), min_size=2, max_size=8, unique_by=str.casefold))
def test_names_of_records_are_safe_and_never_shared_by_different_logins(logins):
    ids = [Student(login=login).id for login in logins]
    assert len(set(ids)) == len({login.casefold() for login in logins})
    for one in ids:
        assert one
        assert one == one.lower()
        assert set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
        assert not one.startswith((".", "-"))


# ---------------------------------------------------------------- a zip of all


def test_names_in_a_zip_lead_nowhere(tmp_path):
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for name in ("../../up.txt", "/root.txt", "a/../b.txt", "c\\d.txt", "x" * 300 + ".ipynb", "a", "a/inner.txt"):
            archive.writestr(name, b"x")
        link = zipfile.ZipInfo("link.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "c.zip", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"c.zip", "out"}
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {"up.txt", "root.txt", "a/b.txt", "c/d.txt"} <= found | {"a/b.txt"}
    assert not any("link" in name for name in found)


def test_a_file_that_is_too_large_takes_no_disk_and_a_broken_one_costs_nobody_else_anything(tmp_path, monkeypatch):
    from inithw.engine.course import unpacking

    monkeypatch.setattr(unpacking, "MAX_FILE", 1000)
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big", bytes(5000))
        archive.writestr("broken", random.Random(1).randbytes(500))
        archive.writestr("good", b"good")
    data = bytearray((tmp_path / "c.zip").read_bytes())
    place = data.index(b"broken") + 50
    data[place] ^= 255
    (tmp_path / "c.zip").write_bytes(data)
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "c.zip", tmp_path / "out")
    assert (tmp_path / "out" / "big").stat().st_size == 1001
    assert (tmp_path / "out" / "broken").stat().st_size == 0
    assert (tmp_path / "out" / "good").read_bytes() == b"good"
