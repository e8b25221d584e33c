"""From spikes and samples to bins, and smoothing over bins.

Bins are counted in integers: bin ``k`` of a trial covers ``[t0 + k dt, t0 + (k + 1) dt)``. What was not observed is
NaN and stays NaN; nothing is invented.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve1d

from curbd.errors import UserError
from curbd.recording.recording_file import Series, Spikes

TOLERANCE = 1e-6
"""Share of a bin (or sampling step) below which a difference in time is rounding."""
JITTER = 0.05
"""Share of the sampling step by which samples may stray from an even clock before they are resampled."""
LONGEST_GAP = 3.0
"""Sampling steps; a longer silence between two samples is missing data."""
TRUNCATE = 4.0
"""The Gaussian is cut off at this many standard deviations."""


# --- spikes ------------------------------------------------------------------------------------------------------


def spike_rates(spikes: Spikes, units: Iterable[int], edges_s: np.ndarray) -> np.ndarray:
    """Count spikes per bin and divide by the bin width, in Hz.

    Parameters
    ----------
    spikes : spike times, read one unit at a time.
    units : indices of the units to read.
    edges_s : (trial, bin + 1) edges of the bins, evenly spaced, in seconds.

    Returns
    -------
    (trial, bin, unit) rates; NaN in bins outside the recording or not wholly inside the stretches in which the unit
    was observed.
    """
    width = (edges_s[0, -1] - edges_s[0, 0]) / (edges_s.shape[1] - 1)
    rates = []
    # A spike that lies on an edge up to rounding belongs to the bin that starts there.
    lower_edges = edges_s - TOLERANCE * width
    # A span that was read off the first and last spike cuts through two bins in which the recording was on.
    inside = covered(np.array([spikes.span_s], dtype=float), edges_s) > 0
    for unit in units:
        counts = np.diff(np.searchsorted(spikes.read(unit), lower_edges), axis=1)
        seen = inside
        if spikes.observed_s is not None:
            seen = covered(spikes.observed_s(unit), edges_s) >= 1 - 2 * TOLERANCE
        rates.append(np.where(seen, counts / width, np.nan))
    return np.stack(rates, axis=2)


def covered(intervals_s: np.ndarray, edges_s: np.ndarray) -> np.ndarray:
    """Share of each bin that lies inside any of the intervals.

    Parameters
    ----------
    intervals_s : (interval, 2) start and stop in seconds, in any order, overlapping or not; rows with NaN are ignored.
    edges_s : (..., bin + 1) edges of the bins.

    Returns
    -------
    (..., bin) numbers from 0 to 1.
    """
    intervals = np.asarray(intervals_s, dtype=float).reshape(-1, 2)
    intervals = intervals[np.isfinite(intervals).all(axis=1) & (intervals[:, 1] > intervals[:, 0])]
    if not len(intervals):
        return np.zeros((*edges_s.shape[:-1], edges_s.shape[-1] - 1))
    starts, stops = intervals[np.argsort(intervals[:, 0], kind="stable")].T
    latest = np.maximum.accumulate(stops)
    opens = np.r_[True, starts[1:] > latest[:-1]]
    starts, stops = starts[opens], latest[np.r_[np.flatnonzero(opens)[1:] - 1, len(latest) - 1]]
    # Time spent inside the intervals up to each of their ends, linear in between.
    knots = np.column_stack([starts, stops]).ravel()
    inside = np.cumsum(np.column_stack([np.zeros(len(starts)), stops - starts]).ravel())
    return np.clip(np.diff(np.interp(edges_s, knots, inside), axis=-1) / np.diff(edges_s, axis=-1), 0.0, 1.0)


# --- samples -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sampling:
    """When a series was sampled.

    Attributes
    ----------
    time_s : (sample,) times in seconds; evenly spaced ones are cleared of their rounding.
    step_s : sampling step.
    even : the samples are evenly spaced, so they can be used as they are.
    """

    time_s: np.ndarray
    step_s: float
    even: bool

    @property
    def span_s(self) -> tuple[float, float]:
        """From half a step before the first sample to half a step after the last: each sample stands for a step."""
        return float(self.time_s[0] - self.step_s / 2), float(self.time_s[-1] + self.step_s / 2)


def sampling(time_s: np.ndarray, place: str) -> Sampling:
    """Sampling step of a series and whether it is even.

    The step is the mean difference of an even series, the median one of any other, written with as few digits as the
    data allow (0.1, not 0.0999999996).

    Raises
    ------
    UserError : fewer than two samples, or times that do not increase.
    """
    time_s = np.asarray(time_s, dtype=float)
    if len(time_s) < 2:
        raise UserError.at(place, found=f"{len(time_s)} samples", expected="a time series with at least two")
    differences = np.diff(time_s)
    if not (differences > 0).all():
        raise UserError.at(place, found="sample times that do not increase", expected="increasing times in seconds")
    mean = float(time_s[-1] - time_s[0]) / (len(time_s) - 1)
    grid = time_s[0] + mean * np.arange(len(time_s))
    if np.abs(time_s - grid).max() <= JITTER * mean:
        # Rounding the step must not move the last sample visibly.
        step = _few_digits(mean, tolerance=JITTER / len(time_s))
        return Sampling(time_s[0] + step * np.arange(len(time_s)), step, even=True)
    return Sampling(time_s, _few_digits(float(np.median(differences)), tolerance=1e-3), even=False)


def _few_digits(value: float, tolerance: float) -> float:
    for digits in range(1, 17):
        rounded = float(f"{value:.{digits}g}")
        if abs(rounded / value - 1) <= tolerance:
            return rounded
    return value


def sampled_bins(series: Series, when: Sampling, edges_s: np.ndarray) -> np.ndarray:
    """Average a series in each bin.

    Even samples and a bin of ``m`` whole steps: the mean of the ``m`` samples in the bin, none interpolated. Otherwise
    the mean of ``m`` evenly spaced points of the bin, interpolated linearly between the samples. Points inside a gap
    of more than 3 steps, or beyond the ends, are missing; a bin with more than half of its points missing is NaN.

    Parameters
    ----------
    series : the series; only the slices under the bins are read.
    when : its sample times.
    edges_s : (trial, bin + 1) edges of the bins, evenly spaced, in seconds.

    Returns
    -------
    (trial, bin, column)
    """
    n_bins = edges_s.shape[1] - 1
    width = (edges_s[0, -1] - edges_s[0, 0]) / n_bins
    n_points = max(1, round(width / when.step_s))
    whole = when.even and abs(n_points * when.step_s / width - 1) * n_bins < JITTER
    offsets = (np.arange(n_points) + 0.5) / n_points * width
    binned = np.full((edges_s.shape[0], n_bins, series.columns), np.nan)
    for trial, edges in enumerate(edges_s):
        points = (edges[:-1, None] + offsets).ravel()
        drawn = _samples(series, when, points) if whole else _interpolated(series, when, points)
        drawn = drawn.reshape(n_bins, n_points, series.columns)
        present = np.isfinite(drawn)
        n_present = present.sum(axis=1)
        total = np.where(present, drawn, 0.0).sum(axis=1)
        binned[trial] = np.where(2 * n_present >= n_points, total / np.maximum(n_present, 1), np.nan)
    return binned


def _read(series: Series, first: int, last: int) -> np.ndarray:
    return np.asarray(series.read(first, last), dtype=float).reshape(last - first, series.columns)


def _samples(series: Series, when: Sampling, points_s: np.ndarray) -> np.ndarray:
    """(point, column) the successive samples nearest to points that lie one step apart.

    Half-way the earlier one: a bin that starts at a sample begins with it.
    """
    start = int(np.ceil((points_s[0] - when.time_s[0]) / when.step_s - 0.5 - JITTER))
    drawn = np.full((len(points_s), series.columns), np.nan)
    first, last = max(start, 0), min(start + len(points_s), len(when.time_s))
    if first < last:
        drawn[first - start : last - start] = _read(series, first, last)
    return drawn


def _interpolated(series: Series, when: Sampling, points_s: np.ndarray) -> np.ndarray:
    """(point, column) linear interpolation; a point on a sample depends on no other sample."""
    first = max(int(np.searchsorted(when.time_s, points_s[0])) - 1, 0)
    last = min(int(np.searchsorted(when.time_s, points_s[-1])) + 2, len(when.time_s))
    if last - first < 2:
        return np.full((len(points_s), series.columns), np.nan)
    time_s, values = when.time_s[first:last], _read(series, first, last)
    left = np.clip(np.searchsorted(time_s, points_s, side="right") - 1, 0, len(time_s) - 2)
    span = time_s[left + 1] - time_s[left]
    share = (points_s - time_s[left]) / span
    between = (1 - share[:, None]) * values[left] + share[:, None] * values[left + 1]
    between[(span > LONGEST_GAP * when.step_s) | (share < 0) | (share > 1)] = np.nan
    # Half a step beyond the ends still belongs to the first and the last sample.
    reach = (0.5 + TOLERANCE) * when.step_s
    rounding = TOLERANCE * when.step_s
    on_left = (share * span <= rounding) & (share * span >= -reach)
    on_right = ((share - 1) * span >= -rounding) & ((share - 1) * span <= reach)
    drawn = np.where(on_left[:, None], values[left], between)
    return np.where(on_right[:, None], values[left + 1], drawn)


# --- bins of bins ------------------------------------------------------------------------------------------------


def averaged(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Mean of every ``n_bins`` successive bins of (trial, time, ...); a mean with a missing bin is missing."""
    n_whole = values.shape[1] // n_bins
    groups = values[:, : n_whole * n_bins].reshape(values.shape[0], n_whole, n_bins, *values.shape[2:])
    return groups.mean(axis=2)


