"""Closed-form regression in current space, one penalty for each pair of a target and a source region.

From one sample to the next tau dx/dt + x = J r + B u + b is linear in J, B and b: a ridge regression whose Bayesian
reading (one prior variance a block) gives the posterior of every weight, and so of every current.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.config import OneStep
from curbd.ensemble import Fit, Posterior
from curbd.estimators.regression import (
    GRID,
    Moments,
    choose_penalties,
    held_out_errors,
    moments,
    penalty_vector,
    solve_blocks,
    squared_error,
)
from curbd.estimators.transitions import TrainingData, Transitions, as_network, regressors, targets, transitions
from curbd.network import Network, decay, tensor

Array = np.ndarray


class Regression(NamedTuple):
    """A solved regression: the network, its penalties (target region, source region), and what it was solved from.

    total : statistics of all training transitions. input_power : (input,) sum of squares of each input.
    """

    network: Network
    penalty: Array
    total: Moments
    input_power: Array


def one_step(data: TrainingData, options: OneStep, rng: np.random.Generator) -> Fit:
    """Fit by closed-form regression; deterministic, ``rng`` is not used.

    Returns
    -------
    The network, the chosen penalties and the posterior.
    """
    regression = regress(data, options.folds)
    return Fit(regression.network, regression.penalty, posterior(regression, data))


def regress(data: TrainingData, folds: int) -> Regression:
    """Choose the time constant (where it is not given) and the penalties, and solve."""
    pairs = transitions(data, folds)
    tau_s = estimate_tau(data, pairs) if data.tau_s is None else data.tau_s
    y = targets(pairs, data.dt_s, tau_s, data.substeps)
    power = (pairs.u**2).sum(0)
    parts = moments(regressors(pairs), y, pairs.fold)
    penalty = choose_penalties(parts, data.region, data.n_regions, power)
    total = parts.total()
    network = as_network(solve_blocks(total, data.region, penalty, power), data, tau_s)
    # With several Euler steps a sample the rates between samples come from the fit itself; two rounds settle them.
    for _ in range(2 if data.substeps > 1 else 0):
        total = moments(regressors(pairs, network), y)
        network = as_network(solve_blocks(total, data.region, penalty, power), data, tau_s)
    return Regression(network, penalty, total, power)


def posterior(regression: Regression, data: TrainingData) -> Posterior:
    """Posterior of the weights, with the noise variance from the residual and its degrees of freedom."""
    network, penalty, total, power = regression
    W = np.concatenate([network.J, network.B, network.b[:, None]], axis=1)
    residual = squared_error(total, tensor(W)).cpu().numpy()
    size = W.shape[1]
    covariance = np.empty((data.n_regions, size, size))
    variance = np.empty(len(W))
    for region in range(data.n_regions):
        rows = data.region == region
        factor = torch.linalg.cholesky(total.ZZ + torch.diag(penalty_vector(penalty[region], data.region, power)))
        S = torch.cholesky_inverse(factor)
        freedom = float(total.n) - float((S * total.ZZ).sum())
        variance[rows] = np.maximum(residual[rows], 0) / max(freedom, 1.0)
        covariance[region] = S.cpu().numpy()
    return Posterior(variance, covariance)


def estimate_tau(data: TrainingData, pairs: Transitions) -> float:
    """Time constant with the smallest held-out error of the next state, from dt to 100 dt, in steps of 5 %.

    One penalty for all blocks is chosen anew for every candidate; y is linear in 1 / (1 - D), so that one set of
    statistics serves all candidates.
    """
    n = data.r.shape[2]
    velocity = pairs.x_next - pairs.x
    both = moments(regressors(pairs), np.concatenate([pairs.x, velocity, pairs.x_next], axis=1), pairs.fold)
    state, change = slice(0, n), slice(n, 2 * n)
    cross = (both.YY[:, 2 * n :] - both.YY[:, state] - both.YY[:, change]) / 2
    spread = both.YY[:, change].sum(0).clamp_min(1e-12)
    vectors = [penalty_vector(np.full(data.n_regions, value), data.region, (pairs.u**2).sum(0)) for value in GRID]
    rows = np.arange(n)

    def error(ratio: float) -> float:
        f = 1 / (1 - decay(data.dt_s, ratio * data.dt_s, data.substeps))
        folds = Moments(
            both.ZZ,
            both.YZ[:, state] + f * both.YZ[:, change],
            both.YY[:, state] + 2 * f * cross + f**2 * both.YY[:, change],
            both.n,
        )
        in_states = folds.YY.sum(0).clamp_min(1e-12) / f**2 / spread
        return min(float((held_out_errors(folds, v, rows).sum(0) * in_states).mean()) for v in vectors)

    coarse = np.geomspace(1, 100, 14)
    errors = [error(ratio) for ratio in coarse]
    best = int(np.argmin(errors))
    low, high = coarse[max(best - 1, 0)], coarse[min(best + 1, len(coarse) - 1)]
    fine = np.geomspace(low, high, 15)
    return float(fine[int(np.argmin([error(ratio) for ratio in fine]))] * data.dt_s)
