"""Fit a model to a recording, once per seed: first to all training trials, then to bootstrap resamples of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
import xarray as xr
from joblib import Memory
from threadpoolctl import threadpool_limits

from curbd.errors import UserError
from curbd.estimators.adaptation import with_adaptation
from curbd.estimators.constrained import held_out_r2
from curbd.estimators.force import force
from curbd.estimators.nonlinearity_choice import candidates, choose
from curbd.estimators.one_step import one_step
from curbd.estimators.perturbed_trials import (
    EACH_REGION_ALONE,
    TeachingTrials,
    teaching_trials,
    with_teaching_trials,
)
from curbd.estimators.shooting import shooting
from curbd.estimators.sparse import sparse
from curbd.estimators.state_space import noisy_rates, state_space
from curbd.estimators.training_data import all_trials, resampled, scaled_trials
from curbd.hidden_inputs.search import infer_hidden_inputs, with_hidden_input_search
from curbd.hidden_inputs.side_by_side import side_by_side
from curbd.network.file_content import to_dataset
from curbd.network.fit import Fit
from curbd.regression.own_time_constants import gain_of_own_time_constants
from curbd.regression.transitions import TrainingData
from curbd.settings.models import Model
from curbd.states.infer import infer_states

Array = np.ndarray
T = TypeVar("T")
Estimator = Callable[[TrainingData, Any, np.random.Generator], Fit]
FUNCTION_OF_FAMILY = {"full_rank": "curbd.fit", "low_rank": "lrfit.fit"}

log = logging.getLogger(__name__)


class Registered(NamedTuple):
    """An estimator and the rates that it is fitted to.

    Attributes
    ----------
    estimator : function (TrainingData, options, rng) -> Fit.
    rates : function (recording, options) -> (trial, time, unit) scaled rates, NaN where missing, for an estimator that
        models the noise on the rates and uses rates that are not clipped; None for clipped rates.
    one_thread : True for an estimator that computes on one thread without the interpreter: as many seeds are fitted
        at the same time as the process has threads. Other estimators use all threads for one seed.
    """

    estimator: Estimator
    rates: Callable[[xr.Dataset, Any], Array] | None = None
    one_thread: bool = False


class Fits(NamedTuple):
    """The fits of a model to a recording.

    Attributes
    ----------
    networks : all fits as one dataset with a dimension seed, see `curbd.network.file_content.to_dataset`.
    seconds : wall time of each fit, s.
    """

    networks: xr.Dataset
    seconds: list[float]


FULL_RANK: Mapping[str, Registered] = {
    "one_step": Registered(with_adaptation(with_hidden_input_search(one_step))),
    "sparse": Registered(with_adaptation(with_hidden_input_search(sparse))),
    "force": Registered(force, one_thread=True),
    "shooting": Registered(with_hidden_input_search(shooting)),
    "state_space": Registered(state_space, rates=noisy_rates),
}


def fit(
    recording: xr.Dataset,
    model: Model,
    name: str | None = None,
    checkpoints: Path | None = None,
    perturbed: xr.Dataset | None = None,
) -> Fits:
    """Fit a full-rank model to a recording, once per seed.

    Parameters
    ----------
    recording : the recording of a session, as `curbd.ingest_file` returns it. Networks are fitted to training trials
        only.
    model : settings of the model: family, estimator, options, seeds, time constant and Euler steps.
    name : name of the model in all tables; None for the name of the estimator.
    checkpoints : folder that keeps every finished fit, from which the same call goes on after an interruption; None to
        keep nothing. The folder can be deleted afterwards.
    perturbed : the perturbed trials of the session, for trials to which networks are fitted as well (`fit_all_but`).

    Returns
    -------
    The fits of all seeds, and the time that each fit took.

    Raises
    ------
    UserError : the model is of another family; no two training bins follow one another; an input has no value in a
        training bin with activity; or an Euler step is longer than the time constant.
    """
    require_family(model, "full_rank")
    return fit_seeds(recording, model, name, FULL_RANK, checkpoints, perturbed)


def require_family(model: Model, family: str) -> None:
    """Raise an error if a model is not of the family that the calling function fits.

    Raises
    ------
    UserError : the model is of another family; the message names the function that fits it.
    """
    if model.family != family:
        raise UserError.at(
            FUNCTION_OF_FAMILY[family],
            found=f"family: {model.family}",
            expected=family,
            todo=f"use {FUNCTION_OF_FAMILY[model.family]}",
        )


def fit_seeds(
    recording: xr.Dataset,
    model: Model,
    name: str | None,
    estimators: Mapping[str, Registered],
    checkpoints: Path | None = None,
    perturbed: xr.Dataset | None = None,
) -> Fits:
    """Fit a model to a recording, once per seed, with one of the given estimators.

    Networks are fitted to the training trials. The fitted networks then infer hidden inputs, and the rates behind noisy
    observations, in all trials. The first fit uses the training trials as they are, every other fit a bootstrap
    resample of them, unless the model sets `resample_trials` to false.

    Parameters
    ----------
    recording : the recording of a session, as `curbd.ingest_file` returns it.
    model : settings of the model.
    name : name of the model in all tables; None for the name of the estimator.
    estimators : name -> estimator, for the family of the model.
    checkpoints : folder that keeps every finished fit, see `fit`.
    perturbed : the perturbed trials of the session, see `fit`.

    Returns
    -------
    The fits of all seeds, and the time that each fit took.

    Raises
    ------
    UserError : the recording cannot be fitted; see `all_trials`.
    """
    registered = estimators[model.estimator_name()]
    name = name or model.estimator_name()
    train = recording["split"].values == "train"
    choice = None
    if registered.rates is not None:
        data = all_trials(recording, model, registered.rates(recording, model.estimator_options()))
    else:
        listed = [scaled_trials(recording, model, phi) for phi in candidates(recording, model)]
        choice = choose(recording, [trials.of_trials(train) for trials in listed]) if len(listed) > 1 else None
        data = listed[0] if choice is None else scaled_trials(recording, model, choice.nonlinearity)
    # Estimators are named by the model; their functions have no value that could be compared.
    fit_or_read = Memory(checkpoints if len(model.seeds) > 1 else None, verbose=0).cache(
        _fit_seed, ignore=["registered"]
    )
    n_seeds = len(model.seeds)
    learns = _learns_from_perturbed_trials(model)
    teaching = teaching_trials(recording, perturbed, data.nonlinearity.name) if learns else None

    def fit_seed(fit_index: int) -> tuple[Fit, float]:
        fitted, seconds = fit_or_read(registered, data, train, model, fit_index, teaching)
        log.info("%s, seed %d (%d of %d): %.1f s", name, model.seeds[fit_index], fit_index + 1, n_seeds, seconds)
        return fitted, seconds

    threads = min(torch.get_num_threads(), n_seeds) if registered.one_thread else 1
    fits, seconds = zip(*fit_side_by_side(fit_seed, n_seeds, threads), strict=True)
    networks = to_dataset(side_by_side(fits), recording, name, model)
    if choice is not None:
        networks.attrs["nonlinearity_nats"] = choice.gain_nats
        log.info("nonlinearity %s: held-out log likelihoods %s", choice.nonlinearity.name, choice.nats)
    return Fits(networks, list(seconds))


def _fit_seed(
    registered: Registered,
    data: TrainingData,
    train: Array,
    model: Model,
    fit_index: int,
    teaching: TeachingTrials | None,
) -> tuple[Fit, float]:
    """Fit a model with one of its seeds; return the fit, and the wall time in seconds."""
    started = time.perf_counter()
    options, training = model.estimator_options(), data.of_trials(train)
    rng = np.random.default_rng(model.seeds[fit_index])
    if fit_index and model.resample_trials:
        training = resampled(training, rng)
        if teaching is not None:
            teaching = teaching.of_trials(np.sort(rng.integers(len(teaching.r), size=len(teaching.r))))
    fitted = registered.estimator(training, options, rng)
    if teaching is not None:
        fitted = with_teaching_trials(
            fitted, training, teaching, lambda trials: registered.estimator(trials, options, rng)
        )
    if training.tau_group is not None:
        fitted = fitted._replace(tau_nats=gain_of_own_time_constants(training))
    fitted = infer_states(infer_hidden_inputs(fitted, data), data, train, rng)
    if fitted.controls is not None:
        fitted = fitted._replace(control_r2=held_out_r2(fitted, data.of_trials(~train)))
    return fitted, time.perf_counter() - started


def _learns_from_perturbed_trials(model: Model) -> bool:
    """Return True if the weights onto every region are fitted independently of all other regions."""
    options = model.estimator_options()
    no_hidden_inputs = getattr(options, "hidden_inputs", "none") == "none"
    return model.estimator_name() in EACH_REGION_ALONE and no_hidden_inputs and model.constraints is None


def fit_side_by_side(fit_seed: Callable[[int], T], n_seeds: int, threads: int) -> list[T]:
    """Fit all seeds of a model, several at a time if there is more than one thread, each of them then on one thread.

    Parameters
    ----------
    fit_seed : function of the fit index.
    n_seeds : number of fits.
    threads : number of fits at a time.

    Returns
    -------
    What the function returns for every fit, in the order of the fits.
    """
    if threads == 1:
        return [fit_seed(fit_index) for fit_index in range(n_seeds)]
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(fit_seed, range(n_seeds)))
