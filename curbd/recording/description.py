"""Descriptions of a recording file as lines of text, with one function for each section that `curbd inspect` prints."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curbd.recording.cells import as_text, cell_text
from curbd.recording.counts import counts_per_rate
from curbd.recording.fluorescence import is_deconvolved, is_fluorescence
from curbd.recording.label_origin import LabelOrigin
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series, Spikes
from curbd.recording.regions import resolve
from curbd.recording.window_checks import are_relative, clock_hint, window_notes
from curbd.settings.recording import Regions, Units

LEVEL_LINES = (
    "  the recorded units are a sample of every region: by default, statements are about whole populations",
    "  (model `population`), beside a network of the recorded units (model `full_rank`)",
)
"""What the default models of a recording of spikes or fluorescence make statements about."""
INSPECTED_SAMPLES = 2000
"""Number of samples of sampled activity that are read to find units whose activity does not vary."""
MAX_REGIONS_LISTED = 12
"""Up to this number of regions have a line each; more regions share one line."""
TABLES_OF_TRIALS = ("trials", "trial")
"""Names of the interval table that holds the trials, in NWB and in plain HDF5 files."""
FAST_SAMPLING_HZ = 200.0
"""Activity that is sampled faster gets a remark on wider bins."""
LOOK_AT_THESE = "Look at these (docs/files.md says what each remark means)"
"""Title of the remarks."""
MAX_VALUES_COUNTED = 8
"""Up to this number of different values of a column are listed with their counts."""


def activity_lines(file: RecordingFile) -> list[str]:
    """Describe the activity: its kind, the number of units, trials or samples, mean rates, and the time covered."""
    n_units, activity = len(file.units), file.activity
    truth = ["  with the network behind it (truth), used for scoring only"] if file.truth is not None else []
    if isinstance(activity, Spikes):
        counts = np.array([activity.read(unit).size for unit in range(n_units)])
        first, last = activity.span_s
        rates = counts / max(last - first, 1e-9)
        return [
            "Activity",
            f"  {file.activity_name}: spikes of {n_units} units, {counts.sum()} in all,"
            f" from {seconds(first)} to {seconds(last)} ({duration(last - first)})",
            f"  mean rates {rates.min():.3g} to {rates.max():.3g} Hz, median {np.median(rates):.3g} Hz",
            *LEVEL_LINES,
        ]
    if isinstance(activity, BinnedTrials):
        time_s = activity.time_s
        step = seconds(float(np.median(np.diff(time_s)))) if time_s.size > 1 else "unknown length"
        return [
            "Activity",
            f"  {file.activity_name}: {len(activity.trials)} trials of {time_s.size} bins of {step}"
            f" ({seconds(time_s[0])} to {seconds(time_s[-1])}), {n_units} units",
            *([f"  rates are {file.nonlinearity}(x) of a model, taken as they are"] if file.already_phi else []),
            *(_fluorescence_lines(file) or _count_lines(activity, file)),
            *([f"  inputs: {', '.join(activity.input_names)}"] if activity.input_names else []),
            *(
                [f"  trial columns: {', '.join(map(str, activity.trials.columns))}"]
                if len(activity.trials.columns)
                else []
            ),
            *truth,
        ]
    unit = f", unit {activity.unit}" if activity.unit else ""
    return [
        "Activity",
        f"  {file.activity_name}: {n_units} units, {clock_line(activity)}{unit}",
        *_fluorescence_lines(file),
        *truth,
    ]


def _fluorescence_lines(file: RecordingFile) -> list[str]:
    """What the default models make of fluorescence; no lines for other activity."""
    if file.already_phi or not is_fluorescence(file.activity_name):
        return []
    labelled = file.units["region_raw"][file.units["region_raw"] != ""]
    if len(labelled) > 1 and labelled.is_unique:
        return ["  one unit per region, as of averages over regions: by default, networks of these units are fitted"]
    if is_deconvolved(file.activity_name):
        return ["  deconvolved fluorescence: taken as activity without a calcium indicator", *LEVEL_LINES]
    decay = "its decay time is estimated, or given (option indicator_s of the model `population`)"
    return [f"  fluorescence of a calcium indicator: {decay}", *LEVEL_LINES]


def _count_lines(activity: BinnedTrials, file: RecordingFile) -> list[str]:
    """What the default models make of trials that hold spike counts, or counts divided by the bin width."""
    if file.already_phi or activity.time_s.size < 2:
        return []
    counts = counts_per_rate(activity.read(), float(np.median(np.diff(activity.time_s)))) is not None
    return ["  spike counts in every bin", *LEVEL_LINES] if counts else []


def region_lines(file: RecordingFile, origins: Sequence[LabelOrigin], order: Regions) -> list[str]:
    """Describe the regions: their numbers of units, the origin of the labels, and the labels of all other origins.

    Parameters
    ----------
    file : the opened file.
    origins : every origin of region labels in the file.
    order : settings in which ``order`` is the order of these origins.

    Returns
    -------
    Lines of text.
    """
    units = file.units
    labelled = units[units["region_raw"] != ""]
    lines = ["Regions"]
    for origin_name, rows in labelled.groupby("region_source", sort=True):
        counts = rows["region"].value_counts().sort_index()
        if len(counts) > MAX_REGIONS_LISTED:
            low, high = int(counts.min()), int(counts.max())
            size = f"{low}" if low == high else f"{low} to {high}"
            lines.append(f"  {len(counts)} regions with {size} unit{'s' * (high > 1)} each, from {origin_name}:")
            lines.append(f"    {', '.join(map(str, counts.index))}")
        else:
            lines += [
                f"  {region}: {count} unit{'s' * (count != 1)}, from {origin_name}" for region, count in counts.items()
            ]
    if n_unlabelled := len(units) - len(labelled):
        lines.append(f"  no label: {n_unlabelled} unit{'s' * (n_unlabelled != 1)}")
    used = set(labelled["region_source"])
    labels, _, _ = resolve(origins, order.order, len(units))
    for origin in (origin for origin in origins if origin.name not in used):
        of_origin = [label for label in origin.labels if label]
        if not of_origin:
            lines.append(f"  {origin.name} is empty")
        elif all(label == candidate for label, candidate in zip(labels, origin.labels, strict=True) if candidate):
            some = "" if len(of_origin) == len(units) else f" for {len(of_origin)} units"
            lines.append(f"  {origin.name} gives the same labels{some}")
        else:
            lines.append(f"  {origin.name} gives other labels: {counted(of_origin)}")
    for reason, count in units.loc[units["reason"] != "", "reason"].value_counts().items():
        lines.append(f"  {count} of {len(units)} units are left out: {reason}")
    return lines


def unit_column_lines(columns: Mapping[str, Sequence[Any]], labels: Sequence[str]) -> list[str]:
    """Describe the columns by which units can be selected (``units.select``): columns with few different values.

    Parameters
    ----------
    columns : name -> (unit,) cells.
    labels : names of the columns that hold region labels, which are not listed.

    Returns
    -------
    Lines of text.
    """
    few = [
        name
        for name, values in columns.items()
        if name not in labels and len(set(map(as_text, values))) <= MAX_VALUES_COUNTED
    ]
    lines = [f"  {name}: {counted(columns[name])}" for name in few]
    return ["Columns of the units (for units.select)", *lines] if lines else []


def interval_lines(file: RecordingFile) -> list[str]:
    """Describe the interval tables: number of rows, time range and columns."""
    lines = ["Interval tables (for windows.table)"]
    for name, table in file.intervals.items():
        if not len(table):
            lines.append(f"  {name}: no rows")
            continue
        lasting = table["stop_time"] - table["start_time"]
        lines.append(
            f"  {name}: {len(table)} row{'s' * (len(table) > 1)}, {seconds(table['start_time'].min())}"
            f" to {seconds(table['stop_time'].max())}, lasting {lasting.min():.4g} to {lasting.max():.4g} s"
        )
        for column in table.columns.drop(["start_time", "stop_time"]):
            lines.append(f"    {column}: {_column(table, str(column))}")
    if len(lines) == 1:
        return [] if isinstance(file.activity, BinnedTrials) else [lines[0], "  none"]
    return lines


def _column(table: pd.DataFrame, column: str) -> str:
    values = table[column]
    distinct = values.nunique()
    if distinct <= MAX_VALUES_COUNTED:
        return counted(list(values))
    if not pd.api.types.is_numeric_dtype(values):
        return f"{distinct} different strings, e.g. {values.iloc[0]}"
    text = f"{values.min():.6g} to {values.max():.6g}"
    if missing := int(values.isna().sum()):
        text += f", empty in {missing} rows"
    if same := int((values == table["start_time"]).sum()):
        text += f", equal to start_time in {same} rows (a placeholder?)"
    measured = bool((values.dropna() % 1 != 0).any())
    if measured and (zero := int((values == 0).sum())):
        text += f", exactly 0 in {zero} rows (a placeholder?)"
    return text


def input_lines(file: RecordingFile, other_activity: Sequence[str]) -> list[str]:
    """List the series that could be known inputs, without ROI responses, which are listed under the activity."""
    lines = [
        f"  {name}: {series.columns} column{'s' * (series.columns > 1)}"
        f"{f', {series.unit}' if series.unit else ''}, {clock_line(series)}"
        for name, series in file.series.items()
        if name not in other_activity
    ]
    return ["Time series (possible inputs: inputs: [{name: ..., series: ...}])", *lines] if lines else []


def remark_lines(file: RecordingFile, columns: Mapping[str, Sequence[Any]] | None = None) -> list[str]:
    """List what the user should look at before using the file; `docs/files.md` explains each remark.

    Parameters
    ----------
    file : the opened file.
    columns : name -> (unit,) cells of the columns of the units.

    Returns
    -------
    Lines of text.
    """
    remarks = [*file.notes, *_unit_remarks(file, columns or {}), *_trial_remarks(file), *_activity_remarks(file)]
    return [LOOK_AT_THESE, *(f"  {one_line(remark)}" for remark in dict.fromkeys(remarks))] if remarks else []


def _unit_remarks(file: RecordingFile, columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Units that are judged by a column that is not used, and regions with too few units."""
    remarks = []
    for name, cells in columns.items():
        is_quality = re.search(r"quality|label|qc|good|accepted|rejected|noise", name, re.IGNORECASE)
        values = {cell_text(cell) for cell in cells} - {""}
        if is_quality and isinstance(file.activity, Spikes) and 2 <= len(values) <= MAX_VALUES_COUNTED:
            remarks.append(
                f"All units are used, whatever their {name} ({counted(cells)}); units.select chooses among them."
            )
    used = file.units[file.units["reason"] == ""]
    counts = used.loc[used["region_raw"] != "", "region"].value_counts()
    fewest = Units().min_per_region
    small = sorted(str(region) for region, count in counts.items() if count < fewest)
    if small and len(small) < len(counts):
        remarks.append(
            f"Regions with fewer than {fewest} units are left out by default: {', '.join(small[:MAX_REGIONS_LISTED])}"
            f"{', ...' if len(small) > MAX_REGIONS_LISTED else ''} (units.min_per_region, regions.merge)."
        )
    return remarks


