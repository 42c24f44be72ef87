"""Every generator that can be seeded is seeded: the same file gets the same verdict every time.

What cannot be: the clock, addresses in memory, the order in which threads run, and /dev/urandom read as a file.
"""

from __future__ import annotations

import _random
import os
import random
from typing import Any

import numpy as np
import torch

_entropy = _random.Random(0)  # not `random.Random`, which a cell may replace
_seed_of_instance = random.Random.seed
_generator = torch.default_generator  # torch.manual_seed looks for GPUs, which takes longer than a network


def install() -> None:
    """Give generators that nobody seeds their seeds from a known stream instead of the system's; for good."""
    vars(os).update(urandom=_urandom, getrandom=lambda size, flags=0: _urandom(size))
    vars(random).update(_urandom=_urandom)  # SystemRandom, and by it the module `secrets`
    random.Random.seed = _seed  # type: ignore[method-assign]
    random.seed = random._inst.seed
    vars(np.random.bit_generator).update(randbits=_entropy.getrandbits)  # default_rng(), RandomState(), seed()
    torch.seed = torch.random.seed = lambda: int(torch.manual_seed(_entropy.getrandbits(63)).initial_seed())


def seed_all(seed: int) -> None:
    """Seed the stream, and every generator that a notebook shares with its libraries."""
    _entropy.seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    _generator.manual_seed(seed)


def _urandom(size: int) -> bytes:
    return _entropy.getrandbits(8 * size).to_bytes(size, "little") if size else b""


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    _seed_of_instance(self, _entropy.getrandbits(128) if a is None else a, version)
