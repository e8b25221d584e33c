"""A recording as the analyses of low-rank networks see it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from curbd.recording.scaling import scaled_rates

Array = np.ndarray


class Seen(NamedTuple):
    """A recording as the analyses use it: r, u (trial, time, unit or input), labels of trials, units and inputs."""

    r: Array
    u: Array
    condition: Array
    region: Array
    inputs: list[str]

    @property
    def samples(self) -> Array:
        """(sample, unit) all rates without missing bins."""
        return self.r[np.isfinite(self.r).all(2)]


def seen(recording: xr.Dataset) -> Seen:
    """The recording in arrays."""
    return Seen(
        scaled_rates(recording).values,
        np.nan_to_num(recording["inputs"].transpose("trial", "time", "input").values),
        recording["condition"].values.astype(str),
        recording["region"].values.astype(str),
        [str(name) for name in recording["input"].values],
    )


def origin(networks: xr.Dataset, seed: int) -> dict[str, Any]:
    """The first columns of every table: which recording, model and fit."""
    return {"recording": networks.attrs["recording"], "model": networks.attrs["model"], "seed": int(seed)}
