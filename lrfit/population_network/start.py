"""The first model of a fit: loadings from lagged covariances, and no pathways between regions.

Counts in neighbouring bins share the latents but not the Poisson noise, so that the leading eigenvectors of their
lagged covariance span the loadings (subspace identification; Buesing, Macke & Sahani, NeurIPS 2012).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording

Array = np.ndarray
N_LAGS = 4
FIRST_PERSISTENCE = 0.95
"""Share of a latent that remains after one bin, in the first model."""
CURVATURE = 3.0
"""Curvature of all regions: pi / 2 over the squared change of the log rate, .7, when the state of a unit changes by 1.

The curvature is fixed because estimates diverge with few units: they are ratios of two small numbers. Currents hardly
change with curvatures from 1.5 to 8."""


def first_model(
    data: Recording, dimensions: Sequence[int], leak: float = 0.0, curved: bool = True, gaussian: bool = False
) -> Population:
    """Construct a network without pathways, with loadings from the lagged covariances of each region.

    Parameters
    ----------
    data : the recording.
    dimensions : (region,) number of latents of each region, at most its number of units.
    leak : share of a latent that remains after one bin without any current, exp(-bin / tau).
    curved : whether f saturates.
    gaussian : whether units are Gaussian; otherwise the activity consists of spike counts.
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
        lagged = np.mean([_lagged(off[..., inside], seen, lag) for lag in range(1, N_LAGS + 1)], axis=0)
        values, vectors = np.linalg.eigh(0.5 * (lagged + lagged.T))
        top = np.argsort(values)[::-1][:dimension]
        loading = vectors[:, top] * np.sqrt(np.maximum(values[top], 1e-3 * max(values.max(), 0) + 1e-9))
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
        A=(FIRST_PERSISTENCE - leak) * np.eye(latents),
        G=np.zeros((latents, data.sources.shape[2])),
        Q=np.diag((1 - FIRST_PERSISTENCE**2) * variance),
        curvature=np.full(latents, CURVATURE if curved else 0.0),
        C=C,
        d=d,
        noise=noise,
        history=np.zeros((units, 0 if data.past is None else len(data.past))),
        history_lift=np.zeros(units),
        start_mean=np.zeros((data.condition.max() + 1, latents)),
        start_covariance=np.diag(variance),
    )


def _lagged(off: Array, seen: Array, lag: int) -> Array:
    """Compute the (unit, unit) covariance across a lag, from the pairs of bins that were observed."""
    units = off.shape[2]
    total = off[:-lag].reshape(-1, units).T @ off[lag:].reshape(-1, units)
    pairs = seen[:-lag].reshape(-1, units).T @ seen[lag:].reshape(-1, units)
    return total / np.maximum(pairs, 1)
