"""Known inputs in the bins of the activity: time series, interval indicators and trial columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from curbd.errors import UserError
from curbd.recording.activity import Activity
from curbd.recording.input_sources import (
    KnownInputs,
    from_column,
    from_intervals,
    from_series,
    names_of_columns,
    series_of,
)
from curbd.recording.missing_inputs import notes_on_holes, over_holes, require_known
from curbd.recording.placeholders import without_placeholders
from curbd.recording.recording_file import RecordingFile
from curbd.recording.trials import Trials
from curbd.settings.recording import Input


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
        hole_notes = notes_on_holes("inputs", n_filled, observed)
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
                added = from_series(file, entry, measured, observed, where_entry)
            elif entry.interval is not None:
                added = from_intervals(file, entry, measured, where_entry)
            else:
                added = from_column(entry, measured, where_entry)
            notes += [note for note in added.notes if note not in notes]
            blocks.append(added.values)
            names += _with_lag(added.names, lag_s)
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
        names = from_intervals(file, entry, trials, where).names
    elif entry.column is not None:
        names = from_column(entry, trials, where).names
    else:
        names = names_of_columns(entry, series_of(file, entry, where))
    return [name for lag_s in entry.lags_s for name in _with_lag(names, lag_s)]


def _with_lag(names: Sequence[str], lag_s: float) -> list[str]:
    """The names of inputs that act with a delay."""
    return list(names) if lag_s == 0 else [f"{name}_lag_{lag_s:g}s" for name in names]
