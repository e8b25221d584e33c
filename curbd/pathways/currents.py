"""Currents by source: what each region, each input and the bias send to every unit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from curbd.network.sources import Source
from curbd.network.view import View, views

Array = np.ndarray
CURRENT_SIGNS = ("net", "excitatory", "inhibitory")
NET_INDEX = CURRENT_SIGNS.index("net")


def decompose(recording: xr.Dataset, networks: xr.Dataset) -> xr.DataArray:
    """Current that every source sends to every unit, at the recorded activity.

    A region s sends c[s, i] = sum over its units j of J[i, j] r[j]; an input sends B u, and the bias sends b. The
    currents of all sources sum to the total current. Where a fit inferred the rates behind noisy observations, its
    currents are evaluated at the inferred rates, in all trials: the rates of a trial are inferred from the data of that
    trial, by parameters that were fitted to the training trials. Splitting the current by source region is the idea of
    CURBD (Perich et al., bioRxiv 2020.12.18.423348).

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.

    Returns
    -------
    current : (seed, source, trial, time, unit) dimensionless, in the units of x in tau dx/dt = -x + J r + B u + b; NaN
    where a bin is missing.
    """
    fits = views(recording, networks)
    first = fits[0]
    current = np.empty((len(fits), len(first.sources), *first.r.shape))
    for fit_index, fit in enumerate(fits):
        for source_index, source in enumerate(fit.sources):
            current[fit_index, source_index] = fit.current(source)
    return xr.DataArray(
        current,
        dims=("seed", "source", "trial", "time", "unit"),
        coords={
            "seed": networks["seed"].values,
            "source": [source.name for source in first.sources],
            "time": first.time_s,
            "unit": first.unit_id,
            "unit_id": ("unit", first.unit_id),
            "region": ("unit", first.region),
            "condition": ("trial", first.condition),
        },
        name="current",
        attrs={"recording": recording.attrs["recording"], "model": networks.attrs["model"], "units": "units of x"},
    )


def current_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """Mean and rms of every current over the units of a region and the trials of a condition, over time.

    The interval of the net mean comes from the posterior of the weights where there is one. Without a posterior, and
    for excitatory and inhibitory currents, the interval comes from the spread over seeds (Student's t).

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.

    Returns
    -------
    The table ``currents``, one row for each seed, target region, source, sign, condition and time.
    """
    fits = views(recording, networks)
    first = fits[0]
    conditions = np.unique(first.condition)
    mean, rms, spread = _averages(fits, conditions)
    low, high = _interval(mean, spread)
    index = pd.MultiIndex.from_product(
        [
            networks["seed"].values,
            first.regions,
            [source.name for source in first.sources],
            CURRENT_SIGNS,
            conditions,
            first.time_s,
        ],
        names=["seed", "target", "source", "sign", "condition", "time_s"],
    )
    columns = {"mean": mean.ravel(), "rms": rms.ravel(), "ci_low": low.ravel(), "ci_high": high.ravel()}
    table = pd.DataFrame(columns, index=index).reset_index()
    table.insert(0, "recording", recording.attrs["recording"])
    table.insert(1, "model", networks.attrs["model"])
    # A condition whose trials all end earlier has no current there.
    return table[np.isfinite(table["mean"])].reset_index(drop=True)


def _averages(fits: Sequence[View], conditions: Array) -> tuple[Array, Array, Array]:
    """Mean and rms of every current, and the posterior standard deviation of the mean.

    Parameters
    ----------
    fits : the recording as each fit sees it.
    conditions : (condition,) names of the conditions.

    Returns
    -------
    mean, rms, spread : (seed, target region, source, sign, condition, time); the spread is NaN without a posterior, and
        for excitatory and inhibitory currents.
    """
    first = fits[0]
    trials_of = [first.condition == name for name in conditions]
    units_of = [first.region == name for name in first.regions]
    shape = (len(fits), len(first.regions), len(first.sources), len(CURRENT_SIGNS), len(conditions), len(first.time_s))
    mean, rms, spread = (np.full(shape, np.nan) for _ in range(3))
    for fit_index, fit in enumerate(fits):
        for source_index, source in enumerate(fit.sources):
            currents = _by_sign(fit, source)
            for (condition, trials), (target, units) in product(enumerate(trials_of), enumerate(units_of)):
                for sign, current in enumerate(currents):
                    cell = (fit_index, target, source_index, sign, condition)
                    mean[cell], rms[cell] = _mean_and_rms(current[trials][:, :, units])
                variance = fit.mean_current_variance(source, first.regions[target], trials)
                if variance is not None:
                    spread[fit_index, target, source_index, NET_INDEX, condition] = np.sqrt(variance)
    return mean, rms, spread


def _by_sign(fit: View, source: Source) -> list[Array]:
    """Net, excitatory and inhibitory current (trial, time, unit) of a source."""
    net, excitatory = fit.current(source), fit.excitatory_current(source)
    return [net, excitatory, net - excitatory]


def _mean_and_rms(values: Array) -> tuple[Array, Array]:
    """Mean and rms (time,) of values (trial, time, unit) over trials and units, missing bins left out."""
    observed = np.isfinite(values)
    filled = np.where(observed, values, 0.0)
    count = observed.sum((0, 2))
    count_or_nan = np.where(count > 0, count, np.nan)
    return filled.sum((0, 2)) / count_or_nan, np.sqrt((filled**2).sum((0, 2)) / count_or_nan)


def _interval(mean: Array, spread: Array) -> tuple[Array, Array]:
    """Ends of the 95 % interval, from posterior standard deviations where known, else from the spread over seeds.

    Parameters
    ----------
    mean, spread : (seed, ...) mean currents, and their posterior standard deviations or NaN.
    """
    n_seeds = len(mean)
    half_width = stats.norm.ppf(0.975) * spread
    if n_seeds > 1:
        over_seeds = mean.std(axis=0, ddof=1) * stats.t.ppf(0.975, n_seeds - 1)
        half_width = np.where(np.isfinite(half_width), half_width, over_seeds)
    return mean - half_width, mean + half_width
