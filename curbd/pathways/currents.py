"""Currents by source: what each region, each input and the bias send to every unit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri as normal_quantile
from scipy.special import stdtrit as t_quantile

from curbd.network.current_view import CurrentView
from curbd.network.equation import Network, weights
from curbd.network.view import views
from curbd.regression.transitions import source_of_regressor

Array = np.ndarray
CURRENT_SIGNS = ("net", "excitatory", "inhibitory")
NET_INDEX = CURRENT_SIGNS.index("net")


def decompose(recording: xr.Dataset, networks: xr.Dataset) -> xr.DataArray:
    """Split the current into every unit by source: regions, inputs and the bias.

    Region s sends the current c[s, i] = sum over units j in s of J[i, j] r[j] to unit i, with recurrent weights J and
    rates r. An input u sends B u with input weights B, and the bias sends b. The currents of all sources sum to the
    total current. If a fit inferred the rates behind noisy observations, its currents are computed from the inferred
    rates, in all trials; the rates of a trial are inferred from the data of the trial, by parameters that were fitted
    to the training trials. The decomposition of currents by source region was introduced by CURBD (Perich et al.,
    bioRxiv 2020.12.18.423348).

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.

    Returns
    -------
    current : (seed, source, trial, time, unit) the currents, in the (dimensionless) units of the state x in
        tau dx/dt = -x + J r + B u + b; NaN where a bin is missing.
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
        coords=current_coordinates(first, networks),
        name="current",
        attrs={"recording": recording.attrs["recording"], "model": networks.attrs["model"], "units": "units of x"},
    )


def mean_currents(network: Network, region: Array, r: Array, u: Array) -> Array:
    """Average the current that every source sends over the units of every region.

    The average over units is a product with averaged weights, so that no current of a single unit is computed. Trials
    of a recording that is larger than memory can be given one after another.

    Parameters
    ----------
    network : the fitted network.
    region : (unit,) index of each unit's region, from 0.
    r : (trial, time, unit) scaled rates, NaN where missing.
    u : (trial, time, input) inputs.

    Returns
    -------
    (trial, time, target region, source) currents of the regions, then of every input, then of the bias, in the
    (dimensionless) units of the state x.
    """
    W, source = weights(network), source_of_regressor(region, u.shape[2])
    W_of_regions = np.stack([W[region == target].mean(0) for target in range(region.max() + 1)])
    z = np.concatenate([r, u, np.ones((*r.shape[:2], 1))], axis=2)
    of_sources = [
        z[:, :, columns] @ W_of_regions[:, columns].T for columns in source == np.arange(source.max() + 1)[:, None]
    ]
    return np.stack(of_sources, axis=-1)


def current_coordinates(first: CurrentView, networks: xr.Dataset) -> dict[str, Any]:
    """Return the coordinates of the currents (seed, source, trial, time, unit) of all fits of a model.

    Parameters
    ----------
    first : the first fit of the model, whose sources, bins, units and conditions are those of all fits.
    networks : the fits of the model, for their seeds.
    """
    return {
        "seed": networks["seed"].values,
        "source": [source.name for source in first.sources],
        "time": first.time_s,
        "unit": first.unit_id,
        "unit_id": ("unit", first.unit_id),
        "region": ("unit", first.region),
        "condition": ("trial", first.condition),
    }


def current_table(recording: xr.Dataset, networks: xr.Dataset) -> pd.DataFrame:
    """Build the table ``currents``: every current over time, averaged over the units of a region and over trials.

    Mean and rms of a current are computed over the units of the target region and the trials of a condition. The 95 %
    interval of the mean net current comes from the posterior of the weights. If the estimator has no posterior, and for
    excitatory and inhibitory currents, the interval comes from the spread over seeds (Student's t).

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.

    Returns
    -------
    The table ``currents``, one row per seed, target region, source, sign, condition and time.
    """
    return table_of_views(views(recording, networks), networks)


def table_of_views(fits: Sequence[CurrentView], networks: xr.Dataset) -> pd.DataFrame:
    """Build the table ``currents``, as `current_table` does, for fits of any kind of network.

    Parameters
    ----------
    fits : every fitted network with the recording that it was fitted to.
    networks : the fits of one model, for their seeds and the names of recording and model.

    Returns
    -------
    The table ``currents``, without rows for excitatory and inhibitory currents that a network does not have.
    """
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
    table.insert(0, "recording", networks.attrs["recording"])
    table.insert(1, "model", networks.attrs["model"])
    # A condition whose trials all end earlier has no current there.
    return table[np.isfinite(table["mean"])].reset_index(drop=True)


def _averages(fits: Sequence[CurrentView], conditions: Array) -> tuple[Array, Array, Array]:
    """Compute mean and rms of every current, and the posterior standard deviation of the mean.

    Parameters
    ----------
    fits : every fitted network with the recording that it was fitted to.
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
        for (source_index, source), (target, units) in product(enumerate(fit.sources), enumerate(units_of)):
            net, excitatory = fit.current(source, units), fit.excitatory_current(source, units)
            for (sign, current), (condition, trials) in product(
                enumerate((net, excitatory, net - excitatory)), enumerate(trials_of)
            ):
                cell = (fit_index, target, source_index, sign, condition)
                mean[cell], rms[cell] = _mean_and_rms(current if trials.all() else current[trials])
            for condition, trials in enumerate(trials_of):
                variance = fit.mean_current_variance(source, first.regions[target], trials)
                if variance is not None:
                    spread[fit_index, target, source_index, NET_INDEX, condition] = np.sqrt(variance)
    return mean, rms, spread


def _mean_and_rms(values: Array) -> tuple[Array, Array]:
    """Compute mean and rms (time,) of values (trial, time, unit) over trials and units, without missing bins."""
    total, squares = values.sum(2), np.einsum("ktu,ktu->kt", values, values)
    observed = np.isfinite(total)
    count = observed.sum(0) * values.shape[2]
    count_or_nan = np.where(count > 0, count, np.nan)
    mean, mean_square = (np.where(observed, sums, 0.0).sum(0) / count_or_nan for sums in (total, squares))
    return mean, np.sqrt(mean_square)


def _interval(mean: Array, spread: Array) -> tuple[Array, Array]:
    """Compute the ends of 95 % intervals from posterior standard deviations or, if unknown, from the spread over seeds.

    Parameters
    ----------
    mean, spread : (seed, ...) mean currents, and their posterior standard deviations or NaN.
    """
    n_seeds = len(mean)
    half_width = normal_quantile(0.975) * spread
    if n_seeds > 1:
        over_seeds = mean.std(axis=0, ddof=1) * t_quantile(n_seeds - 1, 0.975)
        half_width = np.where(np.isfinite(half_width), half_width, over_seeds)
    return mean - half_width, mean + half_width
