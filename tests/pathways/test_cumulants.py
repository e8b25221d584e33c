"""Effects from third-order cumulants: a known network beside noise and a cause that was not recorded."""

import numpy as np

from curbd.pathways.cumulants import cumulant_effects
from curbd.pathways.skewness import skewed_effects

A = np.zeros((6, 6))
A[1, 0], A[2, 1], A[1, 2], A[3, 2], A[4, 3] = 0.6, 0.5, 0.3, -0.5, 0.6
REGION, BETWEEN, BIN_S = np.arange(6), ~np.eye(6, dtype=bool), 1.72


def activity(rng):
    """40 trials of 500 bins of x = A x + e with skewed e."""
    e = rng.gamma(0.5, size=(40, 500, 6))
    return (e - e.mean()) / e.std() @ np.linalg.inv(np.eye(6) - A).T


def found(r):
    return cumulant_effects(r, REGION, BIN_S, skewed_effects(r, REGION).effect)


def test_effects_have_their_direction_sign_and_size(rng) -> None:
    r = activity(rng)
    sd = r.std((0, 1))
    effects = found(r)
    np.testing.assert_allclose(effects.effect[BETWEEN], (A * sd / sd[:, None])[BETWEEN], atol=0.1)
    assert np.isnan(np.diag(effects.effect)).all()


def test_a_skewed_cause_that_was_not_recorded_and_noise_make_no_effects(rng) -> None:
    r = activity(rng)
    cause = rng.gamma(0.3, size=(40, 500, 1)) - 0.3
    seen = r + 1.5 * cause * rng.uniform(0.7, 1.3, 6) + 0.5 * rng.standard_normal(r.shape)
    effects = found(seen)
    assert (np.sign(effects.low[A != 0]) == np.sign(A[A != 0])).all()
    assert (np.sign(effects.high[A != 0]) == np.sign(A[A != 0])).all()
    absent = BETWEEN & (A == 0)
    assert ((effects.low <= 0) & (effects.high >= 0))[absent].mean() > 0.85
    assert np.abs(effects.effect[absent]).max() < 0.5 * np.abs(skewed_effects(seen, REGION).effect[absent]).max()


def test_nothing_is_said_about_fast_bins_few_trials_or_few_regions(rng) -> None:
    r, start = activity(rng), np.zeros((6, 6))
    assert np.isnan(cumulant_effects(r, REGION, 0.05, start).effect).all()
    assert np.isnan(cumulant_effects(r[:5], REGION, BIN_S, start).effect).all()
    assert np.isnan(cumulant_effects(r[..., :4], REGION[:4], BIN_S, start[:4, :4]).effect).all()


def test_units_are_averaged_and_missing_bins_are_left_out(rng) -> None:
    r = activity(rng)
    copies = np.repeat(r, 2, axis=2)
    copies[3, 450:] = np.nan
    start = skewed_effects(r, REGION).effect
    averaged = cumulant_effects(copies, np.repeat(REGION, 2), BIN_S, start)
    np.testing.assert_allclose(averaged.effect, cumulant_effects(r, REGION, BIN_S, start).effect, atol=0.05)
