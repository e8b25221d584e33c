"""What a score is to be read beside: the average trial, persistence, each region alone, and what repeats at all."""

from __future__ import annotations

import numpy as np
import xarray as xr

from curbd.network.equation import Network
from curbd.recording.scaling import scaled_rates
from curbd.regression.block_ridge import regress
from curbd.regression.transitions import TrainingData, transitions
from curbd.settings.models import OneStep

Array = np.ndarray


def own_past(recording: xr.Dataset, network: Network) -> Network:
    """A network without pathways between regions: every region predicted from itself, the known inputs and a bias.

    Each region is a ridge regression of its own, fitted to the training trials, its penalty chosen on them; time
    constant and Euler steps are those of ``network``.
    """
    train = np.flatnonzero(recording["split"].values == "train")
    r = scaled_rates(recording).values[train]
    u = recording["inputs"].transpose("trial", "time", "input").values[train]
    region = recording["region"].values.astype(str)
    n = len(region)
    J, B, b = np.zeros((n, n)), np.zeros((n, u.shape[2])), np.zeros(n)
    for name in np.unique(region):
        rows = np.flatnonzero(region == name)
        one = np.zeros(len(rows), dtype=int)
        data = TrainingData(r[..., rows], u, one, 1, train, network.dt_s, network.substeps, network.tau_s)
        alone = regress(data, transitions(data, OneStep().folds)).network
        J[np.ix_(rows, rows)], B[rows], b[rows] = alone.J, alone.B, alone.b
    return Network(J, B, b, network.tau_s, network.dt_s, network.substeps)


def repeats(recording: xr.Dataset) -> bool:
    """Whether bins of different trials answer one another: trials do, blocks of continuous data do not."""
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
