"""How the usual test judges the corpus, beside ours: `python -m tests.single_seed`.

The usual test of such a homework runs the notebook once with its own seeds: the three assertions on the network; the
numbers that `print_gnorms` prints at the notebook's two naive initializations against those of the reference; one
training run after `better_init` with a final test loss below 0.01. It is run here for real on every labelled answer,
each in a forked process of an unprivileged user.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import torch
from inithw.engine.records import Submission
from inithw.engine.scoring import score
from inithw.engine.worker.shell import GradingShell, prepare, time_limit
from inithw.homework.rubric import POINTS, RUBRIC
from inithw.release.verification import REFERENCE, SKELETON

from tests.mutants import corpus
from tests.parts import read_submission
from tests.submissions import ANSWERS, Answer, write_answer

ROOT = Path(__file__).parent.parent
NOBODY = 65534
CELL_SECONDS = 20
LOSS = 0.01
NORM_TOLERANCE = 1e-3
NUMBER = re.compile(r"(?<![\w.])[0-9]+\.[0-9]+(?:e[-+]?[0-9]+)?")
QUESTIONS = ("q1", "q2", "q3")
NAIVE = """
for _scale, _seed in ((0.03, 200), (3.0, 300)):
    np.random.seed(_seed)
    torch.manual_seed(_seed)
    model.apply(functools.partial(naive_init, _scale))
    print_gnorms(model)
"""
BETTER = f"""
np.random.seed(600)
torch.manual_seed(600)
model.apply(better_init)
_log = []
train_model(model, int(1500 / 32 * 10), 32, 0.1, 650, log=_log)
assert _log[-1]["test_loss"] < {LOSS}
"""
ASSERTIONS = """
assert len(model) == 9
assert sum(p.numel() for p in model.parameters()) == 1321
assert list(model(torch.randn(10, 1)).shape) == [10, 1]
"""


def usual_verdict(task: tuple[Path, tuple[str, ...]], norms: list[float] | None) -> dict[str, Any]:
    """What the usual test says of a submission.

    Args:
        task: The submission, and the questions to test.
        norms: What the reference printed; None when this is the reference.

    Returns:
        Whether each question passes, and the printed numbers as `norms`.
    """
    path, questions = task
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            submission = read_submission(path)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writer, json.dumps(_judge(submission, questions, norms)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read()
    os.waitpid(pid, 0)
    return json.loads(said) if said else dict.fromkeys(QUESTIONS, False)


def _judge(submission: Submission, questions: tuple[str, ...], norms: list[float] | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shell = GradingShell.instance()
        output = prepare(shell)

        def passes(source: str) -> bool:
            try:
                with time_limit(CELL_SECONDS, CELL_SECONDS):
                    return not shell.run(source)
            except BaseException:
                return False

        for cell in submission.cells:
            if not cell.demonstration:
                passes(cell.source)
        verdict: dict[str, Any] = {"q1": "q1" in questions and passes(ASSERTIONS)}
        with output.record(100_000) as printed:
            ran = "q2" in questions and passes(NAIVE)
        found = [float(number) for number in NUMBER.findall(printed.decode())]
        verdict["norms"] = found
        verdict["q2"] = ran and (
            norms is None or (len(found) == len(norms) and np.allclose(found, norms, rtol=NORM_TOLERANCE, atol=1e-8))
        )
        verdict["q3"] = "q3" in questions and passes(BETTER)
    return verdict


def right(answer: Answer, question: str) -> bool:
    """Whether the labels say that this question is answered rightly."""
    return answer.status == "graded" and not any(item.startswith(question) for item in answer.lost)


def our_verdicts(folder: Path) -> dict[tuple[str, str], bool]:
    """Whether every item of a question is earned, by question and code, from the evidence of `tests.mutants`."""
    verdicts = {}
    for pack, evidence in corpus(folder):
        earned = {item.id for item in score(evidence, RUBRIC) if item.earned}
        for question in pack.questions:
            code = pack.name if pack.transform else getattr(pack, question)
            verdicts[question, code] = {item for item in POINTS if item.startswith(question)} <= earned
    return verdicts


def matrices(verdicts: list[tuple[str, bool, bool, bool]]) -> str:
    """Both confusion matrices as one Markdown table, from (question, right, usual, ours) for every answer."""
    rows = [
        "| question | answers | usual test: passes | fails | ours: passes | fails |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for question in (*QUESTIONS, "all"):
        for truth in (True, False):
            some = [v for v in verdicts if question in (v[0], "all") and v[1] is truth]
            usual, ours = sum(v[2] for v in some), sum(v[3] for v in some)
            said = f"{len(some)} {'right' if truth else 'wrong'}"
            rows.append(f"| {question} | {said} | {usual} | {len(some) - usual} | {ours} | {len(some) - ours} |")
    return "\n".join(rows)


def main() -> None:
    """Judge the corpus by both and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.single_seed", description=__doc__)
    parser.add_argument("--evidence", type=Path, required=True, help="folder that `tests.mutants --evidence` filled")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # loads what every run needs, once
    ours = our_verdicts(arguments.evidence)
    verdicts, mistaken = [], []
    with tempfile.TemporaryDirectory() as folder:
        norms = usual_verdict((ROOT / REFERENCE, QUESTIONS), None)["norms"]
        answers = [answer for answer in ANSWERS if answer.questions]
        tasks = [(write_answer(answer, ROOT / SKELETON, Path(folder)), answer.questions) for answer in answers]
        with multiprocessing.get_context("fork").Pool(min(os.cpu_count() or 1, 8)) as pool:
            for answer, usual in zip(answers, pool.imap(partial(usual_verdict, norms=norms), tasks), strict=True):
                for question in answer.questions:
                    truth = right(answer, question)
                    code = answer.name if answer.transform else getattr(answer, question)
                    verdicts.append((question, truth, bool(usual[question]), ours[question, code]))
                    if truth != usual[question]:
                        mistaken.append(f"{question} {'right, failed' if truth else 'wrong, passed'}: {answer.name}")
                print(f"\r{len(verdicts)} verdicts", end="", file=sys.stderr, flush=True)
    print(matrices(verdicts))
    print("\nWhere the usual test is mistaken:", *mistaken, sep="\n")


if __name__ == "__main__":
    main()
