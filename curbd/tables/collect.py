"""Collection of the tables of a whole run from the tables of every recording and model, with their provenance."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from curbd import tables
from curbd.settings.models import Model
from curbd.storage import RESULTS_VERSION, groups_of, open_netcdf
from curbd.tables import dynamics, gates, oscillators, shared
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


def collect_run(
    results: Path,
    models: Mapping[str, Sequence[str]],
    settings: Mapping[str, Model],
    *,
    with_contrasts: bool,
    with_experiments: Collection[str] | None = None,
    with_windows: bool = False,
    with_changes: bool = False,
    with_dynamics: bool = False,
    with_degeneracy: bool = False,
    with_oscillators: bool = False,
    with_gates: bool = False,
    with_shared: bool = False,
) -> dict[str, pd.DataFrame]:
    """Collect every table of a run from the tables that its steps wrote.

    The table ``units`` gains the columns ``<score>:<model>`` for each model; they are empty for units that are not
    fitted.

    Parameters
    ----------
    results : folder of the run.
    models : name of a recording -> models that have all their results.
    settings : name of a model -> its settings.
    with_contrasts : whether the config has contrasts; without, the tables of contrasts are empty.
    with_experiments : names of the recordings with experiments, or None for all recordings; the other recordings have
        no rows in the tables of experiments.
    with_windows : whether the config has time windows for verdicts; without, their table is empty.
    with_changes : whether the config has changes; without, their table is empty.
    with_dynamics : whether the config asks for the dynamics of all fits; without, their tables are empty.
    with_degeneracy : whether the config asks for the agreement of fits; without, its table is empty.
    with_oscillators : whether the config asks for channels as oscillators; without, their tables are empty.
    with_gates : whether the config asks for gated units; without, their tables are empty.
    with_shared : whether the config asks for a network that several animals share; without, its tables are empty.

    Returns
    -------
    Name of the table -> rows of all recordings and models.
    """
    recordings = list(models)
    fits = [results / recording / model for recording in recordings for model in models[recording]]
    low_rank = [fit for fit in fits if settings[fit.name].family == "low_rank"]
    of_units = [fit for fit in low_rank if settings[fit.name].level == "unit"]
    full_rank = [fit for fit in fits if settings[fit.name].family == "full_rank"]
    perturbed = [fit for fit in fits if with_experiments is None or fit.parent.name in with_experiments]
    of_recordings = [results / recording for recording in recordings]
    compared = of_recordings if with_degeneracy else []
    folders: dict[str, Iterable[Path]] = {
        "units": of_recordings,
        "regions": of_recordings,
        "fits": fits,
        "region_scores": fits,
        "constraints": fits,
        "currents": fits,
        "pathways": fits,
        "pathway_windows": fits if with_windows else [],
        "nulls": fits,
        "balance": fits,
        "contrasts": fits if with_contrasts else [],
        "contrast_timecourses": fits if with_contrasts else [],
        "changes": full_rank if with_changes else [],
        "inactivations": perturbed,
        "inactivation_timecourses": perturbed,
        "inactivation_units": perturbed,
        "perturbation_comparison": [fit for fit in perturbed if "perturbed" in groups_of(fit.parent / "recording.nc")],
        "interactions": perturbed,
        "latents": low_rank,
        "dynamics": of_units,
        "field": of_units,
        "geometry": of_units,
        "populations": of_units,
        "transmission": of_units,
        "degeneracy": [folder for folder in compared if (folder / "degeneracy.csv").is_file()],
        **{
            name: [folder for folder in of_recordings if (folder / table.file).is_file()] if with_oscillators else []
            for name, table in oscillators.TABLES.items()
        },
        **{
            name: [folder for folder in of_recordings if (folder / table.file).is_file()] if with_gates else []
            for name, table in gates.TABLES.items()
        },
        **{name: fits if with_dynamics else [] for name in dynamics.TABLES},
        **{
            name: [results / "shared"] if with_shared and (results / "shared" / table.file).is_file() else []
            for name, table in shared.TABLES.items()
        },
    }
    collected = {
        name: tables.concatenate(name, [folder / tables.TABLES[name].file for folder in written])
        for name, written in folders.items()
    }
    collected["units"] = _with_scores(collected["units"], fits)
    of_populations = [fit for fit in fits if settings[fit.name].level == "population"]
    collected["regions"] = _with_latents(collected["regions"], of_populations)
    names = session_names(results, recordings)
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
