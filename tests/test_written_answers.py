"""The model answers quote what the reference notebook shows: every number of theirs that a run can check."""

import contextlib
import copy
import io
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from torch import nn

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "solutions/written-answers.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (W\d+)\b[^\n]*\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL))
NUMBER = r"([-−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)"
FORK = 0.05  # relative: what a run that forks by rounding may differ from the one quoted


@pytest.fixture(scope="module")
def runs():
    """Names of the reference notebook after all its cells, without pictures and local checks, and its training runs."""
    homework = {"__name__": "__main__", "grader": SimpleNamespace(check=lambda question: None)}
    trained = []

    def record(train_model):
        def recorded(model, *arguments, log=None, **options):
            before = copy.deepcopy(model)
            result = train_model(model, *arguments, log=log, **options)
            if log is not None:  # the runs of the notebook itself, not those of the filmstrip
                trained.append(SimpleNamespace(log=log, pred=result[2], before=before, after=copy.deepcopy(model)))
            return result

        return recorded

    with contextlib.redirect_stdout(io.StringIO()):
        for cell in nbformat.read(ROOT / "solutions/homework.ipynb", as_version=4).cells:
            if cell.cell_type != "code" or re.search(
                r"import otter|def write_page|show_moments\(b|= train_many\(", cell.source
            ):
                continue
            exec(cell.source, homework)
            homework.update({name: lambda *_, **__: None for name in homework if re.match(r"show(_|$)", name)})
            if "def train_model" in cell.source:
                homework["train_model"] = record(homework["train_model"])
    return SimpleNamespace(
        **homework, run=dict(zip(("shallow", "small", "large", "better", "ood"), trained, strict=True))
    )


def quoted(question, pattern):
    """The numbers, as written, at the places `#` of a passage of a model answer."""
    expression = re.escape(pattern).replace(r"\#", NUMBER).replace(r"\ ", r"\s+")
    found = re.search(expression, SECTIONS[question])
    assert found, f"{question} no longer says: {pattern}"
    return found.groups()


def value(written):
    return float(written.replace("−", "-").replace(",", ""))


def agrees(written, expected, spare=0, rel=0.01):
    """Whether a number is right to its last digit; trained networks differ by 1 % from machine to machine."""
    digits, _, exponent = written.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return abs(value(written) - expected) <= unit / 2 + spare + rel * abs(expected)


def claim(question, pattern, expected, spare=0, rel=0.01):
    """Every number of a passage is the expected one, give or take `spare` and `rel` of it."""
    for written, number in zip(quoted(question, pattern), np.ravel(expected).astype(float), strict=True):
        assert agrees(written, number, spare, rel), f"{question}: {pattern}: says {written}, a run shows {number:.6g}"


def losses(run, kind):
    return np.array([entry[kind] for entry in run.log if kind in entry])


def rms(values):
    return values.detach().square().mean().sqrt().item()


def weights(network):
    return [layer.weight.detach() for layer in network if isinstance(layer, nn.Linear)]


def biases(network):
    return [layer.bias.detach() for layer in network if isinstance(layer, nn.Linear)]


def first_step(runs, network, indices=slice(None)):
    """The factor by which a plain step on these training points changes the error along the first two features."""
    network = copy.deepcopy(network).double()
    x, y = torch.from_numpy(runs.train_x).unsqueeze(-1), torch.from_numpy(runs.train_y)
    u = torch.linalg.svd(runs.feature_matrix(network), full_matrices=False)[0][:, :2]
    before = (network(x).view(-1) - y).detach()
    loss = (network(x[indices]).view(-1) - y[indices]).square().mean()
    with torch.no_grad():
        for parameter, gradient in zip(
            network.parameters(), torch.autograd.grad(loss, list(network.parameters())), strict=True
        ):
            parameter -= runs.lr * gradient
        after = network(x).view(-1) - y
    return ((u.T @ after) / (u.T @ before)).numpy()


def kinks(runs, network):
    """Where on [-1, 1] a unit switches, to 1e-4."""
    x = np.linspace(-1, 1, 20001)
    on = np.concatenate(runs.patterns(network, x), axis=1)
    return x[1:][(on[1:] != on[:-1]).any(axis=1)]


def extrema(x, y):
    """Where y turns, counting out what is flat."""
    slopes = np.sign(np.diff(y))
    return x[1:-1][slopes[1:] != slopes[:-1]]


# ---------------------------------------------------------------- scale 0.03


