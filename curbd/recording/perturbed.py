"""Trials with a real perturbation: found by a trial column, kept apart from all that a network is fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.recording.activity import Activity, read_activity
from curbd.recording.cells import column_of, said
from curbd.recording.recording_file import RecordingFile
from curbd.recording.windows import conditions
from curbd.settings.recording import PerturbedTrials, RecordingSettings

Array = np.ndarray
_TEXTS_OF_FLAGS = {True: {"true", "1", "on", "yes"}, False: {"false", "0", "off", "no"}}
"""YAML turns these words into flags unless they are quoted."""


def perturbations_of(columns: pd.DataFrame, wanted: Sequence[PerturbedTrials], where: str) -> Array:
    """(trial,) name of the experiment that was really done in a trial, empty where none was.

    Raises
    ------
    UserError : an unknown column, a value that no trial has or all have, or a trial with two perturbations.
    """
    names = np.full(len(columns), "", dtype=object)
    for number, one in enumerate(wanted):
        place = f"{where}: perturbed[{number}]"
        texts = [said(cell) for cell in column_of(columns, one.column, place)]
        if isinstance(one.value, bool):
            found = np.array([text.lower() in _TEXTS_OF_FLAGS[one.value] for text in texts], dtype=bool)
        else:
            found = np.array([text == said(one.value) for text in texts], dtype=bool)
        if not found.any():
            present = ", ".join(sorted(set(texts))[:20])
            raise UserError.at(
                f"{place}.value", found=f"no trial with {one.column} {one.value}", expected=f"one of {present}"
            )
        if (found & (names != "")).any():
            raise UserError.at(
                place,
                found="trials that an entry before names too",
                expected="one perturbation a trial",
                todo="leave trials with several out by windows.select",
            )
        names[found] = one.like
    if len(wanted) and (names != "").all():
        raise UserError.at(f"{where}: perturbed", found="every trial", expected="others to fit a network to")
    return names


def without_perturbed(activity: Activity, settings: RecordingSettings, where: str) -> Activity:
    """The trials without a real perturbation.

    Raises
    ------
    UserError : see `perturbations_of`; or the recording has blocks of continuous data, which are no repetitions.
    """
    if not settings.perturbed:
        return activity
    if activity.trials.blocks:
        raise UserError.at(
            f"{where}: perturbed",
            found="blocks of continuous data",
            expected="trials",
            todo="name a table of trials in windows.table",
        )
    done = perturbations_of(activity.trials.columns, settings.perturbed, where) != ""
    note = f"{int(done.sum())} of {len(done)} trials hold a real perturbation: the fit does not see them."
    return activity.take(~done, note)


def perturbed_trials(file: RecordingFile, settings: RecordingSettings, recording: xr.Dataset) -> xr.Dataset | None:
    """What was recorded in the perturbed trials, in the units and scales of a recording; None where there are none.

    Returns
    -------
    rates (trial, time, unit), NaN where missing, with the coordinates ``perturbation`` (trial), the name of the
    experiment that is alike, and ``condition`` (trial).
    """
    if not settings.perturbed:
        return None
    where = f"{recording.attrs['recording']} ({file.path})"
    place = {name: number for number, name in enumerate(file.units["unit_id"])}
    kept = np.array([place[name] for name in recording["unit_id"].values.astype(str)])
    activity = read_activity(file, kept, settings, where).without_empty_trials()
    done = perturbations_of(activity.trials.columns, settings.perturbed, where)
    activity = activity.take(done != "", "perturbed trials")
    observed = np.isfinite(activity.rates).all(axis=2, keepdims=True)
    condition = conditions(activity.trials.columns, settings.windows.conditions, where)
    return xr.Dataset(
        {"rates": (("trial", "time", "unit"), np.where(observed, activity.rates, np.nan))},
        coords={
            "time": ("time", activity.trials.time_s, {"units": "s"}),
            "perturbation": ("trial", done[done != ""].astype(str)),
            "condition": ("trial", condition.astype(str)),
            **{name: recording.coords[name].variable for name in ("unit_id", "region", "scale")},
        },
        attrs={name: recording.attrs[name] for name in ("recording", "activity", "silent", "dt_s")},
    )
