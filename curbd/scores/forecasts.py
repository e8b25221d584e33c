"""Forecasts of a network: one bin ahead, some bins ahead, and running freely."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, free_run, phi_inverse, simulate
from curbd.network.residual import one_step_residual

Array = np.ndarray


ROLLOUT_BINS = 10
"""Horizon of the rollout; shorter where trials are."""


class Forecasts(NamedTuple):
    """What is to be predicted, or a prediction of it.

    one_step : (trial, time - 1, unit) total currents. rollout : (trial, start, unit) rates some bins after a start
    from the data. free_run : (trial, time, unit) rates.
    """

    one_step: Array
    rollout: Array
    free_run: Array


def forecasts(network: Network, r: Array, u: Array, horizon: int, drive: Array | None = None) -> Forecasts:
    """What a network predicts: one bin ahead, ``horizon`` bins after a start from the data, and running freely."""
    residual = one_step_residual(network, r, u)
    one_step = residual.y - residual.error + (0.0 if drive is None else drive[:, :-1])
    return Forecasts(one_step, rollout(network, r, u, horizon, drive), free_run(network, r, u, drive=drive))


def rollout_starts(r: Array, horizon: int) -> Array:
    """Bins from which rollouts start, every ``horizon`` bins."""
    return np.arange(0, r.shape[1] - horizon, horizon)


def rollout(network: Network, r: Array, u: Array, horizon: int, drive: Array | None = None) -> Array:
    """(trial, start, unit) rates ``horizon`` bins after each start from the data."""
    starts = rollout_starts(r, horizon)
    bins = starts[:, None] + np.arange(horizon + 1)
    x0 = phi_inverse(r[:, starts])
    n_runs = x0.shape[0] * x0.shape[1]

    def of_runs(values: Array) -> Array:
        return np.nan_to_num(values[:, bins]).reshape(n_runs, horizon + 1, values.shape[2])

    external = None if drive is None else of_runs(drive)
    ends = simulate(network, x0.reshape(n_runs, r.shape[2]), of_runs(u), drive=external)[:, -1]
    return ends.reshape(x0.shape)
