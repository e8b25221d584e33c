"""Outlines of recordings whose activity was not read, for checks of experiments and contrasts before a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.recording.dataset import RECORDING_NAMES, unit_coords
from curbd.recording.trials import Trials
from curbd.settings.recording import RecordingSettings


def outline(
    units: pd.DataFrame,
    trials: Trials | None,
    condition: np.ndarray,
    inputs: list[str],
    name: str,
    settings: RecordingSettings,
) -> xr.Dataset:
    """Make an outline of a recording: its units, inputs and bins, and one trial for each condition.

    Parameters
    ----------
    units : one row per unit.
    trials : the trials and their bins; None for an outline with a single bin.
    condition : (trial,) condition of each trial; one condition if the trials are not known.
    inputs : names of the inputs.
    name : name of the recording.
    settings : settings of the recording.

    Returns
    -------
    A recording with rates of 0 inside the trials, NaN outside.
    """
    names, first = np.unique(condition.astype(str), return_index=True)
    columns: dict[str, Any] = {}
    inside, time_s, dt_s = np.ones((1, 1), dtype=bool), np.zeros(1), 1.0
    if trials is not None:
        inside = np.array([trials.inside[condition.astype(str) == label].any(axis=0) for label in names])
        time_s, dt_s = trials.time_s, trials.dt_s
        columns = {
            str(column): ("trial", trials.columns[column].to_numpy()[first])
            for column in trials.columns
            if str(column) not in RECORDING_NAMES
        }
    rates = np.where(inside[:, :, None], np.float32(0), np.float32(np.nan)).repeat(len(units), axis=2)
    return xr.Dataset(
        {
            "rates": (("trial", "time", "unit"), rates),
            "inputs": (("trial", "time", "input"), np.zeros((*inside.shape, len(inputs)))),
        },
        coords={
            **columns,
            **unit_coords(units),
            "time": ("time", time_s),
            "input": ("input", np.array(inputs, dtype=str)),
            "condition": ("trial", names),
        },
        attrs={
            "recording": name,
            "dt_s": dt_s,
            "silent": -1.0 if settings.scaling == "counts" else 0.0,
        },
    )


def every_trial(trials: Trials, inputs: list[str], name: str) -> xr.Dataset:
    """Make an outline of a recording with the columns of all trials, one bin and one unit.

    Parameters
    ----------
    trials : the trials.
    inputs : names of the inputs.
    name : name of the recording.

    Returns
    -------
    A recording with rates of 0.
    """
    n_trials = len(trials.columns)
    columns: dict[str, Any] = {
        f"trial_{column}" if str(column) in RECORDING_NAMES else str(column): ("trial", cells.to_numpy())
        for column, cells in trials.columns.items()
    }
    return xr.Dataset(
        {
            "rates": (("trial", "time", "unit"), np.zeros((n_trials, 1, 1))),
            "inputs": (("trial", "time", "input"), np.zeros((n_trials, 1, len(inputs)))),
        },
        coords={**columns, "input": ("input", np.array(inputs, dtype=str))},
        attrs={"recording": name},
    )