def test_gradients_signal_and_error_at_small_weights(runs):
    signal, error, norms = runs.flows["uniform ±0.03"]
    claim("W1", "#, #, #, #, # for the matrices 1 to 5", norms)
    claim("W1", "falls from # at the second to # at the fifth,", [signal[1], signal[4]])
    claim("W1", "from # at the fifth to # at the first,", [error[4], error[0]])
    for measured in np.divide(signal[2:], signal[1:-1]):
        assert measured == pytest.approx(value(*quoted("W1", "measured, about #.")), abs=0.005)


def test_what_the_small_network_learns(runs):
    run, tests = runs.run["small"], losses(runs.run["small"], "test_loss")
    claim("W2", "It predicts one constant, #,", run.pred[0])
    assert np.ptp(run.pred) < 1e-6
    claim("W2", "The test loss of # is the variance of the true function, #,", [tests[-1], runs.test_y.var()])
    claim("W2", "goes up and down between # and # over", [tests.min(), tests.max()])


def test_only_the_biases_near_the_output_have_gradients_of_ordinary_size(runs):
    network = copy.deepcopy(runs.run["small"].before)
    x, y = runs.tensors(runs.train_x, runs.train_y)
    nn.functional.mse_loss(network(x).view(-1), y).backward()
    norms = [layer.bias.grad.norm() for layer in network if isinstance(layer, nn.Linear)]
    claim("W2", "# at layer 5, # at layer 4, then #, # and #.", norms[::-1])


def test_linearization_at_small_weights(runs):
    run, before, after = runs.run["small"], runs.small_before[1], runs.small_after[1]
    claim("W3", "four singular values, #, #, #, #. The rank is #", [*before, len(before)])
    assert (before > runs.HARDLY).tolist() == [True, False, False, False]
    claim("W3", "The second singular value has *fallen* to #,", after[1])
    claim("W3", "The rank is #, because the kinks", len(after), spare=2)
    claim("W3", "smaller than the first by factors of # and more", after[0] / after[1])
    claim("W3", "tiny as they are (up to #)", max(bias.abs().max() for bias in biases(run.after)[:-1]))
    moved = [(new - old).norm() for new, old in zip(weights(run.after)[:4], weights(run.before)[:4], strict=True)]
    assert max(moved) < value(quoted("W3", "by less than # in norm")[0])


def test_forecast_and_measured_factor_of_the_second_feature_at_small_weights(runs):
    claim(
        "W3", "2·0.1/1500·0.39² = # in a step", 1 - 2 * runs.lr / runs.TRAIN_N * runs.small_before[1][1] ** 2, rel=1e-6
    )
    claim("W3", "Measured in the first step: #.", first_step(runs, runs.run["small"].before)[1], rel=3e-7)


# ---------------------------------------------------------------- scale 3


def test_gradients_signal_and_error_at_large_weights(runs):
    signal, error, norms = runs.flows["uniform ±3"]
    claim("W4", "#, #, #, #, #. All between", norms)
    growth = np.divide(signal[2:], signal[1:-1])
    claim("W4", "(measured from the second layer on: # to #)", [growth.min(), growth.max()])
    outputs = runs.run["large"].before(runs.tensors(runs.train_x, runs.train_y)[0])
    claim("W4", "the output at the start has a root mean square of #", rms(outputs))
    claim("W4", "from # to # and from # to #.", [signal[1], signal[4], error[4], error[0]])


def test_the_first_steps_at_large_weights(runs):
    run, first = runs.run["large"], losses(runs.run["large"], "train_loss")[:4]
    claim("W5", "The first batch has loss #.", first[0])
    claim("W5", "the loss of the second batch is #", first[1])
    assert np.isinf(first[2])
    assert np.isnan(first[3])
    assert np.isnan(run.pred).all()
    assert value(quoted("W5", "some of them beyond #;")[0]) < weights(run.after)[0].abs().max() < np.inf
    network = copy.deepcopy(run.before)
    runs.train_model(network, 1, runs.batch_size, runs.lr, 350)
    after = weights(network)
    claim("W5", "root mean squares #, #, #, #, #, at most #.", [*map(rms, after), max(w.abs().max() for w in after)])
    runs.train_model(network := copy.deepcopy(run.before), 2, runs.batch_size, runs.lr, 350)
    low, high = map(value, quoted("W5", "the weights grow to # to #."))
    assert all(low < weight.abs().max() < 2 * high for weight in weights(network))


