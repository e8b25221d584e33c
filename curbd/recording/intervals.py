"""The interval table whose rows become trials or are cut into blocks."""

from __future__ import annotations

import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.cells import numbers
from curbd.recording.recording_file import RecordingFile
from curbd.settings.recording import Windows


def chosen_intervals(
    file: RecordingFile, windows: Windows, columns: pd.DataFrame, span_s: tuple[float, float], where: str
) -> tuple[str, pd.DataFrame]:
    """Choose the interval table of the settings; without one, a single row for the whole recording.

    Parameters
    ----------
    file : the opened file.
    windows : name of the table, and the unit of its times.
    columns : one row, with what is known about the whole recording.
    span_s : first and last time of the recording in seconds.
    where : the recording, for messages.

    Returns
    -------
    The name of the table, for messages, and its rows with ``start_time`` and ``stop_time`` in seconds.

    Raises
    ------
    UserError : the table does not exist or cannot be used, or the settings name columns of a table and no table.
    """
    name = windows.table
    if name is None:
        _require_no_table(file, windows, columns, where)
        return "the whole recording", columns.assign(start_time=span_s[0], stop_time=span_s[1])
    tables = file.intervals
    if name in file.left_out:
        raise UserError.at(
            f"{where}: windows.table",
            found=f"the interval table {name!r}, which cannot be used: {file.left_out[name]}",
            expected="a table with start_time and stop_time as numbers, in seconds",
            todo="write the times of this table as numbers, in seconds",
        )
    if name not in tables:
        rows = ", ".join(f"{table_name} ({len(table)} rows)" for table_name, table in sorted(tables.items()))
        raise UserError.at(
            f"{where}: windows.table",
            found=f"unknown interval table {name!r}",
            expected=f"one of {rows}" if rows else "null, because the file has no interval table",
            todo=did_you_mean(name, tables),
        )
    return name, _in_seconds(tables[name], windows)


def _require_no_table(file: RecordingFile, windows: Windows, columns: pd.DataFrame, where: str) -> None:
    """See that no setting of the windows needs an interval table if none is chosen.

    Raises
    ------
    UserError : ``windows.align`` or ``windows.conditions`` name columns of an interval table of the file.
    """
    missing = {windows.align, *windows.conditions} - {*map(str, columns), "start_time", "stop_time"}
    for table_name, table in sorted(file.intervals.items()):
        if missing and missing <= set(map(str, table.columns)):
            raise UserError.at(
                f"{where}: windows.table",
                found=f"null, although {', '.join(sorted(missing))} of windows.align or windows.conditions is a column "
                f"of the interval table {table_name}",
                expected="the name of an interval table",
                todo=f"set windows.table: {table_name}",
            )


def _in_seconds(table: pd.DataFrame, windows: Windows) -> pd.DataFrame:
    """An interval table with its times in seconds, if the settings give the unit of these times."""
    if windows.time_unit_s is None:
        return table
    times = [
        column
        for column in table.columns
        if str(column).endswith("_time") or column in ("start_time", "stop_time", windows.align)
    ]
    return table.assign(**{column: numbers(list(table[column])) * windows.time_unit_s for column in times})
