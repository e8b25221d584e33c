"""Scores of networks and baselines: predictions one bin ahead, several bins ahead, and of free runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.equation import Network, decay, phi_inverse, total_current
from curbd.network.residual import Residual, one_step_residual, residual_autocorrelation
from curbd.network.truth import comparable_truth, true_network
from curbd.network.view import View, view
from curbd.recording.scaling import observed_rates
from curbd.scores.baselines import condition_average, has_repeated_trials, own_past, repeatable_variance
from curbd.scores.forecasts import ROLLOUT_BINS, Forecasts, forecasts, rollout_starts
from curbd.scores.r_squared import r_squared, unit_r_squared, variance_explained

Array = np.ndarray
ALL_REGIONS = "all regions"
"""Entry of the column ``region`` in the rows about all units."""


class Scores(NamedTuple):
    """Scores of all fits of a model.

    Attributes
    ----------
    fits : the table ``fits``, one row per seed and split (training or test trials).
    regions : the table ``region_scores``, one row per seed, split, kind of forecast and region.
    units : the table ``unit_scores``, one row per unit, with the unit's held-out scores in the fit of the first seed.
    """

    fits: pd.DataFrame
    regions: pd.DataFrame
    units: pd.DataFrame


def score(
    recording: xr.Dataset, networks: xr.Dataset, seconds: Sequence[float], truth: xr.Dataset | None = None
) -> Scores:
    """Score every fit of a model, for all units and for each region, together with ceilings and simple baselines.

    Hidden inputs are inferred from the trials that they explain, so held-out trials are scored without hidden inputs.
    Inferred rates are not used either: all forecasts start from the observed rates and are scored against the observed
    rates, even if a fit infers the rates behind noisy observations. Baselines are fitted to the training trials and use
    the recorded inputs only.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.
    seconds : (seed,) wall time of every fit, s.
    truth : the network behind a teacher recording, whose predictions are the ceiling; None if it is unknown.

    Returns
    -------
    The scores of all fits, of all regions and of all units.
    """
    names = {"recording": recording.attrs["recording"], "model": networks.attrs["model"]}
    comparable = comparable_truth(recording, truth)
    fits: list[dict[str, Any]] = []
    by_region: list[dict[str, Any]] = []
    for fit_index, seed in enumerate(networks["seed"].values):
        fit = view(recording, networks, fit_index, rates="observed")
        comparison = compare_forecasts(recording, fit, comparable)
        if fit_index == 0:
            units = unit_scores(fit, comparison).assign(**names)
        for split, trials in (("train", fit.train), ("test", ~fit.train)):
            if not trials.any():
                continue
            labels = names | {"seed": int(seed), "split": split}
            rows = region_scores(recording, fit, comparison, trials)
            by_region += [labels | row for row in rows]
            penalty_by = str(networks["penalty_by"].values[fit_index]) if "penalty_by" in networks else None
            fits.append(
                labels
                | fit_scores(fit, comparison, trials, rows)
                | noise_columns(networks, fit_index, observed_rates(recording).values[trials])
                | {"penalty_by": penalty_by, "cosmoothing_bits_per_spike": np.nan, "seconds": seconds[fit_index]}
            )
    return Scores(pd.DataFrame(fits), pd.DataFrame(by_region), units)


class ForecastComparison(NamedTuple):
    """Observed currents and rates, and predictions of these currents and rates.

    Attributes
    ----------
    data : the observed currents and rates.
    predictions : column of the tables -> prediction by the network (``r2``), by a baseline or by the true network.
    residual : total current from each bin to the next, and the error of the network's prediction.
    horizon : number of bins of a rollout.
    """

    data: Forecasts
    predictions: dict[str, Forecasts]
    residual: Residual
    horizon: int


def compare_forecasts(recording: xr.Dataset, fit: View, truth: xr.Dataset | None) -> ForecastComparison:
    """Compute the forecasts of a fit, of the baselines and, for a teacher recording, of the true network.

    Parameters
    ----------
    recording : the recording that was fitted.
    fit : a fitted network with the recording that it was fitted to, at observed rates.
    truth : the network behind the recording, as `curbd.network.truth.comparable_truth` returns it; None if unknown.

    Returns
    -------
    The observed currents and rates, and all forecasts.
    """
    r, network = fit.r, fit.network
    recorded_inputs = fit.u[..., ~fit.hidden]
    horizon = min(ROLLOUT_BINS, r.shape[1] - 1)
    residual = one_step_residual(network, r, fit.forecast_inputs)
    data = Forecasts(residual.y, r[:, rollout_starts(r, horizon) + horizon], r)
    predictions = {
        "r2": forecasts(network, r, fit.forecast_inputs, horizon),
        "average_r2": _average_trials(recording, data, fit.train, fit.condition),
        "persistence_r2": _persistence(r, horizon),
        "own_past_r2": forecasts(own_past(fit), r, recorded_inputs, horizon),
    }
    if truth is not None:
        predictions["ceiling_r2"] = _true_forecasts(truth, network, r, recorded_inputs, horizon)
    return ForecastComparison(data=data, predictions=predictions, residual=residual, horizon=horizon)


def region_scores(
    recording: xr.Dataset, fit: View, comparison: ForecastComparison, trials: Array
) -> list[dict[str, Any]]:
    """Compute the R2 of every forecast in some trials, for all units and for each region.

    Parameters
    ----------
    recording : the recording that was fitted.
    fit : a fitted network with the recording that it was fitted to, at observed rates.
    comparison : the forecasts of the fit and of the baselines.
    trials : (trial,) bool, which trials are scored.

    Returns
    -------
    One row per kind of forecast and region; the row about all units comes before the rows about regions.
    """
    groups = {ALL_REGIONS: np.ones(len(fit.region), bool)}
    groups |= {region: fit.region == region for region in fit.regions}
    rows = []
    for kind in Forecasts._fields:
        data = getattr(comparison.data, kind)[trials]
        for name, units in groups.items():
            scores = {
                column: r_squared(data[..., units], getattr(prediction, kind)[trials][..., units])
                for column, prediction in comparison.predictions.items()
            }
            if "ceiling_r2" not in scores:
                r = fit.r[trials][..., units]
                scores["ceiling_r2"] = _repeatable_share(recording, kind, r, fit.condition[trials])
            rows.append({"region": name, "score": kind, "n_units": int(units.sum())} | scores)
    return rows


def fit_scores(
    fit: View, comparison: ForecastComparison, trials: Array, by_region: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Compute the columns of the table ``fits`` for some trials.

    Parameters
    ----------
    fit : a fitted network with the recording that it was fitted to, at observed rates.
    comparison : the forecasts of the fit and of the baselines.
    trials : (trial,) bool, which trials are scored.
    by_region : rows of `region_scores` for these trials.

    Returns
    -------
    Name -> value of the columns.
    """
    free_run = comparison.predictions["r2"].free_run
    return {
        "n_units": fit.r.shape[2],
        "n_trials": int(trials.sum()),
        **_columns_of_all_regions(by_region),
        "rollout_s": comparison.horizon * fit.network.dt_s,
        "free_run_variance_explained": variance_explained(fit.r[trials], free_run[trials]),
        "tau_s": fit.network.tau_s,
        "residual_autocorrelation": residual_autocorrelation(
            Residual(*(values[trials] for values in comparison.residual))
        ),
    }


