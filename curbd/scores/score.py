"""How well a network reproduces a recording: one bin ahead, some bins ahead, and running freely, beside baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.equation import Network, decay, phi_inverse
from curbd.network.residual import Residual, one_step_residual, residual_autocorrelation
from curbd.network.truth import comparable_truth, true_network
from curbd.network.view import View, view
from curbd.recording.scaling import observed_rates
from curbd.scores.baselines import condition_average, own_past, repeatable_variance, repeats
from curbd.scores.forecasts import ROLLOUT_BINS, Forecasts, forecasts, rollout_starts
from curbd.scores.r_squared import r_squared, unit_r_squared, variance_explained

Array = np.ndarray
ALL_REGIONS = "all regions"
"""In the place of the name of a region: every unit."""


class Scores(NamedTuple):
    """Scores of all fits of a model.

    Attributes
    ----------
    fits, regions : the tables ``fits`` and ``region_scores``.
    units : a row for each unit, with its held-out scores under the first seed.
    """

    fits: pd.DataFrame
    regions: pd.DataFrame
    units: pd.DataFrame


def score(
    recording: xr.Dataset, networks: xr.Dataset, seconds: Sequence[float], truth: xr.Dataset | None = None
) -> Scores:
    """Scores of every fit of a model, for all units and for each region, with ceilings and plain baselines.

    Hidden inputs are inferred from the very trials that they explain, so held-out trials are scored without them. For
    the same reason all forecasts start from the observed rates and are scored against the observed rates, also where a
    fit infers the rates behind noisy observations. Baselines are fitted to the training trials and know the recorded
    inputs only.

    Parameters
    ----------
    recording, networks : what was fitted, and the fits.
    seconds : wall time of every fit, s.
    truth : the network behind a teacher recording, whose predictions are the ceiling.
    """
    names = {"recording": recording.attrs["recording"], "model": networks.attrs["model"]}
    known_truth = comparable_truth(recording, truth)
    fits: list[dict[str, Any]] = []
    by_region: list[dict[str, Any]] = []
    for fit_index, seed in enumerate(networks["seed"].values):
        fit = view(recording, networks, fit_index, rates="observed")
        comparison = compare(recording, fit, known_truth)
        if fit_index == 0:
            units = unit_scores(fit, comparison).assign(**names)
        for split, trials in (("train", fit.train), ("test", ~fit.train)):
            if not trials.any():
                continue
            of_fit = names | {"seed": int(seed), "split": split}
            scored = region_scores(recording, fit, comparison, trials)
            by_region += [of_fit | row for row in scored]
            penalty_by = str(networks["penalty_by"].values[fit_index]) if "penalty_by" in networks else None
            fits.append(
                of_fit
                | fit_scores(fit, comparison, trials, scored)
                | noises(networks, fit_index, observed_rates(recording).values[trials])
                | {"penalty_by": penalty_by, "seconds": seconds[fit_index]}
            )
    return Scores(pd.DataFrame(fits), pd.DataFrame(by_region), units)


class Comparison(NamedTuple):
    """What is to be predicted, and predictions of it.

    Attributes
    ----------
    data : what is to be predicted.
    predictions : column of the tables -> prediction: of the network (``r2``), of baselines and of the truth.
    residual : of the network, one bin ahead.
    horizon : bins of the rollout.
    """

    data: Forecasts
    predictions: dict[str, Forecasts]
    residual: Residual
    horizon: int


def compare(recording: xr.Dataset, fit: View, truth: xr.Dataset | None) -> Comparison:
    """Forecasts of a fit, of the baselines and, for a teacher, of the true network."""
    r, network = fit.r, fit.network
    recorded_inputs = fit.u[..., ~fit.hidden]
    horizon = min(ROLLOUT_BINS, r.shape[1] - 1)
    residual = one_step_residual(network, r, fit.forecast_inputs)
    data = Forecasts(residual.y, r[:, rollout_starts(r, horizon) + horizon], r)
    predictions = {
        "r2": forecasts(network, r, fit.forecast_inputs, horizon),
        "average_r2": _averages(recording, data, fit.train, fit.condition),
        "persistence_r2": _persistence(r, horizon),
        "own_past_r2": forecasts(own_past(fit), r, recorded_inputs, horizon),
    }
    if truth is not None:
        predictions["ceiling_r2"] = _by_the_truth(truth, network, r, recorded_inputs, horizon)
    return Comparison(data=data, predictions=predictions, residual=residual, horizon=horizon)


def region_scores(recording: xr.Dataset, fit: View, comparison: Comparison, trials: Array) -> list[dict[str, Any]]:
    """R2 of every forecast in some trials, a row for each kind of forecast and each region, all regions first.

    Parameters
    ----------
    trials : (trial,) bool.
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
                scores["ceiling_r2"] = _repeatable(recording, kind, r, fit.condition[trials])
            rows.append({"region": name, "score": kind, "n_units": int(units.sum())} | scores)
    return rows


