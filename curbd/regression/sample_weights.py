"""Weights of the samples of a regression, where measurement noise passes through the nonlinearity.

Noise of standard deviation s_m on the rates is noise of s_m / (1 - r^2) on the state x = atanh r: near saturation a
sample tells little. Beside process noise that makes a current uncertain by s_p, the variance of the current of one
sample is

    s_p^2 (1 + rho^2 g),  g = [(1 - r_next^2)^-2 + D^2 (1 - r^2)^-2] / (1 - D)^2,  rho = s_m / s_p

so that every unit has weights of its own. rho is the one under which held-out transitions are most likely, which may be
0. The regressors stay noisy: for more than a little noise there is `curbd.estimators.state_space`.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network, decay, tensor, weights
from curbd.network.fit import Posterior
from curbd.regression.evidence import SMALLEST, input_units, updated_penalties
from curbd.regression.moments import Moments, moments, squared_error_of_each, weighted_moments
from curbd.regression.transitions import (
    TrainingData,
    Transitions,
    as_network,
    lag_one,
    regressors,
    source_of_regressor,
    targets,
)

Array = np.ndarray
ANTICORRELATED = -0.1
"""Lag-1 autocorrelation of the residuals, median over units, below which measurement noise is looked for: it enters one
current with one sign and the next with the other."""
RATIOS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of rho that are tried."""
JUDGES = 20
"""Units of every region, at most, that rho and the penalties are chosen on."""
ENOUGH = 4000
"""Transitions, evenly spread, that rho is chosen on."""
ROUNDS = 15
"""Rounds of the evidence."""
CHUNK = 32
"""Units whose scatter matrices are held at once."""
MOST = 1e12
"""Multiplications that one scatter matrix for every unit may take, about a minute or two: larger recordings are fitted
without weights."""

log = logging.getLogger(__name__)


class Noisy(NamedTuple):
    """What is known of measurement noise: rho, and the weight of every sample (pair, unit), 1 without noise."""

    ratio: float
    weight: Array


class Weighted(NamedTuple):
    """A weighted regression: the network, its posterior, and the noise variance of the current (unit,)."""

    network: Network
    posterior: Posterior
    noise: Array


