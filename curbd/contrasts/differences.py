"""Differences of a current between two levels: of its mean, its evoked part and its trial-to-trial part.

Every part of a current is compared by a statistic over time that is computed in the same way for the labels of the data
and for permuted labels. Statistics are studentised, so that permutations are right, with many trials, for levels of
different variance as well (Chung & Romano, Ann. Stat. 2013).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri as normal_quantile

from curbd.contrasts.trials import MIN_LEVEL_TRIALS, Comparison

Array = np.ndarray
NORMAL_95 = float(normal_quantile(0.975))
"""Half the width of a 95 % interval, in standard errors."""
CLUSTER_THRESHOLD = NORMAL_95
"""Absolute value of a studentised statistic above which a bin belongs to a cluster."""
PATTERN_QUANTILE = 0.95
"""Quantile of the null above which the distance of two patterns belongs to a cluster."""
SMALLEST_ERROR = 1e-6
"""Smallest standard error of a difference, relative to the largest difference of any labels."""
PERMUTATIONS_AT_ONCE = 100
"""Number of permutations whose patterns are held in memory at the same time."""


class Labels(NamedTuple):
    """Labels of the data and of the null, as weights of the trials.

    Attributes
    ----------
    a, b : (1 + permutation, trial) weights of the trials in the mean of the two levels; the first row is that of the
        data.
    """

    a: Array
    b: Array


class Difference(NamedTuple):
    """A difference between two levels, for the labels of the data and of the null.

    Attributes
    ----------
    difference : (1 + permutation, time) difference of the means of the two levels.
    variance : (1 + permutation, time) variance of the difference from trial to trial.
    spread : (time,) standard deviation of single trials of the data about the mean of their level.
    """

    difference: Array
    variance: Array
    spread: Array

    @property
    def studentised(self) -> Array:
        """Return the difference in standard errors; NaN where nothing varies.

        Levels may differ without any variability in a level, as an input does that is the compared column itself.
        """
        floor = SMALLEST_ERROR**2 * np.nan_to_num(self.difference**2 + self.variance).max(0)
        error = np.sqrt(np.maximum(self.variance, floor))
        return np.where(error > 0, self.difference / np.where(error > 0, error, 1), np.nan)


def compared_bins(current: Array, comparison: Comparison, in_window: Array) -> Array:
    """Return the bins (time,) bool of the window in which both levels have enough trials."""
    present = np.isfinite(current).all(2)
    enough = [present[chosen].sum(0) >= MIN_LEVEL_TRIALS for chosen in (comparison.is_a, ~comparison.is_a)]
    return in_window & enough[0] & enough[1]


def labels_of(comparison: Comparison, is_a: Array) -> Labels:
    """Convert labels (1 + permutation, trial) of a comparison to weights."""
    return Labels(*comparison.weights(is_a))


def difference_of_means(values: Array, labels: Labels) -> Difference:
    """Compute the difference between the means of two levels, and its variance from trial to trial (Welch).

    Parameters
    ----------
    values : (trial, time) values, centred within strata; NaN where missing.
    labels : weights of the trials.

    Returns
    -------
    The difference.
    """
    present = np.isfinite(values)
    filled = np.where(present, values, 0.0)
    means, variances, spreads = [], [], []
    for weights in labels:
        total = weights @ present.astype(float)
        known = total > 0
        total = np.where(known, total, np.nan)
        mean = weights @ filled / total
        effective = total**2 / np.where(known, weights**2 @ present.astype(float), np.nan)
        within = np.maximum(weights @ filled**2 / total - mean**2, 0) * effective / np.maximum(effective - 1, 1)
        means.append(mean)
        variances.append(within / effective)
        spreads.append(within[0])
    spread = np.sqrt((spreads[0] + spreads[1]) / 2)
    return Difference(means[0] - means[1], variances[0] + variances[1], spread)


def level_means(values: Array, labels: Labels) -> tuple[Array, Array]:
    """Compute the mean (time, ...) of both levels from values (trial, time, ...) with the labels of the data."""
    present = np.isfinite(values)
    filled = np.where(present, values, 0.0)
    means = []
    for weights in (labels.a[0], labels.b[0]):
        total = np.tensordot(weights, present.astype(float), 1)
        means.append(np.tensordot(weights, filled, 1) / np.where(total > 0, total, np.nan))
    return means[0], means[1]


def pattern_distance(current: Array, labels: Labels) -> Array:
    """Compute the squared distance between the evoked currents of two levels, without the bias of finite trials.

    The distance is the mean square over units of the difference between the means of the two levels, minus the part
    that variability from trial to trial contributes on average; like a cross-validated distance (Walther et al.,
    NeuroImage 2016), it is 0 on average, and often negative, where the evoked currents are equal.

    Parameters
    ----------
    current : (trial, time, unit) current, centred within strata; NaN where missing.
    labels : weights of the trials.

    Returns
    -------
    (1 + permutation, time) squared distances.
    """
    n_trials, n_times, n_units = current.shape
    present = np.isfinite(current).all(2)
    filled = np.where(present[..., None], current, 0.0)
    flat, squares, counted = filled.reshape(n_trials, -1), (filled**2).sum(2), present.astype(float)
    distances = []
    for rows in _batches(len(labels.a)):
        means, bias = [], 0.0
        for weights in (labels.a[rows], labels.b[rows]):
            total = weights @ counted
            total = np.where(total > 0, total, np.nan)
            mean = (weights @ flat).reshape(-1, n_times, n_units) / total[..., None]
            effective = total**2 / (weights**2 @ counted)
            within = weights @ squares / total - (mean**2).sum(2)
            bias = bias + within / np.maximum(effective - 1, 1)
            means.append(mean)
        distances.append((((means[0] - means[1]) ** 2).sum(2) - bias) / n_units)
    return np.concatenate(distances)


def trial_to_trial_power(current: Array, comparison: Comparison, labels: Labels) -> Array:
    """Compute the mean square over units of the deviation of every trial from the evoked current of its level.

    Parameters
    ----------
    current : (trial, time, unit) current; NaN where missing.
    comparison : the compared trials; the evoked current is that of a level and stratum.
    labels : weights of the trials.

    Returns
    -------
    (trial, time) mean squares, corrected for the degrees of freedom that the evoked current takes; NaN where missing.
    """
    power = np.full(current.shape[:2], np.nan)
    for stratum in np.unique(comparison.stratum):
        for level in (comparison.is_a, ~comparison.is_a):
            chosen = level & (comparison.stratum == stratum)
            count = np.isfinite(current[chosen]).all(2).sum(0)
            mean = np.nansum(current[chosen], axis=0) / np.maximum(count, 1)[:, None]
            freedom = np.where(count > 1, count / np.maximum(count - 1, 1), np.nan)
            power[chosen] = ((current[chosen] - mean) ** 2).mean(2) * freedom
    return power


def signed_root(values: Array | float) -> Array:
    """Return the square root of the absolute values, with their sign."""
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


def _batches(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, PERMUTATIONS_AT_ONCE):
        yield slice(start, start + PERMUTATIONS_AT_ONCE)
