"""Reduced-rank regression finds the rank and the connectivity of networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from curbd.estimators.one_step import one_step
from curbd.network.equation import Network, simulate
from curbd.regression.moments import moments
from curbd.regression.transitions import transitions
from curbd.settings.estimators import OneStep, ReducedRank
from curbd.teachers import Teacher, multi_region
from lrfit.estimators.reduced_rank import RankChoice, reduced_rank, solve
from lrfit.network import canonical
from tests.support.recovery import correlation, explained, training_data

RNG = np.random.default_rng(0)
"""No estimator here draws a number."""


def one_region(rank: int, seed: int, **settings: object) -> Teacher:
    usual = {"units": 100, "trials": 40, "samples": 200, "process_noise": 0.3, "inputs": "none"}
    return multi_region(regions=("A",), rank=rank, seed=seed, **{**usual, **settings})


def decision_task(seed: int, units: int = 512, trials: int = 400) -> Teacher:
    """A rank-1 network that integrates a weak stimulus, noise of .05 a step, 20 ms steps, tau 100 ms."""
    rng = np.random.default_rng(seed)
    m, w = rng.standard_normal((2, units))
    n = 1.6 * m + 1.2 * w + 0.5 * rng.standard_normal(units)
    u = np.zeros((trials, 75, 1))
    strength = 0.1 * 2.0 ** rng.integers(0, 5, trials) * rng.choice([-1, 1], trials)
    u[:, 5:45, 0] = strength[:, None] + 0.1 * rng.standard_normal((trials, 40))
    network = Network(J=np.outer(m, n) / units, B=w[:, None], b=np.zeros(units), tau_s=0.1, dt_s=0.02)
    rates = simulate(network, np.zeros((trials, units)), u, noise_sd=0.05, rng=rng)
    time_s = np.arange(75) * 0.02
    region = np.repeat("A", units)
    return Teacher(
        rates=rates,
        time_s=time_s,
        region=region,
        inputs=u,
        input_name=["stimulus"],
        trials=pd.DataFrame(index=range(trials)),
        network=network,
        drive=0 * rates,
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_rank_is_found_in_nine_of_ten_networks(rank: int) -> None:
    ranks = [
        reduced_rank(training_data(one_region(rank, seed)), ReducedRank(), RNG).factors[0].shape[1]
        for seed in range(10)
    ]
    assert ranks.count(rank) >= 9, ranks


@pytest.mark.slow
def test_a_decision_network_of_512_units_is_recovered() -> None:
    teacher = decision_task(0)
    fit = reduced_rank(training_data(teacher), ReducedRank(max_rank=4), RNG)
    network, (m, _) = fit.network, fit.factors
    fresh = decision_task(100, units=2, trials=100).inputs
    start = np.zeros((len(fresh), 512))
    true, fitted = simulate(teacher.network, start, fresh), simulate(network, start, fresh)
    assert m.shape[1] == 1
    assert network.tau_s == pytest.approx(0.1, rel=0.05)
    assert correlation(network.J, teacher.network.J) >= 0.96  # the best published prototype
    assert explained(fitted, true) >= 0.999


def test_known_inputs_are_recovered_beside_a_low_rank() -> None:
    teacher = decision_task(0, units=60, trials=200)
    network = reduced_rank(training_data(teacher), ReducedRank(), RNG).network
    assert correlation(network.B, teacher.network.B) >= 0.98
    assert explained(network.B, teacher.network.B) >= 0.95


def test_zero_penalty_is_the_textbook_regression() -> None:
    rng = np.random.default_rng(1)
    pairs, units, rank = 500, 12, 3
    r, u = rng.standard_normal((pairs, units)) @ rng.standard_normal((units, units)), rng.standard_normal((pairs, 2))
    y = r @ rng.standard_normal((units, 2)) @ rng.standard_normal((2, units)) + u @ rng.standard_normal((2, units))
    y += 1 + rng.standard_normal((pairs, units))
    noise = rng.uniform(0.5, 2, units)
    others = np.column_stack([u, np.ones(pairs)])

    W = solve(moments(np.column_stack([r, others]), y), RankChoice(rank, 0.0, noise, np.zeros(2)))

    # Centre and partial out by projection, then project the least-squares prediction on its principal components.
    away = np.eye(pairs) - others @ np.linalg.pinv(others)
    coefficients = np.linalg.lstsq(away @ r, away @ y / np.sqrt(noise), rcond=None)[0]
    V = np.linalg.svd(away @ r @ coefficients, full_matrices=False)[2][:rank].T
    J = (coefficients @ V @ V.T * np.sqrt(noise)).T
    outside = np.linalg.lstsq(others, y - r @ J.T, rcond=None)[0].T
    np.testing.assert_allclose(W, np.column_stack([J, outside]), atol=1e-8)


def test_the_factors_are_the_connectivity_in_the_canonical_gauge() -> None:
    teacher = one_region(3, 0, units=40, trials=20)
    data = training_data(teacher, tau_s=0.1)
    fit = reduced_rank(data, ReducedRank(rank=3), RNG)
    network, (m, n) = fit.network, fit.factors
    assert np.array_equal(network.J, m @ n.T)
    assert np.linalg.matrix_rank(network.J) == 3
    # orthogonal columns of one length: the latents are in units of x
    np.testing.assert_allclose(m.T @ m, 40 * np.eye(3), atol=1e-10)
    covariance = np.cov(transitions(data).r @ n, rowvar=False)
    variance = np.diag(covariance)
    assert (np.diff(variance) < 0).all()
    np.testing.assert_allclose(covariance, np.diag(variance), atol=1e-10 * variance[0])
    assert ((m**3).sum(0) > 0).all()


def test_the_gauge_does_not_depend_on_the_factors_it_came_from() -> None:
    rng = np.random.default_rng(2)
    m, n, G = rng.standard_normal((30, 2)), rng.standard_normal((30, 2)), rng.standard_normal((2, 2))
    r = np.tanh(rng.standard_normal((400, 30)))
    first = canonical(m @ n.T, r, 2)
    second = canonical((m @ G) @ (n @ np.linalg.inv(G).T).T, r, 2)
    np.testing.assert_allclose(first[0], second[0], atol=1e-9)
    np.testing.assert_allclose(first[1], second[1], atol=1e-9)
    np.testing.assert_allclose(first[0] @ first[1].T, m @ n.T, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_few_trials_of_a_low_rank_network_are_predicted_better_than_by_a_full_rank_fit(seed: int) -> None:
    teacher = one_region(2, seed, units=60, trials=25)
    data = training_data(teacher, tau_s=0.1, trials=slice(5))
    test = transitions(training_data(teacher, trials=slice(5, None)))
    true = test.r @ teacher.network.J.T
    low = reduced_rank(data, ReducedRank(), RNG).network
    full = one_step(data, OneStep(), RNG).network
    assert explained(test.r @ low.J.T + low.b, true) >= explained(test.r @ full.J.T + full.b, true)


def test_units_that_do_not_talk_to_one_another_have_rank_zero() -> None:
    teacher = multi_region(regions=("A",), units=20, trials=20, samples=150, gain=0.0, inputs="none", seed=3)
    fit = reduced_rank(training_data(teacher, tau_s=0.1), ReducedRank(), RNG)
    network, (m, n) = fit.network, fit.factors
    assert m.shape == n.shape == (20, 0)
    assert not network.J.any()


def test_inner_steps_are_taken_into_account() -> None:
    """Data of five Euler steps a bin and no noise: five give the true current, one does not."""
    teacher = multi_region(regions=("A", "B"), units=20, rank=1, dt_s=0.05, samples=100, process_noise=0.0, seed=1)
    true = teacher.rates @ teacher.network.J.T
    wrong, right = (
        explained(teacher.rates @ network.J.T, true)
        for network in (
            reduced_rank(training_data(teacher, substeps=substeps, tau_s=0.1), ReducedRank(rank=3), RNG).network
            for substeps in (1, 5)
        )
    )
    assert right > 0.999
    assert wrong < right


def test_the_rank_cannot_exceed_the_units() -> None:
    teacher = one_region(2, 0, units=8, trials=10, samples=60)
    fit = reduced_rank(training_data(teacher, tau_s=0.1), ReducedRank(rank=50), RNG)
    network, (m, _) = fit.network, fit.factors
    assert m.shape == (8, 8)
    assert np.isfinite(network.J).all()


def test_the_same_data_give_the_same_numbers_and_the_states_of_trials_are_not_mixed() -> None:
    teacher = one_region(2, 5, units=30, trials=10)
    data = training_data(teacher)
    first, again = (reduced_rank(data, ReducedRank(), np.random.default_rng(seed)).network for seed in (0, 1))
    assert np.array_equal(first.J, again.J)
    # A gap in one trial takes its bins away and nothing else.
    r = data.r.copy()
    r[3, 50:60] = np.nan
    assert len(transitions(data._replace(r=r)).x) == len(transitions(data).x) - 11
    gap = reduced_rank(data._replace(r=r), ReducedRank(), RNG).network
    assert correlation(gap.J, first.J) > 0.99


def test_measurement_noise_does_not_hide_the_rank() -> None:
    """Noise of the observation acts on each unit alone: on the diagonal of the weights, which has full rank."""
    ranks = []
    for seed in range(5):
        teacher = one_region(2, seed, units=60, trials=20, measurement_noise=0.1)
        ranks.append(reduced_rank(training_data(teacher, tau_s=0.1), ReducedRank(), RNG).factors[0].shape[1])
    assert ranks.count(2) >= 4, ranks
