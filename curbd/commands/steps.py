"""What the steps of the commands `curbd` and `lrfit` share: reading their files, and writing their results."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from curbd.settings.result_files import DYNAMICS_TABLES

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from curbd.dynamics.system import System
    from curbd.inactivation.experiments import Outcome
    from curbd.network.current_view import CurrentView
    from curbd.network.recorded import Recorded
    from curbd.pathways.window_table import TimeWindow
    from curbd.scores.score import Scores
    from curbd.settings.experiments import Experiments
    from curbd.settings.models import Model

    WindowJudge = Callable[[TimeWindow], pd.DataFrame]
    JudgeOfModel = Callable[[xr.Dataset, xr.Dataset, Model], WindowJudge]
    FitFunction = Callable[[xr.Dataset, Model, str, Path | None], tuple[xr.Dataset, list[float]]]
    ScoreFunction = Callable[[xr.Dataset, xr.Dataset, list[float], xr.Dataset | None], Scores]
    InteractionsFunction = Callable[[Outcome, pd.DataFrame, pd.DataFrame | None], pd.DataFrame]


def use_threads_and_device(arguments: argparse.Namespace) -> None:
    """Set the number of threads and the device of this process to those that the step was given."""
    import torch

    from curbd.network.tensors import use_device

    torch.set_num_threads(arguments.threads)
    use_device(arguments.device)


def read_recording(arguments: argparse.Namespace) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Read the recording of a step and its true network, which is None unless the recording is that of a teacher."""
    from curbd.network.truth import read_with_truth

    return read_with_truth(arguments.recording)


class FittedRecording(NamedTuple):
    """What a step that reads fitted networks works on.

    Attributes
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.
    truth : the network behind the recording of a teacher, or None.
    """

    recording: xr.Dataset
    networks: xr.Dataset
    truth: xr.Dataset | None


def read_fitted(arguments: argparse.Namespace) -> FittedRecording:
    """Set the threads and the device of a step that reads fitted networks, and read the networks and their recording.

    Parameters
    ----------
    arguments : the arguments of the step, see `curbd.commands.step_arguments.add_network_arguments`.
    """
    from curbd.storage.netcdf import read_netcdf

    use_threads_and_device(arguments)
    recording, truth = read_recording(arguments)
    return FittedRecording(recording, read_netcdf(arguments.network), truth)


def read_experiments(arguments: argparse.Namespace) -> Experiments:
    """Read experiments.json, the experiments that the recording of a step can do."""
    from curbd.settings.experiments import Experiments
    from curbd.settings.validation import parse_json

    return parse_json(str(arguments.experiments), arguments.experiments.read_text(encoding="utf-8"), Experiments)


def fit_model(arguments: argparse.Namespace) -> Model:
    """Read the settings of the model of the step `fit` from the plan, with all defaults."""
    from curbd.settings.plan import load_plan
    from curbd.storage.netcdf import open_netcdf

    with open_netcdf(arguments.recording) as recording:
        name = str(recording.attrs["recording"])
    return load_plan(arguments.plan).fit_model(name, arguments.name)