def _trial_remarks(file: RecordingFile) -> list[str]:
    """What is remarkable about the rows of the table of trials, if they are taken as they are."""
    name, table = next(
        ((name, file.intervals[name]) for name in TABLES_OF_TRIALS if name in file.intervals), ("", None)
    )
    if table is None or not len(table):
        return []
    bounds = table[["start_time", "stop_time"]].to_numpy(dtype=float)
    finite = np.isfinite(bounds).all(axis=1)
    remarks = [] if finite.all() else [f"{name}: {int((~finite).sum())} of {len(finite)} rows have no start or stop."]
    bounds = bounds[finite]
    if (n_backwards := int((bounds[:, 1] < bounds[:, 0]).sum())) > 0:
        remarks.append(f"{name}: {n_backwards} of {len(bounds)} rows end before they start.")
    relative = [
        str(column) for column in table.columns if str(column).endswith("_time") and are_relative(table, column)
    ]
    if relative:
        remarks.append(
            f"{name}: the times in {', '.join(relative)} lie outside of their trials and would fit as times from"
            " start_time; windows.align needs times on the clock of the recording."
        )
    remarks += window_notes(bounds[:, 0], bounds[:, 1], name, dt_s=1e-3)
    if isinstance(file.activity, Spikes) and len(bounds):
        first, last = file.activity.span_s
        outside = (bounds[:, 1] < first) | (bounds[:, 0] > last)
        if outside.any():
            # A few rows with a wrong time do not tell the unit of all times.
            most_outside = 2 * outside.sum() > len(bounds)
            limits = float(bounds[:, 0].min()), float(bounds[:, 1].max())
            hint = clock_hint(*limits, (first, last)) if most_outside else ""
            remarks.append(
                f"{name}: {int(outside.sum())} of {len(bounds)} rows lie outside the recording ({first:.6g} to"
                f" {last:.6g} s)" + (f"; {hint}." if hint else ".")
            )
    return remarks


