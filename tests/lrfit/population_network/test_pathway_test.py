"""The p-value of a pathway: uniform where there is no pathway, small where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lrfit.population_network.evidence import weight_precision
from lrfit.population_network.fit import converge, start
from lrfit.population_network.likelihood import bound
from lrfit.population_network.paths import first_paths, infer
from lrfit.population_network.pathway_test import (
    PathwayTests,
    hotelling,
    hotelling_p_value,
    pathway_tests,
    shuffled_within,
    trial_parts,
)
from tests.support.small_population import small_model, small_recording, small_teacher

SEEDS = range(100, 120)


def test_scores_are_derivatives_of_the_bound_by_the_weights() -> None:
    model = small_model()
    data, _ = small_recording(model, trials=12)
    paths = infer(model, data, first_paths(model, data), 8)
    parts = trial_parts(model, data, paths)
    # The scores leave out what known sources explain of the curved latents.
    scores = parts.score + parts.error @ (parts.value - parts.left).swapaxes(1, 2)
    step = 1e-5
    for row, column in [(0, 2), (3, 1), (1, 1)]:
        A = np.stack([model.A, model.A])
        A[:, row, column] += [step, -step]
        up, down = (bound(model._replace(A=weights), data, paths).sum() for weights in A)
        assert scores[:, row, column].sum() == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-6)


def test_one_column_is_the_t_test(rng: np.random.Generator) -> None:
    values = rng.standard_normal((30, 1)) + 0.3
    expected = stats.ttest_1samp(values[:, 0], 0)
    statistic = hotelling(values)
    assert statistic == pytest.approx(expected.statistic**2)
    assert hotelling_p_value(statistic, 30, 1) == pytest.approx(expected.pvalue)


def test_trials_are_shuffled_within_their_condition(rng: np.random.Generator) -> None:
    condition = rng.integers(3, size=40)
    order = shuffled_within(condition, rng)
    assert sorted(order) == list(range(40))
    np.testing.assert_array_equal(condition[order], condition)
    assert (order != np.arange(40)).any()


@pytest.fixture(scope="module")
def tested() -> list[tuple[PathwayTests, np.ndarray]]:
    """Tests of small teachers, and which of their pathways exist."""
    results = []
    for seed in SEEDS:
        data, present = small_teacher(seed)
        fit = converge(start(data, [2, 2, 2], 0.1), data)
        results.append((pathway_tests(fit.model, data, fit.paths, *weight_precision(fit, data)), present))
    return results


def test_absent_pathways_have_p_values_of_chance_and_present_pathways_small_ones(
    tested: list[tuple[PathwayTests, np.ndarray]],
) -> None:
    between = ~np.eye(3, dtype=bool)
    p_value = np.concatenate([tests.p_value[between] for tests, _ in tested])
    present = np.concatenate([exists[between] for _, exists in tested])
    absent = p_value[~present]
    assert len(absent) > 40
    # With a probability of 1e-3, more absent pathways than these have p-values of chance that are as small.
    for level in (0.05, 0.2):
        assert (absent < level).sum() <= stats.binom.isf(1e-3, len(absent), level)
    assert (absent < 0.5).sum() >= stats.binom.ppf(1e-3, len(absent), 0.5)
    assert (p_value[present] < 0.05).mean() > 0.8


def test_shuffled_trials_agree_with_the_law_of_the_score(tested: list[tuple[PathwayTests, np.ndarray]]) -> None:
    between = ~np.eye(3, dtype=bool)
    for tests, _ in tested[:5]:
        by_shuffles = (1 + (tests.shuffled >= tests.score).sum(0)) / (1 + len(tests.shuffled))
        # 199 shuffles have a standard error of at most .035.
        assert np.abs(by_shuffles - tests.p_value)[between].max() < 0.12
        assert np.isnan(tests.p_value[~between]).all()
