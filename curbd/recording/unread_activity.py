"""What is known of the trials of a file, and of the amount of its data, before the activity is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.recording.reading_activity import read_activity
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series, Spikes
from curbd.recording.regions import NO_LABEL_REASON
from curbd.recording.selection import small_regions
from curbd.recording.sufficiency import Amount, expected_amount
from curbd.recording.windows import conditions
from curbd.settings.recording import RecordingSettings, Windows


def amount_in_file(file: RecordingFile, settings: RecordingSettings) -> Amount | None:
    """Estimate how much a recording of a file would hold, without reading the activity.

    Parameters
    ----------
    file : the opened file.
    settings : settings of the recording.

    Returns
    -------
    The expected amount; None if the file and the settings do not go together, or if no unit would be fitted.
    """
    regions = file.units["region"].tolist()
    reasons = file.units["reason"].to_numpy(dtype=object).copy()
    labelled = (file.units["region_raw"] != "").to_numpy()
    if labelled.any():
        reasons[~labelled] = NO_LABEL_REASON
    kept = (reasons == "") & (small_regions(regions, reasons == "", settings.units) == "")
    try:
        trials = read_activity(without_data(file), np.array([0]), settings, str(file.path)).trials
        condition = conditions(trials.columns, settings.windows.conditions, str(file.path))
    except UserError:
        return None
    region = file.units["region"].to_numpy()[kept]
    return expected_amount(region, trials.inside, condition, 0, settings.test_fraction) if kept.any() else None


def table_of_trials(file: RecordingFile, windows: Windows) -> pd.DataFrame | None:
    """Return the rows of the trials before any choice among them; None if there is no such table."""
    if isinstance(file.activity, BinnedTrials):
        return file.activity.trials
    return None if windows.table is None else file.intervals.get(windows.table)


def without_data(file: RecordingFile) -> RecordingFile:
    """Replace the activity of a file by that of a single silent unit, whose bins can be made without reading data."""
    activity = file.activity
    if isinstance(activity, Series):
        hollow: Any = replace(activity, read=lambda first, last: np.zeros((last - first, 1)), columns=1)
    elif isinstance(activity, BinnedTrials):
        shape = (len(activity.trials), len(activity.time_s), 1)
        hollow = replace(activity, read=lambda: np.zeros(shape))
    else:
        hollow = Spikes(read=lambda unit: np.zeros(0), span_s=activity.span_s)
    return replace(file, activity=hollow, truth=None, true_currents=None)
