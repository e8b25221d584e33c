"""Activity of a file that holds trials on common bins: the bins of the time window, averaged into wider bins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.recording.activity import Activity
from curbd.recording.binning import averaged, whole_multiple
from curbd.recording.memory import require_memory
from curbd.recording.placeholders import without_placeholders
from curbd.recording.recording_file import BinnedTrials, RecordingFile
from curbd.recording.sampling import sampling
from curbd.recording.smoothing import require_short_smoothing, smoothed
from curbd.recording.trials import Trials
from curbd.settings.recording import RecordingSettings


class _Bins(NamedTuple):
    """The bins of the trials.

    Attributes
    ----------
    first_s : start of the first sample of a trial, in seconds from the event to which trials are aligned.
    dt_s : bin width in seconds.
    n_samples : number of samples of the file in a bin.
    in_window : (time,) indices of the bins inside the time window.
    """

    first_s: float
    dt_s: float
    n_samples: int
    in_window: np.ndarray


def activity_of_trials(
    file: RecordingFile,
    activity: BinnedTrials,
    units: np.ndarray,
    keep: np.ndarray,
    settings: RecordingSettings,
    where: str,
) -> Activity:
    """Restrict trials that the file holds on common bins to the time window, and average them into wider bins.

    Parameters
    ----------
    file : the opened file.
    activity : the trials of the file.
    units : (unit,) indices of the units to read.
    keep : (all trials,) bool, True for the trials to read.
    settings : bin width, smoothing and time window; a null bin width stands for the bins of the file.
    where : the recording, for messages.

    Returns
    -------
    The activity in the bins of the trials.

    Raises
    ------
    UserError : the settings align the trials anew, the bins of the file have different widths, the time window lies
        outside the trials, or the activity does not fit into memory.
    """
    bins = _bins(activity, settings, where)
    rows = activity.trials[keep].reset_index(drop=True)

    def on_bins(values: np.ndarray) -> np.ndarray:
        return averaged(values[keep], bins.n_samples)[:, bins.in_window]

    values, notes = _values(file, activity, units, where)
    smoothing_s = settings.smoothing_s or 0.0
    require_short_smoothing(smoothing_s, bins.dt_s * np.size(activity.time_s) / bins.n_samples, where)
    rates = smoothed(averaged(values[keep], bins.n_samples), smoothing_s, bins.dt_s, settings.causal)
    truth = file.truth
    return Activity(
        trials=_trials(rows, bins, notes),
        rates=rates[:, bins.in_window],
        unit="",
        mean_rate_hz=np.full((len(rows), len(units)), np.nan),
        smoothing_s=smoothing_s,
        inputs=on_bins(activity.inputs()),
        input_names=activity.input_names,
        drive=None if truth is None or truth.drive is None else on_bins(truth.drive),
        true_currents=None if file.true_currents is None else on_bins(file.true_currents.value),
    )


def _bins(activity: BinnedTrials, settings: RecordingSettings, where: str) -> _Bins:
    """The bins that the settings make of the samples of the file."""
    windows = settings.windows
    if windows.continuous or windows.align != "start_time":
        raise UserError.at(
            f"{where}: windows",
            found="windows.align or windows.continuous",
            expected="neither of these keys, because the trials of the file are already aligned",
        )
    time = settings.hdf5.time
    when = sampling(activity.time_s, f"{where}: {time or 'time'}")
    if not when.even:
        raise UserError.at(
            f"{where}: {time}", found="unevenly spaced times", expected="bins of equal width within a trial"
        )
    n_samples = whole_multiple(settings.bin_width_s or when.step_s, when.step_s, f"{where}: bin_width_s")
    dt_s = when.step_s * n_samples
    centres = when.span_s[0] + (np.arange(len(activity.time_s) // n_samples) + 0.5) * dt_s
    low = -np.inf if windows.start_s is None else windows.start_s
    high = np.inf if windows.stop_s is None else windows.stop_s
    in_window = np.flatnonzero((centres > low) & (centres < high))
    if not len(in_window):
        raise UserError.at(
            f"{where}: windows.start_s, windows.stop_s",
            found=f"time windows from {low:g} to {high:g} s",
            expected=f"time windows inside the trials, {when.span_s[0]:g} to {when.span_s[1]:g} s",
        )
    return _Bins(when.span_s[0], dt_s, n_samples, in_window)


def _trials(rows: pd.DataFrame, bins: _Bins, notes: list[str]) -> Trials:
    """The trials, all with the same bins; they are on the clock of the recording if all have a start."""
    start_s = pd.to_numeric(rows["start_time"], errors="coerce") if "start_time" in rows else pd.Series(0.0, rows.index)
    return Trials(
        zero_s=start_s.fillna(0.0).to_numpy(dtype=float),
        first=np.full(len(rows), bins.in_window[0]),
        last=np.full(len(rows), bins.in_window[-1] + 1),
        dt_s=bins.dt_s,
        columns=rows,
        notes=tuple(notes),
        offset_s=bins.first_s,
        clocked="start_time" in rows and bool(start_s.notna().all()),
    )


def _values(file: RecordingFile, activity: BinnedTrials, units: np.ndarray, where: str) -> tuple[np.ndarray, list[str]]:
    """(all trials, sample, unit) activity of some units, NaN where missing; a sentence on placeholders."""
    require_memory(
        float(np.size(activity.time_s)) * len(activity.trials) * len(file.units),
        where,
        f"{len(activity.trials)} trials x {np.size(activity.time_s)} bins x {len(file.units)} units",
        "use a machine with more memory, or divide the file",
    )
    values, n_replaced = activity.read(), 0
    if not np.array_equal(units, np.arange(values.shape[2])):
        values = values[:, :, units]
    if not file.already_phi:
        values, n_replaced = without_placeholders(values)
    if not n_replaced:
        return values, []
    return values, [f"{n_replaced} values of the activity are a placeholder such as -999 and are missing (NaN)."]
