"""One truth about a score: wherever it is read, it is the same number."""

import io
import json
from dataclasses import replace

import pytest
from inithw.engine.records import UNSCALED, Scale
from inithw.engine.report.gradescope import to_results
from inithw.engine.report.json_line import to_json
from inithw.engine.report.terminal import print_grade
from inithw.engine.settings import Settings
from rich.console import Console

from tests.parts import grade_of, item_score

NINE_OF_TEN = grade_of(item_score("q1.a", "passed", 9.0), item_score("q1.b", "lost", 1.0))


@pytest.mark.parametrize(
    ("scale", "score", "full"),
    [
        (UNSCALED, 9, 10),
        (Scale(25), 22.5, 25),
        (Scale(25, 0.9), 25, 25),
        (Scale(None, 0.91), 0, 10),
        (Scale(100, 0), 100, 100),
    ],
)
def test_points_possible_and_threshold_show_alike_on_screen_in_json_and_for_gradescope(scale, score, full):
    grade = replace(NINE_OF_TEN, scale=scale)
    assert (grade.score, grade.max_score) == (score, full)
    settings = Settings(points_possible=scale.points_possible, score_threshold=scale.score_threshold)
    results = to_results(NINE_OF_TEN, settings)
    assert results["score"] == score
    assert f": {score:g} of {full:g} points." in results["output"]
    line = json.loads(json.dumps(to_json(grade)))
    assert (line["score"], line["max_score"], line["points"], line["max_points"]) == (score, full, 9, 10)
    console = Console(file=io.StringIO(), width=200)
    print_grade(grade, console)
    assert f"{score:g} of {full:g} points" in console.file.getvalue()


def test_a_rubric_of_no_points_scores_nothing_and_divides_by_nothing():
    assert replace(grade_of(), scale=Scale(25)).score == 0
