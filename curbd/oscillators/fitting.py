"""Frequency, damping and coupling of oscillators, from noisy fields.

The second difference of a field is linear in the field, in its rate of change and in the drive. Noise on the field
would dominate differences of single samples, and would make the damping too large. Both sides of the equation are
therefore smoothed over a part of the period, and the regressors are replaced by their predictions from an earlier part
of the recording, whose noise is independent (instrumental variables). The drive is fitted in its linear range.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from curbd.network.oscillators import Oscillators

Array = np.ndarray
TRUNCATED_AT_SD = 3
"""Standard deviations of the Gaussian after which the smoothing ends."""
MOST_SD_SAMPLES = 50
"""Largest standard deviation of the smoothing, in samples."""
RIDGE_SHARE = 1e-6
"""Ridge on instruments and regressors, as a share of their sums of squares."""


class Smoothed(NamedTuple):
    """Fields that were smoothed over a part of the period of one channel, in samples that have a past and a future.

    Attributes
    ----------
    acceleration : (sample, channel) second differences, in units of the field per s^2.
    x, y : (sample, channel) fields and rates of change.
    u : (sample, input) inputs.
    past : (sample, instrument) fields and rates of change so much earlier that the noise is independent.
    """

    acceleration: Array
    x: Array
    y: Array
    u: Array
    past: Array


def fit_oscillators(x: Array, u: Array, dt_s: float) -> Oscillators:
    """Fit coupled oscillators to fields.

    Parameters
    ----------
    x : (trial, time, channel) fields, without missing values.
    u : (trial, time, input) inputs.
    dt_s : time between samples, s.

    Returns
    -------
    The oscillators. A channel that does not oscillate has a frequency of 0.
    """
    n = x.shape[2]
    coefficients = np.stack(
        [fit_channel(smoothed(x, u, dt_s, sd), channel).coefficients for channel, sd in enumerate(smoothing_sd(x))]
    )
    return Oscillators(
        omega=np.sqrt(np.maximum(-coefficients[:, 0], 0.0)),
        gamma=-coefficients[:, 1] / 2,
        K=coefficients[:, 2 : n + 2],
        B=coefficients[:, n + 2 : -1],
        b=coefficients[:, -1],
        saturation=np.inf,
        dt_s=dt_s,
    )


class Channel(NamedTuple):
    """The regression of the acceleration of one channel.

    Attributes
    ----------
    coefficients : (regressor,) coefficients of the field and the rate of change of the channel, of the rates of change
        of all channels (0 for the channel itself and those left out), of the inputs, and the constant.
    from_past : (instrument, regressor) coefficients by which regressors are predicted from the past.
    """

    coefficients: Array
    from_past: Array

    def held_out_r2(self, data: Smoothed, channel: int) -> float:
        """Return the share of the variance of the acceleration that the past predicts; NaN if nothing varies."""
        acceleration = data.acceleration[:, channel]
        error = acceleration - _instruments(data) @ self.from_past @ self.coefficients
        variance = ((acceleration - acceleration.mean()) ** 2).sum()
        return float(1 - (error**2).sum() / variance) if variance > 0 else float("nan")


def fit_channel(data: Smoothed, channel: int, left_out: Array | None = None) -> Channel:
    """Fit the acceleration of one channel.

    Parameters
    ----------
    data : fields, smoothed for this channel.
    channel : index of the channel.
    left_out : (channel,) bool, True for channels of which the fit uses nothing; None for none. The channel itself is
        always used.

    Returns
    -------
    The regression.
    """
    n = data.x.shape[1]
    channels = np.ones(n, dtype=bool) if left_out is None else ~left_out | (np.arange(n) == channel)
    outside = np.ones(data.u.shape[1] + 1, dtype=bool)
    used = np.concatenate([[True, True], channels & (np.arange(n) != channel), outside])
    past_used = np.concatenate([np.tile(channels, data.past.shape[1] // n), outside])
    instruments, constant = _instruments(data)[:, past_used], np.ones((len(data.x), 1))
    own = [data.x[:, [channel]], data.y[:, [channel]]]
    regressors = np.concatenate([*own, data.y, data.u, constant], axis=1)[:, used]
    first_stage = _solved(instruments, regressors)
    coefficients, from_past = np.zeros(len(used)), np.zeros((len(past_used), len(used)))
    coefficients[used] = _solved(instruments @ first_stage, data.acceleration[:, [channel]])[:, 0]
    from_past[np.ix_(past_used, used)] = first_stage
    return Channel(coefficients, from_past)


def _instruments(data: Smoothed) -> Array:
    return np.concatenate([data.past, data.u, np.ones((len(data.x), 1))], axis=1)


def smoothing_sd(x: Array) -> Array:
    """Return the standard deviation (channel,) of the smoothing in samples: one radian of the strongest oscillation."""
    window = np.hanning(x.shape[1])[:, None]
    power = (np.abs(np.fft.rfft((x - x.mean(1, keepdims=True)) * window, axis=1)) ** 2).mean(0)
    peak = np.maximum(power.argmax(0), 1) * 2 * np.pi / x.shape[1]
    return np.minimum(1 / peak, MOST_SD_SAMPLES)


def required_samples(sds: Array) -> int:
    """Return the number of samples of a trial below which nothing is left of it after smoothing with these widths."""
    return max(4 * round(TRUNCATED_AT_SD * sd) + 8 + round(np.pi / 2 * sd) for sd in sds)


def smoothed(x: Array, u: Array, dt_s: float, sd: float) -> Smoothed:
    """Smooth both sides of the equation of motion; `Smoothed` has the result.

    Parameters
    ----------
    x : (trial, time, channel) fields.
    u : (trial, time, input) inputs.
    dt_s : time between samples, s.
    sd : standard deviation of the Gaussian, in samples.
    """
    reach = round(TRUNCATED_AT_SD * sd)
    lag = 2 * reach + 3
    # Sample n of these arrays is sample n + 1 of the fields.
    rate = np.diff(x, axis=1) / dt_s
    values = [np.diff(rate, axis=1) / dt_s, x[:, 1:-1], rate[:, :-1], u[:, 1:-1]]
    acceleration, field, y, inputs = (gaussian_filter1d(part, sd, axis=1, radius=reach) for part in values)
    quarter = max(1, round(np.pi / 2 * sd))
    start, stop = reach + lag + quarter, field.shape[1] - reach

    def used(part: Array, earlier: int = 0) -> Array:
        chosen = part[:, start - earlier : stop - earlier]
        return chosen.reshape(chosen.shape[0] * chosen.shape[1], chosen.shape[2])

    past = [used(part, lag + more) for part in (field, y) for more in (0, quarter)]
    return Smoothed(used(acceleration), used(field), used(y), used(inputs), np.concatenate(past, axis=1))


def _solved(regressors: Array, values: Array) -> Array:
    """Least squares with a small ridge: coefficients (regressor, value)."""
    gram = regressors.T @ regressors
    ridge = RIDGE_SHARE * np.diag(np.diag(gram) + np.finfo(float).tiny)
    return np.linalg.solve(gram + ridge, regressors.T @ values)
