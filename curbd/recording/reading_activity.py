"""Reading of the activity of a file, whether it holds spikes, a sampled series or trials that are already binned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.recording.activity import Activity
from curbd.recording.binned_activity import activity_of_trials
from curbd.recording.cells import matching_rows
from curbd.recording.continuous_activity import activity_of_stretch
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series
from curbd.settings.recording import RecordingSettings


def read_activity(file: RecordingFile, units: np.ndarray, settings: RecordingSettings, where: str) -> Activity:
    """Read, bin and smooth the activity of some units; only the time windows that are used are read.

    Parameters
    ----------
    file : the opened file.
    units : (unit,) indices of the units to read.
    settings : bin width, smoothing and time windows; a null stands for the default for spikes or for samples.
    where : the recording, for messages.

    Returns
    -------
    The activity in the bins of the trials.

    Raises
    ------
    UserError : bins are narrower than the sampling step, no time window can be used, or a table or column does not
        exist.
    """
    activity = file.activity
    columns = pd.DataFrame(index=[0])
    if isinstance(activity, BinnedTrials):
        if settings.windows.table is not None:
            raise UserError.at(
                f"{where}: windows.table",
                found=repr(settings.windows.table),
                expected="null, because the file holds binned trials",
                todo="set windows.table to null, and choose trials with windows.select",
            )
        keep = matching_rows(activity.trials, f"{where}: windows.select", settings.windows.select)
        if int(keep.sum()) > 1:
            return activity_of_trials(file, activity, units, keep, settings, where)
        row = int(np.flatnonzero(keep)[0])
        columns = activity.trials.iloc[[row]].reset_index(drop=True)
        file, activity = _one_stretch(file, activity, row)
        windows = settings.windows.model_copy(update={"select": {}})
        settings = settings.model_copy(update={"windows": windows})
    return activity_of_stretch(file, activity, units, columns, settings, where)


def _one_stretch(file: RecordingFile, activity: BinnedTrials, row: int) -> tuple[RecordingFile, Series]:
    """A single trial as a continuous stretch, with its activity, inputs and drive as series."""

    def series(name: str, values: np.ndarray) -> Series:
        return Series(name, lambda: activity.time_s, lambda first, last: values[first:last], values.shape[1])

    inputs = activity.inputs()[row]
    declared = {name: series(name, inputs[:, [column]]) for column, name in enumerate(activity.input_names)}
    truth = file.truth
    if truth is not None and truth.drive is not None:
        truth = replace(truth, drive=truth.drive[[row]])
    stretch = series(file.activity_name, activity.read()[row])
    all_series = {**file.series, **declared}
    return replace(file, series=all_series, declared_inputs=activity.input_names, truth=truth), stretch
