"""Plain HDF5 files with the default layout, or with the names and axis orders given in `settings.hdf5`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.cells import as_text, numbers
from curbd.recording.clock import shape_notes
from curbd.recording.hdf5_columns import (
    cells_of,
    dataset_at,
    datasets,
    fields,
    has_cells,
    is_table,
)
from curbd.recording.hdf5_inputs import dataset_of_inputs, inputs_of_trials, names_of_inputs, possible_inputs
from curbd.recording.hdf5_times import sample_times
from curbd.recording.hdf5_truth import true_currents_of, truth_of
from curbd.recording.hdf5_units import unit_facts
from curbd.recording.memory import require_memory
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series
from curbd.recording.scaling import RANGE_OF_RATES
from curbd.recording.time_units import seconds_per_unit
from curbd.recording.units import unit_table
from curbd.recording.unreadable import UnreadableError, broken_links, reading
from curbd.settings.recording import HDF5Layout, RecordingSettings
from curbd.storage.hdf5 import readable_hdf5

SPIKE_TIMES_ADVICE = (
    "spike times are read from NWB files: write one with pynwb, or hand the spike times over in Python"
    " (curbd.ingest_spikes), or write spike counts in bins (trial, time, unit) as the dataset `rates`"
)
"""What to do with a plain HDF5 file that holds spike times instead of activity in bins."""
OTHER_FILE_ADVICE = "put the other file next to this one, or write all values into one file"
DEFAULT_DIMS = {2: ("time", "unit"), 3: ("trial", "time", "unit")}
"""Axes of the activity if the settings name none, by the number of axes."""


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
    rates = _rates(file, layout, where)
    dims: Sequence[str] = layout.dims or DEFAULT_DIMS[rates.ndim]
    sizes = {dim: size for dim, size in zip(dims, rates.shape, strict=True)}
    layout_notes = [*_axis_notes(rates, layout, dims), *_absent_datasets(file, settings, where)]
    facts = unit_facts(file, settings, rates, dims, where)
    already_phi = as_text(file.attrs.get("activity", rates.attrs.get("activity", ""))) == "model"
    nonlinearity = _nonlinearity(file, where)
    times = sample_times(file, layout, sizes["time"], where)
    units, unmatched, unit_notes = unit_table(facts, settings, where)
    trials, trial_notes = _trials(file, layout, sizes.get("trial"), where)
    inputs = dataset_of_inputs(file, layout, sizes, where)
    names = names_of_inputs(file, layout, inputs, where)
    order = [dims.index(dim) for dim in DEFAULT_DIMS[rates.ndim]]

    value_notes: list[str] = []
    made_by = nonlinearity if already_phi else None
    read = _reader(rates, order, made_by, f"{where}: {layout.rates}", value_notes)
    activity: BinnedTrials | Series
    intervals: dict[str, pd.DataFrame] = {}
    series: dict[str, Series] = {}
    if rates.ndim == 3:
        activity = BinnedTrials(
            read=lambda: read(slice(None)),
            time_s=times.time_s(),
            trials=trials,
            inputs=lambda: inputs_of_trials(inputs, sizes),
            input_names=names,
        )
    else:
        activity = Series(
            name=layout.rates,
            time_s=times.time_s,
            read=lambda first, last: read(slice(first, last)),
            columns=sizes["unit"],
            unit=as_text(rates.attrs.get("units", rates.attrs.get("unit", ""))),
            steady=times.steady,
        )
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
        declared_inputs=names if rates.ndim == 2 else (),
        notes=tuple(layout_notes + times.notes + value_notes + unit_notes + trial_notes),
        subject=as_text(file.attrs.get("subject", "")),
        session=as_text(file.attrs.get("session", "")),
        true_currents=true_currents_of(file, rates.shape, where) if rates.ndim == 3 else None,
        truth=truth_of(file, tuple(sizes[dim] for dim in DEFAULT_DIMS[rates.ndim]), len(names), where),
        close=close,
    )


def _axis_notes(rates: h5py.Dataset, layout: HDF5Layout, dims: Sequence[str]) -> list[str]:
    """A sentence on axes of equal length, whose order neither the file nor the settings tell."""
    lengths = dict(zip(dims, rates.shape, strict=True))
    alike = [dim for dim, length in lengths.items() if dim != "unit" and length == lengths["unit"]]
    if layout.dims is not None or not alike:
        return []
    text = f"{layout.rates} is read as ({', '.join(dims)})"
    if "MATLAB_class" in rates.attrs:
        text += "; MATLAB writes axes in reverse order"
    shape = " x ".join(map(str, rates.shape))
    return [f"{text}. Its shape, {shape}, fits another order as well: hdf5.dims states the order of the axes."]


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


def _reader(
    rates: h5py.Dataset, order: Sequence[int], nonlinearity: str | None, where: str, notes: list[str]
) -> Callable[[slice], np.ndarray]:
    """A function that reads the bins of a slice of time, with the axes in the order of `DEFAULT_DIMS`.

    Parameters
    ----------
    rates : the dataset of the activity.
    order : axis of the dataset for each of `DEFAULT_DIMS`.
    nonlinearity : the rates are phi(x) of a model with this nonlinearity, so that a value outside its range is a
        mistake; None for measured rates.
    where : the dataset, for messages.
    notes : receives a sentence on a conversion that the dataset states.
    """
    factor, offset, fill = _conversion(rates)
    if (factor, offset) != (1.0, 0.0):
        notes.append(f"{rates.name.lstrip('/')} is converted as the file states: {factor:g} x value + {offset:g}.")
    time_axis = order[DEFAULT_DIMS[rates.ndim].index("time")]

    def read(times: slice) -> np.ndarray:
        index = tuple(times if axis == time_axis else slice(None) for axis in range(rates.ndim))
        lengths = [len(range(*part.indices(size))) for part, size in zip(index, rates.shape, strict=True)]
        shape = " x ".join(map(str, lengths))
        require_memory(float(np.prod(lengths, dtype=float)), where, f"values of shape {shape}", "use shorter windows")
        with reading(where, "the values"):
            block = np.asarray(rates[index], float).transpose(order)
        if fill is not None:
            block = np.where(block == fill, np.nan, block)
        if (factor, offset) != (1.0, 0.0):
            block = block * factor + offset
        if nonlinearity == "tanh" and np.any(np.abs(block) >= 1):
            raise UserError.at(
                where,
                found=f"values up to {np.nanmax(np.abs(block)):g} with the attribute activity = 'model'",
                expected="rates phi(x) in (-1, 1), or the attribute nonlinearity with the name of another phi",
                todo="remove the attribute if the rates are measured, so that they are scaled",
            )
        if nonlinearity is not None and nonlinearity != "tanh" and np.any(block < 0):
            raise UserError.at(
                where,
                found=f"values down to {np.nanmin(block):g} with nonlinearity = '{nonlinearity}'",
                expected="rates of 0 or more",
            )
        return block

    return read


def _nonlinearity(file: h5py.File, where: str) -> str:
    """The function phi from states to rates of the network behind a teacher recording; tanh unless the file says so."""
    name = as_text(file.attrs.get("nonlinearity", "tanh"))
    if name not in RANGE_OF_RATES:
        raise UserError.at(
            f"{where}: attribute nonlinearity", found=name, expected=f"one of {', '.join(RANGE_OF_RATES)}"
        )
    return name


def _conversion(dataset: h5py.Dataset) -> tuple[float, float, float | None]:
    """Factor, offset and missing value that a dataset states in its attributes, in the words of NWB or of netCDF."""

    def stated(*names: str) -> float | None:
        for name in names:
            value = dataset.attrs.get(name)
            if value is not None and np.size(value) == 1 and np.asarray(value).dtype.kind in "fiu":
                return float(np.ravel(value)[0])
        return None

    factor, offset = stated("scale_factor", "conversion"), stated("add_offset", "offset")
    fill = stated("_FillValue", "missing_value", "fill_value")
    return 1.0 if factor is None else factor, offset or 0.0, None if fill is None or np.isnan(fill) else fill


def _rates(file: h5py.File, layout: HDF5Layout, where: str) -> h5py.Dataset:
    rates = dataset_at(file, layout.rates)
    where_rates = f"{where}: {layout.rates}"
    if rates is None:
        if target := broken_links(file).get(layout.rates.strip("/")):
            raise UserError.at(
                where_rates,
                found=f"a link to {target}, which does not exist",
                expected="the activity",
                todo=OTHER_FILE_ADVICE,
            )
        paths = list(datasets(file))
        listed = ", ".join(paths[:12]) + (", ..." if len(paths) > 12 else "")
        hint = did_you_mean(layout.rates, paths)
        todo = "; ".join(filter(None, ["name the dataset under hdf5.rates; `curbd inspect` proposes a layout", hint]))
        if any("spike" in path.casefold() and "time" in path.casefold() for path in paths):
            todo = SPIKE_TIMES_ADVICE
        raise UserError.at(
            where_rates,
            found=f"no such dataset (the file holds {listed or 'none'})",
            expected="the activity",
            todo="it is an NWB file: set its format to nwb" if "nwb_version" in file.attrs else todo,
        )
    if absent := _absent_files(rates):
        # HDF5 itself reads fill values, often zeros, in place of the values of a file that is gone.
        raise UserError.at(
            where_rates,
            found=f"values in the file {absent[0]}, which does not exist",
            expected="the activity",
            todo=OTHER_FILE_ADVICE,
        )
    if rates.ndim not in DEFAULT_DIMS or rates.dtype.kind not in "biuf":
        is_cells = h5py.check_ref_dtype(rates.dtype) is not None
        raise UserError.at(
            where_rates,
            found=f"{'references, as of a cell array of MATLAB,' if is_cells else rates.dtype} of shape {rates.shape}",
            expected="numbers (trial, time, unit) or (time, unit)",
            todo="trials of different length are filled up with NaN to one array; other axes, such as sessions, need"
            " a file each",
        )
    if 0 in rates.shape:
        raise UserError.at(where_rates, found=f"an empty dataset of shape {rates.shape}", expected="activity")
    if layout.dims is not None and sorted(layout.dims) != sorted(DEFAULT_DIMS[rates.ndim]):
        raise UserError.at(
            f"{where}: hdf5.dims",
            found=f"{', '.join(layout.dims)} for {layout.rates} of shape {rates.shape}",
            expected=f"{', '.join(DEFAULT_DIMS[rates.ndim])} in the order of its axes",
        )
    return rates


def _absent_files(dataset: h5py.Dataset) -> list[str]:
    """Names of the other files that hold the values of a dataset and that do not exist."""
    names = [source.file_name for source in dataset.virtual_sources()] if dataset.is_virtual else []
    names += [name for name, _, _ in dataset.external or ()]
    folder = Path(dataset.file.filename).parent
    return [name for name in names if name != "." and "%" not in name and not (folder / name).exists()]


def _trials(file: h5py.File, layout: HDF5Layout, n_trials: int | None, where: str) -> tuple[pd.DataFrame, list[str]]:
    """One row for each trial, with the trial columns; for one continuous stretch, the table that the group holds.

    Returns
    -------
    The trials; sentences on columns that are left out, and on times that were converted to seconds.
    """
    notes: list[str] = []
    node = file.get(layout.trial) if layout.trial else None
    stored = fields(node) if is_table(node) else datasets(node) if isinstance(node, h5py.Group) else {}
    n_rows = n_trials if n_trials is not None else _length_of_table(stored)
    whole = {name: dataset for name, dataset in stored.items() if has_cells(dataset, n_rows)}
    if stored and not whole:
        name, dataset = next(iter(stored.items()))
        raise UserError.at(
            f"{where}: {layout.trial}/{name}",
            found=f"shape {dataset.shape}",
            expected=f"({n_rows},), one value for each trial of {layout.rates}",
            todo="check the axis order (hdf5.dims), or set hdf5.trial to null",
        )
    for name in stored.keys() - whole.keys():
        notes.append(
            f"{layout.trial}/{name} is left out: it has the shape {stored[name].shape}, where {n_rows} cells are"
            " expected, one for each trial."
        )
    columns: dict[str, list[Any]] = {}
    for name, dataset in whole.items():
        try:
            columns[name] = cells_of(dataset)
        except UnreadableError as error:
            notes.append(f"Left out: {error}")
            continue
        if name.endswith("_time"):
            second, unit_notes = seconds_per_unit(dataset, f"{layout.trial}/{name}")
            notes += unit_notes
            columns[name] = columns[name] if second == 1.0 else list(numbers(columns[name]) * second)
    if n_trials is None and columns and not {"start_time", "stop_time"} <= set(columns):
        notes.append(
            f"{layout.trial} is not used: its columns are {', '.join(columns)}, and trials of continuous activity need"
            " start_time and stop_time, in seconds."
        )
    return pd.DataFrame(columns, index=range(n_rows)), notes


def _length_of_table(columns: Mapping[str, h5py.Dataset]) -> int:
    """The number of rows of a table: that of its start_time, or of most of its columns."""
    if "start_time" in columns:
        return int(columns["start_time"].size)
    lengths = [int(max(dataset.shape, default=1)) for dataset in columns.values()]
    return max(set(lengths), key=lengths.count, default=0)
