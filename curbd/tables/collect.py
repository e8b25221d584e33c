"""Collection of the tables of a whole run from the tables of every recording and model, with their provenance."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from curbd import tables
from curbd.settings.plan import Plan
from curbd.settings.result_files import paths_of_models, paths_of_recordings
from curbd.storage import RESULTS_VERSION
from curbd.storage.netcdf import open_netcdf
from curbd.tables.column import ABOUT, SESSION_COLUMNS

N_LATENTS = ["n_latents", "n_latents_low", "n_latents_high"]
"""Columns of the table of regions with the number of latents and its range."""
PACKAGES = (
    "curbd-workflow",
    "h5netcdf",
    "h5py",
    "hdmf",
    "numpy",
    "pandas",
    "pyarrow",
    "pynwb",
    "scikit-learn",
    "scipy",
    "snakemake",
    "torch",
    "xarray",
)


def collect_run(results: Path, plan: Plan, models: Mapping[str, Sequence[str]]) -> dict[str, pd.DataFrame]:
    """Collect every table of a run from the tables that its steps wrote.

    A table that the config does not ask for has no rows. The table ``units`` gains the columns ``<score>:<model>`` for
    each model; they are empty for units that are not fitted.

    Parameters
    ----------
    results : folder of the run.
    plan : the plan of the run.
    models : name of a recording -> models that have all their results. A recording may lack results that are not about
        a model.

    Returns
    -------
    Name of the table -> rows of all recordings and models; every table of `tables.TABLES` but those that are computed
    from collected tables.
    """
    of_recordings = [results / path for path in paths_of_recordings(plan, models)]
    files = [path for path in of_recordings if path.is_file()]
    files += [results / path for path in paths_of_models(plan, models)]
    collected = {
        name: tables.concatenate(name, [path for path in files if path.name == table.file])
        for name, table in tables.TABLES.items()
        if name not in tables.FROM_COLLECTED
    }
    fits = [results / recording / model for recording, names in models.items() for model in names]
    collected["units"] = _with_scores(collected["units"], fits)
    of_populations = [fit for fit in fits if plan.config.models[fit.name].level == "population"]
    collected["regions"] = _with_latents(collected["regions"], of_populations)
    names = session_names(results, list(models))
    return {
        name: _with_sessions(table, names) if tables.TABLES[name].names_sessions else table
        for name, table in collected.items()
    }


def session_names(results: Path, recordings: Sequence[str]) -> pd.DataFrame:
    """Read the names of the animal and of the session of every recording, and what else the config says about it.

    Names of animals that differ only in upper and lower case, such as ``charlie`` and ``Charlie``, are one name: the
    spelling that most recordings have.

    Parameters
    ----------
    results : folder of the run.
    recordings : names of the recordings.

    Returns
    -------
    Name of the recording -> ``subject``, ``session``, and a column ``about_<key>`` for every key of `about`, empty for
    recordings without the key.
    """
    rows: dict[str, dict[str, str]] = {}
    for recording in recordings:
        with open_netcdf(results / recording / "recording.nc") as dataset:
            rows[recording] = {
                column.name: str(dataset.attrs.get(column.name, recording)) for column in SESSION_COLUMNS
            }
            known = json.loads(dataset.attrs.get("settings", "{}")).get("about", {})
            rows[recording] |= {f"{ABOUT}{key}": str(value) for key, value in known.items()}
    columns = [column.name for column in SESSION_COLUMNS]
    columns += sorted({column for row in rows.values() for column in row} - set(columns))
    names = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns).fillna("")
    spelling = names.groupby(names["subject"].str.casefold())["subject"].agg(lambda spelled: spelled.mode().iloc[0])
    return names.assign(subject=names["subject"].str.casefold().map(spelling))


def _with_sessions(table: pd.DataFrame, names: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{str(column): table["recording"].map(names[column]).astype(str) for column in names})


def _with_latents(regions: pd.DataFrame, fits: Sequence[Path]) -> pd.DataFrame:
    """Add the numbers of latents of every region, and the model where the numbers of several models differ."""
    numbers = {fit: _n_latents(fit / "network.nc") for fit in fits}
    rows = []
    for row in regions.to_dict("records"):
        of_region = {
            fit.name: table.loc[row["region"]] for fit, table in numbers.items() if fit.parent.name == row["recording"]
        }
        if len({tuple(number) for number in of_region.values()}) > 1:
            rows += [row | dict(number) | {"model": name} for name, number in of_region.items()]
        else:
            rows.append(row | dict(next(iter(of_region.values()), {})))
    columns = [*regions.columns, *N_LATENTS, *(["model"] if any("model" in row for row in rows) else [])]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(N_LATENTS, "Int64"))


def _n_latents(path: Path) -> pd.DataFrame:
    """Read the number of latents of every region, and its range, from the file network.nc of a population network."""
    with open_netcdf(path) as networks:
        regions = networks["pathway_target"].to_numpy().astype(str)
        counts = [int((networks["latent_region"].to_numpy().astype(str) == region).sum()) for region in regions]
        ranges = {name: networks[name].to_numpy() for name in N_LATENTS if name in networks}
    return pd.DataFrame({"n_latents": counts} | ranges, index=regions, columns=N_LATENTS).astype("Int64")


def _with_scores(units: pd.DataFrame, fits: Sequence[Path]) -> pd.DataFrame:
    labels = {"recording": str, "model": str, "unit_id": str}
    of_model: dict[str, list[pd.DataFrame]] = {}
    for fit in fits:
        scores = pd.read_csv(
            fit / "unit_scores.csv",
            dtype=labels,
            keep_default_na=False,
            na_values={column: [""] for column in tables.UNIT_SCORES},
        )
        columns = [column for column in tables.UNIT_SCORES if column in scores]
        wide = scores.set_index(["recording", "unit_id"])[columns].add_suffix(f":{fit.name}")
        of_model.setdefault(fit.name, []).append(wide)
    for scored in of_model.values():
        units = units.merge(pd.concat(scored).reset_index(), on=["recording", "unit_id"], how="left")
    return units


def provenance(
    results: Path, config: Mapping[str, Any], remarks: Mapping[str, Sequence[str]], left_out: Mapping[str, str]
) -> dict[str, Any]:
    """Collect the origin of a run's tables: versions, config with defaults, input files and their checksums.

    Two identical runs have equal provenance, because no date and no machine is part of it.

    Parameters
    ----------
    results : folder of the run.
    config : the config of the run with all defaults, as plain data.
    remarks : name of a recording with results -> sentences about it, see `curbd.commands.remarks`.
    left_out : recordings and models without results -> the reason, see `curbd.commands.outcome`.

    Returns
    -------
    Plain data, which can be written as JSON.
    """
    return {
        "results_version": RESULTS_VERSION,
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        "config": dict(config),
        "recordings": {recording: _origin(results / recording / "recording.nc") for recording in remarks},
        "remarks": {recording: list(texts) for recording, texts in remarks.items()},
        "left_out": dict(left_out),
    }


def _origin(path: Path) -> dict[str, Any]:
    with open_netcdf(path) as recording:
        settings = json.loads(recording.attrs["settings"])
        return {key: recording.attrs[key] for key in ("path", "format", "sha256")} | {"settings": settings}


def _commit() -> str | None:
    """Commit of the running code; None outside a git checkout."""
    try:
        # With --dirty, code that differs from the commit is marked.
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
