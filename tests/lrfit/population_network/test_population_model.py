"""The curved f, its derivative, the gauge."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from lrfit.population_network.information import weight_information, working_range
from lrfit.population_network.model import curved, mean_slope, regauge, standard_gauge, times_slope
from lrfit.population_network.paths import first_paths, infer
from tests.support.small_population import small_model, small_recording


def test_f_is_the_average_of_a_sigmoid_over_gaussian_loadings(rng: np.random.Generator) -> None:
    model = small_model(curvature=np.pi / 2)
    z = np.array([0.6, -1.1, 0.2, 0.9])
    value = curved(model, z[None, None]).value[0, 0]
    loadings = rng.standard_normal((400_000, 2))
    for own in (slice(0, 2), slice(2, 4)):
        rates = erf(np.sqrt(np.pi) / 2 * loadings @ z[own])
        wanted = rates @ loadings / len(loadings)
        # Six standard errors of the Monte Carlo average.
        error = 6 * (rates[:, None] * loadings).std(0) / np.sqrt(len(loadings))
        assert np.all(np.abs(value[own] - wanted) < error)


def test_times_slope_is_the_derivative(rng: np.random.Generator) -> None:
    model = small_model(curvature=2.0)
    z, w, step = rng.standard_normal((3, 2, 4)), rng.standard_normal((3, 2, 4)), 1e-6
    at = curved(model, z, 0.3)
    pulled = times_slope(model, at, w)
    for latent in range(4):
        move = step * np.eye(4)[latent]
        slope = (curved(model, z + move, 0.3).value - curved(model, z - move, 0.3).value) / (2 * step)
        assert np.allclose((slope * w).sum(2), pulled[..., latent], atol=1e-6)


@pytest.mark.parametrize("curvature", [0.0, 2.0])
def test_mean_slope_averages_the_derivative(rng: np.random.Generator, curvature: float) -> None:
    model = small_model(curvature=curvature)
    z = rng.standard_normal((3, 5, 4))
    at = curved(model, z)
    slope = mean_slope(model, at, np.full((3, 5), 0.2))
    # Weights of all bins and trials together, as of a mean over both.
    np.testing.assert_allclose(mean_slope(model, at, np.full((3, 5), 1 / 15)), slope / 3)
    for latent in range(4):
        unit = np.broadcast_to(np.eye(4)[latent], z.shape)
        assert np.allclose(slope[:, latent], times_slope(model, at, unit).mean(1))


def test_a_linear_network_has_the_information_of_a_hardly_curved_one() -> None:
    linear, bent = small_model(), small_model(curvature=1e-9)
    data, _ = small_recording(linear, trials=10, bins=12)
    paths = infer(linear, data, first_paths(linear, data))
    known = [weight_information(model, working_range(model, data, paths)) for model in (linear, bent)]
    np.testing.assert_allclose(known[0], known[1], rtol=1e-4)


def test_standard_gauge_makes_loadings_white_and_keeps_the_network() -> None:
    model, region = small_model(), np.repeat([0, 1], 5)
    T = standard_gauge(model, region)
    moved = regauge(model, T)
    for r in (0, 1):
        block = moved.C[region == r][:, moved.group == r]
        assert np.allclose(block.T @ block / 5, np.eye(2))
    assert np.allclose(moved.C @ moved.A @ T, model.C @ model.A)
    assert np.allclose(moved.C @ moved.Q @ moved.C.T, model.C @ model.Q @ model.C.T)
