"""Weights and innovations given the moments of the latents; shrinkage of every pathway by its evidence.

The prior of a block is A_ts ~ N(0, Q_t x 1 / penalty), one penalty for each target region and source (automatic
relevance determination, MacKay 1995; Tipping, JMLR 2001); it is conjugate, so that the maximum is a ridge regression.
Within a region the prior's mean is persistence: what is left of a latent and what it sends to itself sum to the latent.
With few units or trials slow dynamics and a steady input are hard to tell apart, and this decides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.paths import Paths
from lrfit.population_network.recording import Recording
from lrfit.population_network.statistics import Transitions, scatter, transitions

Array = np.ndarray
ABSENT = 1e12
"""Penalty of a source that is left out."""
WEAKEST_PENALTY = 1e-2
STRONGEST_PENALTY = 1e8
PERSISTENCE_PENALTY = 30.0
"""Of weights within a region about persistence; a tenth of what the base teacher's trials tell about them."""
SMALLEST_SHARE = 3e-3
"""Smallest variance of an innovation over the largest."""


class Shrinkage(NamedTuple):
    """Penalties of all sources.

    Attributes
    ----------
    penalty : (group, latent + column) of the weights into each region from each column of (f(z), s).
    block : (latent + column,) index of the source that a column belongs to: groups of latents, then known sources.
    free : (block,) True where the penalty is learnt.
    """

    penalty: Array
    block: Array
    free: Array


def shrinkage(model: Population, source_name: tuple[str, ...], excluded: tuple[tuple[int, int], ...] = ()) -> Shrinkage:
    """Penalties to start from; ``excluded`` pathways (target, source) stay at zero weight."""
    names = list(dict.fromkeys(source_name))
    groups = int(model.group.max()) + 1
    block = np.concatenate([model.group, groups + np.array([names.index(name) for name in source_name], int)])
    penalty = np.ones((groups, len(block)))
    penalty[:, block == groups + names.index("bias")] = WEAKEST_PENALTY
    for region in range(groups):
        penalty[region, block == region] = PERSISTENCE_PENALTY
    for target, source in excluded:
        penalty[target, block == source] = ABSENT
    free = np.ones(block.max() + 1, bool)
    free[groups + names.index("bias")] = False
    return Shrinkage(penalty=penalty, block=block, free=free)


def regress(model: Population, statistics: Transitions, prior: Shrinkage) -> Population:
    """Weights and innovations of every region at the maximum of the posterior; hidden groups keep theirs."""
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
    """Penalties after one step of type-II maximum likelihood."""
    penalty = prior.penalty.copy()
    W = np.concatenate([model.A, model.G], 1)
    for region in range(model.regions):
        own = model.group == region
        precision = np.linalg.inv(model.Q[np.ix_(own, own)])
        posterior = np.linalg.inv(statistics.arriving + np.diag(prior.penalty[region]))
        for block in np.flatnonzero(prior.free):
            columns = (prior.block == block) & (prior.penalty[region] < ABSENT)
            if block == region or not columns.any():
                continue
            weight = W[np.ix_(own, columns)]
            size = np.sum(weight * (precision @ weight)) + own.sum() * posterior[columns, columns].sum()
            value = own.sum() * columns.sum() / size
            penalty[region, columns] = np.clip(value, WEAKEST_PENALTY, STRONGEST_PENALTY)
    return prior._replace(penalty=penalty)


def learn(model: Population, data: Recording, paths: Paths, prior: Shrinkage) -> tuple[Population, Shrinkage]:
    """Dynamics after one step: weights, innovations, first bin, penalties."""
    statistics = transitions(model, data, paths)
    model = regress(model, statistics, prior)
    prior = relevance(model, statistics, prior)
    return first_bin(model, data, paths), prior


def first_bin(model: Population, data: Recording, paths: Paths) -> Population:
    """Mean of the first bin by condition, and its covariance."""
    z = paths.mean[0]
    conditions = len(model.start_mean)
    mean = np.stack([z[data.condition == c].mean(0) for c in range(conditions)])
    off = z - mean[data.condition]
    trials = len(off)
    covariance = off.T @ off + np.einsum("p,plm->lm", np.bincount(data.pattern), paths.covariance[:, 0])
    small = 0.01 * np.trace(covariance) / len(covariance)
    known = model.group < model.regions
    start = model.start_covariance.copy()
    start[np.ix_(known, known)] = ((covariance + small * np.eye(len(covariance))) / trials)[np.ix_(known, known)]
    return model._replace(start_mean=np.where(known, mean, 0.0), start_covariance=start)


def persistence(model: Population, own: Array, columns: int) -> Array:
    """(row, column) prior mean of the weights into a region: its latents keep themselves, nothing else arrives."""
    mean = np.zeros((int(own.sum()), columns))
    mean[:, np.flatnonzero(own)] = np.diag(1 - model.leak[own])
    return mean


def _positive(Q: Array) -> Array:
    """Q with no variance far below the largest: the paths of a latent without noise are stiff."""
    values, vectors = np.linalg.eigh(Q)
    return (vectors * np.maximum(values, SMALLEST_SHARE * values.max())) @ vectors.T
