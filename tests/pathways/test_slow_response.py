"""Effects behind a slow response: direction, sign and size of a known network that is simulated in small steps."""

import numpy as np
from scipy.signal import fftconvolve
from scipy.stats import gamma

from curbd.pathways.slow_response import response_effects

A = np.zeros((4, 4))
A[1, 0], A[2, 1], A[3, 2] = 0.7, 0.6, -0.6
REGION, BETWEEN = np.arange(4), ~np.eye(4, dtype=bool)
BIN_S, STEPS_PER_BIN, BINS, TRIALS, TAU_S = 1.5, 15, 256, 24, 0.5
STEP_S = BIN_S / STEPS_PER_BIN
RESPONSE_TIME_S = np.arange(0, 30, STEP_S)
DELAY_S = np.array([7.0, 5.5, 6.5, 5.5])
"""Target regions have the faster responses, so that effects seem to run backwards."""
DECAY_S = np.array([3.0, 1.5, 2.0, 1.5])


def observed(rng, response):
    """Scans (trial, bin, region) of tau dx/dt = -x + A x + e through responses (time, region), with a little noise."""
    steps = BINS * STEPS_PER_BIN + len(RESPONSE_TIME_S)
    e = rng.standard_normal((steps, TRIALS, 4))
    x, state = np.empty((steps, TRIALS, 4)), np.zeros((TRIALS, 4))
    for step in range(steps):
        state = state + STEP_S / TAU_S * (state @ A.T - state + e[step])
        x[step] = state
    seen = fftconvolve(x, response[:, None], axes=0)[len(RESPONSE_TIME_S) : steps : STEPS_PER_BIN]
    seen = np.moveaxis(seen, 0, 1)
    seen /= seen.std((0, 1))
    return seen + 0.1 * rng.standard_normal(seen.shape)


def bold(delay_s):
    peak, undershoot = (gamma.pdf(RESPONSE_TIME_S[:, None], delay_s + later) for later in (0, 10))
    return peak - 0.17 * undershoot


def test_effects_behind_responses_that_come_earlier_in_the_target_have_their_direction(rng) -> None:
    r = observed(rng, bold(DELAY_S))
    lagged = np.einsum("kti,ktj->ij", r[:, 1:], r[:, :-1])
    assert lagged[0, 1] > lagged[1, 0]  # the target seems to lead
    estimated = response_effects(r, REGION, BIN_S)
    assert estimated.response == "bold"
    assert (np.sign(estimated.low[A != 0]) == np.sign(A[A != 0])).all()
    assert (np.sign(estimated.high[A != 0]) == np.sign(A[A != 0])).all()
    covered = (estimated.low <= 0) & (estimated.high >= 0)
    assert covered[BETWEEN & (A == 0)].mean() > 0.7
    assert np.corrcoef(estimated.effect[BETWEEN], A[BETWEEN])[0, 1] > 0.9
    assert estimated.response_s[0] - estimated.response_s[1] > 0.5


def test_the_decay_of_an_indicator_is_told_from_the_response_of_fmri(rng) -> None:
    estimated = response_effects(observed(rng, np.exp(-RESPONSE_TIME_S[:, None] / DECAY_S)), REGION, BIN_S)
    assert estimated.response == "indicator"
    assert (np.sign(estimated.low[A != 0]) == np.sign(A[A != 0])).all()
    assert np.corrcoef(estimated.effect[BETWEEN], A[BETWEEN])[0, 1] > 0.9
    assert estimated.response_s.argmax() == 0


def test_nothing_is_said_about_fast_bins_few_trials_or_a_single_region(rng) -> None:
    r = rng.standard_normal((10, 64, 4))
    for activity, region, bin_s in (
        (r, REGION, 0.05),
        (r[:5], REGION, BIN_S),
        (r[:, :20], REGION, BIN_S),
        (r, np.zeros(4, dtype=int), BIN_S),
        (np.full_like(r, np.nan), REGION, BIN_S),
    ):
        estimated = response_effects(activity, region, bin_s)
        assert np.isnan(estimated.effect).all()
        assert estimated.response == ""


def test_missing_bins_and_units_of_a_region_leave_the_effects_in_place(rng) -> None:
    r = observed(rng, bold(DELAY_S))
    copies = np.repeat(r, 2, axis=2)
    copies[3, :60] = np.nan
    estimated = response_effects(copies, np.repeat(REGION, 2), BIN_S)
    np.testing.assert_allclose(estimated.effect[A != 0], response_effects(r, REGION, BIN_S).effect[A != 0], atol=0.1)
