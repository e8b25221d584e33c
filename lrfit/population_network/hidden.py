"""Hidden common drives: smooth latents that no unit reads and that nothing drives, into all regions.

A drive is white noise through two equal time constants, of unit variance: second order, as smooth as a Gaussian
process with a Matern kernel of 3/2 (Hartikainen & Sarkka 2010). Its two latents are the drive and what drives it.
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population, curved, drift
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording
from lrfit.population_network.weights import ABSENT, Shrinkage

Array = np.ndarray
JITTER = 1e-4
"""Variance that the drive itself gains in a bin, so that no covariance is singular."""
SMOOTHING_BINS = 9


def with_drive(
    model: Population, paths: Paths, prior: Shrinkage, data: Recording, tau_s: float
) -> tuple[Population, Paths, Shrinkage]:
    """The network with one more hidden drive, at first along the slowest direction of what nothing else explains.

    Parameters
    ----------
    tau_s : each of its two time constants.
    """
    latents, keep = len(model.group), float(np.exp(-data.bin_s / tau_s))
    group = np.append(model.group, [model.group.max() + 1] * 2)
    mean_input = np.sqrt((1 - keep**2) ** 2 / (1 + keep**2))
    A = _grown(model.A, 2)
    A[latents, latents:] = keep, mean_input
    A[latents + 1, latents + 1] = keep
    A[:latents, latents] = _slow_direction(model, paths, data)
    A[:latents][model.group >= model.regions, latents] = 0
    Q = _grown(model.Q, 2)
    Q[latents, latents], Q[latents + 1, latents + 1] = JITTER, 1 - keep**2
    start = _grown(model.start_covariance, 2)
    start[latents:, latents:] = stationary(A[latents:, latents:], Q[latents:, latents:])
    wider = model._replace(
        group=group,
        leak=np.append(model.leak, [0.0, 0.0]),
        A=A,
        G=np.concatenate([model.G, np.zeros((2, model.G.shape[1]))]),
        Q=Q,
        curvature=np.append(model.curvature, [0.0, 0.0]),
        C=np.concatenate([model.C, np.zeros((len(model.C), 2))], 1),
        start_mean=np.concatenate([model.start_mean, np.zeros((len(model.start_mean), 2))], 1),
        start_covariance=start,
    )
    wider_paths = paths._replace(
        mean=np.concatenate([paths.mean, np.zeros((*paths.mean.shape[:2], 2))], 2),
        covariance=_grown(paths.covariance, 2),
        lagged=_grown(paths.lagged, 2),
    )
    return wider, wider_paths, _shrinkage(prior, latents, model.regions, int(group[-1]))


def stationary(F: Array, Q: Array) -> Array:
    """Covariance S of z[k+1] = F z[k] + q that no bin changes: S = F S F' + Q."""
    size = len(F)
    return np.linalg.solve(np.eye(size * size) - np.kron(F, F), Q.ravel()).reshape(size, size)


def _shrinkage(prior: Shrinkage, latents: int, regions: int, group: int) -> Shrinkage:
    """Penalties with two more columns; what only smooths the drive reaches no region."""
    rows = np.concatenate([prior.penalty, np.full((1, prior.penalty.shape[1]), ABSENT)])
    columns = np.tile([1.0, ABSENT], (len(rows), 1))
    columns[regions:] = ABSENT
    block = np.where(prior.block >= group, prior.block + 1, prior.block)
    return Shrinkage(
        penalty=np.concatenate([rows[:, :latents], columns, rows[:, latents:]], 1),
        block=np.concatenate([block[:latents], [group, group], block[latents:]]),
        free=np.insert(prior.free, group, True),
    )


def _slow_direction(model: Population, paths: Paths, data: Recording) -> Array:
    """(latent,) direction and size of the slow part of what is new in all regions together."""
    at = curved(model, paths.mean[:-1], spreads(model, data, paths)[:-1])
    left = paths.mean[1:] - drift(model, at, data.sources[:-1])
    left = left * data.inside[1:, :, None]
    window = np.ones(SMOOTHING_BINS) / SMOOTHING_BINS
    slow = np.apply_along_axis(np.convolve, 0, left, window, "valid")
    covariance = np.einsum("tnl,tnm->lm", slow, slow) / slow[..., 0].size
    # What regions share says drive; what is a region's own may be its own dynamics.
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    shared = np.where(model.group[:, None] == model.group, 0.0, covariance / np.outer(scale, scale))
    return np.linalg.eigh(shared)[1][:, -1] * scale


def _grown(array: Array, more: int) -> Array:
    """(..., n + more, n + more) with zeros around."""
    pad = [(0, 0)] * (array.ndim - 2) + [(0, more), (0, more)]
    return np.pad(array, pad)
