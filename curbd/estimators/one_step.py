"""Closed-form regression of the current, with one penalty for each pair of a target region and a source.

From one sample to the next, tau dx/dt + x = J r + B u + b is linear in J, B and b. The fit is a ridge regression; its
Bayesian reading, one prior variance for each block of weights, gives the posterior of every weight, and so of every
current.
"""

from __future__ import annotations

import numpy as np

from curbd.network.fit import Fit
from curbd.regression.block_ridge import inflation, posterior, regress
from curbd.regression.sample_weights import noise_sds, sample_weights, weighted_regression
from curbd.regression.transitions import TrainingData, transitions
from curbd.settings.models import OneStep

Array = np.ndarray


def one_step(data: TrainingData, options: OneStep, rng: np.random.Generator) -> Fit:
    """Fit a network by closed-form regression of the current.

    Where the residuals look like measurement noise, and held-out transitions agree, samples are weighted by how little
    of the noise reaches them (`curbd.regression.sample_weights`), with penalties by the evidence.

    Parameters
    ----------
    data : the training trials. The time constant is estimated where it is None.
    options : number of folds, and how the penalties are chosen.
    rng : not used, as the fit is deterministic.

    Returns
    -------
    The network, the penalties of the regression without weights and how they were chosen, the posterior, and, where
    samples are weighted, the standard deviations of process noise and measurement noise.
    """
    pairs = transitions(data, options.folds)
    regression = regress(data, pairs, options.penalties)
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
