"""Zero of the latents: where currents are zero, by the curvature of the currents and by the mean state."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording
from lrfit.population_network.statistics import transitions
from lrfit.population_network.weights import regress, shrinkage
from lrfit.population_network.zero import move_zero
from tests.lrfit.population_network.test_population_learning import known_paths
from tests.support.small_population import small_model, small_recording


def far_from_zero(curvature: float) -> Population:
    """Two regions whose mean states are one to two standard deviations away from the zero of their latents."""
    model = small_model(curvature=curvature)
    G = model.G.copy()
    G[:, 1] = [0.25, -0.1, -0.25, 0.15]
    return model._replace(A=model.A + (0.25 * np.eye(4) if curvature else 0), G=G)


def zero_after(model: Population, data: Recording, z: np.ndarray, rounds: int = 15) -> np.ndarray:
    """Return the (latent,) zero that rounds of weights and zero find for known latents, beginning at their mean."""
    mean = z.mean((0, 1))
    moved, paths = model._replace(d=model.d + model.C @ mean), known_paths(z - mean)
    prior = shrinkage(model, data.source_name)
    for _ in range(rounds):
        moved = regress(moved, transitions(moved, data, paths), prior)
        moved, paths = move_zero(moved, data, paths)
    return (z - paths.mean).mean((0, 1))


def test_log_rates_stay_where_they_are() -> None:
    model = small_model(curvature=1.5)
    data, z = small_recording(model, trials=10)
    moved, paths = move_zero(model, data, known_paths(z + 0.7))
    assert np.allclose(paths.mean @ moved.C.T + moved.d, (z + 0.7) @ model.C.T + model.d)
    assert np.allclose(paths.mean[0] - moved.start_mean, z[0] + 0.7 - model.start_mean)


def test_the_zero_of_a_linear_network_is_the_mean_state() -> None:
    model = far_from_zero(0.0)
    data, z = small_recording(model, trials=20, bins=40)
    assert np.allclose(zero_after(model, data, z, rounds=3), z.mean((0, 1)))


def test_the_zero_of_a_curved_network_is_found_far_from_the_mean_state() -> None:
    model = far_from_zero(1.5)
    data, z = small_recording(model, trials=400, bins=40)
    left = zero_after(model, data, z)
    assert np.linalg.norm(left) < 0.3 * np.linalg.norm(z.mean((0, 1)))


def test_the_zero_is_the_mean_state_where_inputs_are_symmetric() -> None:
    model = small_model(curvature=1.5)
    model = model._replace(A=model.A + 0.25 * np.eye(4), G=model.G * [1, 0], start_mean=0 * model.start_mean)
    data, z = small_recording(model, trials=400, bins=40)
    assert np.allclose(zero_after(model, data, z), z.mean((0, 1)))
