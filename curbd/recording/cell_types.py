"""Cell types of units: excitatory, inhibitory or unknown, and where each type comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.cells import as_text
from curbd.recording.region_tables import read_tsv
from curbd.settings.recording import CellTypes

CELL_TYPES = ("excitatory", "inhibitory", "unknown")
EXCITATORY_WORDS = (
    "e",
    "exc",
    "excitatory",
    "pyr",
    "pyramidal",
    "pyramidal cell",
    "rs",
    "regular spiking",
    "glutamatergic",
)
INHIBITORY_WORDS = (
    *("i", "inh", "inhibitory", "int", "interneuron", "narrow interneuron", "wide interneuron"),
    *("fs", "fast spiking", "pv", "sst", "vip", "gabaergic"),
)
CELL_TYPE_COLUMNS = ("cell_type", "type", "putative_cell_type")
"""Columns that may hold the cell type of a unit, tried in this order."""
MAX_LISTED_UNITS = 5
"""Longer lists of units are cut here in messages."""


def cell_type(value: Any) -> str:
    """Read the cell type from the usual words and abbreviations: ``excitatory``, ``inhibitory`` or ``unknown``."""
    word = as_text(value).casefold().replace("_", " ").replace("-", " ")
    return "excitatory" if word in EXCITATORY_WORDS else "inhibitory" if word in INHIBITORY_WORDS else "unknown"


def label_cell_types(
    units: pd.DataFrame,
    of_file: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    settings: CellTypes,
    where: str,
) -> tuple[pd.DataFrame, list[str]]:
    """Add the columns ``cell_type`` and ``cell_type_source`` to a table of units.

    The cell types of the file, or of the chosen column, are replaced by those of the table of the settings. Units of
    regions that the settings call inhibitory are inhibitory.

    Parameters
    ----------
    units : table of units with the columns ``unit_id`` and ``region``.
    of_file : (unit,) cell types that the reader of the file found; empty if there are none.
    columns : name -> (unit,) cells of the columns of the units.
    settings : where cell types come from.
    where : the recording, for messages.

    Returns
    -------
    The table; sentences on labels of the table that differ from those of the file.

    Raises
    ------
    UserError : the column does not exist, the table cannot be read or contradicts itself, or a unit of a region that is
        called inhibitory is labelled excitatory.
    """
    types = list(of_file) or ["unknown"] * len(units)
    origin = "file"
    if settings.column is not None:
        types, origin = _of_column(columns, settings, where), f"column {settings.column}"
    sources = ["" if known == "unknown" else origin for known in types]
    notes: list[str] = []
    if settings.table is not None:
        listed = _of_table(settings.table)
        notes = _unlike(list(units["unit_id"]), types, listed, settings.table)
        for index, unit_id in enumerate(units["unit_id"]):
            if unit_id in listed:
                types[index], sources[index] = listed[unit_id]
    regions = units["region"].to_numpy(str)
    for region in settings.inhibitory_regions:
        _require_not_excitatory(region, units["unit_id"][regions == region], np.array(types)[regions == region], where)
        for index in np.flatnonzero(regions == region).tolist():
            types[index], sources[index] = "inhibitory", sources[index] or f"region {region}"
    return units.assign(cell_type=types, cell_type_source=sources), notes


def _of_column(columns: Mapping[str, Sequence[Any]], settings: CellTypes, where: str) -> list[str]:
    """Cell types of a column that the user chose, by the labels of the user and the usual words."""
    column = str(settings.column)
    if column not in columns:
        raise UserError.at(
            f"{where}: cell_types.column",
            found=f"unknown column {column!r}",
            expected=f"a column of the units ({', '.join(sorted(columns)) or 'there is none'})",
            todo=did_you_mean(column, columns),
        )
    meaning = dict.fromkeys(settings.excitatory, "excitatory") | dict.fromkeys(settings.inhibitory, "inhibitory")
    texts = [as_text(value) for value in columns[column]]
    absent = sorted(set(meaning) - set(texts))
    if absent and len(absent) == len(meaning):
        raise UserError.at(
            f"{where}: cell_types",
            found=f"labels that no unit has: {', '.join(absent)}",
            expected=f"labels of the column {column}: {', '.join(sorted(set(texts))[:12])}",
        )
    return [meaning.get(text, cell_type(text)) for text in texts]


def _of_table(path: str) -> dict[str, tuple[str, str]]:
    """Unit -> cell type and source, from a table of the user."""
    table = read_tsv(path, "cell_types.table", "unit_id and cell_type")
    missing = [column for column in ("unit_id", "cell_type") if column not in table]
    if missing:
        raise UserError.at(
            "cell_types.table", found=f"{path} without the column {missing[0]}", expected="unit_id and cell_type"
        )
    wrong = sorted(set(table["cell_type"]) - set(CELL_TYPES))
    if wrong:
        raise UserError.at(
            "cell_types.table",
            found=f'"{wrong[0]}" in the column cell_type of {path}',
            expected=", ".join(CELL_TYPES),
            todo=did_you_mean(wrong[0], CELL_TYPES),
        )
    kinds = table.groupby("unit_id")["cell_type"].nunique()
    if (kinds > 1).any():
        raise UserError.at(
            "cell_types.table",
            found=f"{_some(list(kinds.index[kinds > 1]))} with several cell types in {path}",
            expected="one cell type for each unit",
        )
    origin = Path(path).name
    named = table["source"] if "source" in table else pd.Series("", index=table.index)
    sources = [f"{origin}: {source}" if source else origin for source in named]
    return {
        unit: (kind, "" if kind == "unknown" else source)
        for unit, kind, source in zip(table["unit_id"], table["cell_type"], sources, strict=True)
    }


def _unlike(ids: Sequence[str], types: Sequence[str], listed: Mapping[str, tuple[str, str]], path: str) -> list[str]:
    """Sentences on a table of cell types: units that the file labels otherwise, and units that the file lacks."""
    notes = []
    unlike = [
        unit
        for unit, known in zip(ids, types, strict=True)
        if unit in listed and "unknown" not in (known, listed[unit][0]) and known != listed[unit][0]
    ]
    if unlike:
        notes.append(f"{path} and the file give {_some(unlike)} different cell types; those of the table are used.")
    absent = sorted(set(listed) - set(ids))
    if absent:
        notes.append(f"{path} names units that the recording lacks: {_some(absent)}.")
    return notes


def _require_not_excitatory(region: str, ids: Sequence[str], types: np.ndarray, where: str) -> None:
    """Stop if a region that is called inhibitory has no units, or has a unit that is labelled excitatory."""
    excitatory = [unit for unit, known in zip(ids, types, strict=True) if known == "excitatory"]
    if excitatory:
        raise UserError.at(
            f"{where}: cell_types.inhibitory_regions",
            found=f"{_some(excitatory)} of {region}, labelled excitatory",
            expected=f"no excitatory unit in {region}",
            todo=f"correct the labels, or take {region} from the list",
        )


def _some(units: Sequence[str]) -> str:
    names = list(units)
    return ", ".join(names[:MAX_LISTED_UNITS]) + (", ..." if len(names) > MAX_LISTED_UNITS else "")
