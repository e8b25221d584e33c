"""Observation of latents by recorded units: spike counts through a saturating exponential, or Gaussian values.

With the highest rate h, the expected count is exp(x) / (1 + (exp(x) / h)^4)^(1/4): exp(x) far below h, and h far above.
A count at the highest rate says that the latents are high and nothing more. Without saturation, a few bins near the
highest rate of a unit distort the weights. The saturation is smooth, so that Newton steps converge.
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population, is_single, neighbours
from lrfit.population_network.recording import Recording

Array = np.ndarray
SHARPNESS = 4
"""Exponent of the saturation."""
MAX_EXCESS = 3.0
"""Largest log rate in excess of the highest log rate; the expected count is constant above."""


def counts_spikes(model: Population) -> bool:
    """Return whether the units of a network are Poisson counts."""
    return len(model.noise) == 0


def expected(model: Population, data: Recording, mean: Array, covariance: Array | None = None) -> Array:
    """Compute the expected activity under Gaussian latents.

    Parameters
    ----------
    model : the network.
    data : the recording.
    mean : (time, trial, latent) means of the latents.
    covariance : (pattern, time, latent, latent) covariances of the latents; None for known latents.

    Returns
    -------
    (time, trial, unit) expected count per bin, or expected value of a Gaussian unit.
    """
    x = log_mean(model, data, mean, covariance)
    if not counts_spikes(model):
        return x
    np.minimum(x, np.log(data.highest) + MAX_EXCESS, out=x)
    return saturated(np.exp(x, out=x), data.highest)


def log_mean(model: Population, data: Recording, mean: Array, covariance: Array | None = None) -> Array:
    """Compute the log of the mean rate before saturation, or the expected value of a Gaussian unit.

    Parameters
    ----------
    model : the network.
    data : the recording.
    mean : (time, trial, latent) means of the latents.
    covariance : (pattern, time, latent, latent) covariances of the latents; None for known latents.

    Returns
    -------
    (time, trial, unit) log of the mean of exp(x) under Gaussian latents, or the mean of x of a Gaussian unit.
    """
    x = log_rate(model, data, mean)
    if covariance is not None and counts_spikes(model):
        half = (0.5 * spread_of_units(model, covariance)).astype(x.dtype)
        x += half[:, data.pattern] if half.shape[1] > 1 else half
    return x


def log_rate(model: Population, data: Recording, mean: Array) -> Array:
    """Compute the (time, trial, unit) log rate before saturation, or the expected value of a Gaussian unit.

    Parameters
    ----------
    model : the network.
    data : the recording.
    mean : (time, trial, latent) means of the latents.
    """
    dtype = data.activity.dtype
    x = mean.astype(dtype) @ model.C.T.astype(dtype)
    x += model.d.astype(dtype)
    if data.past is not None:
        for past, weights in zip(data.past, model.history.T.astype(dtype), strict=True):
            x += past * weights
    return x


def spread_of_units(model: Population, covariance: Array) -> Array:
    """Compute the (time, pattern, unit) variance of the log rate that comes from uncertain latents.

    Parameters
    ----------
    model : the network.
    covariance : (pattern, time, latent, latent) covariances of the latents.
    """
    # A unit reads the latents of one region only.
    first, second = neighbours(model)
    return np.moveaxis(covariance[..., first, second] @ (model.C[:, first] * model.C[:, second]).T, 0, 1)


def saturated(rate: Array, highest: float) -> Array:
    """Limit rates smoothly to a highest rate."""
    power = rate / highest
    power *= power
    power *= power
    power += 1
    return rate / np.sqrt(np.sqrt(power, out=power), out=power)


def unsaturated(model: Population, data: Recording, rate: Array) -> Array:
    """Compute the (time, trial, unit) derivative of the log rate by x: 1 far below the highest rate, 0 if missing.

    Parameters
    ----------
    model : the network.
    data : the recording.
    rate : (time, trial, unit) expected activity.
    """
    if not counts_spikes(model):
        return data.seen
    power = rate / data.highest
    power *= power
    power *= power
    return (1 - power) * data.seen


def residual(model: Population, data: Recording, rate: Array, covariance: Array) -> Array:
    """Compute the (time, trial, unit) derivative of the log likelihood by x; 0 in missing bins.

    Parameters
    ----------
    model : the network.
    data : the recording.
    rate : (time, trial, unit) expected activity.
    covariance : (pattern, time, latent, latent) covariances of the latents.
    """
    slope = unsaturated(model, data, rate)
    if not counts_spikes(model):
        return (data.activity - rate) * slope / model.noise.astype(rate.dtype)
    # The slope of the log of the rate at the mean of the latents, where the mean rate has the slope above.
    nearer = np.exp(-0.5 * SHARPNESS * spread_of_units(model, covariance)).astype(rate.dtype)
    nearer = nearer[:, data.pattern] if nearer.shape[1] > 1 else nearer
    # Where latents are so uncertain that both vanish, a count says nothing about them.
    at_mean = slope / np.maximum(slope + (1 - slope) * nearer, np.finfo(rate.dtype).tiny)
    return (data.activity * at_mean - rate * slope) * data.seen


def unit_information(model: Population, data: Recording, rate: Array) -> Array:
    """Compute the (time, trial, unit) Fisher information of each count about x, or 1 / noise variance; 0 if missing.

    Parameters
    ----------
    model : the network.
    data : the recording.
    rate : (time, trial, unit) expected activity.
    """
    slope = unsaturated(model, data, rate)
    return slope * slope * rate if counts_spikes(model) else slope / model.noise.astype(slope.dtype)


def pattern_information(model: Population, data: Recording, rate: Array) -> Array:
    """Compute the information of the activity about the latents, averaged over the trials of each pattern.

    Parameters
    ----------
    model : the network.
    data : the recording.
    rate : (time, trial, unit) expected activity.

    Returns
    -------
    (pattern, time, latent, latent) information.
    """
    single = unit_information(model, data, rate)
    if is_single(data.pattern):
        weight = np.moveaxis(single, 1, 0).astype(float)
    else:
        weight = np.stack([single[:, data.pattern == p].mean(1, dtype=float) for p in range(data.pattern.max() + 1)])
    latents = model.C.shape[1]
    information = np.zeros((*weight.shape[:2], latents, latents))
    first, second = neighbours(model)
    information[..., first, second] = weight @ (model.C[:, first] * model.C[:, second])
    return information


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
    return np.einsum("tnu,tnu->n", moved, unit_information(model, data, rate)).astype(float)


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
