"""Code that the commands `curbd` and `lrfit` share: parser, running a step, arguments of a step, the step `fit`."""

from __future__ import annotations

import argparse
import gc
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from curbd.errors import UNWRITABLE, UserError
from curbd.settings.result_files import DYNAMICS_TABLES

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from curbd.dynamics.dynamics_tables import Dynamics
    from curbd.inactivation.experiments import Outcome
    from curbd.pathways.window_table import TimeWindow
    from curbd.scores.score import Scores
    from curbd.settings.experiments import Experiments
    from curbd.settings.models import Model

    WindowJudge = Callable[[TimeWindow], pd.DataFrame]
    JudgeOfModel = Callable[[xr.Dataset, xr.Dataset, Model], WindowJudge]
    Fit = Callable[[xr.Dataset, Model, str, Path | None], tuple[xr.Dataset, list[float]]]
    Score = Callable[[xr.Dataset, xr.Dataset, list[float], xr.Dataset | None], Scores]
    Interactions = Callable[[Outcome, pd.DataFrame, pd.DataFrame | None], pd.DataFrame]

Steps = argparse._SubParsersAction
Command = Callable[[argparse.Namespace], None]
SUCCESS = 0
USER_ERROR_STATUS = 2
INTERRUPTED_STATUS = 130
"""Exit status that a shell reports for a program ended by Ctrl-C: 128 plus the number of the signal, 2."""
OBJECTS_BETWEEN_GARBAGE_COLLECTIONS = 50_000
"""Importing libraries and drawing figures make many small objects that stay: looking for garbage at every 700 of them,
as Python does, takes about a tenth of the time of a short step."""


def command_parser(program: str, description: str) -> tuple[argparse.ArgumentParser, Steps[argparse.ArgumentParser]]:
    """Construct the parser of a command, with the option ``--version``.

    Parameters
    ----------
    program : name of the command.
    description : what the command is for.

    Returns
    -------
    The parser, and the object to which its steps are added.
    """
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--version", action="version", version=f"{program} {version('curbd-workflow')}")
    return parser, parser.add_subparsers(required=True, metavar="STEP")


