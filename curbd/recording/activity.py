"""Activity in the bins of trials, from spikes, sampled series or trials that are already binned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.binning import (
    averaged,
    margin_bins,
    sampled_bins,
    sampling,
    smoothed,
    spike_rates,
    whole_multiple,
)
from curbd.recording.cells import matching_rows, numbers
from curbd.recording.memory import require_memory
from curbd.recording.placeholders import WithoutPlaceholders, without_placeholders
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series, Spikes
from curbd.recording.windows import Trials, trials_of
from curbd.settings.recording import RecordingSettings, Windows

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


@dataclass(frozen=True)
class Activity:
    """Activity in the bins of trials.

    Attributes
    ----------
    trials : the trials and their bins.
    rates : (trial, time, unit) smoothed rates, NaN where missing.
    unit : physical unit of the rates.
    mean_rate_hz : (trial, unit) mean rates before smoothing, in Hz; NaN if the activity is not spikes, or if a unit was
        not observed in a trial.
    smoothing_s : standard deviation of the Gaussian, in seconds.
    inputs : (trial, time, input) inputs that the file declares, NaN where missing.
    input_names : (input,) names of these inputs.
    drive : (trial, time, all units of the file) external current of a teacher, in the (dimensionless) units of the
        state x in tau dx/dt = -x + J r + B u + b + drive; None if the file holds none.
    true_currents : (trial, time, source, all units of the file) currents of a teacher of populations; None if the file
        holds none, or if the activity is one continuous stretch.
    """

    trials: Trials
    rates: np.ndarray
    unit: str
    mean_rate_hz: np.ndarray
    smoothing_s: float
    inputs: np.ndarray
    input_names: tuple[str, ...]
    drive: np.ndarray | None = None
    true_currents: np.ndarray | None = None

    @property
    def observed(self) -> np.ndarray:
        """Return (trial, time) bool, True for bins in which all units have a rate."""
        return np.isfinite(self.rates).all(axis=2)

    @property
    def recorded_trials(self) -> np.ndarray:
        """Return (trial,) bool, True for trials in which any unit was recorded in any bin."""
        return np.isfinite(self.rates).any(axis=(1, 2))

    def without_empty_trials(self) -> Activity:
        """Return only the trials in which any unit was recorded; if no unit was recorded at all, return all trials."""
        recorded = self.recorded_trials
        if recorded.all() or not recorded.any():
            return self
        note = f"{int((~recorded).sum())} of {len(recorded)} trials or blocks are left out: nothing was recorded there."
        return self.take(recorded, note)

    def without_partial_bins(self) -> Activity:
        """Replace the rates of all units by NaN in bins in which the rate of any unit is missing."""
        known = np.isfinite(self.rates)
        if np.array_equal(known.all(axis=2), known.any(axis=2)):
            return self
        return replace(self, rates=np.where(self.observed[:, :, None], self.rates, np.nan))

    def of_units(self, keep: np.ndarray) -> Activity:
        """Return the activity of the units that a mask keeps; `drive` still covers all units of the file."""
        if keep.all():
            return self
        return replace(self, rates=self.rates[:, :, keep], mean_rate_hz=self.mean_rate_hz[:, keep])

    def take(self, keep: np.ndarray, note: str) -> Activity:
        """Return the activity in the trials that a mask keeps, with the time axis cut to the bins of these trials.

        Parameters
        ----------
        keep : (trial,) bool, True for the trials to keep.
        note : a sentence that explains the choice, added to the notes.

        Returns
        -------
        The activity in the chosen trials.
        """
        trials = self.trials.take(keep)
        covered_bins = np.isin(self.trials.bins, trials.bins)
        return replace(
            self,
            trials=replace(trials, notes=(*self.trials.notes, note)),
            rates=self.rates[keep][:, covered_bins],
            mean_rate_hz=self.mean_rate_hz[keep],
            inputs=self.inputs[keep][:, covered_bins],
            drive=None if self.drive is None else self.drive[keep][:, covered_bins],
            true_currents=None if self.true_currents is None else self.true_currents[keep][:, covered_bins],
        )


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
            return _from_trials(file, activity, units, keep, settings, where)
        row = int(np.flatnonzero(keep)[0])
        columns = activity.trials.iloc[[row]].reset_index(drop=True)
        file, activity = _one_stretch(file, activity, row)
        windows = settings.windows.model_copy(update={"select": {}})
        settings = settings.model_copy(update={"windows": windows})
    return _from_stretch(file, activity, units, columns, settings, where)


def _from_stretch(
    file: RecordingFile,
    activity: Spikes | Series,
    units: np.ndarray,
    columns: pd.DataFrame,
    settings: RecordingSettings,
    where: str,
) -> Activity:
    """Spikes or a series on the clock of the recording, cut into trials or blocks."""
    placeholders = None
    if isinstance(activity, Series) and not file.already_phi:
        placeholders = WithoutPlaceholders(activity.read)
        activity = replace(activity, read=placeholders)
    binning = _binning(file, activity, units, settings, where)
    dt_s, smoothing_s, span_s = binning.dt_s, binning.smoothing_s, binning.span_s
    name, table = _table(file, settings.windows, columns, span_s, where)
    continuous = settings.windows.table is None or settings.windows.continuous
    gap_s = BLOCK_GAP_SMOOTHINGS * smoothing_s
    if continuous:
        _require_span(table, activity, span_s, dt_s, len(units), where)
    silence_s = _longest_silence_s(activity) if isinstance(activity, Spikes) else 0.0
    trials = trials_of(table, name, where, settings.windows, span_s, dt_s, gap_s, continuous, silence_s)
    if settings.windows.table is None:
        trials = replace(trials, columns=trials.columns.drop(columns=["start_time", "stop_time"]))

    # The margin lets the Gaussian use the activity just outside a trial; it is cut off after smoothing.
    margin = margin_bins(smoothing_s, dt_s)
    _require_bins(trials, margin, len(units), name, where)
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


def _require_span(
    table: pd.DataFrame,
    activity: Spikes | Series,
    span_s: tuple[float, float],
    dt_s: float,
    n_units: int,
    where: str,
) -> None:
    """Stop before stretches are cut into blocks that do not fit into memory, or that hold hardly a spike."""
    bounds = table[["start_time", "stop_time"]].to_numpy(dtype=float)
    lengths = np.minimum(bounds[:, 1], span_s[1]) - np.maximum(bounds[:, 0], span_s[0])
    length_s = float(np.nansum(np.maximum(lengths, 0.0)))
    n_values = length_s / dt_s * n_units
    found = f"{length_s:.6g} s in bins of {dt_s:g} s for {n_units} units"
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


def _from_trials(
    file: RecordingFile,
    activity: BinnedTrials,
    units: np.ndarray,
    keep: np.ndarray,
    settings: RecordingSettings,
    where: str,
) -> Activity:
    """Trials that the file holds on common bins, restricted to the window and averaged into wider bins."""
    windows = settings.windows
    if windows.continuous or windows.align != "start_time":
        raise UserError.at(
            f"{where}: windows",
            found="windows.align or windows.continuous",
            expected="neither of these keys, because the trials of the file are already aligned",
        )
    when = sampling(activity.time_s, f"{where}: {settings.hdf5.time or 'time'}")
    if not when.even:
        raise UserError.at(
            f"{where}: {settings.hdf5.time}",
            found="unevenly spaced times",
            expected="bins of equal width within a trial",
        )
    n_bins = whole_multiple(settings.bin_width_s or when.step_s, when.step_s, f"{where}: bin_width_s")
    dt_s = when.step_s * n_bins
    smoothing_s = settings.smoothing_s or 0.0
    rows = activity.trials[keep].reset_index(drop=True)
    start_s = pd.to_numeric(rows["start_time"], errors="coerce") if "start_time" in rows else pd.Series(0.0, rows.index)
    n_times = len(activity.time_s) // n_bins
    centres = when.span_s[0] + (np.arange(n_times) + 0.5) * dt_s
    low = -np.inf if windows.start_s is None else windows.start_s
    high = np.inf if windows.stop_s is None else windows.stop_s
    in_window = np.flatnonzero((centres > low) & (centres < high))
    if not len(in_window):
        raise UserError.at(
            f"{where}: windows.start_s, windows.stop_s",
            found=f"time windows from {low:g} to {high:g} s",
            expected=f"time windows inside the trials, {when.span_s[0]:g} to {when.span_s[1]:g} s",
        )
    trials = Trials(
        zero_s=start_s.fillna(0.0).to_numpy(dtype=float),
        first=np.full(len(rows), in_window[0]),
        last=np.full(len(rows), in_window[-1] + 1),
        dt_s=dt_s,
        columns=rows,
        offset_s=when.span_s[0],
        clocked="start_time" in rows and bool(start_s.notna().all()),
    )

    def on_bins(values: np.ndarray) -> np.ndarray:
        return averaged(values[keep], n_bins)

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
    if n_replaced:
        note = f"{n_replaced} values of the activity are a placeholder such as -999 and are missing (NaN)."
        trials = replace(trials, notes=(*trials.notes, note))
    rates = smoothed(on_bins(values), smoothing_s, dt_s, settings.causal)
    truth = file.truth
    return Activity(
        trials=trials,
        rates=rates[:, in_window],
        unit="",
        mean_rate_hz=np.full((len(rows), len(units)), np.nan),
        smoothing_s=smoothing_s,
        inputs=on_bins(activity.inputs())[:, in_window],
        input_names=activity.input_names,
        drive=None if truth is None or truth.drive is None else on_bins(truth.drive)[:, in_window],
        true_currents=None if file.true_currents is None else on_bins(file.true_currents.value)[:, in_window],
    )


def _table(
    file: RecordingFile,
    windows: Windows,
    columns: pd.DataFrame,
    span_s: tuple[float, float],
    where: str,
) -> tuple[str, pd.DataFrame]:
    """Name and rows of the interval table in the settings; without one, a single row for the whole recording."""
    name = windows.table
    if name is None:
        _require_no_table(file, windows, columns, where)
        return "the whole recording", columns.assign(start_time=span_s[0], stop_time=span_s[1])
    tables = file.intervals
    if name in file.left_out:
        raise UserError.at(
            f"{where}: windows.table",
            found=f"the interval table {name!r}, which cannot be used: {file.left_out[name]}",
            expected="a table with start_time and stop_time as numbers, in seconds",
            todo="write the times of this table as numbers, in seconds",
        )
    if name not in tables:
        rows = ", ".join(f"{table_name} ({len(table)} rows)" for table_name, table in sorted(tables.items()))
        raise UserError.at(
            f"{where}: windows.table",
            found=f"unknown interval table {name!r}",
            expected=f"one of {rows}" if rows else "null, because the file has no interval table",
            todo=did_you_mean(name, tables),
        )
    return name, in_seconds(tables[name], windows)


def _require_no_table(file: RecordingFile, windows: Windows, columns: pd.DataFrame, where: str) -> None:
    """See that no setting of the windows needs an interval table if none is chosen.

    Raises
    ------
    UserError : ``windows.align`` or ``windows.conditions`` name columns of an interval table of the file.
    """
    missing = {windows.align, *windows.conditions} - {*map(str, columns), "start_time", "stop_time"}
    for table_name, table in sorted(file.intervals.items()):
        if missing and missing <= set(map(str, table.columns)):
            raise UserError.at(
                f"{where}: windows.table",
                found=f"null, although {', '.join(sorted(missing))} of windows.align or windows.conditions is a column "
                f"of the interval table {table_name}",
                expected="the name of an interval table",
                todo=f"set windows.table: {table_name}",
            )


def in_seconds(table: pd.DataFrame, windows: Windows) -> pd.DataFrame:
    """Convert the times of an interval table to seconds, if the settings give the unit of these times."""
    if windows.time_unit_s is None:
        return table
    times = [
        column
        for column in table.columns
        if str(column).endswith("_time") or column in ("start_time", "stop_time", windows.align)
    ]
    return table.assign(**{column: numbers(list(table[column])) * windows.time_unit_s for column in times})


def _columns(series: Series, columns: np.ndarray) -> Series:
    """A series with only some of its columns."""
    return replace(series, read=lambda first, last: series.read(first, last)[:, columns], columns=len(columns))


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


def _drive_series(file: RecordingFile, activity: Spikes | Series) -> Series | None:
    """The external drive of a teacher with one continuous stretch, on the clock of its activity; None without one."""
    if file.truth is None or file.truth.drive is None or isinstance(activity, Spikes):
        return None
    drive = file.truth.drive.reshape(-1, file.truth.drive.shape[-1])
    return Series("truth/drive", activity.time_s, lambda first, last: drive[first:last], drive.shape[1])
