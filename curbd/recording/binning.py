"""Spikes in bins, and narrow bins in wider bins.

Bins are counted in integers: bin ``k`` of a trial covers ``[t0 + k dt, t0 + (k + 1) dt)``. A bin without observations
is NaN, and no step of the workflow replaces the NaN by a value.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from curbd.errors import UserError
from curbd.recording.recording_file import Spikes

ROUNDING_BINS = 1e-6
"""Differences in time below this share of a bin, or of a sampling step, count as rounding errors."""


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
