"""Fit a low-rank model to a recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from curbd.estimators.fitting import Fits, Registered, fit_seeds, require_family
from curbd.settings.models import Model
from lrfit.estimators.block_rank import block_rank
from lrfit.estimators.reduced_rank import reduced_rank
from lrfit.estimators.shooting import shooting
from lrfit.estimators.trajectory import trajectory
from lrfit.population_network.fitting import fit_recording

LOW_RANK: Mapping[str, Registered] = {
    "reduced_rank": Registered(reduced_rank),
    "block_rank": Registered(block_rank),
    "shooting": Registered(shooting),
    "trajectory": Registered(trajectory),
}


def fit(recording: xr.Dataset, model: Model, name: str | None = None, checkpoints: Path | None = None) -> Fits:
    """Fit a low-rank model to a recording, once for every seed; a population network is a low-rank network, too.

    Parameters
    ----------
    recording : the recording, as `curbd.ingest_file` returns it. Only its training trials are used for the fit.
    model : family, estimator, options, seeds, time constant and Euler steps.
    name : name of the model in all tables; if None, the name of the estimator.
    checkpoints : folder that keeps every finished fit, from which the same call goes on after an interruption; None to
        keep nothing. The folder can be deleted afterwards.

    Returns
    -------
    The fitted networks and the seconds that each fit took.

    Raises
    ------
    UserError : the model is not of the low-rank family, or no trial of the recording can be used for a fit (see
        `curbd.estimators.training_data.all_trials`).
    """
    require_family(model, "low_rank")
    if model.level == "population":
        return fit_recording(recording, model, name, checkpoints)
    return fit_seeds(recording, model, name, LOW_RANK, checkpoints)
