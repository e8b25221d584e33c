"""Baselines and the noise ceiling of the scores: the average trial, each region alone, and repeatable variance."""

from __future__ import annotations

import numpy as np
import xarray as xr

from curbd.network.equation import Network
from curbd.network.view import View
from curbd.regression.block_ridge import regress
from curbd.regression.transitions import TrainingData, transitions

Array = np.ndarray
OWN_PAST_FOLDS = 5
"""Folds of the cross-validation that chooses the penalty of a region that is predicted from its own past."""


def own_past(fit: View) -> Network:
    """A network without pathways between regions, each region predicted from itself, the recorded inputs and a bias.

    Each region is a separate ridge regression, fitted to the training trials, with a penalty chosen on these trials.
    The network has the time constant and the Euler steps of the fit.

    Parameters
    ----------
    fit : a recording as a fit sees it, at its observed rates.
    """
    train, network = np.flatnonzero(fit.train), fit.network
    r, u = fit.r[train], fit.u[train][..., ~fit.hidden]
    n_units = len(fit.region)
    J, B, b = np.zeros((n_units, n_units)), np.zeros((n_units, u.shape[2])), np.zeros(n_units)
    for name in fit.regions:
        units = np.flatnonzero(fit.region == name)
        data = TrainingData(
            r=r[..., units],
            u=u,
            region=np.zeros(len(units), dtype=int),
            n_regions=1,
            trial=train,
            dt_s=network.dt_s,
            substeps=network.substeps,
            tau_s=network.tau_s,
        )
        alone = regress(data, transitions(data, OWN_PAST_FOLDS)).network
        J[np.ix_(units, units)], B[units], b[units] = alone.J, alone.B, alone.b
    return network._replace(J=J, B=B, b=b)


def has_repeated_trials(recording: xr.Dataset) -> bool:
    """Whether bin k is the same moment in every trial; false for blocks that were cut from continuous data."""
    return bool(recording.attrs["stretches"] == "trials")


def condition_average(values: Array, train: Array, condition: Array) -> Array:
    """Average of the training trials of each trial's condition.

    Parameters
    ----------
    values : (trial, time, unit) rates or currents, NaN where missing.
    train : (trial,) whether a trial is a training trial.
    condition : (trial,) labels.

    Returns
    -------
    (trial, time, unit) NaN where no training trial of the condition has the bin.
    """
    average = np.full(values.shape, np.nan)
    for name in np.unique(condition):
        of_condition = values[train & (condition == name)]
        observed = np.isfinite(of_condition)
        count = observed.sum(0)
        total = np.where(observed, of_condition, 0.0).sum(0)
        average[condition == name] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return average


def repeatable_variance(r: Array, condition: Array) -> tuple[Array, Array]:
    """Variance that repeats between trials of one condition, and variance of single trials.

    The repeatable variance is the covariance between the averages of two halves of the trials. Conditions of a single
    trial are left out.

    Parameters
    ----------
    r : (trial, time, unit) rates, NaN where missing.
    condition : (trial,) labels.

    Returns
    -------
    repeatable, total : (unit,) both weighted by the number of trials of each condition, and up to the same factor.
    """
    repeatable, total = np.zeros(r.shape[2]), np.zeros(r.shape[2])
    for name in np.unique(condition):
        trials = np.flatnonzero(condition == name)
        if len(trials) < 2:
            continue
        data = r[trials]
        data = data[:, np.isfinite(data).all((0, 2))]
        if data.shape[1] < 2:
            continue
        first, second = (half - half.mean(0) for half in (data[0::2].mean(0), data[1::2].mean(0)))
        repeatable += (first * second).sum(0) * len(trials)
        total += ((data - data.mean((0, 1))) ** 2).sum((0, 1))
    return repeatable, total
