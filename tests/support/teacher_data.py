"""What an estimator sees of a teacher."""

from __future__ import annotations

import numpy as np

from curbd.network.equation import Network
from curbd.regression.transitions import TrainingData
from curbd.teachers import Teacher

Array = np.ndarray


def training_data(
    teacher: Teacher, *, substeps: int = 1, tau_s: float | None = None, trials: slice = slice(None)
) -> TrainingData:
    """Some trials of a teacher as training data."""
    names, region = np.unique(teacher.region, return_inverse=True)
    r, u = teacher.rates[trials], teacher.inputs[trials]
    return TrainingData(r, u, region, len(names), np.arange(len(r)), teacher.network.dt_s, substeps, tau_s)


def correlation(a: Array, b: Array) -> float:
    """Pearson correlation over all entries."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def explained(fitted: Array, true: Array) -> float:
    """1 - squared error over the variance of each unit (last axis) about its mean."""
    axes = tuple(range(true.ndim - 1))
    return float(1 - ((fitted - true) ** 2).sum() / ((true - true.mean(axes)) ** 2).sum())


def current(network: Network, rates: Array, target: Array, source: Array) -> Array:
    """(..., target unit) current from some units to others, both given as masks."""
    return rates[..., source] @ network.J[np.ix_(target, source)].T
