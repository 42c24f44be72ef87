"""Every number that the model answers quote, and what a run of the reference notebook shows in its place.

`inithw answers` runs this file, shows all differences at once, and fills the numbers in. A claim names a passage of
`written-answers.md` with `#` for a number and `##` for a list of numbers, however long. What a passage says in words is
held as well: where it is no longer true, a person reads that passage again.

    python solutions/written_numbers.py [--figures FOLDER] [--student ID] > numbers.json
"""

import argparse
import contextlib
import copy
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")
import nbformat
import numpy as np
import torch
from inithw.homework.term import BATCHES, TERM
from torch import nn

NOTEBOOK = Path(__file__).with_name("homework.ipynb")
FORK = 0.05  # relative: what a run that forks by rounding may differ from the one quoted
RUNS = ("shallow", "small", "large", "better", "ood")
SMALL, LARGE = f"uniform ±{TERM.scales.small:g}", f"uniform ±{TERM.scales.large:g}"
SEEDS = TERM.seeds


class Book:
    """Collects claims, and which groups of them could not be computed."""

    def __init__(self):
        self.claims, self.words, self.failed, self.groups = [], [], [], []

    def about(self, *questions):
        """Register a function that makes claims about these questions."""

        def register(group):
            self.groups.append((questions, group))
            return group

        return register

    def claim(self, question, passage, values, spare=0.0, rel=0.01):
        """The numbers of a passage are these, to their last digit, give or take `spare` and `rel` of them."""
        values = [[float(x) for x in np.ravel(v)] if np.ndim(v) else float(v) for v in (values if isinstance(values, list) else [values])]
        self.claims.append({"question": question, "passage": passage, "values": values, "spare": spare, "rel": rel})

    def holds(self, question, words, true):
        """What is said in words is true."""
        self.words.append({"question": question, "words": words, "holds": bool(true)})

    def run(self, runs):
        """Make all claims; one that cannot be computed costs no other."""
        for questions, group in self.groups:
            try:
                group(runs)
            except Exception as error:  # in a homework that went another way there may be nothing to compute
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                self.failed.append({"questions": questions, "what": group.__doc__ or group.__name__, "reason": reason})


BOOK = Book()
claim, holds = BOOK.claim, BOOK.holds


def run_notebook(figures=None, student=""):
    """Names of the reference notebook after all its cells, and its training runs by name.

    Args:
        figures: Folder for its figures; without it nothing is drawn, and cells that only draw are left out.
        student: Whose own data, in a term with variants.
    """
    homework = {"__name__": "__main__", "grader": SimpleNamespace(check=lambda question: None)}
    trained, shown, printed = [], [], io.StringIO()

    def record(train_model):
        def recorded(model, *arguments, log=None, **options):
            before = copy.deepcopy(model)
            result = train_model(model, *arguments, log=log, **options)
            if log is not None:  # the runs of the notebook itself, not those of the filmstrip
                trained.append(SimpleNamespace(log=log, pred=result[2], before=before, after=copy.deepcopy(model)))
            return result

        return recorded

    def keep(figure, description):
        figure.savefig(figures / f"{len(shown):02}.png", dpi=80)
        homework["plt"].close(figure)
        shown.append(description)

    left_out = r"import otter|def write_page" if figures else r"import otter|def write_page|show_moments\(b|= train_many\("
    with contextlib.redirect_stdout(printed):
        for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
            if cell.cell_type != "code" or re.search(left_out, cell.source):
                continue
            exec(cell.source.replace('STUDENT = ""', f"STUDENT = {student!r}", 1), homework)
            if figures and "def show(" in cell.source:
                homework["show"] = keep
            if not figures:
                homework.update({name: lambda *_, **__: None for name in homework if re.match(r"show(_|$)", name)})
            if "def train_model" in cell.source:
                homework["train_model"] = record(homework["train_model"])
    if homework.get("STUDENT", "") != student:
        sys.exit("it asks for no student: say in term.toml by what students get data of their own, then `inithw build`")
    runs = SimpleNamespace(**homework, run=dict(zip(RUNS, trained, strict=True)))
    return runs, shown, printed.getvalue()


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
        for parameter, gradient in zip(network.parameters(), torch.autograd.grad(loss, list(network.parameters()))):
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


