"""Selection of the units on which an intervention acts: by name, by columns, by a table, or a random subset."""

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
MAX_LISTED_VALUES = 8
"""Largest number of values of a column that a message lists."""


def selected(recording: xr.Dataset, intervention: Intervention, where: str) -> Array:
    """Select the units that the keys `units`, `where`, `between` and `table` of an intervention describe.

    Parameters
    ----------
    recording : the recording.
    intervention : settings of the intervention.
    where : place of the intervention in the config, for messages.

    Returns
    -------
    (unit,) bool, True for selected units, at least one.

    Raises
    ------
    UserError : an unknown unit or column, a table that cannot be read, or no unit that meets all conditions.
    """
    unit_id = recording["unit_id"].values.astype(str)
    chosen = np.ones(len(unit_id), bool)
    columns = {str(name): values.values for name, values in recording.coords.items() if values.dims == ("unit",)}
    if intervention.units:
        unknown = sorted(set(intervention.units) - set(unit_id))
        if unknown:
            raise UserError.at(
                f"{where}.units",
                found=f'"{unknown[0]}"',
                expected=f"unit_ids of recording {recording.attrs['recording']}",
                todo=did_you_mean(unknown[0], unit_id) or "the file units.csv lists the units of the recording",
            )
        chosen &= np.isin(unit_id, intervention.units)
    if intervention.table is not None:
        listed = _read(Path(intervention.table), recording, where)
        columns |= {str(name): values.to_numpy() for name, values in listed.items()}
        chosen &= np.isin(unit_id, listed.index[listed["unit_id"].notna()])
    for name, accepted in intervention.where.items():
        values = _column(columns, name, f"{where}.where", recording)
        no_unit = np.zeros(len(values), bool)
        chosen &= np.logical_or.reduce([_equal(values, value) for value in accepted] or [no_unit])
    for name, (low, high) in intervention.between.items():
        values = _column(columns, name, f"{where}.between", recording)
        chosen &= pd.to_numeric(pd.Series(values), errors="coerce").between(low, high).to_numpy()
    if not chosen.any():
        keys = [key for key in ("units", "where", "between", "table") if getattr(intervention, key)]
        raise UserError.at(
            f"{where}.{keys[-1]}" if keys else where,
            found=f"no unit of recording {recording.attrs['recording']} that meets all conditions",
            expected="at least one unit",
            todo=_values_of(columns, intervention.where),
        )
    return chosen


def random_subset(units: Array, fraction: float, seed: int) -> Array:
    """Draw a random subset of units; subsets with one seed are nested, larger subsets containing smaller ones.

    Parameters
    ----------
    units : (unit,) bool, True for the units to choose from.
    fraction : share of these units that is chosen, above 0 and at most 1.
    seed : seed for the choice.

    Returns
    -------
    (unit,) bool, True for chosen units, at least one.
    """
    order = np.random.default_rng(seed).permutation(np.flatnonzero(units))
    subset = np.zeros(len(units), bool)
    subset[order[: max(1, round(fraction * len(order)))]] = True
    return subset


def _read(path: Path, recording: xr.Dataset, where: str) -> pd.DataFrame:
    """Read a table, one row per unit in the order of the recording; rows of units that it does not list are empty."""
    try:
        table = pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError.at(
            f"{where}.table",
            found=f'"{path}" ({error})',
            expected="a TSV or CSV file with the column unit_id",
            todo="check the path; relative paths are resolved from the working directory",
        ) from None
    if "unit_id" not in table:
        raise UserError.at(
            f"{where}.table",
            found=f"{path} without the column unit_id",
            expected="a TSV or CSV file with the column unit_id",
            todo="rename the column that contains the names of the units to unit_id",
        )
    if "recording" in table:
        table = table[table["recording"] == recording.attrs["recording"]]
    if table["unit_id"].duplicated().any():
        duplicate = table["unit_id"][table["unit_id"].duplicated()].iloc[0]
        raise UserError.at(
            f"{where}.table",
            found=f"unit {duplicate} twice in {path}",
            expected="one row per unit",
            todo="remove the repeated rows or, if they belong to several recordings, add a column recording",
        )
    unit_id = recording["unit_id"].values.astype(str)
    return table.set_index("unit_id", drop=False).reindex(unit_id)


def _column(columns: Mapping[str, Array], name: str, where: str, recording: xr.Dataset) -> Array:
    """Return the values (unit,) of a column of the units or of the table."""
    if name not in columns:
        raise UserError.at(
            f"{where}.{name}",
            found="an unknown column",
            expected=f"a column of the units of recording {recording.attrs['recording']} or of the file given by the "
            "key `table`: " + ", ".join(columns),
            todo=did_you_mean(name, columns),
        )
    return columns[name]


def _equal(values: Array, value: Any) -> Array:
    """Return a mask of the entries of a column that equal a value, compared as numbers if possible, else as strings."""
    equal = np.array([str(entry) for entry in values]) == str(value)
    if isinstance(value, (int, float)):
        equal |= pd.to_numeric(pd.Series(values), errors="coerce").to_numpy() == float(value)
    return equal


def _values_of(columns: Mapping[str, Array], where: Mapping[str, Any]) -> str:
    """List the values of the columns of a condition, for a user whose condition no unit meets."""
    texts = []
    for name in where:
        values = sorted({str(value) for value in columns[name]})
        more = ", ..." if len(values) > MAX_LISTED_VALUES else ""
        texts.append(f"{name} holds {', '.join(values[:MAX_LISTED_VALUES])}{more}")
    return "; ".join(texts)
