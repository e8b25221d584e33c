"""Fixed points and slow points of networks whose attractors are known: all of them, and no others."""

import numpy as np
import pytest

from curbd.network.equation import Network, simulate
from lrfit.mechanism.dynamics import Portrait, field, portrait, recurrence, velocity
from lrfit.network import LowRank, from_factors, positions
from lrfit.teachers import by_hand


def low_rank(teacher: by_hand.LowRankTeacher) -> LowRank:
    return LowRank(teacher.m, teacher.n, teacher.network)


def rests(one: LowRank, seed: int = 0, u: np.ndarray | None = None) -> Portrait:
    """The portrait of a network that visited a cloud around the origin."""
    rank = one.m.shape[1]
    visited = np.random.default_rng(seed).standard_normal((300, rank))
    return portrait(field(one, np.zeros(one.network.B.shape[1]) if u is None else u), visited)


def kinds(found: Portrait) -> dict[str, int]:
    names = [point.stability for point in found.fixed]
    return {name: names.count(name) for name in set(names)}


@pytest.mark.parametrize("seed", range(10))
def test_two_bits_have_four_attractors_and_five_points_between(seed):
    found = rests(low_rank(by_hand.flip_flop(seed, units=200)))
    assert kinds(found) == {"stable": 4, "saddle": 4, "unstable": 1}
    assert found.complete
    stable = np.array([point.z for point in found.fixed if point.stability == "stable"])
    assert {tuple(corner) for corner in np.sign(stable)} == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


@pytest.mark.parametrize("seed", range(10))
def test_a_decision_has_two_attractors_and_the_point_that_parts_them(seed):
    found = rests(low_rank(by_hand.random_dots(seed, units=200)))
    assert kinds(found) == {"stable": 2, "unstable": 1}
    low, high = sorted(float(point.z[0]) for point in found.fixed if point.stability == "stable")
    assert low == pytest.approx(-high)  # a network without bias is odd


def test_all_fixed_points_of_a_network_of_rank_five_are_found():
    """One population a bit: 3^5 points, each a choice of one of the three points of every bit."""
    teacher = by_hand.flip_flop(3, units=400, bits=5)
    found = rests(low_rank(teacher))
    assert len(found.fixed) == 3**5
    assert kinds(found)["stable"] == 2**5
    assert found.complete


def test_an_input_moves_the_fixed_points_and_may_end_them():
    one = low_rank(by_hand.random_dots(0, units=200))
    found = rests(one, u=np.array([1.0]))
    assert kinds(found) == {"stable": 1}
    assert found.complete
    end = simulate(one.network, np.zeros((1, 200)), np.ones((1, 600, 1)))[0, -1]
    np.testing.assert_allclose(end @ one.n, found.fixed[0].z, atol=1e-8)


def test_the_eigenvalues_are_those_of_the_whole_network():
    one = low_rank(by_hand.flip_flop(1, units=60))
    point = rests(one).fixed[-1]
    gain = 1 - np.tanh(one.m @ point.z + one.network.b) ** 2
    whole = np.linalg.eigvals(one.network.J * gain)
    largest = whole[np.argsort(-np.abs(whole))[:2]]
    np.testing.assert_allclose(np.sort(largest.real), np.sort(point.eigenvalues.real), atol=1e-8)


def test_the_recurrence_is_the_derivative_of_the_velocity():
    one = low_rank(by_hand.flip_flop(1, units=60))
    of, z, step = field(one, np.array([0.3, -0.2])), np.array([0.4, 0.9]), 1e-6
    slopes = [(velocity(of, z + step * e) - velocity(of, z - step * e)) / (2 * step) for e in np.eye(2)]
    np.testing.assert_allclose(np.column_stack(slopes), recurrence(of, z) - np.eye(2), atol=1e-8)


def test_a_ghost_of_a_fixed_point_is_a_slow_point():
    """Just past the input at which a stable and an unstable point meet, none is left but the flow is slow there."""
    one = low_rank(by_hand.random_dots(0, units=200))
    threshold = next(u for u in np.arange(0, 1, 0.01) if len(rests(one, u=np.array([u])).fixed) == 1)
    of = field(one, np.array([threshold]))
    visited = np.linspace(-2, 2, 300)[:, None]
    found = portrait(of, visited)
    assert len(found.fixed) == 1
    assert [point.type for point in found.slow] == ["slow_point"]
    assert found.slow[0].z[0] * found.fixed[0].z[0] < 0
    assert np.linalg.norm(velocity(of, found.slow[0].z)) == found.slow[0].speed > 0


def test_a_network_that_only_decays_rests_at_zero():
    m, n = np.random.default_rng(0).standard_normal((2, 50, 3))
    one = from_factors(m, n / 500, Network(np.zeros((50, 50)), np.zeros((50, 0)), np.zeros(50), 0.1, 0.02))
    found = rests(one)
    assert [point.stability for point in found.fixed] == ["stable"]
    np.testing.assert_allclose(found.fixed[0].z, 0, atol=1e-10)


def test_positions_follow_the_latents_of_the_running_network():
    teacher = by_hand.flip_flop(0, units=80)
    one = low_rank(teacher)
    u = np.random.default_rng(0).standard_normal((2, 100, 2)) * (np.arange(100) > 5)[:, None]
    r = simulate(teacher.network, np.array([one.m[:, 0], -one.m[:, 1]]), u)
    z, kappa = positions(one, r, u), r @ one.n
    step = 0.02 / 0.1
    np.testing.assert_allclose(z[:, 1:], z[:, :-1] + step * (kappa - z)[:, :-1], atol=1e-9)
    np.testing.assert_allclose(z[:, 0], np.eye(2) * [1, -1], atol=1e-9)
