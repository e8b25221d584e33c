"""Time series of an NWB file: which can be used, their axes and times, and their values, read when needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import h5py
import numpy as np
from pynwb import NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.image import ImageSeries, IndexSeries
from pynwb.misc import AnnotationSeries, Units
from pynwb.ophys import RoiResponseSeries

from curbd.errors import UserError
from curbd.recording.cells import as_text
from curbd.recording.clock import Clock, clean_clock
from curbd.recording.memory import require_memory
from curbd.recording.nwb_tables import path_of
from curbd.recording.recording_file import Series
from curbd.recording.time_units import seconds_per_unit
from curbd.recording.unreadable import READING_ERRORS, broken_links, guarded, reason_of

MAX_TIMES_CHECKED = 1_000_000
"""The clock of a possible input is checked on opening if it has at most this number of explicit times."""


def all_series(nwbfile: NWBFile) -> dict[str, TimeSeries]:
    """Find every numeric series of one or two dimensions, without images, external files and empty series, by path."""
    series = {}
    for stored in nwbfile.objects.values():
        if _is_numeric(stored) and not why_not(stored):
            series[path_of(nwbfile, stored)] = stored
    return dict(sorted(series.items()))


def turned_away(nwbfile: NWBFile, broken: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return why series and tables of units cannot be used as the activity, by path; images are not listed."""
    reasons = {}
    broken = links_of(nwbfile) if broken is None else broken
    for stored in nwbfile.objects.values():
        if _is_numeric(stored) and (reason := why_not(stored)):
            path = path_of(nwbfile, stored)
            target = next((target for link, target in broken.items() if link.startswith(f"{path}/")), "")
            reasons[path] = f"its data lie in {target}, which does not exist" if target else reason
        elif isinstance(stored, Units) and "spike_times" not in stored.colnames:
            reasons[path_of(nwbfile, stored)] = f"a table of {len(stored)} units without the column spike_times"
        elif isinstance(stored, Units) and not len(stored):
            reasons[path_of(nwbfile, stored)] = "a table of units without a row"
    reasons |= {
        link: f"it lies in {target}, which does not exist"
        for link, target in broken.items()
        if not any(link.startswith(f"{path}/") for path in reasons)
    }
    return dict(sorted(reasons.items()))


def links_of(nwbfile: NWBFile) -> dict[str, str]:
    """Links of an opened file that lead nowhere, and where they lead."""
    # Links of Zarr are checked when they are followed.
    file = None if nwbfile.read_io is None else nwbfile.read_io._file
    return broken_links(file) if isinstance(file, h5py.File) else {}


def why_not(stored: TimeSeries) -> str:
    """Return why a series cannot be read as numbers over time, or '' if it can."""
    try:
        return _why_not(stored)
    except READING_ERRORS as error:
        return f"it cannot be read ({reason_of(error)})"


def _why_not(stored: TimeSeries) -> str:
    data = stored.data
    shape = tuple(getattr(data, "shape", ()))
    if data is None:
        return "it has no data"
    if not hasattr(data, "dtype") or len(shape) == 0:
        return "its data are not an array"
    if 0 in shape:
        return f"its data are empty (shape {' x '.join(map(str, shape))})"
    if len(shape) > 2:
        return f"its data have {len(shape)} axes ({' x '.join(map(str, shape))})"
    if data.dtype.kind not in "biuf":
        return f"its data are {data.dtype}, not numbers"
    if not np.all(np.isfinite(np.asarray(stored.conversion or 1.0, float))):
        return f"its conversion is {stored.conversion}"
    if stored.timestamps is None:
        if stored.rate is None:
            return "it has neither timestamps nor a sampling rate"
        if not (np.isfinite(stored.rate) and stored.rate > 0):
            return f"its sampling rate is {stored.rate:g} Hz"
        if not np.isfinite(stored.starting_time or 0.0):
            return f"its starting time is {stored.starting_time:g} s"
    return ""


