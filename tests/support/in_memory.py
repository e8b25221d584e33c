"""Recording files made in memory, for tests that need no file format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series, Spikes, Truth


def unit_table(regions: Sequence[str]) -> pd.DataFrame:
    """A unit table with one unit for each label."""
    n_units = len(regions)
    return pd.DataFrame(
        {
            "unit_id": [f"u{unit}" for unit in range(n_units)],
            "region": list(regions),
            "region_raw": list(regions),
            "region_source": "units.location",
            "cell_type": "unknown",
            "cell_type_source": "",
            "x": np.nan,
            "y": np.nan,
            "z": np.nan,
            "reason": "",
        }
    )


def series(name: str, values: np.ndarray, time_s: np.ndarray, unit: str = "") -> Series:
    """A time series; one column if the values have one dimension."""
    columns = values.reshape(len(values), -1)
    return Series(
        name=name,
        time_s=lambda: time_s,
        read=lambda first, last: columns[first:last],
        columns=columns.shape[1],
        unit=unit,
    )


def spike_file(path: Path, times: Sequence[np.ndarray], regions: Sequence[str], span_s: tuple[float, float], **more):
    """Spikes of a few units."""
    path.write_bytes(b"spikes")
    spikes = Spikes(lambda unit: times[unit], span_s)
    return RecordingFile(
        path=path, format="nwb", units=unit_table(regions), activity=spikes, activity_name="units", **more
    )


def series_file(path: Path, values: np.ndarray, time_s: np.ndarray, regions: Sequence[str], **more):
    """A sampled series with one column a unit."""
    path.write_bytes(b"series")
    return RecordingFile(
        path=path,
        format="nwb",
        units=unit_table(regions),
        activity=series("dff", values, time_s, "dF/F"),
        activity_name="dff",
        **more,
    )


def trial_file(
    path: Path,
    rates: np.ndarray,
    time_s: np.ndarray,
    regions: Sequence[str],
    trials: pd.DataFrame | None = None,
    inputs: np.ndarray | None = None,
    truth: Truth | None = None,
    already_phi: bool = False,
) -> RecordingFile:
    """Trials on common bins."""
    path.write_bytes(b"trials")
    known = np.zeros((*rates.shape[:2], 0)) if inputs is None else inputs
    activity = BinnedTrials(
        read=lambda: rates,
        time_s=time_s,
        trials=pd.DataFrame(index=range(len(rates))) if trials is None else trials,
        inputs=lambda: known,
        input_names=tuple(f"in{column}" for column in range(known.shape[2])),
    )
    return RecordingFile(
        path=path,
        format="hdf5",
        units=unit_table(regions),
        activity=activity,
        activity_name="rates",
        already_phi=already_phi,
        truth=truth,
    )
