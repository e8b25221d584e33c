"""Result tables as files: checked before they are written, and read with the types of their columns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.storage.whole_files import whole_file
from curbd.tables.catalog import TABLES
from curbd.tables.column import ABOUT, SESSION_COLUMNS, Column
from curbd.tables.fits import UNIT_SCORES

ROUNDING = 1e-9
"""Amount by which a number may lie outside its limits, because of rounding."""


def problems(name: str, table: pd.DataFrame) -> list[str]:
    """Find every difference between a table and its description.

    Parameters
    ----------
    name : name of the table in `TABLES`.
    table : the rows.

    Returns
    -------
    One line per difference; empty if the table matches its description.
    """
    schema = TABLES[name]
    differences: list[str] = []
    missing = [c.name for c in schema.columns if not c.optional and c.name not in table]
    scores = tuple(f"{score}:" for score in UNIT_SCORES) if name == "units" else ()
    carried = {column.name for column in SESSION_COLUMNS} if schema.names_sessions else set()
    starts = (*scores, ABOUT) if schema.names_sessions else scores
    unknown = [c for c in table.columns if c not in schema.names and c not in carried and not str(c).startswith(starts)]
    if missing:
        differences.append(f"columns missing: {', '.join(missing)}")
    if unknown:
        differences.append(f"columns unknown: {', '.join(map(str, unknown))}")
    for column in schema.columns:
        if column.name in table:
            differences += [f"{column.name}: {text}" for text in _column_problems(column, table[column.name])]
    key = [column for column in schema.key if column in table]
    if not missing and table.duplicated(key).any():
        differences.append(f"rows with the same {', '.join(key)}")
    return differences


def _column_problems(column: Column, values: pd.Series[Any]) -> Iterable[str]:
    empty = values.isna() | (values.astype(str) == "") if column.kind == "text" else values.isna()
    if empty.any() and not column.empty:
        yield f"{int(empty.sum())} empty cells"
    present = values[~empty]
    if not len(present):
        return
    if column.kind == "text":
        if column.values and not present.isin(column.values).all():
            yield f"values other than {', '.join(column.values)}"
    elif column.kind == "flag":
        if not present.isin([True, False]).all():
            yield "values other than true and false"
    elif not pd.api.types.is_numeric_dtype(present):
        yield f"{present.dtype} where numbers are expected"
    else:
        if column.kind == "integer" and (present != np.floor(present)).any():
            yield "numbers that are not whole"
        if np.isinf(present).any():
            yield "infinite numbers"
        # Rounding may move a share or a correlation slightly past its limit.
        if (present < column.low - ROUNDING).any() or (present > column.high + ROUNDING).any():
            yield f"numbers outside [{column.low:g}, {column.high:g}]"


def write(name: str, table: pd.DataFrame, path: Path | str) -> None:
    """Check a table, put its columns and rows into the order of its description, and write it.

    Parameters
    ----------
    name : name of the table in `TABLES`.
    table : the rows.
    path : path of the file; a reader never sees an incomplete file.

    Raises
    ------
    ValueError : the table does not match its description; nothing is written.
    """
    differences = problems(name, table)
    if differences:
        raise ValueError(f"{TABLES[name].file}: " + "; ".join(differences))
    schema = TABLES[name]
    extra = sorted(c for c in table.columns if c not in schema.names)
    ordered = table[[c for c in schema.names if c in table] + extra]
    ordered = ordered.sort_values([column for column in schema.key if column in ordered], kind="stable")
    for column in schema.columns:
        if column.kind == "integer" and column.name in ordered:
            ordered[column.name] = ordered[column.name].astype("Int64" if column.empty else "int64")
    with whole_file(path) as temporary:
        if schema.file.endswith(".parquet"):
            ordered.to_parquet(temporary, index=False)
        else:
            ordered.to_csv(temporary, index=False, lineterminator="\n")


def read(name: str, path: Path | str) -> pd.DataFrame:
    """Read a table with the types of its columns; labels stay strings, because a region may be called NA or 007.

    Parameters
    ----------
    name : name of the table in `TABLES`.
    path : path of the file.

    Returns
    -------
    The rows of the table.

    Raises
    ------
    UserError : the file does not exist.
    """
    schema = TABLES[name]
    if not Path(path).is_file():
        raise UserError.at(
            str(path), found="no such file", expected=f"the table {schema.file}, as a step of this workflow writes it"
        )
    if schema.file.endswith(".parquet"):
        return pd.read_parquet(path)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    kinds = {column.name: column.kind for column in (*schema.columns, *SESSION_COLUMNS)}
    for column in table.columns:
        kind = kinds.get(column, "text" if column.startswith(ABOUT) else "number")
        if kind == "flag":
            table[column] = table[column] == "True"
        elif kind == "integer":
            numbers = pd.to_numeric(table[column].replace("", np.nan))
            table[column] = numbers.astype("Int64") if numbers.isna().any() else numbers.astype("int64")
        elif kind == "number":
            table[column] = pd.to_numeric(table[column].replace("", np.nan)).astype(float)
    return table


def concatenate(name: str, paths: Iterable[Path | str]) -> pd.DataFrame:
    """Join the files of a table that the steps of a run wrote.

    An optional column is empty in the rows from a file that lacks the column.
    """
    tables = [table for table in (read(name, path) for path in paths) if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else empty(name)


def empty(name: str) -> pd.DataFrame:
    """Return a table without rows, with all columns that are not optional."""
    return pd.DataFrame(columns=[column.name for column in TABLES[name].columns if not column.optional])
