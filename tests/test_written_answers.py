"""The model answers quote what the reference notebook shows: every number of theirs that a run can check."""

import contextlib
import io
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from torch import nn

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "solutions/written-answers.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (W\d+)\b[^\n]*\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL))
NUMBER = r"([-−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)"
FIGURES = ("show", "compare", "visualize", "show_training", "show_gnorms", "show_losses")


@pytest.fixture(scope="module")
def runs():
    """Names of the reference notebook after all its cells, without pictures and local checks, and its training runs."""
    homework = {"__name__": "__main__", "grader": SimpleNamespace(check=lambda question: None)}
    trained = []

    def record(train_model):
        def recorded(model, *arguments, log, **options):
            before = [parameter.detach().clone() for parameter in model.parameters()]
            result = train_model(model, *arguments, log=log, **options)
            after = [parameter.detach().clone() for parameter in model.parameters()]
            trained.append(SimpleNamespace(log=log, predictions=result[2], before=before, after=after))
            return result

        return recorded

    with contextlib.redirect_stdout(io.StringIO()):
        for cell in nbformat.read(ROOT / "solutions/homework.ipynb", as_version=4).cells:
            if (
                cell.cell_type == "code"
                and "class LocalChecks" not in cell.source
                and "export_written" not in cell.source
            ):
                exec(cell.source, homework)
            homework.update({name: lambda *_, **__: None for name in FIGURES if name in homework})
            if "def train_model" in cell.source:
                homework["train_model"] = record(homework["train_model"])
            if cell.source.startswith("better_after ="):
                homework["pieces"] = linear_pieces(homework["model"], homework["train_x"])
    return SimpleNamespace(
        **homework, run=dict(zip(("shallow", "small", "large", "better", "ood"), trained, strict=True))
    )


def linear_pieces(model, x):
    """How many patterns of active units there are among the points."""
    hidden, patterns = x[:, np.newaxis], []
    for layer in model:
        if isinstance(layer, nn.Linear):
            hidden = hidden @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
        else:
            hidden = np.maximum(hidden, 0)
            patterns.append(hidden > 0)
    return len(np.unique(np.hstack(patterns), axis=0))


def quoted(question, pattern):
    """The numbers, as written, at the places `#` of a passage of a model answer."""
    expression = re.escape(pattern).replace(r"\#", NUMBER).replace(r"\ ", r"\s+")
    found = re.search(expression, SECTIONS[question])
    assert found, f"{question} no longer says: {pattern}"
    return found.groups()


def value(written):
    return float(written.replace("−", "-").replace(",", ""))


def agrees(written, expected, spare=0):
    """Whether a number is right to its last digit; trained networks differ by 1 % from machine to machine."""
    digits, _, exponent = written.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return abs(value(written) - expected) <= unit / 2 + spare + 0.01 * abs(expected)


def claim(question, pattern, expected, spare=0):
    """Every number of a passage is the expected one, give or take `spare`."""
    for written, number in zip(quoted(question, pattern), np.ravel(expected).astype(float), strict=True):
        assert agrees(written, number, spare), f"{question}: {pattern}: says {written}, the run shows {number:.6g}"


def losses(run, kind):
    return np.array([entry[kind] for entry in run.log if kind in entry])


def signals(runs, parameters):
    """Root mean square over points and units, after each ReLU and at the output."""
    hidden, sizes = torch.from_numpy(runs.train_x).float().unsqueeze(-1), []
    with torch.no_grad():
        for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
            hidden = hidden @ weight.T + bias
            if len(weight) > 1:
                hidden = hidden.relu()
            sizes.append(hidden.square().mean().sqrt().item())
    return np.array(sizes)


