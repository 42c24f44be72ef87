"""What q3 asks: how many networks, which further layers, and how the answers are cut into blocks that vote."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.records import InitEvidence, LayerTask
from inithw.homework.reference.data import WIDTHS
from inithw.homework.reference.initialization import Shapes

BLOCKS = 8
NETWORKS = 256
RESTARTED = 64
"""Further networks, whose weights are not NaN before `better_init`: nothing of them may remain."""
ONES, STARTED = slice(0, None, 2), slice(1, None, 2)
"""Those of them that had ones before, and those that had the challenge's `start`."""
SHAPE_RANGES = (
    ((8, 24), (8, 24)),
    ((24, 64), (24, 64)),
    ((80, 128), (80, 128)),
    ((8, 24), (256, 640)),
    ((256, 640), (8, 24)),
    ((8, 16), (500, 1000)),
    ((500, 1000), (8, 16)),
    ((16, 48), (96, 256)),
    ((96, 256), (16, 48)),
)
"""In which fan_in and fan_out of a block's further layers are drawn: small and large under every meaning of fan."""
FEWEST_WEIGHTS = 4096
"""Of each shape: small layers are drawn several times, so that their standard deviation is known well enough."""
HOMEWORK_SHAPES = tuple(pairwise(WIDTHS))
SAME_SHAPE = tuple(layer for layer, (fan_in, fan_out) in enumerate(HOMEWORK_SHAPES) if fan_in == fan_out)
"""The homework's hidden layers, which have one shape."""


def draw_layers_of_a_block(random: np.random.Generator) -> tuple[LayerTask, ...]:
    """The further layers of one block. Only `random()` is used: its values are alike on every platform."""

    def between(low: int, high: int) -> int:
        return round(math.exp(math.log(low) + float(random.random()) * math.log(high / low)))

    shapes = [(between(*fan_in), between(*fan_out)) for fan_in, fan_out in SHAPE_RANGES]
    return tuple(LayerTask(i, o, draws=math.ceil(FEWEST_WEIGHTS / (i * o))) for i, o in shapes)


def cut_into_blocks(init: InitEvidence) -> Iterator[tuple[list[FloatArray], Shapes]]:
    """Weights and shapes of every block: the homework's layers, then the further ones.

    Yields:
        Arrays of shape (1, draws, fan_out, fan_in), and their (fan_in, fan_out).
    """
    networks = [sample.weights.reshape(BLOCKS, 1, -1, sample.fan_out, sample.fan_in) for sample in init.networks]
    for block in range(BLOCKS):
        further = init.layers[block * len(SHAPE_RANGES) : (block + 1) * len(SHAPE_RANGES)]
        samples = [layer[block] for layer in networks] + [sample.weights[None] for sample in further]
        yield samples, (*HOMEWORK_SHAPES, *((sample.fan_in, sample.fan_out) for sample in further))
