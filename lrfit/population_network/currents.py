"""Currents that each source sends to each recorded unit, and their standard deviations.

The current of a source s into unit i is C_i A_ts f(z_s) / (1 - leak), with the loadings C_i of the unit, the weights
A_ts from s to the region t of the unit, and the curved latents f(z_s) of the source. Recorded and unrecorded units of
the source contribute together, and the current does not depend on the coordinates of the latents. The currents of all
sources sum to C_i (z[k+1] - leak z[k] - q[k]) / (1 - leak), where q are the innovations. Currents are in units of the
log rate of the target unit, or in units of the activity if units are Gaussian.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Population, curved, mean_slope, pattern_slopes
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
MODEL_ERROR_SHARE = 0.08
"""Error of a current, relative to its root mean square, if all units are recorded: error of the model's form."""
SAMPLE_ERROR_SHARE = 0.84
"""Error of a current, relative to its root mean square, for one recorded unit; it falls with the root of the number."""
ATTRIBUTION_ERROR_SHARE = 0.1
"""Error of a current, relative to the root of the summed variance of the currents of all regions into the same unit.

What a fit books on the wrong region is small relative to all currents, but can be large relative to a weak current. The
three errors were chosen on teachers of other seeds than the reported seeds, so that 95 % intervals hold 95 % of the
true currents."""


class Currents(NamedTuple):
    """Currents by source.

    Attributes
    ----------
    source : names of the sources: ``region:0``, ..., ``hidden:0``, ..., ``input:0``, ..., ``evoked``, ``bias``.
    current : (source, trial, time, unit) current in units of the log rate; 0 if the source does not reach the unit.
    total : (trial, time, unit) sum of the currents of all sources.
    """

    source: tuple[str, ...]
    current: Array
    total: Array


def currents(model: Population, data: Recording, paths: Paths) -> Currents:
    """Compute the currents of all sources into every recorded unit, at the posterior means of the latents.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    """
    at = curved(model, paths.mean, spreads(model, data, paths))
    # What is left of a latent by itself is no current; a hidden drive has no leak and reads no unit.
    read = model.C / (1 - model.leak)
    names, parts = [], []
    for group in range(int(model.group.max()) + 1):
        own = model.group == group
        kind = "region" if group < model.regions else "hidden"
        names.append(f"{kind}:{group if group < model.regions else group - model.regions}")
        parts.append(at.value[..., own] @ (read @ model.A[:, own]).T)
    labels = np.array(data.source_name)
    for name in dict.fromkeys(data.source_name):
        names.append(name)
        parts.append(data.sources[..., labels == name] @ (read @ model.G[:, labels == name]).T)
    whole = np.moveaxis(np.stack(parts), 1, 2)
    return Currents(source=tuple(names), current=whole, total=whole.sum(0))