def test_small_weights(runs):
    run, before, after = runs.run["small"], runs.small_before[1], runs.small_after[1]
    claim("W1", "#, #, #, #, # for layers 0, 2, 4, 6, 8", list(runs.gnorms_small.values()))
    claim("W1", "it falls from # after the first ReLU to # after the fourth", signals(runs, run.before)[[0, 3]])
    claim("W2", "It predicts one constant, #,", run.predictions[0])
    assert np.ptp(run.predictions) < 1e-6
    claim(
        "W2",
        "The test loss of # is the variance of the true function, #,",
        [losses(run, "test_loss")[-1], runs.test_y.var()],
    )
    tests = losses(run, "test_loss")
    claim("W2", "goes up and down between # and # over", [tests.min(), tests.max()])
    claim("W3", "four singular values, #, #, #, #. The rank is #", [*before, len(before)])
    claim("W3", "The second singular value has *fallen* to #.", after[1])
    claim("W3", "The rank is #, because the kinks", len(after), spare=2)
    claim("W3", "smaller than the first by factors of # and more", after[0] / after[1])
    claim("W3", "tiny as they are (up to #)", max(bias.abs().max() for bias in run.after[1:-1:2]))
    moved = [(new - old).norm() for new, old in zip(run.after[:8:2], run.before[:8:2], strict=True)]
    assert max(moved) < value(quoted("W3", "by less than # in norm")[0])
    claim("W3", "2·0.1/1500·0.39² = # in a step", 1 - 0.2 / 1500 * before[1] ** 2)


def test_large_weights(runs):
    run, before = runs.run["large"], runs.large_before[1]
    claim("W4", "#, #, #, #, #. All between", list(runs.gnorms_large.values()))
    sizes = signals(runs, run.before)
    growth = sizes[1:4] / sizes[:3]
    claim(
        "W4",
        "(measured # to #); the output at the start has a root mean square of #",
        [growth.min(), growth.max(), sizes[4]],
    )
    first = losses(run, "train_loss")[:4]
    claim("W5", "The first batch has loss #.", first[0])
    claim("W5", "the loss of the second batch is #", first[1])
    assert np.isinf(first[2])
    assert np.isnan(first[3])
    claim("W5", "² ≈ # is the factor", 1 - 0.2 / 1500 * before[0] ** 2)
    assert value(quoted("W5", "some of them beyond #;")[0]) < run.after[0].abs().max() < np.inf
    assert np.isnan(run.predictions).all()


def test_better_weights(runs):
    run, before, after, large = runs.run["better"], runs.better_before[1], runs.better_after[1], runs.large_before[1]
    claim("W6", "#, #, #, #, #. All layers", list(runs.gnorms_better.values()))
    claim("W6", "after the ReLUs is #, #, #, #.", signals(runs, run.before)[:4])
    claim(
        "W7",
        "1 : # : # : # (better) and 1 : # : # : # (scale 3)",
        [*before[1:] / before[0], *large[1:] / large[0]],
    )
    claim("W7", "Singular values are #, #, #, # against #, #, #, #,", [*before, *large])
    claim("W7", "a factor of # to #;", [(large / before).min(), (large / before).max()])
    largest = [np.abs(linearization[2]).max() for linearization in (runs.better_before, runs.large_before)]
    claim("W7", "features reach # against #.", largest)
    claim("W7", "2·0.1/1500·174² = # exceeds 2", 0.2 / 1500 * before[0] ** 2)
    claim("W7", "(σ₁ = # at the end, which gives #)", [after[0], 0.2 / 1500 * after[0] ** 2])
    errors, ends = (run.predictions - runs.test_y) ** 2, np.abs(runs.test_x) > 0.9
    shallow, small = (losses(runs.run[name], "test_loss")[-1] for name in ("shallow", "small"))
    claim("W8", "test loss #, against # of one hidden layer and # at", [errors.mean(), shallow, small])
    claim("W8", "|x| > 0.9 (mean #, elsewhere #)", [errors[ends].mean(), errors[~ends].mean()])
    epochs = losses(run, "test_loss")[1:]
    claim("W8", "between # and # from epoch 2 to 10", [epochs.min(), epochs.max()])
    plain = runs.shallow[1]
    claim("W9", "The largest singular values are alike, # and #;", [after[0], plain[0]])
    claim(
        "W9",
        "the 20th is # and the rank #; with four it is # and the rank #.",
        [plain[19], len(plain), after[19], len(after)],
    )
    claim(
        "W9",
        "# singular values exceed a hundredth of the first, against #.",
        [(s > s[0] / 100).sum() for s in (after, plain)],
        spare=1,
    )
    claim("W9", "(# pieces with training points)", runs.pieces, spare=2)


