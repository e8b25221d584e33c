"""Simulations without noise: their currents are found although an input is hidden and the rates were rescaled."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.estimators.sparse import sparse
from curbd.network.equation import Network
from curbd.regression.noise_free import noise_free
from curbd.settings.estimators import Sparse
from curbd.teachers import Teacher, multi_region, published_three_region
from tests.support.recovery import correlation, current, training_data


def rescaled(teacher: Teacher) -> tuple[Teacher, np.ndarray]:
    """The teacher with the rates of every region divided by their maximum, and the maxima (region,)."""
    names, region = np.unique(teacher.region, return_inverse=True)
    largest = np.array([np.abs(teacher.rates[..., teacher.region == name]).max() for name in names])
    rates = np.clip(teacher.rates / largest[region], -0.9999, 0.9999)
    network = teacher.network._replace(J=teacher.network.J * largest[region])
    return teacher._replace(rates=rates, network=network), largest


def between(teacher: Teacher, network: Network) -> dict[str, tuple[float, float]]:
    """Pathway -> correlation of the fitted current with the true one, and the ratio of their root mean squares."""
    pathways = {}
    for target in "ABC":
        for source in "ABC":
            if target != source:
                masks = teacher.region == target, teacher.region == source
                true, fitted = (current(weights, teacher.rates, *masks) for weights in (teacher.network, network))
                ratio = float(np.sqrt((fitted**2).mean() / (true**2).mean()))
                pathways[target + source] = correlation(true, fitted), ratio
    return pathways


@pytest.fixture(scope="module")
def simulation() -> Teacher:
    """A hidden sine into half of the units of B and a hidden step into half of those of C; nothing hidden into A."""
    teacher = multi_region(units=20, trials=5, samples=250, substeps=1, process_noise=0.0, inputs="hidden", seed=101)
    return rescaled(teacher)[0]


def test_scale_and_time_constant_are_found() -> None:
    teacher = multi_region(units=20, trials=5, samples=250, substeps=1, process_noise=0.0, seed=102)
    teacher, largest = rescaled(teacher)
    with_tau = noise_free(training_data(teacher, tau_s=0.1))
    assert with_tau is not None
    np.testing.assert_allclose(1 - with_tau.largest, 1 - largest, rtol=0.01)
    without_tau = noise_free(training_data(teacher))
    assert without_tau is not None
    assert without_tau.tau_s == pytest.approx(0.1, rel=1e-3)
    np.testing.assert_allclose(1 - without_tau.largest, 1 - largest, rtol=0.01)


def test_rates_that_are_states_already_keep_their_scale() -> None:
    teacher = multi_region(units=15, trials=5, samples=200, substeps=1, process_noise=0.0, seed=103)
    exact = noise_free(training_data(teacher, tau_s=0.1))
    assert exact is not None
    np.testing.assert_array_equal(exact.largest, 1)


@pytest.mark.parametrize("noise", [{"process_noise": 0.01}, {"process_noise": 0.0, "measurement_noise": 0.001}])
def test_a_little_noise_is_noticed(noise: dict[str, float]) -> None:
    teacher = multi_region(units=15, trials=5, samples=200, substeps=1, seed=104, **noise)
    assert noise_free(training_data(teacher, tau_s=0.1)) is None
    auto, inflated = (
        sparse(training_data(teacher, tau_s=0.1), Sparse(noise=how), np.random.default_rng(0)).network.J
        for how in ("auto", "inflated")
    )
    np.testing.assert_array_equal(auto, inflated)


def test_a_hidden_drive_that_stands_still_does_no_harm(simulation: Teacher) -> None:
    data, rng = training_data(simulation, tau_s=0.1), np.random.default_rng(0)
    exact = between(simulation, sparse(data, Sparse(), rng).network)
    inflated = between(simulation, sparse(data, Sparse(noise="inflated"), rng).network)
    # A has no hidden drive; that of C stands still except for one step in a trial; that of B always changes.
    for pathway in ("AB", "AC", "CA", "CB"):
        r, ratio = exact[pathway]
        assert r > 0.99
        assert ratio == pytest.approx(1, abs=0.05)
        assert r > inflated[pathway][0]


def test_the_published_simulator() -> None:
    teacher = published_three_region(coupling=0.2, units=40, seed=105)
    fit = sparse(training_data(teacher, tau_s=0.1), Sparse(), np.random.default_rng(0))
    r, ratio = np.array(list(between(teacher, fit.network).values())).T
    assert r.mean() > 0.65
    assert 0.5 < np.median(ratio) < 2
    assert fit.posterior is not None
    assert (fit.posterior.noise_variance[teacher.region == "B"].max()) > 100 * fit.posterior.noise_variance[:40].max()
