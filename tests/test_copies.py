"""Numbers that come again are found exactly, and fresh ones, grids and coarse number formats are none."""

import numpy as np
import pytest
import torch
from inithw.homework.drawing import in_pairs, normal, orthogonal, shuffled_grid, truncated, uniform
from inithw.homework.reference.copies import (
    drawn_before,
    numbers_again,
    repeats,
    very_values_kept,
)
from inithw.homework.reference.initialization import kept_direction


@pytest.mark.parametrize("draw", [normal, uniform, truncated, orthogonal, in_pairs, shuffled_grid])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_fresh_numbers_and_grids_are_no_others_numbers_again(draw, scale):
    hidden = scale * draw(np.random.default_rng(1), (5 * 3, 20, 20)).reshape(5, 3, 20, 20)
    assert max(numbers_again(hidden)) < 0.1
    assert repeats(hidden) == (pytest.approx(0, abs=0.05), 0)
    assert drawn_before(hidden[:, 0]) == 0


@pytest.mark.parametrize("draw", [normal, uniform, orthogonal])
def test_numbers_in_another_order_with_other_signs_and_sizes_are_the_same_again(draw):
    random = np.random.default_rng(2)

    def mixed(layer):
        return (
            random.permutation(layer.ravel()).reshape(20, 20) * random.choice([-1, 1], (20, 20)) * random.uniform(1, 2)
        )

    first, *fresh = (draw(random, (3, 20, 20)) for _ in range(6))
    again = np.array([first, *([mixed(first[2]), one[0], one[1]] for one in fresh)])
    assert numbers_again(again.astype(np.float32)) == pytest.approx((1, 0), abs=0.1)
    within = np.array([first, *([one[0], mixed(one[0]), one[1]] for one in fresh)])
    assert numbers_again(within.astype(np.float32)) == pytest.approx((0, 1), abs=0.1)


@pytest.mark.parametrize("form", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_coarse_number_formats_repeat_no_more_numbers_than_they_must(form):
    hidden = normal(np.random.default_rng(3), (15, 20, 20)).reshape(5, 3, 20, 20)
    coarse = torch.from_numpy(hidden).to(form).float().numpy()
    share, rows = repeats(coarse)
    assert share < 0.5
    assert rows == 0
    assert max(numbers_again(coarse)) < 0.4


@pytest.mark.parametrize("decimals", [1, 2])
def test_rounded_numbers_are_regular(decimals):
    hidden = normal(np.random.default_rng(4), (15, 20, 20)).reshape(5, 3, 20, 20).round(decimals)
    assert repeats(hidden)[0] == 0


def test_equal_rows_and_columns_are_counted_and_opposite_ones_are_none():
    random = np.random.default_rng(5)
    hidden = random.standard_normal((4, 3, 20, 20))
    hidden[:, 1, 6:9] = hidden[:, 1, :3]
    assert repeats(hidden) == (pytest.approx(6 / 20), 6)
    assert repeats(hidden.swapaxes(2, 3)) == (pytest.approx(6 / 20), 6)
    hidden[:, 1, 6:9] *= -1
    assert repeats(hidden) == (0, 0)


def test_numbers_from_a_short_list_stand_there_more_than_once_and_zeros_do_not_count():
    random = np.random.default_rng(6)
    listed = random.standard_normal(80)[random.integers(0, 80, (4, 3, 20, 20))]
    assert repeats(listed)[0] > 0.9
    assert repeats(random.standard_normal((4, 3, 20, 20)) * (random.random((4, 3, 20, 20)) < 0.1))[0] == 0


def test_a_bank_of_layers_is_one_whatever_order_signs_and_scale():
    random = np.random.default_rng(7)
    bank = random.standard_normal((8, 20, 1))
    drawn = np.array([random.permutation(bank[k % 8]) * random.choice([-1, 1], (20, 1)) * (1 + k) for k in range(64)])
    assert drawn_before(drawn) == pytest.approx(1 - 8 / 64)
    assert drawn_before(random.choice([-1.0, 1.0], (64, 20, 1))) == 0
    assert drawn_before(random.permuted(np.broadcast_to(np.linspace(-1, 1, 20), (64, 20)), axis=1)[..., None]) == 0


def test_what_is_kept_of_old_weights_is_measured_by_direction_and_by_number():
    random = np.random.default_rng(8)
    old = random.standard_normal((20, 1))
    fresh = random.standard_normal((32, 20, 1))
    assert kept_direction(fresh, old) < 0.2
    assert kept_direction(np.abs(fresh) * np.sign(old), old) > 0.55
    assert kept_direction(-np.abs(fresh) * np.sign(old), old) > 0.55
    assert np.all(very_values_kept(random.permuted(np.broadcast_to(-old, (32, 20, 1)), axis=1), old) == 1)
    assert np.all(very_values_kept(fresh, old) == 0)
