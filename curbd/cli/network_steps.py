"""Steps of the command `curbd` that fit a network or read a fitted network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from curbd.commands.command_line import Steps, add_step
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
    read_fitted,
    write_current_files,
    write_dynamics,
    write_effects,
    write_windows,
)

if TYPE_CHECKING:
    import xarray as xr


def add_network_steps(steps: Steps[argparse.ArgumentParser]) -> None:
    """Add the steps that fit a network or read a fitted network."""
    add_fit_step(steps, _fit)
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
    from curbd.pathways.judge import judge
    from curbd.pathways.judged_fits import JudgedFits
    from curbd.pathways.null_table import null_table

    recording, networks, truth = read_fitted(arguments)
    judged = JudgedFits(recording, networks)
    write_current_files(arguments, networks, judged.fits, "units of x")
    tables.write("pathways", judge(recording, networks, truth, judged=judged), arguments.pathways)
    wanted = arguments.further_nulls == "true"
    nulls = null_table(recording, networks, judged=judged) if wanted else tables.empty("nulls")
    tables.write("nulls", nulls, arguments.nulls)
    if arguments.balance is not None:
        by_type = balance_table(recording, networks, judged=judged)
        tables.write("balance", tables.empty("balance") if by_type is None else by_type, arguments.balance)


def _dynamics(arguments: argparse.Namespace) -> None:
    from curbd.dynamics.system import system_of
    from curbd.network.view import views

    recording, networks, _ = read_fitted(arguments)
    fits = views(recording, networks)
    write_dynamics(arguments, networks, fits[0], [system_of(fit) for fit in fits])


def _contrasts(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.contrasts.contrast_table import contrast_tables
    from curbd.settings.plan import load_plan
    from curbd.storage.netcdf import read_netcdf

    recording, networks, _ = read_fitted(arguments)
    currents = read_netcdf(arguments.currents)["current"]
    contrasts = load_plan(arguments.plan).config.contrasts
    latents = None if arguments.latents is None else tables.read("latents", arguments.latents)

    compared = contrast_tables(currents, recording, contrasts, networks, latents)

    print("\n".join(f"{text}; this contrast is left out" for text in compared.left_out.values()) or "no remarks")
    tables.write("contrasts", compared.contrasts, arguments.out)
    tables.write("contrast_timecourses", compared.timecourses, arguments.timecourses)


def _windows(arguments: argparse.Namespace) -> None:
    from curbd.estimators.fitting import fit

    write_windows(arguments, judge_of_units(fit))


def _changes(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.changes.change_table import change_tables
    from curbd.settings.plan import load_plan

    recording, networks, _ = read_fitted(arguments)
    changes = load_plan(arguments.plan).config.changes

    compared = change_tables(recording, networks, changes)

    print("\n".join(f"{text}; this change is left out" for text in compared.left_out.values()) or "no remarks")
    tables.write("changes", compared.changes, arguments.out)


def _inactivate(arguments: argparse.Namespace) -> None:
    import pandas as pd

    from curbd.inactivation import run_experiments
    from curbd.inactivation.interactions import interaction_table

    recording, networks, truth = read_fitted(arguments)
    experiments = read_experiments(arguments)
    populations = (
        None if arguments.populations is None else pd.read_csv(arguments.populations, dtype=str, keep_default_na=False)
    )

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
    from curbd.storage.netcdf import read_netcdf

    recording, perturbed = read_netcdf(arguments.recording), _perturbed(arguments)
    if perturbed is None:
        # A control session, which shares the setting `perturbed` with sessions that have such trials.
        print("no trial of this recording holds a real perturbation")
    inactivations = tables.read("inactivations", arguments.inactivations)
    units = tables.read("inactivation_units", arguments.units)

    comparison = compare(recording, perturbed, inactivations, units)

    tables.write("perturbation_comparison", comparison, arguments.out)