def growth(runs, weight_variance):
    """By what a hidden layer multiplies the size of the signal, by the theory."""
    return (runs.width * weight_variance / 2) ** 0.5


# ---------------------------------------------------------------- scale 0.03


@BOOK.about("W1")
def gradients_signal_and_error_at_small_weights(runs):
    """gradient norms, signal and error at small weights"""
    signal, error, norms = runs.flows[SMALL]
    claim("W1", "## for the matrices 1 to #", [norms, len(norms)])
    holds("W1", "All are about 1e-6, with no trend over the depth", 2e-7 < min(norms) < max(norms) < 5e-6)
    claim("W1", "falls from # at the second to # at the fifth,", [signal[1], signal[-1]])
    claim("W1", "from # at the fifth to # at the first,", [error[-1], error[0]])
    holds("W1", "at the fifth", len(norms) == 5)
    claim("W1", "a hidden layer with # inputs", runs.width)
    variance = TERM.scales.small**2 / 3
    claim("W1", "Gradient norms at scale #", TERM.scales.small)
    claim("W1", "A weight uniform in ±# has variance #²/3 = #", [TERM.scales.small, TERM.scales.small, variance])
    claim("W1", "by √(# · # / 2) ≈ #; measured, about #.", [runs.width, variance, growth(runs, variance), np.mean(np.divide(signal[2:], signal[1:-1]))], spare=0.005)
    claim("W1", "With learning rate # a step", runs.lr)
    claim("W1", "moves weights of size 0.017 by about # in all", float(f"{runs.lr * 1e-6:.0e}"))


@BOOK.about("W2")
def what_the_small_network_learns(runs):
    """what the network with small weights learns"""
    run, tests = runs.run["small"], losses(runs.run["small"], "test_loss")
    claim("W2", "It predicts one constant, #,", run.pred[0])
    holds("W2", "It predicts one constant", np.ptp(run.pred) < 1e-6)
    claim("W2", "The test loss of # is the variance of\nthe true function, #,", [tests[-1], runs.test_y.var()])
    claim("W2", "goes up and down between # and # over", [tests.min(), tests.max()])
    claim("W1", "the loss is #, the value of a constant prediction", float(f"{tests[-1]:.2f}"))
    claim("W2", "the same network reaches # from another start", losses(runs.run["better"], "test_loss")[-1], rel=0.1)


@BOOK.about("W2")
def only_the_biases_near_the_output_have_gradients_of_ordinary_size(runs):
    """gradients of the biases at small weights"""
    network = copy.deepcopy(runs.run["small"].before)
    x, y = runs.tensors(runs.train_x, runs.train_y)
    nn.functional.mse_loss(network(x).view(-1), y).backward()
    norms = [layer.bias.grad.norm().item() for layer in network if isinstance(layer, nn.Linear)][::-1]
    claim("W2", "# at layer #, # at layer #, then", [norms[0], len(norms), norms[1], len(norms) - 1])
    claim("W2", "then ## and #.", [norms[2:-1], norms[-1]])


@BOOK.about("W3")
def linearization_at_small_weights(runs):
    """the linearization at small weights, before and after training"""
    run, before, after = runs.run["small"], runs.small_before[1], runs.small_after[1]
    second = after[1] if len(after) > 1 else 0.0
    claim("W3", "four singular values, ##. The rank is #", [before, len(before)])
    holds("W3", "All but the\nfirst singular value lie in the band", (before > runs.HARDLY).tolist() == [True] + [False] * (len(before) - 1))
    claim("W3", "the length of (1, …, 1) is √# = #.", [runs.TRAIN_N, runs.TRAIN_N**0.5], rel=1e-6)
    claim("W3", "the # points are two dots", runs.TRAIN_N)
    claim("W3", "still the constant 1 (#).", runs.TRAIN_N**0.5)
    claim("W3", "The second singular value has *fallen* to #,", second)
    holds("W3", "has *fallen* to", second < before[1])
    claim("W3", "The rank is #, because the", len(after), spare=2)
    claim("W3", "features 2 to # are smaller than the first by factors of # and more", [len(after), after[0] / second if second else np.inf], spare=2)
    claim("W3", "tiny as they are\n(up to #)", max(bias.abs().max() for bias in biases(run.after)[:-1]))
    moved = [(new - old).norm() for new, old in zip(weights(run.after)[:-1], weights(run.before)[:-1])]
    holds("W3", "by less than 1e-4 in norm", max(moved) < 1e-4)


