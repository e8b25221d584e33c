"""Effects from skewness: direction and size of a known network whose effects are over within a bin."""

import numpy as np

from curbd.pathways.skewness import skewed_effects

A = np.zeros((4, 4))
A[1, 0], A[2, 1], A[1, 2], A[3, 2] = 0.6, 0.5, 0.3, -0.5
REGION = np.arange(4)


def activity(rng, skewed):
    """20 trials of 300 bins of x = A x + e; a region without skewed e looks the same in both directions."""
    shape = (20, 300, 4)
    e = rng.gamma(1.0, size=shape) - 1 if skewed else rng.standard_normal(shape)
    return e @ np.linalg.inv(np.eye(4) - A).T


def test_effects_within_a_bin_have_their_direction_sign_and_size(rng) -> None:
    r = activity(rng, skewed=True)
    sd = r.std((0, 1))
    found = skewed_effects(r, REGION)
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(found.effect[off], (A * sd / sd[:, None])[off], atol=0.06)
    assert (found.p_value[A != 0] < 1e-3).all()
    assert (found.p_value[off & (A == 0)] > 1e-3).all()


def test_activity_without_skewness_says_nothing(rng) -> None:
    found = skewed_effects(activity(rng, skewed=False), REGION)
    off = ~np.eye(4, dtype=bool)
    assert np.median(found.p_value[off]) > 0.1


def test_units_are_averaged_and_missing_bins_are_left_out(rng) -> None:
    r = activity(rng, skewed=True)
    copies = np.repeat(r, 2, axis=2) + np.tile([0.1, -0.1], 4) * rng.standard_normal((20, 300, 1))
    copies[3, 250:] = np.nan
    whole, averaged = skewed_effects(r, REGION), skewed_effects(copies, np.repeat(REGION, 2))
    np.testing.assert_allclose(averaged.effect, whole.effect, atol=0.03)


def test_too_few_trials_or_a_single_region_have_no_effects(rng) -> None:
    assert np.isnan(skewed_effects(activity(rng, skewed=True)[:3], REGION).effect).all()
    assert np.isnan(skewed_effects(activity(rng, skewed=True), np.zeros(4, dtype=int)).effect).all()


def test_an_effect_that_depends_on_the_filter_is_small_after_one_of_them(rng) -> None:
    """A region that was not recorded drives two others, and noise hides a part of every region."""
    r = activity(rng, skewed=True)
    whole = skewed_effects(r, REGION)
    off = ~np.eye(4, dtype=bool)
    assert (np.abs(whole.low[off]) <= np.abs(whole.effect[off])).all()
    np.testing.assert_allclose(whole.low[A != 0], whole.effect[A != 0], atol=0.1)
    noisy = skewed_effects(r + 1.5 * rng.standard_normal(r.shape), REGION)
    false = off & (A == 0)
    assert np.abs(noisy.low[false]).max() < np.abs(noisy.effect[false]).max()


def test_a_skewed_cause_of_all_regions_that_was_not_recorded_is_a_misfit(rng) -> None:
    r = activity(rng, skewed=True)
    assert abs(skewed_effects(r, REGION).misfit) < 0.02
    cause = rng.gamma(0.3, size=(20, 300, 1)) - 0.3
    assert skewed_effects(r + 2 * cause, REGION).misfit > 0.05
