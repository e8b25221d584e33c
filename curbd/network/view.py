"""The recording as a fit sees it: with the inputs that were inferred, at the rates that were inferred."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from curbd.recording.scaling import unscaled

Array = np.ndarray


def with_hidden_inputs(recording: xr.Dataset, networks: xr.Dataset, number: int) -> xr.Dataset:
    """The recording with the hidden inputs of one fit as further inputs; without any, the recording itself.

    Whatever reads inputs and their weights B takes the recording through this function first.

    Parameters
    ----------
    number : place of the fit among the seeds; the names are the same for all seeds.
    """
    if "hidden" not in networks:
        return recording
    hidden = networks["hidden"].isel(seed=number).reset_coords(drop=True).rename(hidden_input="input")
    inputs = xr.concat([recording["inputs"].reset_coords(drop=True), hidden], dim="input")
    return recording.drop_dims("input").assign(inputs=inputs.transpose("trial", "time", "input"))


def forecast_inputs(recording: xr.Dataset, networks: xr.Dataset) -> Array:
    """(trial, time, input) what a forecast may know of the inputs of a recording that has the hidden ones of a fit.

    Those of held-out trials are 0: they were inferred from the very trials that they are to explain.
    """
    inputs = recording["inputs"].transpose("trial", "time", "input").values.copy()
    known = inputs.shape[2] - networks.sizes.get("hidden_input", 0)
    inputs[recording["split"].values == "test", :, known:] = 0.0
    return inputs


Which = Literal["inferred_rates", "drawn_rates"]


def at_inferred_rates(
    recording: xr.Dataset, networks: xr.Dataset, number: int, which: Which = "inferred_rates"
) -> xr.Dataset:
    """The recording with the rates that one fit inferred; the recording itself where a fit takes rates as observed.

    J times the observed rates also holds J times their noise. The rates of every trial, held-out ones included, were
    inferred from that trial's own data by a network that was fitted to the training trials only.

    Parameters
    ----------
    number : place of the fit among the seeds.
    which : their posterior mean, or a draw, which has the process noise that a mean has not.
    """
    if which not in networks:
        return recording
    rates = networks[which].isel(seed=number).rename(target="unit").drop_vars(["unit", "target_region", "seed"])
    return recording.assign(rates=unscaled(recording, rates.astype(float)))
