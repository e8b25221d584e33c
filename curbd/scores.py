"""How well a network reproduces a recording: one bin ahead, some bins ahead, and running freely, beside baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.baselines import condition_average, own_past, repeatable_variance, repeats
from curbd.ensemble import member
from curbd.hidden import forecast_inputs, with_hidden_inputs
from curbd.network import Network, decay, free_run, phi_inverse, rates_inside_step, simulate
from curbd.recording.scaling import observed_rates, scaled_rates

Array = np.ndarray
ROLLOUT_BINS = 10
"""Horizon of the rollout; shorter where trials are."""
ALL = "all regions"
"""In the place of a region's name: every unit."""


class Residual(NamedTuple):
    """One-step prediction of the total current.

    y, error : (trial, time - 1, unit) total current and what the network missed of it, NaN where a bin is missing.
    """

    y: Array
    error: Array


class Scores(NamedTuple):
    """The tables ``fits`` and ``region_scores``, and one row a unit with its held-out scores under the first seed."""

    fits: pd.DataFrame
    regions: pd.DataFrame
    units: pd.DataFrame


class Forecasts(NamedTuple):
    """What is to be predicted, or a prediction of it.

    one_step : (trial, time - 1, unit) total currents. rollout : (trial, start, unit) rates some bins after a start
    from the data. free_run : (trial, time, unit) rates.
    """

    one_step: Array
    rollout: Array
    free_run: Array


def score(
    recording: xr.Dataset, networks: xr.Dataset, seconds: Sequence[float], truth: xr.Dataset | None = None
) -> Scores:
    """Scores of every fit of a model, for all units and for each region, beside ceilings and plain baselines.

    Hidden inputs are inferred from the very trials that they are to explain, so held-out trials are scored without
    them: what a trial itself must tell cannot be predicted of it. For the same reason all forecasts start from the
    observed rates, and are scored against them, where a fit infers others behind them. Baselines are fitted to the
    training trials and know the recorded inputs only.
    """
    r, observed = scaled_rates(recording).values, observed_rates(recording).values
    u = recording["inputs"].transpose("trial", "time", "input").values
    split = recording["split"].values.astype(str)
    condition = recording["condition"].values.astype(str)
    region = recording["region"].values.astype(str)
    groups = {ALL: np.ones(len(region), bool)} | {str(name): region == name for name in np.unique(region)}
    horizon = min(ROLLOUT_BINS, r.shape[1] - 1)
    names = {"recording": recording.attrs["recording"], "model": networks.attrs["model"]}
    rows: list[dict[str, Any]] = []
    by_region: list[dict[str, Any]] = []
    units = pd.DataFrame({"unit_id": recording["unit_id"].values.astype(str)}).assign(**names)
    for number, seed in enumerate(networks["seed"].values):
        network = member(networks, number)
        inputs = forecast_inputs(with_hidden_inputs(recording, networks, number), networks)
        residual = one_step_residual(network, r, inputs)
        data = Forecasts(residual.y, r[:, _starts(r, horizon) + horizon], r)
        guesses = {
            "r2": forecasts(network, r, inputs, horizon),
            "average_r2": _averages(recording, data, split == "train", condition),
            "persistence_r2": _persistence(r, horizon),
            "own_past_r2": forecasts(own_past(recording, network), r, u, horizon),
        }
        if truth is not None and recording.attrs["activity"] == "model":
            guesses["ceiling_r2"] = _by_the_truth(truth, network, r, u, horizon)
        for part in ("train", "test"):
            chosen = split == part
            if not chosen.any():
                continue
            of_fit = names | {"seed": int(seed), "split": part}
            scored = []
            for which in Forecasts._fields:
                known = getattr(data, which)[chosen]
                for name, inside in groups.items():
                    found = {
                        column: r_squared(known[..., inside], getattr(guess, which)[chosen][..., inside])
                        for column, guess in guesses.items()
                    }
                    if "ceiling_r2" not in guesses:
                        found["ceiling_r2"] = _repeatable(recording, which, r[chosen][..., inside], condition[chosen])
                    scored.append({"region": name, "score": which, "n_units": int(inside.sum())} | found)
            by_region += [of_fit | row for row in scored]
            rows.append(
                of_fit
                | {"n_units": r.shape[2], "n_trials": int(chosen.sum())}
                | _of_the_fit(scored)
                | {
                    "rollout_s": horizon * network.dt_s,
                    "free_run_variance_explained": variance_explained(r[chosen], guesses["r2"].free_run[chosen]),
                    "tau_s": network.tau_s,
                    "penalty_by": str(networks["penalty_by"].values[number]) if "penalty_by" in networks else None,
                    **noises(networks, number, observed[chosen]),
                    "residual_autocorrelation": residual_autocorrelation(Residual(*(x[chosen] for x in residual))),
                    "seconds": seconds[number],
                }
            )
        if number == 0:
            test = split == "test"
            for which in Forecasts._fields:
                units[f"{which}_r2"] = unit_r_squared(getattr(data, which)[test], getattr(guesses["r2"], which)[test])
            alone = guesses["own_past_r2"].one_step[test]
            units["one_step_own_past_r2"] = unit_r_squared(data.one_step[test], alone)
    return Scores(pd.DataFrame(rows), pd.DataFrame(by_region), units)


