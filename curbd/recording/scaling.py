"""Scaling of rates into (-1, 1), the range of the units of a network, by the largest value or by the peak rate."""

from __future__ import annotations

import numpy as np
import xarray as xr

HEADROOM_RATIO = 1.25
"""The largest training rate is scaled to 1 / 1.25 = 0.8, so that held-out rates may be larger."""
PEAK_ABOVE_MEAN_SD = 1.5
"""The peak rate of a unit is estimated as the mean rate plus this number of standard deviations of the rate."""
MAX_SCALED_RATE = 0.999
"""Scaled rates are clipped to plus and minus this value, because atanh(1) is infinite."""
LEAST_SCALED_RATE = 0.001
"""Scaled rates of units with another nonlinearity than tanh are known to about this precision."""
RANGE_OF_RATES = {
    "tanh": (-MAX_SCALED_RATE, MAX_SCALED_RATE),
    "relu": (0.0, np.inf),
    "softplus": (LEAST_SCALED_RATE, np.inf),
    "exponential": (LEAST_SCALED_RATE, np.inf),
}
"""Nonlinearity of the units -> smallest and largest scaled rate of measured activity; rates beyond count as these."""


def scales(rates: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Compute the scale of each unit: 1.25 times the largest absolute rate of the unit in the training trials.

    Parameters
    ----------
    rates : (trial, time, unit) rates, NaN where missing.
    train : (trial,) bool, True for training trials.

    Returns
    -------
    (unit,) scales, in the units of the rates; 0 for a unit without activity in training.
    """
    return HEADROOM_RATIO * np.nan_to_num(np.abs(rates[train])).max(axis=(0, 1), initial=0.0)


def count_scales(rates: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Compute the scale of each unit, half of its peak rate, for spikes that are counted in bins and not smoothed.

    The peak rate is estimated as the mean plus 1.5 times the standard deviation of the rate in the training trials. The
    covariance of neighbouring bins estimates the variance of the rate, because the counting noise of different bins is
    independent. The largest count would be a poor estimate of the peak: a single spike in a bin of 10 ms is a rate of
    100 Hz.

    Parameters
    ----------
    rates : (trial, time, unit) rates, NaN where missing.
    train : (trial,) bool, True for training trials.

    Returns
    -------
    (unit,) scales, in the units of the rates; 0 for a unit without activity in training.
    """
    training_rates = rates[train]
    mean = np.nan_to_num(np.nanmean(training_rates, axis=(0, 1)))
    products = (training_rates[:, 1:] - mean) * (training_rates[:, :-1] - mean)
    variance = np.maximum(np.nan_to_num(np.nanmean(products, axis=(0, 1))), 0)
    return (mean + PEAK_ABOVE_MEAN_SD * np.sqrt(variance)) / 2


def silent(recording: xr.Dataset, nonlinearity: str | None = None) -> float:
    """Return the scaled rate of a unit that does not fire: -1 for tanh with ``scaling: counts``, otherwise 0."""
    is_tanh = (nonlinearity or own_nonlinearity(recording)) == "tanh"
    return float(recording.attrs.get("silent", 0.0)) if is_tanh else 0.0


def own_nonlinearity(recording: xr.Dataset) -> str:
    """Return the nonlinearity of the network whose phi(x) a recording holds; tanh for measured activity."""
    return str(recording.attrs.get("nonlinearity", "tanh"))


def is_model_activity(recording: xr.Dataset, nonlinearity: str) -> bool:
    """Return whether the rates are already phi(x) of a network with this nonlinearity, so that they need no scaling."""
    return bool(recording.attrs["activity"] == "model" and own_nonlinearity(recording) == nonlinearity)


def scaled_rates(
    recording: xr.Dataset, nonlinearity: str | None = None, scale: xr.DataArray | None = None
) -> xr.DataArray:
    """Divide rates by the scale of each unit, into the range of a nonlinearity.

    With tanh and ``scaling: counts``, 1 is subtracted from the ratio. Measured rates are clipped to `RANGE_OF_RATES`,
    for tanh because held-out rates may exceed the largest training rate. Rates that are phi(x) of a network with this
    nonlinearity are used unchanged.

    Parameters
    ----------
    recording : the recording.
    nonlinearity : name of the nonlinearity; None for `own_nonlinearity`.
    scale : (unit,) scale of each unit, for some trials of a recording; None for `rate_scale`.

    Returns
    -------
    (trial, time, unit) scaled rates, NaN where missing.
    """
    nonlinearity = nonlinearity or own_nonlinearity(recording)
    scaled = observed_rates(recording, nonlinearity, scale)
    if is_model_activity(recording, nonlinearity):
        return scaled
    least, most = RANGE_OF_RATES[nonlinearity]
    return scaled.clip(least, most)


def rate_scale(recording: xr.Dataset, nonlinearity: str) -> xr.DataArray:
    """Return the (unit,) number by which rates are divided before a network with this nonlinearity is fitted.

    Rates that are phi(x) of a network with another nonlinearity are divided as measured rates are.
    """
    if recording.attrs["activity"] != "model" or is_model_activity(recording, nonlinearity):
        return recording["scale"]
    rates = recording["rates"].transpose("trial", "time", "unit").values
    largest = scales(rates, recording["split"].values == "train")
    return recording["scale"].copy(data=np.where(largest > 0, largest, 1.0))


def observed_rates(
    recording: xr.Dataset, nonlinearity: str | None = None, scale: xr.DataArray | None = None
) -> xr.DataArray:
    """Return scaled rates without clipping, for estimators that model observations as rates plus noise.

    Returns
    -------
    (trial, time, unit) scaled rates, NaN where missing; values may lie outside the range of the nonlinearity.
    """
    nonlinearity = nonlinearity or own_nonlinearity(recording)
    scale = rate_scale(recording, nonlinearity) if scale is None else scale
    scaled = recording["rates"] / scale + silent(recording, nonlinearity)
    return scaled.transpose("trial", "time", "unit").rename("scaled_rates")
