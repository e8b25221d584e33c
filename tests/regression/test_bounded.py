"""Bounded least squares gives the known solutions, and spatial penalties the published numbers."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from curbd.regression.bounded import Penalties, solve_bounded
from curbd.regression.spatial_penalty import communicability, spatial_penalty


def problem(seed, n_targets=4, n=8):
    """A regression whose regressors are correlated: second moments, the regressors and the targets."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((60, n)) @ rng.standard_normal((n, n))
    y = z @ rng.standard_normal((n, n_targets)) + rng.standard_normal((60, n_targets))
    return z.T @ z, y.T @ z, (y**2).sum(0), z, y


def free(shape):
    return np.zeros(shape), np.zeros(shape), np.full(shape, -np.inf), np.full(shape, np.inf)


def test_without_bounds_the_solution_is_ridge_regression():
    gram, cross, power, _, _ = problem(0)
    l1, l2, lower, upper = free(cross.shape)
    ridge = np.linspace(0.5, 3, cross.shape[1])
    W = solve_bounded(gram, cross, power, Penalties(l1, l2 + ridge, lower, upper), tolerance=1e-12)
    assert pytest.approx(np.linalg.solve(gram + np.diag(ridge), cross.T).T, rel=1e-6) == W


def test_free_regressors_are_eliminated_exactly():
    gram, cross, power, _, _ = problem(1)
    l1, l2, lower, upper = free(cross.shape)
    l1[:, :6], lower[:, :3], upper[:, 3:5] = 5.0, 0.0, 0.0
    l2[:, 6] = 2.0
    penalties = Penalties(l1, l2, lower, upper)
    plain = solve_bounded(gram, cross, power, penalties, tolerance=1e-12)
    assert solve_bounded(gram, cross, power, penalties, n_free=2, tolerance=1e-12) == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_bounds_give_the_solution_of_another_solver(seed):
    gram, cross, power, z, y = problem(seed)
    l1, l2, lower, upper = free(cross.shape)
    lower[:, ::2], upper[:, 1::3] = 0.0, 0.0
    upper = np.maximum(upper, lower)
    W = solve_bounded(gram, cross, power, Penalties(l1, l2, lower, upper), tolerance=1e-12)
    for row, weights in enumerate(W):
        # This solver needs bounds that differ.
        bounds = lower[row], np.where(upper[row] > lower[row], upper[row], lower[row] + 1e-12)
        assert weights == pytest.approx(lsq_linear(z, y[:, row], bounds, tol=1e-12).x, abs=1e-4)
    assert (lower <= W).all()
    assert (upper >= W).all()


def test_no_small_change_improves_a_solution_with_an_l1_penalty():
    gram, cross, power, _, _ = problem(5)
    l1, l2, lower, upper = free(cross.shape)
    l1 += 20.0
    lower[:, :4] = 0.0
    penalties = Penalties(l1, l2, lower, upper)
    W = solve_bounded(gram, cross, power, penalties, tolerance=1e-12)
    assert 0 < (W == 0).sum() < W.size

    def loss(w):
        return ((w @ gram) * w).sum() / 2 - (cross * w).sum() + (l1 * np.abs(w)).sum()

    rng = np.random.default_rng(0)
    for scale in (1e-1, 1e-3):
        for _ in range(50):
            near = np.clip(W + scale * rng.standard_normal(W.shape), lower, upper)
            assert loss(near) >= loss(W)


def grid_distances():
    a, b, c = np.meshgrid(range(5), range(5), range(4), indexing="ij")
    position = np.stack([a.ravel(), b.ravel(), c.ravel()], axis=1)
    return np.linalg.norm(position[:, None] - position[None], axis=2)


@pytest.mark.parametrize(
    ("weights", "by_distance", "by_both", "largest"),
    [
        ("ones", 30271.0421, 520.141815, 0.017183),
        ("decay", 1646.5960, 38.321705, 0.073696),
        ("waves", 1048.7227, 28.086006, 0.110010),
    ],
)
def test_spatial_penalties_of_a_grid_of_units(weights, by_distance, by_both, largest):
    """100 units on a 5 x 5 x 4 grid; the expected numbers were computed independently of this project."""
    D = grid_distances()
    i, j = np.indices(D.shape)
    W = {"ones": np.ones(D.shape), "decay": np.exp(-D), "waves": np.exp(-D) * np.sin(i + 2 * j)}[weights]
    assert spatial_penalty(W, D, with_communicability=False) == pytest.approx(by_distance, rel=1e-6)
    assert spatial_penalty(W, D) == pytest.approx(by_both, rel=1e-6)
    assert communicability(W).max() == pytest.approx(largest, abs=1e-6)


def test_communicability_of_a_unit_without_weights_is_zero():
    W = np.zeros((3, 3))
    W[0, 1] = 2.0
    assert (communicability(W)[2] == 0).all()
    assert np.isfinite(communicability(W)).all()
