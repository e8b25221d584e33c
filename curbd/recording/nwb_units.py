"""Units of an NWB file: spike times, which are read unit by unit, and what the file states about each unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from hdmf.common import DynamicTable, DynamicTableRegion, VectorIndex
from pynwb import NWBFile

from curbd.errors import UserError
from curbd.recording.cell_types import CELL_TYPE_COLUMNS, cell_type
from curbd.recording.cells import as_text, numbers
from curbd.recording.labels import LabelReader
from curbd.recording.nwb_tables import path_of, row_slices, simple_columns
from curbd.recording.recording_file import Spikes
from curbd.recording.references import checked_references
from curbd.recording.regions import LabelOrigin, label_origin, majority
from curbd.recording.spike_clock import SpikeClock
from curbd.recording.time_units import seconds_per_unit, stated_unit
from curbd.recording.units import UnitFacts, text_columns
from curbd.recording.unreadable import READING_ERRORS, reading
from curbd.settings.recording import RecordingSettings

PEAK_COLUMNS = ("max_electrode", "peak_electrode", "peak_channel_id", "peak_channel", "max_channel", "main_channel")
"""Columns of the units that may name the electrode with the largest spikes; NWB has no standard column for it."""
PROBE_COLUMNS = ("probe", "probe_name", "probe_id", "group_name", "device")
"""Columns of the units that may name the probe."""


def spike_tables(nwbfile: NWBFile) -> dict[str, DynamicTable]:
    """Find every table with spike times: the units of the file, named ``units``, and other tables by their path."""
    tables = {}
    for stored in nwbfile.objects.values():
        if isinstance(stored, DynamicTable) and "spike_times" in stored.colnames and len(stored) > 0:
            tables["units" if stored is nwbfile.units else path_of(nwbfile, stored)] = stored
    return dict(sorted(tables.items(), key=lambda item: (item[0] != "units", item[0])))


def spikes(units: DynamicTable, settings: RecordingSettings, where: str) -> tuple[Spikes, list[str]]:
    """Open the spike times of all units in a table.

    The whole table is read once, unit by unit, to count duplicates, examine the clock and find the first and last
    spike. Spike times are not kept in memory.

    Parameters
    ----------
    units : the table with the spike times.
    settings : unit of the spike times.
    where : the recording, for messages.

    Returns
    -------
    The spike times; sentences on spike times that are left out, and on what is remarkable about their clock.

    Raises
    ------
    UserError : the table holds no spike.
    """
    column = units["spike_times"]
    if isinstance(column, VectorIndex):
        rows, times = row_slices(column), column.target.data
    else:
        # One spike time for each unit, or a table of equal numbers of spikes.
        rows, times = [slice(row, row + 1) for row in range(len(units))], column.data
    stated_s, notes = seconds_per_unit(times, f"{units.name}.spike_times")
    second = stated_s if settings.spike_time_unit_s is None else settings.spike_time_unit_s

    def stored(unit: int) -> np.ndarray:
        with reading(where, f"spike times of unit {unit}"):
            raw = np.ravel(np.asarray(times[rows[unit]], float))
        return raw if second == 1.0 else raw * second

    clock = SpikeClock(n_units=len(rows), single=getattr(times, "dtype", None) == np.float32)
    with_spikes = []
    for unit in range(len(rows)):
        raw = stored(unit)
        unique = sorted_once(raw)[0]
        clock.add(unit, raw, unique)
        with_spikes += [unit] if unique.size else []
    if not with_spikes:
        raise UserError.at(where, found=f"{len(rows)} units without a single spike", expected="spike times")
    low, high = clock.near_s()
    far = [with_spikes[index] for index in clock.units_with_far_times]

    def read(unit: int) -> np.ndarray:
        unique = sorted_once(stored(unit))[0]
        return unique[(unique >= low) & (unique <= high)] if unit in far else unique

    ends = [unique[[0, -1]] for unique in map(read, far) if unique.size]
    ends += [np.array(end) for index, end in enumerate(clock.ends) if with_spikes[index] not in far]
    first, last = float(np.min(ends)), float(np.max(ends))
    if far:
        n_far = sum(sorted_once(stored(unit))[0].size - read(unit).size for unit in far)
        beyond = next(time for unit in far for time in sorted_once(stored(unit))[0] if not low <= time <= high)
        notes.append(
            f"{n_far} spike times far from all others are left out (unit {far[0]} at {beyond:.6g} s; the others lie"
            f" between {first:.6g} and {last:.6g} s)."
        )
    resolution = getattr(units, "resolution", None)
    stated = float(resolution) if resolution is not None and np.isfinite(resolution) and resolution > 0 else None
    notes += clock.notes((first, last), stated)
    observed = _observed(units, second, (low, high), (first, last))
    if observed is not None:
        as_stored = _observed(units, second)
        stretches = np.concatenate([observed(unit) for unit in range(len(rows))])
        n_cut = 0
        if as_stored is not None:
            n_cut = sum(
                not np.array_equal(as_stored(unit), observed(unit), equal_nan=True) for unit in range(len(rows))
            )
        if n_cut:
            notes.append(
                f"obs_intervals of {n_cut} units begin or end far from all spikes; they are cut to the spikes, from"
                f" {first:.6g} to {last:.6g} s."
            )
        stretches = stretches[np.isfinite(stretches).all(axis=1) & (stretches[:, 1] >= stretches[:, 0])]
        if len(stretches):
            first, last = float(stretches.min()), float(stretches.max())
    return Spikes(read=read, span_s=(first, last), observed_s=observed, n_spikes=clock.n_spikes), notes


def sorted_once(times: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Sort the spike times of a unit and remove duplicates and times that are not finite.

    Parameters
    ----------
    times : (spike,) times in seconds, in any order.

    Returns
    -------
    (spike,) increasing times; the number of duplicates; the number of times that were not finite.
    """
    times = np.asarray(times, float)
    finite = times[np.isfinite(times)]
    steps = np.diff(finite)
    unique = finite if np.all(steps > 0) else np.unique(finite)
    return unique, finite.size - unique.size, times.size - finite.size


