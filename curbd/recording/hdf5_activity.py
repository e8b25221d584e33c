"""The activity of a plain HDF5 file: the dataset, the order of its axes, and its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from curbd.errors import UserError, did_you_mean
from curbd.recording.cells import as_text
from curbd.recording.hdf5_columns import dataset_at, datasets
from curbd.recording.memory import require_memory
from curbd.recording.scaling import RANGE_OF_RATES
from curbd.recording.unreadable import broken_links, reading
from curbd.settings.recording import HDF5Layout

SPIKE_TIMES_ADVICE = (
    "spike times are read from NWB files: write one with pynwb, or hand the spike times over in Python"
    " (curbd.ingest_spikes), or write spike counts in bins (trial, time, unit) as the dataset `rates`"
)
"""What to do with a plain HDF5 file that holds spike times instead of activity in bins."""
OTHER_FILE_ADVICE = "put the other file next to this one, or write all values into one file"
DEFAULT_DIMS = {2: ("time", "unit"), 3: ("trial", "time", "unit")}
"""Axes of the activity if the settings name none, by the number of axes."""


class StoredActivity(NamedTuple):
    """The dataset of the activity, and what its axes are.

    Attributes
    ----------
    dataset : the activity, with two axes for a continuous stretch and three axes for trials.
    dims : name of every axis: trial, time or unit.
    """

    dataset: h5py.Dataset
    dims: Sequence[str]

    @property
    def in_trials(self) -> bool:
        """Return True for activity in trials, False for a continuous stretch."""
        return len(self.dims) == 3

    @property
    def sizes(self) -> dict[str, int]:
        """Return the length of every axis by its name."""
        return dict(zip(self.dims, self.dataset.shape, strict=True))

    @property
    def default_dims(self) -> tuple[str, ...]:
        """Return the names of the axes in the order in which values are handed on, `DEFAULT_DIMS`."""
        return DEFAULT_DIMS[len(self.dims)]


def stored_activity(file: h5py.File, layout: HDF5Layout, where: str) -> StoredActivity:
    """Find the dataset of the activity and its axes.

    Parameters
    ----------
    file : the opened file.
    layout : name of the dataset and order of the axes.
    where : the recording, for messages.

    Raises
    ------
    UserError : there is no such dataset, its values are in another file that does not exist, or its values or axes
        are not those of activity.
    """
    rates = dataset_at(file, layout.rates)
    where_rates = f"{where}: {layout.rates}"
    if rates is None:
        raise _no_activity(file, layout, where_rates)
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
    return StoredActivity(rates, layout.dims or DEFAULT_DIMS[rates.ndim])


def _no_activity(file: h5py.File, layout: HDF5Layout, where: str) -> UserError:
    """The error of a file without the dataset of the activity, with what the file holds instead."""
    if target := broken_links(file).get(layout.rates.strip("/")):
        return UserError.at(
            where,
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
    return UserError.at(
        where,
        found=f"no such dataset (the file holds {listed or 'none'})",
        expected="the activity",
        todo="it is an NWB file: set its format to nwb" if "nwb_version" in file.attrs else todo,
    )


def _absent_files(dataset: h5py.Dataset) -> list[str]:
    """Names of the other files that hold the values of a dataset and that do not exist."""
    names = [source.file_name for source in dataset.virtual_sources()] if dataset.is_virtual else []
    names += [name for name, _, _ in dataset.external or ()]
    folder = Path(dataset.file.filename).parent
    return [name for name in names if name != "." and "%" not in name and not (folder / name).exists()]


def axis_notes(stored: StoredActivity, layout: HDF5Layout) -> list[str]:
    """Return a sentence on axes of equal length, whose order neither the file nor the settings tell."""
    lengths = stored.sizes
    alike = [dim for dim, length in lengths.items() if dim != "unit" and length == lengths["unit"]]
    if layout.dims is not None or not alike:
        return []
    text = f"{layout.rates} is read as ({', '.join(stored.dims)})"
    if "MATLAB_class" in stored.dataset.attrs:
        text += "; MATLAB writes axes in reverse order"
    shape = " x ".join(map(str, stored.dataset.shape))
    return [f"{text}. Its shape, {shape}, fits another order as well: hdf5.dims states the order of the axes."]


def stated_nonlinearity(file: h5py.File, where: str) -> str:
    """Return the function phi of the network behind a teacher recording; tanh unless the file says so.

    Raises
    ------
    UserError : the function is unknown.
    """
    name = as_text(file.attrs.get("nonlinearity", "tanh"))
    if name not in RANGE_OF_RATES:
        raise UserError.at(
            f"{where}: attribute nonlinearity", found=name, expected=f"one of {', '.join(RANGE_OF_RATES)}"
        )
    return name


def reader(
    stored: StoredActivity, nonlinearity: str | None, where: str, notes: list[str]
) -> Callable[[slice], np.ndarray]:
    """Return a function that reads the bins of a slice of time, with the axes in the order of `DEFAULT_DIMS`.

    Parameters
    ----------
    stored : the dataset of the activity.
    nonlinearity : the rates are phi(x) of a model with this nonlinearity, so that a value outside its range is a
        mistake; None for measured rates.
    where : the dataset, for messages.
    notes : receives a sentence on a conversion that the dataset states.
    """
    rates, order = stored.dataset, [stored.dims.index(dim) for dim in stored.default_dims]
    factor, offset, fill = _conversion(rates)
    if (factor, offset) != (1.0, 0.0):
        notes.append(f"{rates.name.lstrip('/')} is converted as the file states: {factor:g} x value + {offset:g}.")
    time_axis = stored.dims.index("time")

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
        if nonlinearity is not None:
            _require_range(block, nonlinearity, where)
        return block

    return read


def _require_range(values: np.ndarray, nonlinearity: str, where: str) -> None:
    """Require that rates of a model lie in the range of its nonlinearity."""
    if nonlinearity == "tanh" and np.any(np.abs(values) >= 1):
        raise UserError.at(
            where,
            found=f"values up to {np.nanmax(np.abs(values)):g} with the attribute activity = 'model'",
            expected="rates phi(x) in (-1, 1), or the attribute nonlinearity with the name of another phi",
            todo="remove the attribute if the rates are measured, so that they are scaled",
        )
    if nonlinearity != "tanh" and np.any(values < 0):
        raise UserError.at(
            where,
            found=f"values down to {np.nanmin(values):g} with nonlinearity = '{nonlinearity}'",
            expected="rates of 0 or more",
        )


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
