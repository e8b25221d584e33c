"""A small run of the whole workflow without Snakemake: two recordings and two models, by the commands of the steps."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curbd import tables, teachers
from curbd.cli import main as curbd
from curbd.settings.config import Config
from curbd.settings.plan_reading import read_plan
from curbd.teachers import Teacher
from lrfit.cli import main as lrfit

GENOTYPES = {"three": "007 </td>"}
"""What is known about one of the recordings, which is no number and no HTML."""
EVIL = "<script>alert('B')</script>"
REGIONS = ("A & co", EVIL, "$C_")
CONFIG = Config.model_validate(
    {
        "recordings": "recordings.tsv",
        "models": {
            "full": {"family": "full_rank", "seeds": [0]},
            "low": {"family": "low_rank", "seeds": [3, 1]},
        },
        "contrasts": {"choice": {"column": "side", "permutations": 19}},
        "changes": {"learning": {"column": "side", "permutations": 19}},
        "verdict_windows_s": [[0.1, 0.35], [7, 8]],
    }
)


def call(command: Callable[[Sequence[str]], int], step: str, **values: object) -> None:
    """One step of the workflow, by the command that its rule calls."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    assert command([step, *arguments]) == 0


def run_model(folder: Path, plan: Path, model: str) -> None:
    """Every step after ingest for one model of one recording."""
    place = folder / model
    paths = {name: place / table.file for name, table in tables.TABLES.items()}
    recording, network = folder / "recording.nc", place / "network.nc"
    low_rank = CONFIG.models[model].family == "low_rank"
    call(
        lrfit if low_rank else curbd,
        "fit",
        recording=recording,
        plan=plan,
        name=model,
        out=network,
        fits=paths["fits"],
        region_scores=paths["region_scores"],
        unit_scores=place / "unit_scores.csv",
        constraints=paths["constraints"],
    )
    fit = {"recording": recording, "network": network}
    call(
        curbd,
        "currents",
        **fit,
        out=place / "currents.nc",
        table=paths["currents"],
        pathways=paths["pathways"],
        nulls=paths["nulls"],
        balance=paths["balance"],
    )
    call(lrfit if low_rank else curbd, "windows", **fit, plan=plan, out=paths["pathway_windows"])
    call(
        curbd,
        "contrasts",
        **fit,
        currents=place / "currents.nc",
        plan=plan,
        out=paths["contrasts"],
        timecourses=paths["contrast_timecourses"],
    )
    if not low_rank:
        call(curbd, "changes", **fit, plan=plan, out=paths["changes"])
    call(
        curbd,
        "inactivate",
        **fit,
        experiments=folder / "experiments.json",
        pathways=paths["pathways"],
        out=paths["inactivations"],
        timecourses=paths["inactivation_timecourses"],
        units=paths["inactivation_units"],
        interactions=paths["interactions"],
    )
    if low_rank:
        call(lrfit, "latents", **fit, out=paths["latents"])
        mechanism = ("dynamics", "field", "geometry", "populations", "transmission")
        call(lrfit, "mechanism", **fit, **{name: paths[name] for name in mechanism})


def run_steps(folder: Path, recordings: Mapping[str, tuple[Teacher, list[str]]]) -> Path:
    """Every step of the workflow, the report left out.

    Parameters
    ----------
    folder : where the files and the results are written.
    recordings : name -> teacher and condition columns.
    """
    rows = ["recording\tpath\tformat\twindows.conditions\tabout.genotype"]
    for name, (teacher, conditions) in recordings.items():
        teachers.write_hdf5(teacher, folder / f"{name}.h5")
        rows.append(f"{name}\t{name}.h5\thdf5\t{json.dumps(conditions)}\t{GENOTYPES.get(name, '')}")
    (folder / "recordings.tsv").write_text("\n".join(rows) + "\n")
    config = CONFIG.model_dump(mode="json") | {"recordings": str(folder / "recordings.tsv")}
    plan, results = folder / "plan.json", folder / "results"
    plan.write_text(read_plan(config).to_json())
    for name in recordings:
        place = results / name
        call(
            curbd,
            "ingest",
            name=name,
            path=folder / f"{name}.h5",
            format="hdf5",
            plan=plan,
            out=place / "recording.nc",
            units=place / "units.csv",
            regions=place / "regions.csv",
        )
        call(curbd, "experiments", recording=place / "recording.nc", plan=plan, out=place / "experiments.json")
        for model in CONFIG.models:
            run_model(place, plan, model)
    call(curbd, "tables", results=results, plan=plan)
    call(curbd, "group", tables=results / "tables", out=results / "tables" / "group.csv")
    return results


