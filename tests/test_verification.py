"""The release gate passes what is as declared, and names what is not."""

import dataclasses
import functools
import io
from types import SimpleNamespace

import pytest
from inithw.engine.settings import Settings
from inithw.homework.rubric import POINTS
from inithw.release import verification
from rich.console import Console

from tests import submissions
from tests.attacks import ATTACKS, proving_ground
from tests.parts import grade_of, item_score

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("doors")]

RIGHT = next(answer for answer in submissions.ANSWERS if answer.q2 and not answer.lost and not answer.transform)
WRONG = next(answer for answer in submissions.ANSWERS if "q2.spectral" in answer.lost.values())
HARMLESS = next(attack for attack in ATTACKS if attack.name == "the handout's norms by heart")


@functools.cache
def tried(skeleton):
    """What came of the attack, once for all."""
    return proving_ground.run([HARMLESS], skeleton=skeleton)


def verified(root, monkeypatch, answers, outcomes_of=lambda run: run):
    """Run the gate on a small corpus; how many differ, and what was printed."""
    corpus = SimpleNamespace(
        ANSWERS=answers, packed=tuple, write_answer=submissions.write_answer, fits_this_term=lambda _: True
    )
    attacks = SimpleNamespace(ATTACKS=[HARMLESS], run=lambda skeleton, on_done: outcomes_of(tried(skeleton)))
    modules = {"tests.submissions": corpus, "tests.attacks.proving_ground": attacks}
    monkeypatch.setattr(verification, "_from_tests", lambda _root, name: modules[name])
    console = Console(file=io.StringIO(), width=200)
    return verification.verify(root, Settings(), console), console.file.getvalue()


def test_what_is_as_declared_passes(root, monkeypatch):
    found, printed = verified(root, monkeypatch, [RIGHT, WRONG])
    assert found == 0
    assert printed == "4 of 4 submissions graded exactly as declared\n1 of 1 attacks contained\n"


def test_a_wrong_score_a_wrong_name_and_a_breach_are_each_counted_and_named(root, monkeypatch):
    too_generous = dataclasses.replace(WRONG, lost={})
    misnamed = dataclasses.replace(WRONG, name="misnamed", lost=dict.fromkeys(WRONG.lost, "q2.mean"))
    found, printed = verified(
        root,
        monkeypatch,
        [too_generous, misnamed],
        lambda outcomes: [dataclasses.replace(outcome, breaches=("read the key",)) for outcome in outcomes],
    )
    assert found == 3
    assert "q2.norms earned 0, declared 2" in printed
    assert "q2.norms is diagnosed as q2.spectral, declared q2.mean" in printed
    assert "read the key" in printed
    assert "2 of 4 submissions graded exactly as declared\n" in printed
    assert "0 of 1 attacks contained\n" in printed


def test_a_skeleton_whose_items_are_not_open_is_found(root):
    (skeleton,) = [one for one in verification._releases(root) if one.state]
    lost = tuple(item_score(name, "lost", points, message="found") for name, points in POINTS.items())
    found = verification.differences(skeleton, grade_of(*lost))
    assert found == [f"{name} is lost, declared not answered (found)" for name in POINTS]


def test_another_status_is_a_difference(root):
    reference = verification._releases(root)[0]
    found = verification.differences(reference, grade_of(status="infrastructure_error", message="no worker"))
    assert found == ["status is infrastructure_error, declared graded (no worker)"]