def _is_numeric(stored: Any) -> bool:
    return isinstance(stored, TimeSeries) and not isinstance(stored, ImageSeries | IndexSeries | AnnotationSeries)


def other_series(nwbfile: NWBFile, used: Sequence[str], where: str) -> tuple[dict[str, Series], list[str]]:
    """Open every series that is not the activity.

    ROI responses whose time axis cannot be decided are left out, with a note. Explicit sample times are checked here if
    there are at most a million of them, and otherwise only when the series is read.

    Parameters
    ----------
    nwbfile : the opened file.
    used : paths of the activity.
    where : the recording, for messages.

    Returns
    -------
    Path -> series; sentences on series and samples that are left out.
    """
    series: dict[str, Series] = {}
    notes = [
        f"{path_of(nwbfile, stored)} is left out: {reason}."
        for stored in nwbfile.objects.values()
        if isinstance(stored, RoiResponseSeries) and (reason := why_not(stored))
    ]
    for path, stored in all_series(nwbfile).items():
        if path in used:
            continue
        try:
            series[path] = as_series(stored, path, where)
            note = ""
            if stored.timestamps is not None and len(stored.timestamps) <= MAX_TIMES_CHECKED:
                note = clean_clock(raw_times(stored)).note
        except UserError as error:
            notes.append(f"Left out: {error}")
            continue
        except READING_ERRORS as error:
            series.pop(path, None)
            notes.append(f"Left out: {path}, which cannot be read ({reason_of(error)}).")
            continue
        if note:
            notes.append(f"{path}: {note}")
    return series, notes


def as_series(stored: TimeSeries, path: str, where: str) -> Series:
    """Open a series of the file, with values in its physical unit and without samples of unusable times.

    Parameters
    ----------
    stored : the series as pynwb reads it.
    path : path of the series in the file.
    where : the recording, for messages.

    Returns
    -------
    The series; its values are read only when needed.

    Raises
    ------
    UserError : the time axis cannot be decided, or the numbers of times and samples differ.
    """
    data = stored.data
    axis = stored_time_axis(stored, f"{where}: {path}")
    n_samples = data.shape[axis]
    factor = np.asarray(stored.conversion or 1.0, float)
    if getattr(stored, "channel_conversion", None) is not None:
        factor = factor * np.asarray(stored.channel_conversion[:], float)
    offset = float(getattr(stored, "offset", 0.0) or 0.0)

    def raw(first: int, last: int) -> np.ndarray:
        size = f"{last - first} samples x {_columns(data.shape, axis)} columns"
        require_memory((last - first) * _columns(data.shape, axis), f"{where}: {path}", size, "use shorter windows")
        block = np.asarray(data[first:last] if axis == 0 else data[:, first:last].T, float)
        return block.reshape(last - first, -1) * factor + offset

    if stored.timestamps is None:
        steady = (starting_time_s(stored), float(stored.rate), int(n_samples))
        columns = _columns(data.shape, axis)
        return Series(
            name=path,
            time_s=guarded(lambda: raw_times(stored, n_samples), where, path),
            read=guarded(raw, where, path),
            columns=columns,
            unit=as_text(stored.unit),
            steady=steady,
        )
    if len(stored.timestamps) != n_samples:
        raise UserError.at(
            f"{where}: {path}",
            found=f"{len(stored.timestamps)} timestamps for {n_samples} samples",
            expected="one timestamp for each sample",
        )

    @cache
    def clock() -> Clock:
        return clean_clock(raw_times(stored))

    def read(first: int, last: int) -> np.ndarray:
        kept = clock().kept
        if kept is None or first >= last:
            return raw(first, last)
        rows = kept[first:last]
        return raw(int(rows[0]), int(rows[-1]) + 1)[rows - rows[0]]

    return Series(
        name=path,
        time_s=guarded(lambda: clock().time_s, where, path),
        read=guarded(read, where, path),
        columns=_columns(data.shape, axis),
        unit=as_text(stored.unit),
    )


