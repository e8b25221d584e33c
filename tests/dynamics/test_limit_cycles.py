"""Period and multiplier of limit cycles, against networks for which both are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from curbd.dynamics.field import field_at
from curbd.dynamics.fixed_points import portrait
from curbd.dynamics.limit_cycles import limit_cycles, shoot
from curbd.network.equation import Network
from lrfit.network import LowRank, from_factors
from lrfit.teachers import constructed

AROUND = np.random.default_rng(0).standard_normal((200, 2))


def round_oscillator(gain: float, angle: float) -> tuple[LowRank, float, float]:
    """A network with the symmetry of a circle, its period in Euler steps, s, and its multiplier, by hand.

    With m on circles, n = gain m / units turned by an angle, a state of radius R goes in one step to
    R (1 - a) + a gain h(R) exp(i angle), where h(R) is the mean of rho cos t tanh(rho R cos t).
    """
    turn = 2 * np.pi * np.arange(32) / 32
    m = np.concatenate([rho * np.column_stack([np.cos(turn), np.sin(turn)]) for rho in np.linspace(0.5, 2, 8)])
    units, dt_s, tau_s = len(m), 0.005, 0.1
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    nothing = Network(J=np.zeros((units, units)), B=np.zeros((units, 0)), b=np.zeros(units), tau_s=tau_s, dt_s=dt_s)
    a, c = dt_s / tau_s, gain * np.exp(1j * angle)

    def after(radius: float) -> complex:
        return (1 - a) * radius + a * c * (np.tanh(radius * m[:, 0]) @ m[:, 0]) / units

    radius = brentq(lambda radius: abs(after(radius)) - radius, 0.01, 5)
    period_s = 2 * np.pi / np.angle(after(radius)) * dt_s
    outwards = (abs(after(radius + 1e-6)) - abs(after(radius - 1e-6))) / 2e-6
    return from_factors(m, gain * m @ rotation / units, nothing), period_s, outwards ** (period_s / dt_s)


@pytest.mark.parametrize("gain", [1.4, 1.8])
def test_the_cycle_of_a_round_network_has_the_period_and_multiplier_that_are_known(gain: float) -> None:
    network, period_s, multiplier = round_oscillator(gain, 0.5)
    field = field_at(network, np.zeros(0))
    (cycle,) = limit_cycles(field, AROUND)
    assert cycle.stability == "stable"
    # The steps are adapted so that a whole number of them fits the period: by 1 in 500 here.
    assert cycle.period_s == pytest.approx(period_s, rel=1e-3)
    assert cycle.multipliers[0] == pytest.approx(multiplier, abs=1e-3)
    assert np.ptp(np.linalg.norm(cycle.orbit, axis=1)) < 1e-2
    # Inside it there is the point around which it turns, and no other.
    assert [point.stability for point in portrait(field, AROUND).fixed] == ["unstable"]


@pytest.mark.parametrize("seed", range(3))
def test_the_cycle_of_a_random_network_is_that_of_its_flow(seed: int) -> None:
    teacher = constructed.oscillator(seed, units=200)
    (cycle,) = limit_cycles(field_at(LowRank(teacher.m, teacher.n, teacher.network), np.zeros(0)), AROUND)
    assert cycle.period_s == pytest.approx(1.0, rel=0.01)
    assert cycle.multipliers[0] == pytest.approx(0.2, abs=0.02)


def test_networks_that_come_to_rest_have_no_cycle() -> None:
    teacher = constructed.flip_flop(0, units=100)
    assert limit_cycles(field_at(LowRank(teacher.m, teacher.n, teacher.network), np.zeros(2)), AROUND) == []
    dots = constructed.random_dots(0, units=100)
    assert limit_cycles(field_at(LowRank(dots.m, dots.n, dots.network), np.zeros(1)), AROUND[:, :1]) == []


def test_a_bad_guess_gives_nothing_rather_than_something_else() -> None:
    network, period_s, _ = round_oscillator(1.6, 0.5)
    field = field_at(network, np.zeros(0))
    assert shoot(field, np.array([1e-3, 0.0]), period_s / 5) is None
