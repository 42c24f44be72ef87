"""The notebook itself: its numbers, its mathematics against independent oracles, its figures and its helpers."""

import base64
import contextlib
import copy
import io
import os
import re
import shutil
import sys
import time
from base64 import b64decode
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from inithw.homework.reference import data
from nbclient import NotebookClient
from torch import nn

from tests.parts import without_coverage

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
NORMS = [  # of the seed homework at +-0.03, at +-3, and solved with He's uniform initialization
    [9.4e-7, 1.06e-6, 8.3e-7, 1.33e-6, 8.7e-7],
    [65412, 50393, 48513, 139719, 177877],
    [0.084977, 0.310949, 0.336475, 0.402389, 0.421496],
]
FINAL_LOSSES = [0.01118, 0.1298, np.nan, 0.00464, 0.2565]
FIGURES = 19


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(ROOT / path, as_version=4).cells if cell.cell_type == kind]


def demonstration(cell):
    return "demonstration" in cell.metadata.get("tags", [])


def source_with(text):
    (source,) = [cell.source for cell in cells("solutions/homework.ipynb") if text in cell.source]
    return source


@pytest.fixture(scope="module")
def outputs(executed):
    return [output for cell in executed[1].cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.fixture(scope="module")
def printed(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


@pytest.fixture
def homework():
    """The names of the notebook after everything but its demonstrations."""
    return names_of_the_notebook()


def names_of_the_notebook():
    namespace = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells("solutions/homework.ipynb"):
            if not demonstration(cell):
                exec(cell.source, namespace)
    return namespace


def said(function, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        function(*arguments)
    return printed.getvalue()


# ---------------------------------------------------------------- numbers


def test_the_reference_prints_the_homeworks_gradient_norms(printed):
    norms = np.reshape(re.findall(r"^\d\.weight (\S+)$", printed, re.MULTILINE), (3, 5)).astype(float)
    for found, expected in zip(norms, NORMS, strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=6e-9)  # eight decimals are all that is printed


def test_the_reference_reaches_the_homeworks_losses(printed):
    losses = [float(loss) for loss in re.findall(r"final test loss: (\S+)", printed)]
    assert losses == pytest.approx(FINAL_LOSSES, rel=1e-2, nan_ok=True)


def test_nothing_warns_or_fails(outputs):
    assert not [output for output in outputs if output.output_type == "error"]
    assert "".join(output.text for output in outputs if output.get("name") == "stderr") == ""


def test_constants_and_data_are_those_of_the_judge(homework):
    assert (1, *[homework["width"]] * 4, 1) == data.WIDTHS
    assert (homework["TRAIN_N"], homework["TEST_N"], homework["TRAIN_SIGMA"]) == (data.TRAIN_N, data.TEST_N, data.NOISE)
    assert homework["lr"] == data.LEARNING_RATE
    assert homework["batch_size"] == data.BATCH_SIZE
    assert homework["n_steps"] == data.STEPS
    assert sum(parameter.numel() for parameter in homework["model"].parameters()) == data.PARAMETERS
    for name, values in {
        "F_TRUE_PARAMS": data.F_TRUE_PARAMS,
        "train_x": data.TRAIN_X,
        "train_y": data.TRAIN_Y,
        "test_x": data.TEST_X,
        "test_y": data.TEST_Y,
    }.items():
        np.testing.assert_allclose(homework[name], values, atol=1e-12)


# ---------------------------------------------------------------- linearization


def looped_features(model, x):
    """The seed's way: one backward pass for each point."""
    rows = []
    for point in x:
        model.zero_grad()
        model(torch.tensor([[point]], dtype=torch.float32)).backward()
        rows.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).numpy().copy())
    return np.stack(rows)


@pytest.fixture(scope="module")
def networks():
    """Networks in all the states that the homework meets: [(name, model, its feature matrix)]."""
    homework = names_of_the_notebook()
    model, models = homework["model"], {}
    inits = {"small": partial(homework["naive_init"], 0.03), "large": partial(homework["naive_init"], 3.0)}
    for seed, (name, init) in enumerate({**inits, "better": homework["better_init"]}.items()):
        torch.manual_seed(seed)
        models[name] = copy.deepcopy(model.apply(init))
    for steps in (10, 60, 468):
        torch.manual_seed(600)
        model.apply(homework["better_init"])
        homework["train_model"](model, steps, 32, 0.1, 650)
        models[f"trained for {steps} steps"] = copy.deepcopy(model)
    torch.manual_seed(100)
    models["one hidden layer"] = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 1))
    return [(name, model, homework["feature_matrix"](model).numpy()) for name, model in models.items()]


