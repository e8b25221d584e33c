"""Observation of latents by recorded units: spike counts through a saturating exponential, or Gaussian values.

A count at the highest rate says that the latents are high and nothing more, so that all derivatives are 0 there.
Without saturation, a few bins near the highest rate of a unit distort the weights.
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording

Array = np.ndarray


def counts_spikes(model: Population) -> bool:
    """Return whether the units of a network are Poisson counts."""
    return len(model.noise) == 0


def expected(model: Population, data: Recording, mean: Array, covariance: Array) -> Array:
    """Compute the expected activity under Gaussian latents.

    Parameters
    ----------
    model : the network.
    data : the recording.
    mean : (time, trial, latent) means of the latents.
    covariance : (pattern, time, latent, latent) covariances of the latents.

    Returns
    -------
    (time, trial, unit) expected count per bin, or expected value of a Gaussian unit.
    """
    dtype = data.activity.dtype
    x = mean.astype(dtype) @ model.C.T.astype(dtype)
    x += model.d.astype(dtype)
    if not counts_spikes(model):
        return x
    spread = np.einsum("ul,ptlm,um->tpu", model.C, covariance, model.C, optimize=True)
    half = (0.5 * spread).astype(dtype)
    x += half[:, data.pattern] if half.shape[1] > 1 else half
    np.minimum(x, np.log(data.highest), out=x)
    return np.exp(x, out=x)


def unsaturated(model: Population, data: Recording, rate: Array) -> Array:
    """Return (time, trial, unit) 1 if a unit was observed below its highest rate, and 0 otherwise.

    Parameters
    ----------
    model : the network.
    data : the recording.
    rate : (time, trial, unit) expected activity.
    """
    if not counts_spikes(model):
        return data.seen
    return data.seen * (rate < 0.999 * data.highest)


def residual(model: Population, data: Recording, rate: Array) -> Array:
    """Compute the (time, trial, unit) derivative of the log likelihood by x; 0 in missing bins.

    Parameters
    ----------
    model : the network.
    data : the recording.
    rate : (time, trial, unit) expected activity.
    """
    off = (data.activity - rate) * unsaturated(model, data, rate)
    return off if counts_spikes(model) else off / model.noise.astype(off.dtype)


def information(model: Population, data: Recording, rate: Array, chosen: Array) -> Array:
    """Compute the information of the activity about the latents, averaged over trials.

    Parameters
    ----------
    model : the network.
    data : the recording.
    rate : (time, trial, unit) expected activity.
    chosen : (trial,) True for the trials of the average.

    Returns
    -------
    (time, latent, latent) information.
    """
    seen = unsaturated(model, data, rate)
    seen, rate = (seen, rate) if chosen.all() else (seen[:, chosen], rate[:, chosen])
    trials = seen.shape[1]
    if counts_spikes(model):
        weight = np.einsum("tnu,tnu->tu", seen, rate).astype(float) / trials
    else:
        weight = seen.sum(1).astype(float) / trials / model.noise
    latents = model.C.shape[1]
    outer = (model.C[:, :, None] * model.C[:, None, :]).reshape(len(model.C), -1)
    return (weight @ outer).reshape(len(weight), latents, latents)


def variance_of_units(model: Population, data: Recording, direction: Array, rate: Array) -> Array:
    """Compute the (trial,) second derivative of the negative log likelihood along a direction of the latents.

    Parameters
    ----------
    model : the network.
    data : the recording.
    direction : (time, trial, latent) direction.
    rate : (time, trial, unit) expected activity.
    """
    dtype = data.activity.dtype
    moved = direction.astype(dtype) @ model.C.T.astype(dtype)
    moved *= moved
    moved *= unsaturated(model, data, rate)
    if counts_spikes(model):
        return np.einsum("tnu,tnu->n", moved, rate).astype(float)
    return np.asarray((moved / model.noise).sum((0, 2)), float)


def log_likelihood(model: Population, data: Recording, rate: Array) -> Array:
    """Compute the (time, trial, unit) log likelihood of the activity, up to a number that depends on the activity only.

    Parameters
    ----------
    model : the network.
    data : the recording.
    rate : (time, trial, unit) expected activity.
    """
    if counts_spikes(model):
        return data.seen * (data.activity * np.log(np.maximum(rate, 1e-10)) - rate)
    off = data.activity - rate
    return -0.5 * data.seen * (off * off / model.noise + np.log(2 * np.pi * model.noise))
