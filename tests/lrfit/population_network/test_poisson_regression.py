"""Poisson regressions solved together, against those of scikit-learn, which are solved one by one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import PoissonRegressor

from lrfit.population_network.poisson_regression import poisson_regressions

PENALTY = 0.01


@pytest.mark.parametrize("leaves_out", [False, True])
def test_weights_are_those_of_scikit_learn(leaves_out: bool, rng: np.random.Generator) -> None:
    samples, columns, units = 3000, 12, 5
    X = 0.5 + 0.7 * rng.standard_normal((samples, columns))
    X[:, 1] = 0.9 * X[:, 0] + 0.1 * X[:, 1]
    counts = rng.poisson(np.exp(-1 + X @ (0.25 * rng.standard_normal((columns, units))))).astype(float)
    left_out = np.arange(units)[:, None] + [0, 6] if leaves_out else None
    weights, intercept = poisson_regressions(X, counts, penalty=PENALTY, left_out=left_out)
    for unit in range(units):
        kept = np.ones(columns, bool)
        if left_out is not None:
            kept[left_out[unit]] = False
            assert weights[left_out[unit], unit] == pytest.approx(0, abs=1e-12)
        single = PoissonRegressor(alpha=PENALTY, solver="newton-cholesky", tol=1e-8).fit(X[:, kept], counts[:, unit])
        np.testing.assert_allclose(weights[kept, unit], single.coef_, atol=0.01)
        assert intercept[unit] == pytest.approx(single.intercept_, abs=0.01)