def test_half_of_the_data(runs):
    run, inside = runs.run["ood"], runs.test_x < 0.4
    errors = (run.predictions - runs.test_y) ** 2
    claim("W10", "The test loss is #, and the prediction is the constant #", [errors.mean(), run.predictions[0]])
    assert np.ptp(run.predictions) < 1e-6
    claim(
        "W10",
        "# for x < 0.4, where the variance of the function is #.",
        [errors[inside].mean(), runs.test_y[inside].var()],
    )
    claim("W10", "worse than predicting 0, which gives #)", (runs.test_y[~inside] ** 2).mean())
    constant = np.ptp(runs.predictions["better_init, x < 0.4"], axis=1) < 1e-3
    diverged = np.isnan(runs.ood_errors).any(axis=1).sum()
    claim(
        "W10",
        "It happens in # of the 64 runs of the last section (# more diverge);",
        [constant.sum(), diverged],
        spare=2,
    )
    many = np.nan_to_num(runs.ood_errors, nan=np.inf)
    medians = [np.median(part.mean(axis=1)) for part in (many[:, inside], many[:, ~inside])]
    claim("W10", "the median run fits inside (#) and fails outside (#).", medians)
    claim("W10", "is *lower* than the # of the median He run", np.median(many.mean(axis=1)))
    claim("W10", "is *lower* than the # of the median He run", np.median(many.mean(axis=1)))
    (only,) = runs.ood_after[1]
    claim("W11", "One singular value, # = √1500", only)
    np.testing.assert_allclose(runs.ood_after[2], 1, rtol=1e-6)


def initializations(nn_init=nn.init):
    """Those of the table, by their names there."""

    def uniform(weight):
        bound = weight.shape[1] ** -0.5
        nn_init.uniform_(weight, -bound, bound)

    return {
        "He normal": lambda weight: nn_init.kaiming_normal_(weight, nonlinearity="relu"),
        "He uniform": lambda weight: nn_init.kaiming_uniform_(weight, nonlinearity="relu"),
        "Xavier normal": nn_init.xavier_normal_,
        "Xavier uniform": nn_init.xavier_uniform_,
        "Xavier normal, gain √2": lambda weight: nn_init.xavier_normal_(weight, gain=2**0.5),
        "LeCun normal": lambda weight: nn_init.kaiming_normal_(weight, nonlinearity="linear"),
        "uniform ±1/√fan_in": uniform,
        "orthogonal": nn_init.orthogonal_,
    }


def row_of_table(runs, init):
    """Numbers of the table's columns W6 to W11 for one initialization."""

    def better_init(module):
        if isinstance(module, nn.Linear):
            init(module.weight)
            nn.init.zeros_(module.bias)

    def start():
        np.random.seed(600)
        torch.manual_seed(600)
        runs.model.apply(better_init)

    def train(*data):
        _, _, predictions = runs.train_model(runs.model, runs.n_steps, runs.batch_size, runs.lr, 650, *data, log=[])
        return (predictions - runs.test_y) ** 2, runs.svd_local_linearization(runs.model)[1]

    start()
    with contextlib.redirect_stdout(io.StringIO()):
        norms = list(runs.print_gnorms(runs.model).values())
    before = runs.svd_local_linearization(runs.model)[1]
    errors, after = train()
    start()
    ood, ood_after = train(runs.ood_train_x, runs.ood_train_y)
    inside = runs.test_x < 0.4
    return [
        *norms,
        before[0],
        errors.mean(),
        *(after[0], len(after)),
        *(ood.mean(), ood[inside].mean(), ood[~inside].mean()),
        *(ood_after[0], len(ood_after)),
    ]


def test_the_table_of_other_answers(runs):
    rows = re.findall(r"^\| ([^|]+?) \| (\d.*) \|$", DOCUMENT, re.MULTILINE)
    inits = initializations()
    assert [name for name, _ in rows] == list(inits)
    for name, text in rows:
        # The columns of W10 and W11 name parts of the interval in their headings only.
        shown = re.findall(r"\d[\d.]*", text)
        for written, number in zip(shown, row_of_table(runs, inits[name]), strict=True):
            assert agrees(written, number, spare=2 if number > 9 else 0), (
                f"{name}: says {written}, the run shows {number:.6g}"
            )