def small_run(folder: Path) -> Path:
    """Write the results of a run: a recording of three regions with hostile names, and one of a single region."""
    three = teachers.multi_region(regions=REGIONS, units=5, trials=14, samples=40, seed=1)
    alone = teachers.multi_region(regions=("ca1",), units=6, trials=6, samples=40, inputs="none", seed=2)
    results = run_steps(folder, {"three": (three, ["side"]), "alone": (alone, [])})
    for name, rows in optional_rows().items():
        tables.write(name, rows, results / "tables" / tables.TABLES[name].file)
    return results


def optional_rows() -> dict[str, pd.DataFrame]:
    """The tables of the recording of three regions as a run with `oscillators`, `gates` and `degeneracy` has them."""
    pairs = [(target, source) for target in REGIONS for source in REGIONS]
    forces = [(target, source, 1.5, 1 / 3, 0.0123 * (target != source)) for target, source in pairs]
    session = {"recording": "three", "subject": "three", "session": "three"}
    columns = ["target", "source", "rms", "share", "held_out_gain"]
    compared = {
        "model_a": ["full", "full", "full"],
        "model_b": ["full", "full", "low"],
        "quantity": ["J", "currents_between_regions", "currents_between_regions"],
        "agreement": [0.75, 0.98, 0.4],
        "varied": ["data", "data", "estimator"],
        "verdict": ["", "agree", "degenerate"],
    }
    gates = {"unit_id": ["u1", "u2"], "region": ["$C_", "$C_"], "tau_s": [0.1, 0.1], "opening": [0.4, 0.5]}
    gates |= {"opening_sd": [0.2, 0.0], "closed_share": [0.1, 0.0], "held_out_nats": [-31.7, 7.25]}
    gates |= {"held_out_nats_se": [1.5, 1.0], "verdict": ["no_evidence", "supported"]}
    gate_currents = {"target": ["$C_"], "source": ["leak"], "current_rms": [0.3], "current_share": [1.0]}
    numbers = ("drive_rms", "drive_share", "drive_nats", "drive_nats_se", "drive_p_value", "drive_q_value")
    gate_currents |= {name: [np.nan] for name in numbers} | {"drive_verdict": [""]}
    channels = {"unit_id": ["c1"], "region": ["$C_"], "frequency_hz": [7.5], "damping_per_s": [2.0], "quality": [11.8]}
    return {
        "oscillators": pd.DataFrame(channels | {"held_out_r2": [0.4]}).assign(**session),
        "oscillator_forces": pd.DataFrame(forces, columns=columns).assign(**session),
        "gates": pd.DataFrame(gates).assign(**session),
        "gate_currents": pd.DataFrame(gate_currents).assign(**session),
        "degeneracy": pd.DataFrame(compared).assign(
            target="all", source="all", ci_low=np.nan, ci_high=np.nan, **session
        ),
    }


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Make a folder that all test processes of one run of pytest share: the first that needs the folder fills it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            make(folder)
            (folder / "made").touch()
    return folder


def copy_tables(run: Path, folder: Path, recordings: Sequence[str]) -> None:
    """Copy the tables of some recordings."""
    for name, table in tables.TABLES.items():
        rows = tables.read(name, run / "tables" / table.file)
        rows = rows[rows["recording"].isin(recordings)] if "recording" in rows else rows
        tables.write(name, rows, folder / table.file)


def page_paths(folder: Path) -> list[Path]:
    """The overview and all pages beside it."""
    return [folder / "report.html", *sorted((folder / "report").rglob("*.html"))]