def test_forecast_and_measured_factor_of_the_first_feature_at_large_weights(runs):
    largest = runs.large_before[1]
    assert (largest > runs.OVERSHOOTS).all()
    claim("W5", "² ≈ # for the error", 1 - 2 * runs.lr / runs.TRAIN_N * largest[0] ** 2)
    np.random.seed(350)
    batch = np.random.permutation(runs.TRAIN_N)[: runs.batch_size]
    claim("W5", "(measured # with the first batch)", first_step(runs, runs.run["large"].before, batch)[0])


# ---------------------------------------------------------------- the better start


def test_gradients_signal_and_error_at_the_better_start(runs):
    signal, error, norms = runs.flows["better_init"]
    claim("W6", "#, #, #, #, #. All layers", norms)
    low, high, factor = map(
        value, quoted("W6", "All layers between # and #: they neither vanish nor explode and are within a factor of #")
    )
    assert low < min(norms) < max(norms) < high
    assert max(norms) / min(norms) < factor
    claim(
        "W6", "enters the layers 2 to 5 is #, #, #, #, and the error is as level: #, #, #, #", [*signal[1:], *error[:4]]
    )


def test_linearization_at_the_better_start(runs):
    before, after, large = runs.better_before[1], runs.better_after[1], runs.large_before[1]
    claim("W7", "1 : # : # : # (better) and 1 : # : # : # (scale 3)", [*before[1:] / before[0], *large[1:] / large[0]])
    claim("W7", "Singular values are #, #, #, # against #, #, #, #,", [*before, *large])
    claim("W7", "a factor of # to #;", [(large / before).min(), (large / before).max()])
    extremes = [np.abs(linearization[2]).max() for linearization in (runs.better_before, runs.large_before)]
    claim("W7", "features reach # against #.", extremes)
    assert ((before > runs.HARDLY) & (before < runs.OVERSHOOTS)).all()
    curvature = 2 * runs.lr / runs.TRAIN_N
    claim("W7", "2·0.1/1500·130² = # is past the limit", curvature * before[0] ** 2)
    assert 2 < curvature * before[0] ** 2 < 3.8 == pytest.approx(curvature * runs.OVERSHOOTS**2)
    claim("W7", "(σ₁ = # at the end, which gives #)", [after[0], curvature * after[0] ** 2], rel=2 * FORK)


def test_the_first_singular_value_tells_which_runs_from_the_better_start_fail(runs):
    networks, predictions = runs.train_many([(runs.better_init, runs.train_x, runs.train_y)], runs=192)
    largest = np.array([runs.svd_local_linearization(network)[1][0] for network in networks])
    bad, steep = ~(np.square(predictions[0] - runs.test_y).mean(axis=1) < 0.02), largest > runs.OVERSHOOTS
    counts = [bad[~steep].sum(), (~steep).sum(), bad[steep].sum(), steep.sum()]
    found = quoted("W7", "# of the # with σ₁ below 169 ended with a loss above 0.02, and # of the # above it.")
    np.testing.assert_allclose(list(map(value, found)), counts, atol=6)  # single runs fork, most do not
    assert pytest.approx(169, abs=0.5) == runs.OVERSHOOTS


def test_fit_of_the_better_network(runs):
    run = runs.run["better"]
    errors, outside = (run.pred - runs.test_y) ** 2, np.abs(runs.test_x) > 0.8
    others = [losses(runs.run[name], "test_loss")[-1] for name in ("shallow", "small")]
    claim("W8", "test loss #, against # of one hidden layer and # at", [errors.mean(), *others], rel=FORK)
    largest = np.argsort(errors)[-60:]
    claim(
        "W8",
        "# of the 60 largest errors lie beyond |x| = 0.8 (mean #, elsewhere #).",
        [outside[largest].sum(), errors[outside].mean(), errors[~outside].mean()],
        spare=1e-3,
        rel=2 * FORK,
    )
    epochs = losses(run, "test_loss")[1:]
    claim("W8", "between # and # from epoch 2 to 10", [epochs.min(), epochs.max()], rel=2 * FORK)


def test_the_better_network_meets_the_large_swings_and_misses_the_small_ones(runs):
    """The function has six extrema; beyond the inner two the network follows none of them far."""
    x, y, pred = runs.test_x, runs.test_y, runs.run["better"].pred
    np.testing.assert_allclose(extrema(x, y), [-0.85, -0.65, -0.34, 0.34, 0.65, 0.85], atol=0.01)

    def at(place):
        return pred[np.abs(x - place).argmin()]

    claim("W8", "(# and # where the function has ∓#)", [at(-0.34), at(0.34), y.max()], spare=0.02)
    left, right = x < -0.63, x > 0.66
    claim(
        "W8",
        "at # to #, where the function goes down to # and back",
        [pred[left].min(), pred[left].max(), y[left].min()],
        spare=0.02,
    )
    claim("W8", "to the right of 0.66 it rises to # and stays there", pred[right].max(), spare=0.02)
    assert at(1) > 0.8 * pred[right].max()
    assert abs(y[-1]) < 1e-9


