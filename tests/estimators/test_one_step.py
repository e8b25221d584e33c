"""One-step regression recovers the currents of known networks, and its intervals cover the truth."""

import numpy as np
import pytest

from curbd.estimators.one_step import one_step
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import targets, transitions
from curbd.settings.estimators import OneStep
from curbd.teachers import multi_region
from tests.support.recovery import correlation, cross_currents, explained, training_data

RNG = np.random.default_rng(0)
"""The estimator is deterministic and does not use it."""
CROSS = [(target, source) for target in "ABC" for source in "ABC" if target != source]


@pytest.mark.parametrize("seed", [0, 1])
def test_noisy_networks_give_their_currents_between_regions(seed):
    teacher = multi_region(process_noise=0.3, trials=20, seed=seed)
    pairs = cross_currents(teacher, one_step(training_data(teacher, tau_s=0.1), OneStep(), RNG).network)
    assert np.mean([correlation(fitted, true) for fitted, true in pairs]) >= 0.90


def test_networks_without_noise_give_their_currents_nearly_exactly():
    teacher = multi_region(process_noise=0.0, trials=20, substeps=5, seed=0)
    pairs = cross_currents(teacher, one_step(training_data(teacher, substeps=5, tau_s=0.1), OneStep(), RNG).network)
    assert np.mean([correlation(fitted, true) for fitted, true in pairs]) >= 0.999
    assert np.mean([explained(fitted, true) for fitted, true in pairs]) >= 0.997


def test_known_inputs_get_their_weights():
    teacher = multi_region(units=20, seed=3)
    network = one_step(training_data(teacher, tau_s=0.1), OneStep(), RNG).network
    assert explained(network.B, teacher.network.B) >= 0.98


def test_an_absent_pathway_carries_less_than_the_present_ones():
    teacher = multi_region(units=20, trials=40, absent=[("A", "C")], seed=4)
    network = one_step(training_data(teacher, tau_s=0.1), OneStep(), RNG).network
    currents = cross_currents(teacher, network)
    rms = {pair: np.sqrt((fitted**2).mean()) for pair, (fitted, _) in zip(CROSS, currents, strict=True)}
    absent = rms.pop(("A", "C"))
    assert absent < min(rms.values()) / 3


def test_weaker_blocks_get_larger_penalties():
    """Weights between regions are smaller than within: their prior variance is smaller."""
    teacher = multi_region(process_noise=0.3, seed=0)
    penalty = one_step(training_data(teacher, tau_s=0.1), OneStep(), RNG).penalty
    within = np.eye(3, dtype=bool)
    assert penalty[~within].min() > penalty[within].max()


def test_intervals_of_the_posterior_cover_the_truth():
    """95 % intervals of weights and of currents, over three networks with process noise."""
    weights, currents = [], []
    for seed in range(3):
        teacher = multi_region(units=20, substeps=1, seed=seed)
        data = training_data(teacher, tau_s=0.1)
        fit = one_step(data, OneStep(), RNG)
        network, posterior = fit.network, fit.posterior
        error = network.J - teacher.network.J
        r = data.r.reshape(-1, 60)[::50]
        for unit, ridge in enumerate(posterior.ridge):
            covariance = posterior.noise_variance[unit] * np.linalg.inv(posterior.gram + np.diag(ridge))[:60, :60]
            weights.append((np.abs(error[unit]) < 1.96 * np.sqrt(np.diag(covariance))).mean())
            for source in range(3):
                sent = np.where(data.region == source, r, 0)
                sd = np.sqrt(((sent @ covariance) * sent).sum(1))
                currents.append((np.abs(sent @ error[unit]) < 1.96 * sd).mean())
    assert 0.93 <= np.mean(weights) <= 0.97
    assert 0.93 <= np.mean(currents) <= 0.97


def test_the_noise_variance_is_that_of_the_teacher():
    teacher = multi_region(units=20, substeps=1, process_noise=0.3, seed=0)
    posterior = one_step(training_data(teacher, tau_s=0.1), OneStep(), RNG).posterior
    # The noise of one step is .3 sqrt(dt / tau); as a current it is divided by 1 - D = dt / tau.
    assert posterior.noise_variance.mean() == pytest.approx(0.3**2 / 0.1, rel=0.03)


@pytest.mark.parametrize(("tau_s", "seed"), [(0.1, 0), (0.1, 1), (0.05, 2)])
def test_the_time_constant_is_estimated(tau_s, seed):
    teacher = multi_region(tau_s=tau_s, process_noise=0.3, trials=20, seed=seed)
    data = training_data(teacher)
    # With five Euler steps in a sample, the estimate with one step is 4 to 9 % longer.
    assert estimate_tau(data, transitions(data)) == pytest.approx(tau_s, rel=0.11)
    assert one_step(data, OneStep(), RNG).network.tau_s == estimate_tau(data, transitions(data))


def test_no_transition_crosses_a_trial_or_a_gap():
    teacher = multi_region(units=3, trials=4, samples=10)
    data = training_data(teacher)
    r = data.r.copy()
    r[1, 4, 0] = np.nan
    pairs = transitions(data._replace(r=r), folds=2)
    assert len(pairs.x) == 4 * 9 - 2
    assert not ((pairs.trial == 1) & np.isin(pairs.time, [3, 4])).any()
    np.testing.assert_array_equal(np.tanh(pairs.x).round(12), data.r[pairs.trial, pairs.time].round(12))
    np.testing.assert_array_equal(np.tanh(pairs.x_next).round(12), data.r[pairs.trial, pairs.time + 1].round(12))
    # whole trials share a fold
    assert all(len(np.unique(pairs.fold[pairs.trial == trial])) == 1 for trial in range(4))
    # copies of a trial share the fold of the original
    copies = transitions(data._replace(trial=np.array([0, 0, 1, 2])), folds=3)
    assert set(copies.fold[copies.trial == 0]) == set(copies.fold[copies.trial == 1])


def test_one_long_stretch_is_cut_into_blocks():
    teacher = multi_region(units=3, trials=1, samples=101)
    fold = transitions(training_data(teacher), folds=5).fold
    assert list(np.bincount(fold)) == [20] * 5
    assert (np.diff(fold) >= 0).all()


def test_the_current_that_carries_a_state_on_is_the_target():
    teacher = multi_region(units=5, trials=2, samples=20, substeps=1, process_noise=0.0)
    pairs = transitions(training_data(teacher))
    network = teacher.network
    current = pairs.r @ network.J.T + pairs.u @ network.B.T + network.b
    np.testing.assert_allclose(targets(pairs, network.decay), current, atol=1e-9)
