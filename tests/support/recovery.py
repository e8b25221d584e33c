"""What an estimator sees of a teacher, and how much of the teacher's currents a fit recovers."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from curbd.network.equation import Network
from curbd.regression.transitions import TrainingData
from curbd.teachers import Teacher, true_current

Array = np.ndarray


def training_data(
    teacher: Teacher, *, substeps: int = 1, tau_s: float | None = None, trials: slice = slice(None)
) -> TrainingData:
    """Some trials of a teacher as training data."""
    names, region = np.unique(teacher.region, return_inverse=True)
    r, u = teacher.rates[trials], teacher.inputs[trials]
    return TrainingData(
        r=r,
        u=u,
        region=region,
        n_regions=len(names),
        trial=np.arange(len(r)),
        dt_s=teacher.network.dt_s,
        substeps=substeps,
        tau_s=tau_s,
    )


def training_data_with_times(teacher: Teacher) -> TrainingData:
    """All trials of a teacher as training data, with its own time constant and Euler steps."""
    return training_data(teacher, substeps=teacher.network.substeps, tau_s=teacher.network.tau_s)


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


def cross_currents(teacher: Teacher, network: Network) -> list[tuple[Array, Array]]:
    """(fitted, true) current of every pathway between two regions, at the rates of the teacher."""
    return [
        (
            current(network, teacher.rates, teacher.region == target, teacher.region == source),
            true_current(teacher, target, source),
        )
        for target, source in permutations(np.unique(teacher.region), 2)
    ]


def between_regions(teacher: Teacher, network: Network) -> tuple[float, float]:
    """Correlation and R2 of the currents between regions with the true ones, means over pathways."""
    scores = [(correlation(fitted, true), explained(fitted, true)) for fitted, true in cross_currents(teacher, network)]
    r, r2 = np.mean(scores, axis=0)
    return float(r), float(r2)
