"""Scores of slow modes, against the exact case of a delay line that is seen in part."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from lrfit.mechanism.attractors import WARNING, abscissa, line_attractor_score, non_normality


def seen_in_part(length: int, recorded: int = 25) -> np.ndarray:
    """What regression makes of the first units of a delay line dx = (F - 1) x dt + noise, F a shift."""
    shift = np.eye(length, k=1)
    covariance = solve_continuous_lyapunov(shift - np.eye(length), -np.eye(length))
    student = np.eye(recorded, k=1)
    student[-1] = np.linalg.solve(covariance[:recorded, :recorded], (shift @ covariance)[recorded - 1, :recorded])
    return student


def departure(F: np.ndarray) -> float:
    return non_normality((F**2).sum(), np.linalg.eigvals(F))


# Two largest real parts and the score, as published for the exact case (Qian et al. 2024) and computed again here.
@pytest.mark.parametrize(
    ("length", "first", "second", "score"),
    [
        (50, 0.7594, 0.7526, 0.041),
        (100, 0.8461, 0.8461, 0.000),
        (200, 0.8910, 0.8910, 0.000),
        (500, 0.9394, 0.8802, 0.984),
        pytest.param(1000, 0.9633, 0.8633, 1.898, marks=pytest.mark.slow),
    ],
)
def test_a_delay_line_that_is_seen_in_part_looks_like_a_line_attractor(
    length: int, first: float, second: float, score: float
) -> None:
    student = seen_in_part(length)
    eigenvalues = np.linalg.eigvals(student)
    largest = np.sort(eigenvalues.real)[::-1]
    assert largest[0] == pytest.approx(first, abs=1e-3)
    assert largest[1] == pytest.approx(second, abs=1e-3)
    assert line_attractor_score(eigenvalues) == pytest.approx(score, abs=1e-3)
    # The true network is a pure delay; that the student is far from normal is what tells.
    assert departure(np.eye(length, k=1)) == pytest.approx(1)
    assert departure(student) > 0.5
    assert "may be spurious" in WARNING


def test_a_symmetric_matrix_is_normal_and_its_abscissa_is_its_largest_eigenvalue() -> None:
    rng = np.random.default_rng(0)
    m = rng.standard_normal((40, 2))
    assert departure(m @ m.T) == pytest.approx(0, abs=1e-6)
    assert abscissa(m, m) == pytest.approx(np.linalg.eigvalsh(m @ m.T)[-1])


def test_the_abscissa_is_that_of_the_whole_matrix() -> None:
    rng = np.random.default_rng(1)
    m, n = rng.standard_normal((2, 30, 3))
    J = m @ n.T
    assert abscissa(m, n) == pytest.approx(np.linalg.eigvalsh((J + J.T) / 2)[-1])
    assert np.linalg.eigvals(J).real.max() <= abscissa(m, n)


def test_the_score_of_one_latent_is_against_the_units_own_time_constant() -> None:
    assert line_attractor_score(np.array([0.75, 0.0])) == pytest.approx(2)
    assert line_attractor_score(np.array([0.5 + 1j, 0.75, 0.0])) == pytest.approx(1)
