"""Silencing of whole regions: recorded and unrecorded units of the region send no current."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.echo import Echo
from lrfit.population_network.model import Population, curved, drift
from lrfit.population_network.paths import MAX_LATENT, Paths, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray


def silence(model: Population, data: Recording, paths: Paths, region: int, echo: Echo | None = None) -> Array:
    """Compute how the log rate of every recorded unit changes if a region sends no current.

    Each trial is simulated again with its inferred innovations, so that the simulation without silencing is the
    inferred trial.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    region : index of the silenced region.
    echo : echo of the units, which changes with the latents of their region and ends in the silenced region; None for
        units without an echo.

    Returns
    -------
    (trial, time, unit) log rate with silencing minus log rate without silencing.
    """
    spread = spreads(model, data, paths)
    at = curved(model, paths.mean, spread)
    new = paths.mean[1:] - drift(model, type(at)(*(part[:-1] for part in at)), data.sources[:-1])
    sends = model.group != region
    silent = model._replace(A=np.where(sends, model.A, 0.0))
    z, echoed = paths.mean.copy(), np.zeros_like(paths.mean)
    for k in range(len(z) - 1):
        now = curved(model, z[k : k + 1], spread[k : k + 1])
        step = drift(silent, now, data.sources[k : k + 1])[0] + new[k]
        z[k + 1] = np.clip(step, -3 * MAX_LATENT, 3 * MAX_LATENT)
        changed = np.where(sends, now.value[0], 0.0) - at.value[k]
        echoed[k + 1] = model.leak * echoed[k] + (1 - model.leak) * changed
    loadings = model.C if echo is None else echo.loadings
    effect = (z - paths.mean) @ loadings.T
    if echo is not None:
        effect += echoed @ echo.weight.T
    return np.moveaxis(effect, 0, 1)


def mean_effect(effect: Array, condition: Array) -> Array:
    """Average an effect (trial, time, unit) over the trials of each condition.

    Parameters
    ----------
    effect : (trial, time, unit) effect in units of the log rate.
    condition : (trial,) label of the condition.

    Returns
    -------
    (condition, time, unit) mean effect, with conditions in sorted order.
    """
    return np.stack([effect[condition == c].mean(0) for c in np.unique(condition)])
