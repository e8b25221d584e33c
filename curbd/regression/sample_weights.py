"""Weights of the samples of a regression if measurement noise passes through the nonlinearity.

Noise of standard deviation s_m on the rates is noise of s_m / (1 - r^2) on the state x = atanh r, so that a sample near
saturation carries little information. Together with process noise, which alone would give the current a standard
deviation s_p, the variance of the current of one sample is

    s_p^2 (1 + rho^2 g),  g = [(1 - r_next^2)^-2 + D^2 (1 - r^2)^-2] / (1 - D)^2,  rho = s_m / s_p

so that every unit weights the samples differently. Here r and r_next are the rates at a sample and at the next sample,
and D is the share of x that is left after one sample. rho is the ratio under which held-out transitions are most
likely; it may be 0. The regressors stay noisy: if there is more than a little noise, use
`curbd.estimators.state_space`.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network, weights
from curbd.network.fit import Posterior
from curbd.network.tensors import tensor
from curbd.regression.evidence import LEAST_NOISE_VARIANCE, input_units, updated_penalties
from curbd.regression.moments import Moments, moments, squared_error_by_unit, weighted_moments
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
NOISE_AUTOCORRELATION = -0.1
"""Lag-1 autocorrelation of the residuals, median over units, below which measurement noise is suspected: the noise of
one sample enters two successive currents with opposite signs."""
NOISE_RATIOS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of rho that are tried."""
UNITS_PER_REGION = 20
"""Largest number of units of a region from which rho and the penalties are estimated."""
RATIO_TRANSITIONS = 4000
"""Largest number of transitions from which rho is estimated, evenly spread."""
WEIGHTED_PENALTY_ROUNDS = 15
"""Number of updates of the penalties by the evidence."""
UNITS_AT_ONCE = 32
"""Number of units whose scatter matrices are in memory at the same time."""
MAX_MULTIPLICATIONS = 1e12
"""Largest number of multiplications in the computation of one scatter matrix per unit, which takes one or two minutes.
Larger recordings are fitted without weighting the samples."""

log = logging.getLogger(__name__)


class SampleWeights(NamedTuple):
    """Weights of the samples of a recording with measurement noise.

    Attributes
    ----------
    ratio : rho, the standard deviation of the measurement noise divided by the standard deviation of the current noise.
    weight : (pair, unit) weight of every transition for every unit; 1 without measurement noise.
    """

    ratio: float
    weight: Array


class Weighted(NamedTuple):
    """Solution of a regression with weighted samples.

    Attributes
    ----------
    network : the network with the solved weights.
    posterior : the posterior of the weights.
    noise : (unit,) variance of the noise on the current, without the contribution of measurement noise.
    """

    network: Network
    posterior: Posterior
    noise: Array


