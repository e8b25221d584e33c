"""Plain HDF5 files with the default layout, or with the names and axis orders given in `settings.hdf5`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.cells import as_text
from curbd.recording.clock import shape_notes
from curbd.recording.hdf5_activity import StoredActivity, axis_notes, reader, stated_nonlinearity, stored_activity
from curbd.recording.hdf5_columns import dataset_at, datasets
from curbd.recording.hdf5_inputs import dataset_of_inputs, inputs_of_trials, names_of_inputs, possible_inputs
from curbd.recording.hdf5_times import SampleTimes, sample_times
from curbd.recording.hdf5_trials import trial_table
from curbd.recording.hdf5_truth import true_currents_of, truth_of
from curbd.recording.hdf5_units import unit_facts
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series
from curbd.recording.units import unit_table
from curbd.recording.unreadable import reading
from curbd.settings.recording import HDF5Layout, RecordingSettings
from curbd.storage.hdf5 import readable_hdf5


def open_hdf5(path: Path, settings: RecordingSettings, where: str) -> RecordingFile:
    """Open a plain HDF5 file as a `RecordingFile`.

    Parameters
    ----------
    path : path of the file.
    settings : names and axis orders (`settings.hdf5`), and the choice of region labels and units.
    where : the recording, for messages.

    Returns
    -------
    The opened file.

    Raises
    ------
    UserError : a dataset is missing or its length differs from that of the activity; there are neither times nor a
        sampling rate; no unit has a region label; or rates of a model lie outside (-1, 1).
    """
    with reading(where, "the file"):
        file = readable_hdf5(path)
    try:
        with reading(where, "the file"):
            return describe(file, path, settings, where, close=file.close)
    except BaseException:
        file.close()
        raise


def describe(
    file: h5py.File, path: Path, settings: RecordingSettings, where: str, close: Callable[[], None] = lambda: None
) -> RecordingFile:
    """Describe an opened HDF5 file as a `RecordingFile`, with the names and labels that the settings choose.

    Parameters
    ----------
    file : the opened file.
    path : path of the file.
    settings : names and axis orders (`settings.hdf5`), and the choice of region labels and units.
    where : the recording, for messages.
    close : function that closes the file.

    Returns
    -------
    The opened file.

    Raises
    ------
    UserError : for the reasons given in `open_hdf5`.
    """
    layout = settings.hdf5
    stored = stored_activity(file, layout, where)
    rates, sizes = stored.dataset, stored.sizes
    layout_notes = [*axis_notes(stored, layout), *_absent_datasets(file, settings, where)]
    facts = unit_facts(file, settings, rates, stored.dims, where)
    already_phi = as_text(file.attrs.get("activity", rates.attrs.get("activity", ""))) == "model"
    nonlinearity = stated_nonlinearity(file, where)
    times = sample_times(file, layout, sizes["time"], where)
    units, unmatched, unit_notes = unit_table(facts, settings, where)
    trials, trial_notes = trial_table(file, layout, sizes.get("trial"), where)
    inputs = dataset_of_inputs(file, layout, sizes, where)
    names = names_of_inputs(file, layout, inputs, where)

    value_notes: list[str] = []
    made_by = nonlinearity if already_phi else None
    read = reader(stored, made_by, f"{where}: {layout.rates}", value_notes)
    activity: BinnedTrials | Series
    intervals: dict[str, pd.DataFrame] = {}
    series: dict[str, Series] = {}
    if stored.in_trials:
        activity = BinnedTrials(
            read=lambda: read(slice(None)),
            time_s=times.time_s(),
            trials=trials,
            inputs=lambda: inputs_of_trials(inputs, sizes),
            input_names=names,
        )
    else:
        activity = _continuous(stored, layout, times, read)
        layout_notes += shape_notes(activity)
        series = possible_inputs(file, layout, inputs, names, activity, sizes["time"])
        if {"start_time", "stop_time"} <= set(trials.columns):
            intervals[str(layout.trial)] = trials
    return RecordingFile(
        path=path,
        format="hdf5",
        units=units,
        unmatched=unmatched,
        activity=activity,
        activity_name=layout.rates,
        already_phi=already_phi,
        nonlinearity=nonlinearity,
        intervals=intervals,
        series=series,
        declared_inputs=() if stored.in_trials else names,
        notes=tuple(layout_notes + times.notes + value_notes + unit_notes + trial_notes),
        subject=as_text(file.attrs.get("subject", "")),
        session=as_text(file.attrs.get("session", "")),
        true_currents=true_currents_of(file, rates.shape, where) if stored.in_trials else None,
        truth=truth_of(file, tuple(sizes[dim] for dim in stored.default_dims), len(names), where),
        close=close,
    )


def _continuous(
    stored: StoredActivity, layout: HDF5Layout, times: SampleTimes, read: Callable[[slice], np.ndarray]
) -> Series:
    """The activity of one continuous stretch as a time series."""
    attrs = stored.dataset.attrs
    return Series(
        name=layout.rates,
        time_s=times.time_s,
        read=lambda first, last: read(slice(first, last)),
        columns=stored.sizes["unit"],
        unit=as_text(attrs.get("units", attrs.get("unit", ""))),
        steady=times.steady,
    )


def _absent_datasets(file: h5py.File, settings: RecordingSettings, where: str) -> list[str]:
    """Sentences on datasets that the settings name and that the file does not hold.

    Raises
    ------
    UserError : the dataset of the region labels is one of them, and no mapping gives the labels.
    """
    layout, notes = settings.hdf5, []
    for key in ("region", "unit_id", "cell_type", "position", "inputs", "input_name", "trial"):
        path = getattr(layout, key)
        if path is None or path == getattr(HDF5Layout(), key) or path in file or dataset_at(file, path) is not None:
            continue
        hint = did_you_mean(path, datasets(file))
        if key == "region" and settings.regions.mapping is None:
            raise UserError.at(
                f"{where}: hdf5.region",
                found=f"{path!r}, which the file does not hold",
                expected="a dataset",
                todo=hint,
            )
        notes.append(f"hdf5.{key}: the file holds no {path}." + (f" {hint.capitalize()}" if hint else ""))
    return notes
