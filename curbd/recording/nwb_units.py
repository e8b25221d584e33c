"""Units of an NWB file: spike times, read unit by unit, and what the file states about each unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hdmf.common import DynamicTable, DynamicTableRegion, VectorIndex
from pynwb import NWBFile

from curbd.errors import UserError
from curbd.recording.cells import as_text, region_label
from curbd.recording.nwb_tables import row_slices, simple_columns
from curbd.recording.recording_file import Spikes
from curbd.recording.regions import LabelOrigin, label_origin, majority
from curbd.recording.units import CELL_TYPE_COLUMNS, UnitFacts, cell_type
from curbd.settings.recording import RecordingSettings

PEAK_COLUMNS = ("max_electrode", "peak_electrode", "peak_channel_id", "peak_channel", "max_channel", "main_channel")
"""Columns of the units that may name the electrode with the largest spikes; NWB has no standard column for it."""
PROBE_COLUMNS = ("probe", "probe_name", "probe_id", "group_name", "device")
"""Columns of the units that may name the probe."""


def has_spikes(nwbfile: NWBFile) -> bool:
    """Whether the file holds spike times."""
    return nwbfile.units is not None and "spike_times" in nwbfile.units.colnames and len(nwbfile.units) > 0


def spikes(nwbfile: NWBFile, where: str) -> tuple[Spikes, list[str]]:
    """Spike times of all units.

    One pass over the file counts duplicates and finds the first and last spike, one unit at a time; spike times are not
    kept in memory.

    Parameters
    ----------
    nwbfile : the opened file.
    where : the recording, for messages.

    Returns
    -------
    The spike times; sentences on spike times that are left out.

    Raises
    ------
    UserError : there is no spike in the units table.
    """
    units = nwbfile.units
    rows, times = row_slices(units.spike_times_index), units.spike_times_index.target.data

    def read(unit: int) -> np.ndarray:
        return sorted_once(times[rows[unit]])[0]

    n_duplicates = n_not_finite = 0
    first, last = np.inf, -np.inf
    for unit_rows in rows:
        spike_times, duplicates, not_finite = sorted_once(times[unit_rows])
        n_duplicates, n_not_finite = n_duplicates + duplicates, n_not_finite + not_finite
        if spike_times.size:
            first, last = min(first, spike_times[0]), max(last, spike_times[-1])
    if not np.isfinite(first):
        raise UserError.at(where, found=f"{len(rows)} units without a single spike", expected="spike times")
    notes = []
    if n_duplicates:
        notes.append(f"{n_duplicates} duplicate spike times (same unit, same time) are counted once.")
    if n_not_finite:
        notes.append(f"{n_not_finite} spike times that are not finite are left out.")
    observed = _observed(units)
    if observed is not None:
        stretches = np.concatenate([observed(unit) for unit in range(len(rows))])
        if len(stretches):
            first, last = float(stretches.min()), float(stretches.max())
    return Spikes(read=read, span_s=(float(first), float(last)), observed_s=observed), notes


def sorted_once(times: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Sort spike times and remove duplicates and times that are not finite.

    Parameters
    ----------
    times : (spike,) in seconds, in any order.

    Returns
    -------
    (spike,) increasing times; the number of duplicates; the number of times that were not finite.
    """
    times = np.asarray(times, float)
    finite = times[np.isfinite(times)]
    steps = np.diff(finite)
    unique = finite if np.all(steps > 0) else np.unique(finite)
    return unique, finite.size - unique.size, times.size - finite.size


def _observed(units: DynamicTable) -> Callable[[int], np.ndarray] | None:
    if "obs_intervals" not in units.colnames:
        return None
    index = units["obs_intervals"]
    rows = row_slices(index)

    def observed(unit: int) -> np.ndarray:
        return np.asarray(index.target.data[rows[unit]], float).reshape(-1, 2)

    return observed


def unit_facts(nwbfile: NWBFile, settings: RecordingSettings) -> UnitFacts:
    """What the file states about its units: ids, every origin of region labels, cell types and positions.

    Parameters
    ----------
    nwbfile : the opened file.
    settings : columns that may hold region labels.
    """
    units = nwbfile.units
    n_units = len(units)
    columns = simple_columns(units)
    rows, link = electrode_rows(nwbfile, columns)
    electrodes = electrode_columns(nwbfile)
    listed = any(rows)
    groups = _group_values(nwbfile, rows)
    origins = [
        label_origin("unit_column", f"units.{column}", columns[column])
        for column in settings.regions.unit_columns
        if column in columns
    ]
    names: dict[str, list[str]] = {}
    electrode_ids: list[list[str]] = []
    xyz = np.full((n_units, 3), np.nan)
    if listed:
        origins += electrode_origins(rows, electrodes, settings.regions.unit_columns, link)
        ids = [as_text(electrode_id) for electrode_id in nwbfile.electrodes.id[:]]
        electrode_ids = [[ids[row] for row in of_unit] for of_unit in rows]
        xyz = _mean_positions(rows, electrodes)
    if all(axis in columns for axis in "xyz"):
        xyz = np.column_stack([np.asarray(columns[axis], float) for axis in "xyz"])
    if groups is not None:
        column, group_of_unit = groups
        labels = (getattr(group, "location", "") for group in group_of_unit)
        origins.append(label_origin("electrode_group", f"{column}.location", labels))
        names["electrode group"] = [as_text(getattr(group, "name", "")) for group in group_of_unit]
        names["probe"] = [as_text(getattr(getattr(group, "device", None), "name", "")) for group in group_of_unit]
    for column in PROBE_COLUMNS:
        if column in columns:
            names[f"units.{column}"] = [as_text(value) for value in columns[column]]
    typed = next((column for column in CELL_TYPE_COLUMNS if column in columns), None)
    return UnitFacts(
        ids=[as_text(unit_id) for unit_id in units.id[:]],
        origins=origins,
        names=names,
        electrode_ids=electrode_ids,
        cell_type=[cell_type(value) for value in columns[typed]] if typed else [],
        xyz=xyz,
        columns=columns,
    )