@BOOK.about("W3")
def factors_of_the_second_feature_at_small_weights(runs):
    """forecast and measured factor of the second feature at small weights"""
    second = runs.small_before[1][1]
    claim("W3", "1 − 2·#/#·#² = # in a step", [runs.lr, runs.TRAIN_N, second, 1 - 2 * runs.lr / runs.TRAIN_N * second**2], rel=1e-6)
    claim("W3", "Measured in the first step: #.", first_step(runs, runs.run["small"].before)[1], rel=3e-7)


# ---------------------------------------------------------------- scale 3


@BOOK.about("W4")
def gradients_signal_and_error_at_large_weights(runs):
    """gradient norms, signal and error at large weights"""
    signal, error, norms = runs.flows[LARGE]
    claim("W4", "**Model answer.** ##. All between", [norms])
    holds("W4", "All between 5e4 and 2e5: exploding gradients", 4.5e4 < min(norms) < max(norms) < 2.05e5)
    grown = np.divide(signal[2:], signal[1:-1])
    variance = TERM.scales.large**2 / 3
    claim("W4", "Gradient norms at scale #", TERM.scales.large)
    claim("W4", "√(# · # / 2) ≈ # (measured from the second layer on: # to #)", [runs.width, variance, growth(runs, variance), grown.min(), grown.max()])
    outputs = runs.run["large"].before(runs.tensors(runs.train_x, runs.train_y)[0])
    claim("W4", "the output at the start has a root mean square of #", rms(outputs))
    claim("W4", "from # to # and from # to #.", [signal[1], signal[-1], error[-1], error[0]])


@BOOK.about("W5")
def the_first_steps_at_large_weights(runs):
    """the first steps at large weights"""
    run, first = runs.run["large"], losses(runs.run["large"], "train_loss")
    claim("W5", "The first batch has loss #.", first[0])
    claim("W5", "the loss of the second batch is #", first[1])
    holds("W5", "In the third step\nthe outputs exceed", np.isinf(first[2]) and np.isnan(first[3]))
    holds("W5", "The loss becomes NaN, and so do the predictions", np.isnan(run.pred).all())
    network = copy.deepcopy(run.before)
    runs.train_model(network, 1, runs.batch_size, runs.lr, SEEDS.large + BATCHES)
    after = weights(network)
    claim("W5", "root mean squares ##, at most #.", [[rms(w) for w in after], max(w.abs().max().item() for w in after)])
    holds("W5", "some of them beyond 1e28", 1e28 < weights(run.after)[0].abs().max() < np.inf)
    runs.train_model(network := copy.deepcopy(run.before), 2, runs.batch_size, runs.lr, SEEDS.large + BATCHES)
    holds("W5", "the weights grow to 1e28 to 1e30", all(1e28 < weight.abs().max() < 2e30 for weight in weights(network)))


@BOOK.about("W5")
def factors_of_the_first_feature_at_large_weights(runs):
    """forecast and measured factor of the first feature at large weights"""
    largest = runs.large_before[1]
    holds("W5", "all four singular values lie in the band \"a step overshoots\"", (largest > runs.OVERSHOOTS).all())
    claim("W5", "1 − 2·#/#·#² ≈ # for the error", [runs.lr, runs.TRAIN_N, largest[0], 1 - 2 * runs.lr / runs.TRAIN_N * largest[0] ** 2])
    np.random.seed(SEEDS.large + BATCHES)
    batch = np.random.permutation(runs.TRAIN_N)[: runs.batch_size]
    claim("W5", "(measured # with the first batch)", first_step(runs, runs.run["large"].before, batch)[0])


# ---------------------------------------------------------------- the better start


@BOOK.about("W6")
def gradients_signal_and_error_at_the_better_start(runs):
    """gradient norms, signal and error at the better start"""
    signal, error, norms = runs.flows["better_init"]
    claim("W6", "(He uniform) ##. All layers", [norms])
    holds("W6", "All layers between 0.08 and 0.43", 0.08 < min(norms) < max(norms) < 0.43)
    holds("W6", "within\na factor of 5 of one another", max(norms) / min(norms) < 5)
    claim("W6", "mean square of the signal by # · (2/#) / 2 = 1", [runs.width, runs.width])
    claim("W6", "that enters the layers 2 to # is\n##, and the error is as level: ## in", [len(norms), signal[1:], error[:-1]])
    claim("W6", "where later layers get # signals", runs.width)


