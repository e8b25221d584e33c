"""Tables of an NWB file as plain columns: text decoded, ragged and array cells joined, references left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import pandas as pd
from hdmf.common import DynamicTable, DynamicTableRegion, VectorData, VectorIndex
from pynwb import NWBFile
from pynwb.epoch import TimeIntervals

from curbd.recording.cells import as_text

MAX_NUMBERS_IN_CELL = 8
"""Cells with more numbers are data, such as waveforms, and not properties of a unit."""


def path_of(nwbfile: NWBFile, stored: Any) -> str:
    """Path of an object inside the file, such as ``processing/ophys/Fluorescence/RoiResponseSeries``."""
    return nwbfile.read_io.manager.get_builder(stored).path.removeprefix("root/")


def row_slices(index: VectorIndex) -> list[slice]:
    """For each row of a ragged column, the rows of its target."""
    ends = np.asarray(index.data[:], dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]])
    return [slice(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def simple_column(column: VectorData) -> list[Any] | None:
    """Cells of a column as numbers and texts, with arrays joined as ``a, b``; None for references and masks."""
    if isinstance(column, VectorIndex):
        if isinstance(column.target, VectorIndex | DynamicTableRegion) or _kind(column.target.data) not in "biufSUO":
            return None
        data = np.asarray(column.target.data[:])
        return [_joined(data[rows]) for rows in row_slices(column)]
    if isinstance(column, DynamicTableRegion) or _kind(column.data) not in "biufSUO" or len(_shape(column.data)) > 2:
        return None
    data = np.asarray(column.data[:])
    if data.ndim > 1:
        return [_joined(row) for row in data]
    if data.dtype.kind in "OSU":
        return [as_text(value) for value in data]
    return list(data)


def simple_columns(table: DynamicTable) -> dict[str, list[Any]]:
    """Every column of a table that holds numbers or texts, except spike times, masks and waveforms."""
    columns = {}
    for name in table.colnames:
        column = table[name]
        ragged_numbers = isinstance(column, VectorIndex) and _kind(column.target.data) in "iuf"
        shape = _shape(column.data)
        if (
            not ragged_numbers
            and not (len(shape) > 1 and shape[1] > MAX_NUMBERS_IN_CELL)
            and (cells := simple_column(column)) is not None
        ):
            columns[name] = cells
    return columns


def interval_tables(nwbfile: NWBFile) -> dict[str, pd.DataFrame]:
    """Every interval table of the file, with ``start_time`` and ``stop_time`` in seconds.

    Returns
    -------
    Name -> table; the path takes the place of a name that several tables have.
    """
    tables = [stored for stored in nwbfile.objects.values() if isinstance(stored, TimeIntervals)]
    names = [table.name for table in tables]
    frames = {}
    for table, name in zip(tables, names, strict=True):
        columns = {column: simple_column(table[column]) for column in table.colnames}
        frame = pd.DataFrame({column: cells for column, cells in columns.items() if cells is not None})
        key = name if names.count(name) == 1 else path_of(nwbfile, table)
        frames[key] = frame.astype({"start_time": float, "stop_time": float})
    return dict(sorted(frames.items()))


def _joined(cells: Sequence[Any] | np.ndarray) -> str:
    return ", ".join(as_text(cell) for cell in np.ravel(cells))


def _shape(data: Any) -> tuple[int, ...]:
    return tuple(getattr(data, "shape", (len(data),)))


def _kind(data: Any) -> str:
    """Kind of the elements, as a letter of numpy; ``O`` for text, ``V`` for records and references."""
    if isinstance(data, h5py.Dataset):
        if h5py.check_ref_dtype(data.dtype) is not None:
            return "V"
        return str(data.dtype.kind)
    if isinstance(data, list | np.ndarray):
        kind = np.asarray(data).dtype.kind
        return "O" if kind == "U" else str(kind)
    # Whatever is left is a reference to other objects, for which hdmf has its own classes.
    return "V"
