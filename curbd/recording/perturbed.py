"""Trials with a real perturbation: identified by a trial column and kept apart from all trials that are fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError, did_you_mean
from curbd.recording.activity import Activity
from curbd.recording.cells import cell_text, column_of
from curbd.recording.input_sources import KnownInputs
from curbd.recording.windows import conditions
from curbd.settings.recording import PerturbedTrials, RecordingSettings

Array = np.ndarray
TEXTS_OF_FLAGS = {True: {"true", "1", "on", "yes"}, False: {"false", "0", "off", "no"}}
"""Words that YAML reads as flags unless they are quoted."""


class PerturbedActivity(NamedTuple):
    """Activity of the trials with a real perturbation.

    Attributes
    ----------
    activity : the perturbed trials.
    perturbation : (trial,) name of the experiment in the config that imitates the real perturbation.
    """

    activity: Activity
    perturbation: Array


def perturbations_of(columns: pd.DataFrame, entries: Sequence[PerturbedTrials], where: str) -> Array:
    """Return which real perturbation each trial has, by the name of the experiment that imitates it.

    Parameters
    ----------
    columns : the trial columns, one row per trial.
    entries : for each perturbation, the column and the value that mark its trials, and the experiment that imitates it.
    where : the recording, for messages.

    Returns
    -------
    (trial,) names of experiments; '' for a trial without a perturbation.

    Raises
    ------
    UserError : a column does not exist, no trial has a value, all trials are perturbed, or a trial has two
        perturbations.
    """
    names = np.full(len(columns), "", dtype=object)
    for index, entry in enumerate(entries):
        where_entry = f"{where}: perturbed[{index}]"
        texts = [cell_text(cell) for cell in column_of(columns, entry.column, where_entry)]
        perturbed = _marked(columns, entry, where_entry)
        if not perturbed.any():
            present = ", ".join(sorted(set(texts))[:20])
            raise UserError.at(
                f"{where_entry}.value",
                found=f"no trial with {_values_text(entry)}",
                expected=f"one of {present}",
            )
        if (perturbed & (names != "")).any():
            raise UserError.at(
                where_entry,
                found="trials that an earlier entry of perturbed also names",
                expected="one perturbation for each trial",
                todo="leave out trials with several perturbations (windows.select)",
            )
        names[perturbed] = entry.like
    if len(entries) and (names != "").all():
        raise UserError.at(
            f"{where}: perturbed",
            found="a perturbation in every trial",
            expected="some unperturbed trials, to which the network is fitted",
        )
    return names


def _marked(columns: pd.DataFrame, entry: PerturbedTrials, where: str) -> Array:
    """(trial,) whether a trial has the value of an entry, and one of the values of every further column."""
    marked = np.ones(len(columns), dtype=bool)
    for name, values in {entry.column: [entry.value], **entry.where}.items():
        texts = [cell_text(cell) for cell in column_of(columns, name, where)]
        marked &= np.any([_has_value(texts, value) for value in values], axis=0)
    return marked


def _has_value(texts: Sequence[str], value: Any) -> Array:
    """(trial,) whether the text of a column is a value."""
    if isinstance(value, bool):
        return np.array([text.lower() in TEXTS_OF_FLAGS[value] for text in texts], dtype=bool)
    return np.array([text == cell_text(value) for text in texts], dtype=bool)


def _values_text(entry: PerturbedTrials) -> str:
    """The columns and values of an entry, for messages."""
    further = [f"{name} {' or '.join(map(str, values))}" for name, values in entry.where.items()]
    return " and ".join([f"{entry.column} {entry.value}", *further])


def entries_with_trials(
    columns: pd.DataFrame, entries: Sequence[PerturbedTrials], where: str
) -> tuple[list[PerturbedTrials], list[str]]:
    """Select the entries of which the recording has trials, for settings that several recordings share.

    Parameters
    ----------
    columns : the trial columns, one row per trial.
    entries : for each perturbation, the column and the value that mark its trials.
    where : the recording, for messages.

    Returns
    -------
    Entries with trials; a sentence on each entry without trials.

    Raises
    ------
    UserError : a column does not exist.
    """
    present, absent = [], []
    for index, entry in enumerate(entries):
        if _marked(columns, entry, f"{where}: perturbed[{index}]").any():
            present.append(entry)
        else:
            absent.append(
                f"No trial has {_values_text(entry)}, so that the experiment {entry.like} is not compared with a"
                " measurement."
            )
    return present, absent


def separated(activity: Activity, settings: RecordingSettings, where: str) -> tuple[Activity, PerturbedActivity | None]:
    """Separate the trials without a real perturbation from the trials with one.

    Parameters
    ----------
    activity : all trials.
    settings : which trials are perturbed.
    where : the recording, for messages.

    Returns
    -------
    The unperturbed trials; the perturbed trials, or None if the settings name no perturbation.

    Raises
    ------
    UserError : the trials are blocks of continuous data, in which no condition is repeated; or see `perturbations_of`.
    """
    if not settings.perturbed:
        return activity, None
    if activity.trials.blocks:
        raise UserError.at(
            f"{where}: perturbed",
            found="blocks of continuous data",
            expected="trials",
            todo="name a table of trials in windows.table",
        )
    names = perturbations_of(activity.trials.columns, settings.perturbed, where)
    perturbed = names != ""
    note = f"{int(perturbed.sum())} of {len(perturbed)} trials hold a real perturbation: the fit does not use them."
    apart = PerturbedActivity(activity.take(perturbed, "perturbed trials"), names[perturbed].astype(str))
    return activity.take(~perturbed, note), apart


def perturbed_dataset(
    perturbed: PerturbedActivity,
    kept: Array,
    settings: RecordingSettings,
    recording: xr.Dataset,
    inputs_of: Callable[[Activity], KnownInputs],
    where: str,
) -> xr.Dataset:
    """Construct the dataset of the perturbed trials, with the units and scales of the recording without them.

    Parameters
    ----------
    perturbed : the perturbed trials of all candidate units.
    kept : (candidate,) bool, True for units that are part of the recording.
    settings : the columns of the conditions.
    recording : the recording without the perturbed trials.
    inputs_of : function that gives the inputs of trials; called if networks are fitted to perturbed trials.
    where : the recording, for messages.

    Returns
    -------
    rates (trial, time, unit), NaN where missing, with the coordinates ``perturbation`` (trial), the name of the
    experiment that imitates the real perturbation, ``condition`` (trial), ``group`` (trial), the animal or session,
    ``group_column`` (trial), the trial column that holds it, ``baseline_start_s`` and ``baseline_stop_s`` (trial), the
    window whose mean is subtracted from every trial, and ``fit_all_but`` (trial), the regions whose currents are not
    fitted to the trial; '' if no current is. With them, inputs (trial, time, input).

    Raises
    ------
    UserError : networks are fitted to perturbed trials that have other inputs than the recording.
    """
    activity, perturbation = perturbed.activity.of_units(kept), perturbed.perturbation
    recorded = activity.recorded_trials
    if recorded.any():
        activity, perturbation = activity.take(recorded, "recorded trials"), perturbation[recorded]
    activity = activity.without_partial_bins()
    trials = activity.trials
    condition = conditions(trials.columns, settings.windows.conditions, where)
    values = {"rates": (("trial", "time", "unit"), activity.rates)}
    named = {name for entry in settings.perturbed for name in entry.fit_all_but}
    if named:
        _require_regions(named, recording, where)
        values["inputs"] = (("trial", "time", "input"), _inputs(inputs_of(activity), recording, where))
    return xr.Dataset(
        values,
        coords={
            "time": ("time", trials.time_s, {"units": "s"}),
            "perturbation": ("trial", perturbation),
            "condition": ("trial", condition.astype(str)),
            **_comparison_coords(trials.columns, perturbation, settings, where),
            **{name: recording.coords[name].variable for name in ("unit", "unit_id", "region", "scale")},
        },
        attrs={name: recording.attrs[name] for name in ("recording", "activity", "silent", "dt_s", "nonlinearity")},
    )


def _require_regions(named: set[str], recording: xr.Dataset, where: str) -> None:
    """Raise an error if the setting ``fit_all_but`` names a region that the recording does not have."""
    names = sorted(set(recording["region"].values.astype(str)))
    for unknown in sorted(named - set(names)):
        raise UserError.at(
            f"{where}: perturbed.fit_all_but",
            found=f'"{unknown}"',
            expected=f"one of the regions of the recording: {', '.join(names)}",
            todo=did_you_mean(unknown, names),
        )


def _inputs(inputs: KnownInputs, recording: xr.Dataset, where: str) -> Array:
    """Return the inputs (trial, time, input) of perturbed trials, which must be those of the recording."""
    names = [str(name) for name in recording["input"].values]
    if inputs.names != names:
        raise UserError.at(
            f"{where}: perturbed.fit_all_but",
            found=f"the inputs {', '.join(inputs.names) or 'none'} in perturbed trials",
            expected=f"the inputs of all other trials: {', '.join(names) or 'none'}",
            todo="leave out fit_all_but, or inputs whose values differ between these trials",
        )
    return inputs.values


def _comparison_coords(
    columns: pd.DataFrame, perturbation: Array, settings: RecordingSettings, where: str
) -> dict[str, tuple[str, Array]]:
    """Coordinates (trial) that say how the effect of a perturbation is measured: animals or sessions, and baseline."""
    entries = {entry.like: entry for entry in settings.perturbed}
    chosen = [entries[str(name)] for name in perturbation]
    texts = {
        name: [cell_text(cell) for cell in column_of(columns, name, f"{where}: perturbed.group")]
        for name in {entry.group for entry in chosen if entry.group}
    }
    window = np.array([entry.baseline_s or (np.nan, np.nan) for entry in chosen], dtype=float).reshape(-1, 2)
    groups = [texts[entry.group][trial] if entry.group else "" for trial, entry in enumerate(chosen)]
    return {
        "group": ("trial", np.array(groups, dtype=str)),
        "group_column": ("trial", np.array([entry.group or "" for entry in chosen], dtype=str)),
        "baseline_start_s": ("trial", window[:, 0]),
        "baseline_stop_s": ("trial", window[:, 1]),
        "fit_all_but": ("trial", np.array([";".join(entry.fit_all_but) for entry in chosen], dtype=str)),
    }
