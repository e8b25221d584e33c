"""Check, before any fit, whether the experiments of a config can be done on a recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from curbd.errors import UserError
from curbd.inactivation.perturbations import Preparation, perturbations_of
from curbd.inactivation.readouts import require_trials
from curbd.settings.experiments import Experiments, ExperimentSettings, Inactivation


def check_experiments(
    recording: xr.Dataset, experiments: Mapping[str, Inactivation], settings: ExperimentSettings | None = None
) -> None:
    """Check that all regions, units, inputs, windows and conditions that experiments name exist in the recording.

    An experiment that describes perturbed trials of the recording (key `like` of `perturbed`) must be a single
    perturbation.

    Parameters
    ----------
    recording : the recording.
    experiments : name of the experiment -> its settings.
    settings : how the experiments are run; the behavioural variables of `readout` are checked as well.

    Raises
    ------
    UserError : one line for each experiment that cannot be done.
    """
    messages = []
    described = _described_by_trials(recording)
    for name, experiment in experiments.items():
        try:
            perturbations = perturbations_of(_prepared(recording), {name: experiment})
            if name in described:
                require_single(recording, name, [perturbation.name for perturbation in perturbations])
        except UserError as error:
            messages.append(str(error))
    try:
        require_trials(recording, settings.readout if settings else [])
    except UserError as error:
        messages.append(str(error))
    if messages:
        raise UserError("\n".join(messages))


def possible_experiments(
    recording: xr.Dataset, experiments: Experiments, is_one_of_many: bool
) -> tuple[Experiments, list[str]]:
    """Select the experiments that can be done on a recording, with a remark on each experiment that is left out.

    An experiment on a region, unit, input or condition that a recording does not have is left out for this recording.
    It is an error instead if the config has no other recording, if the key `recordings` of the experiment names the
    recording, or if perturbed trials of the recording refer to the experiment (key `like` of `perturbed`).

    Parameters
    ----------
    recording : the recording.
    experiments : experiments of the config for this recording.
    is_one_of_many : whether the config has other recordings.

    Returns
    -------
    The experiments that can be done, and one remark per experiment or readout that is left out.

    Raises
    ------
    UserError : one line for each experiment that must be done and cannot be done.
    """
    if not is_one_of_many:
        check_experiments(recording, experiments.inactivations, experiments.bench)
        return experiments, []
    possible, required, remarks = dict(experiments.inactivations), {}, []
    described = _described_by_trials(recording)
    for name, experiment in experiments.inactivations.items():
        if experiment.recordings is not None or name in described:
            required[name] = experiment
            continue
        try:
            perturbations_of(_prepared(recording), {name: experiment})
        except UserError as error:
            del possible[name]
            remarks.append(f"The experiment {name} is left out for this recording. {error}")
    check_experiments(recording, required)
    readout = []
    for name in experiments.bench.readout:
        try:
            require_trials(recording, [name])
            readout.append(name)
        except UserError as error:
            remarks.append(f"The readout {name} is left out for this recording. {error}")
    bench = experiments.bench.model_copy(update={"readout": readout})
    return Experiments.model_construct(inactivations=possible, bench=bench), remarks


def _prepared(recording: xr.Dataset) -> Preparation:
    """Prepare experiments without perturbed trials: a change of 1 stands for every measured change of a rate."""
    change = np.ones(recording.sizes["unit"])
    return Preparation(recording, measured=dict.fromkeys(_described_by_trials(recording), change))


def _described_by_trials(recording: xr.Dataset) -> set[str]:
    """Return the names of the experiments to which perturbed trials refer (key `like` of `perturbed`)."""
    settings = json.loads(recording.attrs.get("settings", "{}"))
    return {entry["like"] for entry in settings.get("perturbed", [])}


def require_single(recording: xr.Dataset, experiment: str, perturbations: Sequence[str]) -> None:
    """Raise an error if an experiment that describes perturbed trials is not exactly one perturbation.

    Parameters
    ----------
    recording : the recording, for the message.
    experiment : name of the experiment in the config.
    perturbations : names of its perturbations.

    Raises
    ------
    UserError : the experiment is several perturbations, or none.
    """
    if len(perturbations) != 1:
        listed = f" ({', '.join(perturbations[:5])})" if perturbations else ""
        raise UserError.at(
            f"config, inactivations.{experiment}",
            found=f"{len(perturbations) or 'no'} perturbations{listed}",
            expected="a single perturbation, because perturbed trials of recording "
            f"{recording.attrs['recording']} refer to this experiment",
            todo="in this experiment, name one region or one group of units, one strength and one time window",
        )
