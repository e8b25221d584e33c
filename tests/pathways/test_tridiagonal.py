"""A symmetric matrix in tridiagonal form gives the sums that the matrix itself gives."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.pathways.tridiagonal import Tridiagonal


@pytest.mark.parametrize("n_rows", [1, 2, 40])
@pytest.mark.parametrize("penalty", [0.01, 1e6])
def test_determinants_and_forms_are_those_of_the_matrix(rng: np.random.Generator, n_rows: int, penalty: float) -> None:
    root, right = rng.standard_normal((n_rows + 3, n_rows)), rng.standard_normal((n_rows, 3))
    A = root.T @ root
    solved, penalised = Tridiagonal.of(A, right).penalised(penalty), A + penalty * np.eye(n_rows)
    assert solved is not None
    np.testing.assert_allclose(solved.forms, (right * np.linalg.solve(penalised, right)).sum(0), rtol=1e-9)
    assert solved.log_determinant == pytest.approx(np.linalg.slogdet(penalised)[1], rel=1e-9)


def test_a_matrix_that_is_not_positive_definite_is_not_solved() -> None:
    assert Tridiagonal.of(-np.eye(4), np.ones((4, 1))).penalised(0.5) is None
