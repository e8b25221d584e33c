"""Multi-step refinement reproduces what the one-step fit cannot."""

import numpy as np
import pytest
from teacher_data import training_data

from curbd.config import OneStep, Shooting
from curbd.estimators.one_step import one_step
from curbd.estimators.shooting import free_run_error, shooting, windows
from curbd.estimators.transitions import TrainingData
from curbd.network import Network, phi_inverse
from curbd.teachers import multi_region, published_three_region


def variance_explained(data: TrainingData, network: Network) -> float:
    """Of the rates, about their grand mean, when the network runs freely: as published."""
    return 1 - free_run_error(data, network) / float(np.nanvar(data.r))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [10, 11, 12])
def test_the_published_simulator_is_reproduced(seed):
    data = training_data(published_three_region(seed=seed), tau_s=0.1)
    rng = np.random.default_rng(0)
    assert variance_explained(data, one_step(data, OneStep(), rng).network) < 0.95
    assert variance_explained(data, shooting(data, Shooting(), rng).network) >= 0.999


def test_a_small_published_simulator_is_reproduced_far_better_than_by_one_step():
    data = training_data(published_three_region(units=30, seed=10), tau_s=0.1)
    rng = np.random.default_rng(0)
    assert variance_explained(data, one_step(data, OneStep(), rng).network) < 0.5
    assert variance_explained(data, shooting(data, Shooting(), rng).network) > 0.95


@pytest.mark.parametrize("start", ["one_step", "random", "force"])
def test_every_start_works_and_the_seed_decides_the_numbers(start):
    data = training_data(multi_region(units=6, trials=3, samples=50, process_noise=0.1, seed=1), tau_s=0.1)
    options = Shooting(start=start)
    fits = [shooting(data, options, np.random.default_rng(seed)) for seed in (0, 0)]
    assert np.array_equal(fits[0].network.J, fits[1].network.J)
    assert variance_explained(data, fits[0].network) > 0
    assert fits[0].penalty.shape == (3, 3)


def test_it_never_runs_worse_than_its_start():
    for seed in range(3):
        data = training_data(multi_region(units=8, trials=5, samples=60, seed=seed), tau_s=0.1)
        rng = np.random.default_rng(0)
        start = one_step(data, OneStep(), rng).network
        assert free_run_error(data, shooting(data, Shooting(), rng).network) <= free_run_error(data, start)


def test_windows_hold_every_transition_once():
    data = training_data(multi_region(regions=("A",), units=2, trials=2, samples=11))
    r = data.r.copy()
    r[1, 8:] = np.nan
    stretch = windows(data._replace(r=r), 4)
    # trial 0 from samples 0, 4 and 8; trial 1 from 0 and 4: from 8 on there is nothing
    assert stretch.x.shape == (5, 5, 2)
    np.testing.assert_allclose(stretch.x[:, 0], phi_inverse(r[[0, 0, 0, 1, 1], [0, 4, 8, 0, 4]]))
    assert np.isfinite(stretch.x[..., 0]).sum(1).tolist() == [5, 5, 3, 5, 4]
