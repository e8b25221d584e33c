"""Lower bound of the log likelihood of each trial: the bound of variational inference."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Curved, Population, curved, drift
from lrfit.population_network.observation import counts_spikes, expected, spread_of_units
from lrfit.population_network.paths import Paths, prior_precision, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
MIN_RATE = 1e-10
"""Smallest expected count per bin of which the log is taken."""


def bound(model: Population, data: Recording, paths: Paths) -> Array:
    """Compute the variational bound of the log likelihood of each trial.

    The bound is the expected log density of activity and latents plus the entropy of the posterior of the latents. The
    bound lies below the log likelihood for every Gaussian posterior (Opper & Archambeau, Neural Computation 2009), up
    to a number that depends on the activity only.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.

    Returns
    -------
    (trial,) bound, in nats.
    """
    at = curved(model, paths.mean, spreads(model, data, paths))
    rate = expected(model, data, paths.mean, paths.covariance)
    return bound_at(model, data, paths, at, rate, prior_precision(model, at, data.pattern))


def bound_at(
    model: Population, data: Recording, paths: Paths, at: Curved, rate: Array, prior: tuple[Array, Array]
) -> Array:
    """Compute the bound from what the latents imply, which a step of the inference also needs.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    at : curved latents.
    rate : (time, trial, unit) expected activity.
    prior : precision of the latents before any activity was seen, of `prior_precision`.

    Returns
    -------
    (trial,) bound, in nats.
    """
    z = paths.mean
    precision, start_precision = np.linalg.inv(model.Q), np.linalg.inv(model.start_covariance)
    off = z[1:] - drift(model, Curved(*(values[:-1] for values in at)), data.sources[:-1])
    first = z[0] - model.start_mean[data.condition]
    square = np.einsum("tnl,tnl->n", off @ precision, off) + np.einsum("nl,nl->n", first @ start_precision, first)
    determinants = len(off) * np.linalg.slogdet(model.Q)[1] + np.linalg.slogdet(model.start_covariance)[1]
    diagonal, upper = prior
    spread = np.einsum("ptlm,ptlm->p", diagonal, paths.covariance) + 2 * np.einsum("ptlm,ptlm->p", upper, paths.lagged)
    entropy = z.shape[0] * z.shape[2] - paths.log_determinant
    seen = _seen_nats(model, data, paths, rate)
    return seen + 0.5 * (entropy[data.pattern] - square - determinants - spread[data.pattern])


def _seen_nats(model: Population, data: Recording, paths: Paths, rate: Array) -> Array:
    """Compute the (trial,) expected log likelihood of the observed activity, in nats."""
    if counts_spikes(model):
        typical = expected(model, data, paths.mean)
        nats = data.activity * np.log(np.maximum(typical, MIN_RATE)) - data.seen * rate
        return nats.sum((0, 2), dtype=float)
    spread = spread_of_units(model, paths.covariance)[:, data.pattern]
    square = ((data.activity - rate) ** 2 + spread) / model.noise + np.log(2 * np.pi * model.noise)
    return -0.5 * (data.seen * square).sum((0, 2))
