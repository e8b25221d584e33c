"""The command `curbd`: each step reads files, calls the library, writes files, and decides nothing.

Libraries that are slow to import are imported by the step that needs them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curbd.commands.command_line import (
    INTERRUPTED_STATUS,
    Steps,
    Terminated,
    add_step,
    command_parser,
    run,
    whole_number,
)
from curbd.commands.step_arguments import (
    add_currents_step,
    add_dynamics_step,
    add_fit_step,
    add_inactivate_step,
    add_network_arguments,
    add_windows_step,
)
from curbd.commands.steps import (
    fit_and_score,
    fit_model,
    judge_of_units,
    read_experiments,
    read_recording,
    use_threads_and_device,
    write_dynamics,
    write_effects,
    write_windows,
)
from curbd.errors import UserError

if TYPE_CHECKING:
    import xarray as xr


def main(words: Sequence[str] | None = None) -> int:
    """Run one step of `curbd`.

    Parameters
    ----------
    words : arguments of the command line after ``curbd``; None takes them from `sys.argv`.

    Returns
    -------
    Exit status: 0 for success, 2 for a mistake that the user can correct, 130 after Ctrl-C, 143 after SIGTERM.
    """
    words = list(sys.argv[1:] if words is None else words)
    options: list[str] = []
    if words[:1] == ["run"] and "--" in words:
        options = words[words.index("--") + 1 :]
        words = words[: words.index("--")]
    return run(parser(options), words)


def parser(options: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Make the parser of the command line of `curbd`.

    Parameters
    ----------
    options : options of Snakemake, which the step `run` hands on.

    Returns
    -------
    The parser.
    """
    made, steps = command_parser("curbd", "Which brain region drives which, from recordings.")
    _add_recording_steps(steps)
    add_fit_step(steps, _fit)
    _add_network_steps(steps)
    _add_analysis_steps(steps)
    _add_run_steps(steps, list(options))
    return made


def _add_recording_steps(steps: Steps[argparse.ArgumentParser]) -> None:
    """Steps before a network is fitted."""
    step = add_step(steps, "inspect", _inspect, "print what a recording holds and a line for recordings.tsv")
    step.add_argument("files", nargs="+", metavar="FILE", help="NWB or HDF5 file, or its address on a server")

    step = add_step(steps, "teacher", _teacher, "write a recording of a network whose currents are known")
    step.add_argument("name", metavar="NAME", help="name of the teacher; an unknown name prints the names that exist")
    step.add_argument("--out", type=Path, required=True, metavar="FILE.h5|FILE.nwb", help="file for the recording")
    step.add_argument(
        "--seed", type=whole_number(0), default=0, help="random seed of the teacher (default: %(default)s)"
    )

    step = add_step(steps, "ingest", _ingest, "convert a file to a recording: rates in bins, regions, inputs, trials")
    step.add_argument("--name", required=True, help="name of the recording")
    step.add_argument("--path", required=True, help="NWB or HDF5 file, or its address on a server")
    step.add_argument("--format", choices=("nwb", "hdf5"), required=True, help="format of the file")
    step.add_argument(
        "--plan",
        type=Path,
        metavar="plan.json",
        help="plan of the run, with its settings (default: no plan, default settings)",
    )
    step.add_argument("--model", help="name of a model with its own bin width, smoothing or scaling")
    step.add_argument("--out", type=Path, required=True, metavar="recording.nc", help="file for the recording")
    step.add_argument("--units", type=Path, metavar="units.csv", help="file for the table of units")
    step.add_argument("--regions", type=Path, metavar="regions.csv", help="file for the table of regions")

    step = add_step(steps, "join", _join, "join recordings of the same units, such as days, in one file")
    step.add_argument("recordings", nargs="+", type=Path, metavar="recording.nc", help="recordings with the same bins")
    step.add_argument("--out", type=Path, required=True, metavar="FILE.h5", help="file for all trials")

    step = add_step(steps, "experiments", _experiments, "choose the experiments that are possible on a recording")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording to be perturbed")
    step.add_argument(
        "--plan", type=Path, required=True, metavar="plan.json", help="plan of the run, with its experiments"
    )
    step.add_argument(
        "--out", type=Path, required=True, metavar="experiments.json", help="file for the chosen experiments"
    )


