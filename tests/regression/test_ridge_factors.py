"""Large regressions in single precision have the weights of double precision, or are solved in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curbd.regression.evidence import evidence_penalties
from curbd.regression.moments import Moments, moments
from curbd.regression.ridge_factors import LEAST_SINGLE_REGRESSORS, RidgeFactors, solved_blocks
from curbd.regression.transitions import source_of_regressor

N_UNITS, N_PAIRS = LEAST_SINGLE_REGRESSORS + 20, 1500


def regression(rng: np.random.Generator, own: float) -> tuple[Moments, np.ndarray]:
    """Moments of a small and a large region whose rates share most of their variance, and the sources of regressors.

    Parameters
    ----------
    rng : random generator.
    own : standard deviation of what units do not share.
    """
    region = np.repeat([0, 1], [100, N_UNITS - 100])
    shared = rng.standard_normal((N_PAIRS, 5)) @ rng.standard_normal((5, N_UNITS))
    z = np.concatenate([np.tanh(shared + own * rng.standard_normal(shared.shape)), np.ones((N_PAIRS, 1))], axis=1)
    y = z @ (rng.standard_normal((N_UNITS + 1, N_UNITS)) / np.sqrt(N_UNITS)) + rng.standard_normal((N_PAIRS, N_UNITS))
    return moments(z, y), source_of_regressor(region, 0)


def test_a_large_regression_has_the_weights_of_double_precision(rng: np.random.Generator) -> None:
    total, source = regression(rng, own=0.5)
    penalty = np.array([[1.0, 30.0, 0.1], [100.0, 1.0, 10.0]])
    solved = solved_blocks(total, source, penalty)
    for target in (0, 1):
        rows, gram = np.flatnonzero(source == target), total.ZZ.numpy()
        penalised = gram + np.diag(penalty[target][source])
        W = np.linalg.solve(penalised, total.YZ.numpy()[rows].T).T
        assert np.linalg.norm(solved.W[rows] - W) < 1e-7 * np.linalg.norm(W)
        determined = np.trace(np.linalg.solve(penalised, gram))
        assert solved.determined[target] == pytest.approx(determined, rel=1e-4)


def test_nearly_equal_rates_are_solved_in_double_precision(rng: np.random.Generator) -> None:
    total, _ = regression(rng, own=1e-5)
    factors, ridge = RidgeFactors(total.ZZ), torch.full((N_UNITS + 1,), 1e-4, dtype=torch.float64)
    U = factors.factor(ridge, total.YZ)
    assert U.dtype == torch.float64
    right = total.YZ[:3]
    W = factors.solution(U, ridge, right)
    residual = W @ (total.ZZ + torch.diag(ridge)) - right
    assert residual.norm() < 1e-9 * right.norm()


def test_penalties_of_a_large_regression_are_those_of_double_precision(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    total, source = regression(rng, own=0.5)
    chosen = evidence_penalties(total, source, np.ones((2, 3)), rounds=3)
    monkeypatch.setattr("curbd.regression.ridge_factors.LEAST_SINGLE_REGRESSORS", N_UNITS + 2)
    in_double = evidence_penalties(total, source, np.ones((2, 3)), rounds=3)
    assert not np.array_equal(chosen, in_double)
    np.testing.assert_allclose(chosen, in_double, rtol=1e-3)
