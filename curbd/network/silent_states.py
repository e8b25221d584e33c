"""The states of silent units, whose rate 0 says only that the state is not above 0.

The current into a unit is known from the rates of all units. The state of a silent unit is therefore a linear process
with known input and Gaussian noise, which stays below 0 until the unit fires again. Its distribution is computed
unit by unit, forwards in time and then backwards: a normal distribution whose part above 0 is cut off in every silent
bin is replaced by a normal distribution of the same mean and variance (assumed density filtering; Minka 2001).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from curbd.network.equation import Network

Array = np.ndarray
FIRST_SD = 1.0
"""Standard deviation of a silent state of which nothing earlier is known, before the part above 0 is cut off, if this
standard deviation was not estimated."""
LEAST_FIRST_SD = 1e-3
"""Estimates of this standard deviation below this value count as this value."""
LEAST_CUT_VARIANCE_SHARE = 1e-4
"""Cutting off the part above 0 leaves at least this share of the variance."""
LOG_ROOT_TWO_PI = 0.5 * np.log(2 * np.pi)


class SilentStates(NamedTuple):
    """Distributions of the states of all units; the states of active units are known.

    Attributes
    ----------
    mean : (trial, time, unit) mean states, given all bins of the trial; NaN where a bin is missing.
    variance : (trial, time, unit) variances of the states.
    with_next : (trial, time, unit) covariances of each state with the state one bin later; 0 in the last bin.
    predicted : (trial, time, unit) mean of each state given the bins before, NaN without a bin before.
    predicted_variance : (trial, time, unit) variance of each state given the bins before.
    """

    mean: Array
    variance: Array
    with_next: Array
    predicted: Array
    predicted_variance: Array


def silent_states(
    network: Network,
    r: Array,
    u: Array,
    noise_variance: Array,
    first_sd: Array | float = FIRST_SD,
    units: Array | slice = slice(None),
) -> SilentStates:
    """Infer the states of silent units of a network with one Euler step in a bin.

    Parameters
    ----------
    network : the network.
    r : (trial, time, unit) rates, NaN where missing.
    u : (trial, time, input) inputs.
    noise_variance : (unit,) variance of the noise on the current.
    first_sd : (unit,) standard deviation of a silent state of which nothing earlier is known, before the part above 0
        is cut off (see `first_sds`).
    units : indices of the units whose states are inferred, to which ``noise_variance`` and ``first_sd`` belong; by
        default all units.

    Returns
    -------
    The distributions of the states of these units.
    """
    D = np.broadcast_to(network.decay, len(network.J))[units]
    J, B, b = network.J[units], network.B[units], network.b[units]
    current = np.nan_to_num(r) @ J.T + np.nan_to_num(u) @ B.T + b
    complete, r = np.isfinite(r).all(2), r[..., units]
    linked = complete[:, :-1] & complete[:, 1:]
    n_bins = r.shape[1]
    mean, variance, gain = np.array(r), np.zeros(r.shape), np.zeros(r.shape)
    predicted, predicted_variance = np.full(r.shape, np.nan), np.full(r.shape, np.nan)
    for t in range(n_bins):
        ahead, spread = np.zeros(r.shape[::2]), np.broadcast_to(np.square(first_sd), r.shape[::2])
        if t:
            follows = linked[:, t - 1, None]
            known = D * mean[:, t - 1] + (1 - D) * current[:, t - 1]
            known_spread = D**2 * variance[:, t - 1] + (1 - D) ** 2 * noise_variance
            predicted[:, t] = np.where(follows, known, np.nan)
            predicted_variance[:, t] = np.where(follows, known_spread, np.nan)
            ahead, spread = np.where(follows, known, ahead), np.where(follows, known_spread, spread)
            gain[:, t - 1] = np.where(follows, D * variance[:, t - 1] / spread, 0.0)
        silent = r[:, t] <= 0
        mean[:, t][silent], variance[:, t][silent] = below_zero(ahead[silent], spread[silent])
    with_next = np.zeros(r.shape)
    for t in range(n_bins - 2, -1, -1):
        follows = linked[:, t, None] & (gain[:, t] > 0)
        later = mean[:, t] + gain[:, t] * (mean[:, t + 1] - predicted[:, t + 1])
        later_variance = variance[:, t] + gain[:, t] ** 2 * (variance[:, t + 1] - predicted_variance[:, t + 1])
        with_next[:, t] = np.where(linked[:, t, None], gain[:, t] * variance[:, t + 1], 0.0)
        mean[:, t] = np.where(follows, np.minimum(later, 0.0), mean[:, t])
        variance[:, t] = np.where(follows, np.maximum(later_variance, 0.0), variance[:, t])
    return SilentStates(mean, variance, with_next, predicted, predicted_variance)


def first_sds(states: SilentStates, r: Array) -> Array:
    """Estimate the standard deviations of silent states of which nothing earlier is known.

    Trials that begin at rest begin with states near 0, and trials cut from ongoing activity with states far below. The
    wrong standard deviation makes the first rates after the start of a trial unlikely, and time constants wrong.

    Parameters
    ----------
    states : distributions of the states, inferred with the standard deviations before.
    r : (trial, time, unit) rates, NaN where missing.

    Returns
    -------
    (unit,) root mean square of these states, `FIRST_SD` for a unit that never begins with silence.
    """
    first = np.isnan(states.predicted) & (r <= 0)
    square, count = np.where(first, states.mean**2 + states.variance, 0.0).sum((0, 1)), first.sum((0, 1))
    return np.maximum(np.sqrt(np.where(count > 0, square / np.maximum(count, 1), FIRST_SD**2)), LEAST_FIRST_SD)


def below_zero(mean: Array, variance: Array) -> tuple[Array, Array]:
    """Return the mean and the variance of normal distributions whose part above 0 is cut off.

    Parameters
    ----------
    mean, variance : mean and variance of the whole normal distributions.
    """
    sd = np.sqrt(variance)
    edge = -mean / sd
    hazard = np.exp(-0.5 * edge**2 - LOG_ROOT_TWO_PI - log_ndtr(edge))
    share = np.clip(1 - hazard * (edge + hazard), LEAST_CUT_VARIANCE_SHARE, 1.0)
    return np.minimum(mean - sd * hazard, 0.0), variance * share
