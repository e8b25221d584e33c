"""Refinement keeps the rank and never runs worse than its start."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.estimators.shooting import free_run_error
from curbd.network.equation import simulate
from curbd.network.nonlinearity import TANH
from curbd.settings.estimators import LowRankShooting, ReducedRank
from curbd.teachers import multi_region
from lrfit.estimators.reduced_rank import reduced_rank
from lrfit.estimators.shooting import shooting
from tests.support.recovery import explained, training_data

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_it_runs_no_worse_than_its_start_at_the_same_rank(noise: float) -> None:
    teacher = multi_region(regions=("A", "B"), units=20, rank=1, trials=10, samples=150, process_noise=noise, seed=2)
    data = training_data(teacher, tau_s=0.1)
    start = reduced_rank(data, ReducedRank(rank=3), RNG)
    fit = shooting(data, LowRankShooting(rank=3), RNG)
    m, n = fit.factors
    assert m.shape == n.shape == (40, 3)
    assert np.array_equal(fit.network.J, m @ n.T)
    assert np.linalg.matrix_rank(fit.network.J) == 3
    # the last bits: J is written anew as m n'
    assert free_run_error(data, fit.network) <= free_run_error(data, start.network) * (1 + 1e-9)


def test_the_network_runs_freely_where_the_regression_does_not() -> None:
    """Inputs that the observer does not know must be made by the network itself."""
    teacher = multi_region(units=20, rank=2, trials=10, samples=200, process_noise=0.0, inputs="hidden", seed=0)
    data = training_data(teacher)
    one_step, refined = (
        explained(simulate(network, TANH.inverse(data.r[:, 0]), data.u), data.r)
        for network in (
            reduced_rank(data, ReducedRank(rank=6), RNG).network,
            shooting(data, LowRankShooting(rank=6), RNG).network,
        )
    )
    assert one_step < 0
    assert refined > 0.6


def test_the_same_seed_gives_the_same_numbers() -> None:
    teacher = multi_region(regions=("A",), units=15, rank=2, trials=5, samples=60, seed=1)
    data = training_data(teacher)
    first, again = (shooting(data, LowRankShooting(), np.random.default_rng(seed)) for seed in (0, 1))
    assert np.array_equal(first.network.J, again.network.J)
    assert np.array_equal(first.penalty, again.penalty)
