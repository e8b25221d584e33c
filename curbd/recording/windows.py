"""The time windows of a recording that are used: trials from an interval table, or blocks of continuous data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.recording.binning import ROUNDING_BINS
from curbd.recording.blocks import blocks_of
from curbd.recording.cells import cell_text, column_of, matching_rows, numbers
from curbd.recording.trials import TimeAxis, Trials
from curbd.recording.window_checks import are_relative, beside_notes, clock_hint, condition_notes, window_notes
from curbd.settings.recording import Windows

EMPTY_CONDITION = "none"
"""Condition of a trial whose cell in the condition column is empty."""


def are_cut(settings: Windows) -> bool:
    """Return whether every interval is cut into blocks, and not taken as one trial."""
    return settings.table is None or settings.continuous


def trials_of(table: pd.DataFrame, name: str, settings: Windows, axis: TimeAxis, where: str) -> Trials:
    """Convert the rows of an interval table to trials on integer bins, or cut them into blocks.

    A single interval is always cut, so that some blocks can be held out.

    Parameters
    ----------
    table : one row per interval, with ``start_time`` and ``stop_time`` in seconds.
    name : name of the table, for messages.
    settings : which rows to use, the event to align to, start and stop of the window, and length of blocks and gaps.
    axis : the time of the recording.
    where : the recording, for messages.

    Returns
    -------
    The trials.

    Raises
    ------
    UserError : a column does not exist, no row is left, all windows lie outside the recording, or the data are too
        short for two blocks.
    """
    if not len(table):
        raise UserError.at(
            f"{where}: windows.table",
            found=f"{name}, a table without rows",
            expected="a row for every trial",
            todo="name another table, or none (windows.table: null), so that the whole recording is cut into blocks",
        )
    span_s, dt_s, continuous = axis.span_s, axis.dt_s, are_cut(settings)
    rows = table[matching_rows(table, f"{where}: windows.select, table {name}", settings.select)].reset_index(drop=True)
    bounds = _bounds(rows, settings, name, where)
    positive, notes = _positive(bounds, settings, name, dt_s)
    outside = _outside(bounds, axis, continuous) & positive
    if continuous:
        bounds = bounds._replace(start=np.maximum(bounds.start, span_s[0]), stop=np.minimum(bounds.stop, span_s[1]))
    used = positive & ~outside
    if outside.any() and not used.any():
        raise _all_outside(bounds.of_rows(positive), span_s, f"{where}: windows, table {name}")
    notes += _left_out(outside, name, f"outside the recording ({span_s[0]:g} to {span_s[1]:g} s)")
    if not used.any():
        raise UserError.at(
            f"{where}: windows, table {name}",
            found=f"no window that can be used ({' '.join(notes)})",
            expected="at least one window that lies inside the recording and is longer than one bin",
            todo="check windows.align, and windows.start_s, windows.stop_s and bin_width_s, which are in seconds",
        )
    notes += condition_notes(rows, used, settings.conditions, name)
    align, start, stop = bounds.of_rows(used)
    notes += window_notes(start, stop, name, dt_s)
    notes += beside_notes(rows[used], start, stop, name)
    rows = rows[used].reset_index(drop=True)

    if continuous or len(rows) == 1:
        if not continuous:
            start = np.maximum(start, span_s[0])
            notes.append(f"{name}: the only trial is cut into blocks, so that some can be held out.")
        return replace(blocks_of(rows, start, stop, axis, settings, name, where), notes=tuple(notes))
    first = np.ceil((start - align) / dt_s - ROUNDING_BINS).astype(int)
    last = np.floor((stop - align) / dt_s + ROUNDING_BINS).astype(int)
    # A window that is not aligned with the bins may hold no whole bin; such a trial gets one bin.
    last = np.maximum(last, first + 1)
    return Trials(zero_s=align, first=first, last=last, dt_s=dt_s, columns=rows, notes=tuple(notes))


class _Bounds(NamedTuple):
    """Times of the windows, in seconds, NaN where a row has no time.

    Attributes
    ----------
    align : (row,) time of the event to align to.
    start, stop : (row,) start and stop of the window.
    """

    align: np.ndarray
    start: np.ndarray
    stop: np.ndarray

    def of_rows(self, rows: np.ndarray) -> _Bounds:
        """Select rows by mask."""
        return _Bounds(*(times[rows] for times in self))


def _positive(bounds: _Bounds, settings: Windows, name: str, dt_s: float) -> tuple[np.ndarray, list[str]]:
    """(row,) whether a window has times and holds at least one bin; sentences on windows that do not."""
    length_s = bounds.stop - bounds.start
    happened = np.isfinite(bounds.align) & np.isfinite(bounds.start) & np.isfinite(bounds.stop)
    backwards = happened & (length_s < 0)
    positive = happened & (length_s >= dt_s * (1 - ROUNDING_BINS))
    times = " or ".join(dict.fromkeys([settings.align, "start_time", "stop_time"]))
    durations = "; are the numbers in stop_time durations" if 2 * backwards.sum() > happened.sum() else ""
    return positive, [
        *_left_out(~happened, name, f"without a time in {times}"),
        *_left_out(backwards, name, f"which end before they start{durations}"),
        *_left_out(happened & ~positive & ~backwards, name, f"shorter than one bin of {dt_s:g} s"),
    ]


def _outside(bounds: _Bounds, axis: TimeAxis, continuous: bool) -> np.ndarray:
    """(row,) whether a window lies too far outside the recording to be used.

    Of an interval that is cut into blocks, any part inside the recording is used. A trial that ends after the recording
    has missing bins. A trial that starts before the recording, or has less than half of its length inside, is not used.
    A recording of few spikes begins some time before its first spike.

    Parameters
    ----------
    bounds : times of the windows.
    axis : the time of the recording.
    continuous : whether the intervals are cut into blocks.
    """
    span_s, start, stop = axis.span_s, bounds.start, bounds.stop
    if continuous:
        return np.asarray((stop <= span_s[0]) | (start >= span_s[1]))
    before = start < span_s[0] - max(axis.dt_s * (1 + ROUNDING_BINS), axis.silence_s)
    inside_s = np.minimum(stop, span_s[1]) - np.where(axis.silence_s > axis.dt_s, np.maximum(start, span_s[0]), start)
    return np.asarray(before | (inside_s < (stop - start) / 2))


def _all_outside(bounds: _Bounds, span_s: tuple[float, float], where: str) -> UserError:
    """The error about windows that all lie outside the recording, with a hint at the clock of their table."""
    first, last = bounds.start.min(), bounds.stop.max()
    hint = clock_hint(first, last, span_s)
    return UserError.at(
        where,
        found=f"time windows from {first:g} to {last:g} s",
        expected=f"time windows inside the recording, {span_s[0]:g} to {span_s[1]:g} s",
        todo="check windows.start_s and windows.stop_s, which are in seconds, and the clock of the table"
        + (f": {hint}" if hint else ""),
    )


def times_of(table: pd.DataFrame, column: str, where: str) -> np.ndarray:
    """Return the times (row,) in a column of a table of trials, in seconds; NaN in rows without a time.

    Parameters
    ----------
    table : one row per trial.
    column : name of the column.
    where : the setting, for messages.

    Raises
    ------
    UserError : the table has no such column, no row holds a time, or a row holds several.
    """
    cells = column_of(table, column, where)
    several = [cell for cell in cells if isinstance(cell, str) and np.isfinite(numbers(cell.split(","))).sum() > 1]
    if several:
        raise UserError.at(
            f"{where}, column {column}",
            found=f"several times in {len(several)} of {len(cells)} rows, such as {several[0]}",
            expected="one time in seconds, or none, in every row",
            todo="write the wanted time of every row into a column of its own",
        )
    times = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float)
    if len(times) and not np.isfinite(times).any():
        raise UserError.at(f"{where}, column {column}", found="no number in any row", expected="times in seconds")
    return times


def conditions(columns: pd.DataFrame, wanted: Sequence[str], where: str) -> np.ndarray:
    """Return the condition of each trial: ``all``, the value of one column, or ``a=1, b=x`` for several columns.

    Parameters
    ----------
    columns : the trial columns, one row per trial.
    wanted : names of the columns whose combination is the condition.
    where : the recording, for messages.

    Returns
    -------
    (trial,) conditions.

    Raises
    ------
    UserError : one of the columns does not exist.
    """
    if not wanted:
        return np.full(len(columns), "all", dtype=object)
    texts = {
        name: [cell_text(cell) or EMPTY_CONDITION for cell in column_of(columns, name, f"{where}: windows.conditions")]
        for name in wanted
    }
    if len(wanted) == 1:
        return np.array(texts[wanted[0]], dtype=object)
    joined = [", ".join(f"{name}={texts[name][row]}" for name in wanted) for row in range(len(columns))]
    return np.array(joined, dtype=object)


def _bounds(rows: pd.DataFrame, settings: Windows, name: str, where: str) -> _Bounds:
    """The times of the windows, in the order of the rows."""
    if settings.start_s is not None and settings.stop_s is not None and settings.start_s >= settings.stop_s:
        raise UserError.at(
            f"{where}: windows.stop_s",
            found=f"{settings.stop_s:g}",
            expected=f"more than windows.start_s, {settings.start_s:g}",
        )
    align = times_of(rows, settings.align, f"{where}: windows.align, table {name}")
    if are_relative(rows, settings.align):
        raise UserError.at(
            f"{where}: windows.align, table {name}",
            found=f"times {np.nanmin(align):g} to {np.nanmax(align):g} in {settings.align}, which lie outside of their"
            " trials and would fit as times from start_time",
            expected="times on the clock of the recording, as start_time and stop_time",
            todo=f"write start_time + {settings.align} into the file as another column, and align to that column",
        )
    in_table = f"{where}: table {name}"
    start = times_of(rows, "start_time", in_table) if settings.start_s is None else align + settings.start_s
    stop = times_of(rows, "stop_time", in_table) if settings.stop_s is None else align + settings.stop_s
    return _Bounds(align, start, stop)


def _left_out(rows: np.ndarray, name: str, why: str) -> list[str]:
    return [f"{name}: {int(rows.sum())} of {len(rows)} rows are left out, {why}."] if rows.any() else []
