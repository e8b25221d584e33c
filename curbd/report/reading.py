"""The results that the report shows: tables, recordings and networks of a run, by recording and model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.group.group_table import session_table
from curbd.network.file import posterior_of
from curbd.network.truth import read_with_truth
from curbd.network.view import Rates, View, view
from curbd.report.drawing import Palette, colours
from curbd.settings.models import OWN_RECORDING
from curbd.settings.report import ReportSettings
from curbd.storage.netcdf import read_netcdf
from curbd.tables import TABLES, read


class ModelResults(NamedTuple):
    """The results of one model on one recording.

    Attributes
    ----------
    name : name of the model.
    recording : the recording to which the model was fitted.
    truth : the true network of a teacher; None for a measured recording.
    networks : the fitted networks, see `curbd.network.file`.
    tables : name -> rows of this model; the tables ``units`` and ``regions`` hold the rows of the recording.
    """

    name: str
    recording: xr.Dataset
    truth: xr.Dataset | None
    networks: xr.Dataset
    tables: dict[str, pd.DataFrame]

    @property
    def is_of_populations(self) -> bool:
        """Return True if the model is a population network, whose network.nc has no weights of single units."""
        return self.networks.attrs.get("level") == "population"

    @property
    def has_posterior(self) -> bool:
        """Return True if the estimator knows how uncertain its weights are."""
        return self.is_of_populations or posterior_of(self.networks, 0) is not None

    @property
    def interval_label(self) -> str:
        """Return what the intervals of currents and effects are, which come from the fits if there is no posterior."""
        return "95 % interval" if self.has_posterior else f"95 % interval over {self.networks.sizes['seed']} fits"

    @property
    def current_unit(self) -> str:
        """Return the unit of the currents, which in population networks drive the logarithm of the rate."""
        return "log rate" if self.is_of_populations else "units of x"

    @property
    def first_seed(self) -> int:
        """Return the seed of the fit that uses the training trials as they are."""
        return int(self.networks["seed"].values[0])

    def of_first_seed(self, table: str) -> pd.DataFrame:
        """Select the rows of the first seed in a table."""
        rows = self.tables[table]
        return rows[rows["seed"] == self.first_seed]

    @property
    def condition_names(self) -> dict[str, str]:
        """Return the conditions and their names in figures, see `condition_names`."""
        return condition_names(self.recording)

    def first_view(self, rates: Rates) -> View:
        """Return the first fitted network with the recording, at observed, inferred or drawn rates."""
        return view(self.recording, self.networks, rates=rates)

    @property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Return the scores of the first seed: split (train, test) -> column of the table ``fits`` -> value."""
        rows = self.of_first_seed("fits").to_dict("records")
        return {row["split"]: {str(column): value for column, value in row.items()} for row in rows}


def condition_names(recording: xr.Dataset) -> dict[str, str]:
    """Return the name of every condition in figures, which says what was different: ``rewarded=True``.

    In recording.nc and in the tables, a condition from one trial column is the value of the column alone.
    """
    columns = json.loads(recording.attrs["settings"])["windows"]["conditions"]
    present = dict.fromkeys(map(str, recording["condition"].values))
    return {name: f"{columns[0]}={name}" if len(columns) == 1 else name for name in present}


class RecordingResults(NamedTuple):
    """The results of one recording.

    Attributes
    ----------
    name : name of the recording.
    recording : the recording.
    units, regions : rows of the tables ``units`` and ``regions``.
    oscillators, oscillator_forces : rows of these tables, without rows unless the config asks for oscillators.
    gates, gate_currents : rows of these tables, without rows unless the config asks for gates.
    degeneracy : rows of this table, without rows unless the config asks for degeneracy.
    fits : the results of every model.
    """

    name: str
    recording: xr.Dataset
    units: pd.DataFrame
    regions: pd.DataFrame
    oscillators: pd.DataFrame
    oscillator_forces: pd.DataFrame
    gates: pd.DataFrame
    gate_currents: pd.DataFrame
    degeneracy: pd.DataFrame
    fits: list[ModelResults]


