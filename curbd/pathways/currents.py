"""Currents by source: what each region, input and the bias send to every unit; their sum is the total current."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from curbd.network.equation import weights
from curbd.network.file import member, posterior, rate_covariance, summed_covariance
from curbd.network.sources import Part, parts, presynaptic
from curbd.network.view import at_inferred_rates, with_hidden_inputs

Array = np.ndarray
SIGNS = ("net", "excitatory", "inhibitory")


def decompose(recording: xr.Dataset, networks: xr.Dataset) -> xr.DataArray:
    """Current that every source sends to every unit, at the recorded activity.

    Where a fit inferred the rates behind noisy ones, its currents are evaluated at these, in all trials: a trial's
    rates are inferred from its own data, by parameters that were fitted to the training trials.

    c[s, i] = sum over the units j of region s of J[i, j] r[j]; an input sends B u, the bias sends b. The sources sum
    to the total current J r + B u + b to rounding error (current-based decomposition: Perich et al. 2020).

    Returns
    -------
    current : (seed, source, trial, time, unit) in units of x, NaN where a bin is missing.
    """
    sources = parts(with_hidden_inputs(recording, networks, 0))
    seeds = networks["seed"].values
    shape = recording.sizes["trial"], recording.sizes["time"], networks.sizes["target"]
    current = np.empty((len(seeds), len(sources), *shape))
    for number in range(len(seeds)):
        z = presynaptic(at_inferred_rates(with_hidden_inputs(recording, networks, number), networks, number))
        W = weights(member(networks, number))
        for place, part in enumerate(sources):
            current[number, place] = z[..., part.columns] @ W[:, part.columns].T
    return xr.DataArray(
        current,
        dims=("seed", "source", "trial", "time", "unit"),
        coords={
            "seed": seeds,
            "source": [part.source for part in sources],
            "time": recording["time"].values,
            "unit": recording["unit_id"].values.astype(str),
            "unit_id": ("unit", recording["unit_id"].values.astype(str)),
            "region": ("unit", recording["region"].values.astype(str)),
            "condition": ("trial", recording["condition"].values.astype(str)),
        },
        name="current",
        attrs={"recording": recording.attrs["recording"], "model": networks.attrs["model"], "units": "units of x"},
    )


def current_table(recording: xr.Dataset, networks: xr.Dataset, current: xr.DataArray) -> pd.DataFrame:
    """The table ``currents``: mean and rms over the units of a region and the trials of a condition, over time.

    The interval of the net mean is exact where there is a posterior; elsewhere, and for the excitatory and
    inhibitory parts, it comes from the spread over seeds (Student's t).
    """
    region = recording["region"].values.astype(str)
    condition = recording["condition"].values.astype(str)
    conditions = np.unique(condition)
    sources = parts(with_hidden_inputs(recording, networks, 0))
    regions = np.unique(region)
    n_bins = recording.sizes["time"]
    shape = (len(current["seed"]), len(regions), len(sources), len(SIGNS), len(conditions), n_bins)
    mean, rms, spread = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    inside = [condition == name for name in conditions]
    for number in range(shape[0]):
        z = presynaptic(at_inferred_rates(with_hidden_inputs(recording, networks, number), networks, number))
        W = weights(member(networks, number))
        uncertain = rate_covariance(networks, number)
        known = posterior(networks, number)
        covariances = [] if known is None else [summed_covariance(known, region == name) for name in regions]
        for place, part in enumerate(sources):
            net = current.values[number, place]
            for sign, full in enumerate(_signed(net, z, W, part)):
                for at, trials in enumerate(inside):
                    for target, name in enumerate(regions):
                        slot = (number, target, place, sign, at)
                        mean[slot], rms[slot] = _mean_and_rms(full[trials][:, :, region == name])
                        if sign == 0 and covariances:
                            inside_target = region == name
                            variance = _posterior_variance(covariances[target], z[trials], part, inside_target.sum())
                            if uncertain is not None:
                                variance += _rate_variance(uncertain, W[inside_target].mean(0), z[trials], part)
                            spread[slot] = np.sqrt(variance)
    low, high = _interval(mean, spread)
    index = pd.MultiIndex.from_product(
        [
            current["seed"].values,
            regions,
            [part.source for part in sources],
            SIGNS,
            conditions,
            recording["time"].values,
        ],
        names=["seed", "target", "source", "sign", "condition", "time_s"],
    )
    table = pd.DataFrame(
        {"mean": mean.ravel(), "rms": rms.ravel(), "ci_low": low.ravel(), "ci_high": high.ravel()}, index=index
    ).reset_index()
    table.insert(0, "recording", recording.attrs["recording"])
    table.insert(1, "model", networks.attrs["model"])
    # A condition whose trials all end earlier has no current there.
    return table[np.isfinite(table["mean"])].reset_index(drop=True)


def _signed(net: Array, z: Array, W: Array, part: Part) -> Iterator[Array]:
    """The net current of a source and its parts through positive and negative weights."""
    positive = z[..., part.columns] @ np.maximum(W[:, part.columns], 0).T
    yield net
    yield positive
    yield net - positive


def _mean_and_rms(values: Array) -> tuple[Array, Array]:
    """Over trials and units (trial, time, unit) -> (time,), missing bins left out."""
    known = np.isfinite(values)
    count = known.sum((0, 2))
    filled = np.where(known, values, 0.0)
    some = np.where(count > 0, count, np.nan)
    return filled.sum((0, 2)) / some, np.sqrt((filled**2).sum((0, 2)) / some)


def _posterior_variance(covariance: Array, z: Array, part: Part, n_units: int) -> Array:
    """Posterior variance (time,) of the mean over a region's units and the trials, the rates taken as known.

    The mean is W z averaged over trials and units: its variance is z' Q z / units^2 at the average z, where Q is the
    sum of the posterior covariances of the units' weights.
    """
    complete = np.isfinite(z).all(2)
    count = np.where(complete.any(0), complete.sum(0), np.nan)
    average = np.where(complete[..., None], z, 0.0)[..., part.columns].sum(0) / count[:, None]
    variance = np.einsum("ti,ij,tj->t", average, covariance[np.ix_(part.columns, part.columns)], average)
    return np.maximum(variance, 0) / n_units**2


def _rate_variance(covariance: Array, w: Array, z: Array, part: Part) -> Array:
    """What the uncertainty of inferred rates adds to it (time,): w' C w / trials, w the region's mean weights."""
    own = part.columns[part.columns < len(covariance)]
    count = np.isfinite(z).all(2).sum(0)
    return float(w[own] @ covariance[np.ix_(own, own)] @ w[own]) / np.where(count > 0, count, np.nan)


def _interval(mean: Array, spread: Array) -> tuple[Array, Array]:
    """95 % interval from posterior standard deviations, else from the spread over seeds (first axis)."""
    n_seeds = len(mean)
    half = stats.norm.ppf(0.975) * spread
    if n_seeds > 1:
        over_seeds = mean.std(axis=0, ddof=1) * stats.t.ppf(0.975, n_seeds - 1)
        half = np.where(np.isfinite(half), half, over_seeds)
    return mean - half, mean + half
