"""Whether the experiments can be done on a recording, told before any work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import xarray as xr

from curbd.errors import UserError
from curbd.inactivation.menu import Subject, perturbations
from curbd.inactivation.readouts import require_trials
from curbd.settings.experiments import ExperimentSettings, Inactivation


def check_experiments(
    recording: xr.Dataset, experiments: Mapping[str, Inactivation], bench: ExperimentSettings | None = None
) -> None:
    """See that all regions, units, inputs, windows and conditions that the experiments name exist in the recording.

    What was really done to the brain in some trials is one perturbation each.

    Raises
    ------
    UserError : one line for each experiment that cannot be done.
    """
    wrong = []
    settings = json.loads(recording.attrs.get("settings", "{}"))
    really_done = {entry["like"] for entry in settings.get("perturbed", [])}
    for name, experiment in experiments.items():
        try:
            plan = perturbations(Subject(recording), {name: experiment})
            if name in really_done:
                require_one(recording, name, [one.name for one in plan])
        except UserError as error:
            wrong.append(str(error))
    try:
        require_trials(recording, bench.readout if bench else [])
    except UserError as error:
        wrong.append(str(error))
    if wrong:
        raise UserError("\n".join(wrong))


def require_one(recording: xr.Dataset, name: str, perturbations: Sequence[str]) -> None:
    """See that an experiment which perturbed trials are like stands for one perturbation.

    Raises
    ------
    UserError : it stands for several, or for none.
    """
    if len(perturbations) != 1:
        listed = f" ({', '.join(perturbations[:5])})" if perturbations else ""
        raise UserError.at(
            f"config, inactivations.{name}",
            found=f"{len(perturbations) or 'no'} perturbations{listed}",
            expected=f"one: trials of recording {recording.attrs['recording']} hold it",
            todo="name the region or the units, one strength and one window",
        )
