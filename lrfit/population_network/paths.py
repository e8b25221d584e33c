"""Posterior of the latents given the activity: a Gaussian about the mean path of each trial.

The mean solves the stationary equations of the Gaussian variational approximation (Opper & Archambeau, Neural
Computation 2009) exactly. Trials with the same pattern of observation share one covariance, for which the information
per bin is averaged over these trials. The averaged problem is block-tridiagonal and is factored once. The path of each
trial then takes conjugate steps, which the factor preconditions, with the best step length of that trial.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Curved, Population, curved, drift, pattern_slopes, times_slope
from lrfit.population_network.observation import expected, pattern_information, residual, variance_of_units
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


def in_coordinates(paths: Paths, T: Array) -> Paths:
    """Express the posterior of the latents z in the latents T z.

    Parameters
    ----------
    paths : posterior of the latents.
    T : (latent, latent) matrix.
    """
    return paths._replace(mean=paths.mean @ T.T, covariance=T @ paths.covariance @ T.T, lagged=T @ paths.lagged @ T.T)


class Factor(NamedTuple):
    """Factors of the block-tridiagonal precisions of all patterns of observation.

    Attributes
    ----------
    inverse : (pattern, time, latent, latent) inverse pivots.
    gain : (pattern, time - 1, latent, latent) gains from each bin to the next bin.
    log_determinant : (pattern,) log determinant of each precision.
    """

    inverse: Array
    gain: Array
    log_determinant: Array


def factor(diagonal: Array, upper: Array) -> Factor:
    """Factor block-tridiagonal precisions.

    Parameters
    ----------
    diagonal : (pattern, time, latent, latent) blocks on the diagonal.
    upper : (pattern, time - 1, latent, latent) blocks above the diagonal.
    """
    bins = diagonal.shape[1]
    inverse, gain, pivots = np.empty_like(diagonal), np.empty_like(upper), diagonal.copy()
    for k in range(bins):
        if k > 0:
            pivots[:, k] -= upper[:, k - 1].transpose(0, 2, 1) @ gain[:, k - 1]
        inverse[:, k] = np.linalg.inv(pivots[:, k])
        if k < bins - 1:
            gain[:, k] = inverse[:, k] @ upper[:, k]
    return Factor(inverse=inverse, gain=gain, log_determinant=np.linalg.slogdet(pivots)[1].sum(1))


def solve(parts: Factor, right: Array, pattern: Array) -> Array:
    """Solve precision x = right for x, with the precision of each trial.

    Parameters
    ----------
    parts : factors of the precisions.
    right : (time, trial, latent) right-hand side.
    pattern : (trial,) index of the precision of each trial.

    Returns
    -------
    (time, trial, latent) solution x.
    """
    if len(parts.gain) > 1:
        return _solve_each(parts, right, pattern)
    x = right.copy()
    for k in range(1, len(x)):
        x[k] -= x[k - 1] @ parts.gain[0, k - 1]
    x = x @ parts.inverse[0]
    for k in range(len(x) - 2, -1, -1):
        x[k] -= x[k + 1] @ parts.gain[0, k].T
    return x


def _solve_each(parts: Factor, right: Array, pattern: Array) -> Array:
    """Solve as `solve` does, with more than one precision."""
    x = right[..., None].copy()
    inverse, gain = np.moveaxis(parts.inverse, 1, 0)[:, pattern], np.moveaxis(parts.gain, 1, 0)[:, pattern]
    for k in range(1, len(x)):
        x[k] -= gain[k - 1].transpose(0, 2, 1) @ x[k - 1]
    x = inverse @ x
    for k in range(len(x) - 2, -1, -1):
        x[k] -= gain[k] @ x[k + 1]
    return x[..., 0]


def covariances(parts: Factor) -> tuple[Array, Array]:
    """Compute the covariances of neighbouring bins from the factors of the precisions.

    Parameters
    ----------
    parts : factors of the precisions.

    Returns
    -------
    (pattern, time, latent, latent) covariances in one bin; (pattern, time - 1, latent, latent) covariances of each bin
    with the next bin.
    """
    covariance = parts.inverse.copy()
    lagged = np.empty_like(parts.gain)
    for k in range(covariance.shape[1] - 2, -1, -1):
        lagged[:, k] = -parts.gain[:, k] @ covariance[:, k + 1]
        covariance[:, k] -= lagged[:, k] @ parts.gain[:, k].transpose(0, 2, 1)
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
    direction, before = np.zeros_like(paths.mean), np.ones(data.inside.shape[1])
    for _ in range(steps):
        spread = spreads(model, data, paths)
        at = curved(model, paths.mean, spread)
        rate = expected(model, data, paths.mean, paths.covariance)
        gradient = slope_of_paths(model, data, paths, at, rate)
        parts = factor(*joint_precision(model, data, at, rate))
        fresh = solve(parts, gradient, data.pattern)
        # Conjugate directions (Fletcher & Reeves 1964) correct for trials whose information differs from the average.
        size = np.einsum("tnl,tnl->n", gradient, fresh)
        direction = fresh + np.minimum(size / before, 0.5)[:, None] * direction
        before = np.maximum(size, 1e-12)
        length = _length(model, data, direction, gradient, at, rate)
        covariance, lagged = covariances(parts)
        paths = Paths(
            mean=paths.mean - length[:, None] * direction,
            covariance=covariance,
            lagged=lagged,
            log_determinant=parts.log_determinant,
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


def slope_of_paths(model: Population, data: Recording, paths: Paths, at: Curved, rate: Array) -> Array:
    """Compute the (time, trial, latent) derivative of the negative log density of latents and activity.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    at : curved latents.
    rate : (time, trial, unit) expected activity.
    """
    precision, start_precision = np.linalg.inv(model.Q), np.linalg.inv(model.start_covariance)
    z = paths.mean
    off = residual(model, data, rate, paths.covariance)
    gradient = -(off @ model.C.astype(off.dtype)).astype(float)
    early = Curved(*(part[:-1] for part in at))
    pull = (z[1:] - drift(model, early, data.sources[:-1])) @ precision
    gradient[1:] += pull
    gradient[:-1] -= model.leak * pull + times_slope(model, early, pull @ model.A)
    gradient[0] += (z[0] - model.start_mean[data.condition]) @ start_precision
    return gradient


def joint_precision(model: Population, data: Recording, at: Curved, rate: Array) -> tuple[Array, Array]:
    """Compute the precision of the latents of all bins, averaged over the trials of each pattern of observation.

    Parameters
    ----------
    model : the network.
    data : the recording.
    at : curved latents.
    rate : (time, trial, unit) expected activity.

    Returns
    -------
    (pattern, time, latent, latent) blocks on the diagonal; (pattern, time - 1, latent, latent) blocks above them.
    """
    diagonal, upper = prior_precision(model, at, data.pattern)
    diagonal += pattern_information(model, data, rate)
    return diagonal, upper


def prior_precision(model: Population, at: Curved, pattern: Array) -> tuple[Array, Array]:
    """Compute the precision of the latents of all bins before any activity was seen, as `joint_precision` does.

    Parameters
    ----------
    model : the network.
    at : curved latents.
    pattern : (trial,) index of the pattern of observation of each trial.

    Returns
    -------
    (pattern, time, latent, latent) blocks on the diagonal; (pattern, time - 1, latent, latent) blocks above them.
    """
    precision = np.linalg.inv(model.Q)
    F = np.diag(model.leak) + model.A @ pattern_slopes(model, Curved(*(values[:-1] for values in at)), pattern)
    across = F.swapaxes(2, 3) @ precision
    diagonal = np.zeros((len(F), len(at.state), *precision.shape))
    diagonal[:, 0] = np.linalg.inv(model.start_covariance)
    diagonal[:, 1:] += precision
    diagonal[:, :-1] += across @ F
    return diagonal, -across


def _length(
    model: Population,
    data: Recording,
    direction: Array,
    gradient: Array,
    at: Curved,
    rate: Array,
) -> Array:
    """Compute the (trial,) best step length, from the second derivative of each trial."""
    precision, start_precision = np.linalg.inv(model.Q), np.linalg.inv(model.start_covariance)
    early = Curved(*(part[:-1] for part in at))
    moved = model.leak * direction[:-1] + times_slope(model, early, direction[:-1]) @ model.A.T
    off = direction[1:] - moved
    bend = np.einsum("tnl,tnl->n", off @ precision, off)
    bend += np.einsum("nl,nl->n", direction[0] @ start_precision, direction[0])
    bend += variance_of_units(model, data, direction, rate)
    return np.clip(np.einsum("tnl,tnl->n", gradient, direction) / np.maximum(bend, 1e-12), 0, 2)
