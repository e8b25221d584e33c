"""Time series of an NWB file: ROI responses and plain series as activity, and all other series as possible inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import h5py
import numpy as np
from hdmf.common import DynamicTableRegion
from pynwb import NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.image import ImageSeries, IndexSeries
from pynwb.misc import AnnotationSeries, Units
from pynwb.ophys import RoiResponseSeries

from curbd.errors import UserError, did_you_mean
from curbd.recording.cell_types import CELL_TYPE_COLUMNS, cell_type
from curbd.recording.cells import as_text
from curbd.recording.clock import Clock, clean_clock, clock_notes, common_clock
from curbd.recording.fluorescence import is_deconvolved, is_relative
from curbd.recording.judgement import judged
from curbd.recording.labels import LabelReader
from curbd.recording.memory import require_memory
from curbd.recording.nwb_electrodes import checked_link, electrode_origins
from curbd.recording.nwb_spikes import spike_tables
from curbd.recording.nwb_tables import path_of, simple_columns
from curbd.recording.recording_file import Series
from curbd.recording.references import checked_references
from curbd.recording.regions import label_origin, majority
from curbd.recording.time_units import seconds_per_unit
from curbd.recording.units import UnitFacts, join, text_columns
from curbd.recording.unreadable import READING_ERRORS, broken_links, guarded, reading, reason_of
from curbd.settings.recording import RecordingSettings

SPIKES_PATH = "units"
"""Name of the spike times in the setting ``activity``."""
MAX_TURNED_AWAY = 8
"""Up to this number of series that cannot be used are listed, each with the reason."""
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


def choose_activity(nwbfile: NWBFile, wanted: Sequence[str], where: str) -> list[str]:
    """Choose the activity to fit: what the user names, or else spike times, or else ROI responses.

    Among ROI responses, deconvolved responses are preferred to dF/F, and dF/F to fluorescence. Neuropil and background
    are used only if the user names them. Spike times outside the units table of the file are used only if there is one
    such table and there are no ROI responses.

    Parameters
    ----------
    nwbfile : the opened file.
    wanted : paths or patterns of paths that the user names.
    where : the recording, for messages.

    Returns
    -------
    Paths of the activity.

    Raises
    ------
    UserError : a path does not exist, the file holds no activity, or several series of the same ROIs could be the
        activity.
    """
    series = all_series(nwbfile)
    tables = list(spike_tables(nwbfile))
    if wanted:
        return _named(wanted, tables, list(series), turned_away(nwbfile), f"{where}: activity")
    if SPIKES_PATH in tables:
        return [SPIKES_PATH]
    rois = {
        path: stored
        for path, stored in series.items()
        if isinstance(stored, RoiResponseSeries) and not _not_cells(path)
    }
    if not rois and len(tables) == 1:
        return tables
    if not rois:
        offers = [*tables, *series]
        kind = "units or series" if tables else "series"
        todo = f"name the {kind} to fit under activity ({', '.join(offers)})"
        listed = [f"{path}: {reason}" for path, reason in turned_away(nwbfile).items()]
        if not offers:
            todo = "write the activity into the file as units with spike times, as ROI responses or as another series"
        raise UserError.at(
            where,
            found="several tables with spike times" if tables else "no units with spike times and no ROI responses",
            expected="units with spike times, ROI responses, or another series named under activity",
            todo=todo + (f". Objects that cannot be used: {'; '.join(listed[:MAX_TURNED_AWAY])}" if listed else ""),
        )
    best = min(_processing_rank(path) for path in rois)
    chosen = [path for path in rois if _processing_rank(path) == best]
    roi_tables = [id(rois[path].rois.table) for path in chosen]
    if len(set(roi_tables)) < len(roi_tables):
        raise UserError.at(
            f"{where}: activity",
            found=f"several series of the same ROIs ({', '.join(chosen)})",
            expected="one series for each set of ROIs",
            todo=f"name one of them under activity, e.g. activity: [{chosen[0]}]",
        )
    return chosen


def likely_activity(series: Mapping[str, TimeSeries]) -> list[str]:
    """Choose the series that is probably the activity, if a file has neither spikes nor ROI responses.

    Parameters
    ----------
    series : path -> numeric series.

    Returns
    -------
    The path of the largest series of several channels, electrical series first; empty if there is no such series.
    """
    candidates = {
        path: stored for path, stored in series.items() if stored.data.ndim == 2 and min(stored.data.shape) > 1
    }
    ranked = sorted(
        candidates,
        key=lambda path: (
            isinstance(candidates[path], RoiResponseSeries | ElectricalSeries),
            candidates[path].data.size,
        ),
    )
    return ranked[-1:]


def _named(
    wanted: Sequence[str], tables: Sequence[str], series: Sequence[str], reasons: Mapping[str, str], where: str
) -> list[str]:
    paths = [*tables, *series]
    chosen: list[str] = []
    for name in wanted:
        matches = [path for path in paths if path == name] or [path for path in paths if fnmatchcase(path, name)]
        if not matches:
            reason = reasons.get(name, "")
            raise UserError.at(
                where,
                found=f"{name!r}, which cannot be used: {reason}" if reason else f"unknown path {name!r}",
                expected=f"one of {', '.join(paths)}" if paths else "none: the file has neither units nor series",
                todo=did_you_mean(name, paths),
            )
        chosen += [path for path in matches if path not in chosen]
    if len(chosen) > 1 and set(chosen) & set(tables):
        raise UserError.at(
            where, found=", ".join(chosen), expected="either one table of units (spikes) or series, not both"
        )
    return chosen


def _not_cells(path: str) -> bool:
    return "neuropil" in path.casefold() or "background" in path.casefold()


def _processing_rank(path: str) -> int:
    if is_deconvolved(path):
        return 0
    return 1 if is_relative(path) else 2


def joined_activity(
    nwbfile: NWBFile, paths: Sequence[str], settings: RecordingSettings, where: str
) -> tuple[Series, UnitFacts, list[str]]:
    """Join one or several series into one activity, in which each column is a unit.

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
    UserError : it cannot be decided which axis of a series is time, the numbers of samples and times differ, or the
        series do not overlap in time.
    """
    stored_series = all_series(nwbfile)
    members, facts, notes = [], [], []
    for path in paths:
        stored = stored_series[path]
        with reading(where, path):
            member = as_series(stored, path, where)
            if stored.timestamps is not None and (left_out := clean_clock(raw_times(stored)).note):
                notes.append(f"{path}: {left_out}")
            notes += seconds_of(stored, path)[1]
            notes += [f"{path}: {note}" for note in clock_notes(member.time_s())]
            members.append(member)
            facts.append(_series_facts(nwbfile, stored, path, member.columns, settings))
    joined, joined_notes = common_clock(members, where)
    return joined, join(facts), notes + joined_notes


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


def _series_facts(
    nwbfile: NWBFile, stored: TimeSeries, path: str, n_columns: int, settings: RecordingSettings
) -> UnitFacts:
    if isinstance(stored, RoiResponseSeries):
        return _roi_facts(stored.rois, path, settings)
    if isinstance(stored, ElectricalSeries):
        link = checked_link(stored.electrodes, f"{path}.electrodes", nwbfile.electrodes, range_names(n_columns))
        read = LabelReader(settings.regions)
        id_of_row = [] if link.table is None else [as_text(electrode_id) for electrode_id in link.table.id[:]]
        electrodes = {} if link.table is None else simple_columns(link.table)
        ids = [[id_of_row[row] for row in rows] for rows in link.rows]
        return UnitFacts(
            ids=[of_channel[0] if of_channel else f"channel {index}" for index, of_channel in enumerate(ids)],
            origins=electrode_origins(link, electrodes, settings.regions.unit_columns, read),
            electrode_ids=ids,
            candidates={
                name: [majority(texts[row] for row in rows) for rows in link.rows]
                for name, texts in text_columns("electrodes", electrodes, settings.regions.unit_columns).items()
            },
            notes=[*link.notes, *read.notes],
        )
    name = path.rsplit("/", 1)[-1]
    return UnitFacts(
        ids=[name] if n_columns == 1 else [f"{name}:{column}" for column in range(n_columns)],
        names={"series": [name] * n_columns},
    )


def range_names(n_columns: int) -> list[str]:
    """Return names for the columns of a series, for sentences."""
    return [f"column {column}" for column in range(n_columns)]


def _roi_facts(rois: DynamicTableRegion, path: str, settings: RecordingSettings) -> UnitFacts:
    table = rois.table
    references = [[int(row)] for row in np.ravel(rois.data[:])]
    checked = checked_references(references, len(table), f"{path}.rois", table.name, range_names(len(references)))
    if checked.problem:
        raise UserError.at(
            f"{path}.rois",
            found=checked.problem,
            expected="rows of the table, so that it is known which ROI a column is",
        )
    rows = [of_column[0] if of_column else None for of_column in checked.rows]
    read = LabelReader(settings.regions)
    column_notes: list[str] = []
    whole_columns = simple_columns(table, column_notes)
    columns = {name: ["" if row is None else cells[row] for row in rows] for name, cells in whole_columns.items()}
    plane = table.imaging_plane
    location, plane_name = getattr(plane, "location", ""), as_text(getattr(plane, "name", ""))
    origins = [
        label_origin("unit_column", f"{table.name}.{column}", columns[column], read)
        for column in settings.regions.unit_columns
        if column in columns
    ]
    origins.append(label_origin("imaging_plane", "imaging_plane.location", [location] * len(rows), read))
    typed = next((column for column in CELL_TYPE_COLUMNS if column in columns), None)
    # Cells of two numbers, as suite2p writes them, are wanted as numbers and not as text.
    cells_of_column = {
        name: cells if _width(table[name]) == 1 else np.asarray(table[name].data[:])
        for name, cells in whole_columns.items()
    }
    reasons, judgement_notes = judged(cells_of_column, len(table), table.name)
    return UnitFacts(
        ids=[f"column {index}" if row is None else as_text(table.id[row]) for index, row in enumerate(rows)],
        origins=origins,
        names={"imaging plane": [plane_name] * len(rows), "ROI table": [as_text(table.name)] * len(rows)},
        cell_type=[cell_type(value) for value in columns[typed]] if typed else [],
        reason=["its row in the ROI table does not exist" if row is None else reasons[row] for row in rows],
        columns=columns,
        candidates=text_columns(table.name, columns, settings.regions.unit_columns),
        notes=[*column_notes, *checked.notes, *judgement_notes, *read.notes],
    )


def _width(column: Any) -> int:
    """Number of values in each cell of a column."""
    shape = getattr(column.data, "shape", (len(column.data),))
    return 1 if len(shape) < 2 else int(np.prod(shape[1:]))