def fit_scores(fit: View, comparison: Comparison, trials: Array, by_region: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Columns of ``fits`` for some trials.

    Parameters
    ----------
    trials : (trial,) bool.
    by_region : rows of `region_scores` for these trials.
    """
    free_run = comparison.predictions["r2"].free_run
    return {
        "n_units": fit.r.shape[2],
        "n_trials": int(trials.sum()),
        **_of_all_regions(by_region),
        "rollout_s": comparison.horizon * fit.network.dt_s,
        "free_run_variance_explained": variance_explained(fit.r[trials], free_run[trials]),
        "tau_s": fit.network.tau_s,
        "residual_autocorrelation": residual_autocorrelation(
            Residual(*(values[trials] for values in comparison.residual))
        ),
    }


def unit_scores(fit: View, comparison: Comparison) -> pd.DataFrame:
    """Held-out R2 of every unit, for each kind of forecast."""
    test, predictions = ~fit.train, comparison.predictions
    columns = {
        f"{kind}_r2": unit_r_squared(getattr(comparison.data, kind)[test], getattr(predictions["r2"], kind)[test])
        for kind in Forecasts._fields
    }
    alone = predictions["own_past_r2"].one_step[test]
    columns["one_step_own_past_r2"] = unit_r_squared(comparison.data.one_step[test], alone)
    return pd.DataFrame({"unit_id": fit.unit_id, **columns})


def _of_all_regions(scored: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Columns of ``fits`` from the rows that are about all units."""
    columns = {
        f"{row['score']}_{name}": value
        for row in scored
        if row["region"] == ALL_REGIONS
        for name, value in row.items()
        if name.endswith("r2")
    }
    renamed = {"free_run_ceiling_r2": "ceiling_r2", "free_run_average_r2": "baseline_r2"}
    return {renamed.get(name, name): value for name, value in columns.items()}


def _averages(recording: xr.Dataset, data: Forecasts, train: Array, condition: Array) -> Forecasts:
    """The average training trial of the condition as a prediction; nothing where trials do not repeat."""
    if not repeats(recording):
        return Forecasts(*(np.full_like(values, np.nan) for values in data))
    return Forecasts(*(condition_average(values, train, condition) for values in data))


def _persistence(r: Array, horizon: int) -> Forecasts:
    """Nothing changes: the state one bin ago, at the start of the rollout, and at the start of the trial."""
    first = np.take_along_axis(r, np.isfinite(r).all(2).argmax(1)[:, None, None], axis=1)
    return Forecasts(phi_inverse(r)[:, :-1], r[:, rollout_starts(r, horizon)], np.broadcast_to(first, r.shape))


def _by_the_truth(truth: xr.Dataset, network: Network, r: Array, u: Array, horizon: int) -> Forecasts:
    """What the true network predicts, its next states as the currents of ``network``, whose tau may be another."""
    true = true_network(truth)
    drive = truth["drive"].values if "drive" in truth else None
    found = forecasts(true, r, u, horizon, drive)
    x = phi_inverse(r)[:, :-1]
    D, D_true = (decay(one.dt_s, one.tau_s, one.substeps) for one in (network, true))
    x_next = D_true * x + (1 - D_true) * found.one_step
    return found._replace(one_step=(x_next - D * x) / (1 - D))


def _repeatable(recording: xr.Dataset, which: str, r: Array, condition: Array) -> float:
    """Share of the variance that repeats between trials, the ceiling of a free run; NaN for scores from the data."""
    if which != "free_run" or not repeats(recording):
        return float("nan")
    shared, total = (part.sum() for part in repeatable_variance(r, condition))
    return float(shared / total) if total > 0 else float("nan")


def noises(networks: xr.Dataset, number: int, r: Array) -> dict[str, float]:
    """Process and measurement noise of one fit, rms over units, and the latter's share of the variance of the rates r.

    NaN where the estimator does not tell them apart.
    """
    if "measurement_noise_sd" not in networks:
        return dict.fromkeys(("process_noise_sd", "measurement_noise_sd", "measurement_noise_share"), float("nan"))
    process, measurement = (networks[f"{kind}_noise_sd"].values[number] for kind in ("process", "measurement"))
    total = float(np.nanvar(r, axis=(0, 1)).sum())
    return {
        "process_noise_sd": float(np.sqrt((process**2).mean())),
        "measurement_noise_sd": float(np.sqrt((measurement**2).mean())),
        "measurement_noise_share": min(float((measurement**2).sum()) / total, 1.0) if total > 0 else float("nan"),
    }
