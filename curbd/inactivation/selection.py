"""Which units an experiment acts on: by region, by any of their columns, by a table, by name, or a random part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError, did_you_mean
from curbd.settings.experiments import Intervention

Array = np.ndarray


def selected(recording: xr.Dataset, part: Intervention, place: str) -> Array:
    """(unit,) units that `units`, `where`, `between` and `table` of an intervention leave.

    Raises
    ------
    UserError : an unknown unit or column, a table that cannot be read, or no unit left; names ``place`` and the key.
    """
    unit_id = recording["unit_id"].values.astype(str)
    chosen = np.ones(len(unit_id), bool)
    columns = {str(name): values.values for name, values in recording.coords.items() if values.dims == ("unit",)}
    if part.units:
        unknown = sorted(set(part.units) - set(unit_id))
        if unknown:
            raise UserError.at(
                f"{place}.units",
                found=f'"{unknown[0]}"',
                expected=f"unit_ids of recording {recording.attrs['recording']}",
                todo=did_you_mean(unknown[0], unit_id) or "its units are in units.csv",
            )
        chosen &= np.isin(unit_id, part.units)
    if part.table is not None:
        listed = _read(Path(part.table), recording, place)
        columns |= {str(name): values.to_numpy() for name, values in listed.items()}
        chosen &= np.isin(unit_id, listed.index[listed["unit_id"].notna()])
    for column, values in part.where.items():
        known = _column(columns, column, f"{place}.where", recording)
        chosen &= np.logical_or.reduce([_equal(known, value) for value in values] or [np.zeros(len(known), bool)])
    for column, (low, high) in part.between.items():
        numbers = pd.to_numeric(pd.Series(_column(columns, column, f"{place}.between", recording)), errors="coerce")
        chosen &= numbers.between(low, high).to_numpy()
    if not chosen.any():
        keys = [key for key in ("units", "where", "between", "table") if getattr(part, key)]
        raise UserError.at(
            f"{place}.{keys[-1]}" if keys else place,
            found=f"no unit of recording {recording.attrs['recording']} left",
            expected="at least one",
            todo=_values_of(columns, part.where),
        )
    return chosen


def random_part(units: Array, fraction: float, seed: int) -> Array:
    """(unit,) random part of the given units, one at least; with the same seed, larger parts hold the smaller ones."""
    order = np.random.default_rng(seed).permutation(np.flatnonzero(units))
    part = np.zeros(len(units), bool)
    part[order[: max(1, round(fraction * len(order)))]] = True
    return part


def _read(path: Path, recording: xr.Dataset, place: str) -> pd.DataFrame:
    """The table's row of every unit, in the order of the recording; empty where it has none."""
    try:
        table = pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError.at(
            f"{place}.table", found=f'"{path}" ({error})', expected="a TSV or CSV with the column unit_id"
        ) from None
    if "unit_id" not in table:
        found = f"{path} without the column unit_id"
        raise UserError.at(f"{place}.table", found=found, expected="a TSV or CSV that has it")
    if "recording" in table:
        table = table[table["recording"] == recording.attrs["recording"]]
    if table["unit_id"].duplicated().any():
        twice = table["unit_id"][table["unit_id"].duplicated()].iloc[0]
        raise UserError.at(f"{place}.table", found=f"unit {twice} twice in {path}", expected="one row for each unit")
    unit_id = recording["unit_id"].values.astype(str)
    return table.set_index("unit_id", drop=False).reindex(unit_id)


def _column(columns: Mapping[str, Array], name: str, place: str, recording: xr.Dataset) -> Array:
    if name not in columns:
        raise UserError.at(
            f"{place}.{name}",
            found="a column that is not known",
            expected=f"a column of the units of recording {recording.attrs['recording']} or of the table: "
            + ", ".join(columns),
            todo=did_you_mean(name, columns),
        )
    return columns[name]


def _equal(values: Array, value: Any) -> Array:
    """Where a column holds a value: as a number where both are numbers, else as text."""
    text = np.array([str(one) for one in values]) == str(value)
    if isinstance(value, (int, float)):
        text |= pd.to_numeric(pd.Series(values), errors="coerce").to_numpy() == float(value)
    return text


def _values_of(columns: Mapping[str, Array], where: Mapping[str, Any]) -> str:
    """What the named columns hold, for a user whose choice was empty."""
    parts = []
    for name in where:
        known = sorted({str(value) for value in columns[name]})
        parts.append(f"{name} holds {', '.join(known[:8])}{' and more' if len(known) > 8 else ''}")
    return "; ".join(parts)
