"""Currents that each source sends to each recorded unit, and their standard deviations.

The current of a source s into unit i is C_i A_ts f(z_s) / (1 - leak), with the loadings C_i of the unit, the weights
A_ts from s to the region t of the unit, and the curved latents f(z_s) of the source. A region also sends the echo E_i
f(z) to its own units (see `lrfit.population_network.echo`). Recorded and unrecorded units of the source contribute
together, and the current does not depend on the coordinates of the latents. Without an echo, the currents of all
sources sum to C_i (z[k+1] - leak z[k] - q[k]) / (1 - leak), where q are the innovations. A unit with a spike history
also receives the source ``self-history``, the change of its log rate by its own past spikes. Currents are in units of
the log rate of the target unit, or in units of the activity if units are Gaussian.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.sources import SELF_HISTORY
from lrfit.population_network.echo import Echo, source_weights
from lrfit.population_network.history import self_history_current
from lrfit.population_network.model import Population, curved, mean_slope, pattern_slopes
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
SAMPLE_ERROR_SHARE = 0.6
"""Error of a current, relative to its root mean square, for one recorded unit; it falls with the root of the number.

The curvature of f is known for a whole population, and the recorded units are a random sample of it."""
LATER_ECHOES_SHARE = 4.0
"""Power of the echoes of echoes, and of echoes that the loadings have taken up, relative to the power of the echo.

