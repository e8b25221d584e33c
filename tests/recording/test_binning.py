"""Spikes and samples on bins, and smoothing."""

import numpy as np
import pytest

from curbd.errors import UserError
from curbd.recording.binning import averaged, covered, spike_rates, whole_multiple
from curbd.recording.recording_file import Spikes
from curbd.recording.sampling import sampled_bins, sampling
from curbd.recording.smoothing import smoothed
from tests.support.in_memory import series


def edges(start_s: float, n_bins: int, dt_s: float) -> np.ndarray:
    return start_s + dt_s * np.arange(n_bins + 1)[None]


def test_a_spike_on_an_edge_belongs_to_the_bin_that_starts_there() -> None:
    # 3 * 0.05 is 0.15000000000000002 in floating point, yet a spike at 0.15 is the first of bin 3.
    times = np.array([round(k * 0.05, 2) for k in range(100)])
    rates = spike_rates(Spikes(lambda unit: times, (0.0, 5.0)), [0], edges(0.0, 100, 0.05))
    np.testing.assert_allclose(rates[0, :, 0], 20.0)


def test_counts_per_second_and_missing_outside_what_was_observed() -> None:
    times = np.array([0.01, 0.02, 0.11, 0.51])
    spikes = Spikes(lambda unit: times, (0.0, 0.6), lambda unit: np.array([[0.0, 0.25], [0.4, 0.6]]))
    rates = spike_rates(spikes, [0], edges(-0.1, 8, 0.1))[0, :, 0]
    np.testing.assert_allclose(rates, [np.nan, 20.0, 10.0, np.nan, np.nan, 0.0, 10.0, np.nan], atol=1e-9)


def test_the_bins_of_the_first_and_the_last_spike_count() -> None:
    times = np.array([0.17, 0.5, 0.83])
    rates = spike_rates(Spikes(lambda unit: times, (0.17, 0.83)), [0], edges(0.0, 10, 0.1))[0, :, 0]
    assert np.flatnonzero(np.isfinite(rates)).tolist() == list(range(1, 9))
    np.testing.assert_allclose(rates[[1, 5, 8]], 10.0)


def test_only_the_asked_units_are_read() -> None:
    def read(unit: int) -> np.ndarray:
        if unit != 2:
            raise AssertionError("a unit that nobody asked for was read")
        return np.array([0.5])

    assert spike_rates(Spikes(read, (0.0, 1.0)), [2], edges(0.0, 2, 0.5)).shape == (1, 2, 1)


def test_covered_share_of_overlapping_and_unsorted_intervals() -> None:
    intervals = np.array([[0.5, 0.7], [0.05, 0.15], [0.1, 0.2], [np.nan, 1.0]])
    np.testing.assert_allclose(covered(intervals, edges(0.0, 8, 0.1))[0], [0.5, 1, 0, 0, 0, 1, 1, 0], atol=1e-9)
    assert not covered(np.zeros((0, 2)), edges(0.0, 4, 0.1)).any()


def test_covered_share_against_a_fine_count() -> None:
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 900, 12)
    intervals = np.column_stack([starts, starts + rng.integers(1, 150, 12)])
    inside = np.zeros(1000, bool)
    for start, stop in intervals:
        inside[start:stop] = True
    share = covered(intervals.astype(float), edges(0.0, 20, 50.0))[0]
    np.testing.assert_allclose(share, inside.reshape(20, 50).mean(axis=1), atol=1e-12)


def test_even_samples_are_used_as_they_are() -> None:
    time_s = 3.0 + np.arange(1000) / 30.0
    values = np.random.default_rng(0).standard_normal((1000, 2))
    when = sampling(time_s, "x")
    assert when.even
    own = sampled_bins(series("x", values, time_s), when, edges(when.span_s[0], 1000, when.step_s))
    np.testing.assert_array_equal(own[0], values)
    # A bin of five samples that starts at sample 20 holds samples 20 to 24.
    wide = sampled_bins(series("x", values, time_s), when, edges(time_s[20], 3, 5 * when.step_s))
    np.testing.assert_allclose(wide[0], values[20:35].reshape(3, 5, 2).mean(axis=1), atol=1e-12)


def test_the_step_is_written_with_few_digits() -> None:
    assert sampling(np.arange(36000) * 0.0999999996, "x").step_s == 0.1


def test_jittered_samples_are_interpolated_and_gaps_are_missing() -> None:
    rng = np.random.default_rng(1)
    time_s = np.arange(200) * 0.1 + rng.uniform(-0.03, 0.03, 200)
    time_s = np.delete(time_s, np.arange(100, 110))
    when = sampling(time_s, "x")
    assert not when.even
    assert when.step_s == pytest.approx(0.1, rel=0.05)
    line = sampled_bins(series("x", 2 * time_s + 1, time_s), when, edges(0.0, 199, 0.1))[0, :, 0]
    centres = 0.1 * np.arange(199) + 0.05
    inside = (centres > time_s[99]) & (centres < time_s[100])
    assert np.isnan(line[inside]).all()
    assert inside.sum() >= 9
    known = ~inside & (centres >= time_s[0])
    # A straight line is reproduced by linear interpolation to rounding.
    np.testing.assert_allclose(line[known], 2 * centres[known] + 1, atol=1e-9)


def test_a_missing_sample_does_not_spread() -> None:
    time_s = np.arange(50) * 0.1
    values = np.arange(50.0)
    values[10] = np.nan
    when = sampling(time_s, "x")
    binned = sampled_bins(series("x", values, time_s), when, edges(when.span_s[0], 50, 0.1))[0, :, 0]
    assert np.flatnonzero(np.isnan(binned)).tolist() == [10]


def test_times_that_do_not_increase_are_refused() -> None:
    with pytest.raises(UserError, match="increasing"):
        sampling(np.array([0.0, 1.0, 1.0]), "x")


@pytest.mark.parametrize("causal", [False, True])
def test_smoothing_keeps_a_constant_at_edges_and_beside_gaps(causal: bool) -> None:
    values = np.full((2, 60, 3), 4.0)
    values[0, 20:25] = np.nan
    result = smoothed(values, 0.1, 0.05, causal)
    assert np.isnan(result[0, 20:25]).all()
    np.testing.assert_allclose(result[np.isfinite(values)], 4.0, rtol=1e-12)


def test_causal_smoothing_never_looks_ahead() -> None:
    pulse = np.zeros((1, 81, 1))
    pulse[0, 40] = 1.0
    ahead, both = smoothed(pulse, 0.1, 0.05, causal=True)[0, :, 0], smoothed(pulse, 0.1, 0.05)[0, :, 0]
    assert not ahead[:40].any()
    assert ahead[41] > 0
    np.testing.assert_allclose(both, both[::-1], atol=1e-15)
    assert both.sum() == pytest.approx(1.0)
    # Gaussian of two bins: one standard deviation away from the peak it has fallen by exp(-1/2).
    assert both[42] / both[40] == pytest.approx(np.exp(-0.5))


def test_averaging_own_bins_and_the_whole_multiple() -> None:
    np.testing.assert_allclose(averaged(np.arange(7.0)[None, :, None], 3)[0, :, 0], [1.0, 4.0])
    assert whole_multiple(0.3, 0.1, "bin_width_s") == 3
    with pytest.raises(UserError, match=r"bin_width_s: found 0.25 s, expected a whole multiple .* 0.1 s"):
        whole_multiple(0.25, 0.1, "bin_width_s")