def test_linearization_of_the_trained_networks(runs):
    deep, plain, trained = runs.better_after[1], runs.shallow[1], runs.run["better"].after
    claim("W9", "are of one size, # and #;", [deep[0], plain[0]], rel=FORK)
    claim("W9", "the 20th is # and the rank #;", [plain[19], len(plain)])
    claim("W9", "with four it is # and the rank #.", [deep[19], len(deep)], spare=0.3, rel=2 * FORK)
    counts = [(s > s[0] / 100).sum() for s in (deep, plain)] + [(s > runs.HARDLY).sum() for s in (deep, plain)]
    found = quoted("W9", "# singular values exceed a hundredth of the first, against #;")
    found += quoted("W9", '# lie above the band "hardly learned", against #.')
    np.testing.assert_allclose(list(map(value, found)), counts, atol=5)
    on = np.concatenate(runs.patterns(trained, np.sort(runs.train_x)), axis=1)
    claim("W9", "(# pieces with training points)", 1 + (on[1:] != on[:-1]).any(axis=1).sum(), spare=10)


def test_one_step_separates_the_kinks_and_training_does_not_carry_them_far(runs):
    """Rank 4 before training is due to zero biases alone: with random ones an untrained network has above 100."""
    start, ranks = runs.better_start, []
    for steps in (1, 10):
        network = copy.deepcopy(start)
        runs.train_model(network, steps, runs.batch_size, runs.lr, 650)
        ranks.append(len(runs.svd_local_linearization(network)[1]))
    claim("W9", "(rank #, after ten steps #)", ranks, spare=3)
    torch.manual_seed(0)
    untrained = []
    for _ in range(5):
        network = copy.deepcopy(start)
        for bias in biases(network):
            nn.init.uniform_(bias, -0.3, 0.3)
        untrained.append(len(runs.svd_local_linearization(network)[1]))
    low, high = map(value, quoted("W9", "with random biases has rank # to #"))
    assert low <= min(untrained) <= max(untrained) <= high
    found = np.abs(kinks(runs, runs.run["better"].after))
    claim("W9", "# of # in |x| < 0.2,", [(found < 0.2).sum(), len(found)], spare=8)
    claim("W9", "and # beyond |x| = 0.8,", (found > 0.8).sum(), spare=3)
    x = np.linspace(-1, 1, 2001)
    bend = np.abs(np.gradient(np.gradient(runs.f_true(x), x), x))
    assert bend[np.abs(x) < 0.2].mean() < bend[np.abs(x) > 0.2].mean() / 2
    assert bend[np.abs(x) > 0.8].mean() > bend.mean()


# ---------------------------------------------------------------- half of the data


def test_fit_and_features_of_a_typical_run_on_half_of_the_data(runs):
    run, inside = runs.run["ood"], runs.test_x < 0.4
    errors = (run.pred - runs.test_y) ** 2
    claim(
        "W10",
        "(test loss # for x < 0.4) and fails beyond (# for x ≥ 0.4, worse than predicting 0, which gives #)",
        [errors[inside].mean(), errors[~inside].mean(), (runs.test_y[~inside] ** 2).mean()],
        rel=2 * FORK,
    )
    claim("W10", "upwards, to # at x = 1,", run.pred[-1], rel=FORK)
    claim("W10", "The overall loss, #, is all from there.", errors.mean(), rel=2 * FORK)
    assert errors[~inside].sum() > 0.98 * errors.sum()
    found = kinks(runs, run.after)
    claim("W10", "# of # beyond x = 0.42,", [(found > 0.42).sum(), len(found)], spare=5)
    slopes = (np.diff(run.pred) / np.diff(runs.test_x))[runs.test_x[:-1] > 0.42]
    claim("W10", "the slope changes from # to # only", [slopes.min(), slopes.max()], rel=FORK)
    deep, ood, plain = (len(linearization[1]) for linearization in (runs.better_after, runs.ood_after, runs.shallow))
    claim("W11", "The rank, #, is like that of (b), #, and far above (a), #.", [ood, deep, plain], spare=10)
    claim(
        "W11",
        "the 20th singular value is #, against # and #.",
        [runs.ood_after[1][19], runs.shallow[1][19], runs.better_after[1][19]],
        spare=0.3,
    )
    claim("W11", "σ₁ has grown, # against #,", [runs.ood_after[1][0], runs.better_after[1][0]], rel=FORK)
    order = np.argsort(runs.train_x)
    x, features = runs.train_x[order], runs.ood_after[2][order, :10]
    jumps = [np.abs(np.diff(features[part], axis=0)).max() for part in (x > 0.42, x < 0.4)]
    claim("W11", "(jumps up to #, inside up to #)", jumps, spare=0.1)
    claim("W11", "steep and large, up to #:", features[:, 0].max(), rel=FORK)


