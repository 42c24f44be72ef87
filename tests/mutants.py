"""Break the judge on purpose: every mutant must be noticed by some labelled answer (`python -m tests.mutants`).

Evidence of the whole corpus is gathered once by the real engine. Then each mutant, a copy of the package with one
replacement, scores it again in a process of its own. A mutant of what is asked needs new evidence: it grades the
answers that it names. A survivor means that a labelled answer is missing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

import inithw
from inithw.engine import records
from inithw.engine.archive import load_evidence, save_evidence
from inithw.engine.batch import grade_all
from inithw.engine.grading import Grader, Outcome
from inithw.engine.records import Grade, Limits
from inithw.engine.sandbox import Sandbox
from inithw.homework import records as homework_records
from inithw.homework.definition import HOMEWORK
from inithw.homework.statistics import WITHIN_A_MATRIX
from inithw.release.verification import SKELETON, declare, differences
from rich.console import Console
from rich.table import Table

from tests.submissions import ANSWERS, Answer, packed, write_answer

ROOT = Path(__file__).parent.parent
PACKAGE = Path(inithw.__file__).parent
KEY = b"mutants"
LONGEST_SECONDS = 900


@dataclass(frozen=True)
class Mutant:
    """One replacement in the package.

    Attributes:
        file: Within the package.
        old: Code that occurs there once.
        new: What it becomes.
        asks: Answers to grade anew, for a mutant of what is asked.
    """

    file: str
    old: str
    new: str
    asks: tuple[str, ...] = ()


def _tuple(names: Iterable[str]) -> str:
    return f"({', '.join(json.dumps(name) for name in names)})"


LAYERS, FORWARD = ("q1.layers",), ("q1.forward",)
Q1, Q2, DRAWS, SCALE = (*LAYERS, *FORWARD), ("q2.norms", "q2.general"), ("q3.draws",), ("q3.scale",)
GRADIENTS, TRAINING = ("q3.gradients",), ("q3.training",)
NETWORK, NORMS, PRINTOUT = "homework/checks/network.py", "homework/checks/norms.py", "homework/printout.py"
DIAGNOSIS, THRESHOLDS = "homework/diagnosis/norms.py", "homework/thresholds.py"
RESPONSE = "homework/checks/response.py"
COPIES = "homework/reference/copies.py"
INITIALIZATION, STATISTICS = "homework/checks/initialization.py", "homework/reference/initialization.py"
TABLE = "homework/statistics.py"

MUTANTS: dict[tuple[str, ...], tuple[Mutant, ...]] = {
    LAYERS: (
        Mutant(NETWORK, "children == expected and model.parameters == parameters", "model.parameters == parameters"),
        Mutant(NETWORK, "children == expected and model.parameters ==", "len(children) == len(expected) and 1321 =="),
        Mutant(NETWORK, "right_function = _worst_input(model, task) is None", "right_function = True"),
        Mutant(NETWORK, "right_function = _worst_input(model, task) is None", "right_function = False"),
        Mutant(NETWORK, "return tuple(children[:-1])", "return tuple(children)"),
        Mutant(NETWORK, "fan_in, fan_out, bias=True", "fan_out, fan_in, bias=True"),
        Mutant("homework/diagnosis/network.py", "if any(child.repeats >= 0", "if all(child.repeats >= 0"),
        Mutant("homework/diagnosis/network.py", "if len(linears) < len(wanted)", "if len(linears) <= len(wanted)"),
    ),
    FORWARD: (
        Mutant(RESPONSE, "OUTPUT_TOLERANCE = 1e-4", "OUTPUT_TOLERANCE = 10.0"),
        Mutant(RESPONSE, "OUTPUT_TOLERANCE = 1e-4", "OUTPUT_TOLERANCE = 1e-10"),
        Mutant(RESPONSE, "deviation[worst] <= OUTPUT_TOLERANCE", "deviation.min() <= OUTPUT_TOLERANCE"),
        Mutant(NETWORK, "if worst is None:\n", "if True:\n"),
        Mutant(NETWORK, "if wrong is not None:", "if False:"),
        Mutant(RESPONSE, "GRADIENT_TOLERANCE = 0.1", "GRADIENT_TOLERANCE = 1e-9"),
        Mutant(RESPONSE, "GRADIENT_TOLERANCE = 0.1", "GRADIENT_TOLERANCE = 10.0"),
        Mutant(
            "homework/reference/network.py",
            "if layer == last else np.maximum(preactivations, 0.0)",
            "if layer == last else 1",
        ),
    ),
    Q1: (
        Mutant(
            "homework/challenge.py",
            "network.biases[-1][:] -= np.median(forward(network, inputs[:INPUTS_PER_RANGE]))",
            "network.biases[-1][:] += 1e6",
            ("q1 ReLU after the output",),
        ),
        Mutant(
            "homework/challenge.py",
            "WEIGHT_FACTORS = ((0.01, 0.1), (0.5, 2.0), (5.0, 50.0))",
            "WEIGHT_FACTORS = ((5.0, 50.0), (5.0, 50.0))",
            ("q1 own activation: nothing below a hundredth", "q1 own forward: nothing for small weights"),
        ),
        Mutant(
            "homework/challenge.py",
            "WEIGHT_FACTORS = ((0.01, 0.1), (0.5, 2.0), (5.0, 50.0))",
            "WEIGHT_FACTORS = ((0.01, 0.1), (0.5, 1.0))",
            ("q1 own activation: cut off at a thousand", "q1 own forward: one for large weights"),
        ),
    ),
    Q2: (
        Mutant(NORMS, "shows(right) or hedges(", "shows(right) and hedges("),
        Mutant(NORMS, "shows(right) or hedges(printout, task.network, matrices)", "shows(right)"),
        Mutant(NORMS, "if have_common_factor(shown) and", "if False and"),
        Mutant(DIAGNOSIS, "in_order) == len(apart) >= 2:", "in_order) == -1:"),
        Mutant(DIAGNOSIS, "together >= 3 and 2 * together > len(right)", "False"),
        Mutant(DIAGNOSIS, "common is None or any(", "common is None or True or any("),
        Mutant(DIAGNOSIS, "excused and number.of_weights", "excused"),
        Mutant(DIAGNOSIS, "excused and number.of_weights", "False"),
        Mutant(DIAGNOSIS, "if in_order else len(texts)", "if False else len(texts)"),
        Mutant(NORMS, '    _check(evidence, "q2.general")', '    _check(evidence, "q2.norms")'),
        Mutant(
            NORMS, 'gradient."""\n    _check(evidence, "q2.norms")', 'gradient."""\n    _check(evidence, "q2.general")'
        ),
        Mutant(NORMS, "product((task.x, own[0]), (task.y, own[1]))", "((task.x, task.y),)"),
        Mutant(NORMS, "product((task.x, own[0]), (task.y, own[1]))", "((task.x, task.y), own)"),
        Mutant(NORMS, "for task, printout in asked:", "for task, printout in asked[:1]:"),
        Mutant(NORMS, "if others and not like_homework and", "if others and"),
        Mutant("homework/reference/norms.py", "np.sqrt(np.sum(np.square(matrix", "(np.sum(np.square(matrix"),
        Mutant(
            "homework/reference/norms.py", "np.sum(np.square(matrix, dtype=np.float64))", "np.mean(np.square(matrix))"
        ),
        Mutant("homework/reference/norms.py", '"spectral": np.array([values[0]', '"spectral": np.array([values[-1]'),
        Mutant("homework/reference/norms.py", '"running_total": np.cumsum(right)', '"running_total": right'),
        Mutant(
            "homework/reference/network.py", "delta = 2.0 * (activations[-1] - y", "delta = 1.0 * (activations[-1] - y"
        ),
        Mutant("homework/reference/network.py", ".astype(np.float64)) / len(x)", ".astype(np.float64))"),
        Mutant(
            "homework/reference/network.py", ".astype(np.float64)) * (activations[layer] > 0)", ".astype(np.float64))"
        ),
        Mutant("homework/reference/network.py", "weights.T.astype(np.float64) + bias", "weights.T.astype(np.float64)"),
        Mutant(PRINTOUT, "SIGNIFICANT_DIGITS = 4", "SIGNIFICANT_DIGITS = 2"),
        Mutant(PRINTOUT, "SIGNIFICANT_DIGITS = 4", "SIGNIFICANT_DIGITS = 6"),
        Mutant(PRINTOUT, "RELATIVE_TOLERANCE = 2e-4", "RELATIVE_TOLERANCE = 0.5"),
        Mutant(PRINTOUT, "PER_LAYER = 6", "PER_LAYER = 90"),
        Mutant(PRINTOUT, "PER_LAYER = 6", "PER_LAYER = 1"),
        Mutant(PRINTOUT, "_WHOLE_DIGITS = 3", "_WHOLE_DIGITS = 4"),
        Mutant(PRINTOUT, "ELSEWHERE = 3", "ELSEWHERE = -30"),
        Mutant(PRINTOUT, "(?:e[-+]?[0-9]{1,3})?", ""),
        Mutant(PRINTOUT, "(?:[,_'][0-9]{3}){1,4}", "(?:[x][0-9]{3}){1,4}"),
        Mutant(
            PRINTOUT, "return self._ordered_usable(ordered) and all(", "return self._ordered_usable(ordered) and any("
        ),
        Mutant(PRINTOUT, "return self._ordered_usable(ordered) and all(", "return False and all("),
        Mutant(PRINTOUT, "if ended or marks or any(map(str.isalpha, said_of_it)):", "if True:"),
        Mutant(PRINTOUT, ", (self.all_named, self.all_ordered)", ","),
        Mutant(PRINTOUT, 'number.beside in ("", f"{2 * layer}.weight") and', ""),
        Mutant(PRINTOUT, "if marks and (first or beside):", "if marks:"),
        Mutant(PRINTOUT, "if all(layer in beside for layer, beside in enumerate(shown)):", "if any(shown):"),
        Mutant(PRINTOUT, "10.0 ** min(exponent, last)", "10.0**exponent"),
        Mutant(PRINTOUT, 'if len(parts) == 2 and "," in number', "if False"),
        Mutant("engine/scoring.py", "earned=0.0,", "earned=item.points,"),
        Mutant("engine/scoring.py", 'return "not answered"', 'return "lost"'),
        Mutant(
            "engine/verdict.py",
            'kind = NotAnswered if part.state == "not answered" else NotReached',
            "kind = NotReached",
        ),
        Mutant(
            "homework/challenge.py",
            "other = _float32(_signed(random, TRAIN_N)), _float32(_signed(random, TRAIN_N))",
            "other = own",
            ("q2 right for the homework's data only",),
        ),
        Mutant(
            "homework/challenge.py",
            "OTHER_DEPTHS = (4, 6, 2)",
            "OTHER_DEPTHS = (5,)",
            ("q2 five layers by their indices",),
        ),
        Mutant(
            "homework/challenge.py", "OTHER_DEPTHS = (4, 6, 2)", "OTHER_DEPTHS = (4, 2)", ("q2 at most five layers",)
        ),
        Mutant(
            "homework/challenge.py",
            "NARROWEST, WIDEST = 3, 40",
            "NARROWEST, WIDEST = 3, 20",
            ("q2 the first twenty rows and columns",),
        ),
        Mutant("homework/challenge.py", "_HOMEWORKS = 3", "_HOMEWORKS = 0", ("q2 the mean", "q2 the L1 norm")),
    ),
    DRAWS: (
        Mutant(INITIALIZATION, "very_values_kept(started, old)) > _SAME", "[0]) > _SAME"),
        Mutant(
            INITIALIZATION,
            '_lost(seen, "draw_correlation") or _lost(seen, "novelty")',
            '_lost(seen, "draw_correlation")',
        ),
        Mutant(INITIALIZATION, '_lost(seen, "draw_correlation") or _lost(seen, "novelty")', "False"),
        Mutant(INITIALIZATION, "strict=True):\n        if share > _SAME:", "strict=True):\n        if False:"),
        Mutant(INITIALIZATION, "if share > _REPEATED or rows > _FEW_ROWS:", "if share > _REPEATED:"),
        Mutant(INITIALIZATION, "if share > _REPEATED or rows > _FEW_ROWS:", "if rows > _FEW_ROWS:"),
        Mutant(INITIALIZATION, "share = drawn_before(sample.weights)", "share = 0.0"),
        Mutant(INITIALIZATION, "if kept_direction(started, old) > _SAME:", "if False:"),
        Mutant(INITIALIZATION, "if not 1 / _SAME_SIZE <= factor <= _SAME_SIZE:", "if False:"),
        Mutant(COPIES, "if share > 0.5 and _is_regular(values) else", "if False else"),
        Mutant(COPIES, "bool(even or", "bool(even and"),
        Mutant(INITIALIZATION, 'if _lost(seen, "offset"):', "if False:"),
        Mutant(INITIALIZATION, 'if _lost(seen, "remains"):', "if False:"),
        *(
            Mutant(TABLE, _tuple(WITHIN_A_MATRIX), _tuple(name for name in WITHIN_A_MATRIX if name != left))
            for left in WITHIN_A_MATRIX
            if left != "row_correlation"  # what it finds, coherence finds as well
        ),
        Mutant(INITIALIZATION, "if np.any(sample.biases != 0):", "if np.isnan(sample.biases).any():"),
        Mutant(THRESHOLDS, "self.against(name, votes))) >= STATISTICS", "self.against(name, votes))) <= STATISTICS"),
        Mutant(THRESHOLDS, "return ~fine", "return fine"),
        Mutant(STATISTICS, "np.max(np.abs(means) / stds, axis=1)", "np.min(np.abs(means) / stds, axis=1)"),
        Mutant(STATISTICS, " - 2 * np.eye(cosines.shape[-1])", ""),
        Mutant(STATISTICS, ").max(axis=3).mean", ").mean(axis=3).mean"),
        Mutant(STATISTICS, " - squares.max(axis=3)", ""),
        Mutant(STATISTICS, ", *map(_distinct_directions, _both_sides(hidden))", ""),
        Mutant(STATISTICS, "sizes**power", "matrices**power"),
        Mutant(STATISTICS, "earlier | (own & ~itself)", "own & ~itself"),
        Mutant(
            STATISTICS,
            "samples = [_centred(sample) for sample in samples]",
            "samples = [sample + 0 for sample in samples]",
        ),
        Mutant(TABLE, "quorum=1 / 16", "quorum=1"),
    ),
    SCALE: (
        Mutant(INITIALIZATION, 'if _lost(seen, "spread") or _lost(seen, "bend"):', "if False:"),
        Mutant(
            INITIALIZATION, 'if _lost(seen, "gain_low") or _lost(seen, "gain_high"):', 'if _lost(seen, "gain_low"):'
        ),
        Mutant(
            INITIALIZATION, 'if _lost(seen, "gain_low") or _lost(seen, "gain_high"):', 'if _lost(seen, "gain_high"):'
        ),
        Mutant(STATISTICS, "layers: int, exponent: float = 0.5)", "layers: int, exponent: float = 1.0)"),
        Mutant(STATISTICS, "layers: int, exponent: float = 0.5)", "layers: int, exponent: float = 0.0)"),
        Mutant(STATISTICS, '    "fan_in": lambda fan_in, _fan_out: fan_in,\n', ""),
        Mutant(STATISTICS, '    "fan_out": lambda _fan_in, fan_out: fan_out,\n', ""),
        Mutant(STATISTICS, '    "average": lambda fan_in, fan_out: (fan_in + fan_out) / 2,\n', ""),
        Mutant(STATISTICS, '    "max": np.maximum,\n', ""),
        Mutant(STATISTICS, "best = np.argmin(np.ptp(", "best = np.argmax(np.ptp("),
    ),
    GRADIENTS: (
        Mutant(INITIALIZATION, 'if _lost(seen, "gradient_high"):', "if False:"),
        Mutant(INITIALIZATION, 'if _lost(seen, "gradient_low"):', "if False:"),
        Mutant(INITIALIZATION, "if wrong is not None:", "if False:"),
        Mutant(
            "homework/reference/network.py",
            "inputs.append(np.maximum(matrix @ inputs[-1], 0))",
            "inputs.append(inputs[-1])",
        ),
        Mutant("homework/reference/network.py", "squares - products) / len(x)", "squares - products) * len(x)"),
    ),
    TRAINING: (
        Mutant(INITIALIZATION, "if 2 * good < len(losses):", "if False:"),
        Mutant(INITIALIZATION, "if 2 * good < len(losses):", "if good < len(losses):"),
        Mutant(
            INITIALIZATION,
            "enough = thresholds().good_loss\n    good",
            "enough = 10 * thresholds().good_loss\n    good",
        ),
        Mutant(
            INITIALIZATION,
            "enough = thresholds().good_loss\n    good",
            "enough = thresholds().good_loss / 10\n    good",
        ),
        Mutant("homework/reference/data.py", "LEARNING_RATE, MOMENTUM", "MOMENTUM, LEARNING_RATE"),
        Mutant(
            "homework/reference/data.py",
            "STEPS = int(TRAIN_N / BATCH_SIZE * _TRAINING.epochs)",
            "STEPS = int(TRAIN_N / BATCH_SIZE * _TRAINING.epochs / 10)",
        ),
        Mutant("homework/reference/training.py", "np.maximum(into, self._zeros", "np.minimum(into, self._zeros"),
        Mutant("homework/reference/training.py", "delta -= y[:, None]", "delta += y[:, None]"),
        Mutant("homework/reference/training.py", "np.float32(2 / y.shape[1])", "np.float32(-2 / y.shape[1])"),
        Mutant(
            "homework/reference/training.py",
            "return np.where(np.isfinite(losses), losses, np.inf)",
            "return 0 * losses",
        ),
    ),
}


def gather(folder: Path, jobs: int) -> None:
    """Grade what has no evidence in `folder` yet with the real engine, and keep its evidence there."""
    answers = [answer for answer in packed(ANSWERS) if not _file(folder, answer).exists()]
    with tempfile.TemporaryDirectory(prefix="inithw-mutants-") as written, Sandbox(HOMEWORK.worker, jobs) as sandbox:
        paths = {write_answer(answer, ROOT / SKELETON, Path(written)): answer.stem for answer in answers}
        grades = grade_all(
            Grader(HOMEWORK, sandbox, KEY, Limits()), list(paths), jobs=jobs, on_done=partial(_keep, folder, paths)
        )
        for number, _grade in enumerate(grades, start=1):
            print(f"\revidence {number} of {len(answers)}", end="", file=sys.stderr, flush=True)


def _keep(folder: Path, stems: Mapping[Path, str], path: Path, outcome: Outcome) -> None:
    if outcome.evidence is not None:
        save_evidence(folder, stems[path], str(path), outcome.evidence)


def corpus(folder: Path) -> Iterator[tuple[Answer, homework_records.Evidence]]:
    """Every answer that has evidence in `folder`, with it."""
    for answer in packed(ANSWERS):
        if (file := _file(folder, answer)).exists():
            yield answer, load_evidence(file, HOMEWORK)[1]


def _file(folder: Path, answer: Answer) -> Path:
    return folder / f"{answer.stem}.evidence.npz"


def noticed_by(mutant: Mutant, items: Sequence[str]) -> str:
    """Name of the first answer that the mutant judges otherwise than declared, or empty.

    To be called in a process of its own: it replaces the package there.
    """
    with tempfile.TemporaryDirectory(prefix="inithw-mutant-") as place:
        copy = Path(place) / "inithw"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        source = (copy / mutant.file).read_text("utf-8")
        if source.count(mutant.old) != 1:
            raise ValueError(f"{mutant.file} holds {mutant.old!r} {source.count(mutant.old)} times, expected once")
        (copy / mutant.file).write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
        _import_anew(place)
        return _asked(mutant.asks, items, Path(place)) if mutant.asks else _scored(items)


def _import_anew(place: str) -> None:
    """Forget the package, except for the classes of the evidence at hand, and find it in `place`."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "inithw"]:
        del sys.modules[name]
    sys.path.insert(0, place)
    import inithw.engine
    import inithw.homework

    inithw.engine.records = sys.modules["inithw.engine.records"] = records  # type: ignore[attr-defined]
    inithw.homework.records = sys.modules["inithw.homework.records"] = homework_records  # type: ignore[attr-defined]


