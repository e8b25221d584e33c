"""Time series of an NWB file: ROI responses and plain series as activity, everything else as a possible input."""

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
from curbd.recording.clock import Clock, clean_clock, common_clock, shown_clock
from curbd.recording.nwb_tables import path_of, simple_columns
from curbd.recording.nwb_units import electrode_columns, electrode_places, has_spikes, region_rows
from curbd.recording.recording_file import Series
from curbd.recording.regions import place
from curbd.recording.units import CELL_TYPE_COLUMNS, UnitFacts, cell_type, join
from curbd.settings.recording import RecordingSettings

CELL_COLUMNS = ("iscell", "is_cell", "accepted")
"""Columns of the ROI table that say whether a ROI is a cell."""
UNITS = "units"
"""Name of the spike times among the choices of `activity`."""


def all_series(nwbfile: NWBFile) -> dict[str, TimeSeries]:
    """Every numeric series of one or two dimensions by its path; images, external files and empty ones are left out."""
    found = {}
    for thing in nwbfile.objects.values():
        if not isinstance(thing, TimeSeries) or isinstance(thing, ImageSeries | IndexSeries):
            continue
        shape = getattr(thing.data, "shape", ())
        if len(shape) in (1, 2) and 0 not in shape and thing.data.dtype.kind in "biuf" and _is_timed(thing):
            found[path_of(nwbfile, thing)] = thing
    return dict(sorted(found.items()))


def choose_activity(nwbfile: NWBFile, wanted: Sequence[str], where: str) -> list[str]:
    """Paths of what is fitted: what the user names, else the spikes, else the only ROI responses.

    Deconvolved responses come before dF/F, that before fluorescence; neuropil and background are never taken.

    Raises
    ------
    UserError : an unknown path, a file with neither units nor series, or several candidates.
    """
    series = all_series(nwbfile)
    spiking = has_spikes(nwbfile)
    known = [UNITS] * spiking + list(series)
    if wanted:
        return _named(wanted, known, f"{where}: activity")
    if spiking:
        return [UNITS]
    rois = {path: each for path, each in series.items() if isinstance(each, RoiResponseSeries) and not _not_cells(path)}
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
            expected="one",
            todo=f"name one of them under activity, e.g. activity: [{chosen[0]}]",
        )
    return chosen


def _named(wanted: Sequence[str], known: Sequence[str], field: str) -> list[str]:
    chosen: list[str] = []
    for name in wanted:
        met = [path for path in known if path == name] or [path for path in known if fnmatchcase(path, name)]
        if not met:
            raise UserError.at(
                field,
                found=f"unknown path {name!r}",
                expected=f"one of {', '.join(known) or 'nothing: the file has neither units nor series'}",
                todo=did_you_mean(name, known),
            )
        chosen += [path for path in met if path not in chosen]
    if UNITS in chosen and len(chosen) > 1:
        raise UserError.at(field, found=", ".join(chosen), expected="either units (spikes) or series, not both")
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
    """One activity series and one list of units from one or several series; each column is a unit.

    Raises
    ------
    UserError : the axes of a series cannot be told apart, its lengths disagree, or the clocks do not overlap.
    """
    found = all_series(nwbfile)
    parts, facts, notes = [], [], []
    for path in paths:
        thing = found[path]
        part = as_series(thing, path, where)
        if thing.timestamps is not None and (cleaned := clean_clock(raw_times(thing)).note):
            notes.append(f"{path}: {cleaned}")
        notes += [f"{path}: {note}" for note in shown_clock(part.time_s())]
        parts.append(part)
        facts.append(_series_facts(nwbfile, thing, path, part.columns, settings))
    joined, note = common_clock(parts, where)
    return joined, join(facts), notes + note


def other_series(nwbfile: NWBFile, used: Sequence[str], where: str) -> tuple[dict[str, Series], list[str]]:
    """Every series that is not the activity, by path, and notes on their clocks.

    A clock of more than a million explicit times is looked at when the series is read, not here; ROI responses
    whose axes cannot be told apart are left out with a note.
    """
    found: dict[str, Series] = {}
    notes = []
    for path, thing in all_series(nwbfile).items():
        if path in used:
            continue
        try:
            found[path] = as_series(thing, path, where)
        except UserError as error:
            notes.append(f"Left out: {error}")
            continue
        if (
            thing.timestamps is not None
            and len(thing.timestamps) <= 1_000_000
            and (note := clean_clock(raw_times(thing)).note)
        ):
            notes.append(f"{path}: {note}")
    return found, notes


