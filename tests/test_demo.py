"""The class of `make demo`: what its export promises is in it."""

import pytest
from inithw.engine.course.intake import collect
from inithw.engine.course.roster import Roster, read_roster

from tests import demo

pytestmark = pytest.mark.slow


def test_the_demo_is_an_export_of_sixty_some_late_one_a_web_page_two_absent(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["demo", str(tmp_path)])
    demo.main()
    listed = read_roster(tmp_path / "students.csv")
    intake = collect(
        [tmp_path / "submissions.zip"],
        lambda: tmp_path,
        preferred="homework.ipynb",
        layout="auto",
        roster=Roster(listed),
    )
    assert (len(listed), len(intake.hand_ins)) == (demo.STUDENTS + demo.ABSENT, demo.STUDENTS)
    assert {hand_in.platform for hand_in in intake.hand_ins} == {"canvas"}
    assert 0 < sum(bool(hand_in.candidates[0].late) for hand_in in intake.hand_ins) < 15
    handed_in = demo.people()
    assert [one.files for one in handed_in] == [one.files for one in demo.people()]
    assert sum("homework.html" in one.files for one in handed_in) == 1
    assert len({one.files["homework.ipynb"] for one in handed_in if "homework.ipynb" in one.files}) > 50
