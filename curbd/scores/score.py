"""Scores of networks and baselines: predictions one bin ahead, several bins ahead, and of free runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.equation import Network, total_current
from curbd.network.residual import LagSums, observed_currents
from curbd.network.truth import comparable_truth, true_network
from curbd.network.view import View, views
from curbd.recording.scaling import observed_rates
from curbd.scores.baselines import condition_averages, has_repeated_trials, own_past, repeatable_variance
from curbd.scores.forecasts import ROLLOUT_BINS, Forecasts, forecasts, forecasts_by_region, rollout_starts
from curbd.scores.r_squared import UnitErrors

Array = np.ndarray
ALL_REGIONS = "all regions"
"""Entry of the column ``region`` in the rows about all units."""
FORECAST_VALUES = 1 << 24
"""Number of rates that are predicted at the same time, 128 MiB in double precision, unless a single trial has more."""


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
    comparable = comparable_truth(recording, truth, networks.attrs["phi"])
    fits: list[dict[str, Any]] = []
    by_region: list[dict[str, Any]] = []
    for fit_index, (seed, fit) in enumerate(
        zip(networks["seed"].values, views(recording, networks, rates="observed"), strict=True)
    ):
        compared = compare_forecasts(recording, fit, comparable)
        if fit_index == 0:
            units = unit_scores(fit, compared).assign(**names)
        for split, trials in splits_of(fit).items():
            labels = names | {"seed": int(seed), "split": split}
            rows = region_scores(recording, fit, compared[split], trials)
            by_region += [labels | row for row in rows]
            penalty_by = str(networks["penalty_by"].values[fit_index]) if "penalty_by" in networks else None
            fits.append(
                labels
                | fit_scores(fit, compared[split], trials, rows)
                | noise_columns(networks, fit_index, recording, trials)
                | indicator_columns(networks, fit_index)
                | nonlinearity_columns(networks)
                | adaptation_columns(networks, fit_index)
                | time_constant_columns(networks, fit_index)
                | {"penalty_by": penalty_by, "cosmoothing_bits_per_spike": np.nan, "seconds": seconds[fit_index]}
            )
    return Scores(pd.DataFrame(fits), pd.DataFrame(by_region), units)


class Comparison(NamedTuple):
    """Sums over some trials that compare forecasts with the recording.

    Attributes
    ----------
    errors : (kind of forecast, column of the tables) -> errors of a prediction, by the network (``r2``), by a baseline
        or by the true network.
    lag : sums behind the autocorrelation of the network's prediction errors.
    """

    errors: dict[tuple[str, str], UnitErrors]
    lag: LagSums

    def plus(self, more: Comparison) -> Comparison:
        """Add the sums over other trials."""
        errors = {key: errors.plus(more.errors[key]) for key, errors in self.errors.items()}
        return Comparison(errors, self.lag.plus(more.lag))


def splits_of(fit: View) -> dict[str, Array]:
    """Return the trials (trial,) bool of every split that has any: ``train`` and ``test``."""
    return {split: trials for split, trials in (("train", fit.train), ("test", ~fit.train)) if trials.any()}


def compare_forecasts(recording: xr.Dataset, fit: View, truth: xr.Dataset | None) -> dict[str, Comparison]:
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

    def compare(trials: Array) -> Comparison:
        rates = r[trials]
        data = Forecasts(observed_currents(network, rates), rates[:, rollout_starts(rates, horizon) + horizon], rates)
        errors: dict[tuple[str, str], UnitErrors] = {}
        for column, prediction in predicted(trials, rates):
            if column == "r2":
                lag = LagSums.of(data.one_step - prediction.one_step)
            for kind in Forecasts._fields:
                errors[kind, column] = UnitErrors.of(getattr(data, kind), getattr(prediction, kind))
        return Comparison(errors, lag)

    compared: dict[str, Comparison] = {}
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


def region_scores(recording: xr.Dataset, fit: View, comparison: Comparison, trials: Array) -> list[dict[str, Any]]:
    """Compute the R2 of every forecast in some trials, for all units and for each region.

    Parameters
    ----------
    recording : the recording that was fitted.
    fit : a fitted network with the recording that it was fitted to, at observed rates.
    comparison : the comparison of all forecasts with the recording, over these trials.
    trials : (trial,) bool, which trials are scored.

    Returns
    -------
    One row per kind of forecast and region; the row about all units comes before the rows about regions.
    """
    groups = {ALL_REGIONS: np.ones(len(fit.region), bool)}
    groups |= {region: fit.region == region for region in fit.regions}
    columns = dict.fromkeys(column for _, column in comparison.errors)
    repeatable, total = np.full((2, len(fit.region)), np.nan)
    if "ceiling_r2" not in columns and has_repeated_trials(recording):
        for region in fit.regions:
            units = groups[region]
            of_region = fit.r[np.ix_(trials, np.ones(fit.r.shape[1], bool), units)]
            repeatable[units], total[units] = repeatable_variance(of_region, fit.condition[trials])
    rows = []
    for kind in Forecasts._fields:
        for name, units in groups.items():
            scores = {column: comparison.errors[kind, column].of_units(units).together() for column in columns}
            if "ceiling_r2" not in scores:
                # The share of variance that repeats between trials is a reference for free runs only.
                variance = total[units].sum() if kind == "free_run" else 0.0
                scores["ceiling_r2"] = float(repeatable[units].sum() / variance) if variance > 0 else float("nan")
            rows.append({"region": name, "score": kind, "n_units": int(units.sum())} | scores)
    return rows


def fit_scores(fit: View, comparison: Comparison, trials: Array, by_region: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Compute the columns of the table ``fits`` for some trials.

    Parameters
    ----------
    fit : a fitted network with the recording that it was fitted to, at observed rates.
    comparison : the comparison of all forecasts with the recording, over these trials.
    trials : (trial,) bool, which trials are scored.
    by_region : rows of `region_scores` for these trials.

    Returns
    -------
    Name -> value of the columns.
    """
    return {
        "n_units": fit.r.shape[2],
        "n_trials": int(trials.sum()),
        **_columns_of_all_regions(by_region),
        "rollout_s": rollout_bins(fit) * fit.network.dt_s,
        "free_run_variance_explained": comparison.errors["free_run", "r2"].about_grand_mean(),
        "tau_s": fit.network.tau_s,
        "residual_autocorrelation": comparison.lag.autocorrelation(),
    }


