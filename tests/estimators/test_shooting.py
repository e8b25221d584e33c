"""Refinement reproduces freely what the one-step fit cannot, and keeps its currents."""

import numpy as np
import pytest

from curbd.estimators.one_step import one_step
from curbd.estimators.shooting import follow, free_run_error, shooting, stretches
from curbd.estimators.sparse import sparse
from curbd.hidden_inputs.search import infer_hidden_inputs, with_hidden_input_search
from curbd.network.equation import Network
from curbd.network.nonlinearity import TANH
from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import OneStep, Shooting
from curbd.teachers import Teacher, multi_region, published_three_region
from tests.support.recovery import correlation, current, training_data

RNG = np.random.default_rng(0)


def variance_explained(data: TrainingData, network: Network) -> float:
    """Variance explained of the rates of a free run, about their grand mean, as published."""
    return 1 - free_run_error(data, network) / float(np.nanvar(data.r))


def blocks(teacher: Teacher, network: Network) -> list[np.ndarray]:
    """The current from every region to every region on the recorded states."""
    names = np.unique(teacher.region)
    pathways = [(teacher.region == target, teacher.region == source) for target in names for source in names]
    return [current(network, teacher.rates, *pathway) for pathway in pathways]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [10, 11, 12, 13])
def test_the_published_simulator_is_reproduced_with_the_currents_of_the_start(seed):
    teacher = published_three_region(seed=seed)
    data = training_data(teacher, tau_s=0.1)
    start, refined = one_step(data, OneStep(), RNG).network, shooting(data, Shooting(), RNG).network
    assert variance_explained(data, start) < 0.95
    assert variance_explained(data, refined) >= 0.999
    pairs = zip(blocks(teacher, start), blocks(teacher, refined), strict=True)
    kept = np.array([correlation(before, after) for before, after in pairs])
    assert kept.mean() > 0.995
    # The weakest pathway of simulator 11 has .989.
    assert kept.min() > 0.985


@pytest.mark.parametrize("start", ["one_step", "sparse"])
def test_the_free_run_rises_and_every_current_stays(start):
    """Two regions have a hidden input, whose effect the network must produce without changing other currents."""
    teacher = published_three_region(units=30, seed=11)
    data = training_data(teacher, tau_s=0.1)
    options = Shooting(start=start, noise="inflated" if start == "sparse" else None)
    start_fit = {"one_step": one_step, "sparse": sparse}[start](data, options.start_options(), RNG)
    refined = shooting(data, options, RNG)
    unexplained, before = (1 - variance_explained(data, network) for network in (refined.network, start_fit.network))
    assert unexplained < 0.01 * min(before, 1)
    currents = (blocks(teacher, network) for network in (start_fit.network, refined.network, teacher.network))
    for before, after, true in zip(*currents, strict=True):
        # A change of a tenth of a current costs as much as all the noise; it moves the third digit of a correlation.
        assert np.linalg.norm(after - before) < 0.2 * np.linalg.norm(before)
        assert correlation(after, true) == pytest.approx(correlation(before, true), abs=0.01)
    assert np.array_equal(refined.posterior.gram, start_fit.posterior.gram)
    assert np.array_equal(refined.penalty, start_fit.penalty)


def test_process_noise_does_not_teach_other_currents():
    """The effect of process noise cannot be reproduced, and must not be learned."""
    teacher = multi_region(units=12, trials=8, samples=150, process_noise=0.3, seed=1)
    data = training_data(teacher, tau_s=0.1, substeps=5)
    start, refined = one_step(data, OneStep(), RNG).network, shooting(data, Shooting(), RNG).network
    assert free_run_error(data, refined) <= free_run_error(data, start)
    for before, after in zip(blocks(teacher, start), blocks(teacher, refined), strict=True):
        assert np.linalg.norm(after - before) < 0.05 * np.linalg.norm(before)


def test_it_never_runs_worse_than_its_start():
    for seed in range(3):
        data = training_data(multi_region(units=8, trials=5, samples=60, seed=seed), tau_s=0.1)
        start = one_step(data, OneStep(), RNG).network
        assert free_run_error(data, shooting(data, Shooting(), RNG).network) <= free_run_error(data, start)


def test_a_network_that_already_runs_freely_is_left_alone():
    data = training_data(multi_region(units=8, trials=8, samples=100, process_noise=0.0, seed=0), tau_s=0.1, substeps=5)
    start = one_step(data, OneStep(), RNG).network
    assert variance_explained(data, start) > 0.9995
    assert np.array_equal(shooting(data, Shooting(), RNG).network.J, start.J)


def test_with_hidden_inputs_the_run_is_driven_by_them():
    data = training_data(multi_region(units=10, trials=8, samples=100, inputs="hidden", seed=0), tau_s=0.1, substeps=5)
    fit = with_hidden_input_search(shooting)(data, Shooting(hidden_inputs=1), RNG)
    assert fit.network.B.shape == (30, 3)
    driven = infer_hidden_inputs(fit, data)
    inputs = np.concatenate([data.u, driven.hidden.values], axis=2)
    alone = fit.network._replace(B=np.zeros((30, 3)))
    assert free_run_error(data._replace(u=inputs), fit.network) < free_run_error(data._replace(u=inputs), alone)


def test_stretches_hold_every_transition_once():
    data = training_data(multi_region(regions=("A",), units=2, trials=2, samples=11))
    r = data.r.copy()
    r[1, 8:] = np.nan
    recorded = stretches(data._replace(r=r), 4)
    # Trial 0 has stretches from samples 0, 4 and 8, trial 1 from samples 0 and 4, as it ends at sample 8.
    assert recorded.x.shape == (5, 5, 2)
    np.testing.assert_allclose(recorded.x[:, 0], TANH.inverse(r[[0, 0, 0, 1, 1], [0, 4, 8, 0, 4]]))
    assert np.isfinite(recorded.x[..., 0]).sum(1).tolist() == [5, 5, 3, 5, 4]


def test_a_run_is_put_back_where_it_has_lost_the_data():
    """A network without weights decays to 0; the data stay at 1."""
    data = training_data(multi_region(regions=("A",), units=2, trials=1, samples=200), tau_s=0.1)
    recorded = stretches(data._replace(r=np.full((1, 200, 2), np.tanh(1.0))), 199)
    network = Network(J=np.zeros((2, 2)), B=np.zeros((2, data.u.shape[2])), b=np.zeros(2), tau_s=0.1, dt_s=0.01)
    run = follow(network, recorded, limit=0.5)
    put_back = np.flatnonzero(run.put_back[0])
    # 0.9^7 is the first power below 0.5; the run is put back two time constants, which are 20 samples, later.
    assert put_back[:3].tolist() == [0, 27, 54]
    np.testing.assert_allclose(run.x[0, put_back], 1.0)
    np.testing.assert_allclose(run.x[0, 26], 0.9**26)
    assert not follow(network, recorded, limit=2.0).put_back[0, 1:].any()
