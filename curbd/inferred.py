"""The recording at the rates that a fit inferred behind the noisy ones: where its currents are evaluated."""

from __future__ import annotations

from typing import Literal

import xarray as xr

from curbd.recording.scaling import unscaled

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