def fit_and_score(arguments: argparse.Namespace, model: Model, fit: FitFunction, score: ScoreFunction) -> None:
    """Run the step `fit`: fit a model to a recording, score the fits, and write the networks and tables.

    Until the networks are written, a hidden folder beside their file keeps the finished fits. A step that was
    interrupted goes on with the next seed.

    Parameters
    ----------
    arguments : the arguments of the step, see `curbd.commands.step_arguments.add_fit_step`.
    model : settings of the model.
    fit : function that fits a model of one family to a recording.
    score : function that scores the fits.
    """
    import shutil

    from curbd import tables
    from curbd.scores.constraints import constraint_table
    from curbd.storage import RESULTS_VERSION
    from curbd.storage.netcdf import write_netcdf
    from curbd.storage.whole_files import whole_file

    use_threads_and_device(arguments)
    recording, truth = read_recording(arguments)

    checkpoints = arguments.out.with_name(f".{arguments.out.name}.version_{RESULTS_VERSION}")
    try:
        networks, seconds = fit(recording, model, arguments.name, checkpoints)
    except KeyboardInterrupt as ended:
        ended.add_note(_how_to_go_on(checkpoints))
        raise
    scores = score(recording, networks, seconds, truth)

    write_netcdf({"/": networks}, arguments.out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    tables.write("fits", scores.fits, arguments.fits)
    tables.write("region_scores", scores.regions, arguments.region_scores)
    if arguments.constraints is not None:
        rows = constraint_table(networks)
        tables.write("constraints", tables.empty("constraints") if rows is None else rows, arguments.constraints)
    with whole_file(arguments.unit_scores) as temporary:
        scores.units.to_csv(temporary, index=False, lineterminator="\n")


def _how_to_go_on(checkpoints: Path) -> str:
    """Say what an interrupted fit has kept, and how to go on."""
    if not any(checkpoints.rglob("output.pkl")):
        return "no fit was finished: the same command starts again"
    return f"what is finished is kept in {checkpoints}, from where the same command goes on"


def write_current_files(
    arguments: argparse.Namespace, networks: xr.Dataset, fits: Sequence[CurrentView], unit: str
) -> None:
    """Write the currents of the step `currents` and their averages.

    Parameters
    ----------
    arguments : the arguments of the step, see `curbd.commands.step_arguments.add_currents_step`.
    networks : the fits of a model.
    fits : the same fits with the recording that they were fitted to.
    unit : unit of the currents.
    """
    from curbd import tables
    from curbd.pathways import current_file
    from curbd.pathways.currents import table_of_views

    stored = networks.isel(seed=slice(1)) if arguments.seeds == "first" else networks
    current_file.write_currents(fits[: stored.sizes["seed"]], stored, arguments.out, unit)
    tables.write("currents", table_of_views(fits, networks), arguments.table)


def judge_of_units(fit: FitFunction) -> JudgeOfModel:
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
    arguments : the arguments of the step, see `curbd.commands.step_arguments.add_windows_step`.
    judge : function of the recording, the networks and the settings of the model that returns a function which judges
        the pathways in a window.
    """
    from curbd import tables
    from curbd.pathways.window_table import time_windows, window_table
    from curbd.settings.plan import load_plan

    recording, networks, _ = read_fitted(arguments)
    plan = load_plan(arguments.plan)
    model = plan.fit_model(str(networks.attrs["recording"]), str(networks.attrs["model"]))
    windows = time_windows(recording, plan.config.verdict_windows_s)
    tables.write("pathway_windows", window_table(networks, windows, judge(recording, networks, model)), arguments.out)


def write_effects(arguments: argparse.Namespace, outcome: Outcome, interactions: InteractionsFunction) -> None:
    """Write the tables of the step `inactivate`.

    Parameters
    ----------
    arguments : the arguments of the step, see `curbd.commands.step_arguments.add_inactivate_step`.
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


def write_dynamics(
    arguments: argparse.Namespace, networks: xr.Dataset, recorded: Recorded, systems: Sequence[System]
) -> None:
    """Run the step `dynamics`: describe the dynamics of fitted networks, and write the tables and the graph.

    Parameters
    ----------
    arguments : the arguments of the step, see `curbd.commands.step_arguments.add_dynamics_step`.
    networks : the fits of a model.
    recorded : the recording as the first fit sees it.
    systems : every fit as a dynamical system.
    """
    import json

    import networkx as nx

    from curbd import tables
    from curbd.dynamics.dynamics_tables import dynamics_of
    from curbd.storage.whole_files import whole_file

    of_seeds = dict(zip(networks["seed"].values.tolist(), systems, strict=True))
    described = dynamics_of(of_seeds, recorded, networks, all_inputs=arguments.inputs == "all_inputs")
    for name in DYNAMICS_TABLES:
        tables.write(name, described.tables[name], arguments.out / tables.TABLES[name].file)
    with whole_file(arguments.out / "attractors.json") as temporary:
        temporary.write_text(json.dumps(nx.node_link_data(described.graph, edges="edges"), indent=2) + "\n", "utf-8")
    with whole_file(arguments.out / "attractors.graphml") as temporary:
        nx.write_graphml(described.graph, temporary)