def _activity_remarks(file: RecordingFile) -> list[str]:
    """Units that do not vary, samples without a value, counts that are not marked as such, series that begin late."""
    remarks: list[str] = []
    activity = file.activity
    if isinstance(activity, Series):
        stop = activity.steady[2] if activity.steady else activity.time_s().size
        first = activity.read(0, min(stop, INSPECTED_SAMPLES))
        stretch = "" if stop <= INSPECTED_SAMPLES else f" in the first {INSPECTED_SAMPLES} samples"
        finite = np.isfinite(first)
        lowest, highest = np.where(finite, first, np.inf).min(axis=0), np.where(finite, first, -np.inf).max(axis=0)
        constant = np.flatnonzero(lowest >= highest)
        if constant.size:
            rows = file.units.iloc[constant[:MAX_VALUES_COUNTED]]
            units = ", ".join(
                f"{unit} ({region})" for unit, region in zip(rows["unit_id"], rows["region"], strict=True)
            )
            more = ", ..." if constant.size > MAX_VALUES_COUNTED else ""
            remarks.append(f"{constant.size} units do not vary{stretch}: {units}{more}.")
        if missing := int(np.count_nonzero(~finite)):
            remarks.append(f"{missing} of {finite.size} values are not finite{stretch}.")
        rate_hz = activity.steady[1] if activity.steady else 1 / float(np.median(np.diff(activity.time_s())))
        if rate_hz > FAST_SAMPLING_HZ:
            remarks.append(
                f"The activity is sampled at {rate_hz:g} Hz, and each sample is a bin; wider bins (bin_width_s: 0.01)"
                " need less time and memory."
            )
        whole = bool(np.all(first[finite] == np.round(first[finite])))
        if whole and counts_per_rate(first, 1 / rate_hz) is not None:
            remarks.append(
                "The activity consists of whole numbers. If they are spike counts: units.min_rate_hz does not apply to"
                " them, and scaling: counts (with smoothing_s: 0) models their noise."
            )
    if isinstance(activity, Spikes):
        begins = {
            name: np.array([series.steady[0]]) if series.steady else series.time_s()[:1]
            for name, series in file.series.items()
        }
        late = {
            name: float(time_s[0])
            for name, time_s in begins.items()
            if time_s.size and time_s[0] > activity.span_s[0] + 60
        }
        for start in dict.fromkeys(late.values()):
            names = ", ".join(name for name, time_s in late.items() if time_s == start)
            remarks.append(f"Series that begin only at {seconds(start)}: {names}.")
    return remarks


