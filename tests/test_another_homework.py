"""The engine grades a homework that it has never seen, through the same sandbox, batch, evidence and reports."""

import json
import textwrap
from pathlib import Path

import pytest
from inithw.engine import Grader, Limits, grade_all, judge, load_evidence, save_evidence
from inithw.engine.report.gradescope import to_results
from inithw.engine.report.json_line import to_json

from tests.another_homework.definition import HOMEWORK
from tests.rights import unless_closed

pytestmark = pytest.mark.slow

SKELETON = """
# %%
import numpy as np
def todo(question):
    raise NotImplementedError(f"{question} is not answered yet")

# %%
def cross_entropy(logits, labels):
    todo("s1")

# %%
def cross_entropy_gradient(logits, labels):
    todo("s2")
"""
LOSS = """
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[range(len(logits)), labels]"""
GRADIENT = """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    powers[range(len(labels)), labels] -= 1
    return powers"""
FULL = {"s1.value": 1, "s1.stable": 1, "s2.gradient": 2}
ANSWERS = {
    "reference": ((LOSS, GRADIENT), FULL),
    "skeleton": ((None, None), dict.fromkeys(FULL, 0)),
    "overflows": ((LOSS.replace("logits.max(axis=1)", "np.zeros(len(logits))"), GRADIENT), {**FULL, "s1.stable": 0}),
    "mean over the rows": ((LOSS, GRADIENT.replace("return powers", "return powers / 16")), {**FULL, "s2.gradient": 0}),
    "never ends": (("\n    while True: pass", GRADIENT), {"s1.value": 0, "s1.stable": 0, "s2.gradient": 2}),
    "another shape": ((LOSS, "\n    return 1.0"), {**FULL, "s2.gradient": 0}),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, preloaded):
    folder = tmp_path_factory.mktemp("class")
    paths = []
    for name, (bodies, _points) in ANSWERS.items():
        text = SKELETON
        for question, body in zip(("s1", "s2"), bodies, strict=True):
            text = text if body is None else text.replace(f'\n    todo("{question}")', body)
        paths.append(folder / f"{name}.py")
        paths[-1].write_text(textwrap.dedent(text))
    found = {}
    grader = Grader(HOMEWORK, preloaded(HOMEWORK.worker), b"key", Limits(question_seconds=1))
    list(grade_all(grader, paths, jobs=2, on_done=lambda path, outcome: found.update({path.stem: outcome})))
    return found


@unless_closed
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_the_other_homework_gets_the_points_declared(outcomes, name):
    assert {item.id: item.earned for item in outcomes[name].grade.items} == ANSWERS[name][1]


def test_the_reports_speak_of_the_other_homework(outcomes):
    results = to_results(outcomes["overflows"].grade)
    assert results["output"].startswith("Softmax cross-entropy: 3 of 4 points.")
    assert "Known mistake: s1.overflow" in results["tests"][1]["output"]
    assert {item.state for item in outcomes["skeleton"].grade.items} == {"not answered"}
    assert json.loads(json.dumps(to_json(outcomes["never ends"].grade)))["items"] == ANSWERS["never ends"][1]


def test_its_evidence_is_kept_and_judged_again(outcomes, tmp_path: Path):
    for name, outcome in outcomes.items():
        found, evidence = load_evidence(save_evidence(tmp_path, name, name, outcome.evidence), HOMEWORK)
        again = judge(found, evidence, HOMEWORK)
        assert again.items == outcome.grade.items
