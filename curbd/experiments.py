"""Whether what experiments name exists in a recording."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from curbd.config import Bench, Inactivation
from curbd.errors import UserError
from curbd.inactivation.menu import Subject, perturbations
from curbd.inactivation.readouts import behaviour


def check_experiments(
    recording: xr.Dataset, experiments: Mapping[str, Inactivation], bench: Bench | None = None
) -> None:
    """See that all regions, units, inputs, windows and conditions that the experiments name exist in the recording.

    Raises
    ------
    UserError : one line for each experiment that cannot be done.
    """
    wrong = []
    for name, experiment in experiments.items():
        try:
            perturbations(Subject(recording), {name: experiment})
        except UserError as error:
            wrong.append(str(error))
    try:
        behaviour(recording, bench.readout if bench else [])
    except UserError as error:
        wrong.append(str(error))
    if wrong:
        raise UserError("\n".join(wrong))
