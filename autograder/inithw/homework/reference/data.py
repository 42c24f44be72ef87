"""The homework's constants and data, made as the notebook makes them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.term import TERM

_DATA, _TRAINING = TERM.data, TERM.training
WIDTHS = (1, *[TERM.network.width] * TERM.network.hidden_layers, 1)
"""Inputs of the network, then the outputs of every layer."""
PARAMETERS = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(WIDTHS))
TRAIN_N, TEST_N, NOISE = _DATA.train, _DATA.test, _DATA.noise
LEARNING_RATE, MOMENTUM = _TRAINING.learning_rate, _TRAINING.momentum
BATCH_SIZE = _TRAINING.batch_size
STEPS = int(TRAIN_N / BATCH_SIZE * _TRAINING.epochs)
FUNCTION_SEED, DATA_SEED = _DATA.function_seed, _DATA.data_seed

F_TRUE_PARAMS: FloatArray = np.random.RandomState(FUNCTION_SEED).rand(_DATA.frequencies) * 2.0 - 1.0


def f_true(x: FloatArray) -> FloatArray:
    """The function to learn, a superposition of sine waves; x and result have shape (n,)."""
    frequencies = np.arange(len(F_TRUE_PARAMS)) * np.pi
    return np.sin(x[:, None] * frequencies) @ F_TRUE_PARAMS


def training_data(seed: int) -> tuple[FloatArray, FloatArray]:
    """Inputs and noisy targets, shape (n,) each."""
    random = np.random.RandomState(seed)
    x = random.uniform(low=-1.0, high=1.0, size=TRAIN_N)
    return x, f_true(x) + random.randn(TRAIN_N) * NOISE


TRAIN_X, TRAIN_Y = training_data(DATA_SEED)
TEST_X = np.linspace(-1, 1, TEST_N)
TEST_Y = f_true(TEST_X)
