"""The simulation is the equation of the documentation, step by step."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from curbd.estimators.one_step import one_step
from curbd.network import equation
from curbd.network.equation import Network, decay, rates_inside_step, simulate
from curbd.network.nonlinearity import TANH
from curbd.settings.estimators import OneStep
from curbd.teachers import multi_region
from tests.support.recovery import explained, training_data


def network(units: int = 7, inputs: int = 2, substeps: int = 3, dt_s: float = 0.02) -> Network:
    rng = np.random.default_rng(5)
    J = 1.5 * rng.standard_normal((units, units)) / np.sqrt(units)
    return Network(
        J=J,
        B=rng.standard_normal((units, inputs)),
        b=rng.standard_normal(units),
        tau_s=0.1,
        dt_s=dt_s,
        substeps=substeps,
    )


def surroundings(trials: int = 3, samples: int = 20, units: int = 7, inputs: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    return rng.standard_normal((trials, units)), rng.standard_normal((trials, samples, inputs))


def plain_loop(
    net: Network, x0: np.ndarray, u: np.ndarray, *, drive: np.ndarray | None = None, gain: np.ndarray | None = None
) -> np.ndarray:
    """The equation written a second time: plain loops over units and steps."""
    trials, samples, _ = u.shape
    units = len(net.b)
    rates = np.zeros((trials, samples, units))
    for trial in range(trials):
        x = list(x0[trial])
        for t in range(samples):
            factor = [1.0] * units if gain is None else list(gain[min(trial, len(gain) - 1), t])
            for substep in range(net.substeps):
                r = [factor[i] * np.tanh(x[i]) for i in range(units)]
                if substep == 0:
                    rates[trial, t] = r
                x_next = []
                for i in range(units):
                    total = sum(net.J[i, j] * r[j] for j in range(units)) + net.b[i]
                    total += sum(net.B[i, k] * u[trial, t, k] for k in range(u.shape[2]))
                    total += 0 if drive is None else drive[trial, t, i]
                    x_next.append(x[i] + net.dt_s / net.substeps / net.tau_s * (total - x[i]))
                x = x_next
    return rates


@pytest.mark.parametrize("substeps", [1, 4])
def test_a_run_is_the_equation(substeps: int) -> None:
    net, (x0, u) = network(substeps=substeps), surroundings()
    np.testing.assert_allclose(simulate(net, x0, u), plain_loop(net, x0, u), atol=1e-12)


@pytest.mark.parametrize("trials", [1, 3])
def test_silencing_and_driving_act_while_they_last(trials: int) -> None:
    net, (x0, u) = network(), surroundings()
    gain = np.ones((trials, 20, 7))
    gain[:, 5:10, :3] = 0.25
    drive = np.random.default_rng(7).standard_normal((3, 20, 7))
    run = simulate(net, x0, u, drive=drive, gain=gain)
    np.testing.assert_allclose(run, plain_loop(net, x0, u, drive=drive, gain=gain), atol=1e-12)
    intact = simulate(net, x0, u, drive=drive)
    np.testing.assert_array_equal(run[:, :5], intact[:, :5])
    assert np.abs(run[:, 10:] - intact[:, 10:]).max() > 1e-3


def test_a_silenced_unit_is_silent_and_sends_nothing() -> None:
    net, (x0, u) = network(), surroundings()
    gain = np.ones((1, 20, 7))
    gain[..., 0] = 0
    run = simulate(net, x0, u, gain=gain)
    assert not run[..., 0].any()
    without = net._replace(J=np.where(np.arange(7) == 0, 0, net.J))
    np.testing.assert_allclose(run[..., 1:], simulate(without, x0, u)[..., 1:], atol=1e-12)


def test_the_first_sample_is_the_start_and_noise_repeats_with_its_seed() -> None:
    net, (x0, u) = network(), surroundings()
    runs = [simulate(net, x0, u, noise_sd=0.1, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.abs(runs[0] - runs[2]).max() > 1e-3
    np.testing.assert_allclose(runs[0][:, 0], np.tanh(x0))


def test_noise_of_a_step_has_the_standard_deviation_that_was_asked_for() -> None:
    still = Network(J=np.zeros((50, 50)), B=np.zeros((50, 0)), b=np.zeros(50), tau_s=0.1, dt_s=0.01)
    r = simulate(still, np.zeros((400, 50)), np.zeros((400, 2, 0)), noise_sd=0.05, rng=np.random.default_rng(0))
    assert np.std(TANH.inverse(r[:, 1])) == pytest.approx(0.05, rel=0.02)  # 20 000 draws: 0.5 % is one deviation


@pytest.mark.parametrize("dt_s", [0.01, 0.1, 1.0])
def test_the_unit_of_time_does_not_matter(dt_s: float) -> None:
    """Networks with the same ratio of step and time constant run alike."""
    net, (x0, u) = network(dt_s=dt_s)._replace(tau_s=5 * dt_s), surroundings(samples=60)
    same = net._replace(dt_s=0.25, tau_s=1.25)
    np.testing.assert_allclose(simulate(net, x0, u), simulate(same, x0, u), atol=1e-12)


@pytest.mark.parametrize("substeps", [1, 2, 10, 50])
def test_a_fit_with_the_right_substeps_finds_the_weights(substeps: int) -> None:
    teacher = multi_region(
        regions=("A", "B"), units=8, trials=40, samples=60, dt_s=0.02, substeps=substeps, process_noise=0.0, seed=1
    )
    fit = one_step(training_data(teacher, substeps=substeps, tau_s=0.1), OneStep(), np.random.default_rng(0))
    true = teacher.rates @ teacher.network.J.T
    # The smallest penalty takes away 1e-5 at any number of substeps; a fit with a single step would lose 1e-2.
    assert explained(teacher.rates @ fit.network.J.T, true) > 1 - 1e-4
    assert explained(fit.network.J, teacher.network.J) > 1 - 1e-4


@pytest.mark.parametrize("substeps", [1, 5])
def test_the_next_sample_is_what_is_left_of_the_state_plus_the_mean_current(substeps: int) -> None:
    """x' = D x + (1 - D)(J z + B u + b): the identity on which every regression rests."""
    net, (x0, u) = network(substeps=substeps), surroundings(samples=2)
    after = TANH.inverse(simulate(net, x0, u)[:, 1])
    constant = u[:, 0] @ net.B.T + net.b
    z = rates_inside_step(net, x0, constant)
    D = decay(net.dt_s, net.tau_s, substeps)
    np.testing.assert_allclose(after, D * x0 + (1 - D) * (z @ net.J.T + constant), atol=1e-9)


def test_the_example_of_the_docstring_runs() -> None:
    outcome = doctest.testmod(equation)
    assert outcome.attempted == 2
    assert outcome.failed == 0


def test_phi_and_its_inverse() -> None:
    x = np.linspace(-5, 5, 11)
    np.testing.assert_allclose(TANH.inverse(TANH.phi(x)), x, atol=1e-9)


def test_a_silenced_unit_has_the_rate_of_a_unit_that_does_not_fire() -> None:
    network = Network(np.array([[0.0, 2.0], [0.0, 0.0]]), np.zeros((2, 0)), np.zeros(2), tau_s=0.1, dt_s=0.01)
    gain = np.ones((1, 300, 2))
    gain[..., 1] = 0.0
    r = simulate(network, np.zeros((1, 2)), np.zeros((1, 300, 0)), gain=gain, silent=-1.0)
    np.testing.assert_array_equal(r[..., 1], -1.0)
    # The first unit receives its weight times the silent rate, and has settled after thirty time constants.
    np.testing.assert_allclose(r[0, -1, 0], np.tanh(-2.0), atol=1e-9)
