"""A recording in plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from curbd.recording.scaling import own_nonlinearity, scaled_rates, silent

Array = np.ndarray


@dataclass(frozen=True)
class Recorded:
    """A recording in plain arrays.

    Attributes
    ----------
    r : (trial, time, unit) scaled rates, in the range of the nonlinearity, NaN where missing.
    u : (trial, time, input) inputs.
    input_name : (input,) names of the inputs.
    unit_id, region : (unit,) labels of the units.
    condition : (trial,) labels of the trials.
    train : (trial,) bool, True for training trials.
    time_s : (time,) centres of the bins, s.
    silent : scaled rate of a unit that does not fire.
    """

    r: Array
    u: Array
    input_name: Array
    unit_id: Array
    region: Array
    condition: Array
    train: Array
    time_s: Array
    silent: float

    @cached_property
    def regions(self) -> list[str]:
        """Names of the regions, sorted."""
        return [str(name) for name in np.unique(self.region)]

    @cached_property
    def region_of_unit(self) -> Array:
        """(unit,) index of each unit's region in ``regions``."""
        return np.searchsorted(self.regions, self.region)

    @cached_property
    def observed(self) -> Array:
        """(trial, time) bool: True for bins in which every unit was observed."""
        return np.isfinite(self.r).all(2)

    @property
    def samples(self) -> Array:
        """(sample, unit) scaled rates of all bins in which every unit was observed."""
        return self.r[self.observed]


def recorded(recording: xr.Dataset) -> Recorded:
    """Convert a recording to plain arrays, with its recorded inputs and observed rates."""
    return Recorded(
        **labels_of(recording, own_nonlinearity(recording)), r=scaled_rates(recording).values, u=inputs_of(recording)
    )


def labels_of(recording: xr.Dataset, nonlinearity: str) -> dict[str, Any]:
    """Collect the fields of `Recorded` that are the same for all fits.

    Parameters
    ----------
    recording : an ingested recording.
    nonlinearity : name of the nonlinearity, into whose range rates are scaled.

    Returns
    -------
    Name of a field -> its value.
    """
    return {
        "input_name": recording["input"].values.astype(str),
        "unit_id": recording["unit_id"].values.astype(str),
        "region": recording["region"].values.astype(str),
        "condition": recording["condition"].values.astype(str),
        "train": recording["split"].values == "train",
        "time_s": recording["time"].values,
        "silent": silent(recording, nonlinearity),
    }


def inputs_of(recording: xr.Dataset) -> Array:
    """Return the recorded inputs (trial, time, input)."""
    return recording["inputs"].transpose("trial", "time", "input").values
