"""The sample times of the activity of a plain HDF5 file, from a dataset of times or from a sampling rate."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import h5py
import numpy as np

from curbd.errors import UserError
from curbd.recording.clock import clock_notes
from curbd.recording.hdf5_columns import dataset_at, datasets, texts
from curbd.recording.time_units import seconds_per_unit
from curbd.recording.unreadable import reading
from curbd.settings.recording import HDF5Layout

RATE_HINT = re.compile(r"rate|hz|^fs$|^dt(_|$)|bin_?(width|size)|interval|period", re.IGNORECASE)
"""Words in the names of numbers that may state the sampling rate or the sampling interval of a file."""


class SampleTimes(NamedTuple):
    """The sample times of the activity.

    Attributes
    ----------
    time_s : () -> (sample,) times in seconds, increasing.
    steady : (start in seconds, rate in Hz, number of samples) if a sampling rate gives the times; None otherwise.
    notes : sentences on the clock, and on settings that are not used.
    """

    time_s: Callable[[], np.ndarray]
    steady: tuple[float, float, int] | None
    notes: list[str]


def sample_times(file: h5py.File, layout: HDF5Layout, n_times: int, where: str) -> SampleTimes:
    """Read the sample times from the dataset of times, or else compute them from the sampling rate of the settings.

    Parameters
    ----------
    file : the opened file.
    layout : names of the datasets, and the sampling rate.
    n_times : number of bins of the activity.
    where : the recording, for messages.

    Returns
    -------
    The sample times.

    Raises
    ------
    UserError : there are neither times nor a sampling rate; or the times are not numbers, are not one for each bin, or
        do not increase.
    """
    dataset = dataset_at(file, layout.time)
    where_time = f"{where}: {layout.time or 'hdf5.time'}"
    if dataset is not None:
        second, notes = seconds_per_unit(dataset, str(layout.time))
        _require_numbers(dataset, where_time)
        with reading(where, str(layout.time)):
            stored = np.ravel(np.asarray(dataset[...], float))
        time_s = stored if second == 1.0 else stored * second
        _require_increasing_times(time_s, dataset, layout, n_times, where_time)
        notes = [*notes, *clock_notes(time_s)]
        if layout.sampling_rate_hz is not None:
            notes.append(f"hdf5.sampling_rate_hz is not used, as the file holds times ({layout.time}).")
        return SampleTimes(lambda: time_s, None, notes)
    if (rate_hz := layout.sampling_rate_hz) is not None:
        return SampleTimes(lambda: np.arange(n_times) / rate_hz, (0.0, rate_hz, n_times), [])
    hint = _hint_of_rate(file)
    raise UserError.at(
        where_time,
        found="no dataset of times and no sampling rate" + (f" (the file has {hint})" if hint else ""),
        expected="one of the two, because a rate is never guessed",
        todo="name the dataset under hdf5.time, or give hdf5.sampling_rate_hz",
    )


def _require_numbers(dataset: h5py.Dataset, where: str) -> None:
    if dataset.dtype.kind not in "fiu":
        raise UserError.at(
            where,
            found=f"texts, such as {texts(dataset)[0]!r}" if dataset.dtype.kind in "OSU" else f"{dataset.dtype}",
            expected="numbers of seconds",
            todo="write the times as seconds from the start of the recording, or set hdf5.time to null and give"
            " hdf5.sampling_rate_hz",
        )


def _require_increasing_times(
    time_s: np.ndarray, dataset: h5py.Dataset, layout: HDF5Layout, n_times: int, where: str
) -> None:
    """Stop unless there is one finite time for each bin, and every time is later than the time before.

    Parameters
    ----------
    time_s : (sample,) the times, in seconds.
    dataset : the dataset of the times.
    layout : names of the datasets.
    n_times : number of bins of the activity.
    where : the dataset, for messages.
    """
    if time_s.size != n_times:
        raise UserError.at(
            where,
            found=f"{time_s.size} times" + (f" of shape {dataset.shape}" if dataset.ndim > 1 else ""),
            expected=f"{n_times}, one for each bin of {layout.rates}",
            todo=_advice_on_times(dataset.shape, n_times),
        )
    wrong = ~np.isfinite(time_s) | np.r_[False, np.diff(time_s) <= 0]
    if wrong.any():
        sample = int(np.argmax(wrong))
        before = f" after {time_s[sample - 1]:.6g}" if sample else ""
        raise UserError.at(
            where,
            found=f"times that are not finite or do not increase ({int(wrong.sum())} of {time_s.size}, e.g. sample"
            f" {sample}: {time_s[sample]:.6g}{before})",
            expected="increasing times in seconds",
            todo="write them in double precision, or set hdf5.time to null and give hdf5.sampling_rate_hz"
            if dataset.dtype.itemsize < 8
            else "",
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
