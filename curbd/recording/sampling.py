"""Samples of a time series in bins: averages of whole samples, or of points between the samples.

A bin of which more than half is missing is NaN, and no step of the workflow replaces the NaN by a value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curbd.errors import UserError
from curbd.recording.binning import ROUNDING_BINS
from curbd.recording.recording_file import Series

MAX_JITTER_STEPS = 0.05
"""Samples that deviate from an even clock by more than this share of the sampling step are interpolated."""
MAX_GAP_STEPS = 3.0
"""A gap of more than this number of sampling steps between two samples is missing data."""


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