@pytest.fixture(scope="module")
def dead(runs):
    """The run with He normal that dies: its start, log, predictions and linearization."""
    start = copy.deepcopy(runs.model)
    np.random.seed(600)
    torch.manual_seed(600)
    start.apply(with_zero_biases(initializations()["He normal"]))
    network, log = copy.deepcopy(start), []
    _, _, pred = runs.train_model(
        network, runs.n_steps, runs.batch_size, runs.lr, 650, runs.ood_train_x, runs.ood_train_y, log=log
    )
    return SimpleNamespace(start=start, log=log, pred=pred, network=network, svd=runs.svd_local_linearization(network))


def test_a_dead_run(runs, dead):
    inside = runs.test_x < 0.4
    errors = (dead.pred - runs.test_y) ** 2
    claim("W10", "The test loss is #, and the prediction is the constant #", [errors.mean(), dead.pred[0]])
    assert np.ptp(dead.pred) < 1e-6
    claim(
        "W10",
        "# for x < 0.4, where the variance of the function is #.",
        [errors[inside].mean(), runs.test_y[inside].var()],
    )
    off = [(~on.any(axis=0)).sum() for on in runs.patterns(dead.network, runs.test_x)]
    claim("W10", "#, #, # and **# of 20** units", off, spare=1)
    assert off[3] == 20
    train = losses(dead, "train_loss")
    assert train[24:28].max() > 3 * train[15:24].mean(), "the spike from step 25 on"
    network = copy.deepcopy(dead.start)
    runs.train_model(network, 24, runs.batch_size, runs.lr, 650, runs.ood_train_x, runs.ood_train_y)
    claim("W10", "σ₁ rises to # at step 24", runs.svd_local_linearization(network)[1][0], rel=FORK)
    claim("W10", "lower* than the # of the typical run", losses(runs.run["ood"], "test_loss")[-1], rel=2 * FORK)
    (only,) = dead.svd[1]
    claim("W11", "One singular value, # = √1500", only)
    np.testing.assert_allclose(dead.svd[2], 1, rtol=1e-6)


# ---------------------------------------------------------------- other right answers


def initializations():
    """Those of the table, by their names there."""

    def uniform(weight):
        bound = weight.shape[1] ** -0.5
        nn.init.uniform_(weight, -bound, bound)

    return {
        "He normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
        "He uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
        "Xavier normal": nn.init.xavier_normal_,
        "Xavier uniform": nn.init.xavier_uniform_,
        "Xavier normal, gain √2": lambda weight: nn.init.xavier_normal_(weight, gain=2**0.5),
        "LeCun normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"),
        "uniform ±1/√fan_in": uniform,
        "orthogonal": nn.init.orthogonal_,
    }


def with_zero_biases(init):
    def better_init(module):
        if isinstance(module, nn.Linear):
            init(module.weight)
            nn.init.zeros_(module.bias)

    return better_init


def row_of_table(runs, init):
    """Numbers of the table's columns W6 to W11 for one initialization."""
    model = copy.deepcopy(runs.model)

    def start():
        np.random.seed(600)
        torch.manual_seed(600)
        model.apply(with_zero_biases(init))

    def train(*data):
        _, _, pred = runs.train_model(model, runs.n_steps, runs.batch_size, runs.lr, 650, *data)
        return (pred - runs.test_y) ** 2, runs.svd_local_linearization(model)[1]

    start()
    with contextlib.redirect_stdout(io.StringIO()):
        norms = list(runs.print_gnorms(model).values())
    before = runs.svd_local_linearization(model)[1]
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
        for position, (written, number) in enumerate(zip(shown, row_of_table(runs, inits[name]), strict=True)):
            rank, trained = position in (8, 13), position > 5
            assert agrees(written, number, spare=10 if rank else 0, rel=FORK if trained else 0.01), (
                f"{name}: says {written}, the run shows {number:.6g}"
            )
