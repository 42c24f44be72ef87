"""A class of any size whose records are made up: for pages that show one, without grading anything."""

from __future__ import annotations

import random
from pathlib import Path

from inithw.engine.course.folder import ClassFolder
from inithw.engine.course.record import HandedIn, Record, Verdict
from inithw.engine.course.student import Student
from inithw.engine.records import Cell, Grade, ItemScore
from inithw.homework.definition import HOMEWORK
from inithw.homework.diagnosis import MISTAKES

HOSTILE = "</title></textarea><script>alert('x')</script><img src=http://evil.example/a.png onerror=alert(1)>"
_CODE = """def print_gnorms(model):
    # by {who}
    for name, param in model.named_parameters():
        print(name, "{who}")
"""


def made_up(folder: Path, students: int, *, hostile: int = 0) -> ClassFolder:
    """The class, with its records in memory only.

    Args:
        folder: Where the pages go.
        students: How many; one in fifty is not gradable, every ninth late.
        hostile: How many of them have names, reasons and code that would like to be more than text.
    """
    chance = random.Random(1)
    made = ClassFolder(folder)
    made.roster = (Student(name=f"Absent {HOSTILE if hostile else 'One'}", login="absent"),)
    for place in range(students):
        odd = HOSTILE if place < hostile else ""
        student = Student(
            f"Family{place}, Given{place}{odd}", f"login{place}", f"login{place}@uni.edu", str(700_000 + place)
        )
        record = Record(student, *_result(place, odd, student.login, chance))
        made.records[student.id] = record
    return made


def _result(place: int, odd: str, login: str, chance: random.Random) -> tuple[HandedIn, Verdict]:
    handed_in = HandedIn(
        f"class/{login}{odd}/homework.ipynb",
        late=place % 9 == 4,
        digest=str(place),
        code=(Cell(17, _CODE.format(who=login) + odd),),
    )
    skill = chance.random()
    items = []
    for item in HOMEWORK.rubric:
        passed = chance.random() < 0.4 + 0.6 * skill
        label = chance.choice([name for name in MISTAKES if name.startswith(item.question)] + [""])
        items.append(
            ItemScore(
                *(item.id, item.title, item.claim, item.points),
                item.points if passed else 0.0,
                "passed" if passed else "lost",
                "" if passed else f"{item.id} was not as expected for {login}{odd}.",
                "" if passed else label,
                "" if passed else "Look again.",
            )
        )
    ungraded = place % 50 == 49
    grade = Grade(
        submission=login,
        homework=HOMEWORK.title,
        status="not_gradable" if ungraded else "graded",
        items=tuple(items),
        message=f"a web page{odd}" if ungraded else "",
        notes=(f"Graded homework.ipynb.{odd}",),
        seconds=30.0 if place == 3 else 0.5 + chance.random(),
    )
    return handed_in, Verdict(grade, {"version": "1.0.0"}, "2026-11-03T21:04:05+00:00")