def _add_network_steps(steps: Steps[argparse.ArgumentParser]) -> None:
    """Steps that read a fitted network."""
    add_currents_step(steps, _currents)
    add_dynamics_step(steps, _dynamics)
    add_windows_step(steps, _windows)
    step = add_step(steps, "contrasts", _contrasts, "compare the currents of a network between conditions")
    add_network_arguments(step)
    step.add_argument("--currents", type=Path, required=True, metavar="currents.nc", help="currents of the network")
    step.add_argument(
        "--plan", type=Path, required=True, metavar="plan.json", help="plan of the run, with its contrasts"
    )
    step.add_argument(
        "--latents", type=Path, nargs="?", metavar="latents.parquet", help="latents of the network, compared as well"
    )
    step.add_argument("--out", type=Path, required=True, metavar="contrasts.csv", help="file for the differences")
    step.add_argument(
        "--timecourses",
        type=Path,
        required=True,
        metavar="contrast_timecourses.parquet",
        help="file for the differences over time",
    )

    step = add_step(steps, "changes", _changes, "test which pathways changed their weights between conditions or days")
    add_network_arguments(step)
    step.add_argument("--plan", type=Path, required=True, metavar="plan.json", help="plan of the run, with its changes")
    step.add_argument("--out", type=Path, required=True, metavar="changes.csv", help="file for the changes")

    add_inactivate_step(steps, _inactivate)

    step = add_step(steps, "compare", _compare, "compare predictions with the real perturbations of a recording")
    step.add_argument(
        "--recording", type=Path, required=True, metavar="recording.nc", help="recording with perturbed trials"
    )
    step.add_argument(
        "--inactivations", type=Path, required=True, metavar="inactivations.csv", help="predicted effects"
    )
    step.add_argument(
        "--units", type=Path, required=True, metavar="inactivation_units.parquet", help="predicted effects by unit"
    )
    step.add_argument(
        "--out", type=Path, required=True, metavar="perturbation_comparison.csv", help="file for the comparison"
    )


def _add_analysis_steps(steps: Steps[argparse.ArgumentParser]) -> None:
    """Analyses beside the models: agreement of all fits, oscillators, gated units, a network of several animals."""
    step = add_step(steps, "degeneracy", _degeneracy, "compare all fits of a recording in pairs")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording that was fitted")
    step.add_argument(
        "--networks", type=Path, nargs="+", required=True, metavar="network.nc", help="fits of all models"
    )
    step.add_argument("--out", type=Path, required=True, metavar="degeneracy.csv", help="file for the agreement")

    step = add_step(steps, "oscillators", _oscillators, "describe the channels of fields as coupled oscillators")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording of fields")
    step.add_argument("--out", type=Path, required=True, metavar="oscillators.csv", help="file for the channels")
    step.add_argument("--forces", type=Path, required=True, metavar="oscillator_forces.csv", help="file for the forces")

    step = add_step(steps, "gates", _gates, "describe the units of a recording as gated units")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording")
    step.add_argument("--plan", type=Path, required=True, metavar="plan.json", help="plan of the run")
    step.add_argument("--out", type=Path, required=True, metavar="gates.csv", help="file for the units")
    step.add_argument("--currents", type=Path, required=True, metavar="gate_currents.csv", help="file for the currents")

    step = add_step(steps, "shared", _shared, "fit one network to the recordings of several animals")
    step.add_argument(
        "--recordings", type=Path, nargs="+", required=True, metavar="recording.nc", help="recordings of the animals"
    )
    step.add_argument("--synapses", metavar="TSV", help="table of connected pairs of units")
    step.add_argument("--out", type=Path, required=True, metavar="network.nc", help="file for the shared network")
    step.add_argument(
        "--weights", type=Path, required=True, metavar="shared_weights.parquet", help="file for the weights"
    )
    step.add_argument(
        "--pathways", type=Path, required=True, metavar="shared_pathways.csv", help="file for the pathways"
    )


