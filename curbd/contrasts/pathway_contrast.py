"""The contrast of one pathway: every part of its current, compared over time and over the whole window."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr as normal_distribution

from curbd.contrasts.clusters import Cluster, cluster_test, p_value
from curbd.contrasts.differences import (
    CLUSTER_THRESHOLD,
    PATTERN_QUANTILE,
    Difference,
    Labels,
    difference_of_means,
    level_means,
    pattern_distance,
    trial_to_trial_power,
)
from curbd.contrasts.trials import Comparison

Array = np.ndarray
PARTS = ("current", "evoked", "pattern", "trial_to_trial")
"""The parts of a current: its mean over units; the evoked current, along its pattern over units; the pattern of the
evoked current over units; and the deviations of single trials from the evoked current."""


@dataclass
class PartContrast:
    """One part of the current of a pathway, compared between two levels.

    Attributes
    ----------
    level_a, level_b : (time,) value of the part in each level; NaN where unknown.
    difference : (time,) difference, level_a minus level_b.
    variance : (time,) variance of the difference from trial to trial.
    clusters : clusters of bins in which the levels differ, with p-values corrected for time.
    p_trials : p-value of the largest cluster.
    window_difference, window_variance : difference over the whole window, and its variance from trial to trial.
    window_p : p-value of the difference over the whole window.
    spread : standard deviation of single trials, by which the difference over the window is standardised.
    autocorrelation : correlation of neighbouring trials, after the difference between the levels is removed.
    window_gradient, cluster_gradient, gradient : activity of the source, (1, column) or (unit, column), whose current
        in a unit, summed over units, is the difference over the window, in the largest cluster, and (time, ...) over
        time; None where weights and difference are not related in this way.
    squared : True if `window_difference`, `difference` and their variances are squares of the part.
    unit_difference : (unit,) difference of each unit in the largest cluster; None unless the part is a pattern.
    signal : (time,) share of the squared difference of the means that is not due to a finite number of trials; None
        unless the part is a pattern.
    unit_gradient : (time, 1, column) difference of the activity, from which the difference of each unit follows; None
        unless the part is a pattern.
    """

    level_a: Array
    level_b: Array
    difference: Array
    variance: Array
    clusters: list[Cluster]
    p_trials: float
    window_difference: float
    window_variance: float
    window_p: float
    spread: float
    autocorrelation: float
    squared: bool = False
    unit_difference: Array | None = None
    signal: Array | None = None
    unit_gradient: Array | None = None
    window_gradient: Array | None = None
    cluster_gradient: Array | None = None
    gradient: Array | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Presynaptic:
    """How the activity of a source differs between two levels, for the uncertainty of weights.

    Attributes
    ----------
    mean : (time, column) difference of the mean activity.
    covariance : (column, column) difference of the covariances of the activity about its evoked mean in the window.
    W : (unit, column) weights of the source onto the units of the target.
    """

    mean: Array
    covariance: Array
    W: Array


def contrast_pathway(
    current: Array, comparison: Comparison, labels: Labels, bins: Array, activity: Presynaptic | None
) -> dict[str, PartContrast]:
    """Compare every part of the current of a pathway between two levels.

    Parameters
    ----------
    current : (trial, time, unit) current of the pathway in the compared trials; NaN where missing.
    comparison : the compared trials.
    labels : labels of the data and of the null.
    bins : (time,) bool, the compared bins.
    activity : difference of the activity of the source; None for a model without a posterior of the weights.

    Returns
    -------
    Name of the part, one of `PARTS` -> its contrast.
    """
    within = comparison.centred(np.where(bins[:, None], current, np.nan))
    n_units = current.shape[2]
    average = np.full((1, n_units), 1 / n_units)
    evoked = _direction(np.where(bins[:, None], current, np.nan))
    return {
        "current": _projected(current, within, average, comparison, labels, bins, activity),
        "evoked": _projected(current, within, evoked, comparison, labels, bins, activity),
        "pattern": _pattern(within, comparison, labels, bins, activity),
        "trial_to_trial": _trial_to_trial(current, comparison, labels, bins, activity),
    }


def _direction(current: Array) -> Array:
    """(time, unit) weights that project a current on its mean over all trials, in units of an rms over units."""
    mean = np.nan_to_num(_mean_over_trials(current))
    norm = np.sqrt((mean**2).sum(1, keepdims=True)) * np.sqrt(current.shape[2])
    return np.where(norm > 0, mean / np.where(norm > 0, norm, 1), 0.0)


def _mean_over_trials(values: Array) -> Array:
    count = np.isfinite(values).sum(0)
    return np.nansum(values, axis=0) / np.where(count > 0, count, np.nan)


def _projected(
    current: Array,
    within: Array,
    projection: Array,
    comparison: Comparison,
    labels: Labels,
    bins: Array,
    activity: Presynaptic | None,
) -> PartContrast:
    """The contrast of a current projected on weights (time or 1, unit) of the units."""
    values = (within * projection).sum(2)
    over_time = difference_of_means(values, labels)
    level_a, level_b = level_means((current * projection).sum(2), labels)
    result = _of_values(values, over_time, comparison, labels, bins)
    result.level_a, result.level_b = np.where(bins, level_a, np.nan), np.where(bins, level_b, np.nan)
    if activity is not None:
        # The difference in a bin is the sum over units of projection_i W_i (difference of activity).
        if len(projection) == 1:
            gradient = (activity.mean * projection[0, 0])[:, None, :]
        else:
            gradient = projection[:, :, None] * activity.mean[:, None, :]
        result.gradient = gradient
        result.window_gradient = gradient[bins].mean(0)
        result.cluster_gradient = gradient[_largest(result.clusters, bins)].mean(0)
    return result


def _of_values(
    values: Array, over_time: Difference, comparison: Comparison, labels: Labels, bins: Array
) -> PartContrast:
    """The contrast of values (trial, time) that are compared by their means."""
    per_trial = _mean_over_trials(values[:, bins].T)[:, None]
    window = difference_of_means(per_trial, labels)
    p_trials, clusters = cluster_test(np.where(bins, over_time.studentised, np.nan), CLUSTER_THRESHOLD)
    studentised = np.abs(window.studentised[:, 0])
    known = np.isfinite(studentised[0])
    missing = np.full(len(bins), np.nan)
    return PartContrast(
        level_a=missing,
        level_b=missing,
        difference=np.where(bins, over_time.difference[0], np.nan),
        variance=np.where(bins, over_time.variance[0], np.nan),
        clusters=clusters,
        p_trials=p_trials if known else float("nan"),
        window_difference=float(window.difference[0, 0]),
        window_variance=float(window.variance[0, 0]),
        window_p=p_value(studentised[0], np.nan_to_num(studentised[1:])) if known else float("nan"),
        spread=float(window.spread[0]),
        autocorrelation=_autocorrelation(per_trial[:, 0], comparison),
    )


def _pattern(
    within: Array, comparison: Comparison, labels: Labels, bins: Array, activity: Presynaptic | None
) -> PartContrast:
    """The contrast of the pattern of the evoked current over units; differences and variances are squares."""
    n_units = within.shape[2]
    distance = np.where(bins, pattern_distance(within, labels), np.nan)
    level_a, level_b = level_means(within, labels)
    difference = np.where(bins[:, None], level_a - level_b, 0.0)
    null_variance = distance[1:].var(0)
    limit = np.nanquantile(distance[1:, bins], PATTERN_QUANTILE, axis=0)
    scale = np.sqrt(np.where(null_variance > 0, null_variance, np.nan))
    threshold = np.full(len(bins), np.inf)
    threshold[bins] = limit / scale[bins]
    p_trials, clusters = cluster_test(np.where(distance > 0, distance / scale, 0.0), np.maximum(threshold, 0))
    window = np.nanmean(distance[:, bins], axis=1)

    # The squared distance changes linearly with small changes of the difference; without a difference, it varies as
    # under the null.
    slope = 2 * difference / n_units
    projected = (within * slope).sum(2)
    of_bins = difference_of_means(projected, labels).variance[0]
    per_trial = _mean_over_trials(projected[:, bins].T)[:, None]
    of_window = float(difference_of_means(per_trial, labels).variance[0, 0])
    with_noise = (difference**2).mean(1)
    signal = _share(distance[0], with_noise)
    window_signal = float(_share(window[0], with_noise[bins].mean()))
    constant = ~(null_variance[bins] > 0).any()
    missing = np.full(len(bins), np.nan)
    spread = difference_of_means(within.reshape(len(within), -1), labels).spread.reshape(-1, n_units)[bins]
    result = PartContrast(
        level_a=missing,
        level_b=missing,
        difference=distance[0],
        variance=signal * of_bins + null_variance,
        clusters=clusters,
        p_trials=float("nan") if constant else p_trials,
        window_difference=float(window[0]),
        window_variance=window_signal * of_window + float(window[1:].var()),
        window_p=float("nan") if constant else p_value(window[0], window[1:]),
        spread=float(np.sqrt(np.nanmean(spread**2))),
        autocorrelation=_autocorrelation(per_trial[:, 0], comparison),
        squared=True,
        signal=np.nan_to_num(signal),
    )
    if activity is not None:
        gradient = slope[:, :, None] * activity.mean[:, None, :]
        chosen = _largest(clusters, bins)
        result.gradient, result.window_gradient = gradient, gradient[bins].mean(0)
        result.cluster_gradient = activity.mean[chosen].mean(0)[None]
        result.unit_difference, result.unit_gradient = difference[chosen].mean(0), activity.mean[:, None, :]
    return result


def _share(distance: Array | float, with_noise: Array | float) -> Array:
    """Share of the squared difference between two means that is not due to a finite number of trials."""
    return np.clip(np.asarray(distance) / np.where(np.asarray(with_noise) > 0, with_noise, np.nan), 0, 1)


def _trial_to_trial(
    current: Array, comparison: Comparison, labels: Labels, bins: Array, activity: Presynaptic | None
) -> PartContrast:
    """The contrast of the rms deviation of single trials from the evoked current."""
    power = np.where(bins, trial_to_trial_power(current, comparison, labels), np.nan)
    centred = comparison.centred(power)
    over_time = difference_of_means(centred, labels)
    a, b = (np.sqrt(np.maximum(mean, 0)) for mean in level_means(power, labels))
    result = _of_values(centred, over_time, comparison, labels, bins)
    per_trial = _mean_over_trials(power[:, bins].T)[:, None]
    window_a, window_b = (float(np.sqrt(max(mean[0], 0))) for mean in level_means(per_trial, labels))
    # With a^2 - b^2 = (a - b) (a + b), the difference of two rms follows from the difference of their squares.
    total, window_total = np.where(a + b > 0, a + b, np.nan), (window_a + window_b) or float("nan")
    result.level_a, result.level_b = np.where(bins, a, np.nan), np.where(bins, b, np.nan)
    result.difference, result.variance = result.difference / total, result.variance / total**2
    result.window_difference /= window_total
    result.window_variance /= window_total**2
    result.spread = window_total / 2
    if activity is not None:
        slope = 2 * activity.W @ activity.covariance / (current.shape[2] * window_total)
        result.window_gradient = result.cluster_gradient = slope
    return result


def _largest(clusters: list[Cluster], bins: Array) -> Array:
    """Bins (time,) bool of the largest cluster; all compared bins if there is no cluster."""
    if not clusters:
        return bins
    chosen = np.zeros_like(bins)
    chosen[clusters[0].first : clusters[0].last + 1] = True
    return chosen & bins


def _autocorrelation(values: Array, comparison: Comparison) -> float:
    """Correlation of the values (trial,) of neighbouring trials about the means of their levels."""
    residual = np.array(values, dtype=float)
    for level in (comparison.is_a, ~comparison.is_a):
        residual[level] -= np.nanmean(residual[level])
    return lag_correlation(residual)


def lag_correlation(values: Array) -> float:
    """Return the correlation of neighbouring values (trial,); NaN if the values are constant."""
    first, second = values[:-1], values[1:]
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    if len(first) < 3 or not first.std() > 0 or not second.std() > 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def two_sided(z: float) -> float:
    """Return the two-sided p-value of a standard normal number."""
    return float(2 * normal_distribution(-abs(z)))
