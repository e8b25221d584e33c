"""Whether what experiments name exists in a recording."""

from __future__ import annotations

import json
from collections.abc import Mapping

import xarray as xr

from curbd.comparison import require_one
from curbd.config import Bench, Inactivation
from curbd.errors import UserError
from curbd.inactivation.menu import Subject, perturbations
from curbd.inactivation.readouts import behaviour


def check_experiments(
    recording: xr.Dataset, experiments: Mapping[str, Inactivation], bench: Bench | None = None
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
        behaviour(recording, bench.readout if bench else [])
    except UserError as error:
        wrong.append(str(error))
    if wrong:
        raise UserError("\n".join(wrong))
