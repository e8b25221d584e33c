"""A check of the settings of a recording against its file, which reports all mistakes at once and before a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import attempt
from curbd.recording import open_recording
from curbd.recording.activity import Activity
from curbd.recording.cells import column_of, texts_of_cell
from curbd.recording.counts import require_counts, require_raw
from curbd.recording.fluorescence import is_fluorescence
from curbd.recording.ingest import SHAREABLE, session
from curbd.recording.inputs import all_inputs, names_of_input
from curbd.recording.outline import every_trial, outline
from curbd.recording.perturbed import entries_with_trials, perturbations_of
from curbd.recording.reading_activity import read_activity
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Spikes, Unmatched
from curbd.recording.regions import NO_LABEL_REASON
from curbd.recording.selection import candidate_units, require_units, shortened, small_regions
from curbd.recording.sufficiency import Amount, expected_amount, shortages
from curbd.recording.trial_remarks import remark_on_bins, remark_on_conditions, remark_on_smoothing
from curbd.recording.trials import Trials
from curbd.recording.units import absent_values
from curbd.recording.unread_activity import table_of_trials, without_data
from curbd.recording.windows import conditions
from curbd.settings.places import is_remote
from curbd.settings.recording import RecordingSettings, Regions, Units, Windows

MAX_VALUES_READ = 10_000_000
"""Activity of up to this number of values is read, which takes about a second; a mistake that only the values of larger
activity show is told by the step `ingest`."""


@dataclass(frozen=True)
class FileCheck:
    """Mistakes and remarks from a check of the settings of a recording against its file.

    Attributes
    ----------
    mistakes : mistakes that must be corrected before the recording can be made, one line each.
    remarks : facts that the user may not intend, one line each.
    opened : True if units and regions could be read.
    unmatched : names in the settings of regions, units and windows that the file does not have.
    absent_perturbations : a sentence on each entry of `perturbed` of which there is no trial.
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

    mistakes: list[str]
    remarks: list[str] = field(default_factory=list)
    opened: bool = False
    unmatched: Unmatched = field(default_factory=Unmatched)
    absent_perturbations: list[str] = field(default_factory=list)
    is_spikes: bool = False
    amount: Amount | None = None
    lowest_activity: float = float("nan")
    not_for_populations: str = ""
    outline: xr.Dataset | None = None
    every_trial: xr.Dataset | None = None
    has_trials: bool = False


class ReadUnits(NamedTuple):
    """What the activity of the kept units tells.

    Attributes
    ----------
    fitted : the rows of the units that will be fitted.
    lowest : lowest value of the activity.
    not_for_populations : why a population network without an indicator cannot read the activity; '' if it can.
    remarks : remarks on the activity, and on units that are left out because of it.
    """

    fitted: pd.DataFrame
    lowest: float
    not_for_populations: str
    remarks: list[str]


class KeptUnits(NamedTuple):
    """Units that are fitted unless their activity speaks against it.

    Attributes
    ----------
    indices : (kept unit,) indices of the units.
    remarks : remarks on units that are left out.
    """

    indices: np.ndarray
    remarks: list[str]