Random weights that return four fifths of a unit's input have later echoes of .64 / (1 - .64) = 1.8 times the power of
the first. With this share alone, intervals within regions hold .92 of the true currents on teachers with random
weights, and .95 with the present share. This share and the sample error were chosen on teachers of other seeds than the
reported seeds."""


class Currents(NamedTuple):
    """Currents by source.

    Attributes
    ----------
    source : names of the sources: ``region:0``, ..., ``hidden:0``, ..., ``input:0``, ..., ``evoked``, ``bias``, and
        ``self-history`` if units have a spike history.
    current : (source, trial, time, unit) current in units of the log rate; 0 if the source does not reach the unit.
    total : (trial, time, unit) sum of the currents of all sources.
    """

    source: tuple[str, ...]
    current: Array
    total: Array


def currents(model: Population, data: Recording, paths: Paths, echo: Echo | None = None) -> Currents:
    """Compute the currents of all sources into every recorded unit, at the posterior means of the latents.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    echo : echo of the units; None for units without an echo.
    """
    at = curved(model, paths.mean, spreads(model, data, paths))
    # What is left of a latent by itself is no current; a hidden drive has no leak and reads no unit.
    weights = source_weights(model, echo)
    latents = len(model.group)
    names, parts = [], []
    for group in range(int(model.group.max()) + 1):
        own = np.flatnonzero(model.group == group)
        kind = "region" if group < model.regions else "hidden"
        names.append(f"{kind}:{group if group < model.regions else group - model.regions}")
        parts.append(at.value[..., own] @ weights[:, own].T)
    labels = np.array(data.source_name)
    for name in dict.fromkeys(data.source_name):
        own = np.flatnonzero(labels == name)
        names.append(name)
        parts.append(data.sources[..., own] @ weights[:, latents + own].T)
    if data.past is not None:
        names.append(SELF_HISTORY)
        parts.append(self_history_current(model, data))
    whole = np.moveaxis(np.stack(parts), 1, 2)
    return Currents(source=tuple(names), current=whole, total=whole.sum(0))


def weight_variance(model: Population, data: Recording, paths: Paths, covariance: Array, source: int) -> Array:
    """Compute the variance of a region's current that comes from uncertain weights of the latents.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    covariance : (row, latent, row, latent) posterior covariance of the weights A; rows are the latents of regions.
    source : index of the region that sends the current.

    Returns
    -------
    (trial, time, unit) variance, in squared units of the log rate.
    """
    f = curved(model, paths.mean, spreads(model, data, paths)).value[..., model.group == source]
    return _quadratic(f, _uncertain_weights(model, covariance, model.C, source))


def latent_variance(model: Population, data: Recording, paths: Paths, source: int, echo: Echo | None = None) -> Array:
    """Compute the variance of a region's current that comes from uncertain latents.

    Trials with the same pattern of observation share this variance.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    source : index of the region that sends the current.
    echo : echo of the units; None for units without an echo.

    Returns
    -------
    (trial, time, unit) variance, in squared units of the log rate.
    """
    own = np.flatnonzero(model.group == source)
    at = curved(model, paths.mean, spreads(model, data, paths))
    weights = source_weights(model, echo)[:, own]
    slope = pattern_slopes(model, at, data.pattern)[..., own][..., own, :]
    spread = slope @ paths.covariance[..., own][..., own, :] @ slope.swapaxes(2, 3)
    return np.einsum("uj,ptjl,ul->ptu", weights, spread, weights, optimize=True)[data.pattern]


def deviation(model: Population, data: Recording, paths: Paths, covariance: Array, source: int, echo: Echo) -> Array:
    """Compute the standard deviation of a region's current about the mean of each unit.

    The variance has five parts: uncertain weights of the latents, in which their prior counts as uncertain; uncertain
    loadings and echo of the unit; uncertain latents; the random sample of recorded units, in proportion to the
    current; echoes of echoes, in proportion to the echo of the units of the target.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    covariance : (row, latent, row, latent) posterior covariance of the weights A; rows are the latents of regions.
    source : index of the region that sends the current.
    echo : echo of the units.

    Returns
    -------
    (trial, time, unit) standard deviation, in units of the log rate.
    """
    own = np.flatnonzero(model.group == source)
    f = curved(model, paths.mean, spreads(model, data, paths)).value[..., own]
    f = f - f[data.inside].mean(0)
    uncertain = _uncertain_weights(model, covariance, echo.loadings, source) + _uncertain_units(model, echo, own)
    known = _quadratic(f, uncertain) + latent_variance(model, data, paths, source, echo)
    of_sample = _sample_share(data, source) * (f[data.inside] @ source_weights(model, echo)[:, own].T).var(0)
    return np.sqrt(known + of_sample + _later_echoes(model, data, f, echo, own))


def mean_current_variance(
    model: Population,
    data: Recording,
    paths: Paths,
    covariance: Array,
    source: int,
    units: Array,
    trials: Array,
    echo: Echo,
) -> Array:
    """Compute the variance of a region's current averaged over some units and trials.

    The parts are those of `deviation`: weights are uncertain in the same way in all trials, latents are uncertain
    independently in every trial, and loadings and echoes are uncertain independently in every unit.

    Parameters
    ----------
    model : the network.
    data : the recording; only bins with ``inside`` count.
    paths : posterior of the latents.
    covariance : (row, latent, row, latent) posterior covariance of the weights A; rows are the latents of regions.
    source : index of the region that sends the current.
    units : (unit,) True for the units of the average.
    trials : (trial,) True for the trials of the average.
    echo : echo of the units.

    Returns
    -------
    (time,) variance, in squared units of the log rate; NaN in bins without any trial.
    """
    own = np.flatnonzero(model.group == source)
    at = curved(model, paths.mean, spreads(model, data, paths))
    inside = data.inside[:, trials].astype(float)
    count = inside.sum(1)
    weight = inside / np.where(count > 0, count, np.nan)[:, None]
    f = np.einsum("tn,tnl->tl", weight, at.value[:, trials][..., own])
    uncertain = _uncertain_weights(model, covariance, echo.loadings[units].mean(0, keepdims=True), source)[0]
    uncertain = uncertain + _uncertain_units(model, echo, own)[units].sum(0) / units.sum() ** 2
    of_weights = np.einsum("tj,jl,tl->t", f, uncertain, f)
    into = source_weights(model, echo)[units][:, own].mean(0)
    slope = mean_slope(model, type(at)(*(values[:, trials] for values in at)), weight)[:, own][:, :, own]
    patterns = np.eye(len(paths.covariance))[data.pattern[trials]]
    spread = np.einsum("tn,np,ptjl->tjl", weight**2, patterns, paths.covariance[:, :, own][..., own], optimize=True)
    of_latents = np.einsum("j,tjk,tkl,tml,m->t", into, slope, spread, slope, into, optimize=True)
    everywhere = at.value[..., own]
    of_sample = _sample_share(data, source) * (everywhere[data.inside] @ into).var()
    of_echoes = _later_echoes(model, data, everywhere, echo, own)[units].sum() / units.sum() ** 2
    return np.asarray(of_weights + of_latents + of_sample + of_echoes)


def _uncertain_weights(model: Population, covariance: Array, loadings: Array, source: int) -> Array:
    """(unit, latent, latent) covariance of the weights from the latents of a source into units with given loadings."""
    own, rows = np.flatnonzero(model.group == source), np.flatnonzero(model.group < model.regions)
    read = (loadings / (1 - model.leak))[:, rows]
    return np.einsum("ua,ajbl,ub->ujl", read, covariance[:, own][:, :, :, own], read, optimize=True)


def _uncertain_units(model: Population, echo: Echo, own: Array) -> Array:
    """(unit, latent, latent) covariance of the same weights that comes from uncertain loadings and echoes of units."""
    latents = len(model.group)
    change = np.concatenate([(model.A[:, own] / (1 - model.leak)[:, None]).T, np.eye(latents)[own]], 1)
    return np.einsum("ja,uab,lb->ujl", change, echo.covariance, change, optimize=True)


def _quadratic(f: Array, covariance: Array) -> Array:
    """(trial, time, unit) variance of weights times curved latents (time, trial, latent) of the source."""
    outer = (f[..., :, None] * f[..., None, :]).reshape(*f.shape[:2], -1)
    return np.moveaxis(outer @ covariance.reshape(len(covariance), -1).T, 0, 1)


def _sample_share(data: Recording, source: int) -> float:
    """Variance of a current that comes from the random sample of units, relative to the variance of the current."""
    return SAMPLE_ERROR_SHARE**2 / max(int((data.region == source).sum()), 1)


def _later_echoes(model: Population, data: Recording, f: Array, echo: Echo, own: Array) -> Array:
    """(unit,) variance of the echoes of echoes: a multiple of the mean power of the echo in the unit's region."""
    added = (source_weights(model, echo) - source_weights(model))[:, own]
    power = (f[data.inside] @ added.T).var(0)
    return LATER_ECHOES_SHARE * np.array([power[data.region == region].mean() for region in data.region])
