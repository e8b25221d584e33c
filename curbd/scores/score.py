"""How well a network reproduces a recording: one bin ahead, some bins ahead, and running freely, beside baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.equation import Network, decay, phi_inverse
from curbd.network.file import member
from curbd.network.residual import Residual, one_step_residual, residual_autocorrelation
from curbd.network.truth import true_network
from curbd.network.view import forecast_inputs, with_hidden_inputs
from curbd.recording.scaling import observed_rates, scaled_rates
from curbd.scores.baselines import condition_average, own_past, repeatable_variance, repeats
from curbd.scores.forecasts import ROLLOUT_BINS, Forecasts, _starts, forecasts
from curbd.scores.r_squared import r_squared, unit_r_squared, variance_explained

Array = np.ndarray
ALL = "all regions"
"""In the place of a region's name: every unit."""


class Scores(NamedTuple):
    """The tables ``fits`` and ``region_scores``, and one row a unit with its held-out scores under the first seed."""

    fits: pd.DataFrame
    regions: pd.DataFrame
    units: pd.DataFrame


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
