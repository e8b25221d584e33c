"""An opened recording file before anything is binned: units, activity, interval tables and time series.

The reader of each file format (`curbd.recording.nwb`, `curbd.recording.hdf5`) opens a file as a `RecordingFile`, so
that `curbd.recording.ingest` does not depend on the format. Data stay on disk until one of the ``read`` functions is
called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

UNIT_COLUMNS = (
    "unit_id",
    "region",
    "region_raw",
    "region_source",
    "cell_type",
    "cell_type_source",
    "x",
    "y",
    "z",
    "reason",
)
"""Columns of `RecordingFile.units`; ``reason`` says why a unit must not be used and is empty for all other units."""


@dataclass(frozen=True)
class Unmatched:
    """Names in the settings of regions and units that no unit of the file has.

    Attributes
    ----------
    labels : labels of ``regions.merge`` that no unit has.
    mapping : a message if the table ``regions.mapping`` names no unit; '' otherwise.
    values : (setting, value) of one value among several that are chosen and that the file does not have -> the values
        that the file has.
    present_labels : region labels of the units before merging.
    """

    labels: Sequence[str] = ()
    mapping: str = ""
    values: Mapping[tuple[str, str], list[str]] = field(default_factory=dict)
    present_labels: Sequence[str] = ()


@dataclass(frozen=True)
class Spikes:
    """Spike times of every unit of a file.

    Attributes
    ----------
    read : index of a unit -> spike times (spike,) of that unit in seconds, sorted, without duplicates.
    span_s : first and last time, in seconds, at which any unit was observed.
    n_spikes : number of spikes of all units; None if it is not known.
    observed_s : index of a unit -> (interval, 2) start and stop, in seconds, of the intervals in which the unit was
        observed; bins outside these intervals are missing, not zero. None if the file states no such intervals.
    """

    read: Callable[[int], np.ndarray]
    span_s: tuple[float, float]
    observed_s: Callable[[int], np.ndarray] | None = None
    n_spikes: int | None = None


@dataclass(frozen=True)
class Series:
    """A sampled time series of the file: activity, with one column for each unit, or a possible input.

    Attributes
    ----------
    name : path of the series in the file.
    time_s : () -> (sample,) sample times in seconds, increasing.
    read : (first sample, last sample + 1) -> (sample, column) float, in units of `unit`; only this slice is read.
    columns : number of columns.
    unit : physical unit as the file states it.
    steady : (start in seconds, rate in Hz, number of samples) if the file states a sampling rate instead of times; None
        otherwise.
    """

    name: str
    time_s: Callable[[], np.ndarray]
    read: Callable[[int, int], np.ndarray]
    columns: int
    unit: str = ""
    steady: tuple[float, float, int] | None = None


@dataclass(frozen=True)
class BinnedTrials:
    """Activity that a plain HDF5 file holds trial by trial, with the same bins in every trial.

    Attributes
    ----------
    read : () -> (trial, time, unit) float, NaN past the end of a trial.
    time_s : (time,) centres of the bins in seconds.
    trials : the trial columns of the file, one row per trial.
    inputs : () -> (trial, time, input) float.
    input_names : (input,) names of the inputs.
    """

    read: Callable[[], np.ndarray]
    time_s: np.ndarray
    trials: pd.DataFrame
    inputs: Callable[[], np.ndarray]
    input_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Truth:
    """The network that generated a simulated recording (teacher); used for scoring only.

    The equation is tau dx/dt = -x + J r + B u + b + drive, with rates r and inputs u as the file holds them. Currents
    are in the (dimensionless) units of the state x.

    Attributes
    ----------
    J : (target unit, source unit) recurrent weights.
    B : (unit, input) input weights.
    b : (unit,) bias.
    tau_s : time constant in seconds.
    dt_s : time between two samples in seconds.
    substeps : number of Euler steps between two samples.
    drive : (trial, time, unit) external current that is not among the inputs of the file; None if there is none.
    adaptation : (unit,) strengths g of a current -g a with tau_a da/dt = -a + r, 0 at the start of every trial; None if
        units do not adapt.
    adaptation_tau_s : the time constant tau_a in seconds; 0 if units do not adapt.
    unit_tau_s : (unit,) time constants in seconds, whose geometric mean is tau_s; None if all units have the same.
    """

    J: np.ndarray
    B: np.ndarray
    b: np.ndarray
    tau_s: float
    dt_s: float
    substeps: int = 1
    drive: np.ndarray | None = None
    adaptation: np.ndarray | None = None
    adaptation_tau_s: float = 0.0
    unit_tau_s: np.ndarray | None = None


@dataclass(frozen=True)
class TrueCurrents:
    """The currents of a teacher whose regions have unrecorded units; used for scoring only.

    Attributes
    ----------
    source : (source,) names of the regions that send the currents.
    value : (trial, time, source, unit) currents from all units of a source, recorded and unrecorded, into the recorded
        units, in units of the log rate of the unit.
    """

    source: tuple[str, ...]
    value: np.ndarray


@dataclass(frozen=True)
class RecordingFile:
    """An opened recording file; activity and time series are read only when needed.

    Attributes
    ----------
    path : path of the file, or its address on a server.
    format : ``nwb``, ``hdf5``, or ``memory`` for data in memory.
    units : one row per unit, with the columns `UNIT_COLUMNS`.
    activity : spike times, a sampled series with one column for each unit, or binned trials.
    activity_name : path of the activity in the file.
    already_phi : True if the rates are the phi(x) of a model and are used without scaling.
    nonlinearity : name of the function phi of the model behind the recording of a teacher.
    intervals : name -> interval table, with ``start_time`` and ``stop_time`` in seconds and any other columns.
    series : name -> time series that is not the activity, a possible input.
    declared_inputs : names of the series that the file declares as inputs; the recording gets these inputs even if the
        settings name none.
    left_out : name -> why an interval table or a time series of the file cannot be used.
    unmatched : names in the settings of regions and units that no unit has.
    notes : one sentence for each irregularity of the file; part of the attribute ``notes`` of the recording.
    truth : the network behind the recording of a teacher; None for a measured recording.
    true_currents : the currents of a teacher of populations; None for any other recording.
    subject, session : names of the animal and of the session as the file states them; '' if it states none.
    close : function that closes the file.
    """

    path: Path
    format: str
    units: pd.DataFrame
    activity: Spikes | Series | BinnedTrials
    activity_name: str
    already_phi: bool = False
    nonlinearity: str = "tanh"
    intervals: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    declared_inputs: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    unmatched: Unmatched = field(default_factory=Unmatched)
    notes: tuple[str, ...] = ()
    truth: Truth | None = None
    true_currents: TrueCurrents | None = None
    subject: str = ""
    session: str = ""
    close: Callable[[], None] = lambda: None

    def __enter__(self) -> RecordingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
