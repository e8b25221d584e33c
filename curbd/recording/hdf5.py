"""Plain HDF5 files with the default layout, or with the names and axis orders given in `settings.hdf5`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.cell_types import cell_type
from curbd.recording.cells import as_text, numbers
from curbd.recording.clock import clock_notes
from curbd.recording.coded import code_names, decoded
from curbd.recording.hdf5_columns import (
    cells_of,
    dataset_at,
    datasets,
    fields,
    has_cells,
    is_character_matrix,
    is_column,
    is_table,
    rows_of_characters,
    texts,
)
from curbd.recording.judgement import judged
from curbd.recording.labels import LabelReader
from curbd.recording.memory import require_memory
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series, TrueCurrents, Truth
from curbd.recording.regions import label_origin
from curbd.recording.scaling import RANGE_OF_RATES
from curbd.recording.time_units import seconds_per_unit
from curbd.recording.units import UnitFacts, text_columns, unit_table
from curbd.recording.unreadable import UnreadableError, reading
from curbd.settings.recording import HDF5Layout, RecordingSettings
from curbd.storage import readable_hdf5

SPIKE_TIMES_ADVICE = (
    "spike times are read from NWB files: write one with pynwb, or hand the spike times over in Python"
    " (curbd.ingest_spikes), or write spike counts in bins (trial, time, unit) as the dataset `rates`"
)
"""What to do with a plain HDF5 file that holds spike times instead of activity in bins."""
RATE_HINT = re.compile(r"rate|hz|^fs$|^dt(_|$)|bin_?(width|size)|interval|period", re.IGNORECASE)
"""Words in the names of numbers that may state the sampling rate or the sampling interval of a file."""
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
    facts = _unit_facts(file, settings, sizes["unit"], rates, where)
    already_phi = as_text(file.attrs.get("activity", rates.attrs.get("activity", ""))) == "model"
    nonlinearity = _nonlinearity(file, where)
    time_s, steady, notes = _times(file, layout, sizes["time"], where)
    units, unit_notes = unit_table(facts, settings, where)
    trials, trial_notes = _trials(file, layout, sizes.get("trial"), where)
    inputs = _inputs(file, layout, sizes, where)
    names = _input_names(file, layout, inputs, where)
    order = [dims.index(dim) for dim in DEFAULT_DIMS[rates.ndim]]

    value_notes: list[str] = []
    made_by = nonlinearity if already_phi else None
    read = _reader(rates, order, made_by, f"{where}: {layout.rates}", value_notes)
    unit = as_text(rates.attrs.get("units", rates.attrs.get("unit", "")))
    activity: BinnedTrials | Series
    intervals: dict[str, pd.DataFrame] = {}
    series: dict[str, Series] = {}
    if rates.ndim == 3:
        activity = BinnedTrials(
            read=lambda: read(slice(None)),
            time_s=time_s(),
            trials=trials,
            inputs=lambda: _read_inputs(inputs, sizes),
            input_names=names,
        )
    else:
        activity = Series(
            name=layout.rates,
            time_s=time_s,
            read=lambda first, last: read(slice(first, last)),
            columns=sizes["unit"],
            unit=unit,
            steady=steady,
        )
        series = _series(file, layout, inputs, names, activity, sizes["time"])
        if {"start_time", "stop_time"} <= set(trials.columns):
            intervals[str(layout.trial)] = trials
    return RecordingFile(
        path=path,
        format="hdf5",
        units=units,
        activity=activity,
        activity_name=layout.rates,
        already_phi=already_phi,
        nonlinearity=nonlinearity,
        intervals=intervals,
        series=series,
        declared_inputs=names if rates.ndim == 2 else (),
        notes=tuple(layout_notes + notes + value_notes + unit_notes + trial_notes),
        subject=as_text(file.attrs.get("subject", "")),
        session=as_text(file.attrs.get("session", "")),
        true_currents=_true_currents(file, rates.shape, where) if rates.ndim == 3 else None,
        truth=_truth(file, tuple(sizes[dim] for dim in DEFAULT_DIMS[rates.ndim]), len(names), where),
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


def _times(
    file: h5py.File, layout: HDF5Layout, n_times: int, where: str
) -> tuple[Callable[[], np.ndarray], tuple[float, float, int] | None, list[str]]:
    """Times of the activity; (start, rate, number of samples) where a sampling rate gives them; sentences for notes."""
    dataset = dataset_at(file, layout.time)
    where_time = f"{where}: {layout.time or 'hdf5.time'}"
    if dataset is not None:
        second, notes = seconds_per_unit(dataset, str(layout.time))
        if dataset.dtype.kind not in "fiu":
            raise UserError.at(
                where_time,
                found=f"texts, such as {texts(dataset)[0]!r}" if dataset.dtype.kind in "OSU" else f"{dataset.dtype}",
                expected="numbers of seconds",
                todo="write the times as seconds from the start of the recording, or set hdf5.time to null and give"
                " hdf5.sampling_rate_hz",
            )
        with reading(where, str(layout.time)):
            time_s = np.ravel(np.asarray(dataset[...], float))
        time_s = time_s if second == 1.0 else time_s * second
        if time_s.size != n_times:
            raise UserError.at(
                where_time,
                found=f"{time_s.size} times" + (f" of shape {dataset.shape}" if dataset.ndim > 1 else ""),
                expected=f"{n_times}, one for each bin of {layout.rates}",
                todo=_advice_on_times(dataset.shape, n_times),
            )
        if not np.all(np.isfinite(time_s)) or np.any(np.diff(time_s) <= 0):
            wrong = ~np.isfinite(time_s) | np.r_[False, np.diff(time_s) <= 0]
            sample = int(np.argmax(wrong))
            before = f" after {time_s[sample - 1]:.6g}" if sample else ""
            raise UserError.at(
                where_time,
                found=f"times that are not finite or do not increase ({int(wrong.sum())} of {time_s.size}, e.g. sample"
                f" {sample}: {time_s[sample]:.6g}{before})",
                expected="increasing times in seconds",
                todo="write them in double precision, or set hdf5.time to null and give hdf5.sampling_rate_hz"
                if dataset.dtype.itemsize < 8
                else "",
            )
        notes += clock_notes(time_s)
        if layout.sampling_rate_hz is None:
            return lambda: time_s, None, notes
        return (
            lambda: time_s,
            None,
            [*notes, f"hdf5.sampling_rate_hz is not used, as the file holds times ({layout.time})."],
        )
    if (rate_hz := layout.sampling_rate_hz) is not None:
        return lambda: np.arange(n_times) / rate_hz, (0.0, rate_hz, n_times), []
    hint = _hint_of_rate(file)
    raise UserError.at(
        where_time,
        found="no dataset of times and no sampling rate" + (f" (the file has {hint})" if hint else ""),
        expected="one of the two, because a rate is never guessed",
        todo="name the dataset under hdf5.time, or give hdf5.sampling_rate_hz",
    )


def _advice_on_times(shape: tuple[int, ...], n_times: int) -> str:
    """What to do about times that are not one for each bin."""
    if shape == (n_times + 1,):
        return "these may be the edges of the bins: write their centres, (edges[1:] + edges[:-1]) / 2"
    if len(shape) == 2 and n_times in shape:
        return "all trials have the same bins: write the times of one trial, from its event"
    return "check the axis order (hdf5.dims), or name another dataset under hdf5.time"


def _hint_of_rate(file: h5py.File) -> str:
    """An attribute or a single number of the file that may be the sampling rate; '' if there is none."""
    for key, value in file.attrs.items():
        if RATE_HINT.search(key):
            return f"an attribute {key} = {value}"
    for path, dataset in datasets(file).items():
        if dataset.size == 1 and dataset.dtype.kind in "fiu" and RATE_HINT.search(path.rsplit("/", 1)[-1]):
            return f"a number {path} = {np.ravel(dataset[...])[0]:g}"
    return ""


def _unit_facts(
    file: h5py.File, settings: RecordingSettings, n_units: int, rates: h5py.Dataset, where: str
) -> UnitFacts:
    layout = settings.hdf5

    def column(name: str | None) -> list[str] | None:
        dataset = dataset_at(file, name)
        if dataset is None:
            return None
        if is_character_matrix(dataset) and n_units in dataset.shape:
            return rows_of_characters(dataset, n_units)
        if dataset.size != n_units:
            read_as = ", ".join(layout.dims or DEFAULT_DIMS[rates.ndim])
            transposed = (
                "; if the axes are in another order, give it under hdf5.dims" if dataset.size in rates.shape else ""
            )
            raise UserError.at(
                f"{where}: {name}",
                found=f"{dataset.size} values",
                expected=f"{n_units}, one value for each unit of {layout.rates}",
                todo=f"check the axis order: {layout.rates} has the shape {rates.shape} and is read as"
                f" ({read_as}){transposed}",
            )
        if names := code_names(dataset):
            return decoded(dataset[...], names)
        return texts(dataset)

    labels = file.get(layout.region)
    if isinstance(labels, h5py.Group):
        members = ", ".join(f"{layout.region}/{name}" for name in labels)
        raise UserError.at(
            f"{where}: hdf5.region", found=f"the group {layout.region!r}", expected=f"a dataset (one of {members})"
        )
    ids, region, types = column(layout.unit_id), column(layout.region), column(layout.cell_type)
    xyz = dataset_at(file, layout.position)
    if xyz is not None and xyz.shape != (n_units, 3):
        raise UserError.at(
            f"{where}: {layout.position}",
            found=f"shape {xyz.shape}",
            expected=f"({n_units}, 3), one position for each unit",
        )
    columns: dict[str, list[Any]] = {}
    column_notes: list[str] = []
    for name, dataset in datasets(file).items():
        if is_column(dataset, n_units) and dataset.dtype.kind in "biufOSU" and not name.startswith("truth/"):
            try:
                columns[name] = cells_of(dataset)
            except UnreadableError as error:
                column_notes.append(f"Left out: {error}")
    read = LabelReader(settings.regions)
    candidates = text_columns("", columns, [name for name in (layout.region, layout.unit_id, layout.cell_type) if name])
    by_name = {name.rsplit("/", 1)[-1]: cells for name, cells in columns.items()}
    reasons, judgement_notes = judged(by_name, n_units, "hdf5")
    with reading(where, str(layout.position)):
        positions = np.empty((0, 3)) if xyz is None else np.asarray(xyz[...], float)
    return UnitFacts(
        ids=ids or [str(unit) for unit in range(n_units)],
        origins=[] if region is None else [label_origin("unit_column", f"hdf5:{layout.region}", region, read)],
        cell_type=[] if types is None else [cell_type(value) for value in types],
        xyz=positions,
        columns=columns,
        candidates={f"hdf5:{name.lstrip('.')}": cells for name, cells in candidates.items()},
        reason=reasons,
        notes=[*column_notes, *judgement_notes, *read.notes],
    )


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


def _inputs(file: h5py.File, layout: HDF5Layout, sizes: Mapping[str, int], where: str) -> h5py.Dataset | None:
    inputs = dataset_at(file, layout.inputs)
    if inputs is None:
        return None
    length = {"trial": sizes.get("trial"), "time": sizes["time"]}
    fits = [inputs.ndim == 2 and inputs.shape[0] == length["time"]]
    if length["trial"] is not None:
        fits.append(inputs.ndim == 3 and inputs.shape[:2] == (length["trial"], length["time"]))
    if not any(fits):
        expected = f"({length['time']}, input)"
        if length["trial"] is not None:
            expected = f"({length['trial']}, {length['time']}, input), or {expected} if it is the same in all trials"
        raise UserError.at(
            f"{where}: {layout.inputs}",
            found=f"inputs of shape {inputs.shape}, which does not agree with the shape of the activity",
            expected=expected,
        )
    return inputs


def _input_names(file: h5py.File, layout: HDF5Layout, inputs: h5py.Dataset | None, where: str) -> tuple[str, ...]:
    if inputs is None:
        return ()
    n_inputs = inputs.shape[-1]
    dataset = dataset_at(file, layout.input_name)
    names = tuple(f"input{index}" for index in range(n_inputs)) if dataset is None else tuple(texts(dataset))
    if len(names) != n_inputs or len(set(names)) != n_inputs:
        raise UserError.at(
            f"{where}: {layout.input_name}",
            found=", ".join(names),
            expected=f"{n_inputs} different names, one for each input",
        )
    return names


def _read_inputs(inputs: h5py.Dataset | None, sizes: Mapping[str, int]) -> np.ndarray:
    if inputs is None:
        return np.zeros((sizes["trial"], sizes["time"], 0))
    values = np.asarray(inputs[...], float)
    return values if values.ndim == 3 else np.repeat(values[None], sizes["trial"], axis=0)


def _series(
    file: h5py.File,
    layout: HDF5Layout,
    inputs: h5py.Dataset | None,
    names: tuple[str, ...],
    activity: Series,
    n_times: int,
) -> dict[str, Series]:
    """Possible inputs of one continuous stretch: each declared input, and every other dataset of the same length."""
    series = {}
    if inputs is not None:
        for column, name in enumerate(names):
            series[name] = _column_series(inputs, name, activity, slice(column, column + 1))
    used = {layout.rates, layout.time, layout.inputs}
    for name, dataset in datasets(file).items():
        numeric = dataset.dtype.kind in "biuf" and dataset.ndim in (1, 2)
        if numeric and len(dataset) == n_times and name not in used and not name.startswith("truth/"):
            series[name] = _column_series(dataset, name, activity, slice(None))
    return series


def _column_series(dataset: h5py.Dataset, name: str, activity: Series, columns: slice) -> Series:
    """Some columns of a dataset as a series, at the sample times of the activity."""

    def read(first: int, last: int) -> np.ndarray:
        with reading(str(dataset.file.filename), name):
            block = dataset[first:last] if dataset.ndim == 1 else dataset[first:last, columns]
        return np.asarray(block, float).reshape(last - first, -1)

    width = 1 if dataset.ndim == 1 else len(range(dataset.shape[1])[columns])
    return replace(activity, name=name, read=read, columns=width, unit=as_text(dataset.attrs.get("units", "")))


def _true_currents(file: h5py.File, rates_shape: tuple[int, ...], where: str) -> TrueCurrents | None:
    """Read the datasets truth/current (source, trial, time, unit) and truth/source of a teacher of populations."""
    group = file.get("truth")
    if not isinstance(group, h5py.Group) or not {"current", "source"} <= set(group):
        return None
    source = tuple(as_text(name) for name in group["source"][...])
    value = np.asarray(group["current"][...], float)
    if value.shape != (expected := (len(source), *rates_shape)):
        raise UserError.at(
            f"{where}: truth/current",
            found=f"shape {value.shape}",
            expected=f"{expected} (source, trial, time, unit)",
            todo="write the rates as (trial, time, unit), and one current per source named in truth/source",
        )
    return TrueCurrents(source=source, value=np.moveaxis(value, 0, 2))


def _truth(file: h5py.File, rates_shape: tuple[int, ...], n_inputs: int, where: str) -> Truth | None:
    n_units = rates_shape[-1]
    group = file.get("truth")
    if not isinstance(group, h5py.Group) or "J" not in group:
        return None

    def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in group:
            return np.zeros(shape)
        array = np.asarray(group[name][...], float)
        if array.shape != shape:
            raise UserError.at(f"{where}: truth/{name}", found=f"shape {array.shape}", expected=f"{shape}")
        return array

    missing = [name for name in ("tau_s", "dt_s") if name not in group.attrs]
    if missing:
        raise UserError.at(
            f"{where}: truth",
            found=f"missing attributes: {', '.join(missing)}",
            expected="the attributes tau_s and dt_s, in seconds",
        )
    return Truth(
        J=values("J", (n_units, n_units)),
        B=values("B", (n_units, n_inputs)),
        b=values("b", (n_units,)),
        tau_s=float(group.attrs["tau_s"]),
        dt_s=float(group.attrs["dt_s"]),
        substeps=int(group.attrs.get("substeps", 1)),
        drive=values("drive", rates_shape) if "drive" in group else None,
        adaptation=values("adaptation", (n_units,)) if "adaptation" in group else None,
        adaptation_tau_s=float(group.attrs.get("adaptation_tau_s", 0.0)),
        unit_tau_s=values("unit_tau_s", (n_units,)) if "unit_tau_s" in group else None,
    )
