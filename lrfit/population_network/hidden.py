"""Hidden common drives: smooth latents into all regions, which no unit reads and which no region drives.

A drive is white noise filtered by two equal time constants, with unit variance: a second-order process, as smooth as a
Gaussian process with a Matern kernel of order 3/2 (Hartikainen & Särkkä, MLSP 2010). A drive takes two latents: the
drive, and the filtered noise that enters the drive.
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population, curved, drift
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording
from lrfit.population_network.weights import ABSENT_PENALTY, Shrinkage, shrinkage

Array = np.ndarray
DRIVE_JITTER_VARIANCE = 1e-4
"""Variance of the noise that enters the drive directly in one bin, so that no covariance is singular."""
SMOOTHING_BINS = 9
"""Number of bins over which innovations are averaged to find their slow part."""


def with_drive(
    model: Population, paths: Paths, prior: Shrinkage, data: Recording, tau_s: float
) -> tuple[Population, Paths, Shrinkage]:
    """Add a hidden drive, whose first weights follow a slow direction of the innovations that regions share.

    The first drive of a time constant follows the leading direction, the second drive the next direction, and so on.

    Parameters
    ----------
    model : the network.
    paths : posterior of the latents.
    prior : penalties of the weights.
    data : the recording.
    tau_s : each of the two time constants of the drive, in seconds.

    Returns
    -------
    Model, posterior of the latents and penalties with two more latents.
    """
    latents, keep = len(model.group), float(np.exp(-data.bin_s / tau_s))
    group = np.append(model.group, [model.group.max() + 1] * 2)
    mean_input = np.sqrt((1 - keep**2) ** 2 / (1 + keep**2))
    A = _grown(model.A, 2)
    A[latents, latents:] = keep, mean_input
    A[latents + 1, latents + 1] = keep
    alike = np.isclose(drive_tau_s(model, data.bin_s), tau_s).sum()
    A[:latents, latents] = _slow_direction(model, paths, data, int(alike))
    A[:latents][model.group >= model.regions, latents] = 0
    Q = _grown(model.Q, 2)
    Q[latents, latents], Q[latents + 1, latents + 1] = DRIVE_JITTER_VARIANCE, 1 - keep**2
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


def drive_tau_s(model: Population, bin_s: float) -> Array:
    """Return the (drive,) time constants of the hidden drives of a network, in seconds.

    Parameters
    ----------
    model : the network.
    bin_s : bin width in seconds.
    """
    first = np.flatnonzero(model.group >= model.regions)[::2]
    return -bin_s / np.log(model.A[first, first])


def stationary(F: Array, Q: Array) -> Array:
    """Compute the stationary covariance S of z[k+1] = F z[k] + q with q ~ N(0, Q), which solves S = F S F' + Q."""
    size = len(F)
    return np.linalg.solve(np.eye(size * size) - np.kron(F, F), Q.ravel()).reshape(size, size)


def initial_shrinkage(model: Population, source_name: tuple[str, ...]) -> Shrinkage:
    """Construct the penalties with which a new fit of a network starts that may already have hidden drives.

    Parameters
    ----------
    model : the network.
    source_name : (column,) names of the known sources.
    """
    prior = shrinkage(model, source_name)
    penalty = prior.penalty.copy()
    # The second latent of a drive is the filtered noise that enters the drive, which reaches no region.
    penalty[:, np.flatnonzero(model.group >= model.regions)[1::2]] = ABSENT_PENALTY
    return prior._replace(penalty=penalty)


def _shrinkage(prior: Shrinkage, latents: int, regions: int, group: int) -> Shrinkage:
    """Add the penalties of the two latents of a drive; the filtered noise that enters the drive reaches no region."""
    rows = np.concatenate([prior.penalty, np.full((1, prior.penalty.shape[1]), ABSENT_PENALTY)])
    columns = np.tile([1.0, ABSENT_PENALTY], (len(rows), 1))
    columns[regions:] = ABSENT_PENALTY
    block = np.where(prior.block >= group, prior.block + 1, prior.block)
    return Shrinkage(
        penalty=np.concatenate([rows[:, :latents], columns, rows[:, latents:]], 1),
        block=np.concatenate([block[:latents], [group, group], block[latents:]]),
        free=np.insert(prior.free, group, True),
    )


def _slow_direction(model: Population, paths: Paths, data: Recording, earlier_drives: int) -> Array:
    """Compute the (latent,) direction and size of the slow part of the innovations that no earlier drive follows.

    Parameters
    ----------
    model : the network.
    paths : posterior of the latents.
    data : the recording.
    earlier_drives : number of drives that follow the directions before.
    """
    at = curved(model, paths.mean[:-1], spreads(model, data, paths)[:-1])
    left = paths.mean[1:] - drift(model, at, data.sources[:-1])
    left = left * data.inside[1:, :, None]
    window = np.ones(SMOOTHING_BINS) / SMOOTHING_BINS
    slow = np.apply_along_axis(np.convolve, 0, left, window, "valid")
    covariance = np.einsum("tnl,tnm->lm", slow, slow) / slow[..., 0].size
    # Innovations that regions share speak for a drive; those of a single region may be its own dynamics.
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    shared = np.where(model.group[:, None] == model.group, 0.0, covariance / np.outer(scale, scale))
    return np.linalg.eigh(shared)[1][:, -1 - earlier_drives] * scale


def _grown(array: Array, more: int) -> Array:
    """Append rows and columns of zeros to the last two axes."""
    pad = [(0, 0)] * (array.ndim - 2) + [(0, more), (0, more)]
    return np.pad(array, pad)
