"""What is said about the geometry of a network does not depend on the gauge, and adds up."""

from __future__ import annotations

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
    nothing = Network(
        J=np.zeros((UNITS, UNITS)), B=rng.standard_normal((UNITS, 1)), b=np.zeros(UNITS), tau_s=0.1, dt_s=0.02
    )
    return from_factors(m, n / UNITS, nothing)


def regauged(low_rank: LowRank, seed: int) -> LowRank:
    G = np.random.default_rng(seed).standard_normal((low_rank.m.shape[1],) * 2)
    return from_factors(low_rank.m @ G, low_rank.n @ np.linalg.inv(G).T, low_rank.network)


def rates(low_rank: LowRank, samples: int = 500) -> np.ndarray:
    """Rates that visit no more directions than the latents and the input span, and nearly only these."""
    rng = np.random.default_rng(9)
    z, v = rng.standard_normal((samples, low_rank.m.shape[1])), rng.standard_normal((samples, 1))
    return np.tanh(0.3 * (z @ low_rank.m.T + v @ low_rank.network.B.T))


def test_nothing_depends_on_the_gauge() -> None:
    first, r = network(0), rates(network(0))
    second = regauged(first, 1)
    directions = visited_directions(r)
    assert connectivity_r(first, second) == pytest.approx(1, abs=1e-10)
    assert connectivity_r(effective(first, directions), effective(second, directions)) == pytest.approx(1, abs=1e-10)
    for k, same in enumerate((in_canonical_gauge(first, r), in_canonical_gauge(second, r))):
        np.testing.assert_allclose(same.network.J, first.network.J, atol=1e-12, err_msg=str(k))
        np.testing.assert_allclose(same.m.T @ same.m, UNITS * np.eye(2), atol=1e-9)
    np.testing.assert_allclose(in_canonical_gauge(first, r).n, in_canonical_gauge(second, r).n, atol=1e-9)


def test_connectivity_r_is_the_cosine_of_the_weights() -> None:
    first, second = network(0), network(1)
    J, K = first.network.J, second.network.J
    assert connectivity_r(first, second) == pytest.approx((J * K).sum() / np.linalg.norm(J) / np.linalg.norm(K))


def test_effective_connectivity_ignores_what_the_rates_do_not_see() -> None:
    first, r = network(0), rates(network(0))
    directions = visited_directions(r)
    assert directions.shape[1] < UNITS / 2
    unseen = np.random.default_rng(3).standard_normal(first.n.shape) / UNITS
    unseen -= directions @ (directions.T @ unseen)
    second = from_factors(first.m, first.n + unseen, first.network)
    assert connectivity_r(first, second) < 0.8
    assert connectivity_r(effective(first, directions), effective(second, directions)) == pytest.approx(1, abs=1e-10)
    # Yet the current is the same to the share of the variance that was left out.
    assert current_r2(first, second, r) > 0.99


def test_overlaps_are_cosines_of_the_vectors() -> None:
    low_rank = network(0)
    table = overlaps(vectors(low_rank, ["go"]))
    assert table.sizes == {"vector": 5, "with": 5}
    np.testing.assert_allclose(np.diag(table), 1)
    n, w = low_rank.n[:, 0], low_rank.network.B[:, 0]
    wanted = n @ w / np.linalg.norm(n) / np.linalg.norm(w)
    assert float(table.sel({"vector": "n_1", "with": "input:go"})) == pytest.approx(wanted)


def test_the_shares_of_the_regions_sum_to_one_and_a_silent_one_has_none() -> None:
    low_rank, r = network(0), rates(network(0))
    region = np.repeat(["A", "B", "C"], UNITS // 3)
    low_rank = low_rank._replace(n=low_rank.n * (region != "B")[:, None])
    shares = region_shares(low_rank, r, region)
    np.testing.assert_allclose(shares.sum("region"), 1, atol=1e-12)
    assert np.abs(shares.sel(region="B")).max() == 0
    assert (shares.sel(region="A") > 0).all()


def test_a_mean_of_next_to_nothing_is_no_direction() -> None:
    """Two recordings of one symmetric task have means of rounding error, which point anywhere."""
    rng = np.random.default_rng(0)
    r = np.tanh(rng.standard_normal((500, 2)) @ rng.standard_normal((2, 30)))
    r = np.concatenate([r, -r]) + 1e-6 * rng.standard_normal(30)
    few = visited_directions(r, 0.9)
    assert few.shape[1] == visited_directions(r + 1, 0.9).shape[1] - 1
