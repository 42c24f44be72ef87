"""The labelled corpus, graded by the real engine: every item, status and diagnosis exactly as declared."""

import dataclasses

import pytest
from inithw.homework.diagnosis import MISTAKES
from inithw.homework.diagnosis.initialization import name_cause, name_draws, name_scale
from inithw.homework.rubric import POINTS
from inithw.release.verification import SKELETON, declare, differences

from tests.parts import grader
from tests.submissions import ANSWERS, packed, write_answer
from tests.submissions.answer import REFERENCE

pytestmark = pytest.mark.slow

PACKED = packed(ANSWERS)
KEY = b"corpus"
NEAR_A_THRESHOLD = (
    "q3 kaiming_uniform_",
    "q3 kaiming_normal_",
    "q3 PyTorch's default by name",
    "q3 fan_out: kaiming_normal_ with fan_out",
    "q3 too large: He with gain 2",
    "q3 missing root: std 2 over fan_in",
)


def graded(answer, root, folder, sandbox, key=KEY):
    """The answer's declaration, its grade, and its evidence if there is any."""
    path = write_answer(answer, root / SKELETON, folder)
    outcome = grader(sandbox, key).grade(path)
    return declare(answer, path), outcome.grade, outcome.evidence


@pytest.mark.parametrize("answer", PACKED, ids=[answer.stem for answer in PACKED])
def test_an_answer_is_graded_as_declared(answer, root, tmp_path, sandbox):
    declared, record, evidence = graded(answer, root, tmp_path, sandbox)
    assert differences(declared, record) == []
    if answer.status == "graded" and not answer.lost and not answer.measured:
        seen = evidence.measured
        namers = (name_draws, name_scale, name_cause)
        assert [namer(evidence.init, seen) for namer in namers] == [None] * 3, "a mistake is named in a right answer"


@pytest.mark.parametrize("key", [b"one", b"another", b"a third"])
@pytest.mark.parametrize("answer", [a for a in ANSWERS if a.name in NEAR_A_THRESHOLD], ids=lambda answer: answer.stem)
def test_another_key_changes_no_verdict_near_a_threshold(answer, key, root, tmp_path, sandbox):
    declared, record, _evidence = graded(answer, root, tmp_path, sandbox, key)
    assert differences(declared, record) == []


def test_the_same_key_gives_the_same_record(root, tmp_path, sandbox):
    records = []
    for folder in ("once", "again"):
        _declared, record, _evidence = graded(PACKED[-20], root, tmp_path / folder, sandbox)
        records.append(dataclasses.replace(record, seconds=0.0, submission=""))
    assert records[0] == records[1]


def test_every_diagnosis_is_expected_of_some_answer_and_every_expected_one_exists():
    expected = {label for answer in ANSWERS for label in answer.lost.values()} - {"", "not answered", "not reached"}
    assert set(MISTAKES) == expected


def test_labels_are_about_items_of_the_rubric():
    for answer in ANSWERS:
        assert set(answer.lost) | answer.measured <= set(POINTS), answer.name
        assert not set(answer.lost) & answer.measured, answer.name


def test_names_are_distinct_and_there_are_enough_answers_of_each_kind():
    assert len({answer.stem for answer in ANSWERS}) == len(ANSWERS) >= 150
    assert sum(answer.transform is not None for answer in ANSWERS) >= 40
    for question in REFERENCE:
        about = [answer for answer in ANSWERS if answer.name.startswith(question)]
        assert min(sum(bool(answer.lost) for answer in about), sum(not answer.lost for answer in about)) >= 20


def test_packing_loses_no_answer_and_no_label():
    for question in REFERENCE:
        alone = [getattr(answer, question) for answer in ANSWERS]
        together = [getattr(answer, question) for answer in PACKED]
        assert set(alone) == set(together)
    assert sum(len(answer.lost) for answer in PACKED) == sum(len(answer.lost) for answer in ANSWERS)
