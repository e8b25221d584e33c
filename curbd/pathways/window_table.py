"""Verdicts on pathways in parts of the trial: every time window is judged as a recording of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd import tables
from curbd.tables.pathway_windows import WINDOW_COLUMNS

Array = np.ndarray
MIN_WINDOW_BINS = 5
"""Windows with fewer bins are left out: the steps from bin to bin in them say too little."""


class TimeWindow(NamedTuple):
    """A part of the trial.

    Attributes
    ----------
    start_s, stop_s : start and end in seconds from t = 0 of the trial.
    bins : (bin,) indices of the bins with observed activity whose centres lie from ``start_s`` to ``stop_s``.
    """

    start_s: float
    stop_s: float
    bins: Array


def time_windows(recording: xr.Dataset, wanted: float | Sequence[tuple[float, float]]) -> list[TimeWindow]:
    """Find the bins of the time windows of a recording.

    Parameters
    ----------
    recording : the recording.
    wanted : the setting ``verdict_windows_s``: the length of successive windows in seconds, or the start and the end of
        every window.

    Returns
    -------
    All windows; those that lie outside of the trials have few bins or none.
    """
    time, bin_s = recording["time"].to_numpy(), float(recording.attrs["dt_s"])
    observed = np.flatnonzero((recording["rates"].count("unit") > 0).any("trial").to_numpy())
    if isinstance(wanted, float | int):
        size = max(1, round(wanted / bin_s))
        starts = range(0, max(len(observed) - size + 1, 1), size)
        parts = [observed[start : start + size] for start in starts]
        half = bin_s / 2
        return [TimeWindow(float(time[part[0]] - half), float(time[part[-1]] + half), part) for part in parts]
    inside = time[observed]
    return [TimeWindow(start, stop, observed[(inside >= start) & (inside < stop)]) for start, stop in wanted]


def is_too_short(window: TimeWindow) -> bool:
    """Return whether a window has too few bins for a verdict."""
    return len(window.bins) < MIN_WINDOW_BINS


def in_window(recording: xr.Dataset, window: TimeWindow) -> xr.Dataset:
    """Select the bins of a window, and the trials with activity in two or more of them.

    Parameters
    ----------
    recording : the recording.
    window : the time window.
    """
    part = recording.isel(time=window.bins)
    lasting = (part["rates"].count("unit") > 0).sum("time") >= 2
    return part.isel(trial=np.flatnonzero(lasting.to_numpy()))


def window_table(
    networks: xr.Dataset, windows: Sequence[TimeWindow], judged: Callable[[TimeWindow], pd.DataFrame]
) -> pd.DataFrame:
    """Build the table ``pathway_windows``: the verdict on every pathway in every time window.

    Parameters
    ----------
    networks : the fits of a model to whole trials, the content of network.nc.
    windows : the time windows; those with too few bins are left out.
    judged : function that judges all pathways in a window and returns the table ``pathways``.

    Returns
    -------
    The table ``pathway_windows``, one row for each window, target region and source.
    """
    parts = [
        judged(window)[list(WINDOW_COLUMNS)].assign(start_s=window.start_s, stop_s=window.stop_s)
        for window in windows
        if not is_too_short(window)
    ]
    if not parts:
        return tables.empty("pathway_windows")
    return pd.concat(parts, ignore_index=True).assign(seed=int(networks["seed"].to_numpy()[0]))
