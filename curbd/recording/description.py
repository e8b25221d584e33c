"""Descriptions of a recording file as lines of text, with one function for each section that `curbd inspect` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curbd.recording.cells import as_text
from curbd.recording.counts import counts_per_rate
from curbd.recording.fluorescence import is_deconvolved, is_fluorescence
from curbd.recording.label_origin import LabelOrigin
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Spikes
from curbd.recording.regions import resolve
from curbd.recording.short_texts import MAX_VALUES_COUNTED, clock_line, counted, duration, seconds
from curbd.settings.recording import Regions

LEVEL_LINES = (
    "  the recorded units are a sample of every region: by default, statements are about whole populations",
    "  (model `population`), beside a network of the recorded units (model `full_rank`)",
)
"""What the default models of a recording of spikes or fluorescence make statements about."""
MAX_REGIONS_LISTED = 12
"""Up to this number of regions have a line each; more regions share one line."""
TABLES_OF_TRIALS = ("trials", "trial")
"""Names of the interval table that holds the trials, in NWB and in plain HDF5 files."""


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
