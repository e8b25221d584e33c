"""Lower bound of the log likelihood of each trial: the bound of variational inference."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Curved, Population, curved, drift, mean_slope
from lrfit.population_network.observation import counts_spikes, expected
from lrfit.population_network.paths import Paths, first_paths, infer, spreads
from lrfit.population_network.recording import Recording

Array = np.ndarray
HELD_OUT_INFERENCE_STEPS = 15
"""Number of steps of the inference of the latents of new trials."""


def held_out_nats(model: Population, data: Recording, steps: int = HELD_OUT_INFERENCE_STEPS) -> Array:
    """Compute the (trial,) variational bound of trials that were not used in the fit, in nats.

    Parameters
    ----------
    model : the fitted network.
    data : the held-out trials.
    steps : number of steps of the inference of their latents.
    """
    return bound(model, data, infer(model, data, first_paths(model, data), steps))


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
    z, V = paths.mean, paths.covariance
    at = curved(model, z[:-1], spreads(model, data, paths)[:-1])
    precision, start_precision = np.linalg.inv(model.Q), np.linalg.inv(model.start_covariance)
    off = z[1:] - drift(model, at, data.sources[:-1])
    first = z[0] - model.start_mean[data.condition]
    square = np.einsum("tnl,tnl->n", off @ precision, off) + np.einsum("nl,nl->n", first @ start_precision, first)
    determinants = len(off) * np.linalg.slogdet(model.Q)[1] + np.linalg.slogdet(model.start_covariance)[1]
    spread = np.empty(len(V))
    for pattern in range(len(V)):
        part = Curved(*(values[:, data.pattern == pattern] for values in at))
        weight = np.full((len(off), part.state.shape[1]), 1 / part.state.shape[1])
        F = np.diag(model.leak) + model.A @ mean_slope(model, part, weight)
        mixed = F @ paths.lagged[pattern]
        covariance = V[pattern, 1:] - mixed - mixed.transpose(0, 2, 1)
        covariance = covariance + F @ V[pattern, :-1] @ F.transpose(0, 2, 1)
        spread[pattern] = np.sum(precision * covariance.sum(0)) + np.sum(start_precision * V[pattern, 0])
    entropy = z.shape[0] * z.shape[2] - paths.log_determinant
    seen = _seen_nats(model, data, paths)
    return seen + 0.5 * (entropy[data.pattern] - square - determinants - spread[data.pattern])


def _seen_nats(model: Population, data: Recording, paths: Paths) -> Array:
    """Compute the (trial,) expected log likelihood of the observed activity, in nats."""
    x = paths.mean @ model.C.T + model.d
    rate = expected(model, data, paths.mean, paths.covariance)
    if counts_spikes(model):
        return (data.activity * np.minimum(x, np.log(data.highest)) - data.seen * rate).sum((0, 2))
    spread = np.einsum("ul,ptlm,um->tpu", model.C, paths.covariance, model.C, optimize=True)[:, data.pattern]
    square = ((data.activity - x) ** 2 + spread) / model.noise + np.log(2 * np.pi * model.noise)
    return -0.5 * (data.seen * square).sum((0, 2))