def as_series(thing: TimeSeries, path: str, where: str) -> Series:
    """A series of the file with its conversion and offset; samples whose time makes no sense are left out.

    Raises
    ------
    UserError : the time axis cannot be told, or there are not as many times as samples.
    """
    data = thing.data
    axis = stored_time_axis(thing, f"{where}: {path}")
    n_samples = data.shape[axis]
    factor = np.asarray(thing.conversion or 1.0, float)
    if getattr(thing, "channel_conversion", None) is not None:
        factor = factor * np.asarray(thing.channel_conversion[:], float)
    offset = float(getattr(thing, "offset", 0.0) or 0.0)

    def raw(first: int, last: int) -> np.ndarray:
        block = np.asarray(data[first:last] if axis == 0 else data[:, first:last].T, float)
        return block.reshape(last - first, -1) * factor + offset

    if thing.timestamps is None:
        steady = (float(thing.starting_time or 0.0), float(thing.rate), int(n_samples))
        columns = _columns(data.shape, axis)
        return Series(path, lambda: raw_times(thing, n_samples), raw, columns, as_text(thing.unit), steady)
    if len(thing.timestamps) != n_samples:
        raise UserError.at(
            f"{where}: {path}",
            found=f"{len(thing.timestamps)} timestamps for {n_samples} samples",
            expected="one for each",
        )

    @cache
    def clock() -> Clock:
        return clean_clock(raw_times(thing))

    def read(first: int, last: int) -> np.ndarray:
        kept = clock().kept
        if kept is None or first >= last:
            return raw(first, last)
        rows = kept[first:last]
        return raw(int(rows[0]), int(rows[-1]) + 1)[rows - rows[0]]

    return Series(path, lambda: clock().time_s, read, _columns(data.shape, axis), as_text(thing.unit))


def stored_time_axis(thing: TimeSeries, where: str) -> int:
    """Which axis of a series is time (see `time_axis`)."""
    return time_axis(
        thing.data.shape, _n_rois(thing), None if thing.timestamps is None else len(thing.timestamps), where
    )


def stored_axes(thing: TimeSeries) -> str:
    """Axes of a series as they lie in the file, ``unit 219, time 2000``."""
    if thing.data.ndim == 1:
        return f"time {len(thing.data)}"
    names = ("time", "unit") if stored_time_axis(thing, thing.name) == 0 else ("unit", "time")
    return ", ".join(f"{name} {size}" for name, size in zip(names, thing.data.shape, strict=True))


def is_roi_response(thing: TimeSeries) -> bool:
    """Whether a series holds responses of ROIs."""
    return isinstance(thing, RoiResponseSeries)


def time_axis(shape: tuple[int, ...], n_rois: int | None, n_times: int | None, where: str) -> int:
    """Which axis is time: by the number of ROIs, then by the number of timestamps; 0 for plain series, as NWB says.

    Raises
    ------
    UserError : neither or both axes fit.
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
            todo="repack it as (time, ROI) with another number of samples, or name another series under activity",
        )
    return axes[0]


def raw_times(thing: TimeSeries, n_samples: int = 0) -> np.ndarray:
    """Sample times in seconds as the file states them: timestamps win over starting time and rate."""
    if thing.timestamps is not None:
        return np.asarray(thing.timestamps[:], float)
    return float(thing.starting_time or 0.0) + np.arange(n_samples) / float(thing.rate)


def _is_timed(thing: TimeSeries) -> bool:
    return thing.timestamps is not None or bool(thing.rate)


def _n_rois(thing: TimeSeries) -> int | None:
    if isinstance(thing, RoiResponseSeries):
        return len(thing.rois.data)
    if isinstance(thing, ElectricalSeries):
        return len(thing.electrodes.data)
    return None


def _columns(shape: tuple[int, ...], axis: int) -> int:
    return 1 if len(shape) == 1 else int(shape[1 - axis])


def _series_facts(
    nwbfile: NWBFile, thing: TimeSeries, path: str, n_columns: int, settings: RecordingSettings
) -> UnitFacts:
    if isinstance(thing, RoiResponseSeries):
        return _roi_facts(thing.rois, settings)
    if isinstance(thing, ElectricalSeries):
        rows = region_rows(thing.electrodes)
        ids = [as_text(each) for each in nwbfile.electrodes.id[:]]
        places = electrode_places(rows, electrode_columns(nwbfile), settings.regions.unit_columns, f"{path}.electrodes")
        return UnitFacts(
            ids=[ids[row[0]] for row in rows], places=places, electrode_ids=[[ids[row[0]]] for row in rows]
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
    places = [
        place("unit_column", f"{table.name}.{column}", columns[column])
        for column in settings.regions.unit_columns
        if column in columns
    ]
    places.append(place("imaging_plane", "imaging_plane.location", [location] * len(rows)))
    typed = next((column for column in CELL_TYPE_COLUMNS if column in columns), None)
    judged = next((column for column in CELL_COLUMNS if column in table.colnames), None)
    return UnitFacts(
        ids=[as_text(table.id[int(row)]) for row in rows],
        places=places,
        names={"imaging plane": [plane_name] * len(rows), "ROI table": [as_text(table.name)] * len(rows)},
        cell_type=[cell_type(value) for value in columns[typed]] if typed else [],
        reason=[] if judged is None else _not_a_cell(table[judged].data, rows, judged),
        columns=columns,
    )


def _not_a_cell(data: Any, rows: np.ndarray, column: str) -> list[str]:
    """Reason of each ROI; a second column, where there is one, is the probability of being a cell."""
    flags = np.asarray(data[:])
    is_cell = (flags[:, 0] if flags.ndim == 2 else flags)[rows].astype(bool)
    return ["" if cell else f"not a cell ({column})" for cell in is_cell]
