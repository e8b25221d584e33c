"""Baselines of the scores (the average trial, each region alone), and the variance that repeats between trials."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from curbd.network.equation import Network
from curbd.network.view import View
from curbd.regression.silent_units import regress_states
from curbd.regression.transitions import TrainingData, transitions

Array = np.ndarray
OWN_PAST_FOLDS = 5
"""Folds of the cross-validation that chooses the penalty of a region that is predicted from its own past."""


def own_past(fit: View) -> Network:
    """Fit a network without pathways between regions: each region is predicted from itself, the inputs and a bias.

    Each region is a separate ridge regression, fitted to the training trials, with a penalty that is chosen on these
    trials. The network has the time constant and the Euler steps of the fit.

    Parameters
    ----------
    fit : a fitted network with the recording that it was fitted to, with observed rates.

    Returns
    -------
    The network, with recurrent weights of 0 between regions and without hidden inputs.
    """
    train, network = np.flatnonzero(fit.train), fit.network
    u = fit.u[train][..., ~fit.hidden]
    n_units = len(fit.region)
    J, B, b = np.zeros((n_units, n_units)), np.zeros((n_units, u.shape[2])), np.zeros(n_units)
    for name in fit.regions:
        units = np.flatnonzero(fit.region == name)
        data = TrainingData(
            r=fit.r[np.ix_(train, np.arange(fit.r.shape[1]), units)],
            u=u,
            region=np.zeros(len(units), dtype=int),
            n_regions=1,
            trial=train,
            dt_s=network.dt_s,
            substeps=network.substeps,
            tau_s=network.tau_s if network.unit_tau_s is None else network.unit_tau_s[units],
            nonlinearity=network.nonlinearity,
        )
        alone = regress_states(data, transitions(data, OWN_PAST_FOLDS)).regression.network
        J[np.ix_(units, units)], B[units], b[units] = alone.J, alone.B, alone.b
    return network._replace(J=J, B=B, b=b)


def has_repeated_trials(recording: xr.Dataset) -> bool:
    """Return True if bin k is the same moment in every trial, and False for blocks cut from continuous data."""
    return bool(recording.attrs["stretches"] == "trials")


def condition_averages(values: Iterable[Array], train: Array, condition: Array) -> dict[str, Array]:
    """Average the training trials of each condition.

    Parameters
    ----------
    values : rates or currents (time, unit) of every trial, NaN where missing.
    train : (trial,) bool, True for training trials.
    condition : (trial,) condition of each trial.

    Returns
    -------
    Condition -> (time, unit) averages; NaN in bins that no training trial of the condition has.
    """
    total: dict[str, Array] = {}
    count: dict[str, Array] = {}
    for of_trial, trained, name in zip(values, train, condition, strict=True):
        if name not in total:
            total[name], count[name] = np.zeros(of_trial.shape), np.zeros(of_trial.shape)
        if trained:
            observed = np.isfinite(of_trial)
            total[name] += np.where(observed, of_trial, 0.0)
            count[name] += observed
    return {name: total[name] / np.where(count[name] > 0, count[name], np.nan) for name in total}


def repeatable_variance(r: Array, condition: Array) -> tuple[Array, Array]:
    """Compute the variance of rates that repeats between trials of one condition, and the total variance.

    The repeatable variance is the covariance between the averages of two halves of the trials. Conditions with a single
    trial are left out. All variances are about the mean of a condition over time: differences between the means of
    conditions are part of neither.

    Parameters
    ----------
    r : (trial, time, unit) rates, NaN where missing.
    condition : (trial,) condition of each trial.

    Returns
    -------
    repeatable, total : (unit,) variances, summed over conditions that are weighted by their number of trials. Both are
        in the same arbitrary units, so only their ratio is meaningful.
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
