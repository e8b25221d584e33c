"""The sparse prior: currents between regions that few connections carry are recovered better than by ridge."""

from __future__ import annotations

import numpy as np
import pytest

from curbd import teachers
from curbd.estimators.fitting import FULL_RANK
from curbd.estimators.one_step import one_step
from curbd.estimators.sparse import sparse
from curbd.network.fit import Fit
from curbd.settings.estimators import ESTIMATORS, OneStep, Sparse
from lrfit.estimators.fitting import LOW_RANK
from tests.support.recovery import between_regions, training_data_with_times

Teacher = teachers.Teacher


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return teachers.multi_region(units=20, trials=20, samples=200, seed=31)


@pytest.fixture(scope="module")
def fitted(teacher: Teacher) -> tuple[Fit, Fit]:
    data, rng = training_data_with_times(teacher), np.random.default_rng(0)
    return one_step(data, OneStep(), rng), sparse(data, Sparse(), rng)


def test_sparse_pathways_are_recovered_better_than_by_ridge(teacher: Teacher, fitted: tuple[Fit, Fit]) -> None:
    (r_ridge, r2_ridge), (r, r2) = (between_regions(teacher, fit.network) for fit in fitted)
    assert r > r_ridge
    assert r2 > r2_ridge + 0.02


def test_weights_that_are_zero_are_told_from_those_that_are_not(teacher: Teacher, fitted: tuple[Fit, Fit]) -> None:
    cross = teacher.region[:, None] != teacher.region[None]
    absent = cross & (teacher.network.J == 0)
    present = cross & (np.abs(teacher.network.J) > 0.2)
    J = fitted[1].network.J
    assert np.median(np.abs(J[absent])) < 0.2 * np.median(np.abs(J[present]))
    assert np.median(np.abs(J[absent])) < 0.5 * np.median(np.abs(fitted[0].network.J[absent]))


def test_posterior_covers_the_true_currents(teacher: Teacher, fitted: tuple[Fit, Fit]) -> None:
    fit = fitted[1]
    assert fit.posterior is not None
    inside = []
    for target in "ABC":
        for source in "ABC":
            rows, own = np.flatnonzero(teacher.region == target), np.flatnonzero(teacher.region == source)
            rates = teacher.rates[::4, ::10][..., own].reshape(-1, len(own))
            for row in rows:
                S = np.linalg.inv(fit.posterior.gram + np.diag(fit.posterior.ridge[row]))
                sd = np.sqrt(
                    fit.posterior.noise_variance[row] * np.einsum("ti,ij,tj->t", rates, S[np.ix_(own, own)], rates)
                )
                missed = rates @ (fit.network.J - teacher.network.J)[row, own]
                inside.append(np.abs(missed) < 1.96 * sd)
    # The samples of the 180 rows are far from independent.
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)


def test_intervals_are_widened_by_their_error_on_simulated_weights(teacher: Teacher, fitted: tuple[Fit, Fit]) -> None:
    ridge, posterior = (fit.posterior for fit in fitted)
    assert ridge is not None
    assert posterior is not None
    # Both fits estimate the noise well; expectation propagation without calibration would make intervals too narrow.
    factor = (posterior.noise_variance / ridge.noise_variance).reshape(3, -1).mean(1)
    assert (factor > 1).all()
    assert (factor < 1.6).all()


def test_units_with_an_unrecorded_input_do_not_spoil_the_weights_of_other_units() -> None:
    # Without noise, and with an unrecorded input to half of the units of B and C: only pathways into A are exact.
    simulator = teachers.published_three_region(coupling=0.2, units=50, seed=31)
    fit = sparse(training_data_with_times(simulator), Sparse(), np.random.default_rng(0))
    into = simulator.region == "A"
    for source in "BC":
        block = np.ix_(into, simulator.region == source)
        rates = simulator.rates[0][:, simulator.region == source]
        true, estimate = rates @ simulator.network.J[block].T, rates @ fit.network.J[block].T
        assert np.corrcoef(true.ravel(), estimate.ravel())[0, 1] > 0.9


def test_dense_pathways_are_not_harmed() -> None:
    dense = teachers.multi_region(units=15, trials=20, samples=200, density=1.0, seed=32)
    data, rng = training_data_with_times(dense), np.random.default_rng(0)
    r_ridge, r2_ridge = between_regions(dense, one_step(data, OneStep(), rng).network)
    r, r2 = between_regions(dense, sparse(data, Sparse(), rng).network)
    assert r > r_ridge - 0.01
    assert r2 > r2_ridge - 0.02


def test_same_data_same_network(teacher: Teacher, fitted: tuple[Fit, Fit]) -> None:
    again = sparse(training_data_with_times(teacher), Sparse(), np.random.default_rng(9))
    np.testing.assert_array_equal(again.network.J, fitted[1].network.J)


@pytest.mark.parametrize("estimator", ["one_step", "sparse", "reduced_rank", "block_rank"])
def test_an_input_that_is_always_zero_does_no_harm(estimator: str) -> None:
    teacher = teachers.multi_region(units=8, trials=8, samples=100, seed=33)
    data = training_data_with_times(teacher)
    family, fitting = ("full_rank", FULL_RANK) if estimator in FULL_RANK else ("low_rank", LOW_RANK)
    options, rng = ESTIMATORS[family][estimator](), np.random.default_rng(0)
    silent = np.concatenate([data.u, np.zeros((*data.u.shape[:2], 1))], axis=2)
    without = fitting[estimator].estimator(data, options, np.random.default_rng(0)).network
    network = fitting[estimator].estimator(data._replace(u=silent), options, rng).network
    np.testing.assert_allclose(network.J, without.J, atol=0.05 * np.abs(without.J).max())
    np.testing.assert_allclose(network.B[:, -1], 0, atol=1e-6)


def test_intervals_of_small_regions_are_not_widened_by_the_bias() -> None:
    small = teachers.multi_region(units=6, trials=8, samples=100, seed=34)
    data = training_data_with_times(small)
    ridge = one_step(data, OneStep(), np.random.default_rng(0)).posterior
    for seed in range(3):
        posterior = sparse(data, Sparse(), np.random.default_rng(seed)).posterior
        assert ridge is not None
        assert posterior is not None
        assert posterior.noise_variance.mean() < 3 * ridge.noise_variance.mean()


@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_the_unit_of_an_input_does_not_matter(teacher: Teacher, fitted: tuple[Fit, Fit], unit: float) -> None:
    data, plain = training_data_with_times(teacher), fitted[1]
    fit = sparse(data._replace(u=unit * data.u), Sparse(), np.random.default_rng(0))
    np.testing.assert_allclose(fit.network.J, plain.network.J, atol=1e-6)
    np.testing.assert_allclose(unit * fit.network.B, plain.network.B, atol=1e-6)
    assert fit.posterior is not None
    assert plain.posterior is not None
    inverse, expected = (
        np.linalg.inv(posterior.gram + np.diag(posterior.ridge[0])) for posterior in (fit.posterior, plain.posterior)
    )
    np.testing.assert_allclose(inverse[:60, :60], expected[:60, :60], rtol=1e-4, atol=1e-6)