def test_features_equal_the_sample_by_sample_gradients(homework, networks):
    for name, model, features in networks:
        expected = looped_features(model, homework["train_x"][::3])
        assert features.shape == (1500, sum(p.numel() for p in model.parameters()))
        # Points at a kink, where float32 and float64 may differ in which units are on, are all that may deviate.
        close = np.isclose(features[::3], expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max()).all(axis=1)
        assert close.mean() > 0.998, name


def test_the_svd_by_random_projection_equals_the_full_one(homework, networks):
    """It is exact while its dimensions exceed the rank; the singular values are alike to the last digits."""
    for name, model, features in networks:
        u, s, _ = np.linalg.svd(features, full_matrices=False)
        m, singular_values, principal_feature = homework["svd_local_linearization"](model)
        r = len(singular_values)
        assert m == features.shape[1]
        assert principal_feature.shape == (1500, r)
        assert r == np.linalg.matrix_rank(features) < 200, name
        np.testing.assert_allclose(singular_values, s[:r], rtol=0, atol=1e-13 * s[0], err_msg=name)
        # Features are unique up to sign where their singular value is well apart from the next.
        apart = np.append(s[: r - 1] / s[1:r], np.inf) > 1.01
        apart &= np.append(np.inf, s[: r - 1] / s[1:r]) > 1.01
        apart &= s[:r] > 1e-2 * s[0]
        expected = u[:, :r] * s[:r]
        expected *= np.sign((expected * principal_feature).sum(axis=0))
        np.testing.assert_allclose(principal_feature[:, apart], expected[:, apart], atol=1e-11 * s[0], err_msg=name)
        assert apart.any(), name


def test_the_rank_is_at_most_twice_the_number_of_linear_pieces(homework, networks):
    for name, model, _ in networks:
        on = np.concatenate(homework["patterns"](model, np.sort(homework["train_x"])), axis=1)
        pieces = 1 + (on[1:] != on[:-1]).any(axis=1).sum()
        rank = len(homework["svd_local_linearization"](model)[1])
        assert rank <= 2 * pieces, name
        if name in ("small", "large", "better"):  # zero biases: one kink, at 0
            assert (pieces, rank) == (2, 4)


def test_two_singular_values_from_few_points_are_near_those_from_all(homework, networks):
    for name, model, features in networks[:3]:
        exact = np.linalg.svd(features, compute_uv=False)[:2]
        np.testing.assert_allclose(homework["largest_values"](model), exact, rtol=0.05, err_msg=name)


def test_each_feature_has_its_largest_value_positive(homework):
    _, _, principal_feature = homework["svd_local_linearization"](homework["model"])
    extreme = np.abs(principal_feature).argmax(axis=0)
    assert (principal_feature[extreme, range(principal_feature.shape[1])] > 0).all()


def test_a_network_that_is_not_finite_has_no_linearization_and_draws_one_that_says_so(homework):
    with torch.no_grad():
        homework["model"][0].weight.fill_(float("nan"))
    m, singular_values, principal_feature = homework["svd_local_linearization"](homework["model"])
    assert m == 1321
    assert np.isnan(singular_values).all()
    shown = []
    homework["show"] = lambda figure, description: shown.append((figure, description))
    homework["visualize"](m, singular_values, principal_feature, "broken")
    ((figure, description),) = shown
    assert sum("not finite" in text.get_text() for ax in figure.axes for text in ax.texts) == 2
    assert description.endswith("Rows: broken: not finite.")
    homework["plt"].close(figure)


