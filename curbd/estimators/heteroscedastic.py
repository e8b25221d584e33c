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

from curbd.ensemble import Posterior
from curbd.estimators.evidence import input_units, updated_penalties
from curbd.estimators.regression import Moments, weighted_moments
from curbd.estimators.transitions import TrainingData, Transitions, as_network, regressors, sources, targets
from curbd.network import Network, decay, tensor

Array = np.ndarray
ANTICORRELATED = -0.1
"""Lag-1 autocorrelation of the residuals, median over units, below which measurement noise is looked for: it enters one
current with one sign and the next with the other."""
RATIOS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of rho that are tried."""
JUDGES = 20
"""Units of every region, at most, that rho and the penalties are chosen on."""
ENOUGH = 4000
"""Transitions, the first ones, that rho is chosen on."""
ROUNDS = 15
"""Rounds of the evidence."""
LEAST_NOISE = 1e-14
"""Smallest noise variance."""
CHUNK = 32
"""Units whose scatter matrices are held at once."""
MOST = 1e12
"""Multiplications that one scatter matrix for every unit may take, about a minute or two: larger recordings are fitted
without weights."""

log = logging.getLogger(__name__)


class Weighted(NamedTuple):
    """A weighted regression: the network and its posterior.

    process_noise_sd, measurement_noise_sd : (unit,) standard deviations of what one sample adds to x, and of the noise
    on the scaled rates.
    """

    network: Network
    posterior: Posterior
    process_noise_sd: Array
    measurement_noise_sd: Array


def weighted_regression(data: TrainingData, pairs: Transitions, start: Network, penalty: Array) -> Weighted | None:
    """The regression with weights, or None where nothing, or no held-out transition, speaks for them.

    Parameters
    ----------
    pairs : the transitions, with folds.
    start : the network without weights.
    penalty : (target region, source) its penalties.
    """
    z, y = regressors(pairs, start), targets(pairs, data.dt_s, start.tau_s, data.substeps)
    W = np.concatenate([start.J, start.B, start.b[:, None]], axis=1)
    if _autocorrelation(y - z @ W.T, pairs) > ANTICORRELATED:
        return None
    if z.size * float(W.size) > MOST:
        log.info("residuals look like measurement noise, but the recording is too large for weights; try state_space")
        return None
    D = decay(data.dt_s, start.tau_s, data.substeps)
    steep, steep_next = 1 / (1 - pairs.r**2), 1 / (1 - np.tanh(pairs.x_next) ** 2)
    spread = (steep_next**2 + (D * steep) ** 2) / (1 - D) ** 2
    source = sources(data.region, data.u.shape[2])
    ratio = _best_ratio(z, y, spread, pairs.fold, source, penalty)
    if ratio == 0:
        return None
    gram, noise, trace = np.zeros((z.shape[1],) * 2), np.empty(len(W)), np.empty(len(W))
    penalty = penalty.copy()
    for target in range(len(penalty)):
        judges = _judges(source, target)
        m = _moments(z, y[:, judges], spread[:, judges], ratio)
        penalty[target] = _learned(m, source, penalty, target)
        own = np.flatnonzero(source == target)
        for rows in (own[first : first + CHUNK] for first in range(0, len(own), CHUNK)):
            m = _moments(z, y[:, rows], spread[:, rows], ratio)
            W[rows], noise[rows] = _solved(m, source, penalty[target])
            gram += m.ZZ.sum(0).cpu().numpy() / len(W)
            trace[rows] = m.ZZ.diagonal(dim1=1, dim2=2).sum(1).cpu().numpy()
    # One scatter for all units, that of the mean unit; what a unit has more or less of it counts as its noise.
    share = np.trace(gram) / trace
    posterior = Posterior(noise * share, gram, penalty[data.region][:, source] * share[:, None])
    in_state = np.sqrt(noise) * (1 - D)
    return Weighted(as_network(W, data, start.tau_s), posterior, in_state, ratio * np.sqrt(noise))


def _autocorrelation(error: Array, pairs: Transitions) -> float:
    """Lag-1 autocorrelation of the residuals (pair, unit), median over units."""
    follows = (np.diff(pairs.trial) == 0) & (np.diff(pairs.time) == 1)
    before, after = error[:-1][follows], error[1:][follows]
    power = np.sqrt((before**2).sum(0) * (after**2).sum(0))
    return float(np.median((before * after).sum(0) / np.where(power > 0, power, 1)))


def _best_ratio(z: Array, y: Array, spread: Array, fold: Array, source: Array, penalty: Array) -> float:
    """rho under which the first fold is most likely given the others."""
    few = slice(None, ENOUGH)
    z, y, spread, held_out = z[few], y[few], spread[few], fold[few] == fold[0]
    likely = np.zeros(len(RATIOS))
    for target in range(len(penalty)):
        own = _judges(source, target)
        for place, ratio in enumerate(RATIOS):
            m = _moments(z[~held_out], y[~held_out][:, own], spread[~held_out][:, own], ratio)
            W, noise = _solved(m, source, _learned(m, source, penalty, target))
            variance = noise * (1 + ratio**2 * spread[held_out][:, own])
            missed = (y[held_out][:, own] - z[held_out] @ W.T) ** 2
            likely[place] -= 0.5 * float((np.log(variance) + missed / variance).sum())
    return RATIOS[int(likely.argmax())]


def _judges(source: Array, target: int) -> Array:
    """Some units of a region, evenly spread."""
    own = np.flatnonzero(source == target)
    return own[:: -(-len(own) // JUDGES)]


def _moments(z: Array, y: Array, spread: Array, ratio: float) -> Moments:
    """Weighted statistics of y (pair, row); n is the number of pairs."""
    m = weighted_moments(tensor(z), tensor(y.T), tensor(1 / (1 + ratio**2 * spread.T)))
    return m._replace(n=torch.full_like(m.n, float(len(z))))


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
    noise = error.clamp_min(LEAST_NOISE) / (m.n - (1 - unknown).sum(1)).clamp_min(1.0)
    return W.cpu().numpy(), noise.cpu().numpy()


def _regression(m: Moments, source: Array, block: Array) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights (row, regressor), squared error (row,), and the share of each weight that the data do not determine."""
    ridge = tensor(block[source])
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(m.ZZ + torch.diag(ridge)))
    W = (inverse @ m.YZ[..., None])[..., 0]
    error = m.YY - 2 * (W * m.YZ).sum(1) + ((W[:, None] @ m.ZZ)[:, 0] * W).sum(1)
    return W, error, ridge * inverse.diagonal(dim1=1, dim2=2)
