"""Conversion of spikes and samples to bins, and smoothing over bins.

Bins are counted in integers: bin ``k`` of a trial covers ``[t0 + k dt, t0 + (k + 1) dt)``. A bin without observations
is NaN, and no step of the workflow replaces the NaN by a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve1d

from curbd.errors import UserError
from curbd.recording.recording_file import Series, Spikes

ROUNDING_BINS = 1e-6
"""Differences in time below this share of a bin, or of a sampling step, count as rounding errors."""
MAX_JITTER_STEPS = 0.05
"""Samples that deviate from an even clock by more than this share of the sampling step are interpolated."""
MAX_GAP_STEPS = 3.0
"""A gap of more than this number of sampling steps between two samples is missing data."""
GAUSSIAN_REACH_SD = 4.0
"""The Gaussian is cut off at this number of standard deviations on either side."""


# --- spikes ------------------------------------------------------------------------------------------------------


def spike_rates(spikes: Spikes, units: Iterable[int], edges_s: np.ndarray) -> np.ndarray:
    """Compute firing rates in Hz: the number of spikes in each bin, divided by the bin width.

    Parameters
    ----------
    spikes : spike times, read one unit at a time.
    units : indices of the units to read.
    edges_s : (trial, bin + 1) evenly spaced edges of the bins in seconds.

    Returns
    -------
    (trial, bin, unit) rates in Hz; NaN in bins that are not entirely inside the recording and inside the intervals in
    which the unit was observed.
    """
    width = (edges_s[0, -1] - edges_s[0, 0]) / (edges_s.shape[1] - 1)
    rates = []
    # A spike on an edge, up to rounding, belongs to the bin that starts at this edge.
    lower_edges = edges_s - ROUNDING_BINS * width
    # Where the first and last spike define the span, the span ends inside two bins in which the recording was on.
    inside = covered(np.array([spikes.span_s], dtype=float), edges_s) > 0
    for unit in units:
        counts = np.diff(np.searchsorted(spikes.read(unit), lower_edges), axis=1)
        observed = inside
        if spikes.observed_s is not None:
            observed = covered(spikes.observed_s(unit), edges_s) >= 1 - 2 * ROUNDING_BINS
        rates.append(np.where(observed, counts / width, np.nan))
    return np.stack(rates, axis=2)


def covered(intervals_s: np.ndarray, edges_s: np.ndarray) -> np.ndarray:
    """Return the share of each bin that lies inside any of the given intervals.

    Parameters
    ----------
    intervals_s : (interval, 2) start and stop in seconds; intervals may overlap and may be in any order, and rows with
        NaN are ignored.
    edges_s : (..., bin + 1) edges of the bins in seconds.

    Returns
    -------
    (..., bin) shares between 0 and 1.
    """
    intervals = np.asarray(intervals_s, dtype=float).reshape(-1, 2)
    intervals = intervals[np.isfinite(intervals).all(axis=1) & (intervals[:, 1] > intervals[:, 0])]
    if not len(intervals):
        return np.zeros((*edges_s.shape[:-1], edges_s.shape[-1] - 1))
    starts, stops = intervals[np.argsort(intervals[:, 0], kind="stable")].T
    latest = np.maximum.accumulate(stops)
    opens = np.r_[True, starts[1:] > latest[:-1]]
    starts, stops = starts[opens], latest[np.r_[np.flatnonzero(opens)[1:] - 1, len(latest) - 1]]
    # Time spent inside the intervals until each of their ends; this time is linear between the ends.
    knots = np.column_stack([starts, stops]).ravel()
    inside = np.cumsum(np.column_stack([np.zeros(len(starts)), stops - starts]).ravel())
    return np.clip(np.diff(np.interp(edges_s, knots, inside), axis=-1) / np.diff(edges_s, axis=-1), 0.0, 1.0)


# --- samples -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sampling:
    """Sample times and sampling step of a series.

    Attributes
    ----------
    time_s : (sample,) times in seconds; even times are recomputed from the step, which removes rounding errors.
    step_s : sampling step in seconds.
    even : True if the samples are evenly spaced, so that bins can average samples without interpolation.
    """

    time_s: np.ndarray
    step_s: float
    even: bool

    @property
    def span_s(self) -> tuple[float, float]:
        """Return the first and last time that the samples cover, in seconds.

        Each sample covers one sampling step around its time.
        """
        return float(self.time_s[0] - self.step_s / 2), float(self.time_s[-1] + self.step_s / 2)


def sampling(time_s: np.ndarray, where: str) -> Sampling:
    """Determine the sampling step of a series, and whether the series is evenly sampled.

    The step is the mean difference between sample times of an even series, and the median difference of any other
    series. The step is rounded to as few digits as the times allow (0.1 instead of 0.0999999996).

    Parameters
    ----------
    time_s : (sample,) times in seconds.
    where : the series, for messages.

    Returns
    -------
    Times, step and evenness of the samples.

    Raises
    ------
    UserError : fewer than two samples, or times that do not increase.
    """
    time_s = np.asarray(time_s, dtype=float)
    if len(time_s) < 2:
        raise UserError.at(where, found=f"{len(time_s)} samples", expected="a time series of at least two samples")
    differences = np.diff(time_s)
    if not (differences > 0).all():
        raise UserError.at(where, found="sample times that do not increase", expected="increasing times in seconds")
    mean = float(time_s[-1] - time_s[0]) / (len(time_s) - 1)
    grid = time_s[0] + mean * np.arange(len(time_s))
    if np.abs(time_s - grid).max() <= MAX_JITTER_STEPS * mean:
        # The tolerance is such that rounding the step moves the last sample by a small share of a step only.
        step = _few_digits(mean, tolerance=MAX_JITTER_STEPS / len(time_s))
        return Sampling(time_s[0] + step * np.arange(len(time_s)), step, even=True)
    return Sampling(time_s, _few_digits(float(np.median(differences)), tolerance=1e-3), even=False)


def _few_digits(value: float, tolerance: float) -> float:
    for digits in range(1, 17):
        rounded = float(f"{value:.{digits}g}")
        if abs(rounded / value - 1) <= tolerance:
            return rounded
    return value


def sampled_bins(series: Series, when: Sampling, edges_s: np.ndarray) -> np.ndarray:
    """Average a sampled series in each bin.

    If samples are evenly spaced and a bin has the width of ``m`` whole steps, the average is the mean of the ``m``
    samples in the bin. Otherwise the average is the mean of ``m`` evenly spaced points in the bin, at which the series
    is interpolated linearly. Points in a gap of more than 3 sampling steps, or beyond the first or last sample, are
    missing. A bin with more than half of its points missing is NaN.

    Parameters
    ----------
    series : the series; only the slices that the bins cover are read.
    when : sample times of the series.
    edges_s : (trial, bin + 1) evenly spaced edges of the bins in seconds.

    Returns
    -------
    (trial, bin, column) in the unit of the series.
    """
    n_bins = edges_s.shape[1] - 1
    width = (edges_s[0, -1] - edges_s[0, 0]) / n_bins
    n_points = max(1, round(width / when.step_s))
    whole = when.even and abs(n_points * when.step_s / width - 1) * n_bins < MAX_JITTER_STEPS
    offsets = (np.arange(n_points) + 0.5) / n_points * width
    binned = np.full((edges_s.shape[0], n_bins, series.columns), np.nan)
    for trial, edges in enumerate(edges_s):
        points = (edges[:-1, None] + offsets).ravel()
        values = _samples(series, when, points) if whole else _interpolated(series, when, points)
        values = values.reshape(n_bins, n_points, series.columns)
        present = np.isfinite(values)
        n_present = present.sum(axis=1)
        total = np.where(present, values, 0.0).sum(axis=1)
        binned[trial] = np.where(2 * n_present >= n_points, total / np.maximum(n_present, 1), np.nan)
    return binned


def _read(series: Series, first: int, last: int) -> np.ndarray:
    return np.asarray(series.read(first, last), dtype=float).reshape(last - first, series.columns)


def _samples(series: Series, when: Sampling, points_s: np.ndarray) -> np.ndarray:
    """(point, column) successive samples, each the nearest to one of the points, which lie one step apart.

    A point half-way between two samples takes the earlier sample, so that a bin that starts at a sample contains it.
    """
    start = int(np.ceil((points_s[0] - when.time_s[0]) / when.step_s - 0.5 - MAX_JITTER_STEPS))
    values = np.full((len(points_s), series.columns), np.nan)
    first, last = max(start, 0), min(start + len(points_s), len(when.time_s))
    if first < last:
        values[first - start : last - start] = _read(series, first, last)
    return values


def _interpolated(series: Series, when: Sampling, points_s: np.ndarray) -> np.ndarray:
    """(point, column) values interpolated linearly; a point at a sample time takes that sample alone."""
    first = max(int(np.searchsorted(when.time_s, points_s[0])) - 1, 0)
    last = min(int(np.searchsorted(when.time_s, points_s[-1])) + 2, len(when.time_s))
    if last - first < 2:
        return np.full((len(points_s), series.columns), np.nan)
    time_s, values = when.time_s[first:last], _read(series, first, last)
    left = np.clip(np.searchsorted(time_s, points_s, side="right") - 1, 0, len(time_s) - 2)
    span = time_s[left + 1] - time_s[left]
    share = (points_s - time_s[left]) / span
    between = (1 - share[:, None]) * values[left] + share[:, None] * values[left + 1]
    between[(span > MAX_GAP_STEPS * when.step_s) | (share < 0) | (share > 1)] = np.nan
    # A point up to half a step before the first or after the last sample still takes that sample.
    reach = (0.5 + ROUNDING_BINS) * when.step_s
    rounding = ROUNDING_BINS * when.step_s
    on_left = (share * span <= rounding) & (share * span >= -reach)
    on_right = ((share - 1) * span >= -rounding) & ((share - 1) * span <= reach)
    with_left = np.where(on_left[:, None], values[left], between)
    return np.where(on_right[:, None], values[left + 1], with_left)


# --- bins of bins ------------------------------------------------------------------------------------------------


def averaged(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Average every ``n_bins`` successive bins; the mean is NaN if any of these bins is NaN.

    Parameters
    ----------
    values : (trial, time, ...) values, NaN where missing.
    n_bins : number of narrow bins in a wide bin; leftover narrow bins at the end are dropped.

    Returns
    -------
    (trial, wide bin, ...) means.
    """
    n_whole = values.shape[1] // n_bins
    groups = values[:, : n_whole * n_bins].reshape(values.shape[0], n_whole, n_bins, *values.shape[2:])
    return groups.mean(axis=2)


