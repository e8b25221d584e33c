"""Cells and columns of the tables in a file: conversion to text, region labels, and rows chosen by their cells."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean

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
"""Texts that mean that a unit has no region label, in upper or lower case, with blanks or underscores."""
YES_TEXTS = {
    *("true", "t", "yes", "y", "1", "1.0", "accepted", "accept", "cell", "is cell", "good", "keep", "kept", "valid"),
}
"""Texts that mean yes, in upper or lower case."""
NO_TEXTS = {
    *("false", "f", "no", "n", "0", "0.0", "rejected", "reject", "not a cell", "not cell", "notcell", "non cell"),
    *("noncell", "bad", "exclude", "excluded", "noise", "artifact", "artefact", "invalid", "discard", "discarded"),
}
"""Texts that mean no, in upper or lower case."""


def as_text(value: Any) -> str:
    """Text of any cell: bytes decoded, Unicode in composed form (NFC), outer blanks removed, missing values empty."""
    if isinstance(value, bytes | np.bytes_):
        value = value.decode("utf-8", errors="replace")
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    return unicodedata.normalize("NFC", str(value)).replace("\x00", "").strip()


def region_label(value: Any) -> str:
    """A region label as text; '' for a text that means that there is no label (`NO_LABEL_TEXTS`)."""
    text = as_text(value)
    return "" if text.casefold().replace("_", " ") in NO_LABEL_TEXTS else text


def flag(value: Any) -> bool | None:
    """Yes or no from a flag, a number or a text; None where the cell does not say."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | float | np.number):
        return None if np.isnan(value) else bool(value)
    text = as_text(value).casefold().replace("_", " ").replace("-", " ")
    return True if text in YES_TEXTS else False if text in NO_TEXTS else None


def numbers(cells: Sequence[Any]) -> np.ndarray:
    """(row,) cells as numbers; NaN for a cell that holds no number."""
    texts = pd.Series([as_text(cell) if isinstance(cell, str | bytes) else cell for cell in cells], dtype=object)
    return pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float)


def matching_rows(table: pd.DataFrame, where: str, wanted: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """Mask of the rows whose cells hold wanted values.

    A cell that holds a list (text with commas, ``a, b``) matches when any of its items is wanted.

    Parameters
    ----------
    table : trials or intervals.
    where : the setting, for messages.
    wanted : column -> values, one of which the cell must hold; a row must match in every column.

    Returns
    -------
    (row,) bool.

    Raises
    ------
    UserError : an unknown column, or no matching row.
    """
    keep = np.ones(len(table), dtype=bool)
    for column, values in wanted.items():
        cells = column_of(table, column, where)
        allowed = {cell_text(value) for value in values}
        keep &= np.array([bool(allowed & {cell_text(cell), *_items(cell)}) for cell in cells], dtype=bool)
        if not keep.any():
            present = sorted({item for cell in cells for item in _items(cell)})
            raise UserError.at(
                f"{where}, column {column}",
                found=f"no row left with {', '.join(sorted(allowed))}",
                expected=f"values among {', '.join(present[:20])}" + (" ..." if len(present) > 20 else ""),
            )
    return keep


def column_of(table: pd.DataFrame, column: str, where: str) -> pd.Series[Any]:
    """A column of a table of trials or intervals.

    Raises
    ------
    UserError : the table has no such column.
    """
    if column not in table:
        raise UserError.at(
            where,
            found=f"unknown column {column!r}",
            expected=f"one of {', '.join(map(str, table.columns)) or 'none: these trials have no columns'}",
            todo=did_you_mean(column, map(str, table.columns)),
        )
    return table[column]


def cell_text(cell: Any) -> str:
    """Text of a cell for comparisons: 1 and 1.0 give the same text, and missing values and NaN an empty one."""
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    if isinstance(cell, int | float | np.number):
        return "" if np.isnan(cell) else f"{cell:.12g}"
    return as_text(cell)


def _items(cell: Any) -> list[str]:
    """Items of a cell; the readers of files join the items of a list with commas."""
    return [item.strip() for item in cell_text(cell).split(",") if item.strip()]
