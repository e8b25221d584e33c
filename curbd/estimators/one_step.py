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
    moments,
    penalty_vector,
    solve,
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
    return Fit(regression.network, regression.penalty, posterior(regression, data, transitions(data)))


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


def posterior(regression: Regression, data: TrainingData, pairs: Transitions) -> Posterior:
    """Posterior of the weights; the noise variance comes from the residual, its degrees of freedom and `inflation`."""
    network, penalty, total, power = regression
    W = np.concatenate([network.J, network.B, network.b[:, None]], axis=1)
    residual = squared_error(total, tensor(W)).cpu().numpy()
    ridge = torch.stack([penalty_vector(block, data.region, power) for block in penalty])
    used = torch.linalg.solve(total.ZZ + torch.diag_embed(ridge), total.ZZ).diagonal(dim1=1, dim2=2).sum(1)
    freedom = np.maximum((total.n - used).cpu().numpy(), 1.0)[data.region]
    variance = np.maximum(residual, 0) / freedom * inflation(network, pairs)
    return Posterior(variance, total.ZZ.cpu().numpy(), ridge.cpu().numpy()[data.region])


def inflation(network: Network, pairs: Transitions) -> Array:
    """(unit,) how many times fewer independent facts the residuals are than transitions, (1 + rho) / (1 - rho).

    rho is their lag-1 autocorrelation, at least 0. White process noise leaves the posterior as it is; a model that
    misses an input, or data without noise, must not be as sure as the number of samples suggests.
    """
    y = targets(pairs, network.dt_s, network.tau_s, network.substeps)
    error = y - regressors(pairs, network) @ np.concatenate([network.J, network.B, network.b[:, None]], axis=1).T
    follows = (np.diff(pairs.trial) == 0) & (np.diff(pairs.time) == 1)
    before, after = error[:-1][follows], error[1:][follows]
    power = np.sqrt((before**2).sum(0) * (after**2).sum(0))
    rho = np.clip((before * after).sum(0) / np.where(power > 0, power, 1), 0, 0.999)
    return (1 + rho) / (1 - rho)


def estimate_tau(data: TrainingData, pairs: Transitions) -> float:
    """Time constant with the smallest held-out error of the next state, from dt to 100 dt, in steps of 5 %.

    One penalty for all blocks is chosen anew for every candidate. The current y = x + f (x_next - x) is linear in
    f = 1 / (1 - D), and so is its fit: one solution a penalty serves all candidates.
    """
    n = data.r.shape[2]
    velocity = pairs.x_next - pairs.x
    both = moments(regressors(pairs), np.concatenate([pairs.x, velocity, pairs.x_next], axis=1), pairs.fold)
    state, change, fitted = slice(0, n), slice(n, 2 * n), slice(0, 2 * n)
    YZ_x, YZ_v = both.YZ[:, state], both.YZ[:, change]
    cross = (both.YY[:, 2 * n :] - both.YY[:, state] - both.YY[:, change]) / 2
    spread = both.YY[:, change].sum(0).clamp_min(1e-12)
    candidates = data.dt_s * np.geomspace(1, 100, 95)
    f = tensor(np.array([1 / (1 - decay(data.dt_s, tau_s, data.substeps)) for tau_s in candidates]))[:, None]
    errors = []
    for value in GRID:
        penalty = penalty_vector(np.full(data.n_regions, value), data.region, (pairs.u**2).sum(0))
        W = solve(both.without(), penalty, fitted)
        W_x, W_v = W[:, state], W[:, change]
        squares = squared_error(both, W, fitted).sum(0)
        mixed = (cross - (W_x * YZ_v + W_v * YZ_x - (W_x @ both.ZZ) * W_v).sum(-1)).sum(0)
        in_states = squares[state] / f**2 + 2 * mixed / f + squares[change]
        errors.append((in_states / spread).mean(1).cpu().numpy())
    return float(candidates[int(np.min(errors, axis=0).argmin())])
