"""Result tables as the pages of the report show them, and the format of their cells."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curbd.report.wording import number_text
from curbd.tables import TABLES
from curbd.tables.column import ABOUT, SESSION_COLUMNS

MAX_TABLE_ROWS = 20
"""Largest number of rows of a table on a page; the files hold all rows."""


class Grid(NamedTuple):
    """A result table as the page shows it.

    Attributes
    ----------
    headings : heading and meaning of every column.
    rows : cells as strings.
    omitted : number of rows that the page leaves out.
    file : name of the file that holds all rows.
    """

    headings: list[tuple[str, str]]
    rows: list[list[str]]
    omitted: int
    file: str


def grid(name: str, rows: pd.DataFrame, leave_out: tuple[str, ...] = ()) -> Grid:
    """Format the rows of a result table for the page, with the meaning of every column in its heading.

    Columns without a value in any row are left out.

    Parameters
    ----------
    name : name of the table.
    rows : the rows.
    leave_out : columns that the page does not show.

    Returns
    -------
    Headings and cells.
    """
    meanings = {column.name: column.meaning for column in TABLES[name].columns}
    names_of_sessions = [column.name for column in SESSION_COLUMNS]
    columns = [
        column
        for column in rows.columns
        if column not in (*leave_out, *names_of_sessions)
        and not str(column).startswith(ABOUT)
        and (rows[column].notna() & (rows[column] != "")).any()
    ]
    shown = rows[columns].head(MAX_TABLE_ROWS)
    cells = [[_cell(value) for value in line] for line in shown.itertuples(index=False)]
    headings = [(column.replace("_", " "), meanings.get(column, "")) for column in columns]
    return Grid(headings=headings, rows=cells, omitted=len(rows) - len(shown), file=TABLES[name].file)


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return number_text(float(value), 3)
    return str(value)