def _observed(
    units: DynamicTable,
    second: float,
    near_s: tuple[float, float] = (-np.inf, np.inf),
    span_s: tuple[float, float] = (-np.inf, np.inf),
) -> Callable[[int], np.ndarray] | None:
    """Reader of the stretches in which each unit was observed; None if the table does not state them.

    Parameters
    ----------
    units : the table of the units.
    second : length in seconds of the unit of the spike times, for stretches whose unit is not stated.
    near_s : first and last time in seconds that can be right.
    span_s : first and last spike in seconds, which replace ends of stretches that cannot be right.
    """
    if "obs_intervals" not in units.colnames:
        return None
    index = units["obs_intervals"]
    rows = row_slices(index)
    # The unit that the file states, or else the unit of the spike times.
    cells = index.target.data
    factor = seconds_per_unit(cells, "obs_intervals")[0] if stated_unit(cells) else second

    def observed(unit: int) -> np.ndarray:
        stretches = np.asarray(cells[rows[unit]], float).reshape(-1, 2)
        stretches = stretches if factor == 1.0 else stretches * factor
        stretches = np.where(stretches > near_s[1], span_s[1], stretches)
        return np.where(stretches < near_s[0], span_s[0], stretches)

    return observed


def unit_facts(nwbfile: NWBFile, units: DynamicTable, settings: RecordingSettings) -> UnitFacts:
    """Collect what the file states about its units: ids, every origin of region labels, cell types and positions.

    Parameters
    ----------
    nwbfile : the opened file.
    units : the table with the spike times.
    settings : columns that may hold region labels.

    Returns
    -------
    The facts about all units of the table.
    """
    n_units = len(units)
    read = LabelReader(settings.regions)
    column_notes: list[str] = []
    columns = simple_columns(units, column_notes)
    ids = [as_text(unit_id) for unit_id in units.id[:]]
    link = electrode_link(nwbfile, units, columns, ids)
    electrodes = simple_columns(link.table, column_notes) if link.table is not None else {}
    unit_columns = settings.regions.unit_columns
    groups = _group_values(units, link)
    origins = [
        label_origin("unit_column", f"units.{column}", columns[column], read)
        for column in unit_columns
        if column in columns
    ]
    candidates = text_columns("units", columns, [*unit_columns, *PROBE_COLUMNS, *CELL_TYPE_COLUMNS])
    names: dict[str, list[str]] = {}
    electrode_ids: list[list[str]] = []
    xyz = np.full((n_units, 3), np.nan)
    if link.table is not None and link.column:
        origins += electrode_origins(link, electrodes, unit_columns, read)
        if any(link.rows):
            id_of_row = [as_text(electrode_id) for electrode_id in link.table.id[:]]
            electrode_ids = [[id_of_row[row] for row in of_unit] for of_unit in link.rows]
            xyz = _mean_positions(link.rows, electrodes)
            for name, texts in text_columns("electrodes", electrodes, [*unit_columns, "group_name"]).items():
                candidates[name] = [majority(texts[row] for row in of_unit) for of_unit in link.rows]
    if all(axis in columns for axis in "xyz"):
        xyz = np.column_stack([numbers(columns[axis]) for axis in "xyz"])
    if groups is not None:
        column, group_of_unit = groups
        labels = (getattr(group, "location", "") for group in group_of_unit)
        origins.append(label_origin("electrode_group", f"{column}.location", labels, read))
        names["electrode group"] = [as_text(getattr(group, "name", "")) for group in group_of_unit]
        names["probe"] = [as_text(getattr(getattr(group, "device", None), "name", "")) for group in group_of_unit]
    for column in PROBE_COLUMNS:
        if column in columns:
            names[f"units.{column}"] = [as_text(value) for value in columns[column]]
    typed = next((column for column in CELL_TYPE_COLUMNS if column in columns), None)
    return UnitFacts(
        ids=ids,
        origins=origins,
        names=names,
        electrode_ids=electrode_ids,
        cell_type=[cell_type(value) for value in columns[typed]] if typed else [],
        xyz=xyz,
        columns=columns,
        candidates=candidates,
        notes=[*column_notes, *link.notes, *read.notes],
    )


