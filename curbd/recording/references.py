"""References into the tables of a file, checked so that a row that a table does not have is never used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MAX_NAMES_LISTED = 5
"""Up to this number of units are named in a sentence about references."""


class References(NamedTuple):
    """References into a table, after they were checked.

    Attributes
    ----------
    rows : for each referring row, the rows of the table to which it refers; references to rows that do not exist are
        left out.
    notes : sentences on references that are left out.
    problem : why the references of the column cannot be used; '' if they can. If there is a problem, `rows` is empty
        for every referring row.
    """

    rows: list[list[int]]
    notes: list[str]
    problem: str


def checked_references(
    references: Sequence[Sequence[int]], n_rows: int, column: str, table: str, names: Sequence[str] | None = None
) -> References:
    """Remove references to rows that a table does not have, and detect columns that count rows from 1.

    A negative reference means that there is no row. A column that never refers to row 0 and whose largest reference is
    the number of rows counts from 1: each of its references would lead to the wrong, neighbouring row, so that none is
    used.

    Parameters
    ----------
    references : for each referring row (a unit), its references as the file holds them.
    n_rows : number of rows of the table.
    column : name of the referring column, for sentences.
    table : name of the table, for sentences.
    names : names of the referring rows; None uses their indices.

    Returns
    -------
    The references that can be used.
    """
    names = [str(row) for row in range(len(references))] if names is None else names
    flat = np.array([row for of_unit in references for row in of_unit], dtype=np.int64)
    if not flat.size or (flat.min() >= 0 and flat.max() < n_rows):
        return References([list(map(int, of_unit)) for of_unit in references], [], "")
    has = f"the table {table} has {n_rows} rows, 0 to {n_rows - 1}" if n_rows else f"the table {table} has no rows"
    positive = flat[flat >= 0]
    if n_rows and positive.size and positive.min() >= 1 and positive.max() == n_rows:
        unit = next(index for index, of_unit in enumerate(references) if n_rows in of_unit)
        problem = (
            f"{column} refers to row {n_rows} (unit {names[unit]}), but {has}; no reference is 0, so that the column"
            " probably counts rows from 1 (subtract 1 in the file)"
        )
        return References([[] for _ in references], [], problem)
    notes = []
    for wrong, what in ((flat < 0, "means that there is none"), (flat >= n_rows, "does not exist")):
        if wrong.any():
            example = int(flat[wrong][0])
            wrong_rows = set(flat[wrong].tolist())
            units = [names[index] for index, of_unit in enumerate(references) if wrong_rows & set(of_unit)]
            notes.append(
                f"{column}: {len(units)} of {len(references)} rows (unit {_some(units)}) refer to row {example}, which"
                f" {what}: {has}. These references are not used."
            )
    return References([[int(row) for row in of_unit if 0 <= row < n_rows] for of_unit in references], notes, "")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES_LISTED]) + (", ..." if len(names) > MAX_NAMES_LISTED else "")
