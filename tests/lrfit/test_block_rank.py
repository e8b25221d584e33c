"""A rank for every pathway: on networks whose block ranks are known, and against the classical regression."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrfit
from curbd import tables
from curbd.network.nonlinearity import RELU
from curbd.pathways.judge import judge
from curbd.regression.moments import moments
from curbd.regression.ridge_factors import solved_blocks
from curbd.regression.transitions import source_of_regressor, transitions
from curbd.settings.estimators import BlockRank
from curbd.teachers import Teacher, multi_region
from lrfit.estimators.block_rank import BlockChoice, block_rank, factors, solve
from lrfit.estimators.reduced_rank import smallest_rank
from lrfit.mechanism.mechanism_tables import mechanism_tables
from tests.support.known_network import recorded
from tests.support.recovery import explained, training_data

Array = np.ndarray

NAMES = ("A", "B", "C")


def three_regions(seed: int, **settings: Any) -> tuple[Teacher, Array]:
    """A network of rank 2 within its regions and of rank 1 or 0 between them, and these ranks."""
    rng = np.random.default_rng([seed, 1])
    absent = [(t, s) for t in NAMES for s in NAMES if t != s and rng.random() < 0.5]
    usual = {"units": 25, "trials": 40, "samples": 200}
    teacher = multi_region(rank=2, absent=absent, seed=seed, **(usual | settings))
    rank = [[2 if t == s else int((t, s) not in absent) for s in NAMES] for t in NAMES]
    return teacher, np.array(rank)


@pytest.mark.parametrize("seed", [100, 101, 102])
def test_the_ranks_of_the_blocks_are_found(seed: int) -> None:
    teacher, true = three_regions(seed)
    fit = block_rank(training_data(teacher, substeps=5, tau_s=0.1), BlockRank(), np.random.default_rng(0))
    assert (fit.ranks.rank == true).sum() >= 8, fit.ranks.rank - true
    assert (fit.ranks.low <= fit.ranks.rank).all()
    assert (fit.ranks.rank <= fit.ranks.high).all()
    assert ((fit.ranks.low <= true) & (true <= fit.ranks.high)).sum() >= 8
    assert explained(teacher.rates @ fit.network.J.T, teacher.rates @ teacher.network.J.T) >= 0.995


def test_every_latent_is_one_message_from_one_region_to_one_region() -> None:
    teacher, _ = three_regions(103)
    data = training_data(teacher, substeps=5, tau_s=0.1)
    fit = block_rank(data, BlockRank(), np.random.default_rng(0))
    m, n = fit.factors
    assert np.array_equal(fit.network.J, m @ n.T)
    ends = [
        (np.unique(data.region[to != 0]).item(), np.unique(data.region[by != 0]).item())
        for to, by in zip(m.T, n.T, strict=True)
    ]
    assert np.array_equal(ends, np.argwhere(fit.ranks.rank).repeat(fit.ranks.rank[fit.ranks.rank > 0], axis=0))
    for target, source in np.argwhere(fit.ranks.rank > 1):
        latents = [latent for latent, pair in enumerate(ends) if pair == (target, source)]
        np.testing.assert_allclose(m[:, latents].T @ m[:, latents], 25 * np.eye(len(latents)), atol=1e-9)


def test_currents_into_silent_relu_units_are_those_of_their_inferred_states() -> None:
    absent = [("B", "A"), ("C", "B")]
    relu = {"gain": 1.0, "bias": 0.5, "inhibition": 1.5, "nonlinearity": RELU}
    teacher = multi_region(rank=2, units=12, trials=20, samples=120, substeps=1, absent=absent, seed=106, **relu)
    data = training_data(teacher, tau_s=0.1)._replace(nonlinearity=RELU)
    assert (data.r == 0).mean() > 0.3
    left_at_zero = data._replace(nonlinearity=RELU._replace(hides_silent=False))
    fits = [block_rank(each, BlockRank(), np.random.default_rng(0)) for each in (data, left_at_zero)]
    true = teacher.rates @ teacher.network.J.T
    inferred, at_zero = (explained(teacher.rates @ fit.network.J.T, true) for fit in fits)
    assert inferred > 0.7 > 0 > at_zero
    ranks = fits[0].ranks.rank
    assert not any(ranks[NAMES.index(target), NAMES.index(source)] for target, source in absent)


def test_networks_of_relu_units_reach_the_tables(tmp_path: Path) -> None:
    relu = {"gain": 1.0, "bias": 0.5, "inhibition": 1.5, "nonlinearity": RELU}
    recording, truth = recorded(tmp_path, units=8, rank=1, trials=20, samples=80, substeps=1, seed=107, **relu)
    model = lrfit.Model(family="low_rank", estimator="block_rank", nonlinearity="relu", seeds=[0], tau_s=0.1)
    networks = lrfit.fit(recording, model, "blocks").networks
    made = {"pathways": judge(recording, networks, truth)} | mechanism_tables(recording, networks)
    for name, table in made.items():
        assert tables.problems(name, table) == []
        assert len(table)
    between = made["pathways"].dropna(subset=["true_r"])
    assert between["true_r"].median() > 0.8


def textbook(r: Array, others: Array, y: Array, rank: int) -> Array:
    """Reduced-rank regression of y on r with other regressors partialled out: J, without any penalty."""
    away = np.eye(len(r)) - others @ np.linalg.pinv(others)
    coefficients = np.linalg.lstsq(away @ r, away @ y, rcond=None)[0]
    V = np.linalg.svd(away @ r @ coefficients, full_matrices=False)[2][:rank].T
    return (coefficients @ V @ V.T).T


def test_one_pathway_alone_is_the_textbook_regression() -> None:
    rng = np.random.default_rng(1)
    pairs, region = 400, np.repeat([0, 1], [10, 6])
    r, others = rng.standard_normal((pairs, 16)), np.column_stack([rng.standard_normal(pairs), np.ones(pairs)])
    y = r @ rng.standard_normal((16, 16)) + rng.standard_normal((pairs, 16))
    rank, nothing = np.array([[0, 0], [2, 0]]), np.zeros((2, 4))
    blocks = BlockChoice(source_of_regressor(region, 1), rank, nothing, np.ones(16))
    W = solve(moments(np.column_stack([r, others]), y), blocks)
    expected = textbook(r[:, region == 0], others, y[:, region == 1], 2)
    np.testing.assert_allclose(W[np.ix_(region == 1, np.arange(16)[region == 0])], expected, atol=1e-6)
    assert not W[region == 0][:, :16].any()


def test_blocks_of_full_rank_are_the_ridge_regression() -> None:
    rng = np.random.default_rng(2)
    region = np.repeat([0, 1], [6, 4])
    z = np.column_stack([rng.standard_normal((300, 10)), np.ones(300)])
    total = moments(z, z[:, :10] @ rng.standard_normal((10, 10)) + rng.standard_normal((300, 10)))
    penalty, source = np.array([[1.0, 10.0, 1e-9], [3.0, 0.3, 1e-9]]), source_of_regressor(region, 0)
    sizes = np.array([[6, 4], [4, 4]])
    W = solve(total, BlockChoice(source, sizes, penalty, rng.uniform(0.5, 2, 10)))
    plain = solved_blocks(total, source, penalty).W
    # The penalty counts in units of the noise there, so that the comparison is one of currents.
    assert explained(z @ W.T, z @ plain.T) > 0.999


def test_ranks_agree_with_reduced_rank_regression_between_regions() -> None:
    """Semedo et al. 2019: regress one region on another, cross-validated, given what the target itself explains."""
    teacher, true = three_regions(104)
    data = training_data(teacher, tau_s=0.1)
    ranks = block_rank(data, BlockRank(), np.random.default_rng(0)).ranks.rank
    pairs = transitions(data, 10)
    velocity = pairs.x + 10 * (pairs.x_next - pairs.x)
    for target in range(3):
        for source in set(range(3)) - {target}:
            in_target, in_source = data.region == target, data.region == source
            others = np.column_stack([pairs.r[:, ~in_source], pairs.u, np.ones(len(pairs.u))])
            errors = []
            for fold in range(10):
                train, test = pairs.fold != fold, pairs.fold == fold
                r, y = (
                    values - others @ np.linalg.lstsq(others[train], values[train], rcond=None)[0]
                    for values in (pairs.r[:, in_source], velocity[:, in_target])
                )
                full = np.linalg.lstsq(r[train], y[train], rcond=None)[0]
                V = np.linalg.svd(r[train] @ full, full_matrices=False)[2].T
                errors.append([((y - r @ full @ V[:, :k] @ V[:, :k].T)[test] ** 2).sum() for k in range(5)])
            assert ranks[target, source] == smallest_rank(np.array(errors)[None]) == true[target, source]


def test_regions_without_connections_have_rank_zero() -> None:
    """Single blocks may fool ten folds, as the bar stands at two and a half standard errors; few do."""
    ranks = []
    for seed in range(3, 7):
        teacher = multi_region(units=10, trials=20, samples=150, gain=0.0, coupling=0.0, inputs="none", seed=seed)
        fit = block_rank(training_data(teacher, tau_s=0.1), BlockRank(), np.random.default_rng(0))
        ranks.append(fit.ranks.rank)
        assert fit.factors[0].shape == (30, fit.ranks.rank.sum())
    assert np.mean(np.array(ranks) == 0) >= 0.85, ranks


def test_factors_of_nothing_are_empty() -> None:
    m, n = factors(np.zeros((4, 4)), np.zeros((5, 4)), np.array([0, 0, 1, 1]), np.zeros((2, 2), dtype=int))
    assert m.shape == n.shape == (4, 0)


def test_the_rank_matrix_reaches_the_table_of_pathways(tmp_path: Path) -> None:
    recording, truth = recorded(tmp_path, units=12, rank=2, trials=40, samples=150, absent=[("A", "C")], seed=105)
    model = lrfit.Model(family="low_rank", estimator="block_rank", seeds=[0, 1], tau_s=0.1)
    networks, _ = lrfit.fit(recording, model, "blocks")
    assert networks["block_rank"].dims == ("seed", "block_target", "block_source")
    np.testing.assert_array_equal(networks["J"].values, networks["m"].values @ networks["n"].values.transpose(0, 2, 1))
    table = judge(recording, networks, truth)
    assert tables.problems("pathways", table) == []
    regions = table[table["source"].isin(NAMES)].set_index(["target", "source"])
    ranks = networks["block_rank"].isel(seed=0).to_series()
    assert (regions["rank"] == ranks.rename_axis(["target", "source"])).all()
    assert (regions["rank_low"] <= regions["rank"]).all()
    assert (regions["rank"] <= regions["rank_high"]).all()
    assert regions.loc[("A", "C"), "rank_low"] == 0
    assert table[table["source"].str.startswith("input:")]["rank"].isna().all()
