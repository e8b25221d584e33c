"""Population networks as dynamical systems: their steps, their derivatives, and what the tables need."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.dynamics.attractors import attractors
from curbd.dynamics.lyapunov import lyapunov_spectrum
from lrfit.population_network.dynamics import PopulationSystem
from lrfit.population_network.model import curved, drift
from tests.support.small_population import small_model


def system_of_model(curvature: float) -> PopulationSystem:
    model = small_model(curvature=curvature)
    z = np.random.default_rng(0).standard_normal((3, 20, 4))
    return PopulationSystem(
        model=model,
        z=z,
        element_region=np.array(["A", "A", "B", "B"]),
        input_columns=np.array([0]),
        bias_columns=np.array([1]),
        step_s=0.02,
    )


@pytest.mark.parametrize("curvature", [0.0, 0.5])
def test_an_euler_step_is_a_bin_of_the_network_and_the_recurrence_is_its_derivative(curvature: float) -> None:
    system = system_of_model(curvature)
    field, z, step = system.field(np.array([0.7])), system.z[0], 1e-6
    later = drift(system.model, curved(system.model, z[None]), np.tile([0.7, 1.0], (1, 20, 1)))[0]
    np.testing.assert_allclose(z + field.step_s / field.tau_s * field.velocity(z), later, atol=1e-12)
    slopes = [(field.velocity(z[0] + step * e) - field.velocity(z[0] - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(np.column_stack(slopes) + np.eye(4), field.recurrence(z[0]), atol=1e-7)


def test_a_linear_population_rests_at_one_point_at_which_its_exponents_are_those_of_its_matrix() -> None:
    system = system_of_model(0.0)
    field, visited = system.field(np.zeros(1)), system.z.reshape(-1, 4)
    (rest,) = attractors(field, visited)
    steps = np.diag(system.model.leak) + system.model.A
    expected = np.linalg.solve(np.eye(4) - steps, system.model.G[:, 1])
    np.testing.assert_allclose(rest.solution.z, expected, atol=1e-8)
    exponents = np.sort(np.log(np.abs(np.linalg.eigvals(steps))) / 0.02)[::-1]
    np.testing.assert_allclose(lyapunov_spectrum(field, visited).exponents, exponents, rtol=0.02)
