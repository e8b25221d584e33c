"""Activity on the clock of the recording, spikes or a sampled series, in the bins of trials or blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.recording.activity import Activity
from curbd.recording.binning import spike_rates, whole_multiple
from curbd.recording.intervals import chosen_intervals
from curbd.recording.memory import require_memory
from curbd.recording.placeholders import WithoutPlaceholders
from curbd.recording.recording_file import RecordingFile, Series, Spikes
from curbd.recording.sampling import sampled_bins, sampling
from curbd.recording.smoothing import margin_bins, require_short_smoothing, smoothed
from curbd.recording.trials import TimeAxis, Trials
from curbd.recording.windows import are_cut, trials_of
from curbd.settings.recording import RecordingSettings

SPIKE_BIN_S = 0.05
"""Default bin width for spikes, in seconds."""
SPIKE_SMOOTHING_S = 0.1
"""Default standard deviation of the smoothing Gaussian for spikes, in seconds."""
MIN_SPIKES_PER_VALUE = 1 / 2000
"""Large recordings with fewer spikes per unit and bin have times that are not in seconds."""
MIN_FILLED_SHARE = 0.02
"""Large arrays of trials with a smaller share of bins inside trials are refused."""
USUAL_SILENCE_INTERVALS = 10
"""A silence of more than this number of mean intervals between the spikes of all units has a probability below 5e-5."""
BLOCK_GAP_SMOOTHINGS = 4
"""Default gap between two blocks of continuous data, in standard deviations of the smoothing Gaussian."""


def activity_of_stretch(
    file: RecordingFile,
    activity: Spikes | Series,
    units: np.ndarray,
    columns: pd.DataFrame,
    settings: RecordingSettings,
    where: str,
) -> Activity:
    """Bin spikes or a series on the clock of the recording, in trials or in blocks.

    Parameters
    ----------
    file : the opened file.
    activity : spikes or a series with one column for each unit of the file.
    units : (unit,) indices of the units to read.
    columns : one row, with what is known about the whole stretch.
    settings : bin width, smoothing and time windows; a null stands for the default for spikes or for samples.
    where : the recording, for messages.

    Returns
    -------
    The activity in the bins of the trials or blocks.

    Raises
    ------
    UserError : bins are narrower than the sampling step, no time window can be used, a table or column does not exist,
        or the bins do not fit into memory.
    """
    placeholders = None
    if isinstance(activity, Series) and not file.already_phi:
        placeholders = WithoutPlaceholders(activity.read)
        activity = replace(activity, read=placeholders)
    binning = _binning(file, activity, units, settings, where)
    dt_s, smoothing_s = binning.dt_s, binning.smoothing_s
    axis = TimeAxis(
        span_s=binning.span_s,
        dt_s=dt_s,
        gap_s=BLOCK_GAP_SMOOTHINGS * smoothing_s,
        silence_s=_longest_silence_s(activity) if isinstance(activity, Spikes) else 0.0,
    )
    name, table = chosen_intervals(file, settings.windows, columns, axis.span_s, where)
    # Of all units that may be fitted, also where a check reads the windows for a single silent unit.
    n_units = max(len(units), int((file.units["reason"] == "").sum()))
    if are_cut(settings.windows):
        _require_span(table, activity, axis, n_units, where)
    trials = trials_of(table, name, settings.windows, axis, where)
    if settings.windows.table is None:
        trials = replace(trials, columns=trials.columns.drop(columns=["start_time", "stop_time"]))

    # The margin lets the Gaussian use the activity just outside a trial; it is cut off after smoothing.
    margin = margin_bins(smoothing_s, dt_s)
    _require_bins(trials, margin, n_units, name, where)
    require_short_smoothing(smoothing_s, float((trials.last - trials.first).max()) * dt_s, where)
    edges_s = trials.edges_s(margin)
    middle = slice(margin, edges_s.shape[1] - 1 - margin)
    raw = binning.bins(edges_s)
    if placeholders is not None:
        trials = replace(trials, notes=(*trials.notes, *placeholders.notes))
    mean_rate_hz = np.full((len(trials), len(units)), np.nan)
    if isinstance(activity, Spikes):
        mean_rate_hz = _mean_over_time(raw[:, middle], trials.inside)
    rates = smoothed(raw, smoothing_s, dt_s, settings.causal)[:, middle]
    rates = np.where(trials.inside[:, :, None], rates, np.nan)

    def on_bins(series: Series) -> np.ndarray:
        return sampled_bins(series, sampling(series.time_s(), series.name), trials.edges_s())

    inputs = [on_bins(file.series[name]) for name in file.declared_inputs]
    drive = _drive_series(file, activity)
    return Activity(
        trials=trials,
        rates=rates,
        unit=binning.unit,
        mean_rate_hz=mean_rate_hz,
        smoothing_s=smoothing_s,
        inputs=np.concatenate([np.zeros((*rates.shape[:2], 0)), *inputs], axis=2),
        input_names=file.declared_inputs,
        drive=None if drive is None else on_bins(drive),
    )


def _longest_silence_s(spikes: Spikes) -> float:
    """The longest time without a spike of any unit that is still usual, at the mean rate of all units together."""
    if not spikes.n_spikes or spikes.observed_s is not None:
        return 0.0
    return USUAL_SILENCE_INTERVALS * (spikes.span_s[1] - spikes.span_s[0]) / spikes.n_spikes


def _require_span(table: pd.DataFrame, activity: Spikes | Series, axis: TimeAxis, n_units: int, where: str) -> None:
    """Stop before stretches are cut into blocks that do not fit into memory, or that hold hardly a spike."""
    bounds = table[["start_time", "stop_time"]].to_numpy(dtype=float)
    lengths = np.minimum(bounds[:, 1], axis.span_s[1]) - np.maximum(bounds[:, 0], axis.span_s[0])
    length_s = float(np.nansum(np.maximum(lengths, 0.0)))
    n_values = length_s / axis.dt_s * n_units
    found = f"{length_s:.6g} s in bins of {axis.dt_s:g} s for {n_units} units"
    filled = 1.0
    if isinstance(activity, Spikes) and activity.n_spikes is not None:
        found = f"{activity.n_spikes} spikes in {found}"
        filled = 1.0 if activity.n_spikes > MIN_SPIKES_PER_VALUE * n_values else 0.0
    todo = "check the times in the file (curbd inspect) and their unit (spike_time_unit_s), or use wider bins"
    require_memory(n_values, f"{where}: bin_width_s", found, todo, filled)


def _require_bins(trials: Trials, margin: int, n_units: int, name: str, where: str) -> None:
    """Stop before trials are binned that do not fit into memory, or that are nearly all padding."""
    n_bins = int(trials.last.max() - trials.first.min()) + 2 * margin
    lengths = trials.last - trials.first
    median = float(np.median(lengths))
    filled = 1.0 if lengths.sum() > MIN_FILLED_SHARE * len(trials) * n_bins else 0.0
    longest = float(lengths.max()) * trials.dt_s
    require_memory(
        float(len(trials)) * n_bins * n_units,
        f"{where}: windows, {name}",
        f"{len(trials)} windows x {n_bins} bins x {n_units} units (the longest window {longest:.6g} s, the median"
        f" {median * trials.dt_s:.4g} s)",
        f"end the windows with windows.stop_s, e.g. {median * trials.dt_s:.4g}, leave out long rows, or use wider bins",
        filled,
    )


class _Binning(NamedTuple):
    """How activity on the clock of the recording is binned.

    Attributes
    ----------
    bins : (trial, bin + 1) edges in seconds -> (trial, bin, unit) activity, NaN where missing.
    dt_s : bin width in seconds.
    smoothing_s : standard deviation of the smoothing Gaussian in seconds.
    span_s : first and last time of the activity in seconds.
    unit : physical unit of the binned activity.
    """

    bins: Callable[[np.ndarray], np.ndarray]
    dt_s: float
    smoothing_s: float
    span_s: tuple[float, float]
    unit: str


def _binning(
    file: RecordingFile, activity: Spikes | Series, units: np.ndarray, settings: RecordingSettings, where: str
) -> _Binning:
    """Bin width and smoothing from the settings, or else the defaults of the kind of activity."""
    if isinstance(activity, Spikes):
        binning = _Binning(
            bins=partial(spike_rates, activity, units),
            dt_s=SPIKE_BIN_S,
            smoothing_s=SPIKE_SMOOTHING_S,
            span_s=activity.span_s,
            unit="Hz",
        )
    else:
        when = sampling(activity.time_s(), f"{where}: {activity.name}")
        binning = _Binning(
            bins=partial(sampled_bins, _columns(activity, units), when),
            dt_s=when.step_s,
            smoothing_s=0.0,
            span_s=when.span_s,
            unit=activity.unit,
        )
    if settings.bin_width_s is not None:
        if isinstance(activity, Series):
            _require_wide_bins(settings.bin_width_s, binning.dt_s, activity.name, file.format, where)
        binning = binning._replace(dt_s=settings.bin_width_s)
    return binning if settings.smoothing_s is None else binning._replace(smoothing_s=settings.smoothing_s)


def _require_wide_bins(width_s: float, step_s: float, name: str, format: str, where: str) -> None:
    """Stop if bins are narrower than the sampling step or, in plain HDF5 files, not a whole multiple of the step."""
    if width_s < 0.99 * step_s:
        raise UserError.at(
            f"{where}: bin_width_s",
            found=f"{width_s:g} s",
            expected=f"at least {step_s:g} s, the sampling step of {name}",
            todo="set bin_width_s to null to use the samples as they are",
        )
    if format == "hdf5":
        whole_multiple(width_s, step_s, f"{where}: bin_width_s")


def _mean_over_time(rates: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(trial, unit) mean rate over the observed bins of each trial; NaN for a unit that was not observed.

    Parameters
    ----------
    rates : (trial, time, unit), NaN where missing.
    inside : (trial, time) whether a bin belongs to a trial.
    """
    observed = inside[:, :, None] & np.isfinite(rates)
    n_observed = observed.sum(axis=1)
    total = np.where(observed, rates, 0).sum(axis=1)
    return np.where(n_observed > 0, total / np.maximum(n_observed, 1), np.nan)


def _columns(series: Series, columns: np.ndarray) -> Series:
    """A series with only some of its columns."""
    return replace(series, read=lambda first, last: series.read(first, last)[:, columns], columns=len(columns))


def _drive_series(file: RecordingFile, activity: Spikes | Series) -> Series | None:
    """The external drive of a teacher with one continuous stretch, on the clock of its activity; None without one."""
    if file.truth is None or file.truth.drive is None or isinstance(activity, Spikes):
        return None
    drive = file.truth.drive.reshape(-1, file.truth.drive.shape[-1])
    return Series("truth/drive", activity.time_s, lambda first, last: drive[first:last], drive.shape[1])
