"""The notebook itself: its numbers, its mathematics against independent oracles, and its helpers."""

import contextlib
import copy
import io
import re
import shutil
import sys
import time
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from inithw.homework.reference import data
from torch import nn

ROOT = Path(__file__).parent.parent
NORMS = {  # of the seed homework, solved with He initialization
    "gnorms_small": [9.4e-7, 1.06e-6, 8.3e-7, 1.33e-6, 8.7e-7],
    "gnorms_large": [65412, 50393, 48513, 139719, 177877],
    "gnorms_better": [1.83673, 6.71520, 4.59722, 5.04950, 7.20432],
}
FINAL_LOSSES = [0.01118, 0.1298, np.nan, 0.00407, 0.134]


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


def test_the_reference_prints_the_homeworks_gradient_norms(printed, homework):
    norms = np.reshape(re.findall(r"^\d\.weight (\S+)$", printed, re.MULTILINE), (3, 5)).astype(float)
    assert norms[0] == pytest.approx(NORMS["gnorms_small"], abs=6e-9)  # eight decimals are all that is printed
    assert norms[1] == pytest.approx(NORMS["gnorms_large"], rel=1e-4)
    assert norms[2] == pytest.approx(NORMS["gnorms_better"], rel=1e-4)
    for name, expected in NORMS.items():
        assert list(homework[name].values()) == pytest.approx(expected, rel=1e-2 if name == "gnorms_small" else 1e-4)


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
    for steps in (60, 468):
        torch.manual_seed(600)
        model.apply(homework["better_init"])
        homework["train_model"](model, steps, 32, 0.1, 650)
        models[f"trained for {steps} steps"] = copy.deepcopy(model)
    torch.manual_seed(100)
    models["one hidden layer"] = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 1))
    models[TANH] = nn.Sequential(nn.Linear(1, 9), nn.Tanh(), nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 1))
    return [(name, model, features_of(homework, model)) for name, model in models.items()]


TANH = "not piecewise affine"


def features_of(homework, model):
    return homework["feature_matrix"](model, torch.from_numpy(homework["train_x"])).numpy()


def test_features_equal_the_sample_by_sample_gradients(homework, networks):
    for name, model, features in networks:
        expected = looped_features(model, homework["train_x"][::3])
        assert features.shape == (1500, sum(p.numel() for p in model.parameters()))
        # Points at a kink, where float32 and float64 may differ in which units are on, are all that may deviate.
        close = np.isclose(features[::3], expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max()).all(axis=1)
        assert close.mean() > 0.998, name


def test_the_cheap_svd_equals_the_full_one(homework, networks):
    for name, model, features in networks:
        u, s, _ = np.linalg.svd(features, full_matrices=False)
        m, singular_values, principal_feature = homework["svd_local_linearization"](model)
        r = len(singular_values)
        assert m == features.shape[1]
        assert principal_feature.shape == (1500, r)
        np.testing.assert_allclose(singular_values, s[:r], rtol=1e-6, atol=1e-11 * s[0], err_msg=name)
        assert (s[r:] < 1e-10 * s[0]).all(), name
        # Features are unique up to sign where their singular value is well apart from the next.
        apart = np.append(s[: r - 1] / s[1:r], np.inf) > 1.01
        apart &= np.append(np.inf, s[: r - 1] / s[1:r]) > 1.01
        apart &= s[:r] > 1e-6 * s[0]
        agreement = np.abs((u[:, :r] * principal_feature).sum(axis=0)) / singular_values
        np.testing.assert_allclose(agreement[apart], 1, rtol=1e-6, err_msg=name)
        assert apart.sum() >= min(r, 2), name


def test_principal_features_rebuild_the_gram_matrix(homework, networks):
    for name, model, features in networks:
        _, _, principal_feature = homework["svd_local_linearization"](model)
        gram = features @ features.T
        np.testing.assert_allclose(
            principal_feature @ principal_feature.T, gram, atol=1e-9 * np.abs(gram).max(), err_msg=name
        )


def test_two_rows_a_piece_give_all_rows_of_a_relu_network(homework, networks):
    """So the small SVD is exact; before training all biases are zero and there are two pieces, left and right of 0."""
    x = torch.from_numpy(homework["train_x"])
    for name, model, features in networks:
        ends, between = homework["linear_pieces"](model, x)
        rows = homework["feature_matrix"](model, ends).numpy()
        np.testing.assert_allclose(between.numpy() @ rows, features, atol=1e-9 * np.abs(features).max(), err_msg=name)
        assert set(ends.tolist()) <= set(x.tolist()), name
        assert (len(ends) == 1500) == (name == TANH), name
        if name in ("small", "large", "better"):
            assert len(ends) == 4
            assert len(homework["svd_local_linearization"](model)[1]) == 4


