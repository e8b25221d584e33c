"""Sufficient statistics of the transitions between bins, averaged over the posterior of the latents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Curved, Population, curved, mean_slope
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
RELATIVE_RIDGE = 1e-6
"""Ridge of the regressions on known values, relative to their mean power; it keeps the regressions regular."""


class Transitions(NamedTuple):
    """Second moments of the steps z[k+1] - leak z[k] of the latents and of the regressors f(z[k]) and s[k] (sources).

    Attributes
    ----------
    number : number of transitions.
    steps : (latent, latent) second moments of the steps.
    crossed : (latent, latent + column) second moments of steps and regressors.
    arriving : (latent + column, latent + column) second moments of the regressors.
    """

    number: float
    steps: Array
    crossed: Array
    arriving: Array


def transitions(model: Population, data: Recording, paths: Paths, weight: Array | None = None) -> Transitions:
    """Sum second moments over the transitions of all trials.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    weight : (time - 1, trial) weights of the transitions; None for all transitions before the end of each trial.
    """
    use = data.inside[1:].astype(float) if weight is None else weight
    at = curved(model, paths.mean[:-1], spreads(model, data, paths)[:-1])
    return moments(model, data, paths, at, use)


def moments(model: Population, data: Recording, paths: Paths, at: Curved, use: Array) -> Transitions:
    """Sum second moments over transitions, with the curved latents given.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    at : curved latents in all bins but the last.
    use : (time - 1, trial) weights of the transitions.
    """
    latents = len(model.group)
    z = paths.mean
    X = np.concatenate([at.value, data.sources[:-1]], 2).reshape(-1, latents + data.sources.shape[2])
    Y = (z[1:] - model.leak * z[:-1]).reshape(-1, latents)
    heavy = use.reshape(-1, 1)
    arriving = (X * heavy).T @ X
    crossed = (Y * heavy).T @ X
    steps = (Y * heavy).T @ Y
    amount = np.stack([use[:, data.pattern == p].sum(1) for p in range(len(paths.covariance))])
    V = np.einsum("pt,ptlm->tlm", amount, paths.covariance[:, :-1])
    ahead = np.einsum("pt,ptlm->tlm", amount, paths.covariance[:, 1:])
    lagged = np.einsum("pt,ptlm->tlm", amount, paths.lagged)
    total = np.maximum(use.sum(1, keepdims=True), 1e-12)
    slope = mean_slope(model, at, use / total)
    arriving[:latents, :latents] += (slope @ V @ slope.transpose(0, 2, 1)).sum(0)
    back = lagged.transpose(0, 2, 1)
    crossed[:, :latents] += ((back - model.leak[:, None] * V) @ slope.transpose(0, 2, 1)).sum(0)
    mixed = back * model.leak
    steps += (ahead - mixed - mixed.transpose(0, 2, 1) + model.leak[:, None] * V * model.leak).sum(0)
    return Transitions(number=float(use.sum()), steps=steps, crossed=crossed, arriving=arriving)


def scatter(statistics: Transitions, W: Array) -> Array:
    """Compute the (latent, latent) summed expected products of the residuals of the steps, given weights W = [A, G].

    Parameters
    ----------
    statistics : second moments of steps and regressors.
    W : (latent, latent + column) weights.
    """
    mixed = W @ statistics.crossed.T
    return statistics.steps - mixed - mixed.T + W @ statistics.arriving @ W.T


def unexplained(values: Array, regressors: Array, inside: Array) -> Array:
    """Compute the (time, trial, column) part of values that a regression on regressors leaves; 0 outside of trials.

    Parameters
    ----------
    values : (time, trial, column) values.
    regressors : (time, trial, regressor) regressors.
    inside : (time, trial) True for the bins of the regression.
    """
    X = regressors[inside]
    gram = X.T @ X
    gram[np.diag_indices(len(gram))] += RELATIVE_RIDGE * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, X.T @ values[inside])
    return (values - regressors @ weights) * inside[..., None]
