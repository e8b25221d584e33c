"""Forward prediction: every bin is predicted from the bins before it, by a filter that runs through all trials at once.

The latents given the past are Gaussian. The activity of a bin moves their mean to the mode of the Gaussian variational
approximation, by a few Newton steps, and the equation of the network carries mean and covariance to the next bin (as
the extended Kalman filter; for point processes Eden et al., Neural Computation 2004).
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.held_out import error_of_sum
from lrfit.population_network.model import Population, curved, drift, pattern_slopes, within_groups
from lrfit.population_network.observation import expected, log_likelihood, pattern_information, residual
from lrfit.population_network.recording import Recording, hide

Array = np.ndarray
NEWTON_STEPS = 3
"""Number of steps by which the activity of a bin moves the latents."""
MAX_LOG_RATE_STEP = 1.0
"""Largest change of the log rate of any unit in a step."""


def predict_ahead(model: Population, data: Recording, *, own_region: bool = False) -> Array:
    """Predict the activity of every bin from the bins before it.

    Parameters
    ----------
    model : the network.
    data : the trials that are predicted.
    own_region : whether the past of units of the same region only is known.

    Returns
    -------
    (time, trial, unit) expected count per bin.
    """
    if not own_region:
        return _filtered(model, data)
    rate = np.empty_like(data.activity)
    for region in np.unique(data.region):
        own = data.region == region
        rate[..., own] = _filtered(model, hide(data, np.flatnonzero(~own)))[..., own]
    return rate


def gain_by_source(model: Population, data: Recording) -> tuple[Array, Array]:
    """Measure what the past of the recorded units of each region adds to the forward prediction of the other regions.

    Parameters
    ----------
    model : the network.
    data : trials that were not used in the fit.

    Returns
    -------
    gain : (target, source) gain in the log likelihood of all bins of the target, in nats; NaN on the diagonal.
    error : (target, source) standard error of the gain over trials, in nats. Both are NaN for fewer than two trials.
    """
    regions = range(model.regions)
    gain, error = np.full((2, len(regions), len(regions)), np.nan)
    if len(data.condition) < 2:
        return gain, error
    whole = log_likelihood(model, data, _filtered(model, data)).sum(0, dtype=float)
    for source in regions:
        rate = _filtered(model, hide(data, np.flatnonzero(data.region == source)))
        gained = whole - log_likelihood(model, data, rate).sum(0, dtype=float)
        for target in regions:
            if target != source:
                of_trials = gained[:, data.region == target].sum(1)
                gain[target, source] = of_trials.sum()
                error[target, source] = error_of_sum(of_trials)
    return gain, error


def _filtered(model: Population, data: Recording) -> Array:
    """Predict every bin, let its activity correct the latents, and carry the latents to the next bin."""
    rate = np.empty_like(data.activity)
    pattern = np.arange(len(data.condition))
    read = np.flatnonzero(model.C[data.seen.any((0, 1))].any(0))
    mean = model.start_mean[data.condition]
    covariance = np.broadcast_to(model.start_covariance, (len(mean), *model.start_covariance.shape))
    for k in range(len(rate)):
        now = _bin(data, k)
        rate[k] = expected(model, now, mean[None], covariance[:, None])[0]
        mean, covariance = _corrected(model, now, mean, covariance, read)
        spread = within_groups(model, np.einsum("nll->nl", covariance))
        at = curved(model, mean[None], spread)
        F = np.diag(model.leak) + model.A @ pattern_slopes(model, at, pattern)[:, 0]
        mean = drift(model, at, now.sources)[0]
        covariance = F @ covariance @ F.swapaxes(1, 2) + model.Q
    return rate


def _bin(data: Recording, k: int) -> Recording:
    """Cut one bin out of a recording, as trials that share nothing."""
    now = slice(k, k + 1)
    return data._replace(
        activity=data.activity[now],
        seen=data.seen[now],
        inside=data.inside[now],
        sources=data.sources[now],
        past=None if data.past is None else data.past[:, now],
        pattern=np.arange(len(data.condition)),
    )


def _corrected(model: Population, now: Recording, mean: Array, covariance: Array, read: Array) -> tuple[Array, Array]:
    """Let the activity of one bin correct the (trial, latent) means and (trial, latent, latent) covariances.

    Newton steps move the latents that units read, and the other latents follow by regression.
    """
    readout = model._replace(group=model.group[read], C=model.C[:, read])
    predicted, prior = mean[:, read], covariance[:, read[:, None], read]
    precision = np.linalg.inv(prior)
    z, spread = predicted, prior
    for _ in range(NEWTON_STEPS):
        rate = expected(readout, now, z[None], spread[:, None])
        off = residual(readout, now, rate, spread[:, None])[0].astype(float)
        slope = off @ readout.C - np.einsum("nlm,nm->nl", precision, z - predicted)
        spread = np.linalg.inv(precision + pattern_information(readout, now, rate)[:, 0])
        step = np.einsum("nlm,nm->nl", spread, slope)
        change = np.abs(step @ readout.C.T).max(1, keepdims=True)
        z = z + step * np.minimum(1, MAX_LOG_RATE_STEP / np.maximum(change, MAX_LOG_RATE_STEP))
    gain = covariance[:, :, read] @ precision
    mean = mean + np.einsum("nlm,nm->nl", gain, z - predicted)
    return mean, covariance + gain @ (spread - prior) @ gain.swapaxes(1, 2)
