"""Whether the experiments can be done on a recording, told before any work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import xarray as xr

from curbd.errors import UserError
from curbd.inactivation.menu import Subject, perturbations
from curbd.inactivation.readouts import require_trials
from curbd.settings.experiments import Experiments, ExperimentSettings, Inactivation


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


def possible_experiments(
    recording: xr.Dataset, experiments: Experiments, is_one_of_many: bool
) -> tuple[Experiments, list[str]]:
    """The experiments that can be done on a recording, and a remark on each one that is left out.

    An experiment on a region, unit, input or condition of one session cannot be done on the others. The experiment is
    an error all the same where no other recording could do it, where the key `recordings` of the experiment names the
    recording, or where perturbed trials of the recording are like it.

    Parameters
    ----------
    recording : the recording.
    experiments : experiments of the config for this recording.
    is_one_of_many : whether the run has further recordings.

    Returns
    -------
    The experiments that can be done; remarks.

    Raises
    ------
    UserError : one line for each experiment that must be done and cannot be done.
    """
    if not is_one_of_many:
        check_experiments(recording, experiments.inactivations, experiments.bench)
        return experiments, []
    possible, required, remarks = dict(experiments.inactivations), {}, []
    perturbed_like = {entry["like"] for entry in json.loads(recording.attrs.get("settings", "{}")).get("perturbed", [])}
    for name, experiment in experiments.inactivations.items():
        if experiment.recordings is not None or name in perturbed_like:
            required[name] = experiment
            continue
        try:
            perturbations(Subject(recording), {name: experiment})
        except UserError as error:
            del possible[name]
            remarks.append(f"The experiment {name} is left out here. {error}")
    check_experiments(recording, required)
    readout = []
    for name in experiments.bench.readout:
        try:
            require_trials(recording, [name])
            readout.append(name)
        except UserError as error:
            remarks.append(f"The readout {name} is left out here. {error}")
    bench = experiments.bench.model_copy(update={"readout": readout})
    return Experiments.model_construct(inactivations=possible, bench=bench), remarks


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
