"""Fixed points and slow points of networks whose attractors are known: all of them, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.dynamics.field import field_at, positions
from curbd.dynamics.fixed_points import Portrait, portrait
from curbd.network.equation import Network, simulate
from lrfit.network import LowRank, from_factors
from lrfit.teachers import constructed, low_rank_teacher


def low_rank(teacher: low_rank_teacher.LowRankTeacher) -> LowRank:
    return LowRank(teacher.m, teacher.n, teacher.network)


def rests(network: LowRank, seed: int = 0, u: np.ndarray | None = None) -> Portrait:
    """The portrait of a network that visited states in a cloud around the origin."""
    rank = network.m.shape[1]
    visited = np.random.default_rng(seed).standard_normal((300, rank))
    return portrait(field_at(network, np.zeros(network.network.B.shape[1]) if u is None else u), visited)


def kinds(points: Portrait) -> dict[str, int]:
    names = [point.stability for point in points.fixed]
    return {name: names.count(name) for name in set(names)}


@pytest.mark.parametrize("seed", range(10))
def test_two_bits_have_four_attractors_and_five_points_between(seed: int) -> None:
    points = rests(low_rank(constructed.flip_flop(seed, units=200)))
    assert kinds(points) == {"stable": 4, "saddle": 4, "unstable": 1}
    assert points.complete
    stable = np.array([point.z for point in points.fixed if point.stability == "stable"])
    assert {tuple(corner) for corner in np.sign(stable)} == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


@pytest.mark.parametrize("seed", range(10))
def test_a_decision_has_two_attractors_and_the_point_that_parts_them(seed: int) -> None:
    points = rests(low_rank(constructed.random_dots(seed, units=200)))
    assert kinds(points) == {"stable": 2, "unstable": 1}
    low, high = sorted(float(point.z[0]) for point in points.fixed if point.stability == "stable")
    assert low == pytest.approx(-high)  # a network without bias is odd


def test_all_fixed_points_of_a_network_of_rank_five_are_found() -> None:
    """One population a bit: 3^5 points, each a choice of network of the three points of every bit."""
    teacher = constructed.flip_flop(3, units=400, bits=5)
    points = rests(low_rank(teacher))
    assert len(points.fixed) == 3**5
    assert kinds(points)["stable"] == 2**5
    assert points.complete


def test_an_input_moves_the_fixed_points_and_may_end_them() -> None:
    network = low_rank(constructed.random_dots(0, units=200))
    points = rests(network, u=np.array([1.0]))
    assert kinds(points) == {"stable": 1}
    assert points.complete
    end = simulate(network.network, np.zeros((1, 200)), np.ones((1, 600, 1)))[0, -1]
    np.testing.assert_allclose(end @ network.n, points.fixed[0].z, atol=1e-8)


def test_the_eigenvalues_are_those_of_the_whole_network() -> None:
    network = low_rank(constructed.flip_flop(1, units=60))
    point = rests(network).fixed[-1]
    gain = 1 - np.tanh(network.m @ point.z + network.network.b) ** 2
    whole = np.linalg.eigvals(network.network.J * gain)
    largest = whole[np.argsort(-np.abs(whole))[:2]]
    np.testing.assert_allclose(np.sort(largest.real), np.sort(point.eigenvalues.real), atol=1e-8)


def test_the_recurrence_is_the_derivative_of_the_velocity() -> None:
    network = low_rank(constructed.flip_flop(1, units=60))
    field, z, step = field_at(network, np.array([0.3, -0.2])), np.array([0.4, 0.9]), 1e-6
    slopes = [(field.velocity(z + step * e) - field.velocity(z - step * e)) / (2 * step) for e in np.eye(2)]
    np.testing.assert_allclose(np.column_stack(slopes), field.recurrence(z) - np.eye(2), atol=1e-8)


def test_a_ghost_of_a_fixed_point_is_a_slow_point() -> None:
    """Just past the input at which a stable and an unstable point meet, none is left but the flow is slow there."""
    network = low_rank(constructed.random_dots(0, units=200))
    threshold = next(u for u in np.arange(0, 1, 0.01) if len(rests(network, u=np.array([u])).fixed) == 1)
    field = field_at(network, np.array([threshold]))
    visited = np.linspace(-2, 2, 300)[:, None]
    points = portrait(field, visited)
    assert len(points.fixed) == 1
    assert [point.type for point in points.slow] == ["slow_point"]
    assert points.slow[0].z[0] * points.fixed[0].z[0] < 0
    assert np.linalg.norm(field.velocity(points.slow[0].z)) == points.slow[0].speed > 0


def test_a_network_that_only_decays_rests_at_zero() -> None:
    m, n = np.random.default_rng(0).standard_normal((2, 50, 3))
    network = from_factors(
        m, n / 500, Network(J=np.zeros((50, 50)), B=np.zeros((50, 0)), b=np.zeros(50), tau_s=0.1, dt_s=0.02)
    )
    points = rests(network)
    assert [point.stability for point in points.fixed] == ["stable"]
    np.testing.assert_allclose(points.fixed[0].z, 0, atol=1e-10)


def test_positions_follow_the_latents_of_the_running_network() -> None:
    teacher = constructed.flip_flop(0, units=80)
    network = low_rank(teacher)
    u = np.random.default_rng(0).standard_normal((2, 100, 2)) * (np.arange(100) > 5)[:, None]
    r = simulate(teacher.network, np.array([network.m[:, 0], -network.m[:, 1]]), u)
    z, kappa = positions(network, r, u), r @ network.n
    step = 0.02 / 0.1
    np.testing.assert_allclose(z[:, 1:], z[:, :-1] + step * (kappa - z)[:, :-1], atol=1e-9)
    np.testing.assert_allclose(z[:, 0], np.eye(2) * [1, -1], atol=1e-9)
