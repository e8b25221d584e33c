"""Spike counts in the bins of a recording, if its activity consists of counts, and what a population network reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curbd.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray
COUNT_TOLERANCE = 1e-3
"""Largest distance of a spike count from a whole number, from the rounding of rates."""
MAX_MEAN_RATE_HZ = 500.0
"""Whole numbers with a larger mean are the values of a camera or of a converter, and no spike counts."""
NEEDED = "spike counts or fluorescence without smoothing, which a population network needs"


def spike_counts(recording: xr.Dataset) -> Array | None:
    """Convert the activity of a recording to spike counts per bin, if the activity consists of counts.

    Parameters
    ----------
    recording : the recording, without smoothing.

    Returns
    -------
    (trial, time, unit) whole numbers, NaN where missing; None if the activity does not consist of counts.
    """
    rates = recording["rates"].transpose("trial", "time", "unit").to_numpy()
    factor = counts_per_rate(rates, float(recording.attrs["dt_s"]))
    return None if factor is None else np.round(rates * factor)


def counts_per_rate(rates: Array, dt_s: float) -> float | None:
    """Find the factor that converts rates to spike counts per bin; None if rates are not in proportion to counts.

    The activity of NWB spikes is in Hz. A plain HDF5 file may hold rates in Hz, counts, or mean counts if bins of the
    file were joined: the smallest positive value is then the rate of one spike per bin.

    Parameters
    ----------
    rates : rates in Hz, counts per bin, or mean counts of joined bins, NaN where missing.
    dt_s : bin width in seconds.
    """
    observed = rates[np.isfinite(rates)]
    positive = observed[observed > 0]
    if not len(positive) or (observed < 0).any():
        return None
    for factor in (dt_s, 1.0, float(np.round(1 / positive.min()))):
        whole = np.round(observed * factor)
        if whole.any() and (np.abs(observed * factor - whole) <= COUNT_TOLERANCE).all():
            return factor if whole.mean() / dt_s <= MAX_MEAN_RATE_HZ else None
    return None


def require_raw(recording: xr.Dataset) -> None:
    """Stop if the activity of a recording is smoothed or comes from a model network.

    Raises
    ------
    UserError : a population network cannot read the activity.
    """
    smoothing_s = float(recording.attrs["smoothing_s"])
    if recording.attrs["activity"] == "model":
        raise UserError.at(
            _where(recording),
            found="rates simulated by a model network",
            expected=NEEDED,
            todo="fit a recording of spikes or fluorescence instead",
        )
    if smoothing_s:
        raise UserError.at(
            _where(recording),
            found=f"activity smoothed over {smoothing_s:g} s",
            expected=NEEDED,
            todo="set smoothing_s: 0 and ingest the recording again",
        )


def require_counts(recording: xr.Dataset) -> Array:
    """Return the spike counts per bin (trial, time, unit), or stop if the activity does not consist of counts.

    Raises
    ------
    UserError : the activity does not consist of counts.
    """
    counts = spike_counts(recording)
    if counts is None:
        raise UserError.at(
            _where(recording),
            found=f"rates ({recording.attrs['activity_name']}) that are not a whole number of spikes per bin",
            expected=NEEDED,
            todo="read the spike times of the file, or store the activity of an HDF5 file as spike counts per bin, or "
            "as spike counts divided by the bin width in seconds; for fluorescence, set the option indicator_s of the "
            "model, the decay time of the indicator (0 for deconvolved activity)",
        )
    return counts


def _where(recording: xr.Dataset) -> str:
    return f"{recording.attrs['recording']} ({recording.attrs['path']})"