def weight_variance(model: Population, data: Recording, paths: Paths, covariance: Array, source: int) -> Array:
    """Compute the variance of a region's current that comes from uncertain weights.

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
    own = np.flatnonzero(model.group == source)
    at = curved(model, paths.mean, spreads(model, data, paths))
    rows = np.flatnonzero(model.group < model.regions)
    read = (model.C / (1 - model.leak))[:, rows]
    block = covariance[:, own][:, :, :, own]
    # (unit, latent of the source, latent of the source) covariance of the weights into each unit.
    into = np.einsum("ua,ajbl,ub->ujl", read, block, read, optimize=True)
    f = at.value[..., own]
    outer = (f[..., :, None] * f[..., None, :]).reshape(*f.shape[:2], -1)
    return np.moveaxis(outer @ into.reshape(len(into), -1).T, 0, 1)


def latent_variance(model: Population, data: Recording, paths: Paths, source: int) -> Array:
    """Compute the variance of a region's current that comes from uncertain latents.

    Trials with the same pattern of observation share this variance.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    source : index of the region that sends the current.

    Returns
    -------
    (trial, time, unit) variance, in squared units of the log rate.
    """
    own = model.group == source
    at = curved(model, paths.mean, spreads(model, data, paths))
    read = (model.C / (1 - model.leak)) @ model.A[:, own]
    slope = pattern_slopes(model, at, data.pattern)[..., own][..., own, :]
    spread = slope @ paths.covariance[..., own][..., own, :] @ slope.swapaxes(2, 3)
    return np.einsum("uj,ptjl,ul->ptu", read, spread, read, optimize=True)[data.pattern]


def deviation(
    model: Population, data: Recording, paths: Paths, covariance: Array, source: int, errors: Array | None = None
) -> Array:
    """Compute the standard deviation of a region's current about the mean of each unit.

    The variance has five parts: uncertain weights, uncertain latents, what simulations of the fit show beyond these
    two, an error in proportion to the current, which covers the assumed form of the model and the random sample of
    recorded units, and an error in proportion to all currents into the unit, which covers currents that the fit books
    on the wrong region.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    covariance : (row, latent, row, latent) posterior covariance of the weights A; rows are the latents of regions.
    source : index of the region that sends the current.
    errors : (target, source) mean squared error of currents in refits to simulations of the fit; None if there were no
        simulations.

    Returns
    -------
    (trial, time, unit) standard deviation, in units of the log rate.
    """
    value = curved(model, paths.mean, spreads(model, data, paths)).value
    form = _form_variance(model, data, value, model.C / (1 - model.leak), source)
    known = weight_variance(model, data, paths, covariance, source) + latent_variance(model, data, paths, source)
    if errors is not None:
        known = known + _beyond(model, data, known, errors[:, source])
    return np.sqrt(known + form)


def _form_variance(model: Population, data: Recording, value: Array, read: Array, source: int) -> Array:
    """Compute the variance of a region's current that comes from the form of the model and from wrong attribution.

    Parameters
    ----------
    model : the network.
    data : the recording.
    value : (time, trial, latent) curved latents.
    read : (row, latent) weights of the latents in each unit or average of units that receives the current.
    source : index of the region that sends the current.

    Returns
    -------
    (row,) variance, in squared units of the log rate.
    """
    regions = [model.group == region for region in range(model.regions)]
    power = np.stack([(value[..., own] @ (read @ model.A[:, own]).T)[data.inside].var(0) for own in regions])
    own_share = MODEL_ERROR_SHARE**2 + SAMPLE_ERROR_SHARE**2 / max(int((data.region == source).sum()), 1)
    return np.asarray(own_share * power[source] + ATTRIBUTION_ERROR_SHARE**2 * power.sum(0))


def _beyond(model: Population, data: Recording, known: Array, errors: Array) -> Array:
    """(unit,) variance that simulations show beyond the known variance, in proportion to the squared loadings."""
    beyond = np.zeros(len(data.region))
    size = (model.C**2).sum(1)
    for target, missing in enumerate(_missing(data, known, errors)):
        units = data.region == target
        beyond[units] = missing * size[units] / size[units].mean()
    return beyond


def _missing(data: Recording, known: Array, errors: Array) -> Array:
    """(target,) mean squared errors in simulations beyond the mean of the known variance (trial, time, unit)."""
    seen = known[data.inside.T]
    return np.array([max(error - float(seen[:, data.region == t].mean()), 0.0) for t, error in enumerate(errors)])


def error_beyond(model: Population, data: Recording, paths: Paths, covariance: Array, errors: Array) -> Array:
    """Compute the errors of currents that simulations show beyond uncertain weights and latents.

    Parameters
    ----------
    model : the network.
    data : the trials of the fit.
    paths : posterior of the latents.
    covariance : (row, latent, row, latent) posterior covariance of the weights A; rows are the latents of regions.
    errors : (target, source) mean squared error of currents in refits to simulations of the fit.

    Returns
    -------
    (target, source) mean variance, in squared units of the log rate.
    """
    beyond = np.zeros_like(errors)
    for source in range(model.regions):
        known = weight_variance(model, data, paths, covariance, source) + latent_variance(model, data, paths, source)
        beyond[:, source] = _missing(data, known, errors[:, source])
    return beyond


def mean_current_variance(
    model: Population,
    data: Recording,
    paths: Paths,
    covariance: Array,
    source: int,
    units: Array,
    trials: Array,
    beyond: float,
) -> Array:
    """Compute the variance of a region's current averaged over some units and trials.

    The parts are those of `deviation`: weights are uncertain in the same way in all trials, latents are uncertain
    independently in every trial, what simulations show beyond the two is in proportion to the squared loadings, and the
    errors of the model's form and of attribution are in proportion to currents.

    Parameters
    ----------
    model : the network.
    data : the recording; only bins with ``inside`` count.
    paths : posterior of the latents.
    covariance : (row, latent, row, latent) posterior covariance of the weights A; rows are the latents of regions.
    source : index of the region that sends the current.
    units : (unit,) True for the units of the average.
    trials : (trial,) True for the trials of the average.
    beyond : mean variance of the units that simulations show beyond uncertain weights and latents, see `error_beyond`.

    Returns
    -------
    (time,) variance, in squared units of the log rate; NaN in bins without any trial.
    """
    own, rows = np.flatnonzero(model.group == source), np.flatnonzero(model.group < model.regions)
    at = curved(model, paths.mean, spreads(model, data, paths))
    inside = data.inside[:, trials].astype(float)
    count = inside.sum(1)
    weight = inside / np.where(count > 0, count, np.nan)[:, None]
    read = (model.C[units] / (1 - model.leak)).mean(0)
    f = np.einsum("tn,tnl->tl", weight, at.value[:, trials][..., own])
    block = np.einsum("a,ajbl,b->jl", read[rows], covariance[:, own][:, :, :, own], read[rows], optimize=True)
    of_weights = np.einsum("tj,jl,tl->t", f, block, f)
    into = read @ model.A[:, own]
    slope = mean_slope(model, type(at)(*(values[:, trials] for values in at)), weight)[:, own][:, :, own]
    patterns = np.eye(len(paths.covariance))[data.pattern[trials]]
    spread = np.einsum("tn,np,ptjl->tjl", weight**2, patterns, paths.covariance[:, :, own][..., own], optimize=True)
    of_latents = np.einsum("j,tjk,tkl,tml,m->t", into, slope, spread, slope, into, optimize=True)
    form = _form_variance(model, data, at.value, read[None], source)[0]
    size = float((model.C[units].mean(0) ** 2).sum() / (model.C[units] ** 2).sum(1).mean())
    return of_weights + of_latents + beyond * size + form