class ElectrodeLink(NamedTuple):
    """The rows in the table of electrodes that belong to each unit or channel.

    Attributes
    ----------
    rows : for each unit, rows of the table of electrodes.
    column : name of the column that links units to electrodes; '' if there is none.
    table : the table of electrodes; None if there is none.
    notes : sentences on references that are not used.
    problem : why the column cannot be used; '' if it can.
    """

    rows: list[list[int]]
    column: str
    table: DynamicTable | None
    notes: list[str]
    problem: str = ""


def electrode_link(
    nwbfile: NWBFile, units: DynamicTable, columns: dict[str, list[Any]], ids: Sequence[str]
) -> ElectrodeLink:
    """Find the electrodes of each unit.

    A column that names the electrode with the largest spikes, as a reference, an id or a row number, is preferred to
    the list of all electrodes.

    Parameters
    ----------
    nwbfile : the opened file.
    units : the table with the spike times.
    columns : name -> (unit,) cells, for the columns of this table that hold numbers or strings.
    ids : (unit,) ids of the units, for sentences.

    Returns
    -------
    The rows in the table of electrodes for each unit.
    """
    link = ElectrodeLink([[] for _ in range(len(units))], "", nwbfile.electrodes, [])
    if "electrodes" in units.colnames:
        link = checked_link(units["electrodes"], "units.electrodes", nwbfile.electrodes, ids)
    peak = next((name for name in PEAK_COLUMNS if name in columns or _is_region(units, name)), None)
    if peak is None or (link.table is None and peak in columns):
        return link
    if peak not in columns:
        chosen = checked_link(units[peak], f"units.{peak}", nwbfile.electrodes, ids)
        rows: list[int | None] = [of_unit[0] if len(of_unit) == 1 else None for of_unit in chosen.rows]
        link = chosen if link.table is not chosen.table else link._replace(notes=[*link.notes, *chosen.notes])
        problem = chosen.problem
    else:
        assert link.table is not None
        rows, notes, problem = _peak_rows(columns[peak], link, f"units.{peak}")
        link = link._replace(notes=[*link.notes, *notes])
    if problem:
        return (
            link._replace(problem=link.problem or problem)
            if any(link.rows)
            else link._replace(column=f"units.{peak}", problem=problem)
        )
    if not any(row is not None for row in rows):
        return link
    chosen_rows = [of_unit if row is None else [row] for row, of_unit in zip(rows, link.rows, strict=True)]
    return link._replace(rows=chosen_rows, column=f"units.{peak}", problem="")