def test_a_network_without_relu_is_one_piece(homework):
    ends, _ = homework["linear_pieces"](nn.Sequential(nn.Linear(1, 3), nn.Linear(3, 1)), torch.rand(20).double())
    assert len(ends) == 2


def test_a_point_alone_on_its_piece_stands_for_itself(homework):
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    nn.init.ones_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    ends, between = homework["linear_pieces"](model, torch.tensor([-2.0, 2.0, -3.0, -1.0]).double())
    assert ends.tolist() == [-3, -1, 2, 2]
    assert between.tolist() == [[0.5, 0.5, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


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
    assert [sum("not finite" in text.get_text() for text in ax.texts) for ax in figure.axes] == [0, 1, 1]
    assert description.endswith("Rows: broken: not finite.")
    homework["plt"].close(figure)


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
    together = homework["train_many"](starts, runs=2, seed=5)
    assert together.shape == (2, 2, 500)

    torch.manual_seed(5)
    networks = [start for start in starts for _ in range(2)]
    models = [nn.Sequential() for _ in networks]
    for fan_in, fan_out in ((1, 20), (20, 20), (20, 20), (20, 20), (20, 1)):
        layer = nn.Linear(fan_in, fan_out)
        for model, (init, _, _) in zip(models, networks, strict=True):
            init(layer)
            model.extend([copy.deepcopy(layer), nn.ReLU()])
    orders = [torch.cat([torch.randperm(1500) for _ in range(2)]) for _ in models]
    for model, order, (_, *points), outputs in zip(models, orders, networks, together.reshape(4, 500), strict=True):
        network = model[:-1]
        x, y = (torch.from_numpy(values).float() for values in points)
        optimizer = torch.optim.SGD(network.parameters(), data.LEARNING_RATE, momentum=data.MOMENTUM)
        for step in range(60):
            batch = order[step * 32 : (step + 1) * 32]
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


WRONG_INITS = {
    "does nothing to weights that are NaN": lambda weight: weight.fill_(float("nan")),
    "zero": nn.init.zeros_,
    "explodes": lambda weight: weight.fill_(30.0),
}


@pytest.mark.parametrize("name", WRONG_INITS)
def test_every_figure_can_be_drawn_of_a_wrong_initialization(homework, name):
    def init(layer):
        if isinstance(layer, nn.Linear):
            with torch.no_grad():
                WRONG_INITS[name](layer.weight)
            nn.init.zeros_(layer.bias)

    shown = []
    homework["display"] = lambda data, raw: shown.append(data["text/plain"])
    model, log, sane = homework["model"], [], homework["svd_local_linearization"](homework["model"])
    model.apply(init)
    with contextlib.redirect_stdout(io.StringIO()):
        homework["show_gnorms"]({"better_init": homework["print_gnorms"](model)})
        before = homework["svd_local_linearization"](model)
        homework["compare"]({"sane": sane, "wrong": before})
        result = homework["train_model"](model, 60, 32, 0.1, 650, log=log)
        homework["show_training"](log, *result[1:], "trained")
        homework["visualize"](*homework["svd_local_linearization"](model), "trained")
        figure, ax = homework["plt"].subplots()
        homework["n_steps"] = 60
        start = (init, homework["train_x"], homework["train_y"])
        losses = np.square(homework["train_many"]([start], runs=2)[0] - homework["test_y"]).mean(axis=1)
        homework["show_losses"](ax, {"wrong": losses}, "trained")
        homework["show"](figure, "losses")
    assert len(shown) == 5


# ---------------------------------------------------------------- local checks


@pytest.fixture
def checks(homework, monkeypatch, tmp_path):
    """`grader.check` of the notebook, run in a folder without anything."""
    monkeypatch.chdir(tmp_path)
    exec(source_with("class LocalChecks"), homework)
    return homework["grader"].check


def test_local_checks_work_in_a_renamed_notebook_and_say_what_they_left_out(printed):
    for question, total in (("q1", 3), ("q2", 2), ("q3", 3)):
        assert len(re.findall(rf"^{question}: .*: as expected$", printed, re.MULTILINE)) == total
    assert printed.count("Not checked here: ") == 3
    assert "passed" not in printed


def test_local_checks_without_the_tests_folder_say_so_in_one_line(checks):
    assert said(checks, "q1") == (
        "q1: not checked, tests/q1.py is missing. Put the folder tests beside this notebook.\n"
    )


def test_local_checks_find_tests_that_were_uploaded_without_their_folder(checks, tmp_path):
    shutil.copy(ROOT / "assignment/tests/q3.py", tmp_path)
    assert said(checks, "q3").count("as expected") == 3


def test_local_checks_do_without_otter(checks, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "assignment/tests", tmp_path / "tests")
    for name in [name for name in sys.modules if name.partition(".")[0] == "otter"]:
        monkeypatch.delitem(sys.modules, name)
    assert said(checks, "q2").count("as expected") == 2
    assert "otter" not in sys.modules


def test_local_checks_survive_a_damaged_test_file(checks, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/q1.py").write_text("OK_FORMAT = False\nthis is no Python")
    assert said(checks, "q1") == (
        f"q1: not checked, {Path('tests/q1.py')} is damaged (SyntaxError). Put a fresh copy in its place.\n"
    )


def test_local_checks_work_with_tests_of_an_instructors_own(checks, tmp_path):
    (tmp_path / "q1.py").write_text(
        'def test_width(width):\n    """twenty units"""\n    assert width == 21, "width is not 21"\n'
    )
    assert said(checks, "q1") == (
        "q1: twenty units: NOT YET, width is not 21\nNot checked here: whether the answer is right.\n"
    )


def test_local_checks_tell_what_is_wrong_and_never_that_all_is_well(checks, homework, tmp_path):
    shutil.copytree(ROOT / "assignment/tests", tmp_path / "tests")
    homework["model"] = homework["model"][:5]
    answer = said(checks, "q1")
    assert "NOT YET, model has 5 modules, expected 9" in answer
    assert "NOT YET, model has 880 parameters, expected 1321" in answer
    assert answer.endswith("Not checked here: which layers these are, in which order, and the function they compute.\n")


# ---------------------------------------------------------------- written answers


@pytest.fixture
def export(executed, monkeypatch):
    monkeypatch.chdir(executed[0])
    namespace = {"sys": sys, "Path": Path}
    source = source_with("def export_written").removesuffix("\nexport_written()")
    exec(source, namespace)
    namespace["BROWSERS"].clear()  # test_browser.py has one
    return namespace["export_written"]


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


def test_the_written_part_becomes_a_page_with_answers_and_figures(executed, export):
    folder, notebook = executed
    answered = nbformat.from_dict(notebook)
    for cell in answered.cells:
        if cell.source == "*Your answer to W2 here.*":
            cell.source = "It **predicts the mean**."
    nbformat.write(answered, folder / "my homework (2).ipynb")
    message = said(export)
    assert message.startswith("Wrote my homework (2)-written.html from my homework (2).ipynb as last saved.\n")
    assert "Not answered yet: W1, W3, W4" in message
    page = Page((folder / "my homework (2)-written.html").read_text("utf-8"))
    assert "It predicts the mean." in page.text
    assert all(f"Question W{k}" in page.text for k in range(1, 12))
    assert len(page.alternatives) == 17  # sixteen figures and the badge
    assert set(page.alternatives) >= {
        output.data["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    }
    assert "import torch" not in page.text


def test_the_export_without_a_browser_says_how_to_get_a_pdf(export):
    assert said(export).endswith(
        "No PDF, for want of a browser that prints it. "
        "If you need one, open my homework (2)-written.html and print it to PDF.\n"
    )


def test_a_browser_that_prints_nothing_leaves_the_page_and_no_old_pdf(export, executed):
    export.__globals__["BROWSERS"][:] = ["true"]
    old = executed[0] / "my homework (2)-written.pdf"
    old.write_bytes(b"of last week")
    assert "No PDF" in said(export)
    assert not old.exists()


def test_the_export_waits_for_a_notebook_that_is_saved(export):
    export.__globals__["last_shown"] = time.time() + 60
    assert said(export) == (
        "Nothing written: my homework (2).ipynb was last saved before its last figure was drawn. "
        "Save it, then run this cell again.\n"
    )


def test_the_export_without_nbconvert_shows_a_way_out(export, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbconvert", None)
    message = said(export)
    assert message.startswith("No page written (")
    assert "File > Save and Export Notebook As > HTML" in message


def test_the_export_asks_when_it_cannot_tell_which_notebook(export, executed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert said(export) == 'Which notebook? Call export_written("name of this file.ipynb").\n'
    shutil.copy(ROOT / "assignment/homework.ipynb", tmp_path / "mine.ipynb")
    shutil.copy(ROOT / "assignment/homework.ipynb", tmp_path / "copy.ipynb")
    assert said(export).startswith("Which notebook?")
    assert said(export, "mine.ipynb").startswith("Wrote mine-written.html")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "copy.ipynb"))
    assert said(export).startswith("Wrote copy-written.html")


def test_the_export_on_colab_names_its_menu(export, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert said(export) == "On Colab: File > Print, and choose PDF.\n"


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
