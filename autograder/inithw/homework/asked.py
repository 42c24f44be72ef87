"""What q3 asks: how many networks, which further layers, and how the answers are cut into blocks that vote."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from inithw.engine.records import FloatArray
from inithw.homework.records import InitEvidence, LayerTask
from inithw.homework.reference.data import WIDTHS

BLOCKS = 8
NETWORKS = 256
LAYER_TASKS = (
    LayerTask(64, 64, BLOCKS),
    LayerTask(32, 512, BLOCKS),
    LayerTask(512, 32, BLOCKS),
    LayerTask(16, 256, BLOCKS),
    LayerTask(256, 16, BLOCKS),
)
"""Shapes other than the homework's, most far from square: there, rules on the fans differ."""
SHAPES = (*pairwise(WIDTHS), *((task.fan_in, task.fan_out) for task in LAYER_TASKS))
"""(fan_in, fan_out) of every sample in a block: the homework's layers, then one of each task."""
HOMEWORK_LAYERS = len(WIDTHS) - 1
SAME_SHAPE = tuple(layer for layer, shape in enumerate(pairwise(WIDTHS)) if shape == (WIDTHS[1], WIDTHS[1]))
"""The homework's hidden layers, which have one shape."""


def cut_into_blocks(init: InitEvidence) -> Sequence[FloatArray]:
    """The weights of every sample in `SHAPES`, shape (BLOCKS, draws, fan_out, fan_in) each."""
    return [
        sample.weights.reshape(BLOCKS, -1, sample.fan_out, sample.fan_in) for sample in (*init.networks, *init.layers)
    ]
