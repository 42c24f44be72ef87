"""The norm that q2 asks for, and what is computed instead by mistake."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inithw.engine.records import FloatArray
from inithw.homework.records import Network


def frobenius(matrices: Sequence[FloatArray]) -> FloatArray:
    """L2 norm of each matrix seen as one long vector, shape (layers,)."""
    return np.array([np.sqrt(np.sum(np.square(matrix, dtype=np.float64))) for matrix in matrices])


TOLD_APART = ("spectral", "nuclear", "squared", "l1", "max", "running_total", "running_norm", "global_total")
"""Wrong quantities that can come close to the right one in every layer at once: networks are drawn so that these do
not. The others, which are only named, could do so by chance alone."""


def wrong_norms(network: Network, weight_gradients: Sequence[FloatArray]) -> dict[str, FloatArray]:
    """What a mistaken answer prints instead, by name; shape (layers,) each."""
    right = frobenius(weight_gradients)
    singular = [np.linalg.svd(gradient, compute_uv=False) for gradient in weight_gradients]
    absolute = [np.abs(gradient) for gradient in weight_gradients]
    return {
        "spectral": np.array([values[0] for values in singular]),
        "nuclear": np.array([values.sum() for values in singular]),
        "squared": right**2,
        "l1": np.array([values.sum() for values in absolute]),
        "max": np.array([values.max() for values in absolute]),
        "sum": np.array([gradient.sum() for gradient in weight_gradients]),
        "mean": np.array([gradient.mean() for gradient in weight_gradients]),
        "mean_abs": np.array([values.mean() for values in absolute]),
        "std": np.array([gradient.std(ddof=1) for gradient in weight_gradients]),
        "rms": np.array([np.sqrt(np.mean(gradient**2)) for gradient in weight_gradients]),
        "parameter": frobenius(network.weights),
        "running_total": np.cumsum(right),
        "running_norm": np.sqrt(np.cumsum(right**2)),
        "global_total": np.full(len(right), np.sqrt(np.sum(right**2))),
    }


def norms_with_biases(
    weight_gradients: Sequence[FloatArray], bias_gradients: Sequence[FloatArray]
) -> dict[str, FloatArray]:
    """What an answer prints that takes the biases for the weights, or adds them; shape (layers,) each."""
    biases = frobenius(bias_gradients)
    return {"bias": biases, "with_bias": np.hypot(frobenius(weight_gradients), biases)}


def other_norms(weight_gradients: Sequence[FloatArray]) -> dict[str, FloatArray]:
    """Further norms that nobody prints by mistake, but who leaves the choice to others; shape (layers,) each."""
    absolute = [np.abs(gradient) for gradient in weight_gradients]
    largest = [np.maximum(values.max(), np.finfo(float).tiny) for values in absolute]
    return {
        **{
            f"p = {p:g}": np.array(
                [m * np.sum((a / m) ** p) ** (1 / p) for a, m in zip(absolute, largest, strict=True)]
            )
            for p in (0.5, 1.5, 3, 4, 5)
        },
        "sum over the rows' norms": np.array([np.linalg.norm(of, axis=1).sum() for of in weight_gradients]),
        "mean of the rows' norms": np.array([np.linalg.norm(of, axis=1).mean() for of in weight_gradients]),
        "largest row": np.array([values.sum(axis=1).max() for values in absolute]),
        "largest column": np.array([values.sum(axis=0).max() for values in absolute]),
        "l1 over the root of the size": np.array([values.sum() / np.sqrt(values.size) for values in absolute]),
    }
