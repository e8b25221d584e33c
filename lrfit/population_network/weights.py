"""Weights, innovations and curvature given the moments of the latents; shrinkage of every pathway by its evidence.

The prior of a block is A_ts ~ N(0, Q_t x 1 / penalty), one penalty for each target region and source (automatic
relevance determination, MacKay 1995; Tipping, JMLR 2001); it is conjugate, so that the maximum is a ridge regression.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.model import Population, curved
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording
from lrfit.population_network.statistics import Transitions, moments, scatter, transitions

Array = np.ndarray
ABSENT = 1e12
"""Penalty of a source that is left out."""
WEAKEST_PENALTY = 1e-2
STRONGEST_PENALTY = 1e8
CURVATURE_STEP = 0.3
"""Longest step of the logarithm of a curvature, and half of the distance its derivative is taken over."""
LARGEST_CURVATURE = 30.0
SMALLEST_CURVATURE = 1e-3


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
        penalty[region, block == region] = WEAKEST_PENALTY
    for target, source in excluded:
        penalty[target, block == source] = ABSENT
    free = np.ones(block.max() + 1, bool)
    free[groups + names.index("bias")] = False
    for k in np.flatnonzero(model.group >= model.regions):
        # Only the first latent of a hidden drive reaches the regions, see hidden.py.
        if k > 0 and model.group[k - 1] == model.group[k]:
            penalty[: model.regions, k] = ABSENT
    return Shrinkage(penalty=penalty, block=block, free=free)


def regress(model: Population, statistics: Transitions, prior: Shrinkage) -> Population:
    """Weights and innovations of every region at the maximum of the posterior; hidden groups keep theirs."""
    A, G, Q = model.A.copy(), model.G.copy(), model.Q.copy()
    latents = len(model.group)
    for region in range(model.regions):
        own = model.group == region
        W = _ridge(statistics, prior.penalty[region], own)
        A[own], G[own] = W[:, :latents], W[:, latents:]
        left = statistics.steps[np.ix_(own, own)] - W @ statistics.crossed[own].T
        Q[np.ix_(own, own)] = 0.5 * (left + left.T) / statistics.count
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


def bend(model: Population, data: Recording, paths: Paths, prior: Shrinkage) -> Population:
    """Curvature of every region after a Newton step along its logarithm, weights at their best for each value."""
    use = data.inside[1:].astype(float)
    spread = spreads(model, data, paths)[:-1]
    curvature = model.curvature.copy()
    for region in range(model.regions):
        own = model.group == region
        if not curvature[own].any():
            continue
        values = []
        for factor in (np.exp(-CURVATURE_STEP), 1.0, np.exp(CURVATURE_STEP)):
            trial = model._replace(curvature=np.where(own, model.curvature * factor, model.curvature))
            at = curved(trial, paths.mean[:-1], spread)
            values.append(profile(trial, moments(trial, data, paths, at, use), prior))
        slope = (values[2] - values[0]) / (2 * CURVATURE_STEP)
        second = (values[2] - 2 * values[1] + values[0]) / CURVATURE_STEP**2
        step = -slope / second if second > 0 else -np.sign(slope) * CURVATURE_STEP
        step = np.clip(step, -CURVATURE_STEP, CURVATURE_STEP)
        curvature[own] = np.clip(model.curvature[own] * np.exp(step), SMALLEST_CURVATURE, LARGEST_CURVATURE)
    return model._replace(curvature=curvature)


def profile(model: Population, statistics: Transitions, prior: Shrinkage) -> float:
    """Half of the summed log determinant of the innovations, times their number, at the best weights."""
    total = 0.0
    for region in range(model.regions):
        own = model.group == region
        W = _ridge(statistics, prior.penalty[region], own)
        left = statistics.steps[np.ix_(own, own)] - W @ statistics.crossed[own].T
        total += 0.5 * statistics.count * np.linalg.slogdet(left / statistics.count)[1]
    return total


def learn(model: Population, data: Recording, paths: Paths, prior: Shrinkage) -> tuple[Population, Shrinkage]:
    """Dynamics after one step: curvature, weights, innovations, first bin, penalties."""
    model = bend(model, data, paths, prior)
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


def _ridge(statistics: Transitions, penalty: Array, own: Array) -> Array:
    return np.linalg.solve(statistics.arriving + np.diag(penalty), statistics.crossed[own].T).T


def _positive(Q: Array) -> Array:
    """Q with variances no smaller than a thousandth of the largest."""
    values, vectors = np.linalg.eigh(Q)
    return (vectors * np.maximum(values, 1e-5 * values.max())) @ vectors.T
