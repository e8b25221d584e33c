"""Recursive least squares on the running network: the published algorithm without its defects."""

import numpy as np
import pytest

from curbd.estimators.force import PATIENCE_PASSES, force, random_network, set_aside
from curbd.network.equation import free_run, simulate
from curbd.network.nonlinearity import TANH
from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import Force
from curbd.teachers import multi_region, published_three_region
from tests.support.recovery import training_data


def plain(data: TrainingData, options: Force, seed: int) -> np.ndarray:
    """The algorithm as in the publication, one vector equation in each line; the bias is a rate that is always 1."""
    rng = np.random.default_rng(seed)
    trials, samples, n = data.r.shape
    J = options.gain * rng.standard_normal((n, n)) / np.sqrt(n)
    smooth, noise = np.ones((trials, n)), []
    for _ in range(samples):
        white = np.sqrt(options.noise_tau_s / data.dt_s) * rng.standard_normal((trials, n))
        smooth = white + (smooth - white) * np.exp(-data.dt_s / options.noise_tau_s)
        noise.append(options.noise * smooth)
    W = np.column_stack([J, np.zeros(n)])
    P = options.p0 * np.eye(n + 1)
    for _ in range(options.passes):
        for trial in range(trials):
            x = np.arctanh(data.r[trial, 0])
            for t in range(samples - 1):
                if np.isnan(data.r[trial, t + 1]).any():
                    break
                x = x + data.dt_s / data.tau_s * (-x + W @ np.append(np.tanh(x), 1) + noise[t][trial])
                z = np.append(np.tanh(x), 1)
                k = P @ z / (1 + z @ P @ z)
                P = P - np.outer(k, z @ P)
                W = W - np.outer(z[:n] - data.r[trial, t + 1], k)
    return W


def test_it_is_the_published_algorithm_trial_by_trial():
    """With two trials of different length: nothing is learned from the step between two trials."""
    teacher = multi_region(units=4, trials=2, samples=40, inputs="none", substeps=1)
    data = training_data(teacher, tau_s=0.1)
    data.r[0, 25:] = np.nan
    options = Force(passes=3)
    fit = force(data, options, np.random.default_rng(3)).network
    np.testing.assert_allclose(np.column_stack([fit.J, fit.b]), plain(data, options, 3), atol=1e-8)


def test_updates_of_many_samples_at_once_are_the_updates_of_every_sample():
    """With enough units that a block of updates is shorter than a trial and ends inside of a trial."""
    teacher = multi_region(units=16, trials=2, samples=45, inputs="none", substeps=1)
    data = training_data(teacher, tau_s=0.1)
    options = Force(passes=2)
    fit = force(data, options, np.random.default_rng(3)).network
    np.testing.assert_allclose(np.column_stack([fit.J, fit.b]), plain(data, options, 3), atol=1e-8)


def test_single_precision_gives_the_same_network_within_its_precision():
    data = training_data(multi_region(units=8, trials=3, samples=60), tau_s=0.1)
    double, single = (
        force(data, Force(passes=3, precision=precision), np.random.default_rng(0)).network.J
        for precision in ("double", "single")
    )
    assert single.dtype == double.dtype == np.float64
    # Rounding of single precision, 6e-8, over 500 updates.
    assert 0 < np.abs(single - double).max() < 2e-3 * np.abs(double).max()


def test_training_stops_when_trials_set_aside_are_predicted_no_better():
    data = training_data(multi_region(units=5, trials=10, samples=40, process_noise=0.1), tau_s=0.1)
    fitted, held_out = set_aside(data)
    assert sorted([*fitted.trial, *held_out.trial]) == list(range(10))
    assert len(held_out.trial) == 2

    def held_out_r2(passes: int) -> float:
        network = force(fitted, Force(passes=passes), np.random.default_rng(0)).network
        error = free_run(network, held_out.r, held_out.u) - held_out.r
        return 1 - (error**2).sum() / ((held_out.r - held_out.r.mean((0, 1))) ** 2).sum()

    stopped = force(data, Force(passes=40, stop="held_out"), np.random.default_rng(0)).network
    r2 = [held_out_r2(passes) for passes in range(1, 41)]
    best = next(n for n in range(1, 41) if r2[n - 1] == max(r2[: n + PATIENCE_PASSES]))
    same = force(fitted, Force(passes=best), np.random.default_rng(0)).network
    np.testing.assert_allclose(stopped.J, same.J, atol=1e-12)
    assert best < 40