@BOOK.about("W7")
def linearization_at_the_better_start(runs):
    """the linearization at the better start"""
    before, after, large = runs.better_before[1], runs.better_after[1], runs.large_before[1]
    claim("W7", "1 : # : # : # (better) and 1 : # : # : # (scale 3)", [*before[1:4] / before[0], *large[1:4] / large[0]])
    claim("W7", "Singular values are\n## against ##, a factor of # to #;", [before, large, (large / before).min(), (large / before).max()])
    extremes = [np.abs(linearization[2]).max() for linearization in (runs.better_before, runs.large_before)]
    claim("W7", "features reach # against #.", extremes)
    holds("W7", "All four values of the better start lie\nbetween the bands", ((before > runs.HARDLY) & (before < runs.OVERSHOOTS)).all())
    curvature = 2 * runs.lr / runs.TRAIN_N
    claim("W7", "2·#/#·#² = # is past the limit", [runs.lr, runs.TRAIN_N, before[0], curvature * before[0] ** 2])
    holds("W7", "is past the limit 2 of plain gradient descent and below", 2 < curvature * before[0] ** 2 < curvature * runs.OVERSHOOTS**2)
    claim("W7", "(σ₁ = # at the end, which gives #)", [after[0], curvature * after[0] ** 2], rel=2 * FORK)


@BOOK.about("W7")
def the_first_singular_value_tells_which_runs_fail(runs):
    """which runs from the better start fail, by their first singular value"""
    networks, predictions = runs.train_many([(runs.better_init, runs.train_x, runs.train_y)], runs=192)
    largest = np.array([runs.svd_local_linearization(network)[1][0] for network in networks])
    bad, steep = ~(np.square(predictions[0] - runs.test_y).mean(axis=1) < 0.02), largest > runs.OVERSHOOTS
    counts = [bad[~steep].sum(), (~steep).sum(), runs.OVERSHOOTS, bad[steep].sum(), steep.sum()]
    # Single runs fork, most do not.
    claim("W7", "# of the # with σ₁ below # ended with a loss above 0.02, and # of the # above it.", counts, spare=6)


@BOOK.about("W8")
def fit_of_the_better_network(runs):
    """how well the better network fits"""
    run = runs.run["better"]
    errors, outside = (run.pred - runs.test_y) ** 2, np.abs(runs.test_x) > 0.8
    others = [losses(runs.run[name], "test_loss")[-1] for name in ("shallow", "small")]
    claim("W8", "test loss #, against # of one hidden layer and # at", [errors.mean(), *others], rel=FORK)
    claim("W8", "the noise variance #,", runs.TRAIN_SIGMA**2)
    holds("W8", "less than half of the noise variance", errors.mean() < 0.5 * runs.TRAIN_SIGMA**2)
    largest = np.argsort(errors)[-60:]
    claim(
        "W8",
        "# of the 60 largest errors lie beyond |x| = 0.8 (mean #, elsewhere #).",
        [outside[largest].sum(), errors[outside].mean(), errors[~outside].mean()],
        spare=1e-3,
        rel=2 * FORK,
    )
    epochs = losses(run, "test_loss")[1:]
    claim("W8", "between # and # from epoch 2 to #", [epochs.min(), epochs.max(), round(runs.n_steps * runs.batch_size / runs.TRAIN_N)], rel=2 * FORK)


@BOOK.about("W8")
def the_better_network_meets_the_large_swings_and_misses_the_small_ones(runs):
    """which swings of the function the better network meets"""
    x, y, pred = runs.test_x, runs.test_y, runs.run["better"].pred
    turns = extrema(x, y)
    holds("W8", "The large swings, at x = −0.34 and 0.34", len(turns) == 6 and np.allclose(turns, [-0.85, -0.65, -0.34, 0.34, 0.65, 0.85], atol=0.01))

    def at(place):
        return pred[np.abs(x - place).argmin()]

    claim("W8", "(# and # where the function has ∓#)", [at(-0.34), at(0.34), y.max()], spare=0.02)
    left, right = x < -0.63, x > 0.66
    claim("W8", "at # to #, where the function goes down to # and back", [pred[left].min(), pred[left].max(), y[left].min()], spare=0.02)
    claim("W8", "to the right of 0.66 it rises to # and stays there", pred[right].max(), spare=0.02)
    holds("W8", "and stays there while the function falls to 0", at(1) > 0.8 * pred[right].max() and abs(y[-1]) < 1e-9)


