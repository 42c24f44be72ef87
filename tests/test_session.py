"""The worker's side of the dialogue, without walls: what it sends for each question, and when it cannot."""

import contextlib
import os
import socket
import time
import warnings

import numpy as np
import pytest
import torch
from inithw.engine import wire
from inithw.engine.worker.__main__ import import_usual
from inithw.engine.worker.session import Session
from inithw.engine.worker.shell import GradingShell
from inithw.homework.worker import answers
from inithw.homework.worker.answers import build
from torch import nn

import_usual()

WIDTHS = [1, 20, 20, 20, 20, 1]
SETUP = "import numpy as np, torch, torch.nn as nn\ntrain_x, train_y = np.linspace(-1, 1, 1500), np.ones(1500)\n"
LAYERS = "[layer for pair in zip([1] + [20] * 3, [20] * 4) for layer in (nn.Linear(*pair), nn.ReLU())]"


class Peer:
    """Plays the judge for a session in a forked process."""

    def __init__(self):
        self.connection, far = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self.connection.close()
            with contextlib.suppress(BaseException):
                warnings.resetwarnings()  # pytest makes them errors, which a worker does not
                Session(GradingShell.instance(), far, answers).run()
            os._exit(0)
        far.close()

    def close(self):
        self.connection.close()
        os.waitpid(self.pid, 0)

    def ask(self, ask, *arrays, **details):
        shapes = [list(array.shape) for array in arrays]
        wire.send_json(
            self.connection,
            {"ask": ask, "token": "t", "seconds": 5, "patience": 600, "shapes": shapes, "number": 1, **details},
        )
        wire.send_floats(self.connection, *arrays)
        while "at" in (reply := wire.receive_json(self.connection, 1 << 20, time.monotonic() + 600)):
            continue
        assert reply.pop("token") == "t"
        return reply

    def run(self, *sources):
        for number, source in enumerate(sources, 1):
            yield self.ask("cell", number=number, source=source)

    def floats(self, *shapes):
        return wire.receive_floats(self.connection, *shapes, deadline=time.monotonic() + 600)


@pytest.fixture
def peer():
    peer = Peer()
    yield peer
    peer.close()


def drawn(widths):
    network = build(widths, torch.float32)
    for layer in network[::2]:
        layer.reset_parameters()
    return network


def weights_of(network):
    return [parameter.detach().numpy() for parameter in network.parameters()]


def assert_response(peer, network, inputs):
    """What comes next are the network's outputs, and gradients by its weights and biases."""
    expected = network(torch.from_numpy(inputs)[:, None])[:, 0]
    (expected / (1 + torch.from_numpy(inputs).abs())).square().mean().backward()
    outputs, *gradients = peer.floats((len(inputs),), *(parameter.shape for parameter in network.parameters()))
    np.testing.assert_allclose(outputs, expected.detach().numpy(), rtol=1e-6)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        np.testing.assert_allclose(gradient, parameter.grad.numpy(), rtol=1e-5, atol=1e-9)


def test_the_model_is_evaluated_with_the_judges_weights(peer):
    list(peer.run(SETUP, f"model = nn.Sequential(*{LAYERS}, nn.Linear(20, 1))\nassert len(model) == 9"))
    network, inputs = drawn(WIDTHS), np.linspace(-5, 5, 11, dtype=np.float32)
    reply = peer.ask("model", *weights_of(network), inputs, networks=1)
    assert (reply["variable"], reply["parameters"], len(reply["children"])) == ("model", 1321, 9)
    assert_response(peer, network, inputs)


def test_a_scripted_model_is_evaluated_too(peer):
    list(
        peer.run(SETUP, f"model = torch.jit.script(nn.Sequential(*{LAYERS}, nn.Linear(20, 1)))\nassert len(model) == 9")
    )
    network, inputs = drawn(WIDTHS), np.linspace(-5, 5, 11, dtype=np.float32)
    assert peer.ask("model", *weights_of(network), inputs, networks=1)["outputs"] is True
    assert_response(peer, network, inputs)


def test_a_model_of_other_shapes_is_described_but_not_evaluated(peer):
    list(peer.run(SETUP, "model = nn.Sequential(nn.Linear(1, 7), nn.Tanh())\nassert len(model) == 9"))
    reply = peer.ask("model", *weights_of(drawn(WIDTHS)), np.zeros(3, np.float32), networks=1)
    assert [child["kind"] for child in reply["children"]] == ["Linear", "Tanh"]
    assert reply["outputs"] is False
    assert "shapes" in reply["reason"]


