"""The command `lrfit`: the steps for low-rank networks, with the arguments that they have in the command `curbd`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curbd.commands.command_line import add_step, command_parser, run
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
    read_recording,
    use_threads_and_device,
    write_current_files,
    write_dynamics,
    write_effects,
    write_windows,
)
from curbd.settings.result_files import MECHANISM_FILES

if TYPE_CHECKING:
    import xarray as xr

    from curbd.commands.steps import WindowJudge
    from curbd.settings.models import Model


def main(words: Sequence[str] | None = None) -> int:
    """Run one step of `lrfit`.

    Parameters
    ----------
    words : arguments of the command line after ``lrfit``; None takes them from `sys.argv`.

    Returns
    -------
    Exit status: 0 for success, 2 for a mistake that the user can correct, 130 after Ctrl-C, 143 after SIGTERM.
    """
    return run(parser(), words)


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line of `lrfit`."""
    made, steps = command_parser("lrfit", "Fit low-rank networks to recordings and describe their mechanism.")
    add_fit_step(steps, _fit)
    add_currents_step(steps, _currents)
    add_windows_step(steps, _windows)
    add_dynamics_step(steps, _dynamics)
    add_inactivate_step(steps, _inactivate)
    step = add_step(steps, "latents", _latents, "write the latent variables of a low-rank network")
    add_network_arguments(step)
    step.add_argument("--out", type=Path, required=True, metavar="latents.parquet", help="file for the latents")
    step = add_step(steps, "mechanism", _mechanism, "write the tables on the mechanism of a low-rank network")
    add_network_arguments(step)
    for file in MECHANISM_FILES:
        name = Path(file).stem
        step.add_argument(f"--{name}", type=Path, required=True, metavar=file, help=f"file for the table {name}")
    return made


def _fit(arguments: argparse.Namespace) -> None:
    from lrfit.estimators.fitting import fit

    model = fit_model(arguments)
    if model.level == "population":
        from lrfit.population_network.scores import score_populations

        fit_and_score(arguments, model, fit, score_populations)
    else:
        from curbd.scores.score import score

        fit_and_score(arguments, model, fit, score)


def _currents(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.network.truth import read_true_currents
    from lrfit.population_network.null_table import null_table
    from lrfit.population_network.pathway_table import pathway_table
    from lrfit.population_network.view import CURRENT_UNIT, population_views

    recording, networks, _ = read_fitted(arguments)
    fits = population_views(recording, networks)
    write_current_files(arguments, networks, fits, CURRENT_UNIT)
    true_currents = read_true_currents(arguments.recording)
    tables.write("pathways", pathway_table(fits, networks, true_currents), arguments.pathways)
    tables.write("nulls", null_table(networks), arguments.nulls)
    if arguments.balance is not None:
        tables.write("balance", tables.empty("balance"), arguments.balance)


def _windows(arguments: argparse.Namespace) -> None:
    from lrfit.estimators.fitting import fit
    from lrfit.population_network.window_table import population_judge

    def judge(recording: xr.Dataset, networks: xr.Dataset, model: Model) -> WindowJudge:
        if model.level == "population":
            return population_judge(recording, networks)
        return judge_of_units(fit)(recording, networks, model)

    write_windows(arguments, judge)


def _dynamics(arguments: argparse.Namespace) -> None:
    from lrfit.population_network.dynamics import population_system
    from lrfit.population_network.view import population_views

    recording, networks, _ = read_fitted(arguments)
    fits = population_views(recording, networks)
    write_dynamics(arguments, networks, fits[0], [population_system(fit) for fit in fits])


def _inactivate(arguments: argparse.Namespace) -> None:
    from curbd.inactivation.interactions import measures_of_effects
    from lrfit.population_network.experiments import run_population_experiments

    recording, networks, _ = read_fitted(arguments)
    experiments = read_experiments(arguments)
    outcome, remarks = run_population_experiments(recording, networks, experiments.inactivations, experiments.bench)
    print("\n".join(remarks) or "no remarks")
    write_effects(arguments, outcome, measures_of_effects)


def _latents(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.storage.netcdf import read_netcdf

    recording, _ = read_recording(arguments)
    networks = read_netcdf(arguments.network)
    if networks.attrs.get("level") == "population":
        from lrfit.population_network.latent_table import latent_table

        # Latents of populations are inferred; those of units are one product with the rates.
        use_threads_and_device(arguments)
        latents = latent_table(recording, networks)
    else:
        from lrfit.mechanism.latents import latents as latents_of_units

        latents = latents_of_units(recording, networks)
    tables.write("latents", latents, arguments.out)


def _mechanism(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from lrfit.mechanism.mechanism_tables import mechanism_tables

    recording, networks, _ = read_fitted(arguments)
    for name, table in mechanism_tables(recording, networks).items():
        tables.write(name, table, getattr(arguments, name))