class RunResults(NamedTuple):
    """The results of a run: its tables, and the recordings and networks, which are read one recording at a time.

    Attributes
    ----------
    names : names of the recordings with results.
    tables : name -> table.
    sessions : the quantities of every session that the table ``group`` combines.
    provenance : the content of provenance.json; empty if there is no such file.
    palette : region -> colour, in the order of the figures.
    folder : folder of the results.
    """

    names: list[str]
    tables: dict[str, pd.DataFrame]
    sessions: pd.DataFrame
    provenance: dict[str, Any]
    palette: Palette
    folder: Path

    @property
    def models(self) -> list[str]:
        """Return the names of the models in the order of the config, which is their order on all pages."""
        present = list(map(str, self.tables["fits"]["model"].unique()))
        wanted = self.provenance.get("config", {}).get("models", {})
        return [*(name for name in wanted if name in present), *(name for name in present if name not in wanted)]

    def recording(self, name: str) -> RecordingResults:
        """Read recording and networks of one recording.

        Raises
        ------
        UserError : the recording or a network is missing.
        """
        return _results_of(name, self)


def read_run(tables: Path, results: Path) -> RunResults:
    """Read the tables of a run.

    Parameters
    ----------
    tables : folder of the collected tables and provenance.json.
    results : folder of the run.

    Returns
    -------
    The tables of all recordings and models, which give the results of each recording.

    Raises
    ------
    UserError : a table is missing.
    """
    missing = [table.file for table in TABLES.values() if not (tables / table.file).is_file()]
    if missing:
        raise UserError.at(
            str(tables),
            found=f"missing files: {', '.join(missing)}",
            expected="the tables of a finished run",
            todo="run the workflow (curbd run) or the step curbd tables first",
        )
    collected = {name: read(name, tables / table.file) for name, table in TABLES.items()}
    origin = tables / "provenance.json"
    provenance = json.loads(origin.read_text(encoding="utf-8")) if origin.is_file() else {}
    wanted = ReportSettings.model_validate(provenance.get("config", {}).get("report", {}))
    return RunResults(
        names=[str(name) for name in collected["regions"]["recording"].unique()],
        tables=collected,
        sessions=session_table(collected),
        provenance=provenance,
        palette=colours(collected["regions"]["region"], wanted),
        folder=results,
    )


def _results_of(name: str, run: RunResults) -> RecordingResults:
    of_recording = {table: rows[rows["recording"] == name] for table, rows in run.tables.items() if "recording" in rows}
    shared = read_with_truth(run.folder / name / "recording.nc")
    present = set(of_recording["fits"]["model"])
    fits = []
    for model in [model for model in run.models if model in present]:
        folder = run.folder / name / model
        own = _has_own_recording(folder, run.provenance)
        recording, truth = read_with_truth(folder / "recording.nc") if own else shared
        of_model = {
            table: rows[rows["model"] == model] if "model" in TABLES[table].names and table != "regions" else rows
            for table, rows in of_recording.items()
        }
        networks = read_netcdf(folder / "network.nc")
        fits.append(ModelResults(name=model, recording=recording, truth=truth, networks=networks, tables=of_model))
    return RecordingResults(
        name=name,
        recording=shared[0],
        units=of_recording["units"],
        regions=of_recording["regions"].drop_duplicates("region"),
        oscillators=of_recording["oscillators"],
        oscillator_forces=of_recording["oscillator_forces"],
        gates=of_recording["gates"],
        gate_currents=of_recording["gate_currents"],
        degeneracy=of_recording["degeneracy"],
        fits=fits,
    )


def _has_own_recording(folder: Path, provenance: dict[str, Any]) -> bool:
    """Whether a model replaces bin width, smoothing or scaling, and so has its own recording.

    The config decides, because the folder of the model may hold a recording from an earlier config.
    """
    if "config" not in provenance:
        return (folder / "recording.nc").is_file()
    settings = provenance["config"]["models"][folder.name]
    return any(settings[key] is not None for key in OWN_RECORDING)
