"""Weights and innovations given the moments of the latents, with a penalty for each source that the evidence chooses.

The prior of the weights A_ts from source s to target t is N(0, Q_t x 1 / penalty), with one penalty for each pair of
target region and source (automatic relevance determination; MacKay 1995; Tipping, JMLR 2001). The prior is conjugate,
so that the maximum of the posterior is a ridge regression. Within a region, the prior mean is persistence: without any
other current, the latents stay as they are. With few units or trials, slow dynamics and a steady input are hard to tell
apart, and this prior decides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.paths import Paths
from lrfit.population_network.recording import Recording
from lrfit.population_network.statistics import Transitions, scatter, transitions

Array = np.ndarray
ABSENT_PENALTY = 1e12
"""Penalty of a pathway that is left out."""
MIN_PENALTY = 1e-2
MAX_PENALTY = 1e8
MIN_PATHWAY_PENALTY = 1.0
"""Smallest penalty of weights between regions, as if one transition at latents of size 1 had shown no current.

Only latents that hardly vary feel this penalty. Without it, superfluous latents get weights a hundred times as large as
those of other latents, and stand for a hidden drive."""
PERSISTENCE_PENALTY = 3.0
"""Penalty of weights within a region about persistence: currents within a region differ from it by about a third."""
MIN_INNOVATION_SHARE = 3e-3
"""Smallest variance of an innovation, relative to the largest variance in its region."""


class Shrinkage(NamedTuple):
    """Penalties of all sources.

    Attributes
    ----------
    penalty : (group, latent + column) penalty of the weights into each region from each regressor, f(z) and known
        sources.
    block : (latent + column,) index of the source of each regressor: first groups of latents, then known sources.
    free : (block,) True if the evidence chooses the penalty.
    """

    penalty: Array
    block: Array
    free: Array


def shrinkage(model: Population, source_name: tuple[str, ...]) -> Shrinkage:
    """Construct the penalties with which a fit starts.

    Parameters
    ----------
    model : the network.
    source_name : (column,) names of the known sources.
    """
    names = list(dict.fromkeys(source_name))
    groups = int(model.group.max()) + 1
    block = np.concatenate([model.group, groups + np.array([names.index(name) for name in source_name], int)])
    penalty = np.ones((groups, len(block)))
    penalty[:, block == groups + names.index("bias")] = MIN_PENALTY
    for region in range(groups):
        penalty[region, block == region] = PERSISTENCE_PENALTY
    free = np.ones(block.max() + 1, bool)
    free[groups + names.index("bias")] = False
    return Shrinkage(penalty=penalty, block=block, free=free)


def regress(model: Population, statistics: Transitions, prior: Shrinkage) -> Population:
    """Compute weights and innovations of regions at the maximum of the posterior; hidden drives keep their dynamics.

    Parameters
    ----------
    model : the network.
    statistics : second moments of the transitions.
    prior : penalties of the weights.
    """
    A, G, Q = model.A.copy(), model.G.copy(), model.Q.copy()
    latents = len(model.group)
    for region in range(model.regions):
        own = model.group == region
        penalty = np.diag(prior.penalty[region])
        expected = persistence(model, own, len(penalty))
        W = np.linalg.solve(statistics.arriving + penalty, (statistics.crossed[own] + expected @ penalty).T).T
        A[own], G[own] = W[:, :latents], W[:, latents:]
        left = scatter(statistics, np.concatenate([A, G], 1))[np.ix_(own, own)]
        Q[np.ix_(own, own)] = 0.5 * (left + left.T) / statistics.number
    return model._replace(A=A, G=G, Q=_positive(Q))


def relevance(model: Population, statistics: Transitions, prior: Shrinkage) -> Shrinkage:
    """Update the penalties by one step of type-II maximum likelihood.

    Parameters
    ----------
    model : the network, with the weights that the penalties gave.
    statistics : second moments of the transitions.
    prior : penalties of the weights.
    """
    penalty = prior.penalty.copy()
    W = np.concatenate([model.A, model.G], 1)
    for region in range(model.regions):
        own = model.group == region
        precision = np.linalg.inv(model.Q[np.ix_(own, own)])
        posterior = np.linalg.inv(statistics.arriving + np.diag(prior.penalty[region]))
        for block in np.flatnonzero(prior.free):
            columns = (prior.block == block) & (prior.penalty[region] < ABSENT_PENALTY)
            if block == region or not columns.any():
                continue
            weight = W[np.ix_(own, columns)]
            size = np.sum(weight * (precision @ weight)) + own.sum() * posterior[columns, columns].sum()
            value = own.sum() * columns.sum() / size
            least = MIN_PATHWAY_PENALTY if block < model.regions else MIN_PENALTY
            penalty[region, columns] = np.clip(value, least, MAX_PENALTY)
    return prior._replace(penalty=penalty)


def learn(model: Population, data: Recording, paths: Paths, prior: Shrinkage) -> tuple[Population, Shrinkage]:
    """Update the dynamics by one step: weights, innovations, penalties and the distribution of the first bin.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    prior : penalties of the weights.
    """
    statistics = transitions(model, data, paths)
    model = regress(model, statistics, prior)
    prior = relevance(model, statistics, prior)
    return first_bin(model, data, paths), prior


def first_bin(model: Population, data: Recording, paths: Paths) -> Population:
    """Update the mean of the latents in the first bin of each condition, and their covariance.

    Parameters
    ----------
    model : the network.
    data : the recording.
    paths : posterior of the latents.
    """
    z = paths.mean[0]
    known = model.group < model.regions
    mean = np.stack([z[data.condition == c].mean(0) for c in range(len(model.start_mean))])
    off = z - np.where(known, mean, 0.0)[data.condition]
    trials = len(off)
    covariance = off.T @ off + np.einsum("p,plm->lm", np.bincount(data.pattern), paths.covariance[:, 0])
    small = 0.01 * np.trace(covariance[np.ix_(known, known)]) / known.sum()
    drives = model.start_covariance[np.ix_(~known, ~known)]
    # Regions have followed a drive before the trial: their latents start from a regression on those of the drive.
    follows = np.linalg.solve(covariance[np.ix_(~known, ~known)], covariance[np.ix_(~known, known)]).T
    left = covariance[np.ix_(known, known)] - follows @ covariance[np.ix_(~known, known)]
    start = model.start_covariance.copy()
    start[np.ix_(known, ~known)] = follows @ drives
    start[np.ix_(~known, known)] = drives @ follows.T
    start[np.ix_(known, known)] = (left + small * np.eye(len(left))) / trials + follows @ drives @ follows.T
    return model._replace(start_mean=np.where(known, mean, 0.0), start_covariance=start)


def persistence(model: Population, own: Array, columns: int) -> Array:
    """Return the (row, column) prior mean of the weights into a region, for which the latents stay as they are.

    Parameters
    ----------
    model : the network.
    own : (latent,) True for the latents of the region.
    columns : number of regressors.
    """
    mean = np.zeros((int(own.sum()), columns))
    mean[:, np.flatnonzero(own)] = np.diag(1 - model.leak[own])
    return mean


def _positive(Q: Array) -> Array:
    """Raise the smallest variances of the innovations, because a latent without noise has stiff paths."""
    values, vectors = np.linalg.eigh(Q)
    return (vectors * np.maximum(values, MIN_INNOVATION_SHARE * values.max())) @ vectors.T
