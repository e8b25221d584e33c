"""Time series of an NWB file: ROI responses and plain series as activity, all other series as possible inputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import numpy as np
from hdmf.common import DynamicTableRegion
from pynwb import NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.image import ImageSeries, IndexSeries
from pynwb.ophys import RoiResponseSeries

from curbd.errors import UserError, did_you_mean
from curbd.recording.cells import as_text
from curbd.recording.clock import Clock, clean_clock, clock_notes, common_clock
from curbd.recording.nwb_tables import path_of, simple_columns
from curbd.recording.nwb_units import electrode_columns, electrode_origins, has_spikes, region_rows
from curbd.recording.recording_file import Series
from curbd.recording.regions import label_origin
from curbd.recording.units import CELL_TYPE_COLUMNS, UnitFacts, cell_type, join
from curbd.settings.recording import RecordingSettings

CELL_COLUMNS = ("iscell", "is_cell", "accepted")
"""Columns of the ROI table that state whether an ROI is a cell."""
SPIKES_PATH = "units"
"""Name of the spike times in the setting `activity`."""
MAX_TIMES_CHECKED = 1_000_000
"""The clock of a possible input is checked on opening if it has at most this number of explicit times."""


def all_series(nwbfile: NWBFile) -> dict[str, TimeSeries]:
    """Path -> series: every numeric series of one or two dimensions, without images, external files, empty series."""
    series = {}
    for stored in nwbfile.objects.values():
        if not isinstance(stored, TimeSeries) or isinstance(stored, ImageSeries | IndexSeries):
            continue
        shape = getattr(stored.data, "shape", ())
        if len(shape) in (1, 2) and 0 not in shape and stored.data.dtype.kind in "biuf" and _is_timed(stored):
            series[path_of(nwbfile, stored)] = stored
    return dict(sorted(series.items()))


def choose_activity(nwbfile: NWBFile, wanted: Sequence[str], where: str) -> list[str]:
    """Paths of the activity to fit: what the user names, else the spike times, else the ROI responses.

    Among ROI responses, deconvolved responses are preferred to dF/F, and dF/F to fluorescence. Neuropil and background
    are used only if the user names them.

    Parameters
    ----------
    nwbfile : the opened file.
    wanted : paths or patterns of paths that the user names.
    where : the recording, for messages.

    Raises
    ------
    UserError : an unknown path, a file without activity, or several series of the same ROIs.
    """
    series = all_series(nwbfile)
    spiking = has_spikes(nwbfile)
    paths = [SPIKES_PATH] * spiking + list(series)
    if wanted:
        return _named(wanted, paths, f"{where}: activity")
    if spiking:
        return [SPIKES_PATH]
    rois = {
        path: stored
        for path, stored in series.items()
        if isinstance(stored, RoiResponseSeries) and not _not_cells(path)
    }
    if not rois:
        raise UserError.at(
            where,
            found="no units with spike times and no ROI responses",
            expected="activity",
            todo=f"name the series to fit under activity ({', '.join(series)})"
            if series
            else "the file has neither units nor series",
        )
    best = min(_processing_rank(path) for path in rois)
    chosen = [path for path in rois if _processing_rank(path) == best]
    tables = [id(rois[path].rois.table) for path in chosen]
    if len(set(tables)) < len(tables):
        raise UserError.at(
            f"{where}: activity",
            found=f"several series of the same ROIs ({', '.join(chosen)})",
            expected="one series",
            todo=f"name one of them under activity, e.g. activity: [{chosen[0]}]",
        )
    return chosen


def _named(wanted: Sequence[str], paths: Sequence[str], where: str) -> list[str]:
    chosen: list[str] = []
    for name in wanted:
        matches = [path for path in paths if path == name] or [path for path in paths if fnmatchcase(path, name)]
        if not matches:
            raise UserError.at(
                where,
                found=f"unknown path {name!r}",
                expected=f"one of {', '.join(paths)}" if paths else "none: the file has neither units nor series",
                todo=did_you_mean(name, paths),
            )
        chosen += [path for path in matches if path not in chosen]
    if SPIKES_PATH in chosen and len(chosen) > 1:
        raise UserError.at(where, found=", ".join(chosen), expected="either units (spikes) or series, not both")
    return chosen


def _not_cells(path: str) -> bool:
    return "neuropil" in path.casefold() or "background" in path.casefold()


def _processing_rank(path: str) -> int:
    text = path.casefold()
    if "deconv" in text or "spike" in text or "event" in text:
        return 0
    return 1 if re.search(r"df[_ ]?(over|/)?[_ ]?f|dff", text) else 2


def joined_activity(
    nwbfile: NWBFile, paths: Sequence[str], settings: RecordingSettings, where: str
) -> tuple[Series, UnitFacts, list[str]]:
    """Join one or several series into one activity; each column is a unit.

    Parameters
    ----------
    nwbfile : the opened file.
    paths : paths of the series.
    settings : columns that may hold region labels.
    where : the recording, for messages.

    Returns
    -------
    The activity; what the file states about its units; sentences on irregularities.

    Raises
    ------
    UserError : it cannot be decided which axis of a series is time, numbers of samples and times differ, or the series
        do not overlap in time.
    """
    stored_series = all_series(nwbfile)
    members, facts, notes = [], [], []
    for path in paths:
        stored = stored_series[path]
        member = as_series(stored, path, where)
        if stored.timestamps is not None and (left_out := clean_clock(raw_times(stored)).note):
            notes.append(f"{path}: {left_out}")
        notes += [f"{path}: {note}" for note in clock_notes(member.time_s())]
        members.append(member)
        facts.append(_series_facts(nwbfile, stored, path, member.columns, settings))
    joined, joined_notes = common_clock(members, where)
    return joined, join(facts), notes + joined_notes


def other_series(nwbfile: NWBFile, used: Sequence[str], where: str) -> tuple[dict[str, Series], list[str]]:
    """Every series that is not the activity.

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
    notes = []
    for path, stored in all_series(nwbfile).items():
        if path in used:
            continue
        try:
            series[path] = as_series(stored, path, where)
        except UserError as error:
            notes.append(f"Left out: {error}")
            continue
        if (
            stored.timestamps is not None
            and len(stored.timestamps) <= MAX_TIMES_CHECKED
            and (note := clean_clock(raw_times(stored)).note)
        ):
            notes.append(f"{path}: {note}")
    return series, notes


