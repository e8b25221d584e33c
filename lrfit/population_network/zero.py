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

from lrfit.population_network.model import Population, curved, drift
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


class Evidence(NamedTuple):
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
    parts = [_evidence(model, data, paths, np.flatnonzero(model.group == region)) for region in range(model.regions)]
    size = SIZES[np.argmax([sum(_gain(part, size) for part in parts) for size in SIZES])]
    shift = np.zeros(len(model.group))
    for region, part in enumerate(parts):
        shift[model.group == region] = part.mean + _most_probable(part, size)
    moved = model._replace(d=model.d + model.C @ shift, start_mean=model.start_mean - shift)
    return moved, paths._replace(mean=paths.mean - shift)


def _most_probable(part: Evidence, size: float) -> Array:
    """Return the (latent,) most probable zero of a region, relative to the mean state."""
    prior = size**2 * part.covariance
    return prior @ np.linalg.solve(np.eye(len(prior)) + part.information @ prior, part.pull)


def _gain(part: Evidence, size: float) -> float:
    """Return the log marginal likelihood of a prior of a size, above that of a zero at the mean state."""
    occam = np.linalg.slogdet(np.eye(len(part.mean)) + size**2 * part.information @ part.covariance)[1]
    return float(0.5 * (part.pull @ _most_probable(part, size) - occam))


def _evidence(model: Population, data: Recording, paths: Paths, own: Array) -> Evidence:
    """Compute what the prior and the likelihood say about the zero of the latents of a region."""
    weight = data.inside / np.bincount(data.condition)[data.condition]
    weight = weight / weight.sum()
    z = paths.mean[..., own]
    mean = np.einsum("tn,tnl->l", weight, z)
    score, information = _likelihood(model, data, paths, own)
    return Evidence(
        mean=mean,
        covariance=np.einsum("tn,tnl,tnm->lm", weight, z - mean, z - mean, optimize=True),
        # The present zero lies at -mean, relative to the mean state.
        pull=LIKELIHOOD_SHARE * (score - information @ mean),
        information=LIKELIHOOD_SHARE * information,
    )


def _likelihood(model: Population, data: Recording, paths: Paths, own: Array) -> tuple[Array, Array]:
    """Compute the (latent,) score and the (latent, latent) information of the latents about the zero of a region."""
    size, inside = len(own), data.inside[1:]
    if not model.curvature[own].any():
        return np.zeros(size), np.zeros((size, size))
    at = curved(model, paths.mean[:-1], spreads(model, data, paths)[:-1])
    z, height = at.state[..., own], at.height[..., own]
    slope = height[..., None] * np.eye(size) - (model.curvature[own] * height**3 * z)[..., None] * z[..., None, :]
    sources = np.concatenate([at.value, data.sources[:-1]], 2)
    slope = unexplained(slope.reshape(*z.shape[:2], size * size), sources, inside)[inside].reshape(-1, size, size)
    # Hidden drives have no part in the zero: nothing drives them.
    A = np.where(model.group < model.regions, model.A.T, 0.0)[own]
    precision = np.linalg.inv(model.Q)
    error = (paths.mean[1:] - drift(model, at, data.sources[:-1]))[inside]
    score = -np.einsum("kij,ki->j", slope, error @ precision @ A.T)
    information = np.einsum("kij,il,klm->jm", slope, A @ precision @ A.T, slope, optimize=True)
    return score, information