def whole_multiple(width_s: float, step_s: float, place: str) -> int:
    """How many steps make a bin.

    Raises
    ------
    UserError : the width is no whole multiple of the step.
    """
    multiple = round(width_s / step_s)
    if multiple < 1 or abs(width_s / step_s - multiple) > 1e-3 * multiple:
        raise UserError.at(
            place,
            found=f"{width_s:g} s",
            expected=f"a whole multiple of the file's own bins of {step_s:g} s",
            todo="leave it null to use them as they are",
        )
    return multiple


# --- smoothing ---------------------------------------------------------------------------------------------------


def margin_bins(smoothing_s: float, dt_s: float) -> int:
    """Bins that the Gaussian reaches beyond its centre."""
    return int(np.ceil(TRUNCATE * smoothing_s / dt_s - TOLERANCE)) if smoothing_s > 0 else 0


def smoothed(values: np.ndarray, smoothing_s: float, dt_s: float, causal: bool = False) -> np.ndarray:
    """Smooth over time with a Gaussian, ``sum_k w_k y_(t-k) / sum_k w_k`` over the bins that were observed.

    Dividing by the weights that were used keeps the level at the edges and beside missing bins (normalised
    convolution). A missing bin stays missing.

    Parameters
    ----------
    values : (trial, time, unit), NaN where missing.
    smoothing_s : standard deviation of the Gaussian; 0 returns the values as they are.
    dt_s : bin width.
    causal : use the present and the past only (half a Gaussian).
    """
    reach = margin_bins(smoothing_s, dt_s)
    if reach == 0:
        return values
    lags = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (lags * dt_s / smoothing_s) ** 2)
    if causal:
        weights[lags < 0] = 0.0
    present = np.isfinite(values)
    total = convolve1d(np.where(present, values, 0.0), weights, axis=1, mode="constant")
    weight = convolve1d(present.astype(float), weights, axis=1, mode="constant")
    return np.where(present, total / np.where(present, weight, 1.0), np.nan)
