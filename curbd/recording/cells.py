"""Cells and columns of the tables in a file, as text."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean

NO_LABEL = {"", "unknown", "none", "root", "nan", "n/a", "void"}
"""Texts that say that a unit has no region, whatever their case."""


def as_text(value: Any) -> str:
    """Text of any cell: bytes decoded, Unicode composed, blanks at the ends removed, missing values empty."""
    if isinstance(value, bytes | np.bytes_):
        value = value.decode("utf-8", errors="replace")
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    return unicodedata.normalize("NFC", str(value)).replace("\x00", "").strip()


def clean(value: Any) -> str:
    """A label as text; '' for whatever means that there is none (empty, unknown, none, root, nan, n/a, void)."""
    text = as_text(value)
    return "" if text.casefold() in NO_LABEL else text


def selected(table: pd.DataFrame, place: str, wanted: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """Mask of the rows whose columns hold one of the wanted values; a list (`a, b`) needs one of them.

    Raises
    ------
    UserError : an unknown column, or no row left.
    """
    keep = np.ones(len(table), dtype=bool)
    for column, values in wanted.items():
        cells = column_of(table, column, place)
        allowed = {said(value) for value in values}
        keep &= np.array([bool(allowed & {said(cell), *_parts(cell)}) for cell in cells], dtype=bool)
        if not keep.any():
            present = sorted({part for cell in cells for part in _parts(cell)})
            raise UserError.at(
                f"{place}, column {column}",
                found=f"no row left with {', '.join(sorted(allowed))}",
                expected=f"values among {', '.join(present[:20])}" + (" ..." if len(present) > 20 else ""),
            )
    return keep


def column_of(table: pd.DataFrame, column: str, place: str) -> pd.Series[Any]:
    """A column of a table of trials or intervals.

    Raises
    ------
    UserError : there is no such column.
    """
    if column not in table:
        raise UserError.at(
            place,
            found=f"unknown column {column!r}",
            expected=f"one of {', '.join(map(str, table.columns)) or 'none: these trials have no columns'}",
            todo=did_you_mean(column, map(str, table.columns)),
        )
    return table[column]


def said(cell: Any) -> str:
    """What a cell says as text: 1 and 1.0 are the same, nothing and NaN are empty."""
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    if isinstance(cell, int | float | np.number):
        return "" if np.isnan(cell) else f"{cell:.12g}"
    return as_text(cell)


def _parts(cell: Any) -> list[str]:
    """The items of a cell; readers join lists by commas."""
    return [part.strip() for part in said(cell).split(",") if part.strip()]
