"""Zero of the latents: the state of a region at which its currents are zero and change most with the latents.

Offsets of the units and the bias of the region undo a shift of the latents, exactly in a linear network. In a curved
network, only the slope of f tells where the zero is: if the zero moves by delta, the latents of the next bin change by
-A J delta, with J the derivative of f. The part of J that f itself and the known sources do not explain is the
regressor of a Newton step on the log likelihood.

The prior of the zero is Gaussian about the mean state of the region. Its standard deviation is a multiple of that of
the states, one multiple for all regions, chosen by the evidence (empirical Bayes; MacKay, Neural Computation 1992).
Where conditions are symmetric about the zero, as a stimulus and its opposite, the multiple is 0, and the zero is the
mean state. Where all conditions push a region to the same side, the mean state is a standard deviation or more away
from the zero, and the likelihood says so clearly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Curved, Population, curved, drift
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording
from lrfit.population_network.statistics import unexplained

Array = np.ndarray
LIKELIHOOD_SHARE = 0.1
"""Share of the log likelihood that counts for the zero.

Where conditions are symmetric, the zero of largest likelihood is wrong by up to three standard errors, because the
form of f is an approximation, and then pulls weights and latents along. Chosen on teachers of other seeds than the
reported seeds."""
SIZES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Standard deviations of the prior of the zero that are compared, relative to that of the states."""


class ZeroEvidence(NamedTuple):
    """What is known about the zero of the latents of a region, relative to the mean state.

    Attributes
    ----------
    mean : (latent,) mean state, relative to the present zero.
    covariance : (latent, latent) covariance of the states.
    pull : (latent,) derivative of the log likelihood with respect to the zero, for a zero at the mean state.
    information : (latent, latent) information of the likelihood about the zero.
    """

    mean: Array
    covariance: Array
    pull: Array
    information: Array


def move_zero(model: Population, data: Recording, paths: Paths) -> tuple[Population, Paths]:
    """Move the zero of the latents of every region by one Newton step towards its most probable place.

    Log rates stay as they are. The bias has to be learnt again after this step.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.

    Returns
    -------
    Model and posterior of the latents with the new zero. The zero of a linear network is the mean of the latents over
    all bins, in which all conditions weigh the same.
    """
    parts = zero_evidence(model, data, paths)
    size = SIZES[np.argmax([sum(_gain(part, size) for part in parts) for size in SIZES])]
    shift = np.zeros(len(model.group))
    for region, part in enumerate(parts):
        shift[model.group == region] = part.mean + _most_probable(part, size)
    moved = model._replace(d=model.d + model.C @ shift, start_mean=model.start_mean - shift)
    return moved, paths._replace(mean=paths.mean - shift)


def _most_probable(part: ZeroEvidence, size: float) -> Array:
    """Return the (latent,) most probable zero of a region, relative to the mean state."""
    prior = size**2 * part.covariance
    return prior @ np.linalg.solve(np.eye(len(prior)) + part.information @ prior, part.pull)


def _gain(part: ZeroEvidence, size: float) -> float:
    """Return the log marginal likelihood of a prior of a size, above that of a zero at the mean state."""
    occam = np.linalg.slogdet(np.eye(len(part.mean)) + size**2 * part.information @ part.covariance)[1]
    return float(0.5 * (part.pull @ _most_probable(part, size) - occam))


def zero_evidence(model: Population, data: Recording, paths: Paths) -> list[ZeroEvidence]:
    """Compute what is known about the zero of each region.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    """
    weight = data.inside / np.bincount(data.condition)[data.condition]
    weight = weight / weight.sum()
    parts = []
    for own, (score, information) in zip(_latents_of_regions(model), _likelihoods(model, data, paths), strict=True):
        z = paths.mean[..., own]
        mean = np.einsum("tn,tnl->l", weight, z)
        part = ZeroEvidence(
            mean=mean,
            covariance=np.einsum("tn,tnl,tnm->lm", weight, z - mean, z - mean, optimize=True),
            # The present zero lies at -mean, relative to the mean state.
            pull=LIKELIHOOD_SHARE * (score - information @ mean),
            information=LIKELIHOOD_SHARE * information,
        )
        parts.append(part)
    return parts


def _likelihoods(model: Population, data: Recording, paths: Paths) -> list[tuple[Array, Array]]:
    """Compute the (latent,) score and the (latent, latent) information about the zero of each region."""
    regions = _latents_of_regions(model)
    if not model.curvature.any():
        return [(np.zeros(len(own)), np.zeros((len(own), len(own)))) for own in regions]
    inside = data.inside[1:]
    at = curved(model, paths.mean[:-1], spreads(model, data, paths)[:-1])
    precision = np.linalg.inv(model.Q)
    # Hidden drives have no part in the zero: nothing drives them.
    A = np.where(model.group < model.regions, model.A.T, 0.0)
    error = (paths.mean[1:] - drift(model, at, data.sources[:-1]))[inside] @ precision @ A.T
    slopes = [_slope(model, at, own) for own in regions]
    explaining = np.concatenate([at.value, data.sources[:-1]], 2)
    left = unexplained(np.concatenate(slopes, 2), explaining, inside)[inside]
    ends = np.cumsum([slope.shape[2] for slope in slopes])
    parts = []
    for own, columns in zip(regions, np.split(left, ends[:-1], 1), strict=True):
        slope = columns.reshape(-1, len(own), len(own))
        score = -np.einsum("kij,ki->j", slope, error[:, own])
        heard = A[own] @ precision @ A[own].T
        parts.append((score, np.einsum("kij,il,klm->jm", slope, heard, slope, optimize=True)))
    return parts


def _slope(model: Population, at: Curved, own: Array) -> Array:
    """Compute the (time, trial, latent x latent) derivative of f in a region."""
    z, height = at.state[..., own], at.height[..., own]
    bent = (model.curvature[own] * height**3 * z)[..., None] * z[..., None, :]
    return (height[..., None] * np.eye(len(own)) - bent).reshape(*z.shape[:2], -1)


def _latents_of_regions(model: Population) -> list[Array]:
    """Return the indices of the latents of each region."""
    return [np.flatnonzero(model.group == region) for region in range(model.regions)]
