"""What is said about the geometry of a network does not depend on the gauge, and adds up."""

import numpy as np
import pytest

from curbd.network.equation import Network
from lrfit.mechanism.geometry import (
    connectivity_r,
    current_r2,
    effective,
    overlaps,
    region_shares,
    vectors,
    visited_directions,
)
from lrfit.network import LowRank, from_factors, in_canonical_gauge

UNITS = 60


def network(seed: int, rank: int = 2) -> LowRank:
    rng = np.random.default_rng(seed)
    m, n = rng.standard_normal((2, UNITS, rank))
    nothing = Network(np.zeros((UNITS, UNITS)), rng.standard_normal((UNITS, 1)), np.zeros(UNITS), 0.1, 0.02)
    return from_factors(m, n / UNITS, nothing)


def regauged(one: LowRank, seed: int) -> LowRank:
    G = np.random.default_rng(seed).standard_normal((one.m.shape[1],) * 2)
    return from_factors(one.m @ G, one.n @ np.linalg.inv(G).T, one.network)


def rates(one: LowRank, samples: int = 500) -> np.ndarray:
    """Rates that visit no more directions than the latents and the input span, and nearly only these."""
    rng = np.random.default_rng(9)
    z, v = rng.standard_normal((samples, one.m.shape[1])), rng.standard_normal((samples, 1))
    return np.tanh(0.3 * (z @ one.m.T + v @ one.network.B.T))


def test_nothing_depends_on_the_gauge():
    one, r = network(0), rates(network(0))
    other = regauged(one, 1)
    directions = visited_directions(r)
    assert connectivity_r(one, other) == pytest.approx(1, abs=1e-10)
    assert connectivity_r(effective(one, directions), effective(other, directions)) == pytest.approx(1, abs=1e-10)
    for k, same in enumerate((in_canonical_gauge(one, r), in_canonical_gauge(other, r))):
        np.testing.assert_allclose(same.network.J, one.network.J, atol=1e-12, err_msg=str(k))
        np.testing.assert_allclose(same.m.T @ same.m, UNITS * np.eye(2), atol=1e-9)
    np.testing.assert_allclose(in_canonical_gauge(one, r).n, in_canonical_gauge(other, r).n, atol=1e-9)


def test_connectivity_r_is_the_cosine_of_the_weights():
    one, other = network(0), network(1)
    J, K = one.network.J, other.network.J
    assert connectivity_r(one, other) == pytest.approx((J * K).sum() / np.linalg.norm(J) / np.linalg.norm(K))


def test_effective_connectivity_ignores_what_the_rates_do_not_see():
    one, r = network(0), rates(network(0))
    directions = visited_directions(r)
    assert directions.shape[1] < UNITS / 2
    unseen = np.random.default_rng(3).standard_normal(one.n.shape) / UNITS
    unseen -= directions @ (directions.T @ unseen)
    other = from_factors(one.m, one.n + unseen, one.network)
    assert connectivity_r(one, other) < 0.8
    assert connectivity_r(effective(one, directions), effective(other, directions)) == pytest.approx(1, abs=1e-10)
    # Yet the current is the same to the share of the variance that was left out.
    assert current_r2(one, other, r) > 0.99


def test_overlaps_are_cosines_of_the_vectors():
    one = network(0)
    table = overlaps(vectors(one, ["go"]))
    assert table.sizes == {"vector": 5, "with": 5}
    np.testing.assert_allclose(np.diag(table), 1)
    n, w = one.n[:, 0], one.network.B[:, 0]
    wanted = n @ w / np.linalg.norm(n) / np.linalg.norm(w)
    assert float(table.sel({"vector": "n_1", "with": "input:go"})) == pytest.approx(wanted)


def test_the_shares_of_the_regions_sum_to_one_and_a_silent_one_has_none():
    one, r = network(0), rates(network(0))
    region = np.repeat(["A", "B", "C"], UNITS // 3)
    one = one._replace(n=one.n * (region != "B")[:, None])
    shares = region_shares(one, r, region)
    np.testing.assert_allclose(shares.sum("region"), 1, atol=1e-12)
    assert np.abs(shares.sel(region="B")).max() == 0
    assert (shares.sel(region="A") > 0).all()


def test_a_mean_of_next_to_nothing_is_no_direction():
    """Two recordings of one symmetric task have means of rounding error, which point anywhere."""
    rng = np.random.default_rng(0)
    r = np.tanh(rng.standard_normal((500, 2)) @ rng.standard_normal((2, 30)))
    r = np.concatenate([r, -r]) + 1e-6 * rng.standard_normal(30)
    few = visited_directions(r, 0.9)
    assert few.shape[1] == visited_directions(r + 1, 0.9).shape[1] - 1
