"""Files that the steps of a run write: for every recording, every model, and several animals together.

The Snakefile, the collection of tables and the search for missing results all take these names from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from curbd.settings.plan import Plan

FilesOfSteps = dict[str, tuple[str, ...]]
"""Name of a step -> names of the files that the step writes, in the order of the workflow."""
DYNAMICS_TABLES = ("attractors", "lyapunov", "transitions", "phase_locking", "slow_manifolds")
"""Tables of the step `dynamics`, written to `<table>.csv` in its folder."""
MECHANISM_FILES = ("dynamics.csv", "field.parquet", "geometry.csv", "populations.csv", "transmission.csv")
"""Files of the step `mechanism`, each of which is an argument of `lrfit mechanism`."""


def files_of_study(plan: Plan) -> FilesOfSteps:
    """List the files about several recordings together, which lie in the folder ``shared``."""
    if plan.config.shared is None:
        return {}
    return {"shared": ("network.nc", "shared_weights.parquet", "shared_pathways.csv")}


def files_of_recording(plan: Plan) -> FilesOfSteps:
    """List the files about a recording, whatever the model, which lie in the folder of the recording."""
    steps: FilesOfSteps = {"ingest": ("recording.nc", "units.csv", "regions.csv")}
    if plan.config.degeneracy:
        steps["degeneracy"] = ("degeneracy.csv",)
    if plan.config.oscillators:
        steps["oscillators"] = ("oscillators.csv", "oscillator_forces.csv")
    if plan.config.gates:
        steps["gates"] = ("gates.csv", "gate_currents.csv")
    return steps


def files_of_model(plan: Plan, recording: str, model: str) -> FilesOfSteps:
    """List the files about a model of a recording, which lie in the folder of the model in that of the recording.

    Parameters
    ----------
    plan : the plan of the run.
    recording, model : names of the recording and of the model.

    Returns
    -------
    The files of every step that the config asks for.
    """
    config = plan.config
    family, level = config.models[model].family, config.models[model].level
    steps: FilesOfSteps = {
        "fit": ("network.nc", "fits.csv", "region_scores.csv", "unit_scores.csv", "constraints.csv"),
    }
    if family == "low_rank":
        steps["latents"] = ("latents.parquet",)
    if family == "low_rank" and level == "unit":
        steps["mechanism"] = MECHANISM_FILES
    steps["currents"] = ("currents.nc", "currents.parquet", "pathways.csv", "nulls.csv", "balance.parquet")
    if config.verdict_windows_s:
        steps["windows"] = ("pathway_windows.csv",)
    if config.contrasts:
        steps["contrasts"] = ("contrasts.csv", "contrast_timecourses.parquet")
    if config.changes and family == "full_rank":
        steps["changes"] = ("changes.csv",)
    if config.dynamics != "none":
        steps["dynamics"] = tuple(f"{table}.csv" for table in DYNAMICS_TABLES)
    if plan.experiments(recording).inactivations:
        steps["inactivate"] = (
            "inactivations.csv",
            "inactivation_timecourses.parquet",
            "inactivation_units.parquet",
            "interactions.csv",
        )
        if plan.recordings[recording].settings.perturbed:
            steps["compare"] = ("perturbation_comparison.csv",)
    return steps


def paths_of_recordings(plan: Plan, recordings: Iterable[str]) -> Iterator[str]:
    """Yield the paths of the files about recordings, alone or together, relative to the folder of the results.

    Parameters
    ----------
    plan : the plan of the run.
    recordings : names of the recordings.

    Yields
    ------
    The paths.
    """
    for recording in recordings:
        yield from (f"{recording}/{file}" for files in files_of_recording(plan).values() for file in files)
    yield from (f"shared/{file}" for files in files_of_study(plan).values() for file in files)


def paths_of_models(plan: Plan, models: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield the paths of the files about models of recordings, relative to the folder of the results.

    Parameters
    ----------
    plan : the plan of the run.
    models : name of a recording -> names of its models.

    Yields
    ------
    The paths.
    """
    for recording, names in models.items():
        for model in names:
            steps = files_of_model(plan, recording, model)
            yield from (f"{recording}/{model}/{file}" for files in steps.values() for file in files)
