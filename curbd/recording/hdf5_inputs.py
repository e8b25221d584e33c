"""The inputs of a plain HDF5 file: those that its layout declares, and other series that may be inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import h5py
import numpy as np

from curbd.errors import UserError
from curbd.recording.cells import as_text
from curbd.recording.hdf5_columns import dataset_at, datasets, texts
from curbd.recording.recording_file import Series
from curbd.recording.unreadable import reading
from curbd.settings.recording import HDF5Layout


def dataset_of_inputs(file: h5py.File, layout: HDF5Layout, sizes: Mapping[str, int], where: str) -> h5py.Dataset | None:
    """Find the dataset of the inputs; None if the file has none.

    Parameters
    ----------
    file : the opened file.
    layout : names of the datasets.
    sizes : axis of the activity (trial, time, unit) -> its length; without ``trial`` for one continuous stretch.
    where : the recording, for messages.

    Returns
    -------
    The dataset, (trial, time, input), or (time, input) for one stretch or for inputs that all trials share.

    Raises
    ------
    UserError : the shape of the inputs does not agree with that of the activity.
    """
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


def names_of_inputs(file: h5py.File, layout: HDF5Layout, inputs: h5py.Dataset | None, where: str) -> tuple[str, ...]:
    """Read the names of the inputs; ``input0``, ``input1``, ... if the file states none.

    Parameters
    ----------
    file : the opened file.
    layout : names of the datasets.
    inputs : the dataset of the inputs; None if the file has none.
    where : the recording, for messages.

    Returns
    -------
    (input,) names.

    Raises
    ------
    UserError : the names are not one for each input, or a name stands twice.
    """
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


def inputs_of_trials(inputs: h5py.Dataset | None, sizes: Mapping[str, int]) -> np.ndarray:
    """Read the inputs (trial, time, input) of all trials; inputs without the axis of trials are the same in all trials.

    Parameters
    ----------
    inputs : the dataset of the inputs; None if the file has none.
    sizes : axis of the activity -> its length.
    """
    if inputs is None:
        return np.zeros((sizes["trial"], sizes["time"], 0))
    values = np.asarray(inputs[...], float)
    return values if values.ndim == 3 else np.repeat(values[None], sizes["trial"], axis=0)


def possible_inputs(
    file: h5py.File,
    layout: HDF5Layout,
    inputs: h5py.Dataset | None,
    names: tuple[str, ...],
    activity: Series,
    n_times: int,
) -> dict[str, Series]:
    """Find the possible inputs of one continuous stretch: all declared inputs, and other datasets of the same length.

    Parameters
    ----------
    file : the opened file.
    layout : names of the datasets.
    inputs : the dataset of the declared inputs; None if the file has none.
    names : (input,) names of the declared inputs.
    activity : the activity, whose sample times are those of the inputs.
    n_times : number of bins of the activity.

    Returns
    -------
    Name -> series.
    """
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
