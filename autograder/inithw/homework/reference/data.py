"""The homework's constants and data, made as the notebook makes them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from inithw.engine.records import FloatArray

WIDTHS = (1, 20, 20, 20, 20, 1)
PARAMETERS = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(WIDTHS))
TRAIN_N, TEST_N, NOISE = 1500, 500, 0.1
LEARNING_RATE, MOMENTUM, BATCH_SIZE, STEPS = 0.1, 0.9, 32, 468
FUNCTION_SEED, DATA_SEED = 0, 10

F_TRUE_PARAMS: FloatArray = np.random.RandomState(FUNCTION_SEED).rand(5) * 2.0 - 1.0


def f_true(x: FloatArray) -> FloatArray:
    """The function to learn, a superposition of sine waves; x and result have shape (n,)."""
    frequencies = np.arange(len(F_TRUE_PARAMS)) * np.pi
    return np.sin(x[:, None] * frequencies) @ F_TRUE_PARAMS


def _training_data() -> tuple[FloatArray, FloatArray]:
    random = np.random.RandomState(DATA_SEED)
    x = random.uniform(low=-1.0, high=1.0, size=TRAIN_N)
    return x, f_true(x) + random.randn(TRAIN_N) * NOISE


TRAIN_X, TRAIN_Y = _training_data()
TEST_X = np.linspace(-1, 1, TEST_N)
TEST_Y = f_true(TEST_X)