@pytest.mark.parametrize(
    ("cell", "state", "said"),
    [
        ("raise NotImplementedError('q1 is not answered yet')", "not answered", "no network"),
        ("model = nn.Sequential(NotImplementedError())", "not answered", "no network"),
        ("model = nn.Sequential(nn.Linear(1, undefined))", "not reached", "code cell 2 stopped: NameError"),
        ("model = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 1))", "not answered", "no network"),
    ],
)
def test_a_missing_model_is_open_or_not_reached(peer, cell, state, said):
    list(peer.run(SETUP, cell))
    reply = peer.ask("model", *weights_of(drawn(WIDTHS)), np.zeros(3, np.float32), networks=1)
    assert reply["unavailable"] == state
    assert said in reply["reason"]


def test_print_gnorms_sees_the_judges_network_and_data_and_the_notebook_gets_its_own_back(peer):
    function = (
        "def print_gnorms(model):\n    print(len(model), train_x.sum(), train_y.mean(), model[0].weight.sum().item())"
    )
    list(peer.run(SETUP, function))
    network = drawn([1, 3, 1])
    x, y = np.full(1500, 2.0, np.float32), np.full(1500, 3.0, np.float32)
    reply = peer.ask("norms", *weights_of(network), x, y, widths=[1, 3, 1])
    assert reply["text"].split()[:3] == ["3", "3000.0", "3.0"]
    assert float(reply["text"].split()[3]) == pytest.approx(network[0].weight.sum().item(), rel=1e-6)
    (after,) = peer.run("assert train_y.mean() == 1.0 and abs(train_x.sum()) < 1e-9")
    assert after["error"] == ""


@pytest.mark.parametrize(
    "made",
    [
        "torch.from_numpy(train_x).float()",
        "torch.from_numpy(train_x).float().unsqueeze(-1)",
        "torch.tensor(train_x, requires_grad=True)",
        "train_x.reshape(-1, 1).astype(np.float32)",
    ],
)
def test_data_that_the_student_turned_into_a_tensor_or_a_column_stays_one(peer, made):
    shown = "print(type(train_x).__name__, train_x.shape, float(train_x.sum()))"
    list(peer.run(SETUP, f"train_x = {made}\nbefore = train_x", f"def print_gnorms(model):\n    {shown}"))
    reply = peer.ask("norms", *weights_of(drawn([1, 2, 1])), np.full(1500, 2.0), np.ones(1500), widths=[1, 2, 1])
    assert reply["text"].endswith(" 3000.0\n")
    assert ("(1500, 1)" if "1)" in made else "1500") in reply["text"].replace("[", "(").replace("]", ")")
    assert reply["text"].startswith("Tensor" if "torch" in made else "ndarray")
    (after,) = peer.run("assert train_x is before and abs(float(train_x.sum())) < 1e-3")
    assert after["error"] == ""


def test_data_that_the_notebook_never_made_is_lent_for_the_call(peer):
    list(peer.run("def print_gnorms(model):\n    print(train_x.shape, train_y.shape)"))
    reply = peer.ask("norms", *weights_of(drawn([1, 2, 1])), np.ones(1500), np.ones(1500), widths=[1, 2, 1])
    assert reply["text"] == "(1500,) (1500,)\n"


@pytest.mark.parametrize(
    ("cells", "state", "said"),
    [
        ([], "not answered", "no function print_gnorms"),
        (
            ["def print_gnorms(model):\n    raise NotImplementedError('q2 is not answered yet')"],
            "not answered",
            "open TODO",
        ),
        (["def print_gnorms(model):\n    return model.nothing"], "not reached", "print_gnorms raised AttributeError"),
        (
            ["import pandas\ndef print_gnorms(model):\n    print(pandas.DataFrame({'a': [1]}).to_markdown())"],
            "not reached",
            "print_gnorms stopped: tabulate is needed, which the grading machine does not have",
        ),
        (["def print_gnorms(model):\n    gnorm = ?"], "not answered", "open TODO"),
        (["def print_gnorms(model):\n    x = (1"], "not reached", "code cell 1, which defines print_gnorms"),
        (
            ["raise NotImplementedError('q2 is not answered yet')\ndef print_gnorms(model): pass"],
            "not answered",
            "open",
        ),
    ],
)
def test_missing_norms_are_open_or_not_reached(peer, cells, state, said):
    list(peer.run(*cells))
    reply = peer.ask("norms", *weights_of(drawn([1, 2, 1])), np.ones(1500), np.ones(1500), widths=[1, 2, 1])
    assert reply["unavailable"] == state
    assert said in reply["reason"]


INPUTS = np.linspace(-3, 3, 7, dtype=np.float32)
START = [np.full(shape, 7, np.float32) for shape in ((4, 1), (4,), (1, 4), (1,))]


def ask_init(peer, networks=4):
    """Layers, networks, and those that started from ones and from START in turn."""
    details = {"layers": [[3, 2, 2]], "networks": networks, "restarted": 2, "widths": [1, 4, 1], "seed": 5}
    reply = peer.ask("init", *START, INPUTS, **details)
    if "unavailable" in reply:
        return reply, None
    *values, _outputs, peer.gradients = peer.floats((2, 8), (networks, 13), (2, 13), INPUTS.shape, (13,))
    return reply, values