def _add_run_steps(steps: Steps[argparse.ArgumentParser], options: list[str]) -> None:
    """Steps over all recordings and models of a run; ``options`` are for Snakemake."""
    step = add_step(steps, "run", _run, "run the workflow on a config, from any folder")
    step.usage = "curbd run my.yaml [--cores N] [--dry-run] [-- options of Snakemake]"
    step.add_argument("config", type=Path, metavar="my.yaml", help="config of the run")
    step.add_argument("--cores", default="all", metavar="N", help="number of cores (default: all)")
    step.add_argument("-n", "--dry-run", action="store_true", help="check everything and list the steps; run none")
    step.set_defaults(options=options)

    step = add_step(steps, "check", _check, "open all files of a run and print every mistake of its settings")
    step.add_argument("config", type=Path, metavar="my.yaml", help="config of the run")

    step = add_step(steps, "tables", _tables, "collect the tables of a run and record where they come from")
    step.add_argument("--results", type=Path, required=True, metavar="DIR", help="folder of the results")
    step.add_argument("--plan", type=Path, required=True, metavar="plan.json", help="plan of the run")
    step.add_argument("--partial", action="store_true", help="leave out recordings and models without all results")

    step = add_step(steps, "group", _group, "combine the recordings of a run over sessions and animals")
    step.add_argument("--tables", type=Path, required=True, metavar="DIR", help="folder of the collected tables")
    step.add_argument("--out", type=Path, required=True, metavar="group.csv", help="file for the combined estimates")

    step = add_step(steps, "report", _report, "write the report of a run")
    step.add_argument("--tables", type=Path, required=True, metavar="DIR", help="folder of the collected tables")
    step.add_argument("--results", type=Path, required=True, metavar="DIR", help="folder of the results")
    step.add_argument("--out", type=Path, required=True, metavar="report.html", help="file for the report")

    step = add_step(steps, "export-nwb", _export_nwb, "copy an NWB file and add currents, latents and verdicts")
    step.add_argument("--results", type=Path, required=True, metavar="DIR", help="folder of the results of a run")
    step.add_argument("--recording", required=True, metavar="NAME", help="name of the recording")
    step.add_argument("--models", nargs="+", default=[], metavar="NAME", help="models to export (default: all)")
    step.add_argument("--out", type=Path, required=True, metavar="FILE.nwb", help="path of the copy")


def _inspect(arguments: argparse.Namespace) -> None:
    from curbd.recording.inspection import inspect

    messages = []
    for index, file in enumerate(arguments.files):
        try:
            page = inspect(file)
        except UserError as error:
            # The pages of the other files are printed all the same.
            messages.append(str(error))
            continue
        print("\n" * (index > 0) + page, flush=True)
    if messages:
        raise UserError("\n".join(messages))


def _teacher(arguments: argparse.Namespace) -> None:
    from curbd import teachers

    teachers.write(arguments.name, arguments.seed, arguments.out)


def _join(arguments: argparse.Namespace) -> None:
    from curbd.recording.joined import write_joined
    from curbd.storage.netcdf import read_netcdf

    print("\n".join(write_joined([read_netcdf(path) for path in arguments.recordings], arguments.out)))


