"""Closed-form regression in current space, one penalty for each pair of a target region and a source.

From one sample to the next tau dx/dt + x = J r + B u + b is linear in J, B and b: a ridge regression whose Bayesian
reading (one prior variance a block) gives the posterior of every weight, and so of every current.
"""

from __future__ import annotations

import numpy as np

from curbd.network.fit import Fit
from curbd.regression.block_ridge import inflation, posterior, regress
from curbd.regression.sample_weights import both_noises, sample_weights, weighted_regression
from curbd.regression.transitions import (
    TrainingData,
    transitions,
)
from curbd.settings.models import OneStep

Array = np.ndarray


def one_step(data: TrainingData, options: OneStep, rng: np.random.Generator) -> Fit:
    """Fit by closed-form regression; deterministic, ``rng`` is not used.

    Where the residuals look like measurement noise, and held-out transitions agree, samples are weighted by how little
    of it reaches them (`curbd.regression.sample_weights`), with penalties by the evidence.

    Returns
    -------
    The network, the penalties of the regression without weights and what chose them, the posterior, and both noises
    where there are weights.
    """
    pairs = transitions(data, options.folds)
    regression = regress(data, pairs, options.penalties)
    noisy = sample_weights(data, pairs, regression.network, regression.penalty)
    if noisy is None:
        known = posterior(regression, data, pairs)
        return Fit(regression.network, regression.between_regions, known, penalty_by=regression.penalty_by)
    weighted = weighted_regression(data, pairs, regression.network, regression.penalty, noisy.weight)
    process, measurement = both_noises(weighted.noise, noisy.ratio, weighted.network)
    known = weighted.posterior
    return Fit(
        weighted.network,
        regression.between_regions,
        known._replace(noise_variance=known.noise_variance * inflation(weighted.network, pairs)),
        process_noise_sd=process,
        measurement_noise_sd=measurement,
        penalty_by=regression.penalty_by,
    )
