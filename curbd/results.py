"""All results of a run as one object: tables as DataFrames, networks and currents opened when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import xarray as xr

from curbd import tables
from curbd.errors import UserError, did_you_mean
from curbd.storage.netcdf import open_netcdf

FILES = {"recordings": "*/recording.nc", "networks": "*/*/network.nc", "currents_of_units": "*/*/currents.nc"}
"""Name of a kind of netCDF files of a run -> pattern of their paths in the folder of the results."""


class OpenedFiles(Mapping[str, xr.Dataset]):
    """The netCDF files of one kind, by the name of the recording, or by ``<recording>/<model>``.

    A file is opened when it is asked for, and its data are read when they are used.
    """

    def __init__(self, folder: Path, pattern: str) -> None:
        self._paths = {str(path.parent.relative_to(folder)): path for path in sorted(folder.glob(pattern))}

    def __getitem__(self, name: str) -> xr.Dataset:
        if name not in self._paths:
            known = ", ".join(self._paths) or "there is none"
            raise KeyError(f'found "{name}", expected one of {known}')
        return open_netcdf(self._paths[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"{len(self)} files: {', '.join(self)}"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)


class Results:
    """The results of a run.

    Every table of ``results/README.md`` is an attribute, a DataFrame that is read when it is first used: ``pathways``,
    ``contrasts``, ``group`` and so on. A notebook completes their names.

    Attributes
    ----------
    folder : folder of the results.
    recordings : name of a recording -> recording.nc.
    networks : ``<recording>/<model>`` -> network.nc, the fitted networks.
    currents_of_units : ``<recording>/<model>`` -> currents.nc, the current of every unit from every source.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recordings = OpenedFiles(folder, FILES["recordings"])
        self.networks = OpenedFiles(folder, FILES["networks"])
        self.currents_of_units = OpenedFiles(folder, FILES["currents_of_units"])
        self._read: dict[str, pd.DataFrame] = {}

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or name not in tables.TABLES:
            hint = did_you_mean(name, tables.TABLES)
            raise AttributeError(f"the results have no table {name!r}" + (f"; {hint}" if hint else ""))
        if name not in self._read:
            self._read[name] = tables.read(name, self._path(name))
        return self._read[name]

    def __dir__(self) -> list[str]:
        written = [name for name in tables.TABLES if self._path(name).is_file()]
        return [*super().__dir__(), *written]

    def __repr__(self) -> str:
        names = [name for name in tables.TABLES if self._path(name).is_file()]
        kinds = "\n".join(f"  {kind}: {getattr(self, kind)!r}" for kind in FILES)
        return f"Results in {self.folder}\n  tables: {', '.join(names)}\n{kinds}"

    def _path(self, name: str) -> Path:
        return self.folder / "tables" / tables.TABLES[name].file


def read(results: Path | str) -> Results:
    """Read the results of a run as one object.

    Parameters
    ----------
    results : folder of the results, the key `results` of the config.

    Returns
    -------
    Tables as DataFrames, and recordings, networks and currents as xarray datasets, all read when they are used.

    Raises
    ------
    UserError : the folder holds no tables.
    """
    folder = Path(results)
    if not (folder / "tables").is_dir():
        raise UserError.at(
            str(folder),
            found="no folder tables" if folder.is_dir() else "no such folder",
            expected="the folder of the results of a run",
            todo="run the workflow first (curbd run)",
        )
    return Results(folder)
