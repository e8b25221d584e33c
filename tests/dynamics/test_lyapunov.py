"""Lyapunov exponents where they are known: linear networks, rest, cycles, and chaos measured in another way."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.dynamics.field import NetworkField
from curbd.dynamics.lyapunov import kaplan_yorke, lyapunov_spectrum


def field_of(J: np.ndarray, step: float = 0.1) -> NetworkField:
    return NetworkField(m=np.eye(len(J)), n=J.T, offset=np.zeros(len(J)), tau_s=0.1, step_s=step * 0.1)


def test_the_exponents_at_rest_are_those_of_the_euler_steps_of_the_linear_network() -> None:
    J = np.diag([0.5, -0.2, 0.1])
    spectrum = lyapunov_spectrum(field_of(J), np.full((5, 3), 0.01))
    expected = np.log(1 + 0.1 * (np.array([0.5, 0.1, -0.2]) - 1)) / 0.01
    np.testing.assert_allclose(spectrum.exponents, expected, rtol=1e-3)
    assert spectrum.dimension == 0


def test_a_cycle_has_one_exponent_of_zero() -> None:
    angle = 0.6
    J = 2.0 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    spectrum = lyapunov_spectrum(field_of(J), np.random.default_rng(0).standard_normal((20, 2)))
    assert abs(spectrum.exponents[0] * 0.1) < 0.01
    assert spectrum.exponents[1] * 0.1 < -0.1


def test_the_largest_exponent_of_chaos_is_the_rate_at_which_two_near_states_part() -> None:
    rng = np.random.default_rng(1)
    field = field_of(3.0 * rng.standard_normal((60, 60)) / np.sqrt(60))
    visited = rng.standard_normal((20, 60))
    spectrum = lyapunov_spectrum(field, visited, count=2)
    near, z = 1e-8, visited.copy()
    for _ in range(1000):
        z = z + 0.1 * field.velocity(z)
    apart = z + near * (moved := rng.standard_normal(z.shape)) / np.linalg.norm(moved, axis=1, keepdims=True)
    grown = np.zeros(len(z))
    for _ in range(100):
        for _ in range(20):
            z, apart = z + 0.1 * field.velocity(z), apart + 0.1 * field.velocity(apart)
        distance = np.linalg.norm(apart - z, axis=1, keepdims=True)
        grown += np.log(distance[:, 0] / near)
        apart = z + near * (apart - z) / distance
    # Two finite simulations of 10 and 4 s; the error of the second is unknown, and about as large.
    assert grown.mean() / (100 * 20 * 0.01) == pytest.approx(spectrum.exponents[0], abs=6 * spectrum.errors[0])
    assert spectrum.exponents[0] > 5 * spectrum.errors[0]


def test_the_dimension_counts_the_exponents_until_their_sum_is_negative() -> None:
    assert kaplan_yorke(np.array([1.0, 0.0, -2.0])) == pytest.approx(2.5)
    assert kaplan_yorke(np.array([-0.1, -1.0])) == 0
    assert np.isnan(kaplan_yorke(np.array([1.0, 0.5])))