def as_series(stored: TimeSeries, path: str, where: str) -> Series:
    """A series of the file, converted to its unit; samples with unusable times are left out.

    Parameters
    ----------
    stored : the series as pynwb reads it.
    path : path of the series inside the file.
    where : the recording, for messages.

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
        block = np.asarray(data[first:last] if axis == 0 else data[:, first:last].T, float)
        return block.reshape(last - first, -1) * factor + offset

    if stored.timestamps is None:
        steady = (float(stored.starting_time or 0.0), float(stored.rate), int(n_samples))
        columns = _columns(data.shape, axis)
        return Series(
            name=path,
            time_s=lambda: raw_times(stored, n_samples),
            read=raw,
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
        time_s=lambda: clock().time_s,
        read=read,
        columns=_columns(data.shape, axis),
        unit=as_text(stored.unit),
    )


def stored_time_axis(stored: TimeSeries, where: str) -> int:
    """Number of the time axis of a series (see `time_axis`)."""
    return time_axis(
        stored.data.shape, _n_rois(stored), None if stored.timestamps is None else len(stored.timestamps), where
    )


def stored_axes(stored: TimeSeries) -> str:
    """Axes of a series in the order of the file, such as ``unit 219, time 2000``."""
    if stored.data.ndim == 1:
        return f"time {len(stored.data)}"
    names = ("time", "unit") if stored_time_axis(stored, stored.name) == 0 else ("unit", "time")
    return ", ".join(f"{name} {size}" for name, size in zip(names, stored.data.shape, strict=True))


def is_roi_response(stored: TimeSeries) -> bool:
    """Whether a series holds ROI responses."""
    return isinstance(stored, RoiResponseSeries)


def time_axis(shape: tuple[int, ...], n_rois: int | None, n_times: int | None, where: str) -> int:
    """Number of the time axis: decided by the number of ROIs, then by the number of timestamps; 0 for plain series.

    Parameters
    ----------
    shape : shape of the data.
    n_rois : number of ROIs or electrodes; None for a plain series.
    n_times : number of timestamps; None for a series with a sampling rate.
    where : the series, for messages.

    Raises
    ------
    UserError : neither or both axes fit these numbers.
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
            expected="exactly one axis as long as the list of ROIs",
            todo="store it as (time, ROI) with another number of samples, or name another series under activity",
        )
    return axes[0]


