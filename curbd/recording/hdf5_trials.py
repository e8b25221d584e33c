"""The table of trials of a plain HDF5 file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import pandas as pd

from curbd.errors import UserError
from curbd.recording.cells import numbers
from curbd.recording.hdf5_columns import cells_of, datasets, fields, has_cells, is_table
from curbd.recording.time_units import seconds_per_unit
from curbd.recording.unreadable import UnreadableError
from curbd.settings.recording import HDF5Layout


def trial_table(
    file: h5py.File, layout: HDF5Layout, n_trials: int | None, where: str
) -> tuple[pd.DataFrame, list[str]]:
    """Read one row for each trial, with the trial columns; for a continuous stretch, the table that the group holds.

    Parameters
    ----------
    file : the opened file.
    layout : name of the table (`layout.trial`) and of the activity.
    n_trials : number of trials of the activity; None for a continuous stretch.
    where : the recording, for messages.

    Returns
    -------
    The trials; sentences on columns that are left out, and on times that were converted to seconds.

    Raises
    ------
    UserError : no column of the table has one value for each trial.
    """
    notes: list[str] = []
    node = file.get(layout.trial) if layout.trial else None
    stored = fields(node) if is_table(node) else datasets(node) if isinstance(node, h5py.Group) else {}
    n_rows = n_trials if n_trials is not None else _length_of_table(stored)
    whole = {name: dataset for name, dataset in stored.items() if has_cells(dataset, n_rows)}
    if stored and not whole:
        name, dataset = next(iter(stored.items()))
        raise UserError.at(
            f"{where}: {layout.trial}/{name}",
            found=f"shape {dataset.shape}",
            expected=f"({n_rows},), one value for each trial of {layout.rates}",
            todo="check the axis order (hdf5.dims), or set hdf5.trial to null",
        )
    for name in stored.keys() - whole.keys():
        notes.append(
            f"{layout.trial}/{name} is left out: it has the shape {stored[name].shape}, where {n_rows} cells are"
            " expected, one for each trial."
        )
    columns: dict[str, list[Any]] = {}
    for name, dataset in whole.items():
        try:
            columns[name] = cells_of(dataset)
        except UnreadableError as error:
            notes.append(f"Left out: {error}")
            continue
        if name.endswith("_time"):
            second, unit_notes = seconds_per_unit(dataset, f"{layout.trial}/{name}")
            notes += unit_notes
            columns[name] = columns[name] if second == 1.0 else list(numbers(columns[name]) * second)
    if n_trials is None and columns and not {"start_time", "stop_time"} <= set(columns):
        notes.append(
            f"{layout.trial} is not used: its columns are {', '.join(columns)}, and trials of continuous activity need"
            " start_time and stop_time, in seconds."
        )
    return pd.DataFrame(columns, index=range(n_rows)), notes


def _length_of_table(columns: Mapping[str, h5py.Dataset]) -> int:
    """The number of rows of a table: that of its start_time, or of most of its columns."""
    if "start_time" in columns:
        return int(columns["start_time"].size)
    lengths = [int(max(dataset.shape, default=1)) for dataset in columns.values()]
    return max(set(lengths), key=lengths.count, default=0)
