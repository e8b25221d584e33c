"""A check of the settings of a recording against its file, which reports all mistakes at once and before a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.activity import Activity
from curbd.recording.cells import column_of, texts_of_cell
from curbd.recording.counts import require_counts, require_raw
from curbd.recording.dataset import RECORDING_NAMES, unit_coords
from curbd.recording.fluorescence import is_fluorescence
from curbd.recording.ingest import SHAREABLE, session
from curbd.recording.inputs import all_inputs, names_of_input
from curbd.recording.perturbed import entries_with_trials, perturbations_of
from curbd.recording.reading_activity import read_activity
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series, Spikes
from curbd.recording.regions import NO_LABEL_REASON
from curbd.recording.selection import candidate_units, require_units, shortened, small_regions
from curbd.recording.sufficiency import Amount, expected_amount, shortages
from curbd.recording.units import absent_values
from curbd.recording.windows import Trials, conditions
from curbd.settings.recording import RecordingSettings, Regions, Units, Windows

T = TypeVar("T")
MAX_SMOOTHING_OF_TRIAL = 0.25
"""Smoothing by more than this part of a trial gets a remark."""
MIN_BINS_PER_TRIAL = 4
"""Trials with fewer bins get a remark, because they hold hardly any pairs of successive bins to fit."""
MAX_VALUES_READ = 10_000_000
"""Activity of up to this number of values is read, which takes about a second; a mistake that only the values of larger
activity show is told by the step `ingest`."""
MIN_TRIALS_PER_CONDITION = 2
"""If most conditions have fewer trials, they get a remark: their column probably holds a different number in each
trial."""


@dataclass
class FileCheck:
    """Mistakes and remarks from a check of the settings of a recording against its file.

    Attributes
    ----------
    mistakes : mistakes that must be corrected before the recording can be made, one line each.
    remarks : facts that the user may not intend, one line each.
    opened : True if units and regions could be read.
    labels : region labels before merging.
    absent_labels : labels in ``regions.merge`` that no unit has.
    absent_mapping : a message if the table ``regions.mapping`` names no unit; '' otherwise.
    absent_perturbations : a sentence on each entry of `perturbed` of which there is no trial.
    absent_values : (setting, value) of one value among several that are chosen and that the file does not have -> the
        values that it has.
    is_spikes : True if the activity is spikes.
    amount : how many units, bins and trials the recording is expected to have; None if the trials are not known.
    lowest_activity : lowest value of the activity of the kept units; NaN if the activity was not read.
    not_for_populations : why a population network without an indicator cannot read the activity; '' if it can, or if
        the activity was not read.
    outline : an outline of the recording, with one trial per condition, for a check of the experiments; None if the
        units could not be read.
    every_trial : an outline of the recording with all trials and their columns, and a single bin and unit, for a check
        of the contrasts; None if the trials are not known.
    has_trials : True if the outline has the trials and inputs of the recording, False if it has a single empty bin.
    """

    mistakes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    opened: bool = False
    labels: list[str] = field(default_factory=list)
    absent_labels: list[str] = field(default_factory=list)
    absent_mapping: str = ""
    absent_perturbations: list[str] = field(default_factory=list)
    absent_values: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    is_spikes: bool = False
    amount: Amount | None = None
    lowest_activity: float = float("nan")
    not_for_populations: str = ""
    outline: xr.Dataset | None = None
    every_trial: xr.Dataset | None = None
    has_trials: bool = False

    def attempt(self, function: Callable[..., T], *arguments: Any) -> T | None:
        """Call a function and return its result; on a `UserError`, add a mistake and return None.

        Parameters
        ----------
        function : the function.
        arguments : positional arguments of the function.

        Returns
        -------
        The result of the function, or None.
        """
        try:
            return function(*arguments)
        except UserError as error:
            if str(error) not in self.mistakes:
                self.mistakes.append(str(error))
            return None


def check_file(path: Path, format: Literal["nwb", "hdf5"], settings: RecordingSettings, name: str) -> FileCheck:
    """Check the settings of a recording against its file.

    If nothing else is wrong, activity of at most `MAX_VALUES_READ` values is read as a run would read it.

    Parameters
    ----------
    path : path of the file.
    format : ``nwb`` or ``hdf5``.
    settings : settings of the recording.
    name : name of the recording, for messages.

    Returns
    -------
    Mistakes, remarks, and an outline of the recording.
    """
    found, where = FileCheck(), f"{name} ({path})"
    file = _opened(path, format, settings, name, found)
    if file is None:
        return found
    with file:
        found.opened = True
        unused = set(file.series) - {entry.series for entry in settings.inputs}
        told_apart = file.units.attrs.get("absent_mapping") or None
        notes = (note for note in file.notes if note.partition(": ")[0] not in unused)
        found.remarks += [f"{where}: {note}" for note in notes if not (told_apart and told_apart in note)]
        found.is_spikes = isinstance(file.activity, Spikes)
        found.labels = list(file.units.attrs.get("labels", []))
        found.absent_labels = list(file.units.attrs.get("absent_labels", []))
        kept = found.attempt(_kept_units, file, settings.units, where, found)
        found.absent_mapping = file.units.attrs.get("absent_mapping", "")
        found.absent_values = dict(file.units.attrs.get("absent_values", {}))
        table = _table_of_trials(file, settings.windows)
        if table is not None:
            columns = {str(column): table[column] for column in table}
            found.absent_values |= absent_values(columns, settings.windows.select, "windows.select", texts_of_cell)
        activity = _trials(file, settings, where, found)
        units = file.units if kept is None else file.units.iloc[kept]
        if activity is None:
            found.outline = _outline(units, None, np.array(["all"]), [], name, settings)
            return found
        trials = activity.trials
        condition = _conditions(trials, settings, where, found)
        inputs: list[str] = []
        for index, entry in enumerate(settings.inputs):
            where_entry = f"{where}: inputs[{index}]"
            inputs += found.attempt(names_of_input, file, entry, trials, where_entry) or []
        if not found.mistakes:
            # The series are read, so that missing values are told before the run, however large the activity is.
            found.attempt(all_inputs, file, settings.inputs, activity, where)
        present = found.attempt(entries_with_trials, trials.columns, settings.perturbed, where)
        entries, absent = present or ([], [])
        found.absent_perturbations = [f"{where}: perturbed: {sentence}" for sentence in absent]
        real = found.attempt(perturbations_of, trials.columns, entries, where)
        if condition is None or real is None:
            found.outline = _outline(units, None, np.array(["all"]), [], name, settings)
            return found
        if not found.mistakes and _values_to_read(file, trials) <= MAX_VALUES_READ:
            units = _fitted_units(file, settings, name, units, found)
        unperturbed, labels = (trials.take(real == ""), condition[real == ""]) if entries else (trials, condition)
        n_inputs = len(activity.input_names) + len(inputs)
        region = units["region"].to_numpy()
        found.amount = expected_amount(region, unperturbed.inside, labels, n_inputs, settings.test_fraction)
        # Units whose labels have a mistake were read as one region.
        purposes = ["single units", "trials"] if found.mistakes else ["regions", "single units", "trials"]
        found.remarks += [f"{where}: {text}" for text in shortages(found.amount, purposes)]
        found.outline = _outline(units, unperturbed, labels, [*activity.input_names, *inputs], name, settings)
        found.every_trial = _every_trial(unperturbed, [*activity.input_names, *inputs], name)
        found.has_trials = True
    return found


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
        trials = read_activity(_without_data(file), np.array([0]), settings, str(file.path)).trials
        condition = conditions(trials.columns, settings.windows.conditions, str(file.path))
    except UserError:
        return None
    region = file.units["region"].to_numpy()[kept]
    return expected_amount(region, trials.inside, condition, 0, settings.test_fraction) if kept.any() else None


def _opened(
    path: Path, format: Literal["nwb", "hdf5"], settings: RecordingSettings, name: str, found: FileCheck
) -> RecordingFile | None:
    """The file; where the settings of units and regions have mistakes, each mistake is reported, and the file is opened
    without them."""
    try:
        return open_recording(path, format, settings, name)
    except UserError as error:
        first = str(error)
    plain = settings.model_copy(update={"regions": Regions(unknown="keep"), "units": Units()})
    file = found.attempt(open_recording, path, format, plain, name)
    if file is None:
        return None
    for column, values in settings.units.select.items():
        chosen = plain.model_copy(update={"units": Units(select={column: values})})
        with_choice = found.attempt(open_recording, path, format, chosen, name)
        if with_choice is not None:
            found.attempt(candidate_units, with_choice.units, f"{name} ({path})")
            with_choice.close()
    labelled = found.attempt(open_recording, path, format, plain.model_copy(update={"regions": settings.regions}), name)
    found.mistakes = found.mistakes or [first]
    if labelled is None:
        return file
    file.close()
    return labelled


def _kept_units(file: RecordingFile, settings: Units, where: str, found: FileCheck) -> np.ndarray:
    """(kept unit,) indices of the units that are fitted unless their activity speaks against it."""
    candidates = candidate_units(file.units, where)
    reasons = file.units["reason"].to_numpy(dtype=object).copy()
    regions = file.units["region"].tolist()
    small = small_regions(regions, reasons == "", settings)
    reasons = np.where(small != "", small, reasons)
    require_units(reasons.tolist(), where)
    if n_unlabelled := int((reasons == NO_LABEL_REASON).sum()):
        found.remarks.append(
            f"{where}: {n_unlabelled} of {len(reasons)} units are left out, without a region label (regions.mapping)."
        )
    lost = sorted({regions[unit] for unit in candidates} - {regions[unit] for unit in np.flatnonzero(reasons == "")})
    if lost:
        found.remarks.append(
            f"{where}: {', '.join(lost)} {'are' if len(lost) > 1 else 'is'} left out, with fewer than "
            f"{settings.min_per_region} units (units.min_per_region)."
        )
    return np.flatnonzero(reasons == "")


def _values_to_read(file: RecordingFile, trials: Trials) -> float:
    """Number of values that are read and made when the activity of all units is brought to the bins of the trials."""
    activity = file.activity
    n_bins, n_units = float(trials.inside.size), int((file.units["reason"] == "").sum())
    if isinstance(activity, Spikes):
        return n_bins * n_units + (activity.n_spikes or 0)
    if isinstance(activity, BinnedTrials):
        return float(len(activity.trials)) * len(activity.time_s) * len(file.units)
    time_s = activity.time_s()
    samples_per_bin = max(trials.dt_s * (len(time_s) - 1) / float(time_s[-1] - time_s[0]), 1.0)
    return n_bins * samples_per_bin * activity.columns


def _fitted_units(
    file: RecordingFile, settings: RecordingSettings, name: str, units: pd.DataFrame, found: FileCheck
) -> pd.DataFrame:
    """Read the activity, and return the rows of the units that will be fitted; the given rows if there is a mistake."""
    read = found.attempt(partial(session, checksum=False), file, settings, name, SHAREABLE)
    if read is None:
        return units
    made, remarks = read
    recording, where = made.recording, f"{name} ({file.path})"
    found.lowest_activity = float(recording["rates"].min())
    try:
        require_raw(recording)
        if not is_fluorescence(file.activity_name):
            require_counts(recording)
    except UserError as error:
        found.not_for_populations = str(error)
    found.remarks += [f"{where}: {remark}" for remark in remarks]
    reasons = made.units.loc[units.index, "reason"]
    fitted = units[(reasons == "").to_numpy()]
    if len(fitted) < len(units):
        counts = reasons[reasons != ""].value_counts()
        listed = "; ".join(f"{count} {shortened(reason)}" for reason, count in counts.items())
        found.remarks.append(f"{where}: {len(units) - len(fitted)} of {len(units)} units are left out ({listed}).")
    return fitted


def _trials(file: RecordingFile, settings: RecordingSettings, where: str, found: FileCheck) -> Activity | None:
    """The trials and their bins; where the windows have mistakes, each mistake is reported."""
    hollow, windows = _without_data(file), settings.windows
    unit = np.array([0])
    try:
        activity = read_activity(hollow, unit, settings, where)
    except UserError as error:
        first = str(error)
    else:
        trials = activity.trials
        n_bins = float(np.median(trials.last - trials.first))
        found.remarks += [f"{where}: {note}" for note in trials.notes]
        for remark in (remark_on_bins(n_bins, trials.dt_s), remark_on_smoothing(activity, n_bins * trials.dt_s)):
            found.remarks += [f"{where}: {remark}"] if remark else []
        return activity
    # Each key alone tells its own mistake; all mistakes come at once.
    for variant in _windows_alone(windows):
        found.attempt(read_activity, hollow, unit, settings.model_copy(update={"windows": variant}), where)
    if not found.mistakes:
        found.mistakes.append(first)
    table = _table_of_trials(file, windows)
    if table is not None:
        for column in windows.conditions:
            found.attempt(conditions, table, [column], where)
        for number, entry in enumerate(settings.perturbed):
            found.attempt(perturbations_of, table, [entry], f"{where}: perturbed[{number}]")
        for index, source in enumerate(settings.inputs):
            where_entry = f"{where}: inputs[{index}] ({source.name})"
            for column in filter(None, (source.column, source.start, source.stop)):
                found.attempt(column_of, table, column, where_entry)
    return None


def _windows_alone(windows: Windows) -> Iterator[Windows]:
    """The windows with one of their keys at a time, all others at their defaults."""
    kept = {"table": windows.table, "continuous": windows.continuous}
    yield Windows.model_construct(**{**Windows().model_dump(), **kept})
    for column, values in windows.select.items():
        yield Windows.model_construct(**{**Windows().model_dump(), **kept, "select": {column: values}})
    times = {key: getattr(windows, key) for key in ("align", "start_s", "stop_s")}
    yield Windows.model_construct(**{**Windows().model_dump(), **kept, **times})


def _table_of_trials(file: RecordingFile, windows: Windows) -> pd.DataFrame | None:
    """The rows of the trials before any choice among them; None if there is no such table."""
    if isinstance(file.activity, BinnedTrials):
        return file.activity.trials
    return None if windows.table is None else file.intervals.get(windows.table)


def _without_data(file: RecordingFile) -> RecordingFile:
    """The file with a single silent unit, whose bins can be made without reading data."""
    activity = file.activity
    if isinstance(activity, Series):
        hollow: Any = replace(activity, read=lambda first, last: np.zeros((last - first, 1)), columns=1)
    elif isinstance(activity, BinnedTrials):
        shape = (len(activity.trials), len(activity.time_s), 1)
        hollow = replace(activity, read=lambda: np.zeros(shape))
    else:
        hollow = Spikes(read=lambda unit: np.zeros(0), span_s=activity.span_s)
    return replace(file, activity=hollow, truth=None, true_currents=None)


def remark_on_bins(n_bins: float, dt_s: float) -> str:
    """Return a sentence if trials have too few bins, and '' if they have enough.

    Parameters
    ----------
    n_bins : median number of bins of a trial.
    dt_s : bin width in seconds.

    Returns
    -------
    The sentence, or ''.
    """
    if n_bins >= MIN_BINS_PER_TRIAL:
        return ""
    return (
        f"a trial has only {n_bins:g} bin{'s' * (n_bins > 1)} of {dt_s:g} s; narrower bins (bin_width_s) or longer "
        "windows give the fit more to predict."
    )


def remark_on_smoothing(activity: Activity, trial_s: float) -> str:
    """Return a sentence if smoothing leaves next to nothing of a trial, and '' if it does not.

    Parameters
    ----------
    activity : the binned activity.
    trial_s : median length of a trial, in seconds.

    Returns
    -------
    The sentence, or ''.
    """
    if activity.smoothing_s <= MAX_SMOOTHING_OF_TRIAL * trial_s:
        return ""
    return (
        f"smoothing_s of {activity.smoothing_s:g} s is long for trials of {trial_s:.3g} s: little of their time course"
        " is left."
    )


def _conditions(trials: Trials, settings: RecordingSettings, where: str, found: FileCheck) -> np.ndarray | None:
    """(trial,) condition of each trial; None if a column is not known."""
    wanted = settings.windows.conditions
    known = [found.attempt(conditions, trials.columns, [column], where) for column in wanted]
    if any(column is None for column in known):
        return None
    condition = conditions(trials.columns, wanted, where)
    if (remark := remark_on_conditions(condition, wanted)) and not trials.blocks:
        found.remarks.append(f"{where}: {remark}")
    return condition


def remark_on_conditions(condition: np.ndarray, columns: list[str]) -> str:
    """Return a sentence if most conditions have too few trials, and '' if they have enough.

    Parameters
    ----------
    condition : (trial,) conditions.
    columns : the trial columns of `windows.conditions`.

    Returns
    -------
    The sentence, or ''.
    """
    counts = np.unique(condition, return_counts=True)[1]
    few = int((counts < MIN_TRIALS_PER_CONDITION).sum())
    if not columns or 2 * few <= len(counts) or len(counts) < 3:
        return ""
    return (
        f"{few} of {len(counts)} conditions ({', '.join(columns)}) have a single trial: windows.conditions is meant "
        "for columns with few values, not for times or other measurements."
    )


def _outline(
    units: pd.DataFrame,
    trials: Trials | None,
    condition: np.ndarray,
    inputs: list[str],
    name: str,
    settings: RecordingSettings,
) -> xr.Dataset:
    """An outline of the recording: its units, inputs and bins, and one trial for each condition.

    Without trials, the outline has a single bin.
    """
    names, first = np.unique(condition.astype(str), return_index=True)
    columns: dict[str, Any] = {}
    inside, time_s, dt_s = np.ones((1, 1), dtype=bool), np.zeros(1), 1.0
    if trials is not None:
        inside = np.array([trials.inside[condition.astype(str) == label].any(axis=0) for label in names])
        time_s, dt_s = trials.time_s, trials.dt_s
        columns = {
            str(column): ("trial", trials.columns[column].to_numpy()[first])
            for column in trials.columns
            if str(column) not in RECORDING_NAMES
        }
    rates = np.where(inside[:, :, None], np.float32(0), np.float32(np.nan)).repeat(len(units), axis=2)
    return xr.Dataset(
        {
            "rates": (("trial", "time", "unit"), rates),
            "inputs": (("trial", "time", "input"), np.zeros((*inside.shape, len(inputs)))),
        },
        coords={
            **columns,
            **unit_coords(units),
            "time": ("time", time_s),
            "input": ("input", np.array(inputs, dtype=str)),
            "condition": ("trial", names),
        },
        attrs={
            "recording": name,
            "dt_s": dt_s,
            "silent": -1.0 if settings.scaling == "counts" else 0.0,
        },
    )


def _every_trial(trials: Trials, inputs: list[str], name: str) -> xr.Dataset:
    """An outline of the recording with the columns of all trials, one bin and one unit."""
    n_trials = len(trials.columns)
    columns: dict[str, Any] = {
        f"trial_{column}" if str(column) in RECORDING_NAMES else str(column): ("trial", cells.to_numpy())
        for column, cells in trials.columns.items()
    }
    return xr.Dataset(
        {
            "rates": (("trial", "time", "unit"), np.zeros((n_trials, 1, 1))),
            "inputs": (("trial", "time", "input"), np.zeros((n_trials, 1, len(inputs)))),
        },
        coords={**columns, "input": ("input", np.array(inputs, dtype=str))},
        attrs={"recording": name},
    )
