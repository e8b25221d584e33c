"""Scores of slow modes, against the exact case of a delay line that is seen in part."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.dynamics.slow_modes import (
    WARNING,
    abscissa,
    delay_line_seen_in_part,
    delay_line_test,
    line_attractor_score,
    non_normality,
)


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
        (1000, 0.9633, 0.8633, 1.898),
    ],
)
def test_a_delay_line_that_is_seen_in_part_looks_like_a_line_attractor(
    length: int, first: float, second: float, score: float
) -> None:
    student = delay_line_seen_in_part(25, length)
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


def test_the_delay_line_of_25_recorded_units_is_the_published_one() -> None:
    line = delay_line_test(25)
    assert line.eigenvalue == pytest.approx(0.9394, abs=1e-3)
    assert line.score == pytest.approx(0.984, abs=1e-3)
