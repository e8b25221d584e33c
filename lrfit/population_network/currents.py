"""Currents into recorded units by source, and how well they are known.

A source's current into unit i is C_i (A_ts f(z_s)) / (1 - leak): recorded and unrecorded units of the source are in it
together, and no choice of latent coordinates changes it. All sources sum to the total,
C_i (z[k+1] - leak z[k] - q[k]) / (1 - leak), in units of the log rate of the target (or of a Gaussian unit's value).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Population, curved, mean_slope
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
MODEL_ERROR = 0.08
"""Error of a current over its root mean square where all units are recorded: what the model's form gets wrong."""
SAMPLE_ERROR = 0.84
"""The same for a single recorded unit; it falls with the root of the number of units, which sample the population.

Both were set on teachers of other seeds than the reported ones so that 95 % intervals hold."""


class Currents(NamedTuple):
    """Currents by source.

    Attributes
    ----------
    source : names, ``region:0``, ..., ``hidden:0``, ..., ``input:0``, ..., ``evoked``, ``bias``.
    current : (source, trial, time, unit); a source that does not reach a unit has 0.
    total : (trial, time, unit) their sum.
    """

    source: tuple[str, ...]
    current: Array
    total: Array


def currents(model: Population, data: Recording, paths: Paths) -> Currents:
    """Currents of all sources into every recorded unit, at the mean paths."""
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
    """(trial, time, unit) variance of a region's current that comes from the weights.

    Parameters
    ----------
    covariance : (row, latent, row, latent) posterior covariance of A, rows of regions only.
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
    """(trial, time, unit) variance of a region's current that comes from its latents, the same for a whole pattern."""
    own = model.group == source
    at = curved(model, paths.mean, spreads(model, data, paths))
    read = (model.C / (1 - model.leak)) @ model.A[:, own]
    parts = []
    for pattern in range(len(paths.covariance)):
        chosen = data.pattern == pattern
        weight = np.full((len(paths.mean), int(chosen.sum())), 1 / chosen.sum())
        slope = mean_slope(model, type(at)(*(values[:, chosen] for values in at)), weight)[:, own][:, :, own]
        spread = slope @ paths.covariance[pattern][:, own][:, :, own] @ slope.transpose(0, 2, 1)
        parts.append(np.einsum("uj,tjl,ul->tu", read, spread, read, optimize=True))
    return np.stack(parts)[data.pattern]


def deviation(model: Population, data: Recording, paths: Paths, covariance: Array, source: int) -> Array:
    """(trial, time, unit) standard deviation of a region's current about each unit's mean.

    Weights, latents, and what the form of the model and the sample of units get wrong, in proportion to the current.
    """
    own = model.group == source
    at = curved(model, paths.mean, spreads(model, data, paths))
    current = at.value[..., own] @ ((model.C / (1 - model.leak)) @ model.A[:, own]).T
    power = current[data.inside].var(0)
    form = (MODEL_ERROR**2 + SAMPLE_ERROR**2 / max(int((data.region == source).sum()), 1)) * power
    known = weight_variance(model, data, paths, covariance, source) + latent_variance(model, data, paths, source)
    return np.sqrt(known + form)
