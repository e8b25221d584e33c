"""One-step regression with a sparse prior: in every block most weights may be exactly zero.

Regions are connected by few of all possible connections, and the activity of units of one region is similar, so that a
ridge penalty spreads a current over all units of the source region. Here every weight of block (t, s), the weights onto
target region t from source s (a region, an input or the bias), is zero with probability 1 - pi_ts and has the
distribution N(0, v_ts) otherwise (`curbd.regression.sparse_prior`). An input that reaches few units, or an absent bias,
is then less easily confused with the currents between regions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.estimators.constrained import constrained
from curbd.estimators.sparse_silent import sparse_silent
from curbd.network.equation import decay
from curbd.network.fit import Fit, Posterior
from curbd.network.tensors import tensor
from curbd.regression.block_ridge import inflation, regress, residual_variance
from curbd.regression.moments import Moments, squared_error_by_unit, weighted_moments
from curbd.regression.noise_free import NoiseFree, changes, noise_free, robust_weights
from curbd.regression.sample_weights import SampleWeights, noise_sds, sample_weights, statistics
from curbd.regression.silent_units import regress_states
from curbd.regression.sparse_prior import (
    LEAST_RESIDUAL_VARIANCE,
    ROUNDS_BEFORE_LEARNING,
    calibrated_posterior,
    in_units_of_inputs,
    input_rms,
    propagated,
    start,
)
from curbd.regression.transitions import TrainingData, as_network, regressors, source_of_regressor, targets, transitions
from curbd.settings.estimators import Sparse

Array = np.ndarray
START_PROBABILITY_NOISE_FREE = 0.1
"""Initial probability for data without noise: few weights explain such data exactly, and must be found among many that
explain them nearly."""
NOISE_PASSES = 2
"""Number of times that the noise and the rates between samples are estimated again. With more passes, the noise of
noise-free data goes to zero, and the currents get worse."""
REWEIGHTING_ROUNDS = 8
"""Number of times that the changes of noise-free data are weighted."""
ROUNDS_BETWEEN_REWEIGHTINGS = 2
"""Rounds of expectation propagation after each weighting except the first."""
LEAST_FREEDOM = 0.1
"""Lower bound on the residual degrees of freedom, as a share of the number of transitions."""


class _Problem(NamedTuple):
    """The regression of noisy data.

    Attributes
    ----------
    z : (pair, regressor) regressors.
    y : (pair, unit) currents.
    weights : weights of the samples, or None for equal weights.
    source : (regressor,) index of the source that each regressor belongs to.
    regions : for every region, the indices of its units.
    """

    z: Array
    y: Array
    weights: SampleWeights | None
    source: Array
    regions: list[Array]

    def of_units(self, rows: Array) -> Moments:
        """Compute the second moments of the regression for some units."""
        return statistics(self.z, self.y[:, rows], None if self.weights is None else self.weights.weight[:, rows])


def sparse(data: TrainingData, options: Sparse, rng: np.random.Generator) -> Fit:
    """Fit a network with a sparse prior, under which most weights may be exactly zero.

    A block of weights holds the weights from one source (a region, an input or the bias) to the units of one target
    region. The prior of a block, the probability and the variance of non-zero weights, is learned from all units of the
    target region, each weighted by 1 / noise variance. A unit with large residuals, for example because of an
    unrecorded input, therefore does not inflate the estimated weights of the other units. The noise variance of every
    unit is initialised from a ridge fit and then re-estimated from the sparse fit. Data without noise are recognised
    and fitted differently (`curbd.regression.noise_free`). If rates are noisy, samples that carry more measurement
    noise get smaller weights (`curbd.regression.sample_weights`).

    Parameters
    ----------
    data : the training trials. If their time constant is None, the time constant is estimated.
    options : cross-validation folds, penalties of the ridge regression, rounds, and how the noise is treated.
    rng : random generator for simulated weights and noise, with which the width of the credible intervals is
        calibrated.

    Returns
    -------
    The network (posterior means), the ridge penalties of the initial ridge fit, the posterior, and, if samples are
    weighted, the standard deviations of process noise and measurement noise.
    """
    if data.circuit is not None:
        return constrained(data, data.circuit, options, rng)
    if data.nonlinearity.hides_silent:
        solved = regress_states(data, transitions(data, options.folds), options.penalties)
        return sparse_silent(data, solved, options.rounds, rng)
    rms = input_rms(data)
    return in_units_of_inputs(_fitted(data._replace(u=data.u / rms), options, rng), rms)


def _fitted(data: TrainingData, options: Sparse, rng: np.random.Generator) -> Fit:
    """Fit the network to inputs that were scaled to root mean square 1."""
    pairs = transitions(data, options.folds)
    first = regress(data, pairs, options.penalties)
    exact = noise_free(data) if options.noise == "auto" else None
    if exact is not None:
        return _fitted_to_changes(data, exact)._replace(penalty=first.between_regions, penalty_by=first.penalty_by)
    network = first.network
    problem = _Problem(
        z=regressors(pairs, network),
        y=targets(pairs, network.decay),
        weights=sample_weights(data, pairs, network, first.penalty),
        source=first.source,
        regions=[np.flatnonzero(data.region == region) for region in range(data.n_regions)],
    )
    persistence = inflation(network, pairs)
    noise = np.maximum(residual_variance(first, data) * persistence, LEAST_RESIDUAL_VARIANCE)
    sites = [start(data, len(own)) for own in problem.regions]
    W, ridge = np.empty((2, len(noise), len(problem.source)))
    for _ in range(NOISE_PASSES):
        # The rates between samples are those of the latest network.
        problem = problem._replace(z=regressors(pairs, network))
        for target, own in enumerate(problem.regions):
            m = problem.of_units(own)
            rows = propagated(sites[target], m, problem.source, noise[own], options.rounds)
            sites[target], W[own], ridge[own] = rows.sites, rows.mean.cpu().numpy(), rows.ridge.cpu().numpy()
            residual = squared_error_by_unit(m, rows.mean) / (m.n - rows.used).clamp_min(LEAST_FREEDOM * len(problem.z))
            noise[own] = np.maximum(residual.cpu().numpy() * persistence[own], LEAST_RESIDUAL_VARIANCE)
        network = as_network(W, data, network.time_constant_s)
    wider = inflation(network, pairs) / persistence
    priors = [of_region.prior for of_region in sites]
    posterior = calibrated_posterior(data, problem.of_units, priors, noise, wider, ridge, options.rounds, rng)
    fit = Fit(network, penalty=first.between_regions, posterior=posterior, penalty_by=first.penalty_by)
    if problem.weights is None:
        return fit
    process, measurement = noise_sds(noise / persistence, problem.weights.ratio, network)
    return fit._replace(process_noise_sd=process, measurement_noise_sd=measurement)


def _fitted_to_changes(data: TrainingData, exact: NoiseFree) -> Fit:
    """Fit the changes of the current, with states phi^-1(observed rates times ``exact.largest``).

    The posterior treats all current that the network does not explain as noise, with the variance and the
    autocorrelation of this unexplained current. The width of the intervals therefore does not rely on an unrecorded
    drive that stands still.
    """
    largest, tau_s = exact.largest[data.region], exact.tau_s
    pairs = transitions(data._replace(r=data.r * largest))
    z, y = regressors(pairs), targets(pairs, decay(data.dt_s, tau_s, data.substeps))
    source = source_of_regressor(data.region, data.u.shape[2])
    W, ridge = np.empty((len(largest), z.shape[1])), np.empty((len(largest), z.shape[1]))
    for target, order in enumerate(exact.order):
        own = np.flatnonzero(data.region == target)
        dz, dy = tensor(changes(z, pairs, order)), tensor(changes(y[:, own], pairs, order).T)
        noise, trust = (dy**2).mean(1), torch.ones_like(dy)
        sites = start(data, len(own), START_PROBABILITY_NOISE_FREE)
        for reweighting in range(REWEIGHTING_ROUNDS):
            first_rounds = (2 * ROUNDS_BEFORE_LEARNING, ROUNDS_BEFORE_LEARNING)
            rounds, fixed = (ROUNDS_BETWEEN_REWEIGHTINGS, 0) if reweighting else first_rounds
            total = weighted_moments(dz, dy, trust)
            rows = propagated(sites, total, source, noise.cpu().numpy(), rounds, fixed)
            trust, noise = robust_weights(dy - rows.mean @ dz.T, rows.used, noise)
            sites = rows.sites
        W[own] = rows.mean.cpu().numpy()
        ridge[own] = (1 / (sites.prior.probability * sites.prior.variance))[source].cpu().numpy()
    # Changes of the current carry no information about the bias.
    W[:, -1] = (y - z[:, :-1] @ W[:, :-1].T).mean(0)
    left = (y - z @ W.T).var(0) * inflation(as_network(W, data, tau_s), pairs)
    left = np.maximum(left, LEAST_RESIDUAL_VARIANCE)
    # J acts on the rates as they were observed.
    W[:, : len(largest)] *= largest
    z[:, : len(largest)] /= largest
    ridge[:, : len(largest)] /= largest**2
    posterior = Posterior(noise_variance=left, gram=z.T @ z, ridge=left[:, None] * ridge)
    return Fit(as_network(W, data, tau_s), posterior=posterior)
