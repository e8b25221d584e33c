"""Forecasts of a network: one bin ahead, some bins ahead, and running freely."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.adaptation import adaptation_states
from curbd.network.equation import Network, free_run, simulate
from curbd.network.residual import one_step_residual

Array = np.ndarray
ROLLOUT_BINS = 10
"""Number of bins that a rollout predicts ahead; in recordings with shorter trials a rollout is shorter."""


class Forecasts(NamedTuple):
    """Currents and rates at which a forecast is scored: either the observed values or a prediction of these values.

    Attributes
    ----------
    one_step : (trial, time - 1, unit) the total currents, in the (dimensionless) units of the state x in
        tau dx/dt = -x + J r + B u + b.
    rollout : (trial, start, unit) rates a fixed number of bins after each start from recorded rates.
    free_run : (trial, time, unit) rates after a start from the first complete bin of a trial.
    """

    one_step: Array
    rollout: Array
    free_run: Array


def forecasts(network: Network, r: Array, u: Array, horizon: int, drive: Array | None = None) -> Forecasts:
    """Compute the forecasts of a network: one bin ahead, ``horizon`` bins ahead, and running freely.

    Parameters
    ----------
    network : the network that predicts.
    r : (trial, time, unit) recorded, scaled rates, NaN where missing.
    u : (trial, time, input) inputs.
    horizon : number of bins between the start and the end of a rollout.
    drive : (trial, time, unit) additional external current, in the (dimensionless) units of the state x.

    Returns
    -------
    The predicted currents (one bin ahead) and rates (rollout and free run).
    """
    residual = one_step_residual(network, r, u)
    one_step = residual.y - residual.error + (0.0 if drive is None else drive[:, :-1])
    return Forecasts(one_step, rollout(network, r, u, horizon, drive), free_run(network, r, u, drive=drive))


def forecasts_by_region(network: Network, r: Array, u: Array, horizon: int, region_of_unit: Array) -> Forecasts:
    """Compute the forecasts of a network without weights between regions, one region at a time.

    Parameters
    ----------
    network, r, u, horizon : the parameters of `forecasts`.
    region_of_unit : (unit,) index of each unit's region.

    Returns
    -------
    The forecasts of all units, which are those of `forecasts` where no bin lacks a part of the units.
    """
    # A bin in which units of another region are missing has no forecast, as that of a network with all weights.
    r = np.where(np.isfinite(r).all(2, keepdims=True), r, np.nan)
    units_of = [np.flatnonzero(region_of_unit == region) for region in np.unique(region_of_unit)]
    parts = [forecasts(network.alone(units), r[..., units], u, horizon) for units in units_of]
    order = np.argsort(np.concatenate(units_of))
    return Forecasts(*(np.concatenate(field, axis=2)[..., order] for field in zip(*parts, strict=True)))


def rollout_starts(r: Array, horizon: int) -> Array:
    """Return the bins from which rollouts start: every ``horizon``-th bin of a trial."""
    return np.arange(0, r.shape[1] - horizon, horizon)


def rollout(network: Network, r: Array, u: Array, horizon: int, drive: Array | None = None) -> Array:
    """Predict rates ``horizon`` bins after a network is started from the recorded rates.

    Parameters
    ----------
    network : the network that predicts.
    r : (trial, time, unit) recorded, scaled rates, NaN where missing.
    u : (trial, time, input) inputs.
    horizon : number of bins between a start and the predicted rates.
    drive : (trial, time, unit) additional external current, in the (dimensionless) units of the state x.

    Returns
    -------
    (trial, start, unit) predicted rates for the starts of `rollout_starts`; NaN if the recorded rates at the start are
    missing.
    """
    starts = rollout_starts(r, horizon)
    bins = starts[:, None] + np.arange(horizon + 1)
    x0 = network.nonlinearity.inverse(r[:, starts])
    n_runs = x0.shape[0] * x0.shape[1]

    def cut_into_runs(values: Array) -> Array:
        return np.nan_to_num(values[:, bins]).reshape(n_runs, horizon + 1, values.shape[2])

    external = None if drive is None else cut_into_runs(drive)
    adapted = None
    if network.adaptation is not None:
        adapted = adaptation_states(network.adaptation, r, network.dt_s)[:, starts].reshape(n_runs, r.shape[2])
    states = x0.reshape(n_runs, r.shape[2])
    single = network.simulated_in_single_precision(horizon)
    ends = simulate(network, states, cut_into_runs(u), drive=external, adapted=adapted, single=single)[:, -1]
    return ends.reshape(x0.shape)