@BOOK.about("W9")
def linearization_of_the_trained_networks(runs):
    """the linearization of the trained networks"""
    deep, plain, trained = runs.better_after[1], runs.shallow[1], runs.run["better"].after
    claim("W9", "are of one size, # and #;", [deep[0], plain[0]], rel=FORK)
    claim("W9", "the 20th is # and the rank #;", [plain[19] if len(plain) > 19 else 0, len(plain)])
    claim("W9", "it is # and the rank #.", [deep[19], len(deep)], spare=0.3, rel=2 * FORK)
    counts = [(s > s[0] / 100).sum() for s in (deep, plain)] + [(s > runs.HARDLY).sum() for s in (deep, plain)]
    claim("W9", "# singular values exceed a hundredth of\nthe first, against #;", counts[:2], spare=5)
    claim("W9", '# lie above the band "hardly learned", against #.', counts[2:], spare=5)
    on = np.concatenate(runs.patterns(trained, np.sort(runs.train_x)), axis=1)
    claim("W9", "(# pieces with training points)", 1 + (on[1:] != on[:-1]).any(axis=1).sum(), spare=10)
    claim("W9", "# parameters gave rank # before", [sum(p.numel() for p in trained.parameters()), len(runs.better_before[1])])
    layers = sum(isinstance(layer, nn.Linear) for layer in trained) - 1
    holds("W9", "four hidden layers against one", layers == 4)


@BOOK.about("W9")
def one_step_separates_the_kinks_and_training_does_not_carry_them_far(runs):
    """where kinks come from"""
    start, ranks = runs.better_start, []
    for steps in (1, 10):
        network = copy.deepcopy(start)
        runs.train_model(network, steps, runs.batch_size, runs.lr, SEEDS.better + BATCHES)
        ranks.append(len(runs.svd_local_linearization(network)[1]))
    claim("W9", "(rank #, after ten steps #)", ranks, spare=3)
    torch.manual_seed(0)
    untrained = []
    for _ in range(5):
        network = copy.deepcopy(start)
        for bias in biases(network):
            nn.init.uniform_(bias, -0.3, 0.3)
        untrained.append(len(runs.svd_local_linearization(network)[1]))
    holds("W9", "with random biases has rank 100 to 160", min(untrained) >= 100 and max(untrained) <= 160)
    found = np.abs(kinks(runs, runs.run["better"].after))
    claim("W9", "# of # in |x| < 0.2,", [(found < 0.2).sum(), len(found)], spare=8)
    claim("W9", "and # beyond |x| = 0.8,", (found > 0.8).sum(), spare=3)
    x = np.linspace(-1, 1, 2001)
    bend = np.abs(np.gradient(np.gradient(runs.f_true(x), x), x))
    holds("W9", "where the function hardly bends", bend[np.abs(x) < 0.2].mean() < bend[np.abs(x) > 0.2].mean() / 2)
    holds("W9", "where it bends as much as anywhere", bend[np.abs(x) > 0.8].mean() > bend.mean())


# ---------------------------------------------------------------- half of the data


