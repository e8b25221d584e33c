"""What a file offers before anything is binned: units, activity, interval tables and series, read only when asked.

Every reader (one module per format) opens its file as a `RecordingFile`; `curbd.recording.ingest` and
`curbd.recording.inspection` know nothing of formats. Data stay on disk until one of the ``read`` functions runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

UNIT_COLUMNS = ("unit_id", "region", "region_raw", "region_source", "cell_type", "x", "y", "z", "reason")
"""Columns of `RecordingFile.units`; ``reason`` is empty for a unit that may be used, else why the file says not to."""


@dataclass(frozen=True)
class Spikes:
    """Spike times of every unit of a file.

    Attributes
    ----------
    read : index of a unit -> its spike times (spike,) in seconds, sorted, duplicates removed.
    span_s : first and last time at which any unit was observed.
    observed_s : index of a unit -> (interval, 2) the stretches in which it was observed, or None when the file does
        not say; bins outside are missing, not zero.
    """

    read: Callable[[int], np.ndarray]
    span_s: tuple[float, float]
    observed_s: Callable[[int], np.ndarray] | None = None


@dataclass(frozen=True)
class Series:
    """A time series sampled by the file: activity (one column a unit) or a possible input.

    Attributes
    ----------
    name : path inside the file.
    time_s : () -> (sample,) sample times in seconds, increasing.
    read : (first sample, last sample + 1) -> (sample, column) float, converted to `unit`; only that slice is read.
    columns : number of columns.
    unit : physical unit as the file states it.
    steady : (start in seconds, rate in Hz, samples) where the file states a rate instead of times: what `time_s` would
        return, known without computing it.
    """

    name: str
    time_s: Callable[[], np.ndarray]
    read: Callable[[int, int], np.ndarray]
    columns: int
    unit: str = ""
    steady: tuple[float, float, int] | None = None


@dataclass(frozen=True)
class BinnedTrials:
    """Activity that the file already holds trial by trial on common bins (plain HDF5).

    Attributes
    ----------
    read : () -> (trial, time, unit) float, NaN past the end of a trial.
    time_s : (time,) seconds.
    trials : one row a trial, the trial columns.
    inputs : () -> (trial, time, input) float.
    input_names : names of the inputs.
    """

    read: Callable[[], np.ndarray]
    time_s: np.ndarray
    trials: pd.DataFrame
    inputs: Callable[[], np.ndarray]
    input_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Truth:
    """The network that made a teacher file; used for scoring only.

    Attributes
    ----------
    J : (unit, unit) target x source, for the rates as they stand in the file.
    B : (unit, input) for the inputs as they stand in the file.
    b : (unit,) bias.
    tau_s, dt_s : time constant and sample step in seconds.
    substeps : Euler steps a sample.
    drive : (trial, time, unit) external current that no input of the file shows, or None.
    """

    J: np.ndarray
    B: np.ndarray
    b: np.ndarray
    tau_s: float
    dt_s: float
    substeps: int = 1
    drive: np.ndarray | None = None


@dataclass(frozen=True)
class RecordingFile:
    """One recording file, opened lazily.

    Attributes
    ----------
    path, format : where it is, ``nwb`` or ``hdf5``.
    units : one row a unit, columns `UNIT_COLUMNS`.
    activity : what the units did.
    activity_name : path inside the file of what `activity` reads.
    already_phi : the rates are phi(x) in (-1, 1) and are taken as they are.
    intervals : name -> interval table with ``start_time`` and ``stop_time`` in seconds and whatever else it has.
    series : name -> every other time series, a possible input.
    declared_inputs : names in `series` of what the file itself calls an input; they are inputs without being asked for.
    notes : oddities met, one sentence each; ingest writes them to the log and `curbd inspect` prints them.
    truth : the network behind a teacher file.
    close : releases the file.
    """

    path: Path
    format: str
    units: pd.DataFrame
    activity: Spikes | Series | BinnedTrials
    activity_name: str
    already_phi: bool = False
    intervals: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    declared_inputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    truth: Truth | None = None
    close: Callable[[], None] = lambda: None

    def __enter__(self) -> RecordingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
