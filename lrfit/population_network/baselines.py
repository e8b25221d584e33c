"""Plain predictions of counts, with which a population network is compared."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.poisson_regression import poisson_regressions
from lrfit.population_network.recording import Recording

Array = np.ndarray
GLM_PENALTY = 1e-2
AVERAGE_SMOOTHING_BINS = 5
"""Number of bins over which the average response of a condition is smoothed."""


def average_response(training: Recording, data: Recording) -> Array:
    """Predict every trial by the smoothed average of the training trials of its condition.

    Parameters
    ----------
    training, data : training trials, and the trials that are predicted.

    Returns
    -------
    (time, trial, unit) expected count per bin.
    """
    rate = np.empty_like(data.activity)
    window = np.ones(AVERAGE_SMOOTHING_BINS)
    for condition in np.unique(data.condition):
        of_condition = training.condition == condition
        chosen = of_condition if of_condition.any() else np.ones_like(of_condition)
        total, seen = (
            np.apply_along_axis(np.convolve, 0, values[:, chosen].sum(1), window, "same")
            for values in (training.activity, training.seen)
        )
        # Half a spike more, so that no bin without a spike has a rate of zero.
        # Counts that stand for fluorescence can be negative.
        total = np.maximum(total, 0)
        rate[:, data.condition == condition] = ((total + 0.5 * mean_rates(training)) / (seen + 0.5))[:, None]
    return rate


def coupled_glm(training: Recording, data: Recording, *, same_bin: bool) -> Array:
    """Predict every unit by a Poisson regression on the spikes of the recorded units.

    Parameters
    ----------
    training, data : training trials, and the trials that are predicted.
    same_bin : True for a regression on all other units in the same and the previous bin; False for a regression on all
        units, the unit itself included, in the previous bin.

    Returns
    -------
    (time, trial, unit) expected count per bin; the first bin of a trial has the mean rate.
    """
    rate = np.broadcast_to(mean_rates(training), data.activity.shape).copy()
    inside = training.inside[1:]
    now = training.activity[1:][inside]
    # Counts that stand for fluorescence can be negative, which the regression does not allow.
    counts = np.maximum(now, 0)
    firing = np.flatnonzero(counts.any(0))
    weights, intercept = poisson_regressions(
        _columns(training, same_bin=same_bin)[inside],
        counts[:, firing],
        penalty=GLM_PENALTY,
        left_out=firing[:, None] + [0, now.shape[1]] if same_bin else None,
    )
    log_expected = _columns(data, same_bin=same_bin) @ weights.astype(data.activity.dtype)
    predicted = np.exp(np.minimum(log_expected + intercept, np.log(data.highest)))
    predicted *= now[:, firing].mean(0) / counts[:, firing].mean(0)
    rate[1:, :, firing] = np.minimum(predicted, data.highest)
    return rate


def _columns(data: Recording, *, same_bin: bool) -> Array:
    """(time - 1, trial, column) spikes of the same bin, if asked, then spikes of the previous bin and known sources."""
    past = [data.activity[:-1], data.sources[1:].astype(data.activity.dtype)]
    return np.concatenate([data.activity[1:], *past] if same_bin else past, 2)


def mean_rates(data: Recording) -> Array:
    """Compute the (unit,) mean count per bin, with half a spike more, so that no mean is zero."""
    return np.asarray((data.activity.sum((0, 1)) + 0.5) / (data.seen.sum((0, 1)) + 0.5))
