"""Baselines and the noise ceiling of the scores: the average trial, each region alone, what repeats between trials."""

from __future__ import annotations

import numpy as np
import xarray as xr

from curbd.network.equation import Network
from curbd.network.view import View
from curbd.regression.block_ridge import regress
from curbd.regression.transitions import TrainingData, transitions
from curbd.settings.models import OneStep

Array = np.ndarray


def own_past(fit: View) -> Network:
    """A network without pathways between regions: every region predicted from itself, the recorded inputs and a bias.

    Each region is a separate ridge regression, fitted to the training trials, with a penalty chosen on these trials.
    The time constant and the Euler steps are those of the fit.

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
        alone = regress(data, transitions(data, OneStep().folds)).network
        J[np.ix_(units, units)], B[units], b[units] = alone.J, alone.B, alone.b
    return network._replace(J=J, B=B, b=b)


def repeats(recording: xr.Dataset) -> bool:
    """Whether bin k means the same moment in every trial; false for blocks cut from continuous data."""
    return bool(recording.attrs["stretches"] == "trials")


def condition_average(values: Array, train: Array, condition: Array) -> Array:
    """(trial, time, unit) average of the training trials of each trial's condition; NaN where there is none."""
    average = np.full(values.shape, np.nan)
    for name in np.unique(condition):
        same = values[train & (condition == name)]
        known = np.isfinite(same)
        count = known.sum(0)
        total = np.where(known, same, 0.0).sum(0)
        average[condition == name] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return average


def repeatable_variance(r: Array, condition: Array) -> tuple[Array, Array]:
    """(unit,) variance that repeats between trials of one condition, and the variance of single trials.

    The first is the covariance of the averages of two halves of the trials; conditions of one trial are left out.
    """
    shared, total = np.zeros(r.shape[2]), np.zeros(r.shape[2])
    for name in np.unique(condition):
        trials = np.flatnonzero(condition == name)
        if len(trials) < 2:
            continue
        data = r[trials]
        data = data[:, np.isfinite(data).all((0, 2))]
        if data.shape[1] < 2:
            continue
        a, b = (half - half.mean(0) for half in (data[0::2].mean(0), data[1::2].mean(0)))
        shared += (a * b).sum(0) * len(trials)
        total += ((data - data.mean((0, 1))) ** 2).sum((0, 1))
    return shared, total
