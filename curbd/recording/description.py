"""A recording told in lines: one function for each section of what `curbd inspect` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curbd.recording.cells import as_text
from curbd.recording.recording_file import BinnedTrials, RecordingFile, Series, Spikes
from curbd.recording.regions import Place, resolve
from curbd.settings.recording import Regions

LOOK = 2000
"""Samples of sampled activity that are looked at for traces that do not vary."""
MANY = 12
"""More regions than this share a line."""
FEW = 8
"""Up to so many different values of a column are counted one by one."""


def activity_lines(file: RecordingFile) -> list[str]:
    """What the units did: spikes, trials or samples, how many, how fast, from when to when."""
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
        ]
    if isinstance(activity, BinnedTrials):
        time_s = activity.time_s
        step = seconds(float(np.median(np.diff(time_s)))) if time_s.size > 1 else "unknown length"
        return [
            "Activity",
            f"  {file.activity_name}: {len(activity.trials)} trials of {time_s.size} bins of {step}"
            f" ({seconds(time_s[0])} to {seconds(time_s[-1])}), {n_units} units",
            *(["  rates are phi(x) of a model, in (-1, 1), and taken as they are"] if file.already_phi else []),
            *([f"  inputs: {', '.join(activity.input_names)}"] if activity.input_names else []),
            *(
                [f"  trial columns: {', '.join(map(str, activity.trials.columns))}"]
                if len(activity.trials.columns)
                else []
            ),
            *truth,
        ]
    unit = f", unit {activity.unit}" if activity.unit else ""
    return ["Activity", f"  {file.activity_name}: {n_units} units, {clock_line(activity)}{unit}", *truth]


def region_lines(file: RecordingFile, places: Sequence[Place], order: Regions) -> list[str]:
    """Regions, units of each, where the labels came from, and what every other place says."""
    units = file.units
    found = units[units["region_raw"] != ""]
    lines = ["Regions"]
    for where, rows in found.groupby("region_source", sort=True):
        counts = rows["region"].value_counts().sort_index()
        if len(counts) > MANY:
            each = sorted(set(counts))
            size = f"{each[0]}" if len(each) == 1 else f"{each[0]} to {each[-1]}"
            lines.append(f"  {len(counts)} regions with {size} unit{'s' * (each[-1] > 1)} each, from {where}:")
            lines.append(f"    {', '.join(map(str, counts.index))}")
        else:
            lines += [f"  {region}: {count} units, from {where}" for region, count in counts.items()]
    if bare := len(units) - len(found):
        lines.append(f"  no label: {bare} units")
    used = set(found["region_source"])
    labels, _ = resolve(places, order.order, len(units))
    for other in places:
        said = [label for label in other.labels if label]
        if other.name in used:
            continue
        if not said:
            lines.append(f"  {other.name} is empty")
        elif all(a == b for a, b in zip(labels, other.labels, strict=True) if b):
            lines.append(
                f"  {other.name} says the same" + ("" if len(said) == len(units) else f" for {len(said)} units")
            )
        else:
            lines.append(f"  {other.name} says otherwise: {counted(said)}")
    for reason, count in units.loc[units["reason"] != "", "reason"].value_counts().items():
        lines.append(f"  {count} of {len(units)} units are left out: {reason}")
    if len(set(found["region"])) == 1:
        lines.append("  one region only: there is no pathway between regions to judge")
    return lines


def unit_column_lines(columns: Mapping[str, Sequence[Any]], labels: Sequence[str]) -> list[str]:
    """Columns of the units that ``units.select`` may use: those with few different values, labels left out."""
    few = [name for name, values in columns.items() if name not in labels and len(set(map(as_text, values))) <= FEW]
    lines = [f"  {name}: {counted(columns[name])}" for name in few]
    return ["Columns of the units (for units.select)", *lines] if lines else []


def interval_lines(file: RecordingFile) -> list[str]:
    """Interval tables with their rows, time range and columns."""
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
    if distinct <= FEW:
        return counted(list(values))
    if not pd.api.types.is_numeric_dtype(values):
        return f"{distinct} different texts, e.g. {values.iloc[0]}"
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
    """Series that could be known inputs; ROI responses are activity, and are told there."""
    lines = [
        f"  {name}: {series.columns} column{'s' * (series.columns > 1)}"
        f"{f', {series.unit}' if series.unit else ''}, {clock_line(series)}"
        for name, series in file.series.items()
        if name not in other_activity
    ]
    return ["Time series (possible inputs: inputs: [{name: ..., series: ...}])", *lines] if lines else []


def remark_lines(file: RecordingFile) -> list[str]:
    """Oddities: what the reader noted, traces that do not vary, missing samples, series that begin late."""
    remarks = list(file.notes)
    activity = file.activity
    if isinstance(activity, Series):
        stop = activity.steady[2] if activity.steady else activity.time_s().size
        first = activity.read(0, min(stop, LOOK))
        part = "" if stop <= LOOK else f" in the first {LOOK} samples"
        finite = np.isfinite(first)
        lowest, highest = np.where(finite, first, np.inf).min(axis=0), np.where(finite, first, -np.inf).max(axis=0)
        alike = np.flatnonzero(lowest >= highest)
        if alike.size:
            rows = file.units.iloc[alike[:FEW]]
            who = ", ".join(f"{u} ({r})" for u, r in zip(rows["unit_id"], rows["region"], strict=True))
            more = ", ..." if alike.size > FEW else ""
            remarks.append(f"{alike.size} units do not vary{part}: {who}{more}.")
        if missing := int(np.count_nonzero(~finite)):
            remarks.append(f"{missing} samples are not finite{part}.")
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
            remarks.append(f"Begins only at {seconds(start)}: {names}.")
    return ["Remarks", *(f"  {remark}" for remark in remarks)] if remarks else []


def clock_line(series: Series) -> str:
    """Number of samples, first and last, and their rate if it is steady."""
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
    """The most frequent values with their counts, ``sleep (1), wake (1)``."""
    counts = Counter(one_line(value) for value in values)
    more = f", {len(counts) - FEW} more" if len(counts) > FEW else ""
    return ", ".join(f"{value or 'empty'} ({count})" for value, count in counts.most_common(FEW)) + more


def one_line(value: Any) -> str:
    """Any value as text on one line."""
    return " ".join(as_text(value).split())


def seconds(value: float) -> str:
    """A time with its unit."""
    return f"{value:.6g} s"


def duration(value: float) -> str:
    """A length of time in the unit that a person would use."""
    return f"{value / 60:.3g} min" if value >= 120 else f"{value:.3g} s"
