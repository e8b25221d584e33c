"""The page that `curbd inspect` prints about a recording file: activity, region labels, a line for recordings.tsv.

Only descriptions, tables, sample times, spike times and a few thousand samples of sampled activity are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import yaml

from curbd.errors import UserError
from curbd.recording import check_hdf5
from curbd.recording.description import activity_lines, input_lines, interval_lines, region_lines, unit_column_lines
from curbd.recording.inspection_remarks import remark_lines
from curbd.recording.label_origin import LabelOrigin
from curbd.recording.recording_file import BinnedTrials, RecordingFile
from curbd.recording.region_messages import no_label_message
from curbd.recording.short_texts import one_line
from curbd.recording.sufficiency import statements
from curbd.recording.unread_activity import amount_in_file
from curbd.recording.unreadable import UnreadableError, reading
from curbd.settings.places import location
from curbd.settings.recording import HDF5Layout, RecordingSettings, Regions, Windows
from curbd.storage.hdf5 import readable_hdf5
from curbd.storage.zarr_folders import files_of, is_zarr, zarr_group

if TYPE_CHECKING:
    import pandas as pd
    from pynwb import NWBFile

INSPECTION_SETTINGS = RecordingSettings(regions=Regions(unknown="keep"))
"""Default settings, except that units without a region label are kept, so that any file can be described."""

MAX_DATASETS_LISTED = 50
"""Up to this number of datasets of an HDF5 file are listed."""
MAX_PROPOSED_CONDITIONS = 8
"""Trial columns with more values than this are not proposed as conditions."""
MAX_ACTIVITIES_LISTED = 8
"""Up to this number of datasets that could be the activity are listed."""


def inspect(path: Path | str) -> str:
    """Describe what an NWB or HDF5 file holds and what to write into recordings.tsv, as a page of text.

    Parameters
    ----------
    path : path of the file.

    Returns
    -------
    The page.

    Raises
    ------
    UserError : the file is missing, truncated or of another format, or a required object of the file cannot be read.
    """
    path = location(str(path))
    check_hdf5(path, str(path))
    if is_zarr(path):
        from curbd.recording.nwb_zarr import read_zarr

        nwbfile, _ = read_zarr(path, str(path))
        sections = _nwb(nwbfile, path, f"{zarr_group(path).attrs['nwb_version']} in Zarr")
    else:
        with reading(str(path), "the file"), readable_hdf5(path) as file:
            is_nwb = "nwb_version" in file.attrs or isinstance(file.get("nwb_version"), h5py.Dataset)
            sections = _nwb_in_hdf5(file, path) if is_nwb else _hdf5(file, path)
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _nwb_in_hdf5(file: h5py.File, path: Path) -> list[list[str]]:
    # pynwb takes most of a second to import; a plain HDF5 file does not need it.
    from curbd.recording.nwb import read_nwb

    nwbfile, _ = read_nwb(file, str(path))
    return _nwb(nwbfile, path, one_line(file.attrs["nwb_version"]))


def _nwb(nwbfile: NWBFile, path: Path, version: str) -> list[list[str]]:
    from curbd.recording import nwb
    from curbd.recording.nwb_activity import choose_activity, likely_activity
    from curbd.recording.nwb_series import all_series, is_roi_response, stored_axes

    about = one_line(nwbfile.session_description)
    head = [path.name, f"NWB {version}, {_size(path)}" + (f": {about}" if about else "")]
    stored = all_series(nwbfile)
    settings, columns, activity = INSPECTION_SETTINGS, dict[str, object](), list[str]()
    try:
        paths = choose_activity(nwbfile, [], str(path))
    except UserError as error:
        paths = likely_activity(stored)
        activity = ["Activity", f"  {error}"]
    try:
        if activity and paths:
            columns["activity"] = paths
            settings = settings.model_copy(update={"activity": paths})
            activity.append("  This page describes the likely one; name another under activity if you mean another.")
        elif activity:
            return [head, activity]
        recording_file = nwb.describe(nwbfile, path, settings, str(path))
    except UnreadableError:
        raise
    except UserError as error:
        listed = [f"  {name}: {' x '.join(map(str, series.data.shape))}" for name, series in stored.items()]
        return [head, [*(activity or ["Activity"]), f"  {error}"], ["Time series", *listed] if listed else []]
    facts = nwb.facts_of(nwbfile, paths, settings, str(path))
    activity += activity_lines(recording_file)[bool(activity) :]
    activity += [f"  stored as ({stored_axes(stored[name])}): {name}" for name in paths if name in stored]
    other_responses = [name for name in recording_file.series if is_roi_response(stored[name])]
    if other_responses:
        activity.append(f"  could be named under activity instead: {', '.join(other_responses)}")
    # The authors of a file call its trials `trials`; any other table is for the user to choose.
    table = "trials" if len(recording_file.intervals.get("trials", ())) else None
    if table is not None:
        columns["windows.table"] = table
    return [
        head,
        activity,
        region_lines(recording_file, facts.origins, INSPECTION_SETTINGS.regions),
        unit_column_lines(facts.columns, INSPECTION_SETTINGS.regions.unit_columns),
        interval_lines(recording_file),
        input_lines(recording_file, other_responses),
        _sufficiency(recording_file, table),
        *_what_to_write(recording_file, columns, facts.origins, facts.names, facts.candidates),
        remark_lines(recording_file, facts.columns),
    ]


def _hdf5(file: h5py.File, path: Path) -> list[list[str]]:
    from curbd.recording import hdf5
    from curbd.recording.hdf5_columns import datasets
    from curbd.recording.layout import activities, propose

    proposal = propose(file)
    listed = datasets(file)
    contents = [
        "Datasets",
        *(f"  {name}: {_dataset(dataset)}" for name, dataset in list(listed.items())[:MAX_DATASETS_LISTED]),
    ]
    contents += [f"  ... {len(listed) - MAX_DATASETS_LISTED} more"] if len(listed) > MAX_DATASETS_LISTED else []
    contents += [f"  attribute {key} = {one_line(value)}" for key, value in file.attrs.items()]
    head = [path.name, f"HDF5, {_size(path)}"]
    columns: dict[str, object] = {f"hdf5.{key}": value for key, value in proposal.items()}
    settings = INSPECTION_SETTINGS.model_copy(update={"hdf5": HDF5Layout.model_validate(proposal)})
    try:
        recording_file = hdf5.describe(file, path, settings, str(path))
    except UnreadableError:
        raise
    except UserError as error:
        paste = _paste(path, "hdf5", columns) if activities(file) else []
        return [head, contents, ["Not yet a recording", f"  {error}"], paste]
    layout = ["Layout", "  the plain layout, nothing to map"]
    if columns:
        layout = ["Layout (proposed from names, shapes and attributes: check it)"]
        layout += [f"  {key}: {_cell(value)}" for key, value in proposal.items()]
    trials = settings.hdf5.trial
    table = trials if trials is not None and len(recording_file.intervals.get(trials, ())) else None
    if table is not None:
        columns["windows.table"] = table
    origins = [LabelOrigin("unit_column", f"hdf5:{settings.hdf5.region}", tuple(recording_file.units["region_raw"]))]
    return [
        head,
        contents,
        layout,
        [*activity_lines(recording_file), *_other_activities(activities(file), settings.hdf5.rates)],
        region_lines(recording_file, origins, INSPECTION_SETTINGS.regions),
        interval_lines(recording_file),
        input_lines(recording_file, []),
        _sufficiency(recording_file, table),
        *_what_to_write(recording_file, columns, [], {}),
        remark_lines(recording_file),
    ]


def _other_activities(paths: Sequence[str], read: str) -> list[str]:
    """Name the datasets of an HDF5 file that could be read instead of the activity, such as those of other sessions."""
    rest = [path for path in paths if path != read][:MAX_ACTIVITIES_LISTED]
    if not rest:
        return []
    return [
        f"  could be read instead (hdf5.rates): {', '.join(rest)}",
        "  several sessions in a file: a line of recordings.tsv for each, with its own hdf5.rates, hdf5.region, ...",
    ]


def _sufficiency(recording_file: RecordingFile, table: str | None) -> list[str]:
    """Say whether the file holds enough data for each level of analysis, with the defaults of all other settings.

    Parameters
    ----------
    recording_file : the described file.
    table : the interval table whose rows are the trials; None for the whole recording.
    """
    settings = INSPECTION_SETTINGS.model_copy(update={"windows": Windows(table=table)})
    amount = amount_in_file(recording_file, settings)
    if amount is None:
        return []
    used = f"the rows of {table}" if table else "the whole file"
    return [
        f"Enough data? (all units, {used}, a fifth held out)",
        *(f"  {statement.text}" for statement in statements(amount)),
    ]


def _what_to_write(
    recording_file: RecordingFile,
    columns: Mapping[str, object],
    origins: Sequence[LabelOrigin],
    names: Mapping[str, Sequence[str]],
    candidates: Mapping[str, Sequence[str]] | None = None,
) -> list[list[str]]:
    """The line for recordings.tsv, further columns for this file, and a table of labels if no unit has a label.

    Parameters
    ----------
    recording_file : the described file.
    columns : columns of recordings.tsv that the file needs, with their values.
    origins : every origin of region labels.
    names : kind of name -> (unit,) names, in which the user may recognise regions.
    candidates : name of a column of texts that is not used for labels -> (unit,) texts.
    """
    units = recording_file.units[recording_file.units["reason"] == ""]
    labelled = bool((recording_file.units["region_raw"] != "").any())
    line = dict(columns)
    if not labelled:
        line["regions.mapping"] = "regions.tsv"
    largest = int(units["region"].value_counts().max()) if len(units) else 0
    if labelled and 0 < largest < INSPECTION_SETTINGS.units.min_per_region:
        # With the default every region would be left out.
        line["units.min_per_region"] = largest
    sections = [_paste(recording_file.path, recording_file.format, line)]
    if more := _further_columns(recording_file, columns.get("windows.table")):
        sections.append(["Further columns that this file can use", *more])
    if not labelled:
        sections.append(
            [
                no_label_message(
                    list(recording_file.units["unit_id"]), origins, names, recording_file.path.name, candidates
                )
            ]
        )
    return sections


def _further_columns(recording_file: RecordingFile, table_of_trials: object) -> list[str]:
    if isinstance(recording_file.activity, BinnedTrials):
        named = _possible_conditions(recording_file.activity.trials)
        return [f"  windows.conditions   one or more of {', '.join(named)}, as in [{named[0]}]"] if named else []
    lines = []
    if table_of_trials is not None:
        trials = recording_file.intervals[str(table_of_trials)]
        times = [name for name in trials.columns if name.endswith("_time") and name not in ("start_time", "stop_time")]
        groups = [name for name in _possible_conditions(trials) if name not in times]
        if times:
            lines.append(f"  windows.align        {', '.join(times)} (t = 0; with windows.start_s and windows.stop_s)")
        if groups:
            lines.append(f"  windows.conditions   one or more of {', '.join(groups)}, as in [{groups[0]}]")
        return lines
    tables = [name for name, table in recording_file.intervals.items() if len(table) >= 10]
    if tables:
        lines.append(f"  windows.table        {', '.join(tables)} (each row a trial)")
    if "epochs" in recording_file.intervals:
        table = recording_file.intervals["epochs"]
        lines.append("  windows.table        epochs, with windows.continuous true (each epoch cut into blocks)")
        if "tags" in table and len(set(table["tags"])) > 1:
            lines.append(f"  windows.select       {{tags: [{table['tags'].iloc[-1]}]}} (only such epochs)")
    if lines:
        lines.insert(0, "  (without them the whole recording is cut into blocks)")
    return lines


def _possible_conditions(trials: pd.DataFrame) -> list[str]:
    """Trial columns with few values, at least two; times of the trials are none of them."""
    columns = [name for name in trials.columns if name not in ("start_time", "stop_time")]
    return [str(name) for name in columns if 2 <= trials[name].nunique() <= MAX_PROPOSED_CONDITIONS]


def _paste(path: Path, format: str, columns: Mapping[str, object]) -> list[str]:
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", path.stem.removesuffix(".nwb")).lstrip(".+-") or "recording"
    cells = {"recording": name, "path": str(path), "format": format, **columns}
    return [
        "recordings.tsv (columns separated by tabs)",
        "\t".join(cells),
        "\t".join(_cell(value) for value in cells.values()),
    ]


def _cell(value: object) -> str:
    """A value as a cell of recordings.tsv: texts unchanged, all other values as YAML."""
    if isinstance(value, str):
        return value
    return str(yaml.safe_dump(value, default_flow_style=True, width=10_000)).strip().removesuffix("\n...")


def _dataset(dataset: h5py.Dataset) -> str:
    dims = dataset.attrs.get("dims")
    shape = " x ".join(map(str, dataset.shape)) or "scalar"
    texts = h5py.check_string_dtype(dataset.dtype) is not None
    return f"{shape} {'text' if texts else dataset.dtype}" + (f", dims = {one_line(dims)}" if dims is not None else "")


def _size(path: Path) -> str:
    return f"{sum(file.stat().st_size for file in files_of(path)) / 1e6:.1f} MB"
