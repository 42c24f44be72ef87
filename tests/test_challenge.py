"""A challenge is repeatable, unpredictable without the key, and tells right answers from wrong ones."""

import hashlib

import numpy as np
import pytest
import torch
from inithw.engine.archive import _encode
from inithw.engine.records import Submission
from inithw.homework import challenge as module_under_test
from inithw.homework.challenge import LARGEST_NORM, MOST_TRIES, SMALLEST_NORM, ChallengeError, draw_challenge
from inithw.homework.reference import norms
from inithw.homework.reference.data import TRAIN_X
from inithw.homework.reference.network import gradients
from inithw.homework.reference.norms import frobenius

from tests.autograd import differentiated


def draw(key=b"key", digest="0" * 64, name="s"):
    return draw_challenge(key, Submission(name, (), digest))


def fingerprint(challenge):
    arrays = {}
    tree = _encode(challenge, arrays)
    digest = hashlib.sha256(repr(tree).encode())
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def test_the_same_key_and_code_give_the_same_challenge_whatever_the_file_is_called():
    assert fingerprint(draw(name="a.ipynb")) == fingerprint(draw(name="b.ipynb"))


def test_another_key_or_other_code_changes_every_part():
    first = draw()
    for other in (draw(key=b"other"), draw(digest="1" * 64)):
        assert not np.array_equal(first.forward.inputs, other.forward.inputs)
        for a, b in zip(first.norms, other.norms, strict=True):
            assert not np.array_equal(a.network.weights[0], b.network.weights[0])
        assert first.worker_seed != other.worker_seed
        assert first.judge_seed != other.judge_seed


@pytest.mark.parametrize("key", [b"a", b"b", b"c", b"d", b"e"])
def test_in_float32_the_norms_come_out_to_four_digits_and_wrong_ones_clearly_differ(key):
    for task in draw(key).norms:
        matrices = [weight.grad for weight in differentiated(task, torch.float32)[0]]  # as a student computes them
        norms = np.array([float(g.norm()) for g in matrices])
        right = frobenius(gradients(task.network, task.x, task.y))
        np.testing.assert_allclose(norms, right, rtol=1e-4)
        assert norms.min() >= SMALLEST_NORM * 0.999
        assert norms.max() <= LARGEST_NORM * 1.001
        if len(matrices) > 2:
            spectral = np.array([float(torch.linalg.matrix_norm(g, 2)) for g in matrices])
            assert np.max(np.abs(spectral / norms - 1)) > 0.04


@pytest.fixture
def tries(monkeypatch):
    """Networks drawn for q2."""
    drawn, real = [], module_under_test._draw_rugged

    def counted(random, widths, *data):
        drawn.append(widths)
        return real(random, widths, *data)

    monkeypatch.setattr(module_under_test, "_draw_rugged", counted)
    return drawn


def test_most_networks_are_accepted_at_once(tries):
    for number in range(20):
        draw(digest=f"{number:064}")
    assert len(tries) < 2 * 6 * 20


def test_naming_one_more_mistake_makes_no_draw_longer(tries, monkeypatch):
    draw()
    before, known = len(tries), norms.wrong_norms

    def one_more(network, weight_gradients):
        total = [g + w for g, w in zip(weight_gradients, network.weights, strict=True)]
        return known(network, weight_gradients) | {"parameter_plus_gradient": frobenius(total)}

    monkeypatch.setattr(norms, "wrong_norms", one_more)
    monkeypatch.setattr(module_under_test, "wrong_norms", one_more)
    draw()
    assert len(tries) == 2 * before


def test_a_quantity_that_no_network_tells_apart_is_named_instead_of_drawing_for_ever(tries, monkeypatch):
    known = norms.wrong_norms
    monkeypatch.setattr(
        module_under_test, "wrong_norms", lambda *given: known(*given) | {"spectral": frobenius(given[1])}
    )
    with pytest.raises(ChallengeError, match="'spectral'"):
        draw()
    assert len(tries) == MOST_TRIES


def test_no_preactivation_is_so_close_to_zero_that_float32_takes_the_other_side():
    for task in draw().norms:
        activations = np.concatenate([task.x, TRAIN_X])[:, None]  # both count
        for weights, bias in zip(task.network.weights[:-1], task.network.biases[:-1], strict=True):
            preactivations = activations @ weights.T.astype(float) + bias
            terms = np.abs(activations) @ np.abs(weights.T.astype(float)) + np.abs(bias)
            assert np.all(np.abs(preactivations) > module_under_test.KINK_MARGIN * terms)
            activations = np.maximum(preactivations, 0)


def test_the_networks_have_the_promised_shapes():
    norms = draw().norms
    assert [len(task.network.weights) for task in norms if task.item == "q2.norms"] == [5, 5, 5]
    assert sorted(len(task.network.weights) for task in norms if task.item == "q2.general") == [2, 4, 6]


def test_the_inputs_of_q1_reach_far_outside_and_to_both_signs():
    inputs = draw().forward.inputs
    assert inputs.min() < -50
    assert inputs.max() > 50
    assert np.sum(np.abs(inputs) <= 1) >= 64
