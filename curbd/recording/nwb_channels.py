"""Series of an NWB file as activity: the columns of one or several series as units, and what is stated about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hdmf.common import DynamicTableRegion
from pynwb import NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.ophys import RoiResponseSeries

from curbd.errors import UserError
from curbd.recording.cell_types import CELL_TYPE_COLUMNS, cell_type
from curbd.recording.cells import as_text
from curbd.recording.clock import clean_clock, clock_notes, common_clock
from curbd.recording.label_origin import label_origin, majority
from curbd.recording.labels import LabelReader
from curbd.recording.nwb_electrodes import checked_link, electrode_origins
from curbd.recording.nwb_series import all_series, as_series, raw_times, seconds_of
from curbd.recording.nwb_tables import simple_columns
from curbd.recording.recording_file import Series
from curbd.recording.references import checked_references
from curbd.recording.rejected_rois import rejections
from curbd.recording.units import UnitFacts, join, text_columns
from curbd.recording.unreadable import reading
from curbd.settings.recording import RecordingSettings


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
    reasons, rejection_notes = rejections(cells_of_column, len(table), table.name)
    return UnitFacts(
        ids=[f"column {index}" if row is None else as_text(table.id[row]) for index, row in enumerate(rows)],
        origins=origins,
        names={"imaging plane": [plane_name] * len(rows), "ROI table": [as_text(table.name)] * len(rows)},
        cell_type=[cell_type(value) for value in columns[typed]] if typed else [],
        reason=["its row in the ROI table does not exist" if row is None else reasons[row] for row in rows],
        columns=columns,
        candidates=text_columns(table.name, columns, settings.regions.unit_columns),
        notes=[*column_notes, *checked.notes, *rejection_notes, *read.notes],
    )


def _width(column: Any) -> int:
    """Number of values in each cell of a column."""
    shape = getattr(column.data, "shape", (len(column.data),))
    return 1 if len(shape) < 2 else int(np.prod(shape[1:]))
