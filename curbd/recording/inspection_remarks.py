"""What a user should look at before using a recording file; docs/files.md explains each remark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curbd.recording.cells import cell_text
from curbd.recording.counts import counts_per_rate
from curbd.recording.description import MAX_REGIONS_LISTED, TABLES_OF_TRIALS
from curbd.recording.recording_file import RecordingFile, Series, Spikes
from curbd.recording.short_texts import MAX_VALUES_COUNTED, counted, one_line, seconds
from curbd.recording.window_checks import are_relative, clock_hint, window_notes
from curbd.settings.recording import Units

INSPECTED_SAMPLES = 2000
"""Number of samples of sampled activity that are read to find units whose activity does not vary."""
FAST_SAMPLING_HZ = 200.0
"""Activity that is sampled faster gets a remark on wider bins."""
LOOK_AT_THESE = "Look at these (docs/files.md says what each remark means)"
"""Title of the remarks."""


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