def clock_line(series: Series) -> str:
    """Describe a clock: number of samples, first and last time, and the sampling rate if it is steady."""
    if series.steady is not None:
        start, rate_hz, samples = series.steady
        return f"{samples} samples, {seconds(start)} to {seconds(start + (samples - 1) / rate_hz)}, {rate_hz:.4g} Hz"
    time_s = series.time_s()
    if not time_s.size:
        return "no samples"
    text = f"{time_s.size} samples, {seconds(time_s[0])} to {seconds(time_s[-1])}"
    steps = np.diff(time_s)
    if steps.size and steps.std() <= 0.05 * steps.mean():
        return text + f", {1 / np.median(steps):.4g} Hz"
    return text + (f", irregular (median step {np.median(steps):.3g} s)" if steps.size else "")


def counted(values: Sequence[Any]) -> str:
    """List the most frequent values with their counts, such as ``sleep (1), wake (1)``."""
    counts = Counter(one_line(value) for value in values)
    more = f", {len(counts) - MAX_VALUES_COUNTED} more" if len(counts) > MAX_VALUES_COUNTED else ""
    return ", ".join(f"{value or 'empty'} ({count})" for value, count in counts.most_common(MAX_VALUES_COUNTED)) + more


def one_line(value: Any) -> str:
    """Convert any value to a string on one line."""
    return " ".join(as_text(value).split())


def seconds(value: float) -> str:
    """Convert a time in seconds to a string with its unit."""
    return f"{value:.6g} s"


def duration(value: float) -> str:
    """Convert a duration in seconds to a string, in minutes or hours if it is long."""
    if value >= 7200:
        return f"{value / 3600:.3g} h"
    return f"{value / 60:.3g} min" if value >= 120 else f"{value:.3g} s"