def sample_weights(data: TrainingData, pairs: Transitions, start: Network, penalty: Array) -> Noisy | None:
    """Weights of the samples, or None where nothing, or no held-out transition, speaks for them.

    Parameters
    ----------
    pairs : the transitions, with folds.
    start : the network without weights.
    penalty : (target region, source) its penalties.
    """
    z, y = regressors(pairs, start), targets(pairs, data.dt_s, start.tau_s, data.substeps)
    W = weights(start)
    if np.median(lag_one(y - z @ W.T, pairs)) > ANTICORRELATED:
        return None
    if z.size * float(W.size) > MOST:
        log.info("residuals look like measurement noise, but the recording is too large for weights; try state_space")
        return None
    D = decay(data.dt_s, start.tau_s, data.substeps)
    steep, steep_next = 1 / (1 - pairs.r**2), 1 / (1 - np.tanh(pairs.x_next) ** 2)
    spread = (steep_next**2 + (D * steep) ** 2) / (1 - D) ** 2
    some = slice(None, None, -(-len(z) // ENOUGH))
    held_out, source = pairs.fold[some] == pairs.fold[0], source_of_regressor(data.region, data.u.shape[2])
    if held_out.all():
        return None
    ratio = _best_ratio(z[some], y[some], spread[some], held_out, source, penalty)
    return Noisy(ratio, 1 / (1 + ratio**2 * spread)) if ratio else None


def weighted_regression(
    data: TrainingData, pairs: Transitions, start: Network, penalty: Array, weight: Array
) -> Weighted:
    """The regression with weights (pair, unit), and penalties by the evidence from those of the start.

    With several Euler steps a sample the rates between samples are those of the start.
    """
    z, y = regressors(pairs, start), targets(pairs, data.dt_s, start.tau_s, data.substeps)
    source, penalty = source_of_regressor(data.region, data.u.shape[2]), penalty.copy()
    W, noise, trace = np.empty((len(data.region), z.shape[1])), np.empty(len(data.region)), np.empty(len(data.region))
    gram = np.zeros((z.shape[1],) * 2)
    for target in range(len(penalty)):
        judges = _judges(source, target)
        penalty[target] = _learned(statistics(z, y[:, judges], weight[:, judges]), source, penalty, target)
        own = np.flatnonzero(source == target)
        for rows in (own[first : first + CHUNK] for first in range(0, len(own), CHUNK)):
            m = statistics(z, y[:, rows], weight[:, rows])
            W[rows], noise[rows] = _solved(m, source, penalty[target])
            gram += m.ZZ.sum(0).cpu().numpy() / len(W)
            trace[rows] = m.ZZ.diagonal(dim1=1, dim2=2).sum(1).cpu().numpy()
    posterior = with_one_scatter(noise, gram, trace, penalty[data.region][:, source])
    return Weighted(as_network(W, data, start.tau_s), posterior, noise)


def statistics(z: Array, y: Array, weight: Array | None) -> Moments:
    """Statistics of y (pair, unit) on z (pair, regressor), with weights (pair, unit) if any; n counts the pairs."""
    if weight is None:
        return moments(z, y)
    m = weighted_moments(tensor(z), tensor(y.T), tensor(weight.T))
    return m._replace(n=torch.full_like(m.n, float(len(z))))


def _best_ratio(z: Array, y: Array, spread: Array, held_out: Array, source: Array, penalty: Array) -> float:
    """rho under which held-out pairs are most likely given the others."""
    likely = np.zeros(len(RATIOS))
    for target in range(len(penalty)):
        own = _judges(source, target)
        for place, ratio in enumerate(RATIOS):
            variance = 1 + ratio**2 * spread[:, own]
            m = statistics(z[~held_out], y[~held_out][:, own], 1 / variance[~held_out])
            W, noise = _solved(m, source, _learned(m, source, penalty, target))
            variance = noise * variance[held_out]
            missed = (y[held_out][:, own] - z[held_out] @ W.T) ** 2
            likely[place] -= 0.5 * float((np.log(variance) + missed / variance).sum())
    return RATIOS[int(likely.argmax())]


def _judges(source: Array, target: int) -> Array:
    """Some units of a region, evenly spread."""
    own = np.flatnonzero(source == target)
    return own[:: -(-len(own) // JUDGES)]


def _learned(m: Moments, source: Array, penalty: Array, target: int) -> Array:
    """(source,) penalties of a target region by the evidence, from statistics of some of its units."""
    n, block = float(m.n[0]), penalty[target]
    unit = input_units(m.ZZ.mean(0), n, source, len(penalty))
    for _ in range(ROUNDS):
        W, error, unknown = _regression(m, source, block)
        block = updated_penalties(W, error, unknown, n, source, unit)
    return block


def _solved(m: Moments, source: Array, block: Array) -> tuple[Array, Array]:
    """Weights (row, regressor) and noise variance (row,)."""
    W, error, unknown = _regression(m, source, block)
    noise = error.clamp_min(SMALLEST) / (m.n - (1 - unknown).sum(1)).clamp_min(1.0)
    return W.cpu().numpy(), noise.cpu().numpy()


def _regression(m: Moments, source: Array, block: Array) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights (row, regressor), squared error (row,), and the share of each weight that the data do not determine."""
    ridge = tensor(block[source])
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(m.ZZ + torch.diag(ridge)))
    W = (inverse @ m.YZ[..., None])[..., 0]
    return W, squared_error_of_each(m, W), ridge * inverse.diagonal(dim1=1, dim2=2)


def with_one_scatter(noise: Array, gram: Array, trace: Array, ridge: Array) -> Posterior:
    """Posterior with one scatter matrix for all units; what a unit has more or less of it counts as its noise.

    Parameters
    ----------
    noise : (unit,) variance of the current.
    gram : (regressor, regressor) scatter matrix of the mean unit. trace : (unit,) of every unit's own.
    ridge : (unit, regressor).
    """
    share = np.trace(gram) / trace
    return Posterior(noise * share, gram, ridge * share[:, None])


def both_noises(noise: Array, ratio: float, network: Network) -> tuple[Array, Array]:
    """(unit,) standard deviations of what one sample adds to x, and of the noise on the scaled rates.

    noise : (unit,) variance of the current without measurement noise.
    """
    D = decay(network.dt_s, network.tau_s, network.substeps)
    return (1 - D) * np.sqrt(noise), ratio * np.sqrt(noise)
