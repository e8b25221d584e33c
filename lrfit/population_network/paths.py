"""Latents behind the observed activity: a Gaussian about their mean paths.

The mean solves the stationary equations of a Gaussian variational approximation (Opper & Archambeau, Neural
Computation 2009) exactly; covariances are shared by all trials of one pattern of observation, whose information per
bin is averaged. The averaged problem is block-tridiagonal and is factored once; a trial's own path then takes
conjugate steps preconditioned by it, with the best length for each trial.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Curved, Population, curved, drift, mean_slope, pull_back, push_forward
from lrfit.population_network.observation import expected, information, residual, variance_of_units
from lrfit.population_network.recording import Recording

Array = np.ndarray
FARTHEST = 4.0
"""Latents that only the network itself moves stay within this, in units of the log rate."""


class Paths(NamedTuple):
    """Posterior of the latents.

    Attributes
    ----------
    mean : (time, trial, latent).
    covariance : (pattern, time, latent, latent).
    lagged : (pattern, time - 1, latent, latent) covariance of z[k] (row) with z[k+1] (column).
    log_determinant : (pattern,) of the precision of a trial.
    """

    mean: Array
    covariance: Array
    lagged: Array
    log_determinant: Array


class Factor(NamedTuple):
    """Block-tridiagonal factor: inverse pivots (time, latent, latent) and gains (time - 1, latent, latent)."""

    inverse: Array
    gain: Array
    log_determinant: float


def factor(diagonal: Array, upper: Array) -> Factor:
    """Factor of a block-tridiagonal precision, diagonal (time, latent, latent), upper (time - 1, latent, latent)."""
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
    """Solution (time, trial, latent) of precision x = right (time, trial, latent)."""
    x = right.copy()
    for k in range(1, len(x)):
        x[k] -= x[k - 1] @ parts.gain[k - 1]
    x = x @ parts.inverse
    for k in range(len(x) - 2, -1, -1):
        x[k] -= x[k + 1] @ parts.gain[k].T
    return x


def covariances(parts: Factor) -> tuple[Array, Array]:
    """Covariance (time, latent, latent) and that of z[k] with z[k+1] (time - 1, latent, latent)."""
    covariance = parts.inverse.copy()
    lagged = np.empty_like(parts.gain)
    for k in range(len(covariance) - 2, -1, -1):
        lagged[k] = -parts.gain[k] @ covariance[k + 1]
        covariance[k] -= lagged[k] @ parts.gain[k].T
    return covariance, lagged


def first_paths(model: Population, data: Recording) -> Paths:
    """Paths of the network without noise or activity, with a covariance of nothing, to start from."""
    bins, trials = data.inside.shape
    latents, patterns = len(model.group), data.pattern.max() + 1
    mean = np.empty((bins, trials, latents))
    mean[0] = model.start_mean[data.condition]
    for k in range(bins - 1):
        at = curved(model, mean[k : k + 1])
        mean[k + 1] = np.clip(drift(model, at, data.sources[k : k + 1])[0], -FARTHEST, FARTHEST)
    return Paths(
        mean=mean,
        covariance=np.zeros((patterns, bins, latents, latents)),
        lagged=np.zeros((patterns, bins - 1, latents, latents)),
        log_determinant=np.zeros(patterns),
    )


def infer(model: Population, data: Recording, paths: Paths, steps: int = 1) -> Paths:
    """Posterior of the latents after some steps from earlier ones.

    Parameters
    ----------
    paths : where to start, of the same model or one near it.
    steps : factorings of the averaged problem; each is followed by one conjugate step a trial.
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
        # Conjugate directions (Fletcher & Reeves) repair what a trial's own information differs from the average.
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
    """(time, trial, latent) summed variance of the latents of each latent's region."""
    variance = np.einsum("ptll->tpl", paths.covariance) @ (model.group[:, None] == model.group)
    return variance[:, data.pattern]


def _gradient(
    model: Population, data: Recording, z: Array, at: Curved, rate: Array, precision: Array, start_precision: Array
) -> Array:
    """Derivative (time, trial, latent) of the negative log density of paths and activity."""
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
    """Factor of the precision averaged over the trials of one pattern."""
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
    """(trial,) best length of a step by each trial's own second derivative."""
    early = Curved(*(part[:-1] for part in at))
    moved = model.leak * direction[:-1] + push_forward(model, early, direction[:-1]) @ model.A.T
    off = direction[1:] - moved
    bend = np.einsum("tnl,tnl->n", off @ precision, off)
    bend += np.einsum("nl,nl->n", direction[0] @ start_precision, direction[0])
    bend += variance_of_units(model, data, direction, rate)
    return np.clip(np.einsum("tnl,tnl->n", gradient, direction) / np.maximum(bend, 1e-12), 0, 2)