def test_the_yardsticks_are_those_of_a_linear_model_trained_with_momentum(homework):
    """One feature of size sigma, trained by the homework's rule on all data: half is left, or the error grows."""

    def left(sigma):
        weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        feature = torch.full((homework["TRAIN_N"],), sigma / homework["TRAIN_N"] ** 0.5, dtype=torch.float64)
        optimizer = torch.optim.SGD([weight], homework["lr"], momentum=0.9)
        for _ in range(homework["n_steps"]):
            optimizer.zero_grad()
            (weight * feature - feature).square().mean().backward()
            optimizer.step()
        return abs(weight.item() - 1)

    assert left(homework["HARDLY"]) == pytest.approx(0.5, abs=0.02)
    assert left(0.98 * homework["OVERSHOOTS"]) < 1
    assert left(1.02 * homework["OVERSHOOTS"]) > 1e3


# ---------------------------------------------------------------- training


def test_training_follows_the_seeds_loop_and_logs_every_loss(homework):
    """The loop of the seed homework, written out again."""
    model = homework["model"]
    np.random.seed(600)
    torch.manual_seed(600)
    model.apply(homework["better_init"])
    copy = nn.Sequential(
        *[nn.Linear(m.in_features, m.out_features) if isinstance(m, nn.Linear) else nn.ReLU() for m in model]
    )
    copy.load_state_dict(model.state_dict())
    log = []
    trained, x, predictions = homework["train_model"](model, 100, 32, 0.1, 650, log=log)
    assert trained is model

    np.random.seed(650)
    order = np.concatenate([np.random.permutation(1500) for _ in range(3)])
    optimizer = torch.optim.SGD(copy.parameters(), data.LEARNING_RATE, momentum=data.MOMENTUM)
    losses = []
    for step in range(100):
        indices = order[step * 32 : (step + 1) * 32]
        inputs = torch.from_numpy(homework["train_x"][indices]).float().unsqueeze(-1)
        loss = nn.MSELoss()(copy(inputs).view(-1), torch.from_numpy(homework["train_y"][indices]).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    expected = copy(torch.from_numpy(homework["test_x"]).float().unsqueeze(-1)).detach().view(-1).numpy()
    np.testing.assert_allclose(predictions, expected, atol=1e-5)
    np.testing.assert_allclose(x, homework["test_x"], atol=1e-6)
    assert [entry["train_loss"] for entry in log if "train_loss" in entry] == pytest.approx(losses, rel=1e-4)
    assert [entry["step"] for entry in log if "test_loss" in entry] == [46, 93, 99]
    assert log[-1]["test_loss"] == pytest.approx(np.square(expected - homework["test_y"]).mean(), rel=1e-4)


def test_training_many_networks_equals_training_each_alone(homework):
    homework["n_steps"] = 60
    starts = [
        (homework["better_init"], homework["train_x"], homework["train_y"]),
        (partial(homework["naive_init"], 0.3), homework["ood_train_x"], homework["ood_train_y"]),
    ]
    networks, together = homework["train_many"](starts, runs=2, seed=5)
    assert together.shape == (2, 2, 500)

    torch.manual_seed(5)
    for row, network in enumerate(networks):
        expected = copy.deepcopy(homework["model"]).apply(starts[row // 2][0])
        assert all(map(torch.equal, network.parameters(), expected.parameters())), "networks as before training"
    orders = [torch.rand(4, 1500).argsort(dim=1) for _ in range(2)]
    for row, (network, outputs) in enumerate(zip(networks, together.reshape(4, 500), strict=True)):
        x, y = (torch.from_numpy(values).float() for values in starts[row // 2][1:])
        optimizer = torch.optim.SGD(network.parameters(), data.LEARNING_RATE, momentum=data.MOMENTUM)
        for step in range(60):
            points = range(step * 32, step * 32 + 32)
            order = orders[points[0] // 1500][row]  # a batch that straddles two epochs keeps the order of the first
            batch = order[[point % 1500 for point in points]]
            optimizer.zero_grad()
            nn.functional.mse_loss(network(x[batch].unsqueeze(-1)).view(-1), y[batch]).backward()
            optimizer.step()
        expected = network(torch.from_numpy(homework["test_x"]).float().unsqueeze(-1)).detach().view(-1).numpy()
        np.testing.assert_allclose(outputs, expected, atol=1e-4)


def test_training_stops_when_the_loss_is_nan_and_says_so(homework):
    torch.manual_seed(300)
    model = homework["model"].apply(partial(homework["naive_init"], 3.0))
    log = []
    _, _, predictions = homework["train_model"](model, 468, 32, 0.1, 350, log=log)
    losses = [entry["train_loss"] for entry in log if "train_loss" in entry]
    assert np.isnan(losses).tolist() == [False] * (len(losses) - 1) + [True]
    assert len(losses) < 10
    assert list(log[-1]) == ["step", "test_loss"]
    assert np.isnan(log[-1]["test_loss"])
    assert np.isnan(predictions).all()


# ---------------------------------------------------------------- figures


WRONG_INITS = {
    "does nothing to weights that are NaN": lambda weight: weight.fill_(float("nan")),
    "zero": nn.init.zeros_,
    "explodes": lambda weight: weight.fill_(30.0),
}


@pytest.mark.parametrize("name", WRONG_INITS)
def test_every_figure_can_be_drawn_of_a_wrong_initialization_and_shows_something(homework, name):
    def init(layer):
        if isinstance(layer, nn.Linear):
            with torch.no_grad():
                WRONG_INITS[name](layer.weight)
            nn.init.zeros_(layer.bias)

    shown = []
    homework["show"] = lambda figure, description: shown.append(figure)
    model, log, sane = homework["model"], [], homework["svd_local_linearization"](homework["model"])
    model.apply(init)
    with contextlib.redirect_stdout(io.StringIO()):
        homework["show_flow"]({"better_init": homework["signal_and_error"](model)})
        homework["compare"]({"better_init": sane, "wrong": homework["svd_local_linearization"](model)})
        homework["show_moments"](copy.deepcopy(model), model, (1, 10), 650)
        result = homework["train_model"](model, 60, 32, 0.1, 650, log=log)
        homework["show_training"](model, log, *result[1:], "trained")
        homework["visualize"](*homework["svd_local_linearization"](model), "trained")
        homework["n_steps"] = 60
        ends = {"all": (init, homework["train_x"], homework["train_y"]), "some": (init, *some_data(homework))}
        _, predictions = homework["train_many"](ends.values(), runs=2)
        homework["show_functions"](dict(zip(ends, predictions, strict=True)), ends)
        losses = np.square(predictions[0] - homework["test_y"]).mean(axis=1)
        homework["show_valley"]({"better_init": (np.array([[200.0, 100.0], [50.0, 0.1]]), losses)})
    assert len(shown) == 7
    for figure in shown:
        for ax in figure.axes:
            assert ax.lines or ax.collections or ax.texts or ax.images, "no empty axes"
        homework["plt"].close(figure)


def some_data(homework):
    return homework["ood_train_x"], homework["ood_train_y"]


def test_a_figure_names_the_network_that_it_shows(homework):
    """With q1 answered wrongly, `model` is another network: no title says that it has four hidden layers."""
    titles = []
    homework["show"] = lambda figure, description: titles.append(description)
    shallow, log = nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 1)), []
    result = homework["train_model"](shallow, 5, 32, 0.1, 0, log=log)
    said(homework["show_training"], shallow, log, *result[1:], "started from uniform ±0.03")
    homework["visualize"](*homework["svd_local_linearization"](shallow), "uniform ±0.03")
    assert titles[0].startswith("1 hidden layer, started from uniform ±0.03.")
    assert "uniform ±0.03 (10 parameters)" in titles[1]


def test_a_curve_outside_the_data_is_shown_in_full_up_to_a_limit(homework):
    shown = []
    homework["show"] = lambda figure, description: shown.append(figure)
    log = [{"step": 0, "train_loss": 1.0}, {"step": 0, "test_loss": 1.0}]
    for top in (1.44, 50.0):
        pred = np.linspace(0, top, 500)
        said(homework["show_training"], homework["model"], log, homework["test_x"], pred, "x", *some_data(homework))
        assert min(top, 3) <= shown[-1].axes[1].get_ylim()[1] <= 3
        homework["plt"].close(shown[-1])


@pytest.fixture(scope="module")
def drawn():
    """All figures of the reference notebook, as matplotlib has them."""
    homework, figures = {"__name__": "__main__", "grader": SimpleNamespace(check=lambda question: None)}, []
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells("solutions/homework.ipynb"):
            if "import otter" in cell.source or "def write_page" in cell.source:
                continue
            exec(cell.source, homework)
            if "def show(" in cell.source:
                homework["show"] = lambda figure, description: figures.append(figure)
                homework["plt"].rcParams["figure.max_open_warning"] = 0  # all are kept
    assert len(figures) == FIGURES
    yield figures
    homework["plt"].close("all")


def test_no_text_of_a_figure_is_smaller_than_ten_pixels_and_none_leaves_the_picture(drawn):
    from matplotlib.text import Text

    for number, figure in enumerate(drawn):
        figure.set_dpi(80)  # as it is shown
        figure.canvas.draw()
        titles = [title for ax in figure.axes for title in (ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label)]
        for text in [*figure.findobj(Text)]:
            if text.get_text().strip() and text.get_visible():
                assert text.get_fontsize() * 80 / 72 >= 10, text.get_text()
        for text in [*titles, *figure.texts, *(text for ax in figure.axes for text in ax.texts)]:
            if text.get_text():
                box = text.get_window_extent()
                assert box.x0 >= 0, f"figure {number}: {text.get_text()!r}"
                assert box.x1 <= figure.bbox.width, f"figure {number}: {text.get_text()!r}"
                assert box.y0 >= 0, f"figure {number}: {text.get_text()!r}"
                assert box.y1 <= figure.bbox.height, f"figure {number}: {text.get_text()!r}"


def test_pictures_have_twice_the_pixels_that_they_are_shown_with(outputs):
    ratios = []
    for output in outputs:
        if found := re.search(r'base64,([^"]+)" width="(\d+)"', output.get("data", {}).get("text/html", "")):
            ratios.append(int.from_bytes(b64decode(found[1])[16:20], "big") / int(found[2]))
            assert int(found[2]) <= 920, "wider than the column of JupyterLab in a window of 1366 pixels"
    assert ratios == [pytest.approx(2, rel=0.01)] * FIGURES


def test_the_claim_holds(printed):
    """No network of the valley ends badly, and nearly all others do: so say the closing text and the teaching notes."""
    *outside, inside = [
        tuple(map(int, found)) for found in re.findall(r"^ +\S.*: +(\d+) of (\d+)$", printed, re.MULTILINE)[:4]
    ]
    notes = (ROOT / "docs/teaching-notes.md").read_text("utf-8")
    sentence = r"of the (\d+) networks at the end, none of the (\d+) .* badly, and (\d+) of the (\d+) others"
    networks, within, bad, others = map(int, re.search(sentence, notes).groups())
    assert len(outside) == 3
    assert inside[1] + sum(total for _, total in outside) == networks
    assert sum(total for _, total in outside) == pytest.approx(others, abs=3)
    assert sum(found for found, _ in outside) == pytest.approx(bad, abs=5)  # single runs fork, most do not
    assert inside == pytest.approx((0, within), abs=3)


def test_a_scale_picked_by_hand_fits_one_width_and_depth(printed):
    rows = re.findall(r"^width +(\d+), depth +(\d+): +(\S+) +(\S+)$", printed, re.MULTILINE)
    by_hand, by_rule = np.array([row[2:] for row in rows], float).T
    assert by_hand.max() / by_hand.min() > 1e6
    assert 0.01 < by_rule.min() < by_rule.max() < 10


def test_folded_cells_say_that_there_is_nothing_to_do_and_only_these_are_folded():
    given = cells("assignment/homework.ipynb")
    folded = [cell for cell in given if "jupyter" in cell.metadata]
    assert all(cell.source.startswith("# Nothing to do here: ") for cell in folded)
    assert all(cell.metadata.jupyter == {"source_hidden": True} for cell in folded)
    assert all(cell.metadata.cellView == "form" for cell in folded)
    assert len(folded) == sum("Nothing to do here" in cell.source for cell in given) == 5


# ---------------------------------------------------------------- missing answers


ANSWERS = {
    "q1": (
        "nn.Linear(1, width), nn.ReLU(), "
        "*[layer for _ in range(3) for layer in (nn.Linear(width, width), nn.ReLU())], nn.Linear(width, 1)"
    ),
    "q2": "gnorm = param.grad.square().sum().sqrt()",
    "q3": "nn.init.normal_(module.weight, std=(2 / module.in_features) ** 0.5)",
}


def run_past_errors(folder, *answered):
    """Run the student's notebook with these answers cell by cell; returns what failed."""
    notebook = nbformat.read(ROOT / "assignment/homework.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for question in answered:
        for cell in code:
            if f"# TODO {question}:" in cell.source:
                cell.source = re.sub(rf'(gnorm = )?todo\("{question}"\)', ANSWERS[question], cell.source)
    shutil.copytree(ROOT / "assignment/tests", folder / "tests")
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(folder)}}
    ).execute(env=without_coverage())
    return [output for cell in code for output in cell.outputs if output.output_type == "error"]


@pytest.mark.parametrize("answered", [(), ("q1", "q3"), ("q1", "q2")], ids=["none", "not q2", "not q3"])
def test_cells_after_an_open_question_say_in_one_line_which_it_is(answered, tmp_path):
    found = run_past_errors(tmp_path, *answered)
    assert len(found) >= 3
    for error in found:
        assert len(error.traceback) == 1, error.evalue
        message = re.fullmatch(r'(q\d) is not answered yet: find todo\("\1"\) in this notebook.*', error.traceback[0])
        assert message[1] in {"q1", "q2", "q3"} - set(answered)


def test_cells_after_weights_of_another_type_say_in_one_line_what_is_wrong(tmp_path, monkeypatch):
    double = (
        "module.weight = nn.Parameter(torch.randn(module.weight.shape, dtype=torch.float64) / module.in_features**0.5)"
    )
    monkeypatch.setitem(ANSWERS, "q3", double)
    found = run_past_errors(tmp_path, "q1", "q2", "q3")
    assert len(found) >= 3
    for error in found:
        (line,) = error.traceback
        assert re.match(
            r"q3: better_init made weights torch.float64 of shape (\[\d+, 1\]), expected torch.float32 of shape \1",
            line,
        )


def test_no_figure_says_trained_after_a_training_that_stopped(homework):
    model, log = homework["model"], []
    with pytest.raises(TypeError):
        homework["train_model"](model, 3, 32, "0.1", 0, log=log)
    for unfinished in (log, [{"step": 0, "train_loss": 1.0}]):
        with pytest.raises(NotImplementedError, match=r"^The training above did not come to its end"):
            homework["show_training"](model, unfinished, homework["test_x"], homework["test_y"], "trained")
        with pytest.raises(NotImplementedError, match=r"^The training above did not come to its end"):
            homework["trained"](model, unfinished)
    homework["train_model"](model, 3, 32, 0.1, 0, log=log)
    assert homework["trained"](model, log) is model


def test_an_answer_given_late_takes_effect_without_a_restart(homework):
    """While q3 is open `model` says so; once it is answered, its cell puts the network back."""
    model = homework["model"]

    def still_open(module):
        homework["todo"]("q3")

    with pytest.raises(NotImplementedError, match=r"^q3 is not answered yet"):
        model.apply(still_open)
    for use in (lambda m: m(torch.zeros(1, 1)), list, lambda m: m.parameters(), lambda m: m.apply(still_open)):
        with pytest.raises(NotImplementedError, match=r"^q3 is not answered yet"):
            use(homework["model"])
    assert homework["model"].apply(homework["better_init"]) is model is homework["model"]
    with pytest.raises(NotImplementedError, match=r"^q1"):
        homework["todo"]("q1")
    with pytest.raises(NotImplementedError, match=r"^q1 is not answered yet"):
        homework["model"].apply(homework["better_init"])


# ---------------------------------------------------------------- local checks


@pytest.fixture
def load_checks(homework, monkeypatch, tmp_path):
    """Runs the cell that loads Otter, in a folder without anything."""
    monkeypatch.chdir(tmp_path)
    return lambda: said(exec, source_with("import otter"), homework)


def test_local_checks_are_stock_otter_in_a_renamed_notebook_and_say_what_they_left_out(outputs):
    texts = [output.get("data", {}).get("text/plain", "") for output in outputs]
    for question in ("q1", "q2", "q3"):
        (text,) = [text for text in texts if text.startswith(f"{question} (first look) results:")]
        assert "All test cases passed!" in text
        assert "message: Not checked here: " in text


def test_without_the_tests_folder_one_line_says_so_and_checks_do_no_harm(load_checks, homework):
    reason = "the folder tests is missing. Put it beside this notebook and run this cell again."
    assert load_checks() == f"No local checks: {reason} The rest of the notebook runs without.\n"
    assert said(homework["grader"].check, "q1") == f"q1 is not checked: {reason}\n"


def test_tests_that_were_uploaded_without_their_folder_are_found(load_checks, homework, tmp_path):
    for test in (ROOT / "assignment/tests").glob("*.py"):
        shutil.copy(test, tmp_path)
    assert load_checks() == ""
    assert homework["grader"].check("q3", homework).passed_all


def test_without_otter_one_line_says_so(load_checks, homework, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "assignment/tests", tmp_path / "tests")
    monkeypatch.setitem(sys.modules, "otter", None)
    assert load_checks().startswith("No local checks: Otter is missing. Run: pip install otter-grader.")
    assert said(homework["grader"].check, "q2").startswith("q2 is not checked: Otter is missing.")


# ---------------------------------------------------------------- written answers


@pytest.fixture
def write_page(executed, monkeypatch):
    monkeypatch.chdir(executed[0])
    namespace = {"Path": Path, "base64": base64, "contextlib": contextlib, "last_shown": 0}
    exec(source_with("def write_page").removesuffix("\nwrite_page()"), namespace)
    return namespace["write_page"]


class Page(HTMLParser):
    """The alternative texts, headings and text of an HTML page."""

    def __init__(self, text):
        super().__init__()
        self.alternatives, self.levels, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.alternatives.append(dict(attributes).get("alt"))
        elif re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))

    def handle_data(self, text):
        self.text += text


