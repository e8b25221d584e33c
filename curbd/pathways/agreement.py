"""How far the fits of an ensemble agree: on weights, on currents, and on what silencing would do."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import xarray as xr

from curbd.network.equation import free_run
from curbd.network.file import member
from curbd.network.sources import Part
from curbd.network.truth import correlation
from curbd.network.view import with_hidden_inputs
from curbd.recording.scaling import scaled_rates, silent

Array = np.ndarray
MOST_TRIALS = 60
"""Effects of silencing are averages over trials; more than these change an average little."""


def agreement(values: Array) -> float:
    """Correlation between fits of some numbers (fit, ...), mean over pairs of fits; NaN for one fit.

    Numbers that are missing in one fit are left out.
    """
    flat = values.reshape(len(values), -1)
    flat = flat[:, np.isfinite(flat).all(0)]
    pairs = [correlation(flat[a], flat[b]) for a, b in combinations(range(len(flat)), 2)]
    known = [value for value in pairs if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def silencing_effects(recording: xr.Dataset, networks: xr.Dataset, sources: list[Part]) -> Array:
    """(fit, source, condition, time, unit) what silencing a region, or taking an input away, does to every unit.

    Silenced minus intact rates of a free run from the first recorded states, averaged over the trials of a condition;
    NaN for the silenced units themselves, and where no trial was recorded.
    """
    chosen = np.unique(np.linspace(0, recording.sizes["trial"] - 1, MOST_TRIALS).round().astype(int))
    some = recording.isel(trial=chosen)
    r = scaled_rates(some).values
    n, at_rest = r.shape[2], silent(recording)
    condition = some["condition"].values.astype(str)
    conditions = np.unique(condition)
    observed = np.broadcast_to(np.isfinite(r).all(2, keepdims=True), r.shape)
    count = np.stack([observed[condition == name].sum(0) for name in conditions])
    effects = np.full((networks.sizes["seed"], len(sources), len(conditions), *r.shape[1:]), np.nan)
    for number in range(len(effects)):
        network = member(networks, number)
        seen = with_hidden_inputs(recording, networks, number)["inputs"].transpose("trial", "time", "input")
        inputs = seen.values[chosen]
        intact = free_run(network, r, inputs)
        for place, part in enumerate(sources):
            units, known = part.columns[part.columns < n], part.columns[part.columns >= n] - n
            left = inputs.copy()
            left[..., known] = 0.0
            silenced = free_run(network, r, left, silenced=np.isin(np.arange(n), units), silent=at_rest)
            change = np.where(observed, silenced - intact, 0.0)
            total = np.stack([change[condition == name].sum(0) for name in conditions])
            effects[number, place] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
            effects[number, place][..., units] = np.nan
    return effects
