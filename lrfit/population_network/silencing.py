"""What would have happened without a region: its outgoing terms vanish, recorded and unrecorded units alike."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population, curved, drift
from lrfit.population_network.paths import FARTHEST, Paths, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray


def silence(model: Population, data: Recording, paths: Paths, region: int, first_bin: int = 0) -> Array:
    """(trial, time, unit) change of the log rate of every recorded unit when a region sends nothing.

    Each trial runs again with its own innovations, so that the intact run is the trial as it was inferred.

    Parameters
    ----------
    first_bin : bin from which on nothing leaves the region.
    """
    at = curved(model, paths.mean, spreads(model, data, paths))
    new = paths.mean[1:] - drift(model, type(at)(*(part[:-1] for part in at)), data.sources[:-1])
    silent = model._replace(A=np.where(model.group == region, 0.0, model.A))
    spread = spreads(model, data, paths)
    z = paths.mean.copy()
    for k in range(first_bin, len(z) - 1):
        now = curved(model, z[k : k + 1], spread[k : k + 1])
        step = drift(silent, now, data.sources[k : k + 1])[0] + new[k]
        z[k + 1] = np.clip(step, -3 * FARTHEST, 3 * FARTHEST)
    return np.moveaxis((z - paths.mean) @ model.C.T, 0, 1)


def mean_effect(effect: Array, condition: Array) -> Array:
    """(condition, time, unit) effect averaged over the trials of each condition."""
    return np.stack([effect[condition == c].mean(0) for c in np.unique(condition)])