def sample_weights(data: TrainingData, pairs: Transitions, start: Network, penalty: Array) -> SampleWeights | None:
    """Choose weights of the samples if the residuals look like measurement noise and held-out transitions confirm it.

    Parameters
    ----------
    data : the training trials.
    pairs : transitions of the training trials, with folds; the first fold is held out.
    start : the network that was fitted without weighting the samples.
    penalty : (target region, source) ridge penalties of this fit.

    Returns
    -------
    The weights of the samples. None if the residuals are not anticorrelated, if held-out transitions are most likely
    without weights, if there is only one fold, or if the recording is too large.
    """
    z, y = regressors(pairs, start), targets(pairs, start.decay)
    W = weights(start)
    if np.median(lag_one(y - z @ W.T, pairs)) > NOISE_AUTOCORRELATION:
        return None
    if z.size * float(W.size) > MAX_MULTIPLICATIONS:
        log.info(
            "the residuals look like measurement noise, but the recording is too large for a regression with weighted "
            "samples; the estimator state_space models measurement noise"
        )
        return None
    D, nonlinearity = start.decay, start.nonlinearity
    steep, steep_next = 1 / nonlinearity.slope(pairs.r), 1 / nonlinearity.slope(nonlinearity.phi(pairs.x_next))
    spread = (steep_next**2 + (D * steep) ** 2) / (1 - D) ** 2
    subset = slice(None, None, -(-len(z) // RATIO_TRANSITIONS))
    held_out, source = pairs.fold[subset] == pairs.fold[0], source_of_regressor(data.region, data.u.shape[2])
    if held_out.all():
        return None
    ratio = _best_ratio(z[subset], y[subset], spread[subset], held_out, source, penalty)
    return SampleWeights(ratio, 1 / (1 + ratio**2 * spread)) if ratio else None


def weighted_regression(
    data: TrainingData, pairs: Transitions, start: Network, penalty: Array, weight: Array
) -> Weighted:
    """Solve the regression with weighted samples, with penalties chosen by the evidence.

    Parameters
    ----------
    data : the training trials.
    pairs : transitions of the training trials.
    start : the network that was fitted without weighting the samples. If there are several Euler steps in a sample,
        this network fills in the rates between samples.
    penalty : (target region, source) ridge penalties of this fit, from which the choice of the penalties starts.
    weight : (pair, unit) weights of the samples.

    Returns
    -------
    The network, its posterior, and the variance of the noise on the current.
    """
    z, y = regressors(pairs, start), targets(pairs, start.decay)
    source, penalty = source_of_regressor(data.region, data.u.shape[2]), penalty.copy()
    W, noise, trace = np.empty((len(data.region), z.shape[1])), np.empty(len(data.region)), np.empty(len(data.region))
    gram = np.zeros((z.shape[1],) * 2)
    for target in range(len(penalty)):
        units = _some_units(source, target)
        penalty[target] = _penalties(statistics(z, y[:, units], weight[:, units]), source, penalty, target)
        own = np.flatnonzero(source == target)
        for rows in (own[first : first + UNITS_AT_ONCE] for first in range(0, len(own), UNITS_AT_ONCE)):
            m = statistics(z, y[:, rows], weight[:, rows])
            W[rows], noise[rows] = _solved(m, source, penalty[target])
            gram += m.ZZ.sum(0).cpu().numpy() / len(W)
            trace[rows] = m.ZZ.diagonal(dim1=1, dim2=2).sum(1).cpu().numpy()
    posterior = with_one_scatter(noise, gram, trace, penalty[data.region][:, source])
    return Weighted(as_network(W, data, start.time_constant_s), posterior, noise)


def statistics(z: Array, y: Array, weight: Array | None) -> Moments:
    """Compute the second moments of a regression with or without weights; n counts the transitions in either case.

    Parameters
    ----------
    z : (pair, regressor) regressors.
    y : (pair, unit) currents.
    weight : (pair, unit) weights of the samples, or None.

    Returns
    -------
    The moments. With weights, ZZ (unit, regressor, regressor) and n (unit,) have one entry per unit.
    """
    if weight is None:
        return moments(z, y)
    m = weighted_moments(tensor(z), tensor(y.T), tensor(weight.T))
    return m._replace(n=torch.full_like(m.n, float(len(z))))


def _best_ratio(z: Array, y: Array, spread: Array, held_out: Array, source: Array, penalty: Array) -> float:
    """Find the ratio rho under which held-out transitions are most likely given the other transitions."""
    likely = np.zeros(len(NOISE_RATIOS))
    for target in range(len(penalty)):
        units = _some_units(source, target)
        for index, ratio in enumerate(NOISE_RATIOS):
            variance = 1 + ratio**2 * spread[:, units]
            m = statistics(z[~held_out], y[~held_out][:, units], 1 / variance[~held_out])
            W, noise = _solved(m, source, _penalties(m, source, penalty, target))
            variance = noise * variance[held_out]
            missed = (y[held_out][:, units] - z[held_out] @ W.T) ** 2
            likely[index] -= 0.5 * float((np.log(variance) + missed / variance).sum())
    return NOISE_RATIOS[int(likely.argmax())]


def _some_units(source: Array, target: int) -> Array:
    """At most `UNITS_PER_REGION` units of a region, evenly spread."""
    own = np.flatnonzero(source == target)
    return own[:: -(-len(own) // UNITS_PER_REGION)]


def _penalties(m: Moments, source: Array, penalty: Array, target: int) -> Array:
    """Choose the penalties (source,) of a target region by the evidence, from moments of some of the region's units."""
    n, block = float(m.n[0]), penalty[target]
    unit = input_units(m.ZZ.mean(0), n, source, len(penalty))
    for _ in range(WEIGHTED_PENALTY_ROUNDS):
        W, error, undetermined = _regression(m, source, block)
        block = updated_penalties(W, error, undetermined, n, source, unit)
    return block


def _solved(m: Moments, source: Array, block: Array) -> tuple[Array, Array]:
    """Solve for weights (row, regressor) and noise variance (row,) under the penalties of a target region (source,)."""
    W, error, undetermined = _regression(m, source, block)
    noise = error.clamp_min(LEAST_NOISE_VARIANCE) / (m.n - (1 - undetermined).sum(1)).clamp_min(1.0)
    return W.cpu().numpy(), noise.cpu().numpy()


def _regression(m: Moments, source: Array, block: Array) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return weights (row, regressor), squared error (row,), and the share of each weight that is not determined."""
    ridge = tensor(block[source])
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(m.ZZ + torch.diag(ridge)))
    W = (inverse @ m.YZ[..., None])[..., 0]
    return W, squared_error_by_unit(m, W), ridge * inverse.diagonal(dim1=1, dim2=2)


def with_one_scatter(noise: Array, gram: Array, trace: Array, ridge: Array) -> Posterior:
    """Construct a posterior in which all units share one scatter matrix, the second moments of their regressors.

    With weighted samples, every unit has its own scatter matrix. Here the scatter matrix is averaged over units. To
    compensate, a unit with more information than average (a scatter matrix with a larger trace) gets a smaller noise
    variance, and a unit with less information a larger noise variance.

    Parameters
    ----------
    noise : (unit,) variance of the noise on the current.
    gram : (regressor, regressor) scatter matrix, averaged over units.
    trace : (unit,) trace of every unit's scatter matrix.
    ridge : (unit, regressor) ridge penalties.

    Returns
    -------
    The posterior, with the averaged scatter matrix.
    """
    share = np.trace(gram) / trace
    return Posterior(noise * share, gram, ridge * share[:, None])


def noise_sds(noise: Array, ratio: float, network: Network) -> tuple[Array, Array]:
    """Compute the standard deviations of process noise and of measurement noise.

    Parameters
    ----------
    noise : (unit,) variance of the noise on the current, without the contribution of measurement noise.
    ratio : rho, the standard deviation of the measurement noise divided by the standard deviation of the current noise.
    network : the network, for its time constant.

    Returns
    -------
    (unit,) standard deviation of the noise that is added to the state x in one sample, and (unit,) standard deviation
    of the noise on the scaled rates.
    """
    return (1 - network.decay) * np.sqrt(noise), ratio * np.sqrt(noise)
