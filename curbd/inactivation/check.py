"""Whether the experiments of a config can be done on a recording, before any fit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import xarray as xr

from curbd.errors import UserError
from curbd.inactivation.perturbations import Preparation, perturbations_of
from curbd.inactivation.readouts import require_trials
from curbd.settings.experiments import ExperimentSettings, Inactivation


def check_experiments(
    recording: xr.Dataset, experiments: Mapping[str, Inactivation], settings: ExperimentSettings | None = None
) -> None:
    """Check that all regions, units, inputs, windows and conditions that experiments name exist in the recording.

    An experiment that describes perturbed trials of the recording (key `like` of `perturbed`) must be a single
    perturbation.

    Parameters
    ----------
    recording : the recording.
    experiments : name -> what is done.
    settings : how the experiments are run; the behavioural variables of `readout` are checked as well.

    Raises
    ------
    UserError : one line for each experiment that cannot be done.
    """
    messages = []
    recording_settings = json.loads(recording.attrs.get("settings", "{}"))
    really_done = {entry["like"] for entry in recording_settings.get("perturbed", [])}
    for name, experiment in experiments.items():
        try:
            perturbations = perturbations_of(Preparation(recording), {name: experiment})
            if name in really_done:
                require_single(recording, name, [perturbation.name for perturbation in perturbations])
        except UserError as error:
            messages.append(str(error))
    try:
        require_trials(recording, settings.readout if settings else [])
    except UserError as error:
        messages.append(str(error))
    if messages:
        raise UserError("\n".join(messages))


def require_single(recording: xr.Dataset, experiment: str, perturbations: Sequence[str]) -> None:
    """Require that an experiment that describes perturbed trials is a single perturbation.

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
            expected=f"a single perturbation, as trials of recording {recording.attrs['recording']} were perturbed in "
            "this way",
            todo="name the region or the units, one strength and one window",
        )
