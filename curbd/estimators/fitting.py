"""Fit a model to a recording: one fit a seed, the first to the training trials as they are, the others to resamples."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from curbd.errors import UserError
from curbd.estimators.force import force
from curbd.estimators.one_step import one_step
from curbd.estimators.shooting import shooting
from curbd.estimators.sparse import sparse
from curbd.estimators.state_space import state_space
from curbd.hidden_inputs.search import beside_hidden_inputs, infer_hidden_inputs
from curbd.hidden_inputs.side_by_side import side_by_side
from curbd.network.file import to_dataset
from curbd.network.fit import Fit
from curbd.recording.scaling import observed_rates, scaled_rates, silent
from curbd.regression.transitions import TrainingData
from curbd.settings.models import FitSettings, Model, StateSpace
from curbd.settings.validation import long_steps
from curbd.states.infer import infer_states

Estimator = Callable[[TrainingData, Any, np.random.Generator], Fit]

FULL_RANK: Mapping[str, Estimator] = {
    "one_step": beside_hidden_inputs(one_step),
    "sparse": beside_hidden_inputs(sparse),
    "force": force,
    "shooting": beside_hidden_inputs(shooting),
    "state_space": state_space,
}

log = logging.getLogger(__name__)


def fit(
    recording: xr.Dataset, name: str, model: Model, estimators: Mapping[str, Estimator] = FULL_RANK
) -> tuple[xr.Dataset, list[float]]:
    """Fit every seed of a model.

    Parameters
    ----------
    recording : as `curbd.recording.ingest` makes it; only its training trials are used. (Hidden inputs, and the
        rates behind noisy ones, are inferred in all trials, by parameters that were fitted to the training trials.)
    name : name of the model.
    model : family, estimator, options, seeds, time constant and Euler steps.
    estimators : the estimators of the model's family, by name.

    Returns
    -------
    The networks as one dataset (see `curbd.network.file.to_dataset`), and the wall time of each fit in seconds.

    Raises
    ------
    UserError : as `training_data`.
    """
    data = training_data(recording, model)
    everything = data._replace(
        r=_rates(recording, model),
        u=recording["inputs"].transpose("trial", "time", "input").values,
        trial=np.arange(recording.sizes["trial"]),
    )
    train = recording["split"].values == "train"
    estimator = estimators[model.estimator_name()]
    fits, seconds = [], []
    for number, seed in enumerate(model.seeds):
        started = time.perf_counter()
        rng = np.random.default_rng(seed)
        one = estimator(resampled(data, rng) if number else data, model.estimator_options(), rng)
        fits.append(infer_states(infer_hidden_inputs(one, everything), everything, train, rng))
        seconds.append(time.perf_counter() - started)
        log.info("%s, seed %d (%d of %d): %.1f s", name, seed, number + 1, len(model.seeds), seconds[-1])
    return to_dataset(side_by_side(fits), recording, name, model), seconds


def training_data(recording: xr.Dataset, model: Model) -> TrainingData:
    """The training trials of a recording as estimators see them.

    Raises
    ------
    UserError : no two training bins follow one another, an input has no value where there is activity, an Euler step is
        longer than the time constant, or ``noise: counts`` is asked for and the recording was smoothed, or scaled
        otherwise.
    """
    r = _rates(recording, model)
    u = recording["inputs"].transpose("trial", "time", "input").values
    regions, region = np.unique(recording["region"].values.astype(str), return_inverse=True)
    train = np.flatnonzero(recording["split"].values == "train")
    complete = np.isfinite(r[train]).all(2)
    place = f"recording {recording.attrs['recording']}"
    if not (complete[:, :-1] & complete[:, 1:]).any():
        raise UserError.at(
            place,
            found="no two training bins in a row in which every unit was observed",
            expected="stretches of several bins",
            todo="take longer windows, or leave out the units that were observed only for a while",
        )
    missing = complete[..., None] & ~np.isfinite(u[train])
    if missing.any():
        names = ", ".join(map(str, recording["input"].values[missing.any((0, 1))]))
        raise UserError.at(
            f"{place}, inputs", found=f"bins without a value in {names}", expected="a value wherever there is activity"
        )
    shared = FitSettings()
    tau_s = shared.tau_s if model.tau_s is None else model.tau_s
    substeps = shared.substeps if model.substeps is None else model.substeps
    dt_s = float(recording.attrs["dt_s"])
    if wrong := long_steps(f"{place}, model", dt_s, tau_s, substeps):
        raise UserError(*wrong)
    return TrainingData(
        r[train],
        u[train],
        region,
        len(regions),
        train,
        dt_s,
        substeps,
        None if tau_s == "estimate" else float(tau_s),
    )


def _rates(recording: xr.Dataset, model: Model) -> np.ndarray:
    """Scaled rates; without limits for the estimator that infers the states behind them."""
    options = model.estimator_options()
    if not isinstance(options, StateSpace):
        return scaled_rates(recording).values
    scaling = "counts" if silent(recording) < 0 else "largest"
    if options.noise == "counts" and (scaling != "counts" or recording.attrs["smoothing_s"] > 0):
        raise UserError.at(
            f"recording {recording.attrs['recording']}, noise: counts",
            found=f"scaling: {scaling}, smoothing_s: {recording.attrs['smoothing_s']:g}",
            expected="scaling: counts, smoothing_s: 0",
            todo="give the model both keys, beside its estimator",
        )
    return observed_rates(recording).values


def resampled(data: TrainingData, rng: np.random.Generator) -> TrainingData:
    """A bootstrap resample of the trials."""
    chosen = np.sort(rng.integers(len(data.trial), size=len(data.trial)))
    return data._replace(r=data.r[chosen], u=data.u[chosen], trial=data.trial[chosen])
