"""Whether the regions and inputs that experiments name exist in a recording."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from curbd.config import Inactivation
from curbd.errors import UserError, did_you_mean, mistake


def check_experiments(recording: xr.Dataset, experiments: Mapping[str, Inactivation]) -> None:
    """See that every region and input that the experiments name exists in the recording.

    Raises
    ------
    UserError : one line for each name that does not.
    """
    regions = [str(name) for name in np.unique(recording["region"].values)]
    inputs = [str(name) for name in recording["input"].values]
    known = {"region": regions, "source": regions, "target": regions, "input": inputs}
    wrong = [
        mistake(
            f"config, inactivations.{experiment}.{key}",
            found=f'"{name}"',
            expected=f"one of the {key if key == 'input' else 'region'}s of recording {recording.attrs['recording']}: "
            + (", ".join(names) or "it has none"),
            todo=did_you_mean(name, names),
        )
        for experiment, settings in experiments.items()
        for key, names in known.items()
        if (name := getattr(settings, key)) is not None and name not in names
    ]
    if wrong:
        raise UserError("\n".join(wrong))
