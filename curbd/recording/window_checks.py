"""Remarks on the windows of an interval table as a whole, made before anything is binned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from curbd.recording.cells import cell_text

MAX_TIMES_MEDIAN = 10.0
"""Windows that are longer than this number of median lengths get a remark."""
PLACEHOLDER_TEXTS = {"-999", "-9999", "-99999", "n/a", "N/A", "NA", "nan", "NaN", "null", "missing"}
"""Values of a column that probably mean that there is no value."""
MIN_TIMES_JUDGED = 3
"""Fewer times do not tell whether they count from the start of the trial."""
MAX_VALUES_LISTED = 5
"""Up to this number of values of a condition are listed."""


def overlaps(start: np.ndarray, stop: np.ndarray, tolerance_s: float) -> np.ndarray:
    """Find the windows that share time with another window.

    Parameters
    ----------
    start : (window,) start of each window in seconds.
    stop : (window,) end of each window in seconds.
    tolerance_s : overlaps up to this time, in seconds, count as rounding errors.

    Returns
    -------
    (window,) bool, True for windows that share time.
    """
    order = np.lexsort((stop, start))
    latest = np.maximum.accumulate(stop[order])
    shares = np.zeros(len(start), dtype=bool)
    shares[1:] = start[order][1:] < latest[:-1] - tolerance_s
    later = np.minimum.accumulate(start[order][::-1])[::-1]
    # A window shares time with a later one if any later window starts before its end.
    before_end = np.zeros(len(start), dtype=bool)
    before_end[:-1] = later[1:] < stop[order][:-1] - tolerance_s
    result = np.zeros(len(start), dtype=bool)
    result[order] = shares | before_end
    return result


def window_notes(start: np.ndarray, stop: np.ndarray, name: str, dt_s: float) -> list[str]:
    """Return sentences on windows that share time, repeat, go back in time, or are much longer than the others.

    Parameters
    ----------
    start : (window,) start of each window in seconds, in the order of the table.
    stop : (window,) end of each window in seconds.
    name : name of the table.
    dt_s : bin width in seconds.

    Returns
    -------
    One sentence per remark.
    """
    notes: list[str] = []
    n_windows = len(start)
    if n_windows < 2:
        return notes
    sharing = overlaps(start, stop, 1e-3 * dt_s)
    if sharing.any():
        ordered = np.unique(start)
        apart = float(np.diff(ordered).min()) if ordered.size > 1 else 0.0
        text = f"{name}: {int(sharing.sum())} of {n_windows} windows share time with another window"
        repeats = n_windows - len(np.unique(np.column_stack([start, stop]), axis=0))
        if repeats:
            text += f"; {repeats} repeat an earlier window"
        length = float(np.median(stop - start))
        if dt_s < apart < length:
            text += (
                f"; they last {length:.4g} s and start {apart:.4g} s apart at least, so that windows of"
                f" {apart:.4g} s would not overlap (windows.start_s, windows.stop_s)"
            )
        notes.append(text + ".")
    back = np.flatnonzero(np.diff(start) < -dt_s)
    if back.size:
        row = int(back[0])
        notes.append(
            f"{name}: the windows go back in time {back.size} times, e.g. from {start[row]:.6g} to"
            f" {start[row + 1]:.6g} s; if the clock restarts there, write the times on one clock."
        )
    lengths = stop - start
    median = float(np.median(lengths))
    long_rows = np.flatnonzero(lengths > MAX_TIMES_MEDIAN * median)
    if median > 0 and long_rows.size:
        row = int(long_rows[np.argmax(lengths[long_rows])])
        notes.append(
            f"{name}: {long_rows.size} windows are more than {MAX_TIMES_MEDIAN:g} times as long as the median of"
            f" {median:.4g} s (the longest {lengths[row]:.6g} s, at {start[row]:.6g} s); windows.stop_s ends them."
        )
    return notes


def beside_notes(rows: pd.DataFrame, start: np.ndarray, stop: np.ndarray, name: str) -> list[str]:
    """Return a sentence on windows that lie wholly before or after their own trial.

    Parameters
    ----------
    rows : (window,) the rows of the table, with ``start_time`` and ``stop_time`` in seconds.
    start : (window,) start of each window in seconds.
    stop : (window,) end of each window in seconds.
    name : name of the table.

    Returns
    -------
    A list with one sentence, or an empty list.
    """
    bounds = rows[["start_time", "stop_time"]].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    begin, end = bounds.T
    beside = (start >= end) | (stop <= begin)
    if not beside.any():
        return []
    row = int(np.argmax(beside))
    return [
        f"{name}: {int(beside.sum())} of {len(rows)} windows lie outside of their own trial, e.g. {start[row]:.6g} to"
        f" {stop[row]:.6g} s for the trial from {begin[row]:.6g} to {end[row]:.6g} s (windows.start_s, windows.stop_s)."
    ]


def are_relative(table: pd.DataFrame, column: str) -> bool:
    """Return whether the times of a column probably count from the start of each trial.

    They do if most of them lie outside of their own trials, and all of them would lie inside as times from the start.

    Parameters
    ----------
    table : one row per trial, with ``start_time`` and ``stop_time`` in seconds.
    column : name of the column of times.
    """
    bounds = [pd.to_numeric(table[name], errors="coerce").to_numpy(float) for name in ("start_time", "stop_time")]
    times = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)
    start, stop, times = (cells[np.isfinite([*bounds, times]).all(axis=0)] for cells in (*bounds, times))
    if column in ("start_time", "stop_time") or len(times) < MIN_TIMES_JUDGED:
        return False
    outside = (times < start) | (times > stop)
    return bool(2 * outside.sum() > len(times) and (times >= 0).all() and (times <= stop - start).all())


def condition_notes(rows: pd.DataFrame, used: np.ndarray, wanted: Sequence[str], name: str) -> list[str]:
    """Return sentences on conditions without any window left, and on columns with a different value in every window.

    Parameters
    ----------
    rows : the rows of the table.
    used : (row,) bool, True if the window of the row is used.
    wanted : columns whose combination is the condition.
    name : name of the table.

    Returns
    -------
    One sentence per remark.
    """
    notes = []
    for column in wanted:
        if column not in rows:
            continue
        texts = np.array([cell_text(cell) or "none" for cell in rows[column]], dtype=object)
        gone = sorted(set(texts) - set(texts[used]))
        if gone:
            some = ", ".join(gone[:MAX_VALUES_LISTED]) + (", ..." if len(gone) > MAX_VALUES_LISTED else "")
            count = int(np.isin(texts, gone).sum())
            notes.append(
                f"{name}: no window is left of {column} {some} ({count} rows): each of them lacks the event of"
                " windows.align, or lies outside the recording."
            )
        placeholders = sorted(set(texts[used]) & PLACEHOLDER_TEXTS)
        if placeholders:
            count = int(np.isin(texts[used], placeholders).sum())
            notes.append(
                f"{name}: {column} holds the placeholder {', '.join(placeholders)} in {count} windows, which make a"
                " condition; windows.select leaves them out."
            )
        spellings: dict[str, set[str]] = {}
        for text in set(texts[used]):
            spellings.setdefault(text.casefold().strip(), set()).add(text)
        if alike := [", ".join(sorted(values)) for values in spellings.values() if len(values) > 1]:
            notes.append(f"{name}: values of {column} that differ by case only are different conditions: {alike[0]}.")
        n_values = len(set(texts[used]))
        if n_values > 10 and 2 * n_values > int(used.sum()):
            notes.append(
                f"{name}: {column} has {n_values} different values in {int(used.sum())} windows; a condition should be"
                " a column with few values."
            )
    return notes


def clock_hint(first: float, last: float, span_s: tuple[float, float]) -> str:
    """Guess the unit of time of a table whose times lie outside the recording.

    Parameters
    ----------
    first : first time in the table.
    last : last time in the table.
    span_s : first and last time of the recording in seconds.

    Returns
    -------
    A sentence; '' if no unit of time would bring the times into the recording.
    """
    ratio = last / span_s[1] if span_s[1] > 0 and last > 0 else 0.0
    for factor, what in ((1000.0, "milliseconds"), (1 / 1000.0, "seconds, and those of the activity in milliseconds")):
        if 0.3 < ratio / factor < 1.5:
            return f"the times of the table look like {what}{_key(factor)}"
    if 10_000 * 0.3 < ratio < 50_000:
        return "the times of the table look like samples; set windows.time_unit_s to 1 / sampling rate"
    if min(first, span_s[0]) >= 0 and (first > 1e8) != (span_s[0] > 1e8):
        return "the table and the activity count time from different moments"
    return ""


def _key(factor: float) -> str:
    """The setting that reads times of a table in milliseconds."""
    return "; set windows.time_unit_s: 0.001" if factor > 1 else "; set spike_time_unit_s: 0.001"
