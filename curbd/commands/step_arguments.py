"""Arguments of the steps that the commands `curbd` and `lrfit` have in common."""

from __future__ import annotations

import argparse
from pathlib import Path

from curbd.commands.command_line import Command, Steps, add_step, whole_number
from curbd.settings.result_files import DYNAMICS_TABLES


def add_fit_step(steps: Steps[argparse.ArgumentParser], command: Command) -> None:
    """Add the step `fit`, which has the same arguments for every family of models."""
    step = add_step(steps, "fit", command, "fit a network to a recording with every seed of a model")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording that is fitted")
    step.add_argument("--name", required=True, help="name of the model, an entry of `models` in the config")
    step.add_argument("--plan", type=Path, required=True, metavar="plan.json", help="plan of the run, with its models")
    step.add_argument("--out", type=Path, required=True, metavar="network.nc", help="file for the fitted networks")
    step.add_argument("--fits", type=Path, required=True, metavar="fits.csv", help="file for the scores of every fit")
    step.add_argument(
        "--region-scores", type=Path, required=True, metavar="region_scores.csv", help="file for the scores by region"
    )
    step.add_argument(
        "--unit-scores", type=Path, required=True, metavar="unit_scores.csv", help="file for the scores by unit"
    )
    step.add_argument("--constraints", type=Path, metavar="constraints.csv", help="file for the table of constraints")
    _add_threads(step)


def add_network_arguments(step: argparse.ArgumentParser) -> None:
    """Add the arguments of every step that reads a fitted network."""
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording that was fitted")
    step.add_argument("--network", type=Path, required=True, metavar="network.nc", help="networks that were fitted")
    _add_threads(step)


def _add_threads(step: argparse.ArgumentParser) -> None:
    step.add_argument(
        "--threads", type=whole_number(1), default=1, metavar="N", help="number of threads (default: %(default)s)"
    )
    step.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="cpu, cuda (a GPU), or auto for a GPU if there is one (default: %(default)s)",
    )


def add_currents_step(steps: Steps[argparse.ArgumentParser], command: Command) -> None:
    """Add the step `currents`, which has the same arguments for every kind of network."""
    step = add_step(steps, "currents", command, "split the currents of a network by their source and judge them")
    add_network_arguments(step)
    step.add_argument("--out", type=Path, required=True, metavar="currents.nc", help="file for the currents")
    step.add_argument(
        "--seeds", choices=("first", "all"), default="first", help="fits in currents.nc (default: %(default)s)"
    )
    step.add_argument("--table", type=Path, required=True, metavar="currents.parquet", help="file for their averages")
    step.add_argument("--pathways", type=Path, required=True, metavar="pathways.csv", help="file for the verdicts")
    step.add_argument("--nulls", type=Path, required=True, metavar="nulls.csv", help="file for the additional nulls")
    step.add_argument(
        "--further-nulls",
        choices=("true", "false"),
        default="true",
        help="whether to compute the additional nulls, without which their file has no rows (default: %(default)s)",
    )
    step.add_argument("--balance", type=Path, metavar="balance.parquet", help="file for the currents by cell type")


def add_windows_step(steps: Steps[argparse.ArgumentParser], command: Command) -> None:
    """Add the step `windows`, which has the same arguments for every kind of network."""
    step = add_step(steps, "windows", command, "judge the pathways of a network in parts of the trial")
    add_network_arguments(step)
    step.add_argument("--plan", type=Path, required=True, metavar="plan.json", help="plan of the run, with its windows")
    step.add_argument("--out", type=Path, required=True, metavar="pathway_windows.csv", help="file for the verdicts")


def add_inactivate_step(steps: Steps[argparse.ArgumentParser], command: Command) -> None:
    """Add the step `inactivate`, which has the same arguments for every kind of network."""
    step = add_step(steps, "inactivate", command, "perturb a network and compare perturbed with intact simulations")
    add_network_arguments(step)
    step.add_argument(
        "--experiments", type=Path, required=True, metavar="experiments.json", help="from `curbd experiments`"
    )
    step.add_argument("--pathways", type=Path, metavar="pathways.csv", help="verdicts on the pathways")
    step.add_argument("--populations", type=Path, metavar="populations.csv", help="populations of a low-rank network")
    step.add_argument("--out", type=Path, required=True, metavar="inactivations.csv", help="file for the effects")
    step.add_argument(
        "--timecourses", type=Path, metavar="inactivation_timecourses.parquet", help="file for the effects over time"
    )
    step.add_argument("--units", type=Path, metavar="inactivation_units.parquet", help="file for the effects by unit")
    step.add_argument(
        "--interactions", type=Path, metavar="interactions.csv", help="file for the interactions of perturbations"
    )


def add_dynamics_step(steps: Steps[argparse.ArgumentParser], command: Command) -> None:
    """Add the step `dynamics`, which has the same arguments for every kind of network."""
    step = add_step(steps, "dynamics", command, "describe attractors, Lyapunov exponents and transitions of a network")
    add_network_arguments(step)
    step.add_argument(
        "--inputs",
        choices=("autonomous", "all_inputs"),
        default="autonomous",
        help="without input, or also at constant inputs (default: %(default)s)",
    )
    step.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help=f"folder for {', '.join(DYNAMICS_TABLES)} (.csv), attractors.graphml and attractors.json",
    )