def unit_scores(fit: View, compared: Mapping[str, Comparison]) -> pd.DataFrame:
    """Compute the table ``unit_scores``: the held-out R2 of every unit for each kind of forecast.

    Time constants of single units are added, if the units have their own.

    Parameters
    ----------
    fit : a fitted network with the recording that it was fitted to, at observed rates.
    compared : split -> the comparison of all forecasts with the recording.

    Returns
    -------
    One row per unit; NaN without held-out trials.
    """
    columns = {f"{kind}_r2": (kind, "r2") for kind in Forecasts._fields}
    columns["one_step_own_past_r2"] = ("one_step", "own_past_r2")
    nothing = np.full(len(fit.region), np.nan)
    scores = {
        name: compared["test"].errors[key].by_unit() if "test" in compared else nothing for name, key in columns.items()
    }
    own = {} if fit.network.unit_tau_s is None else {"tau_s": fit.network.unit_tau_s}
    return pd.DataFrame({"unit_id": fit.unit_id, **scores, **own})


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


def indicator_columns(networks: xr.Dataset, fit_index: int) -> dict[str, float]:
    """Return the column of the table ``fits`` about the calcium indicator; none for fits without an indicator."""
    return {"indicator_s": float(networks["indicator_s"].values[fit_index])} if "indicator_s" in networks else {}


def nonlinearity_columns(networks: xr.Dataset) -> dict[str, Any]:
    """Return the columns of the table ``fits`` about the nonlinearity; none for tanh that was not chosen."""
    name, nats = str(networks.attrs["phi"]), networks.attrs.get("nonlinearity_nats")
    if name == "tanh" and nats is None:
        return {}
    return {"nonlinearity": name, "nonlinearity_nats": np.nan if nats is None else float(nats)}


def adaptation_columns(networks: xr.Dataset, fit_index: int) -> dict[str, float]:
    """Return the columns of the table ``fits`` about the adaptation of the units; none if adaptation was not tried."""
    names = [name for name in ("adaptation_tau_s", "adaptation_nats") if "adaptation_nats" in networks]
    return {name: float(networks[name].values[fit_index]) if name in networks else np.nan for name in names}


def time_constant_columns(networks: xr.Dataset, fit_index: int) -> dict[str, float]:
    """Return the columns of the table ``fits`` about time constants that differ; none if all units share one."""
    if "unit_tau_s" not in networks:
        return {}
    of_units = networks["unit_tau_s"].values[fit_index]
    return {
        "shortest_tau_s": float(of_units.min()),
        "longest_tau_s": float(of_units.max()),
        "tau_nats": float(networks["tau_nats"].values[fit_index]),
    }


def noise_columns(networks: xr.Dataset, fit_index: int, recording: xr.Dataset, trials: Array) -> dict[str, float]:
    """Compute the columns of the table ``fits`` about the process noise and the measurement noise of one fit.

    Parameters
    ----------
    networks : the fits of a model.
    fit_index : position of the fit among the seeds.
    recording : the recording that was fitted, for the variance of its rates.
    trials : (trial,) bool, the trials that are scored.

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
    total = float(np.nanvar(observed_rates(recording, networks.attrs["phi"]).values[trials], axis=(0, 1)).sum())
    return {
        "process_noise_sd": float(np.sqrt((process**2).mean())),
        "measurement_noise_sd": float(np.sqrt((measurement**2).mean())),
        "measurement_noise_share": min(float((measurement**2).sum()) / total, 1.0) if total > 0 else float("nan"),
    }