def run(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> int:
    """Run the step that is named on the command line.

    A mistake that the user can correct is printed without a traceback. Ctrl-C ends the step with one line.

    Parameters
    ----------
    parser : parser of the command.
    words : arguments of the command line after the name of the command; None takes them from `sys.argv`.

    Returns
    -------
    Exit status: 0 for success, 2 for a mistake that the user can correct, 130 after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a character of a file shows a question mark.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    arguments = parser.parse_args(words)
    gc.set_threshold(OBJECTS_BETWEEN_GARBAGE_COLLECTIONS)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for package in ("curbd", "lrfit"):
        logging.getLogger(package).setLevel(logging.INFO)
    try:
        arguments.command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe (`curbd inspect FILE | head`) has seen enough; nothing is left to be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UserError as error:
        print(error, file=sys.stderr)
        return USER_ERROR_STATUS
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        # The log of the step cannot be written; nothing is left to be flushed at exit, which would be another error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        with suppress(OSError):
            print(f"{parser.prog}: found {UNWRITABLE[error.errno][0]}, expected room for the output", file=sys.stderr)
        return USER_ERROR_STATUS
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return INTERRUPTED_STATUS
    return SUCCESS


def add_step(
    steps: Steps[argparse.ArgumentParser], name: str, command: Command, description: str
) -> argparse.ArgumentParser:
    """Add a step to a command.

    Parameters
    ----------
    steps : the steps of the command.
    name : name of the step on the command line.
    command : the function that the step calls with its arguments.
    description : what the step does, as a sentence without a capital letter at the start and without a full stop.

    Returns
    -------
    The parser of the step, to which its arguments are added.
    """
    step = steps.add_parser(name, help=description, description=f"{description[0].upper()}{description[1:]}.")
    step.set_defaults(command=command)
    return step


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
    step.add_argument("--threads", type=int, default=1, metavar="N", help="number of threads (default: %(default)s)")
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


def write_dynamics(arguments: argparse.Namespace, described: Dynamics) -> None:
    """Write the tables and the graph of the step `dynamics`.

    Parameters
    ----------
    arguments : the arguments of the step, see `add_dynamics_step`.
    described : the dynamics of the fits of a model.
    """
    import json

    import networkx as nx

    from curbd import tables
    from curbd.storage import whole_file

    for name in DYNAMICS_TABLES:
        tables.write(name, described.tables[name], arguments.out / tables.TABLES[name].file)
    with whole_file(arguments.out / "attractors.json") as temporary:
        temporary.write_text(json.dumps(nx.node_link_data(described.graph, edges="edges"), indent=2) + "\n", "utf-8")
    with whole_file(arguments.out / "attractors.graphml") as temporary:
        nx.write_graphml(described.graph, temporary)


def fit_model(arguments: argparse.Namespace) -> Model:
    """Read the settings of the model of the step `fit` from the plan, with all defaults."""
    from curbd.settings.plan import load_plan
    from curbd.storage import open_netcdf

    with open_netcdf(arguments.recording) as recording:
        name = str(recording.attrs["recording"])
    return load_plan(arguments.plan).fit_model(name, arguments.name)


def fit_and_score(arguments: argparse.Namespace, model: Model, fit: Fit, score: Score) -> None:
    """Run the step `fit`: fit a model to a recording, score the fits, and write the networks and tables.

    Until the networks are written, a hidden folder beside their file keeps the finished fits. A step that was
    interrupted goes on with the next seed.

    Parameters
    ----------
    arguments : the arguments of the step, see `add_fit_step`.
    model : settings of the model.
    fit : function that fits a model of one family to a recording.
    score : function that scores the fits.
    """
    import shutil

    from curbd import tables
    from curbd.scores.constraints import constraint_table
    from curbd.storage import RESULTS_VERSION, whole_file, write_netcdf

    set_threads(arguments)
    recording, truth = read_recording(arguments)

    checkpoints = arguments.out.with_name(f".{arguments.out.name}.version_{RESULTS_VERSION}")
    networks, seconds = fit(recording, model, arguments.name, checkpoints)
    scores = score(recording, networks, seconds, truth)

    write_netcdf({"/": networks}, arguments.out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    tables.write("fits", scores.fits, arguments.fits)
    tables.write("region_scores", scores.regions, arguments.region_scores)
    if arguments.constraints is not None:
        rows = constraint_table(networks)
        tables.write(
            "constraints", tables.concatenate("constraints", []) if rows is None else rows, arguments.constraints
        )
    with whole_file(arguments.unit_scores) as temporary:
        scores.units.to_csv(temporary, index=False, lineterminator="\n")


def judge_of_units(fit: Fit) -> JudgeOfModel:
    """Construct the function that judges the pathways of a network of recorded units in a time window.

    Parameters
    ----------
    fit : function that fits a model to a recording.
    """

    def of_model(recording: xr.Dataset, networks: xr.Dataset, model: Model) -> WindowJudge:
        from curbd.pathways.judge import judge
        from curbd.pathways.window_table import in_window

        def judged(window: TimeWindow) -> pd.DataFrame:
            part = in_window(recording, window)
            return judge(part, fit(part, model, str(networks.attrs["model"]), None)[0])

        return judged

    return of_model


def write_windows(arguments: argparse.Namespace, judge: JudgeOfModel) -> None:
    """Run the step `windows`: judge all pathways of a network in every time window, and write the table.

    Parameters
    ----------
    arguments : the arguments of the step, see `add_windows_step`.
    judge : function of the recording, the networks and the settings of the model that returns a function which judges
        the pathways in a window.
    """
    from curbd import tables
    from curbd.pathways.window_table import time_windows, window_table
    from curbd.settings.plan import load_plan
    from curbd.storage import read_netcdf

    set_threads(arguments)
    recording, _ = read_recording(arguments)
    networks, plan = read_netcdf(arguments.network), load_plan(arguments.plan)
    model = plan.fit_model(str(networks.attrs["recording"]), str(networks.attrs["model"]))
    windows = time_windows(recording, plan.config.verdict_windows_s)
    tables.write("pathway_windows", window_table(networks, windows, judge(recording, networks, model)), arguments.out)


def write_effects(arguments: argparse.Namespace, outcome: Outcome, interactions: Interactions) -> None:
    """Write the tables of the step `inactivate`.

    Parameters
    ----------
    arguments : the arguments of the step, see `add_inactivate_step`.
    outcome : results of the experiments.
    interactions : function that computes the table ``interactions`` from the outcome and the tables ``inactivations``
        and ``pathways``.
    """
    from curbd import tables
    from curbd.inactivation.tabulate import inactivation_table, timecourse_table, unit_table

    pathways = None if arguments.pathways is None else tables.read("pathways", arguments.pathways)
    inactivations = inactivation_table(outcome, pathways)
    tables.write("inactivations", inactivations, arguments.out)
    if arguments.timecourses is not None:
        tables.write("inactivation_timecourses", timecourse_table(outcome), arguments.timecourses)
    if arguments.units is not None:
        tables.write("inactivation_units", unit_table(outcome), arguments.units)
    if arguments.interactions is not None:
        tables.write("interactions", interactions(outcome, inactivations, pathways), arguments.interactions)


def read_experiments(arguments: argparse.Namespace) -> Experiments:
    """Read experiments.json, the experiments that the recording of a step can do."""
    from curbd.settings.experiments import Experiments
    from curbd.settings.validation import parse_json

    return parse_json(str(arguments.experiments), arguments.experiments.read_text(encoding="utf-8"), Experiments)


def set_threads(arguments: argparse.Namespace) -> None:
    """Set the number of threads and the device of this process to those that the step was given."""
    import torch

    from curbd.network.tensors import use_device

    torch.set_num_threads(arguments.threads)
    use_device(arguments.device)


def read_recording(arguments: argparse.Namespace) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Read the recording of a step and its true network, which is None unless the recording is that of a teacher."""
    from curbd.network.truth import read_with_truth

    return read_with_truth(arguments.recording)