def check_file(path: Path, format: Literal["nwb", "hdf5"], settings: RecordingSettings, name: str) -> FileCheck:
    """Check the settings of a recording against its file.

    If nothing else is wrong, activity of at most `MAX_VALUES_READ` values in a file of this machine is read as a run
    would read it.

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
    file, mistakes = _opened(path, format, settings, name)
    if file is None:
        return FileCheck(mistakes)
    with file:
        return _check_opened(file, settings, name, mistakes)


def _opened(
    path: Path, format: Literal["nwb", "hdf5"], settings: RecordingSettings, name: str
) -> tuple[RecordingFile | None, list[str]]:
    """The file, and the mistakes in the settings of units and regions, without which the file is opened then."""
    file, first = attempt(open_recording, path, format, settings, name)
    if file is not None:
        return file, []
    plain = settings.model_copy(update={"regions": Regions(unknown="keep"), "units": Units()})
    file, mistakes = attempt(open_recording, path, format, plain, name)
    if file is None:
        return None, mistakes
    for column, values in settings.units.select.items():
        chosen = plain.model_copy(update={"units": Units(select={column: values})})
        with_choice, unknown = attempt(open_recording, path, format, chosen, name)
        mistakes += unknown
        if with_choice is not None:
            mistakes += attempt(candidate_units, with_choice.units, f"{name} ({path})")[1]
            with_choice.close()
    with_regions = plain.model_copy(update={"regions": settings.regions})
    labelled, unlabelled = attempt(open_recording, path, format, with_regions, name)
    mistakes = _distinct([*mistakes, *unlabelled]) or first
    if labelled is None:
        return file, mistakes
    file.close()
    return labelled, mistakes


def _check_opened(file: RecordingFile, settings: RecordingSettings, name: str, wrong_opening: list[str]) -> FileCheck:
    """Check the units and trials of a file; ``wrong_opening`` are the mistakes with which the file was opened."""
    where = f"{name} ({file.path})"
    kept, wrong_units = attempt(_kept_units, file, settings.units, where)
    activity, wrong_trials, remarks_on_trials = _trials(file, settings, where)
    unmatched, table = file.unmatched, table_of_trials(file, settings.windows)
    if table is not None:
        columns = {str(column): table[column] for column in table}
        values = absent_values(columns, settings.windows.select, "windows.select", texts_of_cell)
        unmatched = replace(unmatched, values={**unmatched.values, **values})
    units = file.units if kept is None else file.units.iloc[kept.indices]
    check = FileCheck(
        mistakes=_distinct([*wrong_opening, *wrong_units, *wrong_trials]),
        remarks=[*_notes(file, settings, where), *(kept.remarks if kept else []), *remarks_on_trials],
        opened=True,
        unmatched=unmatched,
        is_spikes=isinstance(file.activity, Spikes),
        outline=outline(units, None, np.array(["all"]), [], name, settings),
    )
    return check if activity is None else _with_trials(check, file, activity, units, settings, name)


def _with_trials(
    check: FileCheck,
    file: RecordingFile,
    activity: Activity,
    units: pd.DataFrame,
    settings: RecordingSettings,
    name: str,
) -> FileCheck:
    """Add what the trials tell: conditions, inputs, real perturbations, and the amount of data."""
    where, trials = f"{name} ({file.path})", activity.trials
    condition, mistakes, remarks = _conditions(trials, settings, where)
    inputs, wrong = _names_of_inputs(file, settings, trials, where)
    mistakes += wrong
    if not check.mistakes and not mistakes:
        # The series are read, so that missing values are told before the run, however large the activity is.
        mistakes += attempt(all_inputs, file, settings.inputs, activity, where)[1]
    present, wrong = attempt(entries_with_trials, trials.columns, settings.perturbed, where)
    entries, absent = present or ([], [])
    real, contradictory = attempt(perturbations_of, trials.columns, entries, where)
    check = replace(
        check,
        mistakes=_distinct([*check.mistakes, *mistakes, *wrong, *contradictory]),
        remarks=[*check.remarks, *remarks],
        absent_perturbations=[f"{where}: perturbed: {sentence}" for sentence in absent],
    )
    if condition is None or real is None:
        return check
    if not check.mistakes and not is_remote(file.path) and _values_to_read(file, trials) <= MAX_VALUES_READ:
        check, units = _with_values(check, file, units, settings, name)
    unperturbed, labels = (trials.take(real == ""), condition[real == ""]) if entries else (trials, condition)
    input_names = [*activity.input_names, *inputs]
    region = units["region"].to_numpy()
    amount = expected_amount(region, unperturbed.inside, labels, len(input_names), settings.test_fraction)
    # Units whose labels have a mistake were read as one region.
    purposes = ["single units", "trials"] if check.mistakes else ["regions", "single units", "trials"]
    return replace(
        check,
        remarks=[*check.remarks, *(f"{where}: {text}" for text in shortages(amount, purposes))],
        amount=amount,
        outline=outline(units, unperturbed, labels, input_names, name, settings),
        every_trial=every_trial(unperturbed, input_names, name),
        has_trials=True,
    )


def _names_of_inputs(
    file: RecordingFile, settings: RecordingSettings, trials: Trials, where: str
) -> tuple[list[str], list[str]]:
    """The names of the inputs that the settings define, and the mistakes of all entries."""
    inputs: list[str] = []
    mistakes: list[str] = []
    for index, entry in enumerate(settings.inputs):
        names, wrong = attempt(names_of_input, file, entry, trials, f"{where}: inputs[{index}]")
        inputs += names or []
        mistakes += wrong
    return inputs, mistakes


def _with_values(
    check: FileCheck, file: RecordingFile, units: pd.DataFrame, settings: RecordingSettings, name: str
) -> tuple[FileCheck, pd.DataFrame]:
    """Add what the values of the activity tell; return also the rows of the units that will be fitted."""
    read, unreadable = attempt(_read_units, file, settings, name, units)
    if read is None:
        return replace(check, mistakes=unreadable), units
    return replace(
        check,
        remarks=[*check.remarks, *read.remarks],
        lowest_activity=read.lowest,
        not_for_populations=read.not_for_populations,
    ), read.fitted


def _notes(file: RecordingFile, settings: RecordingSettings, where: str) -> list[str]:
    """Notes of the reader on what is used of the file, without those that the check of the mapping tells."""
    unused = set(file.series) - {entry.series for entry in settings.inputs}
    absent_mapping = file.unmatched.mapping
    notes = (note for note in file.notes if note.partition(": ")[0] not in unused)
    return [f"{where}: {note}" for note in notes if not (absent_mapping and absent_mapping in note)]


def _kept_units(file: RecordingFile, settings: Units, where: str) -> KeptUnits:
    """Choose the units as a run does, except for what only their activity tells."""
    candidates = candidate_units(file.units, where)
    reasons = file.units["reason"].to_numpy(dtype=object).copy()
    regions = file.units["region"].tolist()
    small = small_regions(regions, reasons == "", settings)
    reasons = np.where(small != "", small, reasons)
    require_units(reasons.tolist(), where)
    kept, remarks = np.flatnonzero(reasons == ""), []
    if n_unlabelled := int((reasons == NO_LABEL_REASON).sum()):
        remarks.append(
            f"{where}: {n_unlabelled} of {len(reasons)} units are left out, without a region label (regions.mapping)."
        )
    lost = sorted({regions[unit] for unit in candidates} - {regions[unit] for unit in kept})
    if lost:
        remarks.append(
            f"{where}: {', '.join(lost)} {'are' if len(lost) > 1 else 'is'} left out, with fewer than "
            f"{settings.min_per_region} units (units.min_per_region)."
        )
    return KeptUnits(kept, remarks)


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


def _read_units(file: RecordingFile, settings: RecordingSettings, name: str, units: pd.DataFrame) -> ReadUnits:
    """Read the activity of the kept units as a run would read it."""
    made, remarks = session(file, settings, name, SHAREABLE, checksum=False)
    reasons = made.units.loc[units.index, "reason"]
    fitted = units[(reasons == "").to_numpy()]
    if len(fitted) < len(units):
        counts = reasons[reasons != ""].value_counts()
        listed = "; ".join(f"{count} {shortened(reason)}" for reason, count in counts.items())
        remarks = (*remarks, f"{len(units) - len(fitted)} of {len(units)} units are left out ({listed}).")
    return ReadUnits(
        fitted=fitted,
        lowest=float(made.recording["rates"].min()),
        not_for_populations="".join(attempt(_require_for_populations, made.recording, file.activity_name)[1]),
        remarks=[f"{name} ({file.path}): {remark}" for remark in remarks],
    )


def _require_for_populations(recording: xr.Dataset, activity_name: str) -> None:
    """Stop if a population network without an indicator cannot read the activity."""
    require_raw(recording)
    if not is_fluorescence(activity_name):
        require_counts(recording)


def _trials(
    file: RecordingFile, settings: RecordingSettings, where: str
) -> tuple[Activity | None, list[str], list[str]]:
    """The trials and their bins, or the mistakes in the settings of trials; and remarks on the trials."""
    activity, first = attempt(read_activity, without_data(file), np.array([0]), settings, where)
    if activity is None:
        of_windows = list(_mistakes_of_windows(file, settings, where)) or first
        return None, _distinct([*of_windows, *_mistakes_of_columns(file, settings, where)]), []
    trials = activity.trials
    n_bins = float(np.median(trials.last - trials.first))
    remarks = [*trials.notes, remark_on_bins(n_bins, trials.dt_s), remark_on_smoothing(activity, n_bins * trials.dt_s)]
    return activity, [], [f"{where}: {remark}" for remark in remarks if remark]


def _mistakes_of_windows(file: RecordingFile, settings: RecordingSettings, where: str) -> Iterator[str]:
    """Every mistake in the settings of windows, each key by itself."""
    without_activity = without_data(file)
    for windows in _windows_alone(settings.windows):
        alone = settings.model_copy(update={"windows": windows})
        yield from attempt(read_activity, without_activity, np.array([0]), alone, where)[1]


def _mistakes_of_columns(file: RecordingFile, settings: RecordingSettings, where: str) -> Iterator[str]:
    """Every mistake in the settings that name columns of trials, each key by itself."""
    table = table_of_trials(file, settings.windows)
    if table is None:
        return
    for column in settings.windows.conditions:
        yield from attempt(conditions, table, [column], where)[1]
    for index, entry in enumerate(settings.perturbed):
        yield from attempt(perturbations_of, table, [entry], f"{where}: perturbed[{index}]")[1]
    for index, source in enumerate(settings.inputs):
        for column in filter(None, (source.column, source.start, source.stop)):
            yield from attempt(column_of, table, column, f"{where}: inputs[{index}] ({source.name})")[1]


def _windows_alone(windows: Windows) -> Iterator[Windows]:
    """The windows with one of their keys at a time, all others at their defaults."""
    kept = {"table": windows.table, "continuous": windows.continuous}
    yield Windows.model_construct(**{**Windows().model_dump(), **kept})
    for column, values in windows.select.items():
        yield Windows.model_construct(**{**Windows().model_dump(), **kept, "select": {column: values}})
    times = {key: getattr(windows, key) for key in ("align", "start_s", "stop_s")}
    yield Windows.model_construct(**{**Windows().model_dump(), **kept, **times})


def _conditions(
    trials: Trials, settings: RecordingSettings, where: str
) -> tuple[np.ndarray | None, list[str], list[str]]:
    """The condition of each trial (trial,), None if a column is not known; mistakes; and remarks on the conditions."""
    wanted = settings.windows.conditions
    mistakes = [text for column in wanted for text in attempt(conditions, trials.columns, [column], where)[1]]
    if mistakes:
        return None, mistakes, []
    condition = conditions(trials.columns, wanted, where)
    remark = "" if trials.blocks else remark_on_conditions(condition, wanted)
    return condition, [], [f"{where}: {remark}"] if remark else []


def _distinct(lines: Iterable[str]) -> list[str]:
    """The lines, each line once."""
    return list(dict.fromkeys(lines))
