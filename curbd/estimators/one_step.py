"""Closed-form regression of the current, with one penalty for each pair of a target region and a source.

From one sample to the next, tau dx/dt + x = J r + B u + b is linear in J, B and b. The fit is a ridge regression. It is
also Bayesian regression with one prior variance per block of weights (the weights from one source to one region), which
gives the posterior of every weight, and so of every current.
"""

from __future__ import annotations

import numpy as np

from curbd.estimators.constrained import constrained
from curbd.estimators.sparse_silent import compared_on_held_out_trials, is_small_enough, sparse_silent
from curbd.network.fit import Fit
from curbd.regression.block_ridge import inflation, posterior
from curbd.regression.sample_weights import noise_sds, sample_weights, weighted_regression
from curbd.regression.silent_units import StateRegression, regress_states
from curbd.regression.transitions import TrainingData, transitions
from curbd.settings.estimators import OneStep, Sparse

Array = np.ndarray
SPARSE_ROUNDS = Sparse().rounds
"""Rounds of expectation propagation if the weights onto relu units have a sparse prior."""


def one_step(data: TrainingData, options: OneStep, rng: np.random.Generator) -> Fit:
    """Fit a network by closed-form regression of the current.

    If the residuals look like measurement noise, and held-out transitions confirm it, samples that carry more
    measurement noise get smaller weights (`curbd.regression.sample_weights`), and the penalties are chosen by the
    evidence.

    Parameters
    ----------
    data : the training trials. If their time constant is None, the time constant is estimated.
    options : number of cross-validation folds, and how the penalties are chosen.
    rng : random generator that shuffles cell types if there are constraints (`curbd.estimators.constrained`); the fit
        itself is deterministic.

    Returns
    -------
    The network, the penalties of the regression with equally weighted samples and how these penalties were chosen, the
    posterior, and, if samples are weighted, the standard deviations of process noise and measurement noise.
    """
    if data.circuit is not None:
        return constrained(data, data.circuit, options, rng)
    pairs = transitions(data, options.folds)
    solved = regress_states(data, pairs, options.penalties)
    regression = solved.regression
    if data.nonlinearity.hides_silent:
        if options.penalties == "auto" and is_small_enough(data, solved):
            compared = compared_on_held_out_trials(data, solved, SPARSE_ROUNDS)
            if compared.is_clear:
                return sparse_silent(data._replace(tau_s=compared.tau_s), solved, SPARSE_ROUNDS, rng)
        return _with_silent_units(data, solved)
    noisy = sample_weights(data, pairs, regression.network, regression.penalty)
    if noisy is None:
        return Fit(
            regression.network,
            penalty=regression.between_regions,
            posterior=posterior(regression, data, pairs),
            penalty_by=regression.penalty_by,
        )
    weighted = weighted_regression(data, pairs, regression.network, regression.penalty, noisy.weight)
    process, measurement = noise_sds(weighted.noise, noisy.ratio, weighted.network)
    variance = weighted.posterior.noise_variance * inflation(weighted.network, pairs)
    return Fit(
        weighted.network,
        penalty=regression.between_regions,
        posterior=weighted.posterior._replace(noise_variance=variance),
        process_noise_sd=process,
        measurement_noise_sd=measurement,
        penalty_by=regression.penalty_by,
    )


def _with_silent_units(data: TrainingData, solved: StateRegression) -> Fit:
    """The fit of units whose states are unknown while they are silent: their posterior lacks this information."""
    regression, network = solved.regression, solved.regression.network
    of_known = posterior(regression, data, solved.pairs)
    variance = solved.noise_variance * inflation(network, solved.pairs) / solved.known_share
    return Fit(
        network,
        penalty=regression.between_regions,
        posterior=of_known._replace(noise_variance=variance),
        process_noise_sd=(1 - network.decay) * np.sqrt(solved.noise_variance),
        measurement_noise_sd=np.zeros(len(data.region)),
        penalty_by=regression.penalty_by,
    )
