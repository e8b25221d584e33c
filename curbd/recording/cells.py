"""Cells and columns of the tables in a file: conversion to strings, region labels, and selection of rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean

MAX_NUMBERS_IN_CELL = 8
"""Cells with more numbers are data, such as waveforms, and not properties of a unit or of a trial."""
NO_LABEL_TEXTS = {
    *(
        "",
        "unknown",
        "none",
        "root",
        "nan",
        "n/a",
        "void",
        "null",
        "nil",
        "-",
        "--",
        "?",
        "{}",
        "[]",
        "missing",
        "noarea",
    ),
    *("no area", "no region", "no label", "unassigned", "not assigned", "undefined", "undetermined", "unspecified"),
    *("not specified", "unlabeled", "unlabelled", "not available", "not recorded", "grey", "gray", "tbd"),
    *(
        "missing",
        "outside",
        "outside brain",
        "outside of brain",
        "out of brain",
        "-1",
        "-1.0",
        "-999",
        "-999.0",
        "-9999",
    ),
}
"""Strings that mean that a unit has no region label, regardless of case; underscores count as blanks."""
YES_TEXTS = {
    *("true", "t", "yes", "y", "1", "1.0", "accepted", "accept", "cell", "is cell", "good", "keep", "kept", "valid"),
}
"""Strings that mean yes, regardless of case."""
NO_TEXTS = {
    *("false", "f", "no", "n", "0", "0.0", "rejected", "reject", "not a cell", "not cell", "notcell", "non cell"),
    *("noncell", "bad", "exclude", "excluded", "noise", "artifact", "artefact", "invalid", "discard", "discarded"),
}
"""Strings that mean no, regardless of case."""


def is_stored(data: Any) -> bool:
    """Return whether data are a dataset of an HDF5 file or of a Zarr folder, which may have attributes."""
    return hasattr(data, "attrs") and hasattr(data, "dtype")


def as_text(value: Any) -> str:
    """Convert any cell to a string: bytes are decoded, outer blanks removed; a missing value gives an empty string.

    Unicode is normalised to its composed form (NFC).
    """
    if isinstance(value, bytes | np.bytes_):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            # Programs that do not write UTF-8 write Latin-1, or its extension of Windows.
            value = value.decode("cp1252", errors="replace")
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    return unicodedata.normalize("NFC", str(value)).replace("\x00", "").strip()


def region_label(value: Any) -> str:
    """Convert a cell to a region label on one line; a string that means no label (`NO_LABEL_TEXTS`) gives ''."""
    text = " ".join(as_text(value).split())
    return "" if text.casefold().replace("_", " ") in NO_LABEL_TEXTS else text


def flag(value: Any) -> bool | None:
    """Read yes (True) or no (False) from a flag, a number or a string; None if the cell says neither."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | float | np.number):
        return None if np.isnan(value) else bool(value)
    text = as_text(value).casefold().replace("_", " ").replace("-", " ")
    return True if text in YES_TEXTS else False if text in NO_TEXTS else None


def numbers(cells: Sequence[Any]) -> np.ndarray:
    """Convert cells to numbers (row,); a cell that holds no number gives NaN."""
    texts = pd.Series([as_text(cell) if isinstance(cell, str | bytes) else cell for cell in cells], dtype=object)
    return pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float)


def matching_rows(table: pd.DataFrame, where: str, wanted: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """Select the rows of a table whose cells hold wanted values.

    A cell that holds a list (a string with commas, ``a, b``) matches if any of its items is wanted.

    Parameters
    ----------
    table : trials or intervals.
    where : the setting, for messages.
    wanted : column -> allowed values; a row must match in every column.

    Returns
    -------
    (row,) bool, True for matching rows.

    Raises
    ------
    UserError : the table lacks one of the columns, or no row matches.
    """
    keep = np.ones(len(table), dtype=bool)
    for column, values in wanted.items():
        cells = column_of(table, column, where)
        allowed = {cell_text(value) for value in values}
        keep &= np.array([bool(allowed & texts_of_cell(cell)) for cell in cells], dtype=bool)
        if not keep.any():
            present = sorted({item for cell in cells for item in _items(cell)})
            raise UserError.at(
                f"{where}, column {column}",
                found=f"no row with {', '.join(sorted(allowed))}",
                expected=f"one of the values {', '.join(present[:20])}" + (" ..." if len(present) > 20 else ""),
            )
    return keep


def column_of(table: pd.DataFrame, column: str, where: str) -> pd.Series[Any]:
    """Return a column of a table of trials or intervals.

    Parameters
    ----------
    table : trials or intervals.
    column : name of the column.
    where : the setting, for messages.

    Returns
    -------
    The cells of the column.

    Raises
    ------
    UserError : the table has no such column.
    """
    if column not in table:
        raise UserError.at(
            where,
            found=f"unknown column {column!r}",
            expected=f"one of {', '.join(map(str, table.columns))}"
            if len(table.columns)
            else "no column, because there is none",
            todo=did_you_mean(column, map(str, table.columns)),
        )
    return table[column]


def joined(cells: Sequence[Any] | np.ndarray) -> str:
    """Return several values as one cell, with commas between them."""
    return ", ".join(as_text(cell) for cell in np.ravel(cells))


def cell_text(cell: Any) -> str:
    """Convert a cell to a string for comparisons: 1 and 1.0 give the same string, and missing values an empty one."""
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    if isinstance(cell, int | float | np.number):
        return "" if np.isnan(cell) else f"{cell:.12g}"
    return as_text(cell)


def texts_of_cell(cell: Any) -> set[str]:
    """Return the strings by which a cell can be chosen: the whole cell, and each item of a cell that holds a list."""
    return {cell_text(cell), *_items(cell)}


def _items(cell: Any) -> list[str]:
    """Items of a cell; the readers of files join the items of a list with commas."""
    return [item.strip() for item in cell_text(cell).split(",") if item.strip()]
