"""Gated units: published shares of slow directions, currents that add up, weights that are found from states."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from curbd.dynamics.gated_field import GatedField, closed_share, slow_share
from curbd.network.gated import gate_drives, gated_currents
from curbd.regression.gated import GatedPairs, fit_gated
from curbd.teachers.gated import gated

PUBLISHED = {0.0: (0.0, 0.0), 20.0: (0.216, 0.422)}
"""Gain of the gates -> shares of slow eigenvalues and of closed gates, from the reference experiment."""


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "shares"), PUBLISHED.items())
def test_share_of_slow_directions_is_that_of_the_reference(gain: float, shares: tuple[float, float]) -> None:
    measured = []
    for seed in range(3):
        teacher = gated(gate_gain=gain, seed=seed)
        state, field = np.concatenate([teacher.h[0, -1], teacher.z[0, -1]]), GatedField(teacher.network)
        measured.append((slow_share(field, state), closed_share(field, state)))
    np.testing.assert_allclose(np.mean(measured, axis=0), shares, atol=1e-3)


def test_the_jacobian_is_the_derivative_of_the_velocity(rng: np.random.Generator) -> None:
    field = GatedField(gated(units=4, samples=2).network)
    z, small = rng.standard_normal(8), 1e-6
    steps = small * np.eye(8)
    numerical = (field.velocity(z + steps) - field.velocity(z - steps)).T / (2 * small)
    np.testing.assert_allclose(field.recurrence(z) - np.eye(8), numerical, atol=1e-8)


def test_gated_currents_and_drives_of_all_sources_add_up() -> None:
    teacher = gated(units=6, samples=50, trials=2)
    network, h, z, region = teacher.network, teacher.h, teacher.z, np.repeat(["A", "B"], 3)
    step = network.dt_s / network.tau_s
    total = sum(gated_currents(network, h[:, :-1], np.tanh(h[:, :-1]), z[:, 1:], region).values())
    np.testing.assert_allclose(total, np.diff(h, axis=1) / step, atol=1e-10)
    drive = sum(gate_drives(network, np.tanh(h[:, :-1]), region).values())
    np.testing.assert_allclose(drive - z[:, :-1], np.diff(z, axis=1) / step, atol=1e-10)


def test_weights_of_states_and_gates_are_found_from_states_alone() -> None:
    teacher = gated(gate_gain=5.0, weight_size=5.0, units=8, trials=12, samples=400, noise_sd=0.02, seed=100)
    network, train, test = teacher.network, teacher.h[:-2], teacher.h[-2:]
    fitted = fit_gated(train, network.tau_s, network.dt_s)
    assert np.corrcoef(fitted.J.ravel(), network.J.ravel())[0, 1] > 0.98
    assert np.corrcoef(fitted.G.ravel(), network.G.ravel())[0, 1] > 0.9
    half_open = fit_gated(train, network.tau_s, network.dt_s, gates=False)
    errors = {}
    for name, of_network in {"gates": fitted, "half open": half_open}.items():
        pairs = GatedPairs.of(test, of_network.dt_s / of_network.tau_s)
        errors[name] = ((pairs.change - pairs.predicted(of_network)) ** 2).mean()
    noise = (0.02 * network.tau_s / network.dt_s) ** 2
    assert errors["gates"] < 1.1 * noise < errors["half open"]
    assert not half_open.G.any()
    assert expit(teacher.z).min() < 0.1
