"""Predicted maps: chance, intervals and baselines have the values that simulated trials give them by construction."""

import numpy as np

from curbd.inactivation.effect_maps import ComparedTrials, Evidence, pattern_baselines


def trials(rng, effect, groups=0):
    """20 perturbed and 40 unperturbed trials of 12 units with noise that units share, as regions of one brain do."""
    mixing = np.eye(12) + 0.5 * rng.standard_normal((12, 12))
    mean = rng.standard_normal((60, 12)) @ mixing
    mean[:20] += effect
    group = np.arange(60) if not groups else np.arange(60) % groups
    weight = np.r_[np.full(20, 1 / 20), np.full(40, -1 / 40)]
    return ComparedTrials(mean, weight, np.full(60, "all"), group.astype(str))


def evidence(of_trials):
    return Evidence(of_trials.effect, of_trials.chance(), of_trials.resampled())


def test_without_an_effect_the_p_values_of_a_map_are_uniform(rng) -> None:
    p = [evidence(trials(rng, 0.0)).score(rng.standard_normal(12)).r_p_value for _ in range(60)]
    # The mean of 60 uniform numbers is .5 with a standard deviation of .04.
    assert abs(np.mean(p) - 0.5) < 0.12


def test_a_right_prediction_exceeds_chance_and_nearly_reaches_the_ceiling(rng) -> None:
    effect = 3 * rng.standard_normal(12)
    score = evidence(trials(rng, effect)).score(effect)
    assert score.r_p_value == 1 / 200
    assert score.null_r < score.r_low <= score.r <= score.r_high
    assert abs(score.r - score.ceiling_r) < 0.1
    assert score.r2 > 0.8


def test_intervals_over_animals_are_wider_where_animals_differ(rng) -> None:
    effect = rng.standard_normal(12)
    one_by_one, by_animal = trials(rng, effect), trials(rng, effect, groups=4)
    per_animal = 2 * rng.standard_normal((4, 12))
    # Each animal responds in its own way.
    mean = by_animal.mean + np.where(by_animal.weight > 0, 1, 0)[:, None] * per_animal[np.arange(60) % 4]
    widths = [
        score.r_high - score.r_low
        for score in (evidence(each._replace(mean=mean)).score(effect) for each in (one_by_one, by_animal))
    ]
    assert widths[1] > widths[0]


def test_a_constant_prediction_has_a_size_but_no_correlation(rng) -> None:
    score = evidence(trials(rng, 1.0)).score(np.ones(12))
    assert np.isnan([score.r, score.null_r, score.r_p_value, score.r_low]).all()
    assert 0 < score.r2 < 1


def test_patterns_follow_from_what_units_do_without_perturbation(rng) -> None:
    r = rng.standard_normal((30, 50, 4)) * [1, 1, 2, 3]
    r[:, 1:, 2] += 1.5 * r[:, :-1, 0]
    r[..., 3] += 3 * r[..., 0]
    baselines = pattern_baselines(r, np.array([True, False, False, False]), sign=-1.0)
    flat = r.reshape(-1, 4)
    np.testing.assert_allclose(baselines["correlation"], -np.corrcoef(flat.T)[0], atol=1e-3)
    np.testing.assert_allclose(baselines["sd_at_rest"], -flat.std(0))
    # Unit 2 follows the perturbed unit one bin later, unit 3 in the same bin.
    assert baselines["lagged_regression"][2] < -1.3
    assert np.abs(baselines["lagged_regression"][[1, 3]]).max() < 0.3
