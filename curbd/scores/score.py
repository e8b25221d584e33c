"""Scores of networks and baselines: predictions one bin ahead, several bins ahead, and of free runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.truth import comparable_truth
from curbd.network.view import View, views
from curbd.scores.baselines import has_repeated_trials, repeatable_variance
from curbd.scores.compared_forecasts import ForecastComparison, compare_forecasts, rollout_bins, splits_of
from curbd.scores.forecasts import Forecasts
from curbd.scores.network_columns import columns_of_network

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
            fits.append(
                labels
                | fit_scores(fit, compared[split], trials, rows)
                | columns_of_network(networks, fit_index, recording, trials)
                | {"cosmoothing_bits_per_spike": np.nan, "seconds": seconds[fit_index]}
            )
    return Scores(pd.DataFrame(fits), pd.DataFrame(by_region), units)


def region_scores(
    recording: xr.Dataset, fit: View, comparison: ForecastComparison, trials: Array
) -> list[dict[str, Any]]:
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


def fit_scores(
    fit: View, comparison: ForecastComparison, trials: Array, by_region: Sequence[dict[str, Any]]
) -> dict[str, Any]:
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


def unit_scores(fit: View, compared: Mapping[str, ForecastComparison]) -> pd.DataFrame:
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
