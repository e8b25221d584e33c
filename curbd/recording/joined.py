"""Recordings of the same units, such as those of several days, joined into one file with the trials of all.

Units are matched by their id and region. The file has the plain HDF5 layout, and its trial column `recording` says from
which recording a trial is, so that the key `changes` can compare days.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from curbd.errors import UserError
from curbd.recording.dataset import RECORDING_NAMES
from curbd.storage.hdf5 import whole_hdf5

Array = np.ndarray
TIME_TOLERANCE_SHARE = 0.01
"""Bins are the same if their centres differ by less than this share of a bin."""
COLUMNS_OF_JOINED_UNITS = ("unit_id", "region", "cell_type")


def write_joined(recordings: Sequence[xr.Dataset], path: Path | str) -> list[str]:
    """Write the trials of several recordings, with the units that all of them have, as one HDF5 file.

    Parameters
    ----------
    recordings : recordings with the same bins, inputs and kind of activity, as `curbd.ingest_file` returns them.
    path : path of the file to write.

    Returns
    -------
    One sentence for each recording that says how many of its units the file has.

    Raises
    ------
    UserError : fewer than two recordings; two with the same name; bins, inputs or kind of activity differ; fewer than
        two units are in all recordings.
    """
    _require_same_form(recordings)
    units = common_units(recordings)
    chosen = [_of_units(recording, units) for recording in recordings]
    first = chosen[0]
    with whole_hdf5(path) as file:
        file.attrs["activity"] = str(first.attrs["activity"])
        file.attrs["nonlinearity"] = str(first.attrs["nonlinearity"])
        file.attrs["subject"] = str(first.attrs["subject"])
        rates = np.concatenate([part["rates"].transpose("trial", "time", "unit").values for part in chosen])
        dataset = file.create_dataset("rates", data=rates, compression="gzip", compression_opts=1, track_times=False)
        dataset.attrs["units"] = str(first["rates"].attrs.get("units", ""))
        file["time"] = first["time"].values
        for column in COLUMNS_OF_JOINED_UNITS:
            file[column] = first[column].values.astype(str).tolist()
        file["position"] = np.stack([first[axis].values for axis in "xyz"], axis=1)
        if first.sizes["input"]:
            inputs = [part["inputs"].transpose("trial", "time", "input").values for part in chosen]
            file["inputs"] = np.concatenate(inputs)
            file["input_name"] = first["input"].values.astype(str).tolist()
        names = [str(part.attrs["recording"]) for part in chosen]
        counts = [part.sizes["trial"] for part in chosen]
        file["trial/recording"] = np.repeat(names, counts).tolist()
        for column in _trial_columns(chosen):
            file[f"trial/{column}"] = np.concatenate([part[column].values for part in chosen]).tolist()
    return [
        f"{part.attrs['recording']}: {len(units)} of {part.sizes['unit']} units, {part.sizes['trial']} trials"
        for part in recordings
    ]


def common_units(recordings: Sequence[xr.Dataset]) -> list[str]:
    """Return the ids of the units that all recordings have in the same region, in the order of the first.

    Raises
    ------
    UserError : there are fewer than two such units.
    """
    regions = [
        dict(zip(part["unit_id"].values.astype(str), part["region"].values.astype(str), strict=True))
        for part in recordings
    ]
    units = [unit for unit, region in regions[0].items() if all(of_part.get(unit) == region for of_part in regions)]
    if len(units) < 2:
        sizes = ", ".join(f"{part.attrs['recording']} {part.sizes['unit']}" for part in recordings)
        raise UserError.at(
            "recordings to join",
            found=f"{len(units)} units with the same id and region in all recordings ({sizes} units)",
            expected="units that were tracked from recording to recording, with the same ids",
            todo="give tracked units the same name in all files",
        )
    return units


def _of_units(recording: xr.Dataset, units: Sequence[str]) -> xr.Dataset:
    order = {unit: index for index, unit in enumerate(recording["unit_id"].values.astype(str))}
    return recording.isel(unit=[order[unit] for unit in units])


def _trial_columns(recordings: Sequence[xr.Dataset]) -> list[str]:
    """Trial columns of the files that all recordings have, without those that a recording makes itself."""

    def of(recording: xr.Dataset) -> list[str]:
        return [str(name) for name, column in recording.coords.items() if column.dims == ("trial",)]

    everywhere = set.intersection(*(set(of(part)) for part in recordings))
    return [name for name in of(recordings[0]) if name in everywhere - RECORDING_NAMES - {"recording"}]


def _require_same_form(recordings: Sequence[xr.Dataset]) -> None:
    """Stop unless the recordings can be joined."""
    names = [str(part.attrs["recording"]) for part in recordings]
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError.at(
            "recordings to join", found=", ".join(names), expected="at least two recordings with different names"
        )
    first = recordings[0]
    dt_s = float(first.attrs["dt_s"])
    for part in recordings[1:]:
        where = f"recordings to join, {part.attrs['recording']}"
        same_bins = part.sizes["time"] == first.sizes["time"] and np.allclose(
            part["time"].values, first["time"].values, rtol=0, atol=TIME_TOLERANCE_SHARE * dt_s
        )
        if not same_bins:
            raise UserError.at(
                where,
                found=f"{part.sizes['time']} bins of {part.attrs['dt_s']:g} s",
                expected=f"the bins of {names[0]}, {first.sizes['time']} of {dt_s:g} s",
                todo="set the same windows and bin_width_s for all recordings",
            )
        inputs = [recording["input"].values.astype(str).tolist() for recording in (part, first)]
        if inputs[0] != inputs[1]:
            raise UserError.at(where, found=f"inputs {inputs[0]}", expected=f"those of {names[0]}, {inputs[1]}")
        kinds = [(recording.attrs["activity"], recording.attrs["nonlinearity"]) for recording in (part, first)]
        if kinds[0] != kinds[1]:
            raise UserError.at(where, found=f"activity {kinds[0]}", expected=f"that of {names[0]}, {kinds[1]}")
