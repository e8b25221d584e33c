"""Populations are found where there are some, and a network drawn anew from them does what the first one did."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from curbd.network.equation import simulate
from lrfit.mechanism.populations import loadings, populations, resampled
from lrfit.network import LowRank
from lrfit.teachers import constructed, low_rank_teacher, tasks

Array = np.ndarray


def low_rank(teacher: low_rank_teacher.LowRankTeacher) -> LowRank:
    return LowRank(teacher.m, teacher.n, teacher.network)


def two_groups(seed: int, units: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Loadings of two groups that differ in the sign of a correlation only, and the groups."""
    rng = np.random.default_rng(seed)
    group = np.arange(units) % 3 == 0
    first = rng.standard_normal(units)
    second = np.where(group, 1, -1) * first + 0.2 * rng.standard_normal(units)
    return np.column_stack([first, second, rng.standard_normal(units)]), group


@pytest.mark.parametrize("seed", range(3))
def test_groups_that_differ_in_their_covariance_are_found(seed: int) -> None:
    values, group = two_groups(seed)
    groups = populations(values, most=3)
    assert len(groups.mean) == 2
    # The groups overlap where both loadings are small.
    assert adjusted_rand_score(groups.label, group) > 0.6
    assert groups.stability[0] >= 0.8
    # The larger one comes first.
    assert (groups.label == 0).sum() > (groups.label == 1).sum()
    signs = np.sign(groups.covariance[:, 0, 1])
    assert signs.tolist() == [-1, 1]
    assert ((groups.probability >= 0.5) & (groups.probability <= 1)).all()


@pytest.mark.parametrize("seed", range(3))
def test_one_gaussian_is_one_population(seed: int) -> None:
    groups = populations(np.random.default_rng(seed).standard_normal((150, 3)), most=3)
    assert len(groups.mean) == 1
    assert (groups.label == 0).all()


def test_a_few_units_are_one_population() -> None:
    groups = populations(np.random.default_rng(0).standard_normal((8, 5)))
    assert len(groups.mean) == 1
    assert len(groups.stability) == 0


@pytest.mark.parametrize("values", [np.zeros((60, 0)), np.ones((60, 3))])
def test_units_whose_loadings_do_not_vary_are_one_population(values: Array) -> None:
    groups = populations(values)
    assert (groups.label == 0).all()
    assert (groups.probability == 1).all()
    assert groups.mean.shape == (1, values.shape[1])


def test_labels_do_not_depend_on_the_scale_of_a_loading() -> None:
    values, _ = two_groups(0)
    assert np.array_equal(populations(values, most=2).label, populations(values * [1, 100, 1e-3], most=2).label)


def test_a_network_drawn_from_its_populations_solves_the_task_and_one_without_them_does_not() -> None:
    teacher = constructed.contextual_decision(0, units=400)
    network = low_rank(teacher)
    groups = populations(loadings(network), most=4)
    task = tasks.contextual_decision(200, np.random.default_rng(1))

    def accuracy(network: LowRank) -> float:
        rates = simulate(network.network, np.zeros((200, 400)), task.inputs)
        # The output reads the latent of the network itself.
        return tasks.accuracy(task, rates @ network.n)

    alone = groups._replace(
        label=np.zeros(400, dtype=int),
        mean=loadings(network).mean(0)[None],
        covariance=np.cov(loadings(network), rowvar=False)[None],
    )
    assert len(groups.mean) >= 2
    assert accuracy(resampled(network, groups, 0)) > 0.95
    assert accuracy(resampled(network, alone, 0)) < 0.85
