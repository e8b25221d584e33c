"""Comparison of the forecasts of a network, of baselines and of the true network with the recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.network.equation import Network, total_current
from curbd.network.residual import LagSums, observed_currents
from curbd.network.truth import true_network
from curbd.network.view import View
from curbd.scores.baselines import condition_averages, has_repeated_trials, own_past
from curbd.scores.forecasts import ROLLOUT_BINS, Forecasts, forecasts, forecasts_by_region, rollout_starts
from curbd.scores.r_squared import UnitErrors

Array = np.ndarray
FORECAST_VALUES = 1 << 24
"""Number of rates that are predicted at the same time, 128 MiB in double precision, unless a single trial has more."""


class ForecastComparison(NamedTuple):
    """Sums over some trials that compare forecasts with the recording.

    Attributes
    ----------
    errors : (kind of forecast, column of the tables) -> errors of a prediction, by the network (``r2``), by a baseline
        or by the true network.
    lag : sums behind the autocorrelation of the network's prediction errors.
    """

    errors: dict[tuple[str, str], UnitErrors]
    lag: LagSums

    def plus(self, more: ForecastComparison) -> ForecastComparison:
        """Add the sums over other trials."""
        errors = {key: errors.plus(more.errors[key]) for key, errors in self.errors.items()}
        return ForecastComparison(errors, self.lag.plus(more.lag))


def splits_of(fit: View) -> dict[str, Array]:
    """Return the trials (trial,) bool of every split that has any: ``train`` and ``test``."""
    return {split: trials for split, trials in (("train", fit.train), ("test", ~fit.train)) if trials.any()}


def compare_forecasts(recording: xr.Dataset, fit: View, truth: xr.Dataset | None) -> dict[str, ForecastComparison]:
    """Compare the forecasts of a fit, of the baselines and, for a teacher recording, of the true network with the data.

    Parameters
    ----------
    recording : the recording that was fitted.
    fit : a fitted network with the recording that it was fitted to, at observed rates.
    truth : the network behind the recording, as `curbd.network.truth.comparable_truth` returns it; None if unknown.

    Returns
    -------
    Split (``train`` or ``test``) -> the comparison over its trials.
    """
    r, recorded_inputs, inputs = fit.r, fit.u[..., ~fit.hidden], fit.forecast_inputs
    network, alone, horizon = fit.network, own_past(fit), rollout_bins(fit)
    average = _average_trials(recording, fit, horizon)

    def predicted(trials: Array, rates: Array) -> Iterator[tuple[str, Forecasts]]:
        """Yield the forecasts one after another, because each is as large as the rates."""
        u = recorded_inputs[trials]
        yield "r2", forecasts(network, rates, inputs[trials], horizon)
        yield "average_r2", average(trials)
        yield "persistence_r2", _persistence(network.nonlinearity.inverse(rates), rates, horizon)
        yield "own_past_r2", forecasts_by_region(alone, rates, u, horizon, fit.region_of_unit)
        if truth is not None:
            yield "ceiling_r2", _true_forecasts(truth, network, rates, u, horizon, trials)

    def compare(trials: Array) -> ForecastComparison:
        rates = r[trials]
        data = Forecasts(observed_currents(network, rates), rates[:, rollout_starts(rates, horizon) + horizon], rates)
        errors: dict[tuple[str, str], UnitErrors] = {}
        for column, prediction in predicted(trials, rates):
            if column == "r2":
                lag = LagSums.of(data.one_step - prediction.one_step)
            for kind in Forecasts._fields:
                errors[kind, column] = UnitErrors.of(getattr(data, kind), getattr(prediction, kind))
        return ForecastComparison(errors, lag)

    compared: dict[str, ForecastComparison] = {}
    for split, chosen in splits_of(fit).items():
        for trials in _blocks(np.flatnonzero(chosen), r[0].size):
            block = compare(trials)
            compared[split] = compared[split].plus(block) if split in compared else block
    return compared


def rollout_bins(fit: View) -> int:
    """Return the number of bins of a rollout."""
    return min(ROLLOUT_BINS, fit.r.shape[1] - 1)


def _blocks(trials: Array, values_of_trial: int) -> Iterator[Array]:
    """Cut trials (trial,), given by index, into blocks of about `FORECAST_VALUES` rates."""
    yield from np.array_split(trials, max(1, len(trials) * values_of_trial // FORECAST_VALUES))


def _average_trials(recording: xr.Dataset, fit: View, horizon: int) -> Callable[[Array], Forecasts]:
    """Return a function that predicts trials (trial,) by the average training trial of their condition.

    Predictions are NaN if trials do not repeat.

    Parameters
    ----------
    recording : the recording that was fitted.
    fit : a fitted network with the recording that it was fitted to, at observed rates.
    horizon : number of bins of a rollout.
    """
    r, ends = fit.r, rollout_starts(fit.r, horizon) + horizon
    if not has_repeated_trials(recording):
        shapes = (r.shape[1] - 1, r.shape[2]), (len(ends), r.shape[2]), r.shape[1:]
        return lambda trials: Forecasts(*(np.full((len(trials), *shape), np.nan) for shape in shapes))
    rates = condition_averages(r, fit.train, fit.condition)
    currents = condition_averages(
        (observed_currents(fit.network, trial[None])[0] for trial in r), fit.train, fit.condition
    )

    def of_trials(trials: Array) -> Forecasts:
        names = fit.condition[trials]
        average = np.stack([rates[name] for name in names])
        return Forecasts(np.stack([currents[name] for name in names]), average[:, ends], average)

    return of_trials


def _persistence(x: Array, r: Array, horizon: int) -> Forecasts:
    """Predict that nothing changes since one bin ago, since the start of a rollout, or since the start of a trial."""
    first = np.take_along_axis(r, np.isfinite(r).all(2).argmax(1)[:, None, None], axis=1)
    return Forecasts(x[:, :-1], r[:, rollout_starts(r, horizon)], np.broadcast_to(first, r.shape))


def _true_forecasts(truth: xr.Dataset, network: Network, r: Array, u: Array, horizon: int, trials: Array) -> Forecasts:
    """Compute the forecasts of the true network, as total currents at the time constant of a fit.

    Parameters
    ----------
    truth : the network behind the recording.
    network : the fitted network, whose time constant may differ from the time constant of the true network.
    r : (trial, time, unit) scaled rates.
    u : (trial, time, input) recorded inputs.
    horizon : number of bins of a rollout.
    trials : (trial,) indices of these trials.
    """
    true = true_network(truth)
    drive = truth["drive"].values[trials] if "drive" in truth else None
    predicted = forecasts(true, r, u, horizon, drive)
    x, D, D_true = network.nonlinearity.inverse(r)[:, :-1], network.decay, true.decay
    x_next = D_true * x + (1 - D_true) * predicted.one_step
    return predicted._replace(one_step=total_current(x, x_next, D))