def raw_times(stored: TimeSeries, n_samples: int = 0) -> np.ndarray:
    """(sample,) times in seconds as the file states them; timestamps are preferred to starting time and rate."""
    if stored.timestamps is not None:
        return np.asarray(stored.timestamps[:], float)
    return float(stored.starting_time or 0.0) + np.arange(n_samples) / float(stored.rate)


def _is_timed(stored: TimeSeries) -> bool:
    return stored.timestamps is not None or bool(stored.rate)


def _n_rois(stored: TimeSeries) -> int | None:
    if isinstance(stored, RoiResponseSeries):
        return len(stored.rois.data)
    if isinstance(stored, ElectricalSeries):
        return len(stored.electrodes.data)
    return None


def _columns(shape: tuple[int, ...], axis: int) -> int:
    return 1 if len(shape) == 1 else int(shape[1 - axis])


def _series_facts(
    nwbfile: NWBFile, stored: TimeSeries, path: str, n_columns: int, settings: RecordingSettings
) -> UnitFacts:
    if isinstance(stored, RoiResponseSeries):
        return _roi_facts(stored.rois, settings)
    if isinstance(stored, ElectricalSeries):
        rows = region_rows(stored.electrodes)
        ids = [as_text(electrode_id) for electrode_id in nwbfile.electrodes.id[:]]
        origins = electrode_origins(
            rows, electrode_columns(nwbfile), settings.regions.unit_columns, f"{path}.electrodes"
        )
        return UnitFacts(
            ids=[ids[row[0]] for row in rows], origins=origins, electrode_ids=[[ids[row[0]]] for row in rows]
        )
    name = path.rsplit("/", 1)[-1]
    return UnitFacts(
        ids=[name] if n_columns == 1 else [f"{name}:{column}" for column in range(n_columns)],
        names={"series": [name] * n_columns},
    )


def _roi_facts(rois: DynamicTableRegion, settings: RecordingSettings) -> UnitFacts:
    table = rois.table
    rows = np.asarray(rois.data[:], dtype=int)
    columns = {name: [cells[row] for row in rows] for name, cells in simple_columns(table).items()}
    plane = table.imaging_plane
    location, plane_name = getattr(plane, "location", ""), as_text(getattr(plane, "name", ""))
    origins = [
        label_origin("unit_column", f"{table.name}.{column}", columns[column])
        for column in settings.regions.unit_columns
        if column in columns
    ]
    origins.append(label_origin("imaging_plane", "imaging_plane.location", [location] * len(rows)))
    typed = next((column for column in CELL_TYPE_COLUMNS if column in columns), None)
    judged = next((column for column in CELL_COLUMNS if column in table.colnames), None)
    return UnitFacts(
        ids=[as_text(table.id[int(row)]) for row in rows],
        origins=origins,
        names={"imaging plane": [plane_name] * len(rows), "ROI table": [as_text(table.name)] * len(rows)},
        cell_type=[cell_type(value) for value in columns[typed]] if typed else [],
        reason=[] if judged is None else _not_a_cell(table[judged].data, rows, judged),
        columns=columns,
    )


def _not_a_cell(data: Any, rows: np.ndarray, column: str) -> list[str]:
    """(ROI,) why an ROI is excluded, '' for cells; a second column of the data is a probability and is ignored."""
    flags = np.asarray(data[:])
    is_cell = (flags[:, 0] if flags.ndim == 2 else flags)[rows].astype(bool)
    return ["" if cell else f"not a cell ({column})" for cell in is_cell]