def whole_multiple(width_s: float, step_s: float, where: str) -> int:
    """Return the number of sampling steps in a bin.

    Parameters
    ----------
    width_s : width of the bin in seconds.
    step_s : sampling step in seconds.
    where : the setting, for messages.

    Returns
    -------
    The number of steps.

    Raises
    ------
    UserError : the width is not a whole multiple of the step.
    """
    multiple = round(width_s / step_s)
    if multiple < 1 or abs(width_s / step_s - multiple) > 1e-3 * multiple:
        raise UserError.at(
            where,
            found=f"{width_s:g} s",
            expected=f"a whole multiple of the sampling step of the file, {step_s:g} s",
            todo="set bin_width_s to null to use the bins of the file",
        )
    return multiple


# --- smoothing ---------------------------------------------------------------------------------------------------


def margin_bins(smoothing_s: float, dt_s: float) -> int:
    """Return the number of bins that the smoothing Gaussian extends on either side of its centre."""
    return int(np.ceil(GAUSSIAN_REACH_SD * smoothing_s / dt_s - ROUNDING_BINS)) if smoothing_s > 0 else 0


def require_short_smoothing(smoothing_s: float, longest_s: float, where: str) -> None:
    """Stop before activity is smoothed so long that every trial becomes a constant.

    Parameters
    ----------
    smoothing_s : standard deviation of the Gaussian in seconds.
    longest_s : length of the longest trial or block in seconds.
    where : the recording, for messages.

    Raises
    ------
    UserError : the smoothing is longer than all trials.
    """
    if smoothing_s > longest_s:
        raise UserError.at(
            f"{where}: smoothing_s",
            found=f"{smoothing_s:g} s",
            expected=f"less than the {longest_s:.4g} s of the longest trial or block",
            todo="smoothing_s is the standard deviation of a Gaussian in seconds, such as 0.1",
        )


def smoothed(values: np.ndarray, smoothing_s: float, dt_s: float, causal: bool = False) -> np.ndarray:
    """Smooth rates over time with a Gaussian, ignoring missing bins.

    The smoothed rate is ``sum_k w_k y_(t-k) / sum_k w_k``, with rates y, Gaussian weights w and sums over the observed
    bins (normalised convolution). The denominator keeps the level of the rates at the ends of a trial and next to
    missing bins. A missing bin stays missing.

    Parameters
    ----------
    values : (trial, time, unit) rates, NaN where missing.
    smoothing_s : standard deviation of the Gaussian in seconds; 0 returns the values unchanged.
    dt_s : bin width in seconds.
    causal : True uses only the present and the past bins (half a Gaussian).

    Returns
    -------
    (trial, time, unit) smoothed rates, NaN where missing.
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
