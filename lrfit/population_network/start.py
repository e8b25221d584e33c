"""A first model: loadings from covariances across time, no pathways between regions.

Counts of neighbouring bins share the latents but not the Poisson noise: the leading directions of their lagged
covariance span the loadings (subspace identification, Buesing, Macke & Sahani, NeurIPS 2012).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording

Array = np.ndarray
LAGS = 4
KEEP = 0.95
"""Share of a latent that is left after one bin, at first."""
CURVATURE = 3.0
"""pi / 2 over the square of the change of the log rate, .7, when a unit's state changes by 1, where tanh bends. Free
curvatures run away with few units (they are the ratio of two small numbers); from 1.5 to 8 currents hardly change."""


def first_model(
    data: Recording, dimensions: Sequence[int], leak: float = 0.0, curved: bool = True, gaussian: bool = False
) -> Population:
    """A model without pathways, loadings from the lagged covariance of each region.

    Parameters
    ----------
    dimensions : latents of every region, at most its number of units.
    leak : share of a latent that is left after one bin when nothing arrives, exp(-bin / tau).
    curved : whether f saturates.
    gaussian : Gaussian units instead of counts.
    """
    group = np.repeat(np.arange(len(dimensions)), dimensions)
    latents, units = len(group), len(data.region)
    amount = np.maximum(data.seen.sum((0, 1)), 1)
    mean = data.activity.sum((0, 1)) / amount
    floor = 1.0 / amount
    d = mean if gaussian else np.log(np.maximum(mean, floor))
    scale = np.ones(units) if gaussian else 1 / np.sqrt(np.maximum(mean, floor))
    off = (data.activity - mean) * data.seen * scale
    C = np.zeros((units, latents))
    variance = np.ones(latents)
    for region, dimension in enumerate(dimensions):
        inside = np.flatnonzero(data.region == region)
        seen = data.seen[..., inside]
        lagged = np.mean([_lagged(off[..., inside], seen, lag) for lag in range(1, LAGS + 1)], axis=0)
        values, vectors = np.linalg.eigh(0.5 * (lagged + lagged.T))
        top = np.argsort(values)[::-1][:dimension]
        loading = vectors[:, top] * np.sqrt(np.maximum(values[top], 1e-3 * values.max() + 1e-9))
        if not gaussian:
            loading = loading * scale[inside, None]
        size = np.sqrt(np.mean(loading**2, 0))
        own = np.flatnonzero(group == region)
        C[np.ix_(inside, own)] = loading / size
        variance[own] = size**2
    noise = np.maximum((off**2).sum((0, 1)) / amount - (C**2 @ variance), 0.1) if gaussian else np.zeros(0)
    return Population(
        group=group,
        regions=len(dimensions),
        leak=np.full(latents, leak),
        A=(KEEP - leak) * np.eye(latents),
        G=np.zeros((latents, data.sources.shape[2])),
        Q=np.diag((1 - KEEP**2) * variance),
        curvature=np.full(latents, CURVATURE if curved else 0.0),
        C=C,
        d=d,
        noise=noise,
        start_mean=np.zeros((data.condition.max() + 1, latents)),
        start_covariance=np.diag(variance),
    )


def _lagged(off: Array, seen: Array, lag: int) -> Array:
    """(unit, unit) covariance across a lag over the pairs that were observed."""
    units = off.shape[2]
    total = off[:-lag].reshape(-1, units).T @ off[lag:].reshape(-1, units)
    pairs = seen[:-lag].reshape(-1, units).T @ seen[lag:].reshape(-1, units)
    return total / np.maximum(pairs, 1)
