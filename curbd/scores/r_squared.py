"""Shares of variance that a prediction explains."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def unit_r_squared(data: Array, prediction: Array) -> Array:
    """(unit,) 1 - squared error / variance about the unit's mean, over complete bins; NaN where nothing varies."""
    both = np.isfinite(data) & np.isfinite(prediction)
    count = np.maximum(both.sum((0, 1)), 1)
    known = np.where(both, data, 0.0)
    mean = known.sum((0, 1)) / count
    spread = np.where(both, data - mean, 0.0)
    missed = np.where(both, data - prediction, 0.0)
    total = (spread**2).sum((0, 1))
    return np.where(total > 0, 1 - (missed**2).sum((0, 1)) / np.where(total > 0, total, 1), np.nan)


def r_squared(data: Array, prediction: Array) -> float:
    """1 - squared error / variance, each unit about its mean, all units pooled; NaN where nothing varies."""
    both = np.isfinite(data) & np.isfinite(prediction)
    if not both.any():
        return float("nan")
    mean = np.where(both, data, 0.0).sum((0, 1)) / np.maximum(both.sum((0, 1)), 1)
    total = float((np.where(both, data - mean, 0.0) ** 2).sum())
    missed = float((np.where(both, data - prediction, 0.0) ** 2).sum())
    return 1 - missed / total if total > 0 else float("nan")


def variance_explained(data: Array, prediction: Array) -> float:
    """The same about one grand mean, as the CURBD literature reports it (pVar)."""
    both = np.isfinite(data) & np.isfinite(prediction)
    if not both.any():
        return float("nan")
    known = data[both]
    total = float(((known - known.mean()) ** 2).sum())
    return 1 - float(((known - prediction[both]) ** 2).sum()) / total if total > 0 else float("nan")
