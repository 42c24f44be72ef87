"""The command line with the other homework, quick to grade: `python -m tests.small_class grade ...`."""

from __future__ import annotations

from inithw import cli

from tests.exports import Person, notebook
from tests.test_another_homework import ANSWERS, SKELETON

HOMEWORK = "tests.another_homework.definition:HOMEWORK"
QUICK = [name for name in ANSWERS if name not in ("never ends", "another shape")]  # these wait for a limit


def source(name: str, remark: str = "") -> str:
    """A labelled answer of the other homework as a percent script; a remark makes it another submission."""
    text = SKELETON
    for question, body in zip(("s1", "s2"), ANSWERS[name][0], strict=True):
        text = text if body is None else text.replace(f'\n    todo("{question}")', body)
    return text.lstrip("\n") + (f"\n# %%\nremark = {remark!r}\n" if remark else "")


def people(number: int) -> tuple[list[Person], dict[str, float]]:
    """So many students who hand in the labelled answers in turn, and their scores by login."""
    found, scores = [], {}
    for place in range(number):
        answer = QUICK[place % len(QUICK)]
        one = Person(
            f"Given{place}", f"Family{place}", 100 + place, {"homework.ipynb": notebook(source(answer, str(place)))}
        )
        found.append(one)
        scores[one.login] = float(sum(ANSWERS[answer][1].values()))
    return found, scores


def main() -> None:
    """Run the command line."""
    cli.shared.HOMEWORK = HOMEWORK
    cli.main()


if __name__ == "__main__":
    main()
