"""How well a network reproduces a recording: one bin ahead, some bins ahead, and running freely, beside a ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.ensemble import member
from curbd.hidden import with_hidden_inputs
from curbd.network import Network, decay, phi_inverse, rates_inside_step, simulate
from curbd.recording.scaling import scaled_rates

Array = np.ndarray
ROLLOUT_BINS = 10
"""Horizon of the rollout; shorter where trials are."""


class Residual(NamedTuple):
    """One-step prediction of the total current.

    y, error : (trial, time - 1, unit) total current and what the network missed of it, NaN where a bin is missing.
    """

    y: Array
    error: Array


def score(
    recording: xr.Dataset, networks: xr.Dataset, seconds: Sequence[float], truth: xr.Dataset | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of every fit of a model.

    Hidden inputs are inferred from the very trials that they are to explain, so held-out trials are scored without
    them: what a trial itself must tell cannot be predicted of it.

    Returns
    -------
    The table ``fits``, and one row a unit with its held-out one-step R2 under the first seed (columns recording,
    model, unit_id, one_step_r2).
    """
    r = scaled_rates(recording).values
    u = recording["inputs"].transpose("trial", "time", "input").values
    split = recording["split"].values.astype(str)
    condition = recording["condition"].values.astype(str)
    names = {"recording": recording.attrs["recording"], "model": networks.attrs["model"]}
    rows, unit_scores = [], np.full(r.shape[2], np.nan)
    for number, seed in enumerate(networks["seed"].values):
        network = member(networks, number)
        seen = with_hidden_inputs(recording, networks, number)["inputs"].transpose("trial", "time", "input").values
        for part in ("train", "test"):
            chosen = split == part
            if not chosen.any():
                continue
            inputs = seen[chosen].copy()
            if part == "test":
                inputs[..., u.shape[2] :] = 0.0
            residual = one_step_residual(network, r[chosen], inputs)
            free = free_run(network, r[chosen], inputs)
            horizon = min(ROLLOUT_BINS, r.shape[1] - 1)
            rows.append(
                names
                | {
                    "seed": int(seed),
                    "split": part,
                    "n_units": r.shape[2],
                    "n_trials": int(chosen.sum()),
                    "one_step_r2": r_squared(residual.y, residual.y - residual.error),
                    "rollout_r2": rollout_r2(network, r[chosen], inputs, horizon),
                    "rollout_s": horizon * network.dt_s,
                    "free_run_r2": r_squared(r[chosen], free),
                    "free_run_variance_explained": variance_explained(r[chosen], free),
                    "ceiling_r2": ceiling(recording, truth, r, u, chosen, condition),
                    "baseline_r2": condition_average_r2(recording, r, split == "train", chosen, condition),
                    "tau_s": network.tau_s,
                    "residual_autocorrelation": residual_autocorrelation(residual),
                    "seconds": seconds[number],
                }
            )
            if part == "test" and number == 0:
                unit_scores = unit_r_squared(residual.y, residual.y - residual.error)
    units = pd.DataFrame({"unit_id": recording["unit_id"].values.astype(str), "one_step_r2": unit_scores})
    return pd.DataFrame(rows), units.assign(**names)[["recording", "model", "unit_id", "one_step_r2"]]


def one_step_residual(network: Network, r: Array, u: Array) -> Residual:
    """Total current between consecutive bins and the part that the network does not predict."""
    x = phi_inverse(r)
    D = decay(network.dt_s, network.tau_s, network.substeps)
    y = (x[:, 1:] - D * x[:, :-1]) / (1 - D)
    constant = np.nan_to_num(u[:, :-1]) @ network.B.T + network.b
    n = r.shape[2]
    z = rates_inside_step(network, x[:, :-1].reshape(-1, n), constant.reshape(-1, n)).reshape(y.shape)
    return Residual(y, y - z @ network.J.T - constant)


def free_run(network: Network, r: Array, u: Array, drive: Array | None = None) -> Array:
    """(trial, time, unit) rates of the network running from the first bin of every trial."""
    return simulate(network, phi_inverse(r[:, 0]), np.nan_to_num(u), drive=drive)


def rollout_r2(network: Network, r: Array, u: Array, horizon: int) -> float:
    """Share of the variance explained ``horizon`` bins after a start from the data, starts every ``horizon`` bins."""
    starts = np.arange(0, r.shape[1] - horizon, horizon)
    if not len(starts):
        return float("nan")
    x0 = phi_inverse(r[:, starts])
    inputs = np.nan_to_num(u[:, starts[:, None] + np.arange(horizon + 1)])
    n_trials, n_starts = x0.shape[:2]
    ends = simulate(
        network,
        x0.reshape(n_trials * n_starts, r.shape[2]),
        inputs.reshape(n_trials * n_starts, horizon + 1, u.shape[2]),
    )[:, -1]
    return r_squared(r[:, starts + horizon], ends.reshape(x0.shape))


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


def repeats(recording: xr.Dataset) -> bool:
    """Whether bins of different trials answer one another: trials do, blocks of continuous data do not."""
    return bool(recording.attrs["stretches"] == "trials")


def ceiling(
    recording: xr.Dataset, truth: xr.Dataset | None, r: Array, u: Array, chosen: Array, condition: Array
) -> float:
    """What a free run could reach.

    For a teacher, the score of the true network itself. Else the share of the variance that repeats: the covariance
    of the averages of two halves of a condition's trials, over the variance of single trials; the average over units
    is weighted by variance, and conditions of one trial are left out.
    """
    if truth is not None and recording.attrs["activity"] == "model":
        drive = truth["drive"].values[chosen] if "drive" in truth else None
        return r_squared(r[chosen], free_run(true_network(truth), r[chosen], u[chosen], drive))
    if not repeats(recording):
        return float("nan")
    shared, total = 0.0, 0.0
    for name in np.unique(condition[chosen]):
        trials = np.flatnonzero(chosen & (condition == name))
        if len(trials) < 2:
            continue
        data = r[trials]
        complete = np.isfinite(data).all((0, 2))
        data = data[:, complete]
        if data.shape[1] < 2:
            continue
        halves = [data[half::2].mean(0) for half in (0, 1)]
        a, b = (half - half.mean(0) for half in halves)
        shared += float((a * b).sum()) * len(trials)
        total += float(((data - data.mean((0, 1))) ** 2).sum())
    return shared / total if total > 0 else float("nan")


def condition_average_r2(recording: xr.Dataset, r: Array, train: Array, chosen: Array, condition: Array) -> float:
    """R2 of the plain baseline: the average of the training trials of the same condition."""
    if not repeats(recording):
        return float("nan")
    prediction = np.full_like(r[chosen], np.nan)
    for place, trial in enumerate(np.flatnonzero(chosen)):
        same = train & (condition == condition[trial])
        if same.any():
            known = np.isfinite(r[same])
            count = known.sum(0)
            total = np.where(known, r[same], 0.0).sum(0)
            prediction[place] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return r_squared(r[chosen], prediction)


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