def _of_the_fit(scored: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Columns of ``fits`` from the rows that are about all units."""
    columns = {
        f"{row['score']}_{name}": value
        for row in scored
        if row["region"] == ALL
        for name, value in row.items()
        if name.endswith("r2")
    }
    renamed = {"free_run_ceiling_r2": "ceiling_r2", "free_run_average_r2": "baseline_r2"}
    return {renamed.get(name, name): value for name, value in columns.items()}


def forecasts(network: Network, r: Array, u: Array, horizon: int, drive: Array | None = None) -> Forecasts:
    """What a network predicts: one bin ahead, ``horizon`` bins after a start from the data, and running freely."""
    residual = one_step_residual(network, r, u)
    one_step = residual.y - residual.error + (0.0 if drive is None else drive[:, :-1])
    return Forecasts(one_step, rollout(network, r, u, horizon, drive), free_run(network, r, u, drive=drive))


def _averages(recording: xr.Dataset, data: Forecasts, train: Array, condition: Array) -> Forecasts:
    """The average training trial of the condition as a prediction; nothing where trials do not repeat."""
    if not repeats(recording):
        return Forecasts(*(np.full_like(values, np.nan) for values in data))
    return Forecasts(*(condition_average(values, train, condition) for values in data))


def _persistence(r: Array, horizon: int) -> Forecasts:
    """Nothing changes: the state one bin ago, at the start of the rollout, and at the start of the trial."""
    first = np.take_along_axis(r, np.isfinite(r).all(2).argmax(1)[:, None, None], axis=1)
    return Forecasts(phi_inverse(r)[:, :-1], r[:, _starts(r, horizon)], np.broadcast_to(first, r.shape))


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


def one_step_residual(network: Network, r: Array, u: Array) -> Residual:
    """Total current between consecutive bins and the part that the network does not predict."""
    x = phi_inverse(r)
    D = decay(network.dt_s, network.tau_s, network.substeps)
    y = (x[:, 1:] - D * x[:, :-1]) / (1 - D)
    constant = np.nan_to_num(u[:, :-1]) @ network.B.T + network.b
    n = r.shape[2]
    z = rates_inside_step(network, x[:, :-1].reshape(-1, n), constant.reshape(-1, n)).reshape(y.shape)
    return Residual(y, y - z @ network.J.T - constant)


def _starts(r: Array, horizon: int) -> Array:
    """Bins from which rollouts start, every ``horizon`` bins."""
    return np.arange(0, r.shape[1] - horizon, horizon)


def rollout(network: Network, r: Array, u: Array, horizon: int, drive: Array | None = None) -> Array:
    """(trial, start, unit) rates ``horizon`` bins after each start from the data."""
    starts = _starts(r, horizon)
    bins = starts[:, None] + np.arange(horizon + 1)
    x0 = phi_inverse(r[:, starts])
    n_runs = x0.shape[0] * x0.shape[1]

    def of_runs(values: Array) -> Array:
        return np.nan_to_num(values[:, bins]).reshape(n_runs, horizon + 1, values.shape[2])

    external = None if drive is None else of_runs(drive)
    ends = simulate(network, x0.reshape(n_runs, r.shape[2]), of_runs(u), drive=external)[:, -1]
    return ends.reshape(x0.shape)


def unit_r_squared(data: Array, prediction: Array) -> Array:
    """(unit,) 1 - squared error / variance about the unit's mean, over complete bins; NaN where nothing varies."""
    both = np.isfinite(data) & np.isfinite(prediction)
    count = np.maximum(both.sum((0, 1)), 1)
    known = np.where(both, data, 0.0)
    mean = known.sum((0, 1)) / count
    spread = np.where(both, data - mean, 0.0)
    missed = np.where(both, data - prediction, 0.0)
    total = (spread**2).sum((0, 1))
    return np.where(total > 0, 1 - (missed**2).sum((0, 1)) / np.where(total > 0, total, 1), np.nan)


def r_squared(data: Array, prediction: Array) -> float:
    """1 - squared error / variance, each unit about its mean, all units pooled; NaN where nothing varies."""
    both = np.isfinite(data) & np.isfinite(prediction)
    if not both.any():
        return float("nan")
    mean = np.where(both, data, 0.0).sum((0, 1)) / np.maximum(both.sum((0, 1)), 1)
    total = float((np.where(both, data - mean, 0.0) ** 2).sum())
    missed = float((np.where(both, data - prediction, 0.0) ** 2).sum())
    return 1 - missed / total if total > 0 else float("nan")


def variance_explained(data: Array, prediction: Array) -> float:
    """The same about one grand mean, as the CURBD literature reports it (pVar)."""
    both = np.isfinite(data) & np.isfinite(prediction)
    if not both.any():
        return float("nan")
    known = data[both]
    total = float(((known - known.mean()) ** 2).sum())
    return 1 - float(((known - prediction[both]) ** 2).sum()) / total if total > 0 else float("nan")


def residual_autocorrelation(residual: Residual) -> float:
    """Lag-1 autocorrelation of the one-step residual inside trials, median over units."""
    before, after = residual.error[:, :-1], residual.error[:, 1:]
    both = np.isfinite(before) & np.isfinite(after)
    if not both.any():
        return float("nan")
    product = np.where(both, before * after, 0.0).sum((0, 1))
    power = np.sqrt(np.where(both, before**2, 0.0).sum((0, 1)) * np.where(both, after**2, 0.0).sum((0, 1)))
    return float(np.median(product[power > 0] / power[power > 0])) if (power > 0).any() else float("nan")


def true_network(truth: xr.Dataset) -> Network:
    """The network behind a teacher recording."""
    return Network(
        truth["J"].values,
        truth["B"].values,
        truth["b"].values,
        float(truth.attrs["tau_s"]),
        float(truth.attrs["dt_s"]),
        int(truth.attrs["substeps"]),
    )
