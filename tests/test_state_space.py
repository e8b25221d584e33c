"""Measurement noise: the regression on the states behind noisy rates recovers what noise on the regressors hides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from known_network import small
from scipy.ndimage import gaussian_filter1d
from teacher_data import correlation, current, explained, training_data

from curbd import teachers
from curbd.config import Model, OneStep, StateSpace
from curbd.ensemble import Fit
from curbd.estimators.one_step import one_step
from curbd.estimators.smoother import Noise, draw, improve, seen, time_first
from curbd.estimators.state_space import inferred_rates, smoothed, state_space
from curbd.estimators.transitions import TrainingData
from curbd.fitting import fit
from curbd.network import Network

Array = np.ndarray
NOISE = 0.05
PROCESS_SD = 0.3 * np.sqrt(0.01 / 0.1)


def teacher(seed: int = 300, **changes: object) -> teachers.Teacher:
    """Three regions of 15 units, one Euler step a sample, no measurement noise: the tests add it themselves."""
    settings: dict[str, object] = {"units": 15, "trials": 20, "samples": 200, "substeps": 1, "seed": seed}
    return teachers.multi_region(**(settings | changes))


def noisy(data: TrainingData, sd: float = NOISE) -> TrainingData:
    rng = np.random.default_rng(1)
    return data._replace(r=np.clip(data.r + sd * rng.standard_normal(data.r.shape), -0.9999, 0.9999))


def fitted(data: TrainingData, **options: object) -> Fit:
    return state_space(data, StateSpace(**options), np.random.default_rng(0))


def regressed(data: TrainingData, width: float = 0.0) -> Fit:
    """One-step regression on rates smoothed with a Gaussian of so many samples."""
    r = np.clip(gaussian_filter1d(data.r, width, axis=1), -0.999, 0.999) if width else data.r
    return one_step(data._replace(r=r), OneStep(), np.random.default_rng(0))


def between_regions(known: teachers.Teacher, found: Fit) -> tuple[float, float]:
    """Correlation and R2 of the currents between regions at the true rates, means over the six pathways."""
    scores = []
    for target, source in ((t, s) for t in "ABC" for s in "ABC" if t != s):
        rows, columns = known.region == target, known.region == source
        true = current(known.network, known.rates, rows, columns)
        estimate = current(found.network, known.rates, rows, columns)
        scores.append((correlation(true, estimate), explained(estimate, true)))
    r, r2 = np.mean(scores, axis=0)
    return float(r), float(r2)


@pytest.fixture(scope="module")
def known() -> teachers.Teacher:
    return teacher()


@pytest.fixture(scope="module")
def found(known: teachers.Teacher) -> Fit:
    return fitted(noisy(training_data(known, tau_s=0.1)))


def test_noisy_rates_give_better_currents_than_any_smoothing(known: teachers.Teacher, found: Fit) -> None:
    data = noisy(training_data(known, tau_s=0.1))
    others = np.array([between_regions(known, regressed(data, width)) for width in (0, 1, 2, 3)])
    r, r2 = between_regions(known, found)
    assert r > others[:, 0].max() + 0.01
    assert r2 > others[:, 1].max() + 0.03


def test_both_noises_are_told_apart(found: Fit) -> None:
    # A fifth of the truth: what a user needs in order to know which of the two spoils the recording.
    assert found.measurement_noise_sd is not None
    assert found.process_noise_sd is not None
    assert np.mean(found.measurement_noise_sd) == pytest.approx(NOISE, rel=0.2)
    assert np.mean(found.process_noise_sd) == pytest.approx(PROCESS_SD, rel=0.2)


def test_without_measurement_noise_nothing_is_lost(known: teachers.Teacher) -> None:
    data = training_data(known, tau_s=0.1)
    exact = fitted(data)
    here, plain = between_regions(known, exact), between_regions(known, regressed(data))
    assert here[0] > plain[0] - 0.002
    assert here[1] > plain[1] - 0.005
    assert exact.measurement_noise_sd is not None
    assert np.mean(exact.measurement_noise_sd) < 0.01


def test_the_time_constant_is_not_that_of_the_noise_nor_of_the_smoothing(known: teachers.Teacher) -> None:
    data = noisy(training_data(known))
    # Noise on the rates pulls the regression's time constant to one sample, smoothing to twice the true one.
    assert regressed(data).network.tau_s < 0.03
    assert fitted(data).network.tau_s == pytest.approx(0.1, rel=0.35)


def test_spike_counts_give_better_currents_than_smoothing() -> None:
    counted = teacher(trials=60)
    data = training_data(counted, tau_s=0.1)
    spikes = np.random.default_rng(2).poisson(50 * 0.01 * (1 + counted.rates) / 2)
    data = data._replace(r=2 * spikes / (50 * 0.01) - 1)
    others = [between_regions(counted, regressed(data, width))[0] for width in (2, 4)]
    found = fitted(data, noise="counts")
    assert between_regions(counted, found)[0] > max(others) + 0.05
    # The variance of counts is their mean: 4 (1 + r) / 2 / .5 in these units.
    assert found.measurement_noise_sd is not None
    assert np.sqrt((found.measurement_noise_sd**2).mean()) == pytest.approx(2.0, rel=0.2)


def test_intervals_hold_the_truth_and_are_wider_for_the_noise(known: teachers.Teacher, found: Fit) -> None:
    exact = regressed(training_data(known, tau_s=0.1))
    assert found.posterior is not None
    assert exact.posterior is not None
    assert 0.88 < _coverage(known, found) < 0.99
    # The noise-free rates tell more about every weight together, and about hardly any direction less.
    assert np.linalg.slogdet(found.posterior.gram)[1] < np.linalg.slogdet(exact.posterior.gram)[1] - 1


def _coverage(known: teachers.Teacher, fit: Fit) -> float:
    """Share of the weights inside their 95 % interval."""
    assert fit.posterior is not None
    inside = []
    for row, ridge in enumerate(fit.posterior.ridge):
        covariance = np.linalg.inv(fit.posterior.gram + np.diag(ridge)) * fit.posterior.noise_variance[row]
        n = len(known.region)
        inside.append(np.abs(fit.network.J[row] - known.network.J[row]) < 1.96 * np.sqrt(np.diag(covariance)[:n]))
    return float(np.mean(inside))


def test_inferred_rates_are_nearer_to_the_true_ones(known: teachers.Teacher, found: Fit) -> None:
    data = noisy(training_data(known, tau_s=0.1))
    r = data.r.copy()
    r[2, 150:] = np.nan
    inferred = inferred_rates(r, data.u, found.network, found.process_noise_sd, found.measurement_noise_sd)
    assert np.isnan(inferred[2, 150:]).all()
    seen_bins = np.isfinite(r)
    error, best = ((rates[seen_bins] - known.rates[seen_bins]).std() for rates in (inferred, smoothed(r)))
    assert error < 0.75 * NOISE
    assert error < best


def test_missing_bins_are_left_out(known: teachers.Teacher) -> None:
    data = noisy(training_data(known, tau_s=0.1))
    r = data.r.copy()
    r[:5, 150:] = np.nan
    r[7, 40:45, 3] = np.nan
    holes = fitted(data._replace(r=r), rounds=3)
    short = data._replace(r=np.where(np.isnan(r).any(2, keepdims=True), np.nan, r))
    # One unknown unit makes a bin unknown; nothing that stands in such a bin matters.
    assert np.isfinite(holes.network.J).all()
    np.testing.assert_allclose(holes.network.J, fitted(short, rounds=3).network.J, atol=0.01)


def test_one_trial_without_inputs_can_be_fitted() -> None:
    alone = teacher(trials=1, inputs="none")
    data = noisy(training_data(alone, tau_s=0.1))
    one = fitted(data._replace(u=np.zeros((*data.r.shape[:2], 0))), rounds=3)
    assert one.network.B.shape == (45, 0)
    assert np.isfinite(one.network.J).all()


def test_same_seed_same_network(known: teachers.Teacher) -> None:
    data = noisy(training_data(known, tau_s=0.1, trials=slice(4)))
    first, second = fitted(data, rounds=2), fitted(data, rounds=2)
    np.testing.assert_array_equal(first.network.J, second.network.J)


def test_noises_are_stored_with_the_network(tmp_path: Path) -> None:
    recording, _ = small(tmp_path, measurement_noise=NOISE)
    model = Model(family="full_rank", estimator="state_space", options={"rounds": 2}, seeds=[0, 1], tau_s=0.1)
    networks, _ = fit(recording, "noisy", model)
    for kind in ("measurement_noise_sd", "process_noise_sd"):
        assert networks[kind].dims == ("seed", "target")
        assert (networks[kind] > 0).all()


def test_the_smoother_finds_the_posterior_of_a_linear_chain() -> None:
    """Small states are linear: mean and variance must be those of the dense Gaussian posterior."""
    rng, n_samples, q, s = np.random.default_rng(3), 12, 4e-6, 1e-6
    network = Network(np.zeros((1, 1)), np.zeros((1, 0)), np.zeros(1), 0.1, 0.01)
    r = 0.003 * rng.standard_normal((1, n_samples, 1))
    one = torch.ones(1)
    noise = Noise(q * one, s * one, None, 0 * one, 0 * one, 1e-2 * one)
    data = seen(r, np.zeros((1, n_samples, 0)))
    x = time_first(np.zeros_like(r))
    for _ in range(10):
        x = improve(x, data, network, noise)
    step = np.eye(n_samples)[1:] - 0.9 * np.eye(n_samples)[:-1]
    precision = step.T @ step / q + np.eye(n_samples) / s
    precision[0, 0] += 100
    np.testing.assert_allclose(x[:, 0, 0], np.linalg.solve(precision, r[0, :, 0] / s), atol=1e-6)
    random = torch.Generator().manual_seed(0)
    draws = np.stack([draw(x, data, network, noise, random)[:, 0, 0].numpy() for _ in range(2000)])
    # 2000 draws know a variance to 3 %; five of these are allowed.
    np.testing.assert_allclose(draws.var(0), np.diag(np.linalg.inv(precision)), rtol=0.15)


def test_the_start_is_smoothed_as_much_as_the_noise_asks(known: teachers.Teacher) -> None:
    noisy_rates = noisy(training_data(known), 0.3).r
    exact, little, much = (
        np.abs(smoothed(r) - r).mean() for r in (known.rates, noisy(training_data(known)).r, noisy_rates)
    )
    assert exact < little < much
    assert np.mean((smoothed(noisy_rates) - known.rates) ** 2) < np.mean((noisy_rates - known.rates) ** 2) / 2
