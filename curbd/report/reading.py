"""What the report is made from: the tables of a run, its recordings and its networks, sorted by recording and model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.network.truth import read_with_truth
from curbd.network.view import Rates, View, view
from curbd.settings.models import OWN_RECORDING
from curbd.storage import read_netcdf
from curbd.tables import TABLES, read


class Fitted(NamedTuple):
    """One model fitted to one recording.

    Attributes
    ----------
    name : of the model.
    recording : what it was fitted to.
    truth : the network behind a teacher, else None.
    networks : the fitted networks, see `curbd.network.file`.
    tables : name -> the rows of this fit; of ``units`` and ``regions``, of its recording.
    """

    name: str
    recording: xr.Dataset
    truth: xr.Dataset | None
    networks: xr.Dataset
    tables: dict[str, pd.DataFrame]

    @property
    def first_seed(self) -> int:
        """The seed that was fitted to the training trials as they are."""
        return int(self.networks["seed"].values[0])

    def of_first_seed(self, table: str) -> pd.DataFrame:
        """Rows of that seed in one of the tables."""
        rows = self.tables[table]
        return rows[rows["seed"] == self.first_seed]

    def seen(self, rates: Rates) -> View:
        """The recording as the first fit sees it."""
        return view(self.recording, self.networks, rates=rates)

    @property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Split -> column of ``fits`` -> value, for the first seed."""
        rows = self.of_first_seed("fits").to_dict("records")
        return {row["split"]: {str(column): value for column, value in row.items()} for row in rows}


class Recorded(NamedTuple):
    """One recording, its tables ``units`` and ``regions``, and the models fitted to it."""

    name: str
    recording: xr.Dataset
    units: pd.DataFrame
    regions: pd.DataFrame
    fits: list[Fitted]


class Run(NamedTuple):
    """Everything that the report shows; provenance is empty where the file is absent."""

    recordings: list[Recorded]
    provenance: dict[str, Any]


def read_run(tables: Path, results: Path) -> Run:
    """Read the results of a run.

    Raises
    ------
    UserError : a table, a recording or a network is missing.
    """
    missing = [table.file for table in TABLES.values() if not (tables / table.file).is_file()]
    if missing:
        raise UserError.at(
            str(tables),
            found=f"no {', '.join(missing)}",
            expected="the tables of a finished run",
            todo="run snakemake, or curbd tables",
        )
    whole = {name: read(name, tables / table.file) for name, table in TABLES.items()}
    origin = tables / "provenance.json"
    provenance = json.loads(origin.read_text(encoding="utf-8")) if origin.is_file() else {}
    names = whole["regions"]["recording"].unique()
    return Run([_recorded(str(name), whole, results, provenance) for name in names], provenance)


def _recorded(name: str, whole: dict[str, pd.DataFrame], results: Path, provenance: dict[str, Any]) -> Recorded:
    of_recording = {table: rows[rows["recording"] == name] for table, rows in whole.items()}
    common = read_with_truth(results / name / "recording.nc")
    fits = []
    for model in of_recording["fits"]["model"].unique():
        folder = results / name / str(model)
        own = _has_own_recording(folder, provenance)
        recording, truth = read_with_truth(folder / "recording.nc") if own else common
        of_fit = {t: rows[rows["model"] == model] if "model" in rows else rows for t, rows in of_recording.items()}
        networks = read_netcdf(folder / "network.nc")
        fits.append(Fitted(str(model), recording, truth, networks, of_fit))
    return Recorded(name, common[0], of_recording["units"], of_recording["regions"], fits)


def _has_own_recording(folder: Path, provenance: dict[str, Any]) -> bool:
    """Whether a model has a bin width, smoothing or scaling of its own, and so a recording of its own.

    The config tells it: a recording in the folder of the model may be left from an earlier one.
    """
    if "config" not in provenance:
        return (folder / "recording.nc").is_file()
    settings = provenance["config"]["models"][folder.name]
    return any(settings[key] is not None for key in OWN_RECORDING)
