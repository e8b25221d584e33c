"""Noise on the rates: a regression that weights samples near saturation less recovers the currents better."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curbd.estimators.fitting import FULL_RANK
from curbd.regression.block_ridge import regress
from curbd.regression.moments import weighted_moments
from curbd.regression.transitions import transitions
from curbd.settings.estimators import ESTIMATORS, OneStep
from curbd.teachers import CLIP, Teacher, multi_region
from tests.support.recovery import between_regions, training_data


def observed(teacher: Teacher, noise_sd: float) -> Teacher:
    """The teacher with measurement noise on its rates."""
    noise = noise_sd * np.random.default_rng(7).standard_normal(teacher.rates.shape)
    return teacher._replace(rates=np.clip(teacher.rates + noise, -CLIP, CLIP))


@pytest.mark.parametrize("estimator", ["one_step", "sparse"])
@pytest.mark.parametrize("process_noise", [0.0, 0.3])
@pytest.mark.parametrize("seed", [201, 202])
def test_a_little_noise_on_the_rates_does_not_spoil_the_currents(
    estimator: str, process_noise: float, seed: int
) -> None:
    teacher = multi_region(units=15, trials=20, process_noise=process_noise, seed=seed)
    data = training_data(observed(teacher, 0.02), tau_s=0.1)
    options = ESTIMATORS["full_rank"][estimator]()
    weighted = FULL_RANK[estimator].estimator(data, options, np.random.default_rng(0))
    without = regress(data, transitions(data, OneStep().folds))
    unexplained, unexplained_without = (
        1 - between_regions(teacher, network)[1] for network in (weighted.network, without.network)
    )
    assert unexplained < min(0.7 * unexplained_without, 0.3)
    assert weighted.measurement_noise_sd is not None
    # The ratios of both noises are tried in factors of 3.
    assert 0.02 / 3 < np.sqrt((weighted.measurement_noise_sd**2).mean()) < 0.02 * 3


@pytest.mark.parametrize("process_noise", [0.0, 0.3])
def test_rates_without_noise_are_not_weighted(process_noise: float) -> None:
    teacher = multi_region(units=15, trials=10, process_noise=process_noise, seed=203)
    fit = FULL_RANK["one_step"].estimator(training_data(teacher, tau_s=0.1), OneStep(), np.random.default_rng(0))
    assert fit.measurement_noise_sd is None


def test_every_unit_weights_the_samples_differently(rng: np.random.Generator) -> None:
    z, y, weight = rng.standard_normal((50, 4)), rng.standard_normal((3, 50)), rng.uniform(0, 1, (3, 50))
    m = weighted_moments(torch.as_tensor(z), torch.as_tensor(y), torch.as_tensor(weight))
    for unit in range(3):
        np.testing.assert_allclose(m.ZZ[unit], z.T @ np.diag(weight[unit]) @ z)
        np.testing.assert_allclose(m.YZ[unit], (weight[unit] * y[unit]) @ z)
    np.testing.assert_allclose(m.YY, (weight * y**2).sum(1))
    np.testing.assert_allclose(m.n, weight.sum(1))


def test_samples_are_weighted_with_hidden_inputs_too() -> None:
    teacher = multi_region(units=10, trials=15, samples=200, process_noise=0.3, seed=204)
    data = training_data(observed(teacher, 0.02), tau_s=0.1)
    plain, with_hidden = (
        FULL_RANK["one_step"].estimator(data, OneStep(hidden_inputs=hidden_inputs), np.random.default_rng(0))
        for hidden_inputs in ("none", 1)
    )
    width = []
    for fit in (plain, with_hidden):
        assert fit.posterior is not None
        covariance = np.linalg.inv(fit.posterior.gram + np.diag(fit.posterior.ridge[0]))
        width.append(np.sqrt(fit.posterior.noise_variance[0] * covariance.diagonal()[:30]))
    # The teacher has no hidden input: one that is inferred nevertheless must not make the intervals narrower.
    assert np.median(width[1] / width[0]) > 0.8


def test_a_trial_that_starts_late_is_cut_into_folds() -> None:
    teacher = multi_region(units=10, trials=1, samples=600, process_noise=0.3, seed=205)
    data = training_data(observed(teacher, 0.02), tau_s=0.1)
    late = data._replace(r=np.where(np.arange(600)[None, :, None] < 450, np.nan, data.r))
    assert np.bincount(transitions(late, 5).fold).tolist() == [30, 30, 30, 30, 29]
