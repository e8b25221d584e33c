"""What an NWB file states about each unit: its id, region labels, cell type and position."""

from __future__ import annotations

from typing import Any

import numpy as np
from hdmf.common import DynamicTable
from pynwb import NWBFile

from curbd.recording.cell_types import CELL_TYPE_COLUMNS, cell_type
from curbd.recording.cells import as_text, numbers
from curbd.recording.label_origin import label_origin, majority
from curbd.recording.labels import LabelReader
from curbd.recording.nwb_electrodes import ElectrodeLink, electrode_link, electrode_origins, mean_positions
from curbd.recording.nwb_tables import simple_columns
from curbd.recording.units import UnitFacts, text_columns
from curbd.recording.unreadable import READING_ERRORS
from curbd.settings.recording import RecordingSettings

PROBE_COLUMNS = ("probe", "probe_name", "probe_id", "group_name", "device")
"""Columns of the units that may name the probe."""


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
            xyz = mean_positions(link.rows, electrodes)
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
