"""Posterior of the latents given the activity: a Gaussian about the mean path of each trial.

The mean solves the stationary equations of the Gaussian variational approximation (Opper & Archambeau, Neural
Computation 2009) exactly. Trials with the same pattern of observation share one covariance, for which the information
per bin is averaged over these trials. The averaged problem is block-tridiagonal and is factored once. The path of each
trial then takes conjugate steps, which the factor preconditions, with the best step length of that trial.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Curved, Population, curved, drift, mean_slope, pull_back, push_forward
from lrfit.population_network.observation import expected, information, residual, variance_of_units
from lrfit.population_network.recording import Recording

Array = np.ndarray
MAX_LATENT = 4.0
"""Largest absolute value of latents that are simulated without activity, in units of the log rate."""


class Paths(NamedTuple):
    """Posterior of the latents.

    Attributes
    ----------
    mean : (time, trial, latent) means of the latents.
    covariance : (pattern, time, latent, latent) covariances of the latents in one bin.
    lagged : (pattern, time - 1, latent, latent) covariance of the latents in bin k (row) with those in bin k + 1
        (column).
    log_determinant : (pattern,) log determinant of the precision of all latents of a trial.
    """

    mean: Array
    covariance: Array
    lagged: Array
    log_determinant: Array


class Factor(NamedTuple):
    """Factor of a block-tridiagonal precision.

    Attributes
    ----------
    inverse : (time, latent, latent) inverse pivots.
    gain : (time - 1, latent, latent) gains from each bin to the next bin.
    log_determinant : log determinant of the precision.
    """

    inverse: Array
    gain: Array
    log_determinant: float


def factor(diagonal: Array, upper: Array) -> Factor:
    """Factor a block-tridiagonal precision.

    Parameters
    ----------
    diagonal : (time, latent, latent) blocks on the diagonal.
    upper : (time - 1, latent, latent) blocks above the diagonal.
    """
    bins = len(diagonal)
    inverse = np.empty_like(diagonal)
    gain = np.empty_like(upper)
    total = 0.0
    for k in range(bins):
        pivot = diagonal[k] if k == 0 else diagonal[k] - upper[k - 1].T @ gain[k - 1]
        inverse[k] = np.linalg.inv(pivot)
        total += np.linalg.slogdet(pivot)[1]
        if k < bins - 1:
            gain[k] = inverse[k] @ upper[k]
    return Factor(inverse=inverse, gain=gain, log_determinant=total)


def solve(parts: Factor, right: Array) -> Array:
    """Solve precision x = right for x.

    Parameters
    ----------
    parts : factor of the precision.
    right : (time, trial, latent) right-hand side.

    Returns
    -------
    (time, trial, latent) solution x.
    """
    x = right.copy()
    for k in range(1, len(x)):
        x[k] -= x[k - 1] @ parts.gain[k - 1]
    x = x @ parts.inverse
    for k in range(len(x) - 2, -1, -1):
        x[k] -= x[k + 1] @ parts.gain[k].T
    return x


def covariances(parts: Factor) -> tuple[Array, Array]:
    """Compute the covariances of neighbouring bins from the factor of the precision.

    Parameters
    ----------
    parts : factor of the precision.

    Returns
    -------
    (time, latent, latent) covariances in one bin; (time - 1, latent, latent) covariances of each bin with the next bin.
    """
    covariance = parts.inverse.copy()
    lagged = np.empty_like(parts.gain)
    for k in range(len(covariance) - 2, -1, -1):
        lagged[k] = -parts.gain[k] @ covariance[k + 1]
        covariance[k] -= lagged[k] @ parts.gain[k].T
    return covariance, lagged


def first_paths(model: Population, data: Recording) -> Paths:
    """Simulate the network without noise, as paths from which the inference starts; their covariances are 0.

    Parameters
    ----------
    model : the network.
    data : the recording, of which only the sources and conditions are used.
    """
    bins, trials = data.inside.shape
    latents, patterns = len(model.group), data.pattern.max() + 1
    mean = np.empty((bins, trials, latents))
    mean[0] = model.start_mean[data.condition]
    for k in range(bins - 1):
        at = curved(model, mean[k : k + 1])
        mean[k + 1] = np.clip(drift(model, at, data.sources[k : k + 1])[0], -MAX_LATENT, MAX_LATENT)
    return Paths(
        mean=mean,
        covariance=np.zeros((patterns, bins, latents, latents)),
        lagged=np.zeros((patterns, bins - 1, latents, latents)),
        log_determinant=np.zeros(patterns),
    )


def infer(model: Population, data: Recording, paths: Paths, steps: int = 1) -> Paths:
    """Infer the latents by a number of steps from earlier paths.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior from which the inference starts, of this model or of a similar model.
    steps : number of factorisations of the averaged problem, each followed by one conjugate step per trial.
    """
    precision = np.linalg.inv(model.Q)
    start_precision = np.linalg.inv(model.start_covariance)
    direction, before = np.zeros_like(paths.mean), np.ones(data.inside.shape[1])
    for _ in range(steps):
        spread = spreads(model, data, paths)
        at = curved(model, paths.mean, spread)
        rate = expected(model, data, paths.mean, paths.covariance)
        gradient = _gradient(model, data, paths.mean, at, rate, precision, start_precision)
        parts = [
            _shared(model, data, at, rate, precision, start_precision, data.pattern == pattern)
            for pattern in range(data.pattern.max() + 1)
        ]
        fresh = np.empty_like(gradient)
        for pattern, part in enumerate(parts):
            chosen = data.pattern == pattern
            fresh[:, chosen] = solve(part, gradient[:, chosen])
        # Conjugate directions (Fletcher & Reeves 1964) correct for trials whose information differs from the average.
        size = np.einsum("tnl,tnl->n", gradient, fresh)
        direction = fresh + np.minimum(size / before, 0.5)[:, None] * direction
        before = np.maximum(size, 1e-12)
        length = _length(model, data, direction, gradient, at, rate, precision, start_precision)
        both = [covariances(part) for part in parts]
        paths = Paths(
            mean=paths.mean - length[:, None] * direction,
            covariance=np.stack([pair[0] for pair in both]),
            lagged=np.stack([pair[1] for pair in both]),
            log_determinant=np.array([part.log_determinant for part in parts]),
        )
    return paths


def spreads(model: Population, data: Recording, paths: Paths) -> Array:
    """Sum the (time, trial, latent) variances of the latents over the region of each latent.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    """
    variance = np.einsum("ptll->tpl", paths.covariance) @ (model.group[:, None] == model.group)
    return variance[:, data.pattern]


def _gradient(
    model: Population, data: Recording, z: Array, at: Curved, rate: Array, precision: Array, start_precision: Array
) -> Array:
    """Compute the (time, trial, latent) derivative of the negative log density of latents and activity."""
    off = residual(model, data, rate)
    gradient = -(off @ model.C.astype(off.dtype)).astype(float)
    early = Curved(*(part[:-1] for part in at))
    pull = (z[1:] - drift(model, early, data.sources[:-1])) @ precision
    gradient[1:] += pull
    gradient[:-1] -= model.leak * pull + pull_back(model, early, pull @ model.A)
    gradient[0] += (z[0] - model.start_mean[data.condition]) @ start_precision
    return gradient


def _shared(
    model: Population,
    data: Recording,
    at: Curved,
    rate: Array,
    precision: Array,
    start_precision: Array,
    chosen: Array,
) -> Factor:
    """Factor the precision averaged over the trials of one pattern of observation."""
    bins = len(rate)
    diagonal = information(model, data, rate, chosen)
    part = Curved(*(values[:-1, chosen] for values in at))
    weight = np.full((bins - 1, int(chosen.sum())), 1 / chosen.sum())
    F = np.diag(model.leak) + model.A @ mean_slope(model, part, weight)
    across = F.transpose(0, 2, 1) @ precision
    diagonal[0] += start_precision
    diagonal[1:] += precision
    diagonal[:-1] += across @ F
    return factor(diagonal, -across)


def _length(
    model: Population,
    data: Recording,
    direction: Array,
    gradient: Array,
    at: Curved,
    rate: Array,
    precision: Array,
    start_precision: Array,
) -> Array:
    """Compute the (trial,) best step length, from the second derivative of each trial."""
    early = Curved(*(part[:-1] for part in at))
    moved = model.leak * direction[:-1] + push_forward(model, early, direction[:-1]) @ model.A.T
    off = direction[1:] - moved
    bend = np.einsum("tnl,tnl->n", off @ precision, off)
    bend += np.einsum("nl,nl->n", direction[0] @ start_precision, direction[0])
    bend += variance_of_units(model, data, direction, rate)
    return np.clip(np.einsum("tnl,tnl->n", gradient, direction) / np.maximum(bend, 1e-12), 0, 2)
