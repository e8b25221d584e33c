"""Fast coupling between the recorded spikes of two regions: synapses of single units that the latents do not contain.

A synapse acts within milliseconds and in one direction. What regions share otherwise, be it latents or a background, is
slow, and hardly differs between lags of 4 and of 40 ms. In bins of 5 ms or less, the cross-correlation of units at
short lags minus that at longer lags of both signs is therefore left with the synapses. Its largest singular value
collects synapses of many pairs of units. The null pairs each trial of one region with another trial of the same
condition of the other region.
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.recording import Recording

Array = np.ndarray
MAX_COUPLING_BIN_S = 0.005
"""Largest bin width in seconds at which a synapse differs from slow activity."""
SHORT_LAG_S = 0.02
"""Largest lag in seconds at which synapses act; lags up to three times as long are the reference."""
NULL_SHIFTS = 10
"""Number of shifts by which trials are paired with other trials of their condition."""


def spike_coupling(data: Recording) -> Array:
    """Measure the fast coupling from the recorded units of each region to those of each other region.

    Parameters
    ----------
    data : the recording of spike counts.

    Returns
    -------
    (target, source) largest singular value of the fast cross-correlation, in standard deviations above the mean of
    re-paired trials; NaN on the diagonal, if bins are longer than ``MAX_COUPLING_BIN_S``, and if a condition has too
    few trials.
    """
    regions = int(data.region.max()) + 1
    above = np.full((regions, regions), np.nan)
    if data.bin_s > MAX_COUPLING_BIN_S or np.bincount(data.condition).min() <= NULL_SHIFTS:
        return above
    off = _standardised(data)
    groups = [off[..., data.region == region] for region in range(regions)]
    for first in range(regions):
        for second in range(first + 1, regions):
            values = np.array(
                [
                    _strength(groups[first], groups[second][:, _shifted(data.condition, shift)], data.bin_s)
                    for shift in range(NULL_SHIFTS + 1)
                ]
            )
            null = values[1:]
            above[second, first], above[first, second] = (values[0] - null.mean(0)) / null.std(0, ddof=1)
    return above


def _standardised(data: Recording) -> Array:
    """(time, trial, unit) counts about the mean of their bin and condition, in units of the root of the mean count."""
    off = np.zeros_like(data.activity)
    for condition in range(data.condition.max() + 1):
        chosen = data.condition == condition
        amount = np.maximum(data.seen[:, chosen].sum(1, keepdims=True), 1)
        mean = data.activity[:, chosen].sum(1, keepdims=True) / amount
        off[:, chosen] = (data.activity[:, chosen] - mean) * data.seen[:, chosen]
    mean_count = data.activity.sum((0, 1)) / np.maximum(data.seen.sum((0, 1)), 1)
    return off / np.sqrt(np.maximum(mean_count, 1e-6))


def _strength(first: Array, second: Array, bin_s: float) -> tuple[float, float]:
    """Largest singular values of the fast cross-correlation from first to second, and from second to first."""
    short = max(round(SHORT_LAG_S / bin_s), 1)
    ahead = [_crossed(first, second, lag) for lag in range(1, 3 * short + 1)]
    back = [_crossed(second, first, lag).T for lag in range(1, 3 * short + 1)]
    slow = np.mean(ahead[short:] + back[short:], axis=0)
    values = [np.linalg.svd(np.mean(part[:short], axis=0) - slow, compute_uv=False)[0] for part in (ahead, back)]
    return float(values[0]), float(values[1])


def _crossed(early: Array, late: Array, lag: int) -> Array:
    """(early unit, late unit) mean product of early units with late units a number of bins later."""
    units = early[:-lag].reshape(-1, early.shape[2]), late[lag:].reshape(-1, late.shape[2])
    return units[0].T @ units[1] / len(units[0])


def _shifted(condition: Array, shift: int) -> Array:
    """(trial,) trial that takes the place of each trial if the trials of each condition are shifted in a circle."""
    order = np.arange(len(condition))
    for value in np.unique(condition):
        chosen = np.flatnonzero(condition == value)
        order[chosen] = np.roll(chosen, shift)
    return order