def _scored(items: Sequence[str]) -> str:
    from inithw.engine.scoring import ScoringError, score
    from inithw.homework.rubric import RUBRIC

    rubric = [item for item in RUBRIC if item.id in items]
    for answer, evidence in _evidence:
        if not set(items) - answer.measured:
            continue
        try:
            found = differences(declare(answer, ROOT), Grade("", "", "graded", score(evidence, rubric)))
        except ScoringError:
            return f"{answer.name} (the check fails)"
        if found:
            return answer.name
    return ""


def _asked(names: Sequence[str], items: Sequence[str], place: Path) -> str:
    from inithw.engine.grading import Grader
    from inithw.engine.sandbox import Sandbox
    from inithw.homework.definition import HOMEWORK

    answers = {answer.name: answer for answer in ANSWERS}
    with Sandbox(HOMEWORK.worker) as sandbox:
        for name in names:
            path = write_answer(answers[name], ROOT / SKELETON, place)
            try:
                record = Grader(HOMEWORK, sandbox, KEY, Limits()).grade(path).grade
            except IndexError as fault:  # nothing is left to ask
                return f"{name} ({fault})"
            asked = tuple(item for item in record.items if item.id in items)
            if differences(declare(answers[name], path), replace(record, items=asked)):
                return name
    return ""


