"""Tables of an NWB file as plain columns: decoded strings, ragged and array cells joined, references left out."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pandas as pd
from hdmf.common import DynamicTable, DynamicTableRegion, EnumData, VectorData, VectorIndex
from pynwb import NWBFile
from pynwb.epoch import TimeIntervals

from curbd.errors import UserError
from curbd.recording.cells import MAX_NUMBERS_IN_CELL, as_text, is_stored, joined, numbers
from curbd.recording.coded_columns import code_names, decoded
from curbd.recording.time_units import seconds_per_unit
from curbd.recording.unreadable import READING_ERRORS, reason_of

TIME_SERIES_COLUMN = "timeseries"
"""The column of NWB that links every interval to series; no condition is made from it."""


def path_of(nwbfile: NWBFile, stored: Any) -> str:
    """Return the path of an object in the file, such as ``processing/ophys/Fluorescence/RoiResponseSeries``."""
    return nwbfile.read_io.manager.get_builder(stored).path.removeprefix("root/")


def row_slices(index: VectorIndex) -> list[slice]:
    """Return for each row of a ragged column the slice of its target column.

    Raises
    ------
    UserError : the index of the column decreases, or leads beyond the end of the target column.
    """
    ends = np.asarray(index.data[:], dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]])
    n_cells = len(index.target.data)
    if ends.size and (ends[0] < 0 or np.any(ends < starts) or ends[-1] > n_cells):
        row = int(np.argmax((ends < starts) | (ends > n_cells)))
        raise UserError.at(
            f"column {index.target.name}",
            found=f"an index ({index.name}) in which row {row} ends at {ends[row]} and starts at {starts[row]}",
            expected=f"ends that do not decrease, up to the {n_cells} cells of the column",
            todo="the file is damaged: write it again",
        )
    return [slice(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def simple_column(column: VectorData) -> list[Any] | None:
    """Convert the cells of a column to numbers and strings, with arrays joined as ``a, b``.

    The result is None for a column of references or masks.
    """
    if isinstance(column, VectorIndex):
        if isinstance(column.target, VectorIndex | DynamicTableRegion) or _kind(column.target.data) not in "biufSUO":
            return None
        names = _code_names(column.target)
        data = np.asarray(column.target.data[:])
        data = np.array(decoded(data, names), dtype=object) if names else data
        return [joined(data[rows]) for rows in row_slices(column)]
    if isinstance(column, DynamicTableRegion) or _kind(column.data) not in "biufSUO" or len(_shape(column.data)) > 2:
        return None
    data = np.asarray(column.data[:])
    if data.ndim > 1 and data.shape[1] == 1:
        # A column of MATLAB or R.
        data = data[:, 0]
    if names := _code_names(column):
        return decoded(data, names) if data.ndim == 1 else [joined(decoded(row, names)) for row in data]
    if data.ndim > 1:
        return [joined(row) for row in data]
    if data.dtype.kind in "OSU":
        return [as_text(value) for value in data]
    return list(data)


def _code_names(column: VectorData) -> dict[int, str]:
    """Code -> name for a column of codes; empty for any other column."""
    if isinstance(column, EnumData):
        return {code: as_text(name) for code, name in enumerate(column.elements.data[:])}
    return code_names(column.data)


def simple_columns(table: DynamicTable, notes: list[str] | None = None) -> dict[str, list[Any]]:
    """Read every column of a table that holds numbers or strings, except spike times, masks and waveforms.

    A column that cannot be read, or whose length is not the number of rows, is left out.

    Parameters
    ----------
    table : the table.
    notes : list to which a sentence on each column that is left out is appended; None discards these sentences.

    Returns
    -------
    Name -> (row,) cells.
    """
    columns = {}
    for name in table.colnames:
        try:
            cells = _simple_cells(table, name)
        except (UserError, *READING_ERRORS) as error:
            if notes is not None:
                notes.append(f"{table.name}.{name} is left out: it cannot be read ({reason_of(error)}).")
            continue
        if cells is not None and len(cells) == len(table):
            columns[name] = cells
        elif cells is not None and notes is not None:
            notes.append(f"{table.name}.{name} is left out: it has {len(cells)} cells for {len(table)} rows.")
    return columns


def _simple_cells(table: DynamicTable, name: str) -> list[Any] | None:
    """Cells of a column of numbers or texts; None for spike times, references, masks and waveforms."""
    column = table[name]
    ragged_numbers = isinstance(column, VectorIndex) and _kind(column.target.data) in "iuf"
    shape = _shape(column.data)
    if ragged_numbers or (len(shape) > 1 and shape[1] > MAX_NUMBERS_IN_CELL):
        return None
    return simple_column(column)


def interval_tables(nwbfile: NWBFile) -> tuple[dict[str, pd.DataFrame], dict[str, str], list[str]]:
    """Read every interval table of the file, with ``start_time`` and ``stop_time`` in seconds.

    Returns
    -------
    Name -> table (the path, if several tables have the same name); name -> why a table is left out; sentences on
    columns that are left out or converted.
    """
    tables = [stored for stored in nwbfile.objects.values() if isinstance(stored, TimeIntervals)]
    names = [table.name for table in tables]
    frames: dict[str, pd.DataFrame] = {}
    left_out: dict[str, str] = {}
    notes: list[str] = []
    for table, name in zip(tables, names, strict=True):
        key = name if names.count(name) == 1 else path_of(nwbfile, table)
        try:
            frame, table_notes = _interval_table(table, key)
        except (UserError, *READING_ERRORS) as error:
            left_out[key] = " ".join(str(error).split())
            continue
        frames[key] = frame
        notes += table_notes
    return dict(sorted(frames.items())), dict(sorted(left_out.items())), notes


def _interval_table(table: TimeIntervals, name: str) -> tuple[pd.DataFrame, list[str]]:
    columns, notes = {}, []
    for column in table.colnames:
        try:
            cells = simple_column(table[column])
        except (UserError, *READING_ERRORS) as error:
            notes.append(f"{name}.{column} is left out: it cannot be read ({reason_of(error)}).")
            continue
        if cells is None:
            if column != TIME_SERIES_COLUMN:
                notes.append(f"{name}.{column} is left out: it holds references or arrays, not numbers or texts.")
            continue
        if len(cells) != len(table):
            notes.append(f"{name}.{column} is left out: it has {len(cells)} cells for {len(table)} rows.")
            continue
        factor, unit_notes = 1.0, list[str]()
        if column.endswith("_time") or "start_time" in column or "stop_time" in column:
            factor, unit_notes = seconds_per_unit(table[column].data, f"{name}.{column}")
        columns[column] = cells if factor == 1.0 else list(numbers(cells) * factor)
        notes += unit_notes
    frame = pd.DataFrame(columns)
    for column in ("start_time", "stop_time"):
        if column not in frame:
            raise ValueError(f"it has no column {column} that can be read")
        times = numbers(list(frame[column]))
        if len(times) and not np.isfinite(times).any() and not pd.api.types.is_numeric_dtype(frame[column]):
            raise ValueError(f"its {column} holds no number (e.g. {frame[column].iloc[0]!r})")
        frame[column] = times
    return frame, notes


def _shape(data: Any) -> tuple[int, ...]:
    return tuple(getattr(data, "shape", (len(data),)))


def _kind(data: Any) -> str:
    """Kind of the elements, as a letter of numpy; ``O`` for text, ``V`` for records and references."""
    if is_stored(data):
        if h5py.check_ref_dtype(data.dtype) is not None:
            return "V"
        return str(data.dtype.kind)
    if isinstance(data, list | np.ndarray):
        kind = np.asarray(data).dtype.kind
        return "O" if kind == "U" else str(kind)
    # Whatever is left is a reference to other objects, for which hdmf has its own classes.
    return "V"
