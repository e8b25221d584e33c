"""The command `curbd`: each subcommand reads, calls the library, writes, and decides nothing.

Libraries that are slow to import are imported by the subcommand that needs them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curbd.commands import (
    add_fit_step,
    add_network_arguments,
    add_step,
    fit_and_score,
    read_recording,
    run,
    set_threads,
)
from curbd.errors import UserError
from curbd.settings.models import Model

if TYPE_CHECKING:
    import xarray as xr

    Fit = Callable[[xr.Dataset, str, Model], tuple[xr.Dataset, list[float]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand of `curbd`; 0 when it worked, 2 when the user has something to mend."""
    return run(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="curbd", description="Which brain region drives which, from recordings.")
    steps = parser.add_subparsers(required=True, metavar="STEP")

    step = add_step(steps, "inspect", _inspect, "say what is in a recording and what to put into recordings.tsv")
    step.add_argument("files", nargs="+", type=Path, metavar="FILE")

    step = add_step(steps, "teacher", _teacher, "write a recording of a network whose currents are known")
    step.add_argument("name", metavar="NAME", help="which teacher; a wrong name lists them")
    step.add_argument("--out", type=Path, required=True, metavar="FILE.h5|FILE.nwb")
    step.add_argument("--seed", type=int, default=0)

    step = add_step(steps, "ingest", _ingest, "bin a file into a recording")
    step.add_argument("--name", required=True, help="name of the recording")
    step.add_argument("--path", type=Path, required=True, help="NWB or HDF5 file")
    step.add_argument("--format", choices=("nwb", "hdf5"), required=True)
    step.add_argument("--plan", type=Path, metavar="plan.json", help="settings; without a plan all have their defaults")
    step.add_argument("--model", help="name of a model that replaces bin width, smoothing or scaling")
    step.add_argument("--out", type=Path, required=True, metavar="recording.nc")
    step.add_argument("--units", type=Path, metavar="units.csv")
    step.add_argument("--regions", type=Path, metavar="regions.csv")

    step = add_step(steps, "check", _check, "see that what the experiments name exists in a recording")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc")
    step.add_argument(
        "--plan", type=Path, required=True, metavar="plan.json", help="plan of the run, with its experiments"
    )
    step.add_argument("--out", type=Path, required=True, metavar="experiments.json")

    add_fit_step(steps, _fit)

    step = add_step(steps, "currents", _currents, "split the currents of a network by their source and judge them")
    add_network_arguments(step)
    step.add_argument("--out", type=Path, required=True, metavar="currents.nc")
    step.add_argument("--table", type=Path, required=True, metavar="currents.parquet")
    step.add_argument("--pathways", type=Path, required=True, metavar="pathways.csv")
    step.add_argument("--nulls", type=Path, required=True, metavar="nulls.csv")

    step = add_step(steps, "inactivate", _inactivate, "perturb parts of a network and compare with the intact one")
    add_network_arguments(step)
    step.add_argument("--experiments", type=Path, required=True, metavar="experiments.json")
    step.add_argument("--pathways", type=Path, metavar="pathways.csv", help="verdicts, for an effect to be called")
    step.add_argument("--populations", type=Path, metavar="populations.csv", help="populations of a low-rank network")
    step.add_argument("--out", type=Path, required=True, metavar="inactivations.csv")
    step.add_argument("--timecourses", type=Path, metavar="inactivation_timecourses.parquet")
    step.add_argument("--units", type=Path, metavar="inactivation_units.parquet")
    step.add_argument("--interactions", type=Path, metavar="interactions.csv")

    step = add_step(steps, "compare", _compare, "set predictions beside the real perturbations of a recording")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc")
    step.add_argument("--inactivations", type=Path, required=True, metavar="inactivations.csv")
    step.add_argument("--units", type=Path, required=True, metavar="inactivation_units.parquet")
    step.add_argument("--out", type=Path, required=True, metavar="perturbation_comparison.csv")

    step = add_step(steps, "tables", _tables, "collect the tables of a run and say where they come from")
    step.add_argument("--results", type=Path, required=True, metavar="DIR")
    step.add_argument("--plan", type=Path, required=True, metavar="plan.json")

    step = add_step(steps, "report", _report, "write the report of a run")
    step.add_argument("--tables", type=Path, required=True, metavar="DIR")
    step.add_argument("--results", type=Path, required=True, metavar="DIR")
    step.add_argument("--out", type=Path, required=True, metavar="report.html")
    return parser


def _inspect(chosen: argparse.Namespace) -> None:
    from curbd.recording.inspection import inspect

    print("\n\n".join(inspect(file) for file in chosen.files))


def _teacher(chosen: argparse.Namespace) -> None:
    from curbd import teachers

    teacher = teachers.named(chosen.name, chosen.seed)
    write = teachers.write_nwb if chosen.out.suffix == ".nwb" else teachers.write_hdf5
    write(teacher, chosen.out)


