"""The judge's own mathematics against torch: forward pass, gradients, training, statistics."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inithw.homework.asked import HOMEWORK_SHAPES, SAME_SHAPE, draw_layers_of_a_block
from inithw.homework.records import Network
from inithw.homework.reference import data
from inithw.homework.reference.initialization import (
    FANS,
    block_statistics,
    fit_scale,
    novelty,
    remains,
)
from inithw.homework.reference.network import WIDTHS, forward, gradients, initial_gradient_norms
from inithw.homework.reference.norms import frobenius
from inithw.homework.reference.training import draw_batches, train
from torch import nn

from tests.parts import of_the_first_handout

BLOCKS, HOMEWORK = 3, HOMEWORK_SHAPES
FURTHER = draw_layers_of_a_block(np.random.default_rng(0))
SHAPES = (*HOMEWORK, *((task.fan_in, task.fan_out) for task in FURTHER))
BLOCK_SHAPES = np.broadcast_to(np.array(SHAPES, dtype=float), (BLOCKS, len(SHAPES), 2))
FAN_OF = {name: fan(*np.array(SHAPES, dtype=float).T) for name, fan in FANS.items()}


def random_weights(random, count, gain=1.4):
    return [
        (random.standard_normal((count, fan_out, fan_in)) * gain / fan_in**0.5).astype(np.float32)
        for fan_in, fan_out in HOMEWORK
    ]


def to_torch(matrices, biases, dtype=torch.float64):
    layers = []
    for matrix, bias in zip(matrices, biases, strict=True):
        linear = nn.Linear(matrix.shape[1], matrix.shape[0], dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(np.asarray(matrix)))
            linear.bias.copy_(torch.tensor(np.asarray(bias)))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def torch_gradients(model, x, y):
    loss = nn.functional.mse_loss(model(torch.tensor(x).unsqueeze(-1)).view(-1), torch.tensor(y))
    model.zero_grad()
    loss.backward()
    return [layer.weight.grad.numpy() for layer in model[::2]]


# ---------------------------------------------------------------- forward and gradients


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_forward_and_gradients_equal_torchs_on_networks_of_any_depth_and_width(hidden, seed):
    random = np.random.default_rng(seed)
    widths = [1, *hidden, 1]
    network = Network(
        tuple(random.standard_normal((o, i)) for i, o in pairwise(widths)),
        tuple(random.standard_normal(o) for o in widths[1:]),
    )
    x, y = random.uniform(-3, 3, 50), random.standard_normal(50)
    model = to_torch(network.weights, network.biases)
    with torch.no_grad():
        outputs = model(torch.tensor(x).unsqueeze(-1)).view(-1).numpy()
    np.testing.assert_allclose(forward(network, x), outputs, rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(gradients(network, x, y), torch_gradients(model, x, y), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8 * (1 + np.abs(theirs).max()))


@pytest.mark.parametrize("gain", [0.05, 1.0, 1.4, 5.0])
def test_two_inputs_give_the_gradient_norms_of_all_the_data(gain):
    weights = random_weights(np.random.default_rng(1), 20, gain)
    ours = initial_gradient_norms(weights)
    for k in range(20):
        model = to_torch([matrix[k] for matrix in weights], [np.zeros(o) for _, o in HOMEWORK])
        theirs = frobenius(torch_gradients(model, data.TRAIN_X, data.TRAIN_Y))
        np.testing.assert_allclose(ours[k], theirs, rtol=1e-9)


def test_gradient_norms_of_a_dead_network_are_zero_and_of_an_exploding_one_not_small():
    weights = random_weights(np.random.default_rng(2), 4)
    dead = [-np.abs(matrix) for matrix in weights]
    assert np.all(initial_gradient_norms(dead) == 0)
    huge = initial_gradient_norms([matrix * np.float32(1e37) for matrix in weights])
    assert not np.any(huge < 1e30)


# ---------------------------------------------------------------- training


def torch_losses(weights, batches):
    """The notebook's loop, one network at a time."""
    x, y = (torch.tensor(values, dtype=torch.float32) for values in (data.TRAIN_X, data.TRAIN_Y))
    test_x, test_y = (torch.tensor(values, dtype=torch.float32) for values in (data.TEST_X, data.TEST_Y))
    losses = []
    for k in range(len(weights[0])):
        model = to_torch([matrix[k] for matrix in weights], [np.zeros(o) for _, o in HOMEWORK], torch.float32)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for batch in batches[k]:
            loss = nn.functional.mse_loss(model(x[batch].unsqueeze(-1)).view(-1), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(nn.functional.mse_loss(model(test_x.unsqueeze(-1)).view(-1), test_y).item())
    return np.array(losses)


def test_training_ends_where_torchs_loop_ends_on_the_same_batches():
    weights = random_weights(np.random.default_rng(3), 3, gain=1.0)
    theirs = torch_losses(weights, draw_batches(3, seed=5))
    np.testing.assert_allclose(train(weights, seed=5), theirs, rtol=0.05)
    assert np.all(theirs < 0.1)  # they have learned something, so equal losses mean equal paths


def test_training_that_diverges_ends_in_infinity():
    weights = random_weights(np.random.default_rng(4), 1, gain=5.0)
    assert not np.isfinite(torch_losses(weights, draw_batches(1, seed=6))).any()
    assert np.all(train(weights, seed=6) == np.inf)


def test_a_network_trains_alike_whatever_is_trained_beside_it():
    weights = random_weights(np.random.default_rng(5), 3, gain=1.0)
    assert train([matrix[:1] for matrix in weights], 7) == pytest.approx(train(weights, 7)[:1], rel=0.05)


def test_every_epoch_of_every_network_is_a_permutation_of_its_own():
    batches = draw_batches(3, seed=0)
    assert batches.shape == (3, data.STEPS, data.BATCH_SIZE)
    flat = batches.reshape(3, -1)
    epochs = [flat[k, e * 1500 : (e + 1) * 1500] for k in range(3) for e in range(flat.shape[1] // 1500)]
    assert len(epochs) == 27
    assert all(sorted(epoch) == list(range(1500)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 27


# ---------------------------------------------------------------- statistics of weights


def blocks(random, draw):
    return [
        draw(random, (BLOCKS, 32 if index < len(WIDTHS) - 1 else 1, fan_out, fan_in))
        for index, (fan_in, fan_out) in enumerate(SHAPES)
    ]


def average_correlation(parts):
    """Mean over all pairs of different parts of their inner product, by the mean square: an oracle by brute force."""
    flat = (parts - parts.mean()).reshape(len(parts), -1)
    gram = flat @ flat.T
    return (gram.sum() - np.trace(gram)) / (len(parts) - 1) / np.trace(gram)


def nearest_cosine(rows, k):
    """Of row k and the other that has the largest."""
    others = (row for place, row in enumerate(rows) if place != k)
    return max(row @ rows[k] / np.linalg.norm(row) / np.linalg.norm(rows[k]) for row in others)


def coherence(rows, k):
    """Mean squared cosine of row k to all others but the one most like it, over what independent ones have."""
    squares = sorted((row @ rows[k]) ** 2 / (row @ row) / (rows[k] @ rows[k]) for row in np.delete(rows, k, axis=0))
    return np.mean(squares[:-1]) * rows.shape[1]


@of_the_first_handout
def test_block_statistics_equal_those_computed_pair_by_pair():
    random = np.random.default_rng(6)
    samples = blocks(random, lambda random, shape: random.standard_normal(shape) + random.standard_normal())
    samples[2] = samples[2] + 0.5 * samples[1]
    samples[1] = samples[1] + random.standard_normal(20)  # the rows have something in common, and the draws
    found = block_statistics(samples, SHAPES, SAME_SHAPE, len(HOMEWORK))
    for block in range(BLOCKS):
        here = [sample[block] for sample in samples]
        assert found.offset[block] == pytest.approx(max(abs(part.mean()) / part.std() for part in here))
        both = [*here[:5], *map(abs, here[:5])]
        assert found.draw_correlation[block] == pytest.approx(max(average_correlation(part) for part in both))
        layers = [abs(np.corrcoef(here[a].ravel(), here[b].ravel())[0, 1]) for a, b in ((1, 2), (1, 3), (2, 3))]
        assert found.layer_correlation[block] == pytest.approx(max(layers))
        matrices = [np.moveaxis(part, axis, 0) for part in here for axis in (1, 2) if part.shape[axis] > 1]
        assert found.row_correlation[block] == pytest.approx(max(average_correlation(rows) for rows in matrices))
        assert found.likeness[block] == pytest.approx(
            max(
                np.mean([nearest_cosine(rows, k) for rows in sides for k in range(len(rows))])
                for part in here[1:4]
                for sides in (part - part.mean(), (part - part.mean()).swapaxes(1, 2))
            )
        )
        assert found.coherence[block] == pytest.approx(
            max(
                min(
                    np.mean([coherence(rows, k) for rows in sides for k in range(len(rows))])
                    for sides in (part - part.mean(), (part - part.mean()).swapaxes(1, 2))
                )
                for part in here[1:4]
            )
        )
        assert found.stds[block] == pytest.approx([part.std() for part in here])


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(list(FANS)),
    st.floats(1e-3, 1e3),
    st.sampled_from([-1.0, -0.5, 0.5, 1.0]),
    st.integers(0, 2**32 - 1),
)
def test_the_law_that_made_the_scales_is_found(rule, factor, exponent, seed):
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.01, (BLOCKS, len(SHAPES))))
    law = fit_scale(factor / FAN_OF[rule] ** exponent * noise, BLOCK_SHAPES, 5, exponent)
    assert list(law.rule) == [rule] * 3
    np.testing.assert_allclose(law.factor, factor, rtol=0.03)
    assert np.all((law.spread >= law.bend) & (law.bend >= 1) & (law.spread < 1.1))
    np.testing.assert_allclose(law.exponent, exponent, atol=0.02)
    assert np.all(fit_scale(factor / FAN_OF[rule] ** exponent * noise, BLOCK_SHAPES, 5, -exponent).spread > 2)


# ---------------------------------------------------------------- copies


def hidden(random, networks=40):
    return random.standard_normal((networks, 3, 20, 20)).astype(np.float32)


def disguised(matrix, random):
    """In another order, with other signs, on another scale, perhaps transposed."""
    rows, columns = random.permutation(20), random.permutation(20)
    signs = random.choice([-1, 1], (20, 1)) * random.choice([-1, 1], (1, 20))
    changed = matrix[rows][:, columns] * signs * random.uniform(0.5, 2)
    return changed.T if random.random() < 0.5 else changed


def test_independent_matrices_are_new_and_disguised_copies_are_not():
    random = np.random.default_rng(1)
    layers = hidden(random)
    assert novelty(layers).distance.min() > 0.1
    layers[30, 1] = disguised(layers[10, 2], random)
    layers[35, 0] = disguised(layers[35, 2], random)
    found = novelty(layers)
    assert found.distance[[30, 35]].max() < 1e-3
    assert np.delete(found.distance, [30, 35]).min() > 0.1
    assert found.same_spectrum[[30, 35]].all()
    assert list(found.earlier[[30, 35]]) == [True, False]


def test_the_same_absolute_values_with_other_signs_are_no_news_but_another_matrix():
    random = np.random.default_rng(2)
    layers = hidden(random)
    layers[7, 0] = np.abs(layers[3, 1]) * random.choice([-1, 1], (20, 20))
    found = novelty(layers)
    assert found.distance[7] < 1e-3
    assert not found.same_spectrum[7]


def test_what_remains_of_old_weights_is_their_cosine():
    random = np.random.default_rng(3)
    old = [random.standard_normal((50, 20, 20)) for _ in range(3)]
    noise = [random.standard_normal((50, 20, 20)) for _ in range(3)]
    np.testing.assert_allclose(remains([-3 * layer for layer in old], old), 1)
    assert remains(noise, old).max() < 0.15
    both = [a + b for a, b in zip(old, noise, strict=True)]
    np.testing.assert_allclose(remains(both, old), 0.5**0.5, atol=0.1)
    assert np.isnan(remains([layer * np.nan for layer in old], old)).all()