@BOOK.about("W10", "W11")
def fit_and_features_of_a_typical_run_on_half_of_the_data(runs):
    """the typical run on half of the data"""
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
    holds("W10", "is all from there", errors[~inside].sum() > 0.98 * errors.sum())
    found = kinks(runs, run.after)
    claim("W10", "# of # beyond x = 0.42,", [(found > 0.42).sum(), len(found)], spare=5)
    slopes = (np.diff(run.pred) / np.diff(runs.test_x))[runs.test_x[:-1] > 0.42]
    claim("W10", "the slope changes from # to # only", [slopes.min(), slopes.max()], rel=FORK)
    claim("W10", "*lower* than the # of the typical run", errors.mean(), rel=2 * FORK)
    deep, ood, plain = (len(linearization[1]) for linearization in (runs.better_after, runs.ood_after, runs.shallow))
    claim("W11", "The rank, #, is like that of (b), #, and far above (a), #.", [ood, deep, plain], spare=10)
    twentieth = [s[19] if len(s) > 19 else 0 for s in (runs.ood_after[1], runs.shallow[1], runs.better_after[1])]
    claim("W11", "the 20th singular value is #, against # and #.", twentieth, spare=0.3)
    claim("W11", "σ₁ has grown, # against #,", [runs.ood_after[1][0], runs.better_after[1][0]], rel=FORK)
    holds("W11", "σ₁ has grown", runs.ood_after[1][0] > runs.better_after[1][0])
    order = np.argsort(runs.train_x)
    x, features = runs.train_x[order], runs.ood_after[2][order, :10]
    jumps = [np.abs(np.diff(features[part], axis=0)).max() for part in (x > 0.42, x < 0.4)]
    claim("W11", "(jumps up to #, inside up to\n#)", jumps, spare=0.1)
    claim("W11", "steep and large, up to #:", features[:, 0].max(), rel=FORK)


@BOOK.about("W10", "W11")
def the_dead_run(runs):
    """the run with He normal that dies"""
    start = copy.deepcopy(runs.model)
    np.random.seed(SEEDS.better)
    torch.manual_seed(SEEDS.better)
    start.apply(with_zero_biases(initializations()["He normal"]))
    network, log = copy.deepcopy(start), []
    half = (runs.ood_train_x, runs.ood_train_y)
    _, _, pred = runs.train_model(network, runs.n_steps, runs.batch_size, runs.lr, SEEDS.better + BATCHES, *half, log=log)
    svd, inside, errors = runs.svd_local_linearization(network), runs.test_x < 0.4, (pred - runs.test_y) ** 2
    died = np.ptp(pred) < 1e-6
    holds("W10", "**Model answer, dead run.** (He normal; others rarely)", died)
    if not died:
        return
    claim("W10", "The test loss is #, and the prediction is the constant #", [errors.mean(), pred[0]])
    claim("W10", "# for x < 0.4, where the variance of the function is #.", [errors[inside].mean(), runs.test_y[inside].var()])
    claim("W10", "its total loss, #, is", errors.mean())
    off = [(~on.any(axis=0)).sum() for on in runs.patterns(network, runs.test_x)]
    claim("W10", "## and **# of #** units", [off[:-1], off[-1], runs.width], spare=1)
    holds("W10", "of the fourth layer switched off", off[-1] == runs.width and len(off) == 4)
    train = losses(SimpleNamespace(log=log), "train_loss")
    holds("W10", "During a spike of the training loss, from step 25 on", train[24:28].max() > 3 * train[15:24].mean())
    network = copy.deepcopy(start)
    runs.train_model(network, 24, runs.batch_size, runs.lr, SEEDS.better + BATCHES, *half)
    claim("W10", "σ₁ rises to # at step 24", runs.svd_local_linearization(network)[1][0], rel=FORK)
    holds("W11", "One singular value", len(svd[1]) == 1 and np.allclose(svd[2], 1, rtol=1e-6))
    claim("W11", "One singular value, # = √#, rank 1", [svd[1][0], runs.TRAIN_N])
    claim("W11", "All # points are one dot. All # other derivatives", [runs.TRAIN_N, svd[0] - 1])


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


@BOOK.about("table")
def the_table_of_other_answers(runs):
    """the table of other answers to q3"""
    for name, init in initializations().items():
        model = copy.deepcopy(runs.model)

        def start():
            np.random.seed(SEEDS.better)
            torch.manual_seed(SEEDS.better)
            model.apply(with_zero_biases(init))

        def train(*data):
            _, _, pred = runs.train_model(model, runs.n_steps, runs.batch_size, runs.lr, SEEDS.better + BATCHES, *data)
            return (pred - runs.test_y) ** 2, runs.svd_local_linearization(model)[1]

        start()
        with contextlib.redirect_stdout(io.StringIO()):
            norms = list(runs.print_gnorms(model).values())
        before = runs.svd_local_linearization(model)[1]
        errors, after = train()
        start()
        ood, ood_after = train(runs.ood_train_x, runs.ood_train_y)
        inside = runs.test_x < 0.4
        run_twice = [errors.mean(), after[0], len(after), ood.mean(), ood[inside].mean(), ood[~inside].mean(), ood_after[0], len(ood_after)]
        claim(
            "table",
            f"| {name} | ## | # | # | #, # | #, #, # | #, # |",
            [norms, before[0], *run_twice],
            spare=[0, 0, 0, 0, 10, 0, 0, 0, 0, 10],
            rel=[0.01, 0.01, *8 * [FORK]],
        )