def electrode_columns(nwbfile: NWBFile) -> dict[str, list[Any]]:
    """Simple columns of the electrodes table; empty for a file without this table."""
    return simple_columns(nwbfile.electrodes) if nwbfile.electrodes is not None else {}


def electrode_rows(nwbfile: NWBFile, columns: dict[str, list[Any]]) -> tuple[list[list[int]], str]:
    """Electrodes of each unit.

    A column that names the electrode with the largest spikes is preferred to the list of all electrodes.

    Parameters
    ----------
    nwbfile : the opened file.
    columns : simple columns of the units table.

    Returns
    -------
    For each unit, rows of the electrodes table; the name of the column that links units to electrodes.
    """
    units = nwbfile.units
    listed: list[list[int]] = [[] for _ in range(len(units))]
    if nwbfile.electrodes is None:
        return listed, ""
    link = ""
    if "electrodes" in units.colnames:
        link, listed = "units.electrodes", region_rows(units["electrodes"])
    peak = next((column for column in PEAK_COLUMNS if column in columns), None)
    if peak is None:
        return listed, link
    row_of_id = {as_text(electrode_id): row for row, electrode_id in enumerate(nwbfile.electrodes.id[:])}
    chosen = [_peak_row(cell, row_of_id, of_unit) for cell, of_unit in zip(columns[peak], listed, strict=True)]
    if not any(row is not None for row in chosen):
        return listed, link
    return [of_unit if row is None else [row] for row, of_unit in zip(chosen, listed, strict=True)], f"units.{peak}"


def _peak_row(cell: Any, row_of_id: dict[str, int], listed: Sequence[int]) -> int | None:
    """Row of the electrode that a cell names.

    The cell is an id of an electrode. It is read as a row number only if that row is one of the listed electrodes of
    the unit and the electrode with this id is not.
    """
    text = as_text(int(cell) if isinstance(cell, float | np.floating) and np.isfinite(cell) else cell)
    by_id = row_of_id.get(text)
    by_row = int(text) if text.isdigit() and int(text) < len(row_of_id) else None
    if listed and by_id not in listed and by_row in listed:
        return by_row
    return by_id


def region_rows(column: VectorIndex | DynamicTableRegion) -> list[list[int]]:
    """Rows that each cell of a table region refers to; the column may be ragged or plain."""
    if isinstance(column, VectorIndex):
        data = np.asarray(column.target.data[:], dtype=np.int64)
        return [data[rows].tolist() for rows in row_slices(column)]
    return [[int(row)] for row in np.ravel(column.data[:])]


def electrode_origins(
    rows: Sequence[Sequence[int]], electrodes: dict[str, list[Any]], columns: Sequence[str], link: str
) -> list[LabelOrigin]:
    """Region labels from the electrodes of each unit: the most frequent label, '' when two are the most frequent.

    Parameters
    ----------
    rows : for each unit, rows of the electrodes table.
    electrodes : columns of the electrodes table.
    columns : names of columns that may hold region labels.
    link : name of the column that links units to electrodes.

    Returns
    -------
    One origin of labels for each of these columns that the table has.
    """
    return [
        label_origin(
            "electrodes",
            f"{link} -> electrodes.{column}",
            (majority(region_label(electrodes[column][row]) for row in of_unit) for of_unit in rows),
        )
        for column in columns
        if column in electrodes
    ]


def _mean_positions(rows: Sequence[Sequence[int]], electrodes: dict[str, list[Any]]) -> np.ndarray:
    """(unit, 3) mean position of the electrodes of each unit, NaN where unknown."""
    if not all(axis in electrodes for axis in "xyz"):
        return np.full((len(rows), 3), np.nan)
    xyz = np.column_stack([np.asarray(electrodes[axis], float) for axis in "xyz"])
    return np.array([xyz[list(of_unit)].mean(axis=0) if of_unit else np.full(3, np.nan) for of_unit in rows])


def _group_values(nwbfile: NWBFile, rows: Sequence[Sequence[int]]) -> tuple[str, list[Any]] | None:
    """Electrode group of each unit, from the unit itself or its first electrode, and the column that names it."""
    if "electrode_group" in nwbfile.units.colnames:
        column = nwbfile.units["electrode_group"]
        return "units.electrode_group", [column.data[unit] for unit in range(len(nwbfile.units))]
    if nwbfile.electrodes is None or "group" not in nwbfile.electrodes.colnames or not any(rows):
        return None
    groups = nwbfile.electrodes["group"]
    return "units.electrodes -> group", [groups.data[of_unit[0]] if of_unit else None for of_unit in rows]