def test_the_written_part_becomes_a_page_with_answers_figures_and_formulas(executed, write_page):
    folder, notebook = executed
    answered = nbformat.from_dict(notebook)
    for cell in answered.cells:
        if cell.source == "*Your answer to W2 here.*":
            cell.source = r"It **predicts the mean**, $\bar{y} = \frac{1}{n} \sum_i y_i$."
    nbformat.write(answered, folder / "my homework (2).ipynb")
    message = said(write_page)
    assert message.startswith(
        "Wrote my homework (2).html from my homework (2).ipynb as last saved. Not answered: W1, W3"
    )
    text = (folder / "my homework (2).html").read_text("utf-8")
    page = Page(text)
    assert "It predicts the mean" in page.text
    assert all(f"Question W{k}" in page.text for k in range(1, 12))
    assert page.alternatives == [
        output.data["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "<img" in output.get("data", {}).get("text/html", "")
    ]
    assert "import torch" not in page.text
    body = text[text.index("<body") :]
    assert body.count("<math") > 60, "formulas are MathML, which needs no connection"
    assert not re.search(r"<math[^>]*></math>", body)
    assert not re.findall(r"\$[^$\n]*\\[^$\n]*\$", body), "and no TeX is left"


def put_below(notebook, words, *cells):
    """New cells below the one that holds `words`."""
    (at,) = [k for k, cell in enumerate(notebook.cells) if cell.cell_type == "markdown" and words in cell.source]
    notebook.cells[at + 1 : at + 1] = cells


def test_answers_below_the_placeholder_or_in_a_code_cell_are_seen_and_pictures_are_in_the_page(executed, write_page):
    folder, notebook = executed
    answered = nbformat.from_dict(notebook)
    for cell in answered.cells:
        if cell.source == "*Your answer to W1 here.*":
            cell.source += "\n\nAll five vanish. ![a](attachment:mine.png) ![b](attachment:gone.png)"
            cell.attachments = {"mine.png": {"image/png": "iVBORw0KGgo="}}
    put_below(
        answered,
        "Your answer to W2 here",
        nbformat.v4.new_markdown_cell("It stays flat. ![c](local.png) ![d](away.png)"),
    )
    put_below(answered, "Your answer to W3 here", nbformat.v4.new_code_cell("# The features are constant."))
    (folder / "local.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    nbformat.write(answered, folder / "my homework (2).ipynb")
    message = said(write_page)
    assert "Not answered: W4, W5" in message
    assert [
        name for name in ("mine.png", "gone.png", "local.png", "away.png") if f"picture {name} is not" in message
    ] == [
        "gone.png",
        "away.png",
    ]
    text = (folder / "my homework (2).html").read_text("utf-8")
    page = Page(text)
    assert all(answer in page.text for answer in ("All five vanish.", "It stays flat.", "# The features are constant."))
    assert text.count('src="data:image/png;base64,iVBORw0KGgo=') == 2
    assert "import torch" not in page.text


def test_the_page_waits_for_a_notebook_that_is_saved(write_page):
    write_page.__globals__["last_shown"] = time.time() + 60
    assert said(write_page).startswith("Save this notebook, then run this cell again.")


def test_the_page_does_without_the_package_for_formulas(write_page, executed, monkeypatch):
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    assert said(write_page).startswith("Wrote my homework (2).html")
    assert "$" in Page((executed[0] / "my homework (2).html").read_text("utf-8")).text


def test_the_page_is_made_of_the_notebook_saved_last_and_named_after_it(write_page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert said(write_page).startswith("Save this notebook")
    for number, name in enumerate(("old.ipynb", "mine.ipynb")):
        shutil.copy(ROOT / "assignment/homework.ipynb", tmp_path / name)
        os.utime(tmp_path / name, (time.time() + number, time.time() + number))
    assert said(write_page).startswith("Wrote mine.html from mine.ipynb as last saved.")


def test_all_eleven_questions_have_an_answer_cell_right_below():
    texts = [cell.source for cell in nbformat.read(ROOT / "assignment/homework.ipynb", as_version=4).cells]
    for k in range(1, 12):
        (place,) = [i for i, text in enumerate(texts) if re.search(rf"^#+ Question W{k}$", text, re.MULTILINE)]
        assert texts[place + 1] == f"*Your answer to W{k} here.*"
    assert sum("*Your answer to W" in text and "def " not in text for text in texts) == 11


def test_every_written_question_has_a_model_answer_with_points():
    text = (ROOT / "solutions/written-answers.md").read_text("utf-8")
    sections = re.split(r"^## (W\d+)\b.*$", text, flags=re.MULTILINE)[1:]
    assert sections[::2] == [f"W{k}" for k in range(1, 12)]
    for section in sections[1::2]:
        assert re.search(r"\*\*Points", section)
        assert re.search(r"\*\*Common wrong ideas", section)
