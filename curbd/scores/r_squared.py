"""R2: the share of variance that a prediction explains."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def unit_r_squared(data: Array, prediction: Array) -> Array:
    """Return the R2 of every unit: 1 - squared error / variance about the unit's mean.

    Parameters
    ----------
    data, prediction : (trial, time, unit) values. Bins in which either is NaN are left out for the unit.

    Returns
    -------
    (unit,) R2; NaN if the data of a unit do not vary.
    """
    both = np.isfinite(data) & np.isfinite(prediction)
    count = np.maximum(both.sum((0, 1)), 1)
    mean = np.where(both, data, 0.0).sum((0, 1)) / count
    deviation = np.where(both, data - mean, 0.0)
    error = np.where(both, data - prediction, 0.0)
    total = (deviation**2).sum((0, 1))
    return np.where(total > 0, 1 - (error**2).sum((0, 1)) / np.where(total > 0, total, 1), np.nan)


def r_squared(data: Array, prediction: Array) -> float:
    """Return the R2 of all units together: 1 - squared error / variance, each unit about its own mean.

    Parameters
    ----------
    data, prediction : (trial, time, unit) values. Bins in which either is NaN are left out for the unit.

    Returns
    -------
    R2; NaN if the data do not vary.
    """
    both = np.isfinite(data) & np.isfinite(prediction)
    if not both.any():
        return float("nan")
    mean = np.where(both, data, 0.0).sum((0, 1)) / np.maximum(both.sum((0, 1)), 1)
    total = float((np.where(both, data - mean, 0.0) ** 2).sum())
    squared_error = float((np.where(both, data - prediction, 0.0) ** 2).sum())
    return 1 - squared_error / total if total > 0 else float("nan")


def variance_explained(data: Array, prediction: Array) -> float:
    """Return the R2 about the grand mean of all units, called pVar in CURBD (Perich et al., bioRxiv 2020.12.18.423348).

    Parameters
    ----------
    data, prediction : (trial, time, unit) values. Bins in which either is NaN are left out for the unit.

    Returns
    -------
    R2; NaN if the data do not vary.
    """
    both = np.isfinite(data) & np.isfinite(prediction)
    if not both.any():
        return float("nan")
    observed = data[both]
    total = float(((observed - observed.mean()) ** 2).sum())
    return 1 - float(((observed - prediction[both]) ** 2).sum()) / total if total > 0 else float("nan")