def checked_link(
    column: VectorIndex | DynamicTableRegion, name: str, electrodes: DynamicTable | None, ids: Sequence[str]
) -> ElectrodeLink:
    """Return the electrodes to which a column refers, without references to rows that do not exist.

    Parameters
    ----------
    column : the column, ragged or plain.
    name : name of the column.
    electrodes : table of the electrodes, to which a column of plain numbers refers.
    ids : (unit,) names of the rows of the column, for sentences.

    Returns
    -------
    The rows in the table of electrodes for each row of the column.
    """
    target = column.target if isinstance(column, VectorIndex) else column
    table = target.table if isinstance(target, DynamicTableRegion) and target.table is not None else electrodes
    references = region_rows(column)
    if table is None:
        return ElectrodeLink([[] for _ in references], "", None, [])
    checked = checked_references(references, len(table), name, table.name, ids)
    return ElectrodeLink(checked.rows, name, table, checked.notes, checked.problem)


def _is_region(units: DynamicTable, name: str) -> bool:
    if name not in units.colnames:
        return False
    column = units[name]
    return isinstance(column.target if isinstance(column, VectorIndex) else column, DynamicTableRegion)


def _peak_rows(cells: Sequence[Any], link: ElectrodeLink, name: str) -> tuple[list[int | None], list[str], str]:
    """Row of the electrode that each cell names; sentences; why the column cannot be used."""
    assert link.table is not None
    rows_of_id: dict[str, list[int]] = {}
    for row, electrode_id in enumerate(link.table.id[:]):
        rows_of_id.setdefault(as_text(electrode_id), []).append(row)
    n_rows = len(link.table)
    rows = [_peak_row(cell, rows_of_id, n_rows, of_unit) for cell, of_unit in zip(cells, link.rows, strict=True)]
    wanted = numbers(cells)
    given = np.isfinite(wanted) & (wanted >= 0)
    from_zero = list(rows_of_id) == [str(row) for row in range(n_rows)]
    if not from_zero or not given.any() or wanted[given].min() < 1:
        return rows, [], ""
    # Electrodes that are listed for each unit tell whether the column counts from 0 or from 1.
    listed = [unit for unit in np.flatnonzero(given) if link.rows[unit]]
    fits = all(rows[unit] in link.rows[unit] for unit in listed)
    if listed and not fits and all(wanted[unit] - 1 in link.rows[unit] for unit in listed):
        shifted = [int(cell) - 1 if has_cell else None for cell, has_cell in zip(wanted, given, strict=True)]
        return shifted, [f"{name} counts electrodes from 1, and is read so."], ""
    if wanted[given].max() == n_rows:
        problem = (
            f"{name} names electrode {n_rows}, but the table electrodes has {n_rows} rows, 0 to {n_rows - 1}, and no"
            " cell is 0, so that the column probably counts from 1 (subtract 1 in the file)"
        )
        return [], [], problem
    notes = []
    if listed and not fits:
        wrong = sum(rows[unit] not in link.rows[unit] for unit in listed)
        notes.append(f"{name} names an electrode that is not listed for the unit in {wrong} of {len(listed)} units.")
    return rows, notes, ""


