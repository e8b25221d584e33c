"""Intervals of the shares of currents, from weights drawn from their posterior.

The share of a source is the variance of its current divided by the sum of the variances of all currents into the
target. Its uncertainty is that of the weights A; latents, loadings and the echo count as known. How often the intervals
hold the true share: docs/contrasts.md.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from lrfit.population_network.echo import source_weights
from lrfit.population_network.file import Fitted
from lrfit.population_network.history import self_history_current
from lrfit.population_network.model import curved
from lrfit.population_network.paths import spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
DRAWS = 400
"""Number of draws of the weights."""
CONFIDENCE = 0.95


def share_intervals(fitted: Fitted, data: Recording) -> tuple[Array, Array]:
    """Compute the 95 % intervals of the shares of regions.

    The lower end is 0 where weights of zero are inside the 95 % region of the posterior of a pathway: the share of
    drawn weights is never exactly 0.

    Parameters
    ----------
    fitted : the fitted network with the latents of all trials.
    data : the recording as the network reads it.

    Returns
    -------
    Lower ends and upper ends (target region, source region).
    """
    model, rng = fitted.model, np.random.default_rng(0)
    latent = curved(model, fitted.paths.mean, spreads(model, data, fitted.paths)).value
    scatter = np.cov(np.concatenate([latent, data.sources], 2)[data.inside].T, bias=True)
    history = 0.0 if data.past is None else self_history_current(model, data)[data.inside].var(0)
    rows, latents = np.flatnonzero(model.group < model.regions), len(model.group)
    covariance = fitted.weight_covariance.reshape(len(rows) * latents, -1)
    size, direction = np.linalg.eigh(0.5 * (covariance + covariance.T))
    root = direction * np.sqrt(np.maximum(size, 0))
    drawn = np.empty((DRAWS, model.regions, model.regions))
    for draw in range(DRAWS):
        A = model.A.copy()
        A[rows] += (root @ rng.standard_normal(len(root))).reshape(len(rows), latents)
        drawn[draw] = _shares(fitted._replace(model=model._replace(A=A)), data, scatter, history)
    low, high = np.percentile(drawn, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)], axis=0)
    return np.where(_may_be_absent(fitted), 0.0, low), high


def _shares(fitted: Fitted, data: Recording, scatter: Array, history: Array | float) -> Array:
    """(target region, source region) shares, from the covariance of the regressors and the variance of the history."""
    model, weights = fitted.model, source_weights(fitted.model, fitted.echo)
    names = np.array(data.source_name)
    known = [len(model.group) + np.flatnonzero(names == name) for name in dict.fromkeys(data.source_name)]
    sources = [np.flatnonzero(model.group == group) for group in range(int(model.group.max()) + 1)] + known
    power = np.stack([((weights[:, own] @ scatter[np.ix_(own, own)]) * weights[:, own]).sum(1) for own in sources])
    total = power.sum(0) + history
    into = [data.region == region for region in range(model.regions)]
    return np.stack([power[: model.regions, units].sum(1) / total[units].sum() for units in into])


def _may_be_absent(fitted: Fitted) -> Array:
    """(target region, source region) bool, True if the posterior of the pathway does not exclude weights of zero."""
    model, covariance = fitted.model, fitted.weight_covariance
    absent = np.zeros((model.regions, model.regions), dtype=bool)
    for target in range(model.regions):
        into = np.flatnonzero(model.group == target)
        for source in range(model.regions):
            own = np.flatnonzero(model.group == source)
            block = covariance[np.ix_(into, own, into, own)].reshape(len(into) * len(own), -1)
            weight = model.A[np.ix_(into, own)].ravel()
            distance = weight @ np.linalg.pinv(block, hermitian=True) @ weight
            absent[target, source] = distance < chi2.ppf(CONFIDENCE, len(weight))
    return absent
