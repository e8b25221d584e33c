"""Rates into (-1, 1), where the network's units live: by their largest value, or by their range for spike counts."""

from __future__ import annotations

import numpy as np
import xarray as xr

HEADROOM = 1.25
"""The largest training rate ends at 1 / 1.25 = 0.8, so that held-out data may exceed it."""
PEAK_SD = 1.5
"""The peak of spike counts is this many standard deviations of the rate above its mean."""
LIMIT = 0.999
"""Scaled rates are clipped here: atanh of 1 is infinite."""


def scales(rates: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Scale of each unit, 1.25 times its largest absolute rate in the training trials.

    Parameters
    ----------
    rates : (trial, time, unit), NaN where missing.
    train : (trial,) which trials are for training.

    Returns
    -------
    (unit,) in the units of the rates; 0 for a unit without activity in training.
    """
    return HEADROOM * np.nan_to_num(np.abs(rates[train])).max(axis=(0, 1), initial=0.0)


def count_scales(rates: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Half of the peak rate of each unit, for spikes that were counted in bins and not smoothed.

    The peak is the mean plus 1.5 times the standard deviation of the rate in the training trials. The covariance of
    neighbouring bins gives that deviation: the noise of the counts, which is new in every bin, is not in it, whereas a
    single bin with one spike stands for a rate that the unit never had.

    Parameters
    ----------
    rates : (trial, time, unit), NaN where missing.
    train : (trial,) which trials are for training.

    Returns
    -------
    (unit,) in the units of the rates; 0 for a unit without activity in training.
    """
    known = rates[train]
    mean = np.nan_to_num(np.nanmean(known, axis=(0, 1)))
    together = np.nan_to_num(np.nanmean((known[:, 1:] - mean) * (known[:, :-1] - mean), axis=(0, 1)))
    half: np.ndarray = (mean + PEAK_SD * np.sqrt(np.maximum(together, 0))) / 2
    return half


def silent(recording: xr.Dataset) -> float:
    """Scaled rate of a unit that does not fire: -1 for spike counts, else 0, in the middle of the network's range."""
    return float(recording.attrs.get("silent", 0.0))


def scaled_rates(recording: xr.Dataset) -> xr.DataArray:
    """Rates over the scale of their unit (trial, time, unit), NaN where missing; spike counts less 1.

    Measured rates are clipped to (-0.999, 0.999), as held-out ones may exceed the training data; rates that are
    phi(x) already are taken as they are.
    """
    scaled = observed_rates(recording)
    return scaled if recording.attrs["activity"] == "model" else scaled.clip(-LIMIT, LIMIT)


def observed_rates(recording: xr.Dataset) -> xr.DataArray:
    """The same without limits, for estimators that know that what is observed is not the rate: noise may exceed it."""
    scaled = recording["rates"] / recording["scale"] + silent(recording)
    return scaled.transpose("trial", "time", "unit").rename("scaled_rates")


def unscaled(recording: xr.Dataset, scaled: xr.DataArray) -> xr.DataArray:
    """Scaled rates in the units of the recording again."""
    return ((scaled - silent(recording)) * recording["scale"]).transpose("trial", "time", "unit")
