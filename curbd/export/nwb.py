"""A copy of the NWB file of a session that also holds the currents, latents and verdicts of its models."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from hdmf.backends.hdf5 import H5DataIO
from hdmf.data_utils import DataChunkIterator
from pynwb import NWBHDF5IO, TimeSeries
from pynwb.base import ProcessingModule
from pynwb.core import DynamicTable

from curbd import tables
from curbd.errors import UserError
from curbd.results import Results
from curbd.storage.checksum import sha256
from curbd.storage.whole_files import told_if_unwritable, whole_file
from curbd.storage.zarr_folders import is_zarr

Array = np.ndarray
READ_VALUES = 1 << 22
"""Largest number of currents that are read at once, 16 MiB in single precision."""
BUFFER_ROWS = 4096


def export_nwb(results: Results, recording: str, out: Path | str, models: Sequence[str] = ()) -> list[str]:
    """Copy the NWB file of a session and add one processing module ``curbd_<model>`` for each fitted model.

    A module holds, on the clock of the session, the currents into all fitted units from every source (the time series
    ``current_from_<source>``, one column for each row of the table ``units``), the latents of a low-rank model, and the
    table ``pathways`` with the verdicts. Currents and latents are those of the first fit of a model.

    Parameters
    ----------
    results : the results of a run, see `curbd.read`.
    recording : name of the recording.
    out : path of the copy.
    models : names of the models; empty for all models of the recording.

    Returns
    -------
    Names of the processing modules.

    Raises
    ------
    UserError : the recording or a model has no results, the recording was not read from an NWB file, its file is gone
        or has changed since the run, or the copy cannot be written.
    """
    source = _source_file(results, recording)
    if Path(out).resolve() == source.resolve():
        raise UserError.at(
            str(out), found="the file of the recording itself", expected="another path", todo="choose it"
        )
    fitted = _fitted_models(results, recording, models)
    with whole_file(out) as temporary:
        shutil.copyfile(source, temporary)
        with told_if_unwritable(temporary), NWBHDF5IO(str(temporary), "a") as io:
            session = io.read()
            names = []
            for model in fitted:
                module = _module(results, recording, model)
                if module.name in session.processing:
                    raise UserError.at(
                        str(source),
                        found=f"a processing module {module.name}",
                        expected="a file without results of this name",
                        todo="export into a copy of the original file",
                    )
                session.add_processing_module(module)
                names.append(module.name)
            io.write(session)
    return names


def _source_file(results: Results, recording: str) -> Path:
    """The NWB file that a recording was read from."""
    where = f"{results.folder}, recording {recording}"
    if recording not in results.recordings:
        known = ", ".join(results.recordings) or "there is none"
        raise UserError.at(where, found="no results", expected=f"one of {known}", todo="run the workflow first")
    attrs = results.recordings[recording].attrs
    path = Path(attrs["path"])
    if attrs["format"] != "nwb":
        raise UserError.at(
            where,
            found=f"a recording from {path}",
            expected="a recording from an NWB file",
            todo="read currents.nc of this recording instead, for example with curbd.read",
        )
    if is_zarr(path):
        raise UserError.at(
            where,
            found=f"a recording from the Zarr folder {path}",
            expected="a recording from an NWB file",
            todo="read currents.nc of this recording instead, for example with curbd.read",
        )
    if not path.is_file():
        raise UserError.at(str(path), found="no such file", expected="the file of the run", todo="put the file back")
    if sha256(path) != attrs["sha256"]:
        raise UserError.at(
            str(path), found="another content than during the run", expected="the file of the run", todo="run again"
        )
    return path


def _fitted_models(results: Results, recording: str, models: Sequence[str]) -> list[str]:
    """The models whose results are exported."""
    known = [name.split("/")[1] for name in results.currents_of_units if name.split("/")[0] == recording]
    missing = [model for model in models if model not in known]
    if missing or not known:
        raise UserError.at(
            f"{results.folder}, recording {recording}",
            found=f"no currents of {', '.join(missing) or 'any model'}",
            expected=f"models with currents, which are {', '.join(known) or 'none'}",
            todo="name another model, or run the workflow first",
        )
    return list(models) or known


def _module(results: Results, recording: str, model: str) -> ProcessingModule:
    currents = results.currents_of_units[f"{recording}/{model}"]["current"].isel(seed=0)
    clock = _Clock(results.recordings[recording])
    module = ProcessingModule(
        name=f"curbd_{model}",
        description=f"Results of the model {model} of curbd-workflow {version('curbd-workflow')}. The time series "
        "current_from_<source> hold the current into every fitted unit, one column for each row of the table units. "
        "Each bin has the time of its centre; bins outside of the fitted windows are absent."
        + (" Windows of trials overlap, so that times repeat." if clock.overlaps else ""),
    )
    module.add(_units(currents))
    first: TimeSeries | None = None
    for source in currents["source"].to_numpy():
        series = _current_series(currents.sel(source=source), str(source), clock, first)
        first = first or series
        module.add(series)
    latents = _latent_series(results, recording, model, clock)
    if latents is not None:
        module.add(latents)
    module.add(_verdicts(results.pathways, recording, model))
    return module


class _Clock:
    """The time of every bin on the clock of the session, in the order of the trials' starts.

    Attributes
    ----------
    trials : indices of the trials in ascending order of time.
    kept : (trial, time) whether a bin was recorded; trials in the order of the recording.
    timestamps_s : times of the recorded bins.
    overlaps : whether windows of trials overlap.
    """

    def __init__(self, recording: xr.Dataset) -> None:
        start_s = recording["start_s"].to_numpy()
        self.trials = np.argsort(start_s, kind="stable")
        self.kept: Array = np.isfinite(recording["rates"].to_numpy()).any(axis=2)
        times_s = start_s[:, None] + recording["time"].to_numpy()
        self.timestamps_s: Array = times_s[self.trials][self.kept[self.trials]]
        self.overlaps = bool((np.diff(self.timestamps_s) <= 0).any())

    def rows(self, values: xr.DataArray) -> Iterator[Array]:
        """Give the values (trial, time, column) of one recorded bin after the other."""
        block = max(1, READ_VALUES // max(1, values[0].size))
        for start in range(0, len(self.trials), block):
            trials = self.trials[start : start + block]
            # HDF5 reads indices in ascending order only.
            order = np.argsort(trials)
            read = values.isel(trial=trials[order]).transpose("trial", "time", ...).to_numpy()[np.argsort(order)]
            yield from read[self.kept[trials]]


def _units(currents: xr.DataArray) -> DynamicTable:
    table = pd.DataFrame({"unit_id": currents["unit_id"].to_numpy(), "region": currents["region"].to_numpy()})
    return DynamicTable.from_dataframe(
        table.astype(str),
        name="units",
        table_description="The fitted units, in the order of the columns of the currents.",
        columns=[
            {"name": "unit_id", "description": "name of the unit in this file"},
            {"name": "region", "description": "region of the unit, after merging and renaming of labels"},
        ],
    )


def _current_series(values: xr.DataArray, source: str, clock: _Clock, first: TimeSeries | None) -> TimeSeries:
    rows = DataChunkIterator(
        data=clock.rows(values),
        maxshape=(len(clock.timestamps_s), values.sizes["unit"]),
        dtype=np.dtype(np.float32),
        buffer_size=BUFFER_ROWS,
    )
    return TimeSeries(
        name=f"current_from_{_name(source)}",
        description=f"Current from {source} into every fitted unit.",
        data=H5DataIO(rows, compression="gzip", compression_opts=1, shuffle=True),
        unit=str(values.attrs.get("units", "units of x")),
        # All series of a module share one set of times.
        timestamps=clock.timestamps_s if first is None else first,
    )


def _latent_series(results: Results, recording: str, model: str, clock: _Clock) -> TimeSeries | None:
    """The latents of the first fit of a model; None for models without latents."""
    path = results.folder / recording / model / tables.TABLES["latents"].file
    if not path.is_file():
        return None
    table = tables.read("latents", path)
    table = table[table["seed"] == table["seed"].min()]
    values = table.set_index(["trial", "time_s", "latent"])["value"].to_xarray().rename(time_s="time")
    return TimeSeries(
        name="latents",
        description="Latents of the network, one column each: " + ", ".join(map(str, values["latent"].to_numpy())),
        data=np.stack(list(clock.rows(values))),
        unit="units of x",
        timestamps=clock.timestamps_s,
    )


def _verdicts(pathways: pd.DataFrame, recording: str, model: str) -> DynamicTable:
    """The rows of pathways.csv about one model; an empty text stands for an empty cell of a text or a flag."""
    rows = pathways[(pathways["recording"] == recording) & (pathways["model"] == model)].reset_index(drop=True)
    described = {column.name: column for column in tables.TABLES["pathways"].columns}
    cells = {
        name: rows[name].to_numpy(float, na_value=np.nan)
        if described[name].kind in ("number", "integer")
        else rows[name].astype(object).fillna("").astype(str)
        for name in described
        if name in rows
    }
    return DynamicTable.from_dataframe(
        pd.DataFrame(cells),
        name="pathways",
        table_description="Verdicts on all pathways; the columns are those of pathways.csv.",
        columns=[{"name": name, "description": described[name].meaning} for name in cells],
    )


def _name(source: str) -> str:
    """The name of a source without characters that have a meaning in names of HDF5 objects."""
    return source.replace("/", "_").replace(":", "_")
