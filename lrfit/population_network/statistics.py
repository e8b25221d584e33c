"""Sufficient statistics of the transitions between bins, averaged over the posterior of the latents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Curved, Population, curved, mean_slope
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray


class Transitions(NamedTuple):
    """Second moments of the step z[k+1] - leak z[k] and of what arrives, (f(z[k]), s[k]).

    Attributes
    ----------
    number : of transitions.
    steps : (latent, latent), crossed : (latent, latent + column), arriving : (latent + column, latent + column).
    """

    number: float
    steps: Array
    crossed: Array
    arriving: Array


def transitions(model: Population, data: Recording, paths: Paths, weight: Array | None = None) -> Transitions:
    """Moments summed over the transitions of all trials.

    Parameters
    ----------
    weight : (time - 1, trial) of the transitions; those inside the trials where None.
    """
    use = data.inside[1:].astype(float) if weight is None else weight
    at = curved(model, paths.mean[:-1], spreads(model, data, paths)[:-1])
    return moments(model, data, paths, at, use)


def moments(model: Population, data: Recording, paths: Paths, at: Curved, use: Array) -> Transitions:
    """Moments with f evaluated before."""
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
    """(latent, latent) summed expected square of what W = [A, G] does not explain."""
    mixed = W @ statistics.crossed.T
    return statistics.steps - mixed - mixed.T + W @ statistics.arriving @ W.T
