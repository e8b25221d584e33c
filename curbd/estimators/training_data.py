"""The trials of a recording as the arrays that an estimator is fitted to."""

from __future__ import annotations

import numpy as np
import xarray as xr

from curbd.errors import UserError
from curbd.network.nonlinearity import Nonlinearity
from curbd.recording.circuit import circuit_of
from curbd.recording.scaling import scaled_rates
from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import FitSettings
from curbd.settings.models import Model
from curbd.settings.validation import euler_step_mistakes

Array = np.ndarray


def scaled_trials(recording: xr.Dataset, model: Model, nonlinearity: Nonlinearity) -> TrainingData:
    """Return all trials of a recording, scaled for a nonlinearity.

    Raises
    ------
    UserError : for the reasons given in `clipped_rates` and `all_trials`.
    """
    rates = clipped_rates(recording, nonlinearity.name)
    return all_trials(recording, model, rates)._replace(nonlinearity=nonlinearity)


def clipped_rates(recording: xr.Dataset, nonlinearity: str) -> Array:
    """Return the scaled rates (trial, time, unit) in the range of a nonlinearity, NaN where missing.

    Raises
    ------
    UserError : rates are negative, and those of the nonlinearity are not.
    """
    least = float(recording["rates"].min())
    if nonlinearity != "tanh" and least < 0:
        raise UserError.at(
            f"recording {recording.attrs['recording']}, nonlinearity",
            found=f"{nonlinearity}, and activity down to {least:g}",
            expected="activity that is never negative",
            todo="set nonlinearity: tanh",
        )
    return scaled_rates(recording, nonlinearity).values


def all_trials(recording: xr.Dataset, model: Model, rates: Array) -> TrainingData:
    """Convert all trials of a recording to the arrays of an estimator; check that training trials can be fitted.

    Parameters
    ----------
    recording : the recording of a session, as `curbd.ingest_file` returns it.
    model : settings of the model, for its time constant and its Euler steps; values that the model does not set are the
        defaults of the config.
    rates : (trial, time, unit) scaled rates, NaN where missing.

    Returns
    -------
    The arrays of all trials, training trials and held-out trials.

    Raises
    ------
    UserError : no two training bins follow one another, an input has no value in a training bin with activity, or an
        Euler step is longer than the time constant.
    """
    u = recording["inputs"].transpose("trial", "time", "input").values
    regions, region = np.unique(recording["region"].values.astype(str), return_inverse=True)
    train = recording["split"].values == "train"
    complete = np.isfinite(rates[train]).all(2)
    where = f"recording {recording.attrs['recording']}"
    if not (complete[:, :-1] & complete[:, 1:]).any():
        raise UserError.at(
            where,
            found="no two consecutive training bins in which every unit was observed",
            expected="trials or blocks with several consecutive bins in which every unit was observed",
            todo="set longer time windows in the config (windows), or leave out the units that were observed only for "
            "part of the time (units.select)",
        )
    missing = complete[..., None] & ~np.isfinite(u[train])
    if missing.any():
        names = ", ".join(map(str, recording["input"].values[missing.any((0, 1))]))
        raise UserError.at(
            f"{where}, inputs",
            found=f"bins without a value in {names}",
            expected="a value of every input in every training bin with activity",
        )
    shared = FitSettings()
    tau_s = shared.tau_s if model.tau_s is None else model.tau_s
    substeps = shared.substeps if model.substeps is None else model.substeps
    dt_s = float(recording.attrs["dt_s"])
    if mistakes := euler_step_mistakes(f"{where}, model", dt_s, tau_s, substeps):
        raise UserError("\n".join(mistakes))
    return TrainingData(
        r=rates,
        u=u,
        region=region,
        n_regions=len(regions),
        trial=np.arange(len(rates)),
        dt_s=dt_s,
        substeps=substeps,
        tau_s=None if isinstance(tau_s, str) else float(tau_s),
        circuit=None if model.constraints is None else circuit_of(recording, model.constraints),
        tau_group={"per_unit": np.arange(len(region)), "per_region": region}.get(str(tau_s)),
    )


def resampled(data: TrainingData, rng: np.random.Generator) -> TrainingData:
    """Draw a bootstrap resample of the trials, with replacement."""
    return data.of_trials(np.sort(rng.integers(len(data.trial), size=len(data.trial))))
