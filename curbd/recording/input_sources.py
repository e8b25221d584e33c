"""The inputs that one entry of the settings defines: columns of a time series, intervals, or a trial column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.binning import covered
from curbd.recording.cells import cell_text, column_of
from curbd.recording.missing_inputs import MAX_HOLE_S, notes_on_holes, over_holes, require_known
from curbd.recording.placeholders import without_placeholders
from curbd.recording.recording_file import RecordingFile, Series
from curbd.recording.sampling import Sampling, sampled_bins, sampling
from curbd.recording.trials import Trials
from curbd.recording.windows import times_of
from curbd.settings.recording import Input


class KnownInputs(NamedTuple):
    """Known inputs in the bins of the trials.

    Attributes
    ----------
    values : (trial, time, input) averages over each bin; 0 in bins without activity.
    names : (input,) name of each input.
    notes : sentences on missing values that were replaced.
    """

    values: np.ndarray
    names: list[str]
    notes: list[str]


def from_series(file: RecordingFile, entry: Input, trials: Trials, observed: np.ndarray, where: str) -> KnownInputs:
    """Average the columns of a time series in each bin.

    Parameters
    ----------
    file : the opened file.
    entry : the entry of `inputs`, which names the series.
    trials : the trials and their bins.
    observed : (trial, time) bool, True for bins with activity, in which the series must be known.
    where : the entry, for messages.

    Raises
    ------
    UserError : the series does not exist, or does not cover the time windows.
    """
    series = series_of(file, entry, where)
    when = sampling(series.time_s(), f"{where}.series, {series.name}")
    values, n_filled = over_holes(_held_at_the_ends(series, when, trials), observed, trials.dt_s)
    names = names_of_columns(entry, series)
    edges = trials.edges_s()
    start, stop = float(edges[:, :-1][observed].min()), float(edges[:, 1:][observed].max())
    todo = (
        f"the series lasts from {when.time_s[0]:g} to {when.time_s[-1]:g} s (one sample in {when.step_s:g} s), "
        f"the windows from {start:g} to {stop:g} s: restrict windows to where it was recorded"
    )
    if when.time_s[0] <= start + when.step_s and stop - when.step_s <= when.time_s[-1]:
        todo = (
            f"the series has holes of more than {MAX_HOLE_S:g} s, over which it is not interpolated: fill in the"
            " missing values in the file, or leave out the trials (windows.select) or the input"
        )
    require_known(values, observed, names, f"{where}.series, {series.name}", todo)
    return KnownInputs(values, names, notes_on_holes(f"input {entry.name}", n_filled, observed))


def series_of(file: RecordingFile, entry: Input, where: str) -> Series:
    """Return the time series that an entry of `inputs` names.

    Raises
    ------
    UserError : the file has no such series, or the series cannot be used.
    """
    series = file.series.get(str(entry.series))
    if series is None:
        raise _unknown(f"{where}.series", str(entry.series), "time series", file.series, file.left_out)
    return series


def names_of_columns(entry: Input, series: Series) -> list[str]:
    """Return the names of the inputs that the columns of a series become."""
    return [entry.name] if series.columns == 1 else [f"{entry.name}_{column}" for column in range(series.columns)]


def _held_at_the_ends(series: Series, when: Sampling, trials: Trials) -> np.ndarray:
    """(trial, bin, column) bins of a series, the first and last sample held for a short time beyond the ends.

    A bin outside the series takes the nearest sample if its centre is at most one sampling step, or half a bin, away
    from that sample.
    """
    edges = trials.edges_s()
    values = sampled_bins(series, when, edges)
    reach = max(when.step_s, trials.dt_s / 2)
    centres = (edges[:, :-1] + edges[:, 1:]) / 2
    early = (centres < when.time_s[0]) & (centres >= when.time_s[0] - reach)
    late = (centres > when.time_s[-1]) & (centres <= when.time_s[-1] + reach)
    for beyond, sample in ((early, 0), (late, len(when.time_s) - 1)):
        empty = beyond & np.isnan(values).any(axis=2)
        if empty.any():
            values[empty] = np.asarray(series.read(sample, sample + 1), dtype=float).reshape(1, -1)
    return values


def from_intervals(file: RecordingFile, entry: Input, trials: Trials, where: str) -> KnownInputs:
    """Compute the share of each bin that lies inside the intervals of a table.

    Parameters
    ----------
    file : the opened file.
    entry : the entry of `inputs`, which names the table.
    trials : the trials and their bins.
    where : the entry, for messages.

    Raises
    ------
    UserError : the file has no such table, or the table cannot be used.
    """
    table = file.intervals.get(str(entry.interval))
    if table is None:
        raise _unknown(f"{where}.interval", str(entry.interval), "interval table", file.intervals, file.left_out)
    intervals = table[["start_time", "stop_time"]].to_numpy(dtype=float)
    return KnownInputs(covered(intervals, trials.edges_s())[:, :, None], [entry.name], [])


def from_column(entry: Input, trials: Trials, where: str) -> KnownInputs:
    """Convert a trial column to inputs: its numbers, or one input of zeros and ones for each of its strings.

    Parameters
    ----------
    entry : the entry of `inputs`, which names the column, and the columns with the times between which it acts.
    trials : the trials and their bins.
    where : the entry, for messages.

    Raises
    ------
    UserError : a column does not exist or holds no value.
    """
    cells = column_of(trials.columns, str(entry.column), f"{where}.column")
    share_on, notes = _share_on(entry, trials, where)
    if pd.api.types.is_numeric_dtype(cells):
        numbers, n_placeholders = without_placeholders(cells.to_numpy(dtype=float)[:, None])
        numbers = numbers[:, 0]
        if n_placeholders:
            notes.append(f"input {entry.name}: {n_placeholders} values of {entry.column} are a placeholder (-999).")
        if np.isnan(numbers).all():
            raise UserError.at(
                f"{where}.column", found=f"no value in the column {entry.column}", expected="a number for each trial"
            )
        names, values = [entry.name], numbers[:, None]
        empty = np.isnan(numbers)
    else:
        texts = np.array([cell_text(cell) for cell in cells], dtype=object)
        levels = sorted(set(texts) - {""})
        names = [f"{entry.name}_{level}" for level in levels]
        values = np.column_stack([np.zeros((len(texts), 0)), *((texts == level).astype(float) for level in levels)])
        empty = texts == ""
    if empty.any():
        notes.append(
            f"input {entry.name}: {int(empty.sum())} of {len(empty)} trials have no {entry.column}; 0 is used."
        )
    return KnownInputs(share_on[:, :, None] * np.nan_to_num(values)[:, None, :], names, notes)


def _share_on(entry: Input, trials: Trials, where: str) -> tuple[np.ndarray, list[str]]:
    """(trial, bin) share of each bin between the times of the start and the stop column; 0 in trials without a time."""
    edges = trials.edges_s()
    bounds = np.column_stack([edges[:, 0], edges[:, -1]])
    notes = []
    for side, column in enumerate((entry.start, entry.stop)):
        if column is not None:
            bounds[:, side] = times_of(trials.columns, column, f"{where}.{'stop' if side else 'start'}")
            if (absent := np.isnan(bounds[:, side])).any():
                notes.append(
                    f"input {entry.name}: {int(absent.sum())} of {len(absent)} trials have no {column}; the input is 0."
                )
    shares = [covered(bound[None], edge) for bound, edge in zip(bounds, edges, strict=True)]
    return np.array(shares).reshape(len(edges), edges.shape[1] - 1), notes


def _unknown(where: str, name: str, kind: str, candidates: Iterable[str], left_out: Mapping[str, str]) -> UserError:
    names = sorted(candidates)
    if name in left_out:
        return UserError.at(
            where,
            found=f"the {kind} {name!r}, which cannot be used: {left_out[name]}",
            expected=f"one of {', '.join(names)}" if names else f"a {kind}",
        )
    return UserError.at(
        where,
        found=f"unknown {kind} {name!r}",
        expected=f"one of {', '.join(names)}" if names else f"no {kind}: the file has none",
        todo=did_you_mean(name, names),
    )
