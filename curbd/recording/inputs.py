"""Known inputs in the bins of the activity: time series, interval indicators and trial columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.activity import Activity
from curbd.recording.binning import ROUNDING_BINS, covered
from curbd.recording.cells import cell_text, column_of
from curbd.recording.placeholders import without_placeholders
from curbd.recording.recording_file import RecordingFile, Series
from curbd.recording.sampling import Sampling, sampled_bins, sampling
from curbd.recording.trials import Trials
from curbd.recording.windows import times_of
from curbd.settings.recording import Input

MAX_HOLE_S = 0.5
"""Inputs are interpolated over holes of up to this time, such as blinks."""
MAX_HOLE_BINS = 2
"""Inputs are interpolated over holes of up to this number of bins, however wide."""


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


def all_inputs(file: RecordingFile, settings: Sequence[Input], activity: Activity, where: str) -> KnownInputs:
    """Read the inputs that the file declares, followed by the inputs that the settings name.

    Parameters
    ----------
    file : the opened file.
    settings : the inputs that the settings name.
    activity : trials, bins and declared inputs; inputs must be known in the bins that `Activity.observed` marks.
    where : the recording, for messages.

    Returns
    -------
    The inputs in the bins of the trials.

    Raises
    ------
    UserError : a declared input has a missing value, two inputs have the same name, or see `known_inputs`.
    """
    observed = activity.observed
    hole_notes: list[str] = []
    if activity.input_names:
        todo = "fill in the missing values, or leave the input out"
        values, n_filled = over_holes(activity.inputs, observed, activity.trials.dt_s)
        hole_notes = _note_on_holes("inputs", n_filled, observed)
        activity = replace(activity, inputs=values)
        require_known(activity.inputs, observed, activity.input_names, f"{where}: inputs", todo)
    named = known_inputs(file, settings, activity.trials, observed, where)
    names = [*activity.input_names, *named.names]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UserError.at(
            f"{where}: inputs", found=f"two inputs named {repeated[0]}", expected="a different name for each input"
        )
    values = np.concatenate([activity.inputs, named.values], axis=2)
    notes = [
        *hole_notes,
        *named.notes,
        *placeholder_notes(values, observed, names),
        *constant_notes(values, observed, names),
    ]
    declared = np.where(observed[:, :, None], activity.inputs, 0.0)
    return KnownInputs(np.concatenate([declared, named.values], axis=2), names, notes)


def placeholder_notes(values: np.ndarray, observed: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return sentences on inputs that hold a placeholder such as -999 in bins with activity.

    Parameters
    ----------
    values : (trial, time, input) inputs, in which placeholders are still used as values.
    observed : (trial, time) bool, True for bins with activity.
    names : (input,) names of the inputs.

    Returns
    -------
    One sentence per input with placeholders.
    """
    notes = []
    for index, name in enumerate(names):
        _, count = without_placeholders(values[observed][:, [index]])
        if count:
            notes.append(f"input {name}: {count} bins hold a placeholder such as -999, which is used as a value.")
    return notes