def test_better_init_is_called_on_nan_and_draws_anew_every_time_from_generators_seeded_once(peer):
    function = (
        "def better_init(module):\n    if isinstance(module, nn.Linear):\n"
        "        assert torch.isnan(module.weight).all() or (module.weight.unique() in (1, 7))\n"
        "        nn.init.normal_(module.weight)\n        nn.init.zeros_(module.bias)"
    )
    list(peer.run(SETUP, function))
    reply, (layers, drawn, restarted) = ask_init(peer)
    assert reply == {"forward_error": ""}
    assert np.isfinite(drawn).all()
    assert not np.array_equal(layers[0], layers[1])
    assert not np.array_equal(drawn[0], drawn[1])
    assert not restarted[:, [4, 5, 6, 7, 12]].any()
    _again, (_layers, repeated, _restarted) = ask_init(peer)
    assert np.array_equal(drawn, repeated)


def test_a_generator_that_better_init_puts_back_gives_the_same_network_again(peer):
    function = (
        "def better_init(module):\n    if isinstance(module, nn.Sequential):\n"
        "        with torch.random.fork_rng():\n"
        "            for layer in module:\n"
        "                if isinstance(layer, nn.Linear):\n"
        "                    nn.init.normal_(layer.weight)\n                    nn.init.zeros_(layer.bias)"
    )
    list(peer.run(SETUP, function))
    _reply, (_layers, drawn, _restarted) = ask_init(peer)
    assert np.array_equal(drawn[0], drawn[1])


def test_doing_nothing_leaves_nan_and_rescaling_shows_on_networks_that_had_weights(peer):
    list(
        peer.run(
            SETUP, "def better_init(module):\n    if isinstance(module, nn.Linear):\n        module.weight.data *= 3"
        )
    )
    _reply, (layers, drawn, restarted) = ask_init(peer)
    assert np.isnan(layers).all()
    assert np.isnan(drawn).all()
    assert (restarted[0, :4] == 3).all()
    assert (restarted[1, :4] == 21).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "state", "said"),
    [
        ("raise NotImplementedError('q3 is not answered yet')", "not answered", "open TODO"),
        ("1 / 0", "not reached", "better_init raised ZeroDivisionError"),
        (
            "module.weight = nn.Parameter(torch.zeros(7, 7)) if hasattr(module, 'weight') else None",
            "not reached",
            "changed the shape",
        ),
        ("while True: pass", "not reached", "took longer"),
    ],
)
def test_a_failing_better_init_says_why(peer, body, state, said):
    list(peer.run(SETUP, f"def better_init(module):\n    {body}"))
    reply, _values = ask_init(peer)
    assert reply["unavailable"] == state
    assert said in reply["reason"]


def test_weights_with_which_the_network_cannot_run_are_reported(peer):
    function = (
        "def better_init(module):\n    if isinstance(module, nn.Linear):\n"
        "        module.weight = nn.Parameter(torch.randn(module.weight.shape, dtype=torch.float64))\n"
        "        nn.init.zeros_(module.bias)"
    )
    list(peer.run(SETUP, function))
    reply, _values = ask_init(peer)
    assert "RuntimeError" in reply["forward_error"]


def test_weights_that_cannot_be_trained_get_no_gradient(peer):
    draws = "nn.init.normal_(module.weight); nn.init.zeros_(module.bias)"
    statement = "module.weight.requires_grad_(False)"
    list(
        peer.run(
            SETUP, f"def better_init(module):\n    if isinstance(module, nn.Linear):\n        {draws}; {statement}"
        )
    )
    reply, (_layers, drawn, _restarted) = ask_init(peer)
    assert reply == {"forward_error": ""}
    first, first_bias, second, second_bias = np.split(peer.gradients, [4, 8, 12])
    assert not first.any()
    assert not second.any()
    assert first_bias.any()
    assert second_bias.any()
    assert np.isfinite(drawn).all()


def test_layers_that_better_init_puts_into_the_network_are_read(peer):
    function = (
        "def better_init(module):\n    for name, child in module.named_children():\n"
        "        if isinstance(child, nn.Linear):\n"
        "            setattr(module, name, nn.Linear(child.in_features, child.out_features))"
    )
    list(peer.run(SETUP, function))
    reply, (_layers, drawn, _restarted) = ask_init(peer)
    assert reply == {"forward_error": ""}
    assert np.isfinite(drawn).all()


def test_the_judges_oracle_builds_the_homeworks_network():
    assert [type(layer).__name__ for layer in build(WIDTHS, torch.float32)] == ["Linear", "ReLU"] * 4 + ["Linear"]
    assert isinstance(build([1, 2, 1], torch.float32), nn.Sequential)
