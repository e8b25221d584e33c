"""Rates into (-1, 1), where the network's units live."""

from __future__ import annotations

import numpy as np
import xarray as xr

HEADROOM = 1.25
"""The largest training rate ends at 1 / 1.25 = 0.8, so that held-out data may exceed it."""
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


def scaled_rates(recording: xr.Dataset) -> xr.DataArray:
    """Rates over the scale of their unit (trial, time, unit), NaN where missing.

    Measured rates are clipped to (-0.999, 0.999), as held-out ones may exceed the training data; rates that are
    phi(x) already are taken as they are.
    """
    scaled = recording["rates"] / recording["scale"]
    if recording.attrs["activity"] != "model":
        scaled = scaled.clip(-LIMIT, LIMIT)
    return scaled.transpose("trial", "time", "unit").rename("scaled_rates")