def _ingest(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.commands.ingest_step import ingest_settings, remarks_on_session, write_recording
    from curbd.recording import open_recording
    from curbd.recording.ingest import ingest
    from curbd.settings.plan import load_plan

    plan = None if arguments.plan is None else load_plan(arguments.plan)
    settings = ingest_settings(plan, arguments.name, arguments.model)
    with open_recording(arguments.path, arguments.format, settings.recording, arguments.name) as file:
        session = ingest(file, settings.recording, arguments.name, shared=settings.shared)

    print("\n".join(remarks_on_session(session, settings.purposes)) or "no remarks")
    write_recording(session, arguments.out)
    if arguments.units is not None:
        tables.write("units", session.units, arguments.units)
    if arguments.regions is not None:
        tables.write("regions", session.regions, arguments.regions)


def _experiments(arguments: argparse.Namespace) -> None:
    from curbd.inactivation.check import possible_experiments
    from curbd.settings.plan import as_json, load_plan
    from curbd.storage.netcdf import read_netcdf
    from curbd.storage.whole_files import whole_file

    plan, recording = load_plan(arguments.plan), read_netcdf(arguments.recording)
    wanted = plan.experiments(str(recording.attrs["recording"]))
    experiments, remarks = possible_experiments(recording, wanted, len(plan.recordings) > 1)
    print("\n".join(remarks) or "no remarks")
    with whole_file(arguments.out) as temporary:
        temporary.write_text(as_json(experiments) + "\n", encoding="utf-8")


def _fit(arguments: argparse.Namespace) -> None:
    from functools import partial

    from curbd.estimators.streamed import fit_of_any_size
    from curbd.scores.score import score

    fit_and_score(arguments, fit_model(arguments), partial(fit_of_any_size, perturbed=_perturbed(arguments)), score)


def _perturbed(arguments: argparse.Namespace) -> xr.Dataset | None:
    """Read the trials with a real perturbation; None if the recording has none."""
    from curbd.storage.netcdf import groups_of, read_netcdf

    has_any = "perturbed" in groups_of(arguments.recording)
    return read_netcdf(arguments.recording, "perturbed") if has_any else None


def _currents(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.pathways.balance import balance_table
    from curbd.pathways.current_file import write_currents
    from curbd.pathways.currents import table_of_views
    from curbd.pathways.judge import judge
    from curbd.pathways.judged_fits import JudgedFits
    from curbd.pathways.null_table import null_table
    from curbd.storage.netcdf import read_netcdf

    use_threads_and_device(arguments)
    recording, truth = read_recording(arguments)
    networks = read_netcdf(arguments.network)

    judged = JudgedFits(recording, networks)
    stored = slice(1) if arguments.seeds == "first" else slice(None)
    write_currents(judged.fits[stored], networks.isel(seed=stored), arguments.out)
    tables.write("currents", table_of_views(judged.fits, networks), arguments.table)
    tables.write("pathways", judge(recording, networks, truth, judged=judged), arguments.pathways)
    wanted = arguments.further_nulls == "true"
    nulls = null_table(recording, networks, judged=judged) if wanted else tables.concatenate("nulls", [])
    tables.write("nulls", nulls, arguments.nulls)
    if arguments.balance is not None:
        by_type = balance_table(recording, networks, judged=judged)
        tables.write("balance", tables.concatenate("balance", []) if by_type is None else by_type, arguments.balance)


def _dynamics(arguments: argparse.Namespace) -> None:
    from curbd.dynamics.dynamics_tables import dynamics_of
    from curbd.dynamics.system import system_of
    from curbd.network.view import views
    from curbd.storage.netcdf import read_netcdf

    use_threads_and_device(arguments)
    recording, _ = read_recording(arguments)
    networks = read_netcdf(arguments.network)
    fits = views(recording, networks)
    systems = {int(seed): system_of(fit) for seed, fit in zip(networks["seed"].values, fits, strict=True)}
    described = dynamics_of(systems, fits[0], networks, all_inputs=arguments.inputs == "all_inputs")
    write_dynamics(arguments, described)


def _contrasts(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.contrasts.contrast import contrast_tables
    from curbd.network.view import view
    from curbd.settings.plan import load_plan
    from curbd.storage.netcdf import read_netcdf

    use_threads_and_device(arguments)
    recording, _ = read_recording(arguments)
    networks, currents = read_netcdf(arguments.network), read_netcdf(arguments.currents)["current"]
    contrasts = load_plan(arguments.plan).config.contrasts
    # The posterior of the weights is that of a network with one unit per recorded unit.
    fit = view(recording, networks) if "gram" in networks else None

    latents = None if arguments.latents is None else tables.read("latents", arguments.latents)

    compared = contrast_tables(currents, recording, contrasts, fit, latents)

    print("\n".join(f"{text}; this contrast is left out" for text in compared.left_out.values()) or "no remarks")
    tables.write("contrasts", compared.contrasts, arguments.out)
    tables.write("contrast_timecourses", compared.timecourses, arguments.timecourses)


def _windows(arguments: argparse.Namespace) -> None:
    from curbd.estimators.fitting import fit

    write_windows(arguments, judge_of_units(fit))


def _changes(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.changes.change_table import change_tables
    from curbd.network.view import view
    from curbd.settings.plan import load_plan
    from curbd.storage.netcdf import read_netcdf

    use_threads_and_device(arguments)
    recording, _ = read_recording(arguments)
    networks = read_netcdf(arguments.network)
    changes = load_plan(arguments.plan).config.changes

    compared = change_tables(recording, view(recording, networks), changes, str(networks.attrs["model"]))

    print("\n".join(f"{text}; this change is left out" for text in compared.left_out.values()) or "no remarks")
    tables.write("changes", compared.changes, arguments.out)


def _inactivate(arguments: argparse.Namespace) -> None:
    import pandas as pd

    from curbd.inactivation import run_experiments
    from curbd.inactivation.interactions import interaction_table
    from curbd.storage.netcdf import read_netcdf

    use_threads_and_device(arguments)
    recording, truth = read_recording(arguments)
    networks = read_netcdf(arguments.network)
    experiments = read_experiments(arguments)
    populations = None if arguments.populations is None else pd.read_csv(arguments.populations, dtype=str)

    outcome = run_experiments(
        recording,
        networks,
        experiments.inactivations,
        truth,
        settings=experiments.bench,
        populations=populations,
        perturbed=_perturbed(arguments),
    )

    write_effects(arguments, outcome, interaction_table)


def _compare(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.inactivation.comparison import compare
    from curbd.storage.netcdf import groups_of, read_netcdf

    if "perturbed" not in groups_of(arguments.recording):
        # A control session, which shares the setting `perturbed` with sessions that have such trials.
        print("no trial of this recording holds a real perturbation")
        tables.write("perturbation_comparison", tables.concatenate("perturbation_comparison", []), arguments.out)
        return
    recording, perturbed = read_netcdf(arguments.recording), read_netcdf(arguments.recording, "perturbed")
    inactivations = tables.read("inactivations", arguments.inactivations)
    units = tables.read("inactivation_units", arguments.units)

    comparison = compare(recording, perturbed, inactivations, units)

    tables.write("perturbation_comparison", comparison, arguments.out)


def _export_nwb(arguments: argparse.Namespace) -> None:
    from curbd.export.nwb import export_nwb
    from curbd.results import read

    modules = export_nwb(read(arguments.results), arguments.recording, arguments.out, arguments.models)
    print(f"{arguments.out}: processing modules {', '.join(modules)}")


def _run(arguments: argparse.Namespace) -> None:
    from curbd.commands.workflow import run_workflow

    dry_run = ["--dry-run"] if arguments.dry_run else []
    try:
        status = run_workflow(arguments.config, arguments.cores, [*dry_run, *arguments.options])
    except Terminated as ended:
        ended.add_note("run the same command again to continue")
        raise
    except KeyboardInterrupt:
        print("curbd run: interrupted; run the same command again to continue", file=sys.stderr)
        status = INTERRUPTED_STATUS
    raise SystemExit(status)


def _check(arguments: argparse.Namespace) -> None:
    from curbd.commands.check import check_config

    checked, lines = check_config(arguments.config)
    if checked:
        print("\n".join(lines))
    else:
        raise UserError("\n".join(lines))


def _tables(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.commands.outcome import results_to_collect
    from curbd.commands.remarks import remarks
    from curbd.commands.workflow import workflow_folder
    from curbd.export.crate import write_crate
    from curbd.settings.plan import load_plan
    from curbd.storage.whole_files import whole_file
    from curbd.tables.collect import collect_run, provenance

    plan, folder = load_plan(arguments.plan), arguments.results / "tables"
    models, left_out = results_to_collect(arguments.results, plan, partial=arguments.partial)

    collected = collect_run(arguments.results, plan, models)
    origin = provenance(
        arguments.results, plan.config.model_dump(mode="json"), remarks(arguments.results, plan, models), left_out
    )

    for name, table in collected.items():
        tables.write(name, table, folder / tables.TABLES[name].file)
    with whole_file(folder / "provenance.json") as temporary:
        temporary.write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
    write_crate(folder, workflow_folder() / "Snakefile", origin)
    if arguments.partial:
        # The next run of the workflow takes a file as old as this for out of date and collects all tables again.
        os.utime(folder / "provenance.json", (1, 1))


def _degeneracy(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.degeneracy.degeneracy_table import degeneracy_table
    from curbd.storage.netcdf import read_netcdf

    recording, _ = read_recording(arguments)
    networks = [read_netcdf(path) for path in arguments.networks]
    table = degeneracy_table(recording, {str(fits.attrs["model"]): fits for fits in networks})
    tables.write("degeneracy", table, arguments.out)


def _oscillators(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.oscillators.oscillator_tables import oscillator_tables

    recording, _ = read_recording(arguments)
    of_recording = oscillator_tables(recording)
    tables.write("oscillators", of_recording.oscillators, arguments.out)
    tables.write("oscillator_forces", of_recording.forces, arguments.forces)


def _gates(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.gates.gate_tables import gate_tables
    from curbd.settings.plan import load_plan

    recording, _ = read_recording(arguments)
    tau_s = load_plan(arguments.plan).recordings[str(recording.attrs["recording"])].settings.tau_s
    of_recording = gate_tables(recording, None if tau_s == "estimate" else tau_s)
    tables.write("gates", of_recording.gates, arguments.out)
    tables.write("gate_currents", of_recording.currents, arguments.currents)


def _shared(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.animals.shared_network import shared_network
    from curbd.animals.shared_tables import shared_tables
    from curbd.storage.netcdf import read_netcdf, write_netcdf

    recordings = [read_netcdf(path) for path in arguments.recordings]
    network = shared_network(
        {str(recording.attrs["recording"]): recording for recording in recordings}, arguments.synapses
    )
    of_network = shared_tables(network)
    write_netcdf({"/": network}, arguments.out)
    tables.write("shared_weights", of_network.weights, arguments.weights)
    tables.write("shared_pathways", of_network.pathways, arguments.pathways)


def _group(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.group.group_table import group_table

    names = ("pathways", "nulls", "regions", "contrasts", "inactivations")
    collected = {name: tables.read(name, arguments.tables / tables.TABLES[name].file) for name in names}
    tables.write("group", group_table(collected), arguments.out)


def _report(arguments: argparse.Namespace) -> None:
    from curbd.report import write_report

    write_report(arguments.tables, arguments.results, arguments.out)