def test_a_single_trial_is_set_aside_in_part():
    data = training_data(multi_region(units=4, trials=1, samples=50), tau_s=0.1)
    fitted, held_out = set_aside(data)
    np.testing.assert_array_equal(np.concatenate([fitted.r, held_out.r], axis=1), data.r)
    assert held_out.r.shape[1] == 10


def test_stretches_before_and_after_missing_bins_are_separate_trials():
    data = training_data(multi_region(units=4, trials=2, samples=40, inputs="none", substeps=1), tau_s=0.1)
    r, late = data.r.copy(), data.r[:, 21:]
    r[:, 0], r[:, 20] = np.nan, np.nan
    early = np.full_like(late, np.nan)
    early[:, :19] = data.r[:, 1:20]
    apart = data._replace(r=np.stack([early, late], axis=1).reshape(4, 19, -1), u=np.zeros((4, 19, 0)))
    # Without noise, because the noise of a bin depends on its index in the trial, which differs here.
    options = Force(passes=2, noise=0.0)
    whole, pieces = (force(trials, options, np.random.default_rng(0)).network for trials in (data._replace(r=r), apart))
    np.testing.assert_allclose(whole.J, pieces.J, atol=1e-12)
    start = random_network(data, Force().gain, 0.1, np.random.default_rng(0))
    assert np.abs(whole.J - start.J).max() > 0.01


@pytest.mark.slow
def test_it_reproduces_the_published_simulator():
    teacher = published_three_region(units=60, seed=12)
    data = training_data(teacher, tau_s=0.1)
    network = force(data, Force(passes=10), np.random.default_rng(0)).network
    error = simulate(network, TANH.inverse(data.r[:, 0]), data.u) - data.r
    assert 1 - (error**2).sum() / ((data.r - data.r.mean()) ** 2).sum() > 0.95


@pytest.mark.parametrize("factor", [10, 0.1])
def test_the_unit_of_time_does_not_matter(factor):
    teacher = multi_region(units=5, trials=3, samples=30)
    data = training_data(teacher, tau_s=0.1)
    scaled = data._replace(dt_s=data.dt_s * factor, tau_s=0.1 * factor)
    network = force(data, Force(passes=3), np.random.default_rng(0)).network
    slower = force(scaled, Force(passes=3, noise_tau_s=0.1 * factor), np.random.default_rng(0)).network
    np.testing.assert_allclose(network.J, slower.J, atol=1e-8)
    np.testing.assert_allclose(network.B, slower.B, atol=1e-8)


def test_the_seed_decides_the_numbers():
    data = training_data(multi_region(units=4, trials=2, samples=30), tau_s=0.1)
    J, repeated, reseeded = (force(data, Force(passes=2), np.random.default_rng(seed)).network.J for seed in (0, 0, 1))
    assert np.array_equal(J, repeated)
    assert not np.allclose(J, reseeded)


def test_the_unit_of_an_input_does_not_matter():
    data = training_data(multi_region(units=5, trials=4, samples=40), tau_s=0.1)
    network = force(data, Force(passes=2), np.random.default_rng(0)).network
    in_other_unit = force(data._replace(u=1000 * data.u), Force(passes=2), np.random.default_rng(0)).network
    np.testing.assert_allclose(network.J, in_other_unit.J, atol=1e-8)
    np.testing.assert_allclose(network.B, 1000 * in_other_unit.B, atol=1e-8)
