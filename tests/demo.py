"""A class as one might hand in, and its Canvas export: `python -m tests.demo FOLDER`; `make demo` grades it.

Who is good answers right more often, some mistakes are made more often than others, two share their code, a few leave a
question open, upload the wrong file or nothing.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from tests.exports import _FIRST, _LAST, SKELETON, Person, canvas, roster, zipped
from tests.submissions import ANSWERS, Answer, write_answer

STUDENTS = 60
ABSENT = 2
_LIKELY = {
    "q1": {
        "q1 GELU instead of ReLU": 3,
        "q1 three hidden layers": 3,
        "q1 ReLU after the output": 3,
        "q1 padded with Dropout": 1,
        "not answered: q1, way 1": 2,
    },
    "q2": {
        "q2 torch.linalg.norm with ord 2": 5,
        "q2 the parameter's norm": 4,
        "q2 the square of the norm": 2,
        "q2 the mean of absolute values": 1,
        "q2 a running total of norms": 2,
        "q2 five layers by their indices": 3,
        "q2 an undefined name": 1,
        "q2 left open": 3,
    },
    "q3": {
        "q3 missing root: std 2 over fan_in": 4,
        "q3 too small: GPT's 0.02": 4,
        "q3 constant scale: He's number for width 20 everywhere": 3,
        "q3 fan_out: kaiming_normal_ with fan_out": 2,
        "q3 seed set: torch.manual_seed inside": 2,
        "q3 table: two constants": 1,
        "q3 left open": 3,
    },
}
"""Mistakes by question, with how often each is made; the names are those of labelled answers."""
_SHARED = """
def print_gnorms(model):
    prediction = model(torch.tensor(train_x[:, None], dtype=torch.float32))
    target = torch.tensor(train_y[:, None], dtype=torch.float32)
    difference = prediction - target
    loss = (difference * difference).sum() / difference.numel()
    model.zero_grad()
    loss.backward()
    longest = max(len(name) for name, _ in model.named_parameters())
    found = dict()
    for name, param in model.named_parameters():
        if not name.endswith("weight"):
            continue
        total = 0.0
        for row in param.grad:
            for entry in row:
                total = total + float(entry) * float(entry)
        found[name] = total ** 0.5
        print(name.rjust(longest), "has the norm", format(found[name], ".6g"))
    return found
"""


def people(number: int = STUDENTS) -> list[Person]:
    """The class, alike on every call."""
    chance = random.Random(7)
    by_name = {answer.name: answer for answer in ANSWERS}
    right = {
        question: [one for one in ANSWERS if one.questions == (question,) and not one.lost and not one.measured]
        for question in _LIKELY
    }
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for place in range(number):
            skill = chance.betavariate(3, 1.2)
            code = {}
            for question, likely in _LIKELY.items():
                if chance.random() < 0.1 + 0.9 * skill:
                    code[question] = getattr(chance.choice(right[question]), question)
                else:
                    (name,) = chance.choices(list(likely), list(likely.values()))
                    code[question] = getattr(by_name[name], question)
            if place in (11, 37):
                code["q2"] = _SHARED if place == 11 else _SHARED.replace("found", "res").replace("entry", "x")
            answer = Answer(f"student {place}", **code)
            files = {"homework.ipynb": write_answer(answer, SKELETON, Path(folder)).read_bytes()}
            if place == 23:
                files = {"homework.html": b"<!DOCTYPE html><html><body>Sign in to continue to Drive</body></html>"}
            first, last = _FIRST[place % len(_FIRST)], _LAST[place * 3 % len(_LAST)]
            found.append(Person(first, last, 41_200 + place, files, late=chance.random() < 0.1))
    return found


def main() -> None:
    """Write the export, and the class list beside it."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    handed_in = people()
    absent = [Person(name, "Andersson", 41_900 + place, {}) for place, name in enumerate(("Alva", "Bo"))]
    canvas(folder / "submissions", handed_in)
    zipped(folder / "submissions")
    roster(folder / "students.csv", [*handed_in, *absent[:ABSENT]])
    print(f"{folder / 'submissions.zip'}: {len(handed_in)} students, as Canvas exports them")


if __name__ == "__main__":
    main()
