"""The error of weights that comes from the prior within regions: smaller with more trials, part of the intervals."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.evidence import posterior_covariance, weight_precision
from lrfit.population_network.fit import Fit, improve, start
from lrfit.population_network.prior_error import prior_error
from lrfit.population_network.recording import Recording, subset
from tests.support.small_population import small_teacher


def _fit(data: Recording) -> Fit:
    return improve(start(data, [2, 2, 2], 0.1), data, 30)


def _size(covariance: np.ndarray) -> float:
    return float(np.einsum("ijij->", covariance))


def test_the_prior_matters_less_the_more_trials_there_are() -> None:
    whole, _ = small_teacher(100, trials=120)
    sizes = [_size(prior_error(_fit(data), data)) for data in (subset(whole, np.arange(12)), whole)]
    assert 0 < sizes[1] < 0.5 * sizes[0]


def test_the_error_of_the_prior_widens_the_posterior_of_the_weights() -> None:
    data, _ = small_teacher(100, trials=20)
    fit = _fit(data)
    error = prior_error(fit, data)
    flat = error.reshape(6 * 6, 6 * 6)
    assert np.linalg.matrix_rank(flat, hermitian=True) == 1
    assert np.linalg.eigvalsh(flat).min() > -1e-9
    information, prior = weight_precision(fit, data)
    known = np.linalg.inv((information + prior).reshape(36, 36)).reshape(error.shape)
    assert np.allclose(posterior_covariance(fit, data) - known, error, atol=1e-8)
