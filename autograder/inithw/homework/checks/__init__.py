"""One function for each item of the rubric: returns when the claim holds, raises `Lost` with the reason when not."""

from inithw.homework.checks.initialization import (
    check_draws,
    check_gradients,
    check_scale,
    check_training,
)
from inithw.homework.checks.network import check_forward, check_layers
from inithw.homework.checks.norms import check_general, check_norms

__all__ = [
    "check_draws",
    "check_forward",
    "check_general",
    "check_gradients",
    "check_layers",
    "check_norms",
    "check_scale",
    "check_training",
]