_evidence: list[tuple[Answer, homework_records.Evidence]] = []


def _work(task: tuple[Mutant, tuple[str, ...]]) -> str:
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LONGEST_SECONDS)
    try:
        return noticed_by(*task)
    except TimeoutError:
        return "(it never ends)"


def _too_long(_signal: int, _frame: object) -> None:
    raise TimeoutError


def main() -> int:
    """Print a line for each mutant; the exit code is the number of survivors."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--evidence", type=Path, help="folder to keep evidence in; what is there is not gathered again")
    parser.add_argument("--only", default="", help="mutants of items that start so, `q1`")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8))
    arguments = parser.parse_args()
    folder = arguments.evidence or Path(tempfile.mkdtemp(prefix="inithw-evidence-"))
    gather(folder, arguments.jobs)
    _evidence.extend(corpus(folder))
    wrong = {name for items in MUTANTS if (name := _scored(items))}
    if wrong:
        print(f"Without a mutant, these are not judged as declared: {', '.join(sorted(wrong))}")
        return 1
    tasks = [(mutant, items) for items, group in MUTANTS.items() for mutant in group if arguments.only in items[0]]
    table = Table("", "file", "replaced", "by", "noticed by", title=f"{len(tasks)} mutants of the judge")
    survivors = 0
    with multiprocessing.get_context("fork").Pool(arguments.jobs, maxtasksperchild=1) as pool:
        for number, (task, name) in enumerate(zip(tasks, pool.imap(_work, tasks), strict=True), start=1):
            survivors += not name
            print(f"mutant {number} of {len(tasks)}: {name or 'SURVIVED'}", file=sys.stderr, flush=True)
            table.add_row(str(number), task[0].file, task[0].old, task[0].new, name or "[red]nobody[/]")
    Console(width=200).print(table)
    print(f"{len(tasks) - survivors} of {len(tasks)} mutants noticed by {len(ANSWERS)} labelled answers")
    return survivors


if __name__ == "__main__":
    sys.exit(main())