def unit_scores(fit: View, comparison: ForecastComparison) -> pd.DataFrame:
    """Compute the table ``unit_scores``: the held-out R2 of every unit for each kind of forecast.

    Parameters
    ----------
    fit : a fitted network with the recording that it was fitted to, at observed rates.
    comparison : the forecasts of the fit and of the baselines.

    Returns
    -------
    One row per unit.
    """
    test, predictions = ~fit.train, comparison.predictions
    columns = {
        f"{kind}_r2": unit_r_squared(getattr(comparison.data, kind)[test], getattr(predictions["r2"], kind)[test])
        for kind in Forecasts._fields
    }
    alone = predictions["own_past_r2"].one_step[test]
    columns["one_step_own_past_r2"] = unit_r_squared(comparison.data.one_step[test], alone)
    return pd.DataFrame({"unit_id": fit.unit_id, **columns})


def _columns_of_all_regions(by_region: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Turn the rows about all units into columns of the table ``fits``."""
    columns = {
        f"{row['score']}_{name}": value
        for row in by_region
        if row["region"] == ALL_REGIONS
        for name, value in row.items()
        if name.endswith("r2")
    }
    renamed = {"free_run_ceiling_r2": "ceiling_r2", "free_run_average_r2": "baseline_r2"}
    return {renamed.get(name, name): value for name, value in columns.items()}


def _average_trials(recording: xr.Dataset, data: Forecasts, train: Array, condition: Array) -> Forecasts:
    """Predict every trial by the average training trial of its condition; NaN if trials do not repeat.

    Parameters
    ----------
    recording : the recording that was fitted.
    data : the observed currents and rates.
    train, condition : (trial,) which trials are training trials, and the conditions of all trials.
    """
    if not has_repeated_trials(recording):
        return Forecasts(*(np.full_like(values, np.nan) for values in data))
    return Forecasts(*(condition_average(values, train, condition) for values in data))


def _persistence(r: Array, horizon: int) -> Forecasts:
    """Predict that states stay as they were one bin ago, at the start of a rollout, or at the start of a trial."""
    first = np.take_along_axis(r, np.isfinite(r).all(2).argmax(1)[:, None, None], axis=1)
    return Forecasts(phi_inverse(r)[:, :-1], r[:, rollout_starts(r, horizon)], np.broadcast_to(first, r.shape))


def _true_forecasts(truth: xr.Dataset, network: Network, r: Array, u: Array, horizon: int) -> Forecasts:
    """Compute the forecasts of the true network, as total currents at the time constant of a fit.

    Parameters
    ----------
    truth : the network behind the recording.
    network : the fitted network, whose time constant may differ from the time constant of the true network.
    r : (trial, time, unit) scaled rates.
    u : (trial, time, input) recorded inputs.
    horizon : number of bins of a rollout.
    """
    true = true_network(truth)
    drive = truth["drive"].values if "drive" in truth else None
    predicted = forecasts(true, r, u, horizon, drive)
    x = phi_inverse(r)[:, :-1]
    D, D_true = (decay(model.dt_s, model.tau_s, model.substeps) for model in (network, true))
    x_next = D_true * x + (1 - D_true) * predicted.one_step
    return predicted._replace(one_step=total_current(x, x_next, D))


def _repeatable_share(recording: xr.Dataset, kind: str, r: Array, condition: Array) -> float:
    """Return the share of variance that repeats between trials, a reference for free runs; NaN for other forecasts.

    Parameters
    ----------
    recording : the recording that was fitted.
    kind : kind of forecast, a field of `Forecasts`.
    r : (trial, time, unit) scaled rates.
    condition : (trial,) labels.
    """
    if kind != "free_run" or not has_repeated_trials(recording):
        return float("nan")
    repeatable, total = (variance.sum() for variance in repeatable_variance(r, condition))
    return float(repeatable / total) if total > 0 else float("nan")


def noise_columns(networks: xr.Dataset, fit_index: int, r: Array) -> dict[str, float]:
    """Compute the columns of the table ``fits`` about the process noise and the measurement noise of one fit.

    Parameters
    ----------
    networks : the fits of a model.
    fit_index : position of the fit among the seeds.
    r : (trial, time, unit) observed, scaled rates, for their variance.

    Returns
    -------
    ``process_noise_sd``, the standard deviation of the process noise, in the (dimensionless) units of the state x;
    ``measurement_noise_sd``, the standard deviation of the measurement noise on scaled rates (both rms over units);
    ``measurement_noise_share``, the share of the variance of the rates that is measurement noise. All are NaN if the
    estimator does not separate the two kinds of noise.
    """
    if "measurement_noise_sd" not in networks:
        return dict.fromkeys(("process_noise_sd", "measurement_noise_sd", "measurement_noise_share"), float("nan"))
    process, measurement = (networks[f"{kind}_noise_sd"].values[fit_index] for kind in ("process", "measurement"))
    total = float(np.nanvar(r, axis=(0, 1)).sum())
    return {
        "process_noise_sd": float(np.sqrt((process**2).mean())),
        "measurement_noise_sd": float(np.sqrt((measurement**2).mean())),
        "measurement_noise_share": min(float((measurement**2).sum()) / total, 1.0) if total > 0 else float("nan"),
    }