def _peak_row(cell: Any, rows_of_id: Mapping[str, Sequence[int]], n_rows: int, listed: Sequence[int]) -> int | None:
    """Row of the electrode that a cell names; None if no electrode, or several of them, could be meant.

    The cell is an id of an electrode. It is read as a row number only if that row is one of the listed electrodes of
    the unit and the electrode with this id is not. Among several electrodes with the same id, as on two probes, the
    listed electrode is meant.

    Parameters
    ----------
    cell : the cell of the unit.
    rows_of_id : id -> rows of the table of electrodes with this id.
    n_rows : number of rows of this table.
    listed : rows of the electrodes that are listed for the unit.
    """
    text = as_text(int(cell) if isinstance(cell, float | np.floating) and np.isfinite(cell) else cell)
    candidates = rows_of_id.get(text, [])
    in_list = [row for row in candidates if row in listed]
    by_id = in_list[0] if in_list else candidates[0] if len(candidates) == 1 else None
    by_row = int(text) if text.isdigit() and int(text) < n_rows else None
    if listed and by_id not in listed and by_row in listed:
        return by_row
    return by_id


def region_rows(column: VectorIndex | DynamicTableRegion) -> list[list[int]]:
    """Return the table rows to which each cell of a reference column refers; the column may be ragged or plain."""
    if isinstance(column, VectorIndex):
        data = np.asarray(column.target.data[:], dtype=np.int64)
        return [data[rows].tolist() for rows in row_slices(column)]
    return [[int(row)] for row in np.ravel(column.data[:])]


def electrode_origins(
    link: ElectrodeLink, electrodes: dict[str, list[Any]], columns: Sequence[str], read: Callable[[Any], str]
) -> list[LabelOrigin]:
    """Read region labels from the electrodes of each unit, as the most frequent label.

    Parameters
    ----------
    link : the electrodes of each unit.

    electrodes : name -> cells of the columns of the electrodes table.
    columns : names of columns that may hold region labels.
    read : function that reads the label from a cell.

    Returns
    -------
    One origin of labels for each column that the table has. A unit has no label ('') if two labels are equally
    frequent.
    """
    origins = []
    for column in columns:
        if column not in electrodes or not (link.problem or any(link.rows)):
            continue
        cells = electrodes[column]
        labels = [majority(read(cells[row]) for row in of_unit) for of_unit in link.rows]
        raw = [
            _text_of(label, [as_text(cells[row]) for row in of_unit], read)
            for of_unit, label in zip(link.rows, labels, strict=True)
        ]
        origins.append(
            LabelOrigin(
                "electrodes",
                f"{link.column} -> electrodes.{column}",
                tuple(labels),
                () if raw == labels else tuple(raw),
                link.problem,
            )
        )
    return origins


def _text_of(label: str, texts: Sequence[str], read: Callable[[Any], str]) -> str:
    """The most frequent of the texts that give a label; '' for no label."""
    return next((text for text, _ in Counter(texts).most_common() if label and read(text) == label), "")


def _mean_positions(rows: Sequence[Sequence[int]], electrodes: dict[str, list[Any]]) -> np.ndarray:
    """(unit, 3) mean position of the electrodes of each unit, NaN where unknown."""
    if not all(axis in electrodes for axis in "xyz"):
        return np.full((len(rows), 3), np.nan)
    xyz = np.column_stack([numbers(electrodes[axis]) for axis in "xyz"])
    return np.array([xyz[list(of_unit)].mean(axis=0) if of_unit else np.full(3, np.nan) for of_unit in rows])


def _group_values(units: DynamicTable, link: ElectrodeLink) -> tuple[str, list[Any]] | None:
    """Electrode group of each unit, from the unit itself or its first electrode, and the column that names it."""
    if "electrode_group" in units.colnames:
        column = units["electrode_group"].data
        return "units.electrode_group", [_member(column, unit) for unit in range(len(units))]
    if link.table is None or "group" not in link.table.colnames or not any(link.rows):
        return None
    groups = link.table["group"].data
    return "units.electrodes -> group", [_member(groups, of_unit[0]) if of_unit else None for of_unit in link.rows]


def _member(groups: Any, row: int) -> Any:
    """The group that a cell refers to; None for a reference that leads nowhere."""
    try:
        return groups[row]
    except READING_ERRORS:
        return None