# ---------------------------------------------------------------- what a person must know before release


def lesson(runs, search=True):
    """What the figures must show: what, what was found, whether it shows, and settings that work where it does not."""
    with np.errstate(all="ignore"):
        final = {name: float(np.mean((run.pred - runs.test_y) ** 2)) for name, run in runs.run.items()}
    variance, ood = float(runs.test_y.var()), runs.run["ood"].pred
    swing = np.ptp(runs.test_y)

    def fits(loss):
        return loss < min(final["shallow"], variance / 4)

    def alive(pred):
        return np.ptp(pred) > 0.1 * swing

    def dead(loss):
        return loss > 0.8 * variance

    def diverges(loss):
        return not loss < 10 * variance

    found = [
        ("small", "the small scale stays dead", f"test loss {final['small']:.4g}, a constant gives {variance:.4g}", dead(final["small"])),
        ("large", "the large scale diverges", f"test loss {final['large']:.4g}", diverges(final["large"])),
        ("better", "the better start fits", f"test loss {final['better']:.4g}, one hidden layer {final['shallow']:.4g}", fits(final["better"])),
        ("better", "the run on half of the data is alive", f"its outputs span {np.ptp(ood):.3g}", alive(ood)),
        ("better", "... and fails beyond its data", f"test loss {final['ood']:.4g}", final["ood"] > 4 * final["better"]),
        ("small", "small gradients vanish", f"norms at most {max(runs.flows[SMALL][2]):.2g}", max(runs.flows[SMALL][2]) < 1e-4),
        ("large", "large gradients explode", f"norms at least {min(runs.flows[LARGE][2]):.2g}", min(runs.flows[LARGE][2]) > 100),
    ]

    def start(init, seed, *data):
        """Predictions after training from a seed, as the notebook's runs."""
        model = copy.deepcopy(runs.better_start)
        np.random.seed(seed)
        torch.manual_seed(seed)
        model.apply(init)
        with np.errstate(all="ignore"):
            _, _, pred = runs.train_model(model, runs.n_steps, runs.batch_size, runs.lr, seed + BATCHES, *data)
            return pred, float(np.mean((pred - runs.test_y) ** 2))

    def naive(scale):
        return lambda module: runs.naive_init(scale, module)

    def works(which):
        """Settings that work, tried one after another."""
        if which == "better":
            half, seeds = (runs.ood_train_x, runs.ood_train_y), []
            for seed in range(100 * (SEEDS.better // 100) + 1000, 100 * (SEEDS.better // 100) + 3000, 100):
                pred, loss = start(runs.better_init, seed, *half)
                if alive(pred) and loss > variance / 4 and fits(start(runs.better_init, seed)[1]):
                    seeds.append(f"seeds.better={seed}")
                if len(seeds) == 3:
                    break
            return ", ".join(seeds)
        factors, good = ((0.5, 0.25, 0.1), dead) if which == "small" else ((2, 4, 8), diverges)
        old, seed = getattr(TERM.scales, which), getattr(SEEDS, which)
        return next((f"scales.{which}={old * k:.2g}" for k in factors if good(start(naive(old * k), seed)[1])), "")

    lost = {which: works(which) if search else "" for which, _, _, shows in found if not shows}
    return [
        {"what": what, "found": said, "shows": bool(shows), "works": "" if shows else lost[which]}
        for which, what, said, shows in found
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, help="folder for the notebook's figures")
    parser.add_argument("--student", default="", help="whose own data, in a term with variants")
    options = parser.parse_args()
    figures = options.figures
    if figures:
        figures.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    runs, shown, printed = run_notebook(figures, options.student)
    with contextlib.redirect_stdout(io.StringIO()):
        BOOK.run(runs)
        lessons = lesson(runs, search=not options.student)  # settings are the term's
    result = {"claims": BOOK.claims, "words": BOOK.words, "failed": BOOK.failed, "lesson": lessons, "figures": shown, "printed": printed}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