def stored_time_axis(stored: TimeSeries, where: str) -> int:
    """Return the index of the time axis of a series (see `time_axis`)."""
    return time_axis(
        stored.data.shape, _n_rois(stored), None if stored.timestamps is None else len(stored.timestamps), where
    )


def stored_axes(stored: TimeSeries) -> str:
    """Describe the axes of a series in the order of the file, such as ``unit 219, time 2000``."""
    if stored.data.ndim == 1:
        return f"time {len(stored.data)}"
    names = ("time", "unit") if stored_time_axis(stored, stored.name) == 0 else ("unit", "time")
    return ", ".join(f"{name} {size}" for name, size in zip(names, stored.data.shape, strict=True))


def is_roi_response(stored: TimeSeries) -> bool:
    """Return True if a series holds ROI responses."""
    return isinstance(stored, RoiResponseSeries)


def time_axis(shape: tuple[int, ...], n_rois: int | None, n_times: int | None, where: str) -> int:
    """Return the index of the time axis, decided by the number of ROIs and then by the number of timestamps.

    Parameters
    ----------
    shape : shape of the data.
    n_rois : number of ROIs or electrodes; None for a plain series.
    n_times : number of timestamps; None for a series with a sampling rate.
    where : the series, for messages.

    Returns
    -------
    0 or 1; 0 for a plain series, unless only the second axis has the length of the timestamps.

    Raises
    ------
    UserError : neither axis or both axes agree with these numbers.
    """
    if len(shape) == 1:
        return 0
    if n_rois is None:
        return 1 if n_times is not None and n_times == shape[1] != shape[0] else 0
    axes = [axis for axis in (0, 1) if shape[1 - axis] == n_rois]
    if n_times is not None:
        axes = [axis for axis in axes if shape[axis] == n_times]
    if len(axes) != 1:
        raise UserError.at(
            where,
            found=f"data {shape[0]} x {shape[1]} for {n_rois} ROIs" + (f" and {n_times} timestamps" if n_times else ""),
            expected="exactly one axis with the length of the list of ROIs",
            todo="store the data as (time, ROI) with a number of samples that differs from the number of ROIs, or name"
            " another series under activity",
        )
    return axes[0]


def raw_times(stored: TimeSeries, n_samples: int = 0) -> np.ndarray:
    """Return the sample times (sample,) in seconds that the file states; timestamps take precedence over a rate."""
    if stored.timestamps is not None:
        times = np.asarray(stored.timestamps[:], float)
        second = seconds_of(stored, stored.name)[0]
        return times if second == 1.0 else times * second
    return starting_time_s(stored) + np.arange(n_samples) / float(stored.rate)


def starting_time_s(stored: TimeSeries) -> float:
    """Return the time of the first sample in seconds, for a series with a sampling rate."""
    return float(stored.starting_time or 0.0) * seconds_of(stored, stored.name)[0]


def seconds_of(stored: TimeSeries, name: str) -> tuple[float, list[str]]:
    """Return the length in seconds of the unit of a series' times, and sentences on a unit other than the second."""
    times = stored.timestamps
    if times is None:
        group = getattr(stored.data, "parent", None)
        times = group.get("starting_time") if isinstance(group, h5py.Group) else None
        return seconds_per_unit(times, f"{name}/starting_time")
    return seconds_per_unit(times, f"{name}/timestamps")


def _n_rois(stored: TimeSeries) -> int | None:
    if isinstance(stored, RoiResponseSeries):
        return len(stored.rois.data)
    if isinstance(stored, ElectricalSeries):
        return len(stored.electrodes.data)
    return None


def _columns(shape: tuple[int, ...], axis: int) -> int:
    return 1 if len(shape) == 1 else int(shape[1 - axis])
