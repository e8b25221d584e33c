"""How recorded units read the latents: spike counts through an exponential, or Gaussian values."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording

Array = np.ndarray
HIGHEST_LOG_COUNT = 5.0
"""Expected counts a bin stay below exp of this, whatever a step proposes."""


def counts_spikes(model: Population) -> bool:
    """Whether units are Poisson counts."""
    return len(model.noise) == 0


def expected(model: Population, data: Recording, mean: Array, covariance: Array) -> Array:
    """(time, trial, unit) mean activity under Gaussian latents.

    Parameters
    ----------
    mean : (time, trial, latent), covariance : (pattern, time, latent, latent).
    """
    x = mean @ model.C.T
    x += model.d
    if not counts_spikes(model):
        return x
    spread = np.einsum("ul,ptlm,um->tpu", model.C, covariance, model.C, optimize=True)
    x += (0.5 * spread)[:, data.pattern] if spread.shape[1] > 1 else 0.5 * spread
    np.minimum(x, HIGHEST_LOG_COUNT, out=x)
    return np.exp(x, out=x)


def residual(model: Population, data: Recording, rate: Array) -> Array:
    """(time, trial, unit) derivative of the log likelihood by x; 0 where nothing was observed."""
    off = (data.activity - rate) * data.seen
    return off if counts_spikes(model) else off / model.noise


def information(model: Population, data: Recording, rate: Array, chosen: Array) -> Array:
    """(time, latent, latent) information about the latents, averaged over the chosen trials."""
    seen = data.seen[:, chosen]
    weight = (seen * rate[:, chosen]).mean(1) if counts_spikes(model) else seen.mean(1) / model.noise
    latents = model.C.shape[1]
    outer = (model.C[:, :, None] * model.C[:, None, :]).reshape(len(model.C), -1)
    return (weight @ outer).reshape(len(weight), latents, latents)


def variance_of_units(model: Population, data: Recording, direction: Array, rate: Array) -> Array:
    """(trial,) second derivative of the negative log likelihood along a direction (time, trial, latent)."""
    moved = direction @ model.C.T
    moved *= moved
    moved *= data.seen
    if counts_spikes(model):
        return np.einsum("tnu,tnu->n", moved, rate)
    return (moved / model.noise).sum((0, 2))


def log_likelihood(model: Population, data: Recording, rate: Array) -> Array:
    """(time, trial, unit) log likelihood of the activity at a rate, up to what depends on the activity only."""
    if counts_spikes(model):
        return data.seen * (data.activity * np.log(np.maximum(rate, 1e-10)) - rate)
    off = data.activity - rate
    return -0.5 * data.seen * (off * off / model.noise + np.log(2 * np.pi * model.noise))
