"""Forecasts of a network: one bin ahead, some bins ahead, and running freely."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, free_run, phi_inverse, simulate
from curbd.network.residual import one_step_residual

Array = np.ndarray
ROLLOUT_BINS = 10
"""Horizon of the rollout; trials that are shorter have a shorter horizon."""


class Forecasts(NamedTuple):
    """Observed currents and rates that are to be predicted, or a prediction of them.

    Attributes
    ----------
    one_step : (trial, time - 1, unit) total currents, dimensionless, in the units of x in
        tau dx/dt = -x + J r + B u + b.
    rollout : (trial, start, unit) rates some bins after each start from the data.
    free_run : (trial, time, unit) rates of a run from the first complete bin.
    """

    one_step: Array
    rollout: Array
    free_run: Array


def forecasts(network: Network, r: Array, u: Array, horizon: int, drive: Array | None = None) -> Forecasts:
    """Forecasts of a network: one bin ahead, ``horizon`` bins after a start from the data, and running freely.

    Parameters
    ----------
    network : the network.
    r : (trial, time, unit) scaled rates, NaN where missing.
    u : (trial, time, input) inputs.
    horizon : number of bins between the start and the end of a rollout.
    drive : (trial, time, unit) further external current, in the units of x.
    """
    residual = one_step_residual(network, r, u)
    one_step = residual.y - residual.error + (0.0 if drive is None else drive[:, :-1])
    return Forecasts(one_step, rollout(network, r, u, horizon, drive), free_run(network, r, u, drive=drive))


def rollout_starts(r: Array, horizon: int) -> Array:
    """Bins from which rollouts start, every ``horizon`` bins."""
    return np.arange(0, r.shape[1] - horizon, horizon)


def rollout(network: Network, r: Array, u: Array, horizon: int, drive: Array | None = None) -> Array:
    """Rates of a network some bins after each start from the data.

    Parameters
    ----------
    network : the network.
    r : (trial, time, unit) scaled rates, NaN where missing.
    u : (trial, time, input) inputs.
    horizon : number of bins between a start and the predicted rates.
    drive : (trial, time, unit) further external current, in the units of x.

    Returns
    -------
    (trial, start, unit) rates for the starts of `rollout_starts`; NaN where the start is missing.
    """
    starts = rollout_starts(r, horizon)
    bins = starts[:, None] + np.arange(horizon + 1)
    x0 = phi_inverse(r[:, starts])
    n_runs = x0.shape[0] * x0.shape[1]

    def cut_into_runs(values: Array) -> Array:
        return np.nan_to_num(values[:, bins]).reshape(n_runs, horizon + 1, values.shape[2])

    external = None if drive is None else cut_into_runs(drive)
    ends = simulate(network, x0.reshape(n_runs, r.shape[2]), cut_into_runs(u), drive=external)[:, -1]
    return ends.reshape(x0.shape)