def _ingest(chosen: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.recording import open_recording
    from curbd.recording.ingest import ingest
    from curbd.settings.plan import load_plan
    from curbd.settings.recording import RecordingSettings
    from curbd.storage import write_netcdf

    settings = RecordingSettings()
    if chosen.plan is not None:
        settings = load_plan(chosen.plan).recording_settings(chosen.name, chosen.model)
    with open_recording(chosen.path, chosen.format, settings, chosen.name) as file:
        session = ingest(file, settings, chosen.name)
    print(session.recording.attrs["notes"] or "no remarks")
    groups = {"/": session.recording, "truth": session.truth, "perturbed": session.perturbed}
    write_netcdf({name: group for name, group in groups.items() if group is not None}, chosen.out)
    for name, table, path in (("units", session.units, chosen.units), ("regions", session.regions, chosen.regions)):
        if path is not None:
            tables.write(name, table, path)


def _check(chosen: argparse.Namespace) -> None:
    from curbd.inactivation.check import check_experiments
    from curbd.settings.plan import as_json, load_plan
    from curbd.storage import read_netcdf, whole_file

    experiments = load_plan(chosen.plan).experiments()
    check_experiments(read_netcdf(chosen.recording), experiments.inactivations, experiments.bench)
    with whole_file(chosen.out) as temporary:
        temporary.write_text(as_json(experiments) + "\n", encoding="utf-8")


def _fit(chosen: argparse.Namespace) -> None:
    from curbd.estimators.fitting import fit

    fit_and_score(chosen, fit)


def _currents(chosen: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.pathways.currents import current_table, decompose
    from curbd.pathways.judge import judge
    from curbd.pathways.null_table import null_table
    from curbd.storage import read_netcdf, write_netcdf

    set_threads(chosen)
    recording, truth = read_recording(chosen)
    networks = read_netcdf(chosen.network)
    write_netcdf({"/": decompose(recording, networks).to_dataset(name="current")}, chosen.out)
    tables.write("currents", current_table(recording, networks), chosen.table)
    tables.write("pathways", judge(recording, networks, truth), chosen.pathways)
    tables.write("nulls", null_table(recording, networks), chosen.nulls)


def _inactivate(chosen: argparse.Namespace) -> None:
    import pandas as pd

    from curbd import tables
    from curbd.inactivation import run_experiments
    from curbd.inactivation.interactions import interaction_table
    from curbd.inactivation.tabulate import inactivation_table, timecourse_table, unit_table
    from curbd.settings.experiments import Experiments
    from curbd.settings.validation import parse_json
    from curbd.storage import read_netcdf

    set_threads(chosen)
    recording, truth = read_recording(chosen)
    experiments = parse_json(str(chosen.experiments), chosen.experiments.read_text(encoding="utf-8"), Experiments)
    populations = None if chosen.populations is None else pd.read_csv(chosen.populations, dtype=str)
    pathways = None if chosen.pathways is None else tables.read("pathways", chosen.pathways)
    networks = read_netcdf(chosen.network)
    outcome = run_experiments(
        recording, networks, experiments.inactivations, truth, settings=experiments.bench, populations=populations
    )
    inactivations = inactivation_table(outcome, pathways)
    tables.write("inactivations", inactivations, chosen.out)
    if chosen.timecourses is not None:
        tables.write("inactivation_timecourses", timecourse_table(outcome), chosen.timecourses)
    if chosen.units is not None:
        tables.write("inactivation_units", unit_table(outcome), chosen.units)
    if chosen.interactions is not None:
        tables.write("interactions", interaction_table(outcome, inactivations, pathways), chosen.interactions)


def _compare(chosen: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.inactivation.comparison import compare
    from curbd.storage import groups_of, read_netcdf

    recording = read_netcdf(chosen.recording)
    if "perturbed" not in groups_of(chosen.recording):
        raise UserError.at(
            str(chosen.recording),
            found="no perturbed trials",
            expected="a recording that was ingested with the setting `perturbed`",
        )
    rows = compare(
        recording,
        read_netcdf(chosen.recording, "perturbed"),
        tables.read("inactivations", chosen.inactivations),
        tables.read("inactivation_units", chosen.units),
    )
    tables.write("perturbation_comparison", rows, chosen.out)


def _tables(chosen: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.settings.plan import load_plan
    from curbd.storage import whole_file
    from curbd.tables.collect import collect_run, provenance

    plan, folder = load_plan(chosen.plan), chosen.results / "tables"
    for name, table in collect_run(chosen.results, list(plan.recordings), plan.config).items():
        tables.write(name, table, folder / tables.TABLES[name].file)
    origin = provenance(chosen.results, list(plan.recordings), plan.config)
    with whole_file(folder / "provenance.json") as temporary:
        temporary.write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")


def _report(chosen: argparse.Namespace) -> None:
    from curbd.report import write_report

    write_report(chosen.tables, chosen.results, chosen.out)
