"""The sources of the currents: regions, inputs and the bias, and the activity that each of them sends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.recording.scaling import scaled_rates

Array = np.ndarray


class Part(NamedTuple):
    """One source: its name and the columns of the regression [J, B, b] that it owns."""

    source: str
    columns: Array


def parts(recording: xr.Dataset) -> list[Part]:
    """The sources of a recording in their order: regions, inputs, bias."""
    region = recording["region"].values.astype(str)
    inputs = recording["input"].values.astype(str)
    n = len(region)
    regions = [Part(str(name), np.flatnonzero(region == name)) for name in np.unique(region)]
    known = [Part(f"input:{name}", np.array([n + place])) for place, name in enumerate(inputs)]
    return [*regions, *known, Part("bias", np.array([n + len(inputs)]))]


def presynaptic(recording: xr.Dataset) -> Array:
    """z = [r, u, 1] (trial, time, regressor): scaled rates, inputs, and one; NaN where a bin is missing."""
    r = scaled_rates(recording).values
    u = recording["inputs"].transpose("trial", "time", "input").values
    one = np.ones((*r.shape[:2], 1))
    z = np.concatenate([r, u, one], axis=2)
    return np.where(np.isfinite(z).all(2, keepdims=True), z, np.nan)
