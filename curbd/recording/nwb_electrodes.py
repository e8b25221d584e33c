"""The electrodes of units and channels of an NWB file: their rows, their region labels and their positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from hdmf.common import DynamicTable, DynamicTableRegion, VectorIndex
from pynwb import NWBFile

from curbd.recording.cells import as_text, numbers
from curbd.recording.label_origin import LabelOrigin, majority
from curbd.recording.nwb_tables import row_slices
from curbd.recording.references import checked_references

PEAK_COLUMNS = ("max_electrode", "peak_electrode", "peak_channel_id", "peak_channel", "max_channel", "main_channel")
"""Columns of the units that may name the electrode with the largest spikes; NWB has no standard column for it."""


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


def mean_positions(rows: Sequence[Sequence[int]], electrodes: dict[str, list[Any]]) -> np.ndarray:
    """Return the (unit, 3) mean position of the electrodes of each unit, NaN where unknown.

    Parameters
    ----------
    rows : for each unit, rows of the table of electrodes.
    electrodes : name -> cells of the columns of the electrodes table.
    """
    if not all(axis in electrodes for axis in "xyz"):
        return np.full((len(rows), 3), np.nan)
    xyz = np.column_stack([numbers(electrodes[axis]) for axis in "xyz"])
    return np.array([xyz[list(of_unit)].mean(axis=0) if of_unit else np.full(3, np.nan) for of_unit in rows])
