"""Own spike history of units: how the spikes of a unit change its own rate in the next milliseconds.

After a spike, a unit is refractory, or fires a burst. In bins of a few milliseconds, the log rate of unit i therefore
contains its own past counts y_i:

    x_i[k] = C_i z[k] + d_i + sum over windows w of H_iw (y_i[k-l] summed over the lags l in window w)

The windows hold 1, 2, 4, ... bins and end after ``HISTORY_S`` (spike history of a point process; Truccolo et al.,
Journal of Neurophysiology 2005). Past counts are known, so that the likelihood of a trial is the product of the
likelihoods of its bins, and latents are inferred as without a history. Bins that were not observed, and bins before the
trial, count as bins without spikes.

Where the spikes of a unit are not known, in the prediction of hidden units and in experiments, the rate is averaged
over the possible spikes. A spike that lowers the log rate by h then adds rate (exp(-h) - 1) to the log of the average
rate, as if spikes were independent given the rate (Naud & Gerstner, PLoS Computational Biology 2012). What raises the
rate enters by its average in the trials of the fit, the lift: an average rate that raises itself runs away where spikes
come in bursts, because the spikes of a burst are not independent (Gerhard, Deger & Truccolo, PLoS Computational Biology
2017).
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.observation import MAX_EXCESS, expected, log_mean, residual, saturated, unit_information
from lrfit.population_network.paths import Paths
from lrfit.population_network.recording import Recording

Array = np.ndarray
HISTORY_S = 0.03
"""Longest lag, in seconds. Slower changes of the rate are part of the latents."""
MAX_HISTORY_STEP = 1.0
"""Largest Newton step of a weight of the history."""


def history_windows(bin_s: float) -> list[tuple[int, int]]:
    """List the first and the last lag of every window, in bins; each window is twice as long as the one before.

    Parameters
    ----------
    bin_s : bin width in seconds.
    """
    longest = max(int(HISTORY_S / bin_s + 1e-9), 1)
    starts = [2**power for power in range(longest.bit_length())]
    return [(start, min(2 * start - 1, longest)) for start in starts]


def past_counts(activity: Array, bin_s: float) -> Array:
    """Sum the counts of every unit over the lags of every window.

    Parameters
    ----------
    activity : (time, trial, unit) counts, 0 where missing.
    bin_s : bin width in seconds.

    Returns
    -------
    (window, time + 1, trial, unit) counts before every bin; the last of these bins follows the trial.
    """
    bins = len(activity)
    before = np.concatenate([np.zeros_like(activity[:1]), np.cumsum(activity, 0)])
    k = np.arange(bins + 1)
    return np.stack(
        [
            before[np.maximum(k - first + 1, 0)] - before[np.maximum(k - last, 0)]
            for first, last in history_windows(bin_s)
        ]
    )


def with_past(data: Recording) -> Recording:
    """Add the past counts of all units to a recording, which is then read by networks with a history."""
    return data._replace(past=past_counts(data.activity, data.bin_s)[:, :-1])


def as_read(model: Population, data: Recording) -> Recording:
    """Add the past counts to a recording if the network has a history; otherwise return the recording as it is."""
    return with_past(data) if model.history.shape[1] else data


def learn_history(model: Population, data: Recording, paths: Paths) -> Population:
    """Update the history of every unit by a Newton step, given the latents.

    The prior of a weight is N(0, 1), as that of a loading.

    Parameters
    ----------
    model : the network.
    data : the recording with past counts; without them, the model is returned as it is.
    paths : posterior of the latents.
    """
    if data.past is None:
        return model
    rate = expected(model, data, paths.mean, paths.covariance)
    off = residual(model, data, rate, paths.covariance)
    information = unit_information(model, data, rate)
    windows = range(len(data.past))
    gradient = np.stack([(data.past[w] * off).sum((0, 1), dtype=float) for w in windows], 1) - model.history
    hessian = np.empty((*gradient.shape, len(windows)))
    for w in windows:
        heavy = data.past[w] * information
        for v in windows[: w + 1]:
            hessian[:, w, v] = hessian[:, v, w] = (heavy * data.past[v]).sum((0, 1), dtype=float)
    step = np.linalg.solve(hessian + np.eye(len(windows)), gradient[..., None])[..., 0]
    model = model._replace(history=model.history + np.clip(step, -MAX_HISTORY_STEP, MAX_HISTORY_STEP))
    return model._replace(history_lift=_lift(model, data, paths))


def _lift(model: Population, data: Recording, paths: Paths) -> Array:
    """Compute the (unit,) log of the average effect of own spikes on the rate, beyond that of suppression."""
    own, without = (
        (expected(model, part, paths.mean, paths.covariance) * data.seen).sum((0, 1), dtype=float)
        for part in (data, data._replace(past=None))
    )
    tiny = np.finfo(float).tiny
    mean = own / np.maximum(data.seen.sum((0, 1), dtype=float), 1)
    return np.log(np.maximum(own, tiny) / np.maximum(without, tiny)) - suppression(model, data.bin_s).sum(0) * mean


def suppression(model: Population, bin_s: float) -> Array:
    """Return the (lag, unit) change of the log of the average rate by each expected spike, where it is negative."""
    return np.minimum(np.expm1(filter_of_lags(model, bin_s)), 0)


def self_history_current(model: Population, data: Recording) -> Array:
    """Compute what the own spikes up to each bin add to the log rate in the next bin.

    The history acts on the rate at once, and not through the time constant of the latents.

    Parameters
    ----------
    model : the network.
    data : the recording.

    Returns
    -------
    (time, trial, unit) change of the log rate.
    """
    past = past_counts(data.activity, data.bin_s)[:, 1:]
    return np.einsum("wtnu,uw->tnu", past, model.history)


def filter_of_lags(model: Population, bin_s: float) -> Array:
    """Return the (lag, unit) change of the log rate 1, 2, ... bins after a spike of the unit.

    Parameters
    ----------
    model : the network with a history.
    bin_s : bin width in seconds.
    """
    sizes = [last - first + 1 for first, last in history_windows(bin_s)]
    return np.repeat(model.history, sizes, axis=1).T


def expected_unseen(model: Population, data: Recording, mean: Array, covariance: Array | None = None) -> Array:
    """Compute the expected activity of units whose own spikes are not known.

    Parameters
    ----------
    model : the network.
    data : the recording.
    mean : (time, trial, latent) means of the latents.
    covariance : (pattern, time, latent, latent) covariances of the latents; None for known latents.

    Returns
    -------
    (time, trial, unit) expected count per bin; `expected` for networks without a history.
    """
    if data.past is None:
        return expected(model, data, mean, covariance)
    x = log_mean(model, data._replace(past=None), mean, covariance)
    x += model.history_lift.astype(x.dtype)
    change = suppression(model, data.bin_s).astype(x.dtype)
    rate = np.empty_like(x)
    for k in range(len(x)):
        past = rate[max(k - len(change), 0) : k][::-1]
        x[k] += np.einsum("lnu,lu->nu", past, change[: len(past)])
        rate[k] = saturated(np.exp(np.minimum(x[k], np.log(data.highest) + MAX_EXCESS)), data.highest)
    return rate
