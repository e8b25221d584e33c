"""Trials with a real perturbation: identified by a trial column and kept apart from all trials that are fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.recording.activity import Activity
from curbd.recording.cells import cell_text, column_of
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
        perturbed = _has_value(texts, entry)
        if not perturbed.any():
            present = ", ".join(sorted(set(texts))[:20])
            raise UserError.at(
                f"{where_entry}.value",
                found=f"no trial with {entry.column} {entry.value}",
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


def _has_value(texts: Sequence[str], entry: PerturbedTrials) -> Array:
    """(trial,) whether the text of the column of an entry is its value."""
    if isinstance(entry.value, bool):
        return np.array([text.lower() in TEXTS_OF_FLAGS[entry.value] for text in texts], dtype=bool)
    return np.array([text == cell_text(entry.value) for text in texts], dtype=bool)


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
        cells = column_of(columns, entry.column, f"{where}: perturbed[{index}]")
        if _has_value([cell_text(cell) for cell in cells], entry).any():
            present.append(entry)
        else:
            absent.append(
                f"No trial has {entry.column} {entry.value}, so that the experiment {entry.like} is not compared with a"
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
    perturbed: PerturbedActivity, kept: Array, settings: RecordingSettings, recording: xr.Dataset, where: str
) -> xr.Dataset:
    """Construct the dataset of the perturbed trials, with the units and scales of the recording without them.

    Parameters
    ----------
    perturbed : the perturbed trials of all candidate units.
    kept : (candidate,) bool, True for units that are part of the recording.
    settings : the columns of the conditions.
    recording : the recording without the perturbed trials.
    where : the recording, for messages.

    Returns
    -------
    rates (trial, time, unit), NaN where missing, with the coordinates ``perturbation`` (trial), the name of the
    experiment that imitates the real perturbation, and ``condition`` (trial).
    """
    activity, perturbation = perturbed.activity.of_units(kept), perturbed.perturbation
    recorded = activity.recorded_trials
    if recorded.any():
        activity, perturbation = activity.take(recorded, "recorded trials"), perturbation[recorded]
    activity = activity.without_partial_bins()
    trials = activity.trials
    condition = conditions(trials.columns, settings.windows.conditions, where)
    return xr.Dataset(
        {"rates": (("trial", "time", "unit"), activity.rates)},
        coords={
            "time": ("time", trials.time_s, {"units": "s"}),
            "perturbation": ("trial", perturbation),
            "condition": ("trial", condition.astype(str)),
            **{name: recording.coords[name].variable for name in ("unit", "unit_id", "region", "scale")},
        },
        attrs={name: recording.attrs[name] for name in ("recording", "activity", "silent", "dt_s")},
    )
