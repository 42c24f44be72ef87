"""Names the quantity that was printed in place of the L2 norm of each weight gradient."""

from __future__ import annotations

from inithw.diagnosis import Mistake

_ENTRIES = "The L2 norm of a matrix is that of one long vector holding all its entries."
_MISTAKES = {
    "spectral": Mistake(
        "q2.spectral",
        "the spectral norm (largest singular value) of each gradient",
        f"{_ENTRIES} Look up what `ord=2` means for a matrix in the function that you call.",
    ),
    "squared": Mistake(
        "q2.squared",
        "the square of each norm",
        "Compare with the definition of the L2 norm: which last step is missing?",
    ),
    "parameter": Mistake(
        "q2.parameter",
        "the norm of each weight matrix itself",
        "After loss.backward(), where does PyTorch keep the gradient of a parameter?",
    ),
    "mean": Mistake(
        "q2.mean", "a mean over the entries of each gradient", "A norm adds up contributions; it does not average."
    ),
    "l1": Mistake(
        "q2.l1", "the L1 norm (sum of absolute values) of each gradient", "Which power of the entries belongs to L2?"
    ),
    "max": Mistake("q2.max", "the largest entry of each gradient", _ENTRIES),
    "rms": Mistake(
        "q2.rms",
        "the root mean square of each gradient's entries",
        "Compare with the definition of the L2 norm: does it depend on the number of entries?",
    ),
    "running_total": Mistake(
        "q2.running_total",
        "a running total over the layers",
        "Each weight matrix has a norm of its own: what is carried over from one turn of the loop to the next?",
    ),
    "global_total": Mistake(
        "q2.global_total",
        "one norm over the gradients of all layers together",
        "Each weight matrix has a norm of its own.",
    ),
    "nuclear": Mistake(
        "q2.nuclear",
        "the nuclear norm (sum of singular values) of each gradient",
        f"{_ENTRIES} Look up which norm your function computes for a matrix.",
    ),
}