def constant_notes(values: np.ndarray, observed: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return sentences on inputs that have the same value in all bins with activity.

    Parameters
    ----------
    values : (trial, time, input) inputs.
    observed : (trial, time) bool, True for bins with activity.
    names : (input,) names of the inputs.

    Returns
    -------
    One sentence per input that does not vary.
    """
    return [
        f"input {name}: the value is {values[observed][0, index]:g} in all bins, so that its current cannot be told"
        " from the bias: leave the input out."
        for index, name in enumerate(names)
        if observed.any() and np.ptp(values[observed][:, index]) == 0
    ]


def known_inputs(
    file: RecordingFile, settings: Sequence[Input], trials: Trials, observed: np.ndarray, where: str
) -> KnownInputs:
    """Read every input that the settings name, and average it in each bin.

    Parameters
    ----------
    file : the opened file.
    settings : the inputs to read.
    trials : the trials and their bins.
    observed : (trial, time) bool, True for bins with activity, in which every input must be known.
    where : the recording, for messages.

    Returns
    -------
    The inputs in the bins of the trials.

    Raises
    ------
    UserError : a series, table or column does not exist, or a series does not cover the time windows.
    """
    blocks: list[np.ndarray] = []
    names: list[str] = []
    notes: list[str] = []
    for index, entry in enumerate(settings):
        where_entry = f"{where}: inputs[{index}] ({entry.name})"
        for lag_s in entry.lags_s:
            # What acts now was measured one delay ago.
            measured = replace(trials, zero_s=trials.zero_s - lag_s)
            if entry.series is not None:
                values, labels, new_notes = _from_series(file, entry, measured, observed, where_entry)
            elif entry.interval is not None:
                (values, labels), new_notes = _from_intervals(file, entry, measured, where_entry), []
            else:
                values, labels, new_notes = _from_column(entry, measured, where_entry)
            notes += [note for note in new_notes if note not in notes]
            blocks.append(values)
            names += _with_lag(labels, lag_s)
    if not blocks:
        return KnownInputs(np.zeros((*observed.shape, 0)), [], notes)
    return KnownInputs(np.where(observed[:, :, None], np.concatenate(blocks, axis=2), 0.0), names, notes)


def names_of_input(file: RecordingFile, entry: Input, trials: Trials, where: str) -> list[str]:
    """Return the names of the inputs that an entry of the settings defines, without reading the values of a series.

    Parameters
    ----------
    file : the opened file.
    entry : the entry of `inputs`.
    trials : the trials and their bins.
    where : the entry, for messages.

    Returns
    -------
    One name per input.

    Raises
    ------
    UserError : a series, table or column does not exist, or a column holds no value.
    """
    where = f"{where} ({entry.name})"
    if entry.interval is not None:
        labels = _from_intervals(file, entry, trials, where)[1]
    elif entry.column is not None:
        labels = _from_column(entry, trials, where)[1]
    else:
        labels = _labels_of_series(entry, _series(file, entry, where))
    return [name for lag_s in entry.lags_s for name in _with_lag(labels, lag_s)]


def require_known(values: np.ndarray, observed: np.ndarray, names: Sequence[str], where: str, todo: str) -> None:
    """Raise an error if an input is missing in a bin with activity.

    Parameters
    ----------
    values : (trial, time, input), NaN where missing.
    observed : (trial, time) bool, True for bins with activity.
    names : (input,) names of the inputs.
    where : the setting or the series, for messages.
    todo : what the user can do.

    Raises
    ------
    UserError : an input is missing; the message names the input with the most missing bins.
    """
    missing = (~np.isfinite(values) & observed[:, :, None]).sum(axis=(0, 1))
    if missing.any():
        raise UserError.at(
            where,
            found=f"no value of {names[int(missing.argmax())]} in {int(missing.max())} of {int(observed.sum())} bins",
            expected="a value in every bin with activity",
            todo=todo,
        )


def over_holes(values: np.ndarray, observed: np.ndarray, dt_s: float) -> tuple[np.ndarray, int]:
    """Interpolate inputs over short holes, such as the blinks of a pupil, and count the bins.

    A hole is interpolated linearly in time from the bins before and after; at the start or end of a trial, the nearest
    value is held. Longer holes are left as they are.

    Parameters
    ----------
    values : (trial, time, input), NaN where missing.
    observed : (trial, time) bool, True for bins with activity.
    dt_s : bin width in seconds.

    Returns
    -------
    The inputs; the number of bins with activity that were interpolated in any input.
    """
    longest = max(MAX_HOLE_BINS, int(MAX_HOLE_S / dt_s + ROUNDING_BINS))
    filled = values.copy()
    for trial, column in zip(*np.nonzero((np.isnan(values) & observed[:, :, None]).any(axis=1)), strict=True):
        wanted = np.flatnonzero(observed[trial])
        series = values[trial, wanted, column]
        missing = np.isnan(series)
        if missing.all():
            continue
        # Every run of missing bins, from its first bin to the bin after its last.
        first, last = np.flatnonzero(np.diff(np.r_[False, missing, False].astype(int))).reshape(-1, 2).T
        short = np.repeat(last - first <= longest, last - first)
        bins = np.flatnonzero(missing)[short]
        filled[trial, wanted[bins], column] = np.interp(bins, np.flatnonzero(~missing), series[~missing])
    replaced = np.isnan(values) & np.isfinite(filled)
    return filled, int((replaced.any(axis=2) & observed).sum())


def _note_on_holes(what: str, n_filled: int, observed: np.ndarray) -> list[str]:
    """A sentence on interpolated bins, if there are any."""
    if not n_filled:
        return []
    total = int(observed.sum())
    return [
        f"{what}: {n_filled} of {total} bins have no value; these holes are short ({MAX_HOLE_S:g} s or less) and are"
        " interpolated."
    ]


def _with_lag(labels: Sequence[str], lag_s: float) -> list[str]:
    """The names of inputs that act with a delay."""
    return list(labels) if lag_s == 0 else [f"{label}_lag_{lag_s:g}s" for label in labels]


def _series(file: RecordingFile, entry: Input, where: str) -> Series:
    series = file.series.get(str(entry.series))
    if series is None:
        raise _unknown(f"{where}.series", str(entry.series), "time series", file.series, file.left_out)
    return series


def _labels_of_series(entry: Input, series: Series) -> list[str]:
    return [entry.name] if series.columns == 1 else [f"{entry.name}_{column}" for column in range(series.columns)]


def _from_series(
    file: RecordingFile, entry: Input, trials: Trials, observed: np.ndarray, where: str
) -> tuple[np.ndarray, list[str], list[str]]:
    series = _series(file, entry, where)
    when = sampling(series.time_s(), f"{where}.series, {series.name}")
    values, n_filled = over_holes(_held_at_the_ends(series, when, trials), observed, trials.dt_s)
    names = _labels_of_series(entry, series)
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
    return values, names, _note_on_holes(f"input {entry.name}", n_filled, observed)


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


def _from_intervals(file: RecordingFile, entry: Input, trials: Trials, where: str) -> tuple[np.ndarray, list[str]]:
    table = file.intervals.get(str(entry.interval))
    if table is None:
        raise _unknown(f"{where}.interval", str(entry.interval), "interval table", file.intervals, file.left_out)
    intervals = table[["start_time", "stop_time"]].to_numpy(dtype=float)
    return covered(intervals, trials.edges_s())[:, :, None], [entry.name]


def _from_column(entry: Input, trials: Trials, where: str) -> tuple[np.ndarray, list[str], list[str]]:
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
    return share_on[:, :, None] * np.nan_to_num(values)[:, None, :], names, notes


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
