"""Conversion of a recording file to a session: trials, bins, inputs, kept units, split, true network and tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.activity import Activity
from curbd.recording.activity_notes import equal_units, holes_of_units, repeated_trials, silent_regions
from curbd.recording.dataset import (
    recording_dataset,
    regions_table,
    true_current_dataset,
    truth_dataset,
    units_table,
)
from curbd.recording.inputs import all_inputs
from curbd.recording.perturbed import entries_with_trials, perturbed_dataset, separated
from curbd.recording.reading_activity import read_activity
from curbd.recording.recording_file import RecordingFile
from curbd.recording.region_messages import absent_labels_are_a_mistake, absent_labels_message
from curbd.recording.scaling import count_scales, scales
from curbd.recording.selection import candidate_units, select_units
from curbd.recording.splits import LEFT_OUT, split, split_apart
from curbd.recording.windows import conditions
from curbd.settings.recording import RecordingSettings

Array = np.ndarray
MAX_NOTES_WITH_ERROR = 4
"""Up to this number of sentences about a file are added to the message about it."""

SHAREABLE = ("regions.merge", "regions.mapping", "perturbed")
"""Settings that may name labels, units and values which only other recordings have."""


class Session(NamedTuple):
    """Everything that one recording file gives to the steps that follow.

    Attributes
    ----------
    recording : rates (trial, time, unit), NaN where missing; inputs (trial, time, input), 0 where rates are missing.
    truth : the network behind the recording of a teacher, or the currents of a teacher of populations (see
        `curbd.recording.dataset`), restricted to the kept units; None for measured recordings.
        The truth is for scoring only: no estimator may see it.
    units : table ``units``, one row per unit of the file, kept or not.
    regions : table ``regions``, one row per region with kept units.
    perturbed : rates (trial, time, unit) of the trials with a real perturbation, in the units and scales of
        `recording`, with the coordinates ``perturbation`` and ``condition`` (trial); None if the settings name no such
        trials.
    """

    recording: xr.Dataset
    truth: xr.Dataset | None
    units: pd.DataFrame
    regions: pd.DataFrame
    perturbed: xr.Dataset | None


def ingest_file(path: Path | str, settings: RecordingSettings | None = None, name: str | None = None) -> Session:
    """Open an NWB or HDF5 file and convert it to a session: a recording with its tables.

    Parameters
    ----------
    path : path of the file; a file with the suffix ``.nwb`` is read as NWB, every other file as HDF5.
    settings : how to read the file; None for the defaults.
    name : name of the recording; None for the name of the file without its suffix.

    Returns
    -------
    The session: recording, truth, units, regions and perturbed trials.

    Raises
    ------
    UserError : the file cannot be opened (see `curbd.recording.open_recording`), or cannot become a recording (see
        `ingest`).
    """
    settings = RecordingSettings() if settings is None else settings
    name = Path(path).stem if name is None else name
    with open_recording(path, "nwb" if Path(path).suffix == ".nwb" else "hdf5", settings, name) as file:
        return ingest(file, settings, name)


def ingest(file: RecordingFile, settings: RecordingSettings, name: str, *, shared: Collection[str] = ()) -> Session:
    """Convert an opened file to a session: a recording with its tables.

    The same file and settings give the same recording to the last bit. Trials with a real perturbation are kept apart,
    so that nothing in `Session.recording` depends on them.

    Parameters
    ----------
    file : the opened file.
    settings : bin width, smoothing, windows, inputs, choice of units, scaling and split.
    name : name of the recording.
    shared : settings of `SHAREABLE` that other recordings have as well; their labels, units and values may be those of
        other recordings alone.

    Returns
    -------
    The session: recording, truth, units, regions and perturbed trials.

    Raises
    ------
    UserError : the settings do not fit the file, no unit is left, or the activity is NaN everywhere.
    """
    try:
        return session(file, settings, name, shared)[0]
    except UserError as error:
        raise _with_notes(error, file.notes) from error.__cause__


def _with_notes(error: UserError, notes: Sequence[str]) -> UserError:
    """An error, with the sentences about the file behind its message: they may name the cause."""
    if not notes:
        return error
    listed = [" ".join(note.split()) for note in notes[:MAX_NOTES_WITH_ERROR]]
    message = "\n".join([str(error), *(f"  look at this, too: {note}" for note in listed)])
    return type(error)(message, where=error.where, found=error.found, expected=error.expected, todo=error.todo)


def session(
    file: RecordingFile, settings: RecordingSettings, name: str, shared: Collection[str], *, checksum: bool = True
) -> tuple[Session, tuple[str, ...]]:
    """Convert an opened file to a session, as `ingest` does, without the sentences on the file behind an error.

    Parameters
    ----------
    file, settings, name, shared : see `ingest`.
    checksum : whether to compute the checksum of the file, for which all of it is read.

    Returns
    -------
    The session; sentences on what only the values of the activity tell: trials or units that are equal, regions that
    are silent in whole trials, holes of units.

    Raises
    ------
    UserError : for the reasons given in `ingest`.
    """
    where = f"{name} ({file.path})"
    file = _with_known_labels(file, settings, where, shared)
    candidates = candidate_units(file.units, where)
    activity = read_activity(file, candidates, settings, where)
    _require_activity(activity, f"{where}: {file.activity_name}")
    activity = activity.without_empty_trials()
    if "perturbed" in shared:
        entries, notes = entries_with_trials(activity.trials.columns, settings.perturbed, where)
        settings = settings.model_copy(update={"perturbed": entries})
        file = replace(file, notes=(*file.notes, *notes))
    activity, perturbed = separated(activity, settings, where)
    condition = conditions(activity.trials.columns, settings.windows.conditions, where)
    splits, split_note = _split(activity, condition, settings)
    if split_note:
        used = splits != LEFT_OUT
        activity, condition, splits = activity.take(used, split_note), condition[used], splits[used]
    train = splits == "train"

    n_known = len(activity.trials.notes)
    activity = activity.noted(repeated_trials(activity))
    selection = select_units(file.units, candidates, activity, train, settings.units, where)
    kept = np.isin(candidates, selection.kept)
    activity = activity.of_units(kept)
    region = file.units["region"].to_numpy()[selection.kept]
    notes_on_values = [*silent_regions(activity, region), *equal_units(activity), *holes_of_units(activity)]
    activity = activity.noted(notes_on_values).without_partial_bins()
    _require_two_halves(activity.observed, train, f"{where}: {file.activity_name}")
    scale = _scales(file, settings, activity.rates, train)
    inputs = all_inputs(file, settings.inputs, activity, where)

    recording = recording_dataset(
        file=file,
        settings=settings,
        name=name,
        activity=activity,
        inputs=inputs,
        selection=selection,
        scale=scale,
        condition=condition,
        splits=splits,
        checksum=checksum,
    )
    made = Session(
        recording=recording,
        truth=truth_dataset(file, selection.kept, activity, inputs.names)
        if file.true_currents is None
        else true_current_dataset(file.true_currents, selection.kept, activity),
        units=units_table(file, name, selection, scale),
        regions=regions_table(recording),
        perturbed=None
        if perturbed is None
        else perturbed_dataset(
            perturbed, kept, settings, recording, partial(all_inputs, file, settings.inputs, where=where), where
        ),
    )
    return made, activity.trials.notes[n_known:]


def _with_known_labels(
    file: RecordingFile, settings: RecordingSettings, where: str, shared: Collection[str]
) -> RecordingFile:
    """The file, with a note on labels of ``regions.merge`` that it lacks.

    Such labels, and a table ``regions.mapping`` that names no unit, are an error unless other recordings share them.
    """
    unmatched = file.unmatched
    if unmatched.mapping and "regions.mapping" not in shared:
        raise UserError(unmatched.mapping)
    absent, present = unmatched.labels, unmatched.present_labels
    if not absent:
        return file
    if "regions.merge" not in shared and absent_labels_are_a_mistake(settings.regions.merge, absent, present):
        raise UserError(absent_labels_message(where, absent, present, "the recording"))
    note = f"Labels of regions.merge that no unit of this recording has: {', '.join(absent)}."
    return replace(file, notes=(*file.notes, note))


def _split(activity: Activity, condition: Array, settings: RecordingSettings) -> tuple[Array, str]:
    """(trial,) ``train``, ``test`` or `LEFT_OUT`, and a sentence on trials that share bins."""
    trials = activity.trials
    if not trials.clocked:
        return split(condition, settings.test_fraction, settings.split_seed), ""
    tolerance_s = 1e-3 * trials.dt_s
    return split_apart(
        condition, trials.start_s, trials.stop_s, settings.test_fraction, settings.split_seed, tolerance_s
    )


def _require_activity(activity: Activity, where: str) -> None:
    if not np.isfinite(activity.rates).any():
        raise UserError.at(
            where,
            found="only missing values (NaN) in the time windows",
            expected="activity",
            todo="check the time windows in the config, and the activity in the file (curbd inspect)",
        )


def _require_two_halves(observed: Array, train: Array, where: str) -> None:
    """Stop unless there is something to fit and something to hold out."""
    if not (observed[train].sum() > 1 and observed[~train].any()):
        raise UserError.at(
            where,
            found=f"{int(observed[train].sum())} training and {int(observed[~train].sum())} test bins with all units",
            expected="at least two trials or blocks in which all kept units were recorded",
            todo="check that the time windows in the config cover at least two trials or blocks in which all units were"
            " recorded, or leave out units that were recorded at other times (units.select)",
        )


def _scales(file: RecordingFile, settings: RecordingSettings, rates: Array, train: Array) -> Array:
    """(unit,) scale of each kept unit, in the units of the rates; 1 where the rates are phi(x) of a model."""
    if file.already_phi:
        return np.ones(rates.shape[2])
    return (count_scales if settings.scaling == "counts" else scales)(rates, train)
