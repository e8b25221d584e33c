"""One-step regression of recordings that are larger than memory: the data are read once, chunk by chunk.

Second moments of states and regressors (of currents and regressors, if the time constant is given) are added up over
chunks, for groups of trials. The time constant, the penalties, the weights and their posterior follow from these
moments, as in `curbd.estimators.one_step`, and a bootstrap resample is a weighted sum of the groups. A small sample of
the trials stays in memory: it tells how far residuals are correlated in time, and whether states are noisy. Memory
grows with the square of the number of units, and not with the recording.

Samples with much measurement noise do not get smaller weights here, because every unit would need moments of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from curbd.errors import UserError
from curbd.estimators.accumulated import GROUPS_PER_FOLD, Accumulated, accumulate, chunk_values, sample_transitions
from curbd.estimators.fitting import Fits, fit, require_family
from curbd.estimators.perturbed_trials import can_teach
from curbd.estimators.training_data import all_trials, clipped_rates
from curbd.network.equation import decay, weights
from curbd.network.file_content import to_dataset
from curbd.network.fit import Fit
from curbd.recording.memory import BYTES, free_bytes, gigabytes
from curbd.regression.block_ridge import Regression, block_penalties, posterior
from curbd.regression.ridge_factors import solved_blocks
from curbd.regression.sample_weights import NOISE_AUTOCORRELATION
from curbd.regression.state_moments import StateMoments
from curbd.regression.time_constant import corrected_tau, most_evident_tau
from curbd.regression.transitions import (
    TrainingData,
    as_network,
    lag_one,
    regressors,
    source_of_regressor,
    targets,
    transitions,
)
from curbd.settings.estimators import OneStep
from curbd.settings.models import Model
from curbd.storage.netcdf import LARGE_VARIABLE_BYTES

Array = np.ndarray
CHUNK_COPIES = 8
"""Number of arrays of the size of the rates of a chunk that are in memory at the same time."""
MOMENT_COPIES = 6
"""Number of arrays of the size of the moments of all folds that a fit holds at the same time."""

log = logging.getLogger(__name__)


def fit_accumulated(accumulated: Accumulated, options: OneStep, rng: np.random.Generator | None = None) -> Fit:
    """Fit a network from moments.

    Parameters
    ----------
    accumulated : moments of all training trials.
    options : how the penalties are chosen; the folds are those of the moments.
    rng : random generator that draws a bootstrap resample of the groups of trials; None for all trials.

    Returns
    -------
    The network, the penalties and the posterior.
    """
    n_groups = min(accumulated.n_groups, accumulated.n_trials)
    drawn = np.arange(n_groups) if rng is None else rng.integers(n_groups, size=n_groups)
    folds, sample = accumulated.moments(np.bincount(drawn, minlength=n_groups)), accumulated.sample()
    pairs, tau_s = transitions(sample), sample.tau_s
    if isinstance(folds, StateMoments):
        tau_s, V = most_evident_tau(folds.total(), sample)
        tau_s = corrected_tau(sample, pairs, tau_s, V)
        folds = folds.currents(decay(sample.dt_s, tau_s, sample.substeps))
    assert tau_s is not None
    source = source_of_regressor(sample.region, sample.u.shape[2])
    penalty, penalty_by = block_penalties(folds, source, sample.n_regions, options.penalties)
    currents = folds.total()
    W, determined = solved_blocks(currents, source, penalty)
    network = as_network(W, sample, tau_s)
    regression = Regression(network, penalty, currents, source, penalty_by, determined)
    error = targets(pairs, network.decay) - regressors(pairs) @ weights(network).T
    if np.median(lag_one(error, pairs)) < NOISE_AUTOCORRELATION:
        log.warning("the residuals look like measurement noise, which a fit in chunks does not model; see state_space")
    return Fit(
        network,
        penalty=regression.between_regions,
        posterior=posterior(regression, sample, pairs),
        penalty_by=penalty_by,
    )


def recorded_chunks(recording: xr.Dataset, model: Model, trials_at_once: int) -> Iterator[TrainingData]:
    """Read the training trials of a recording that is open on disk, some at a time.

    Parameters
    ----------
    recording : the recording, as `xarray.open_dataset` opens ``recording.nc`` without reading the rates.
    model : settings of the model, for its time constant and its Euler steps.
    trials_at_once : number of trials of a chunk.
    """
    (train,) = np.nonzero(recording["split"].values == "train")
    for start in range(0, len(train), trials_at_once):
        part = recording.isel(trial=train[start : start + trials_at_once]).load()
        yield all_trials(part, model, clipped_rates(part, "tanh"))


def folds_and_groups(options: OneStep, n_seeds: int) -> tuple[int, int]:
    """Choose the numbers of folds and of groups in each fold, so that no more moments are held than the fits need.

    The evidence needs no fold, and a fit to all trials no groups that a bootstrap draws.

    Parameters
    ----------
    options : how the penalties are chosen.
    n_seeds : number of fits.
    """
    if n_seeds > 1:
        return options.folds, GROUPS_PER_FOLD
    return (1 if options.penalties == "evidence" else options.folds), 1


def needed_bytes(
    n_units: int, n_inputs: int, folds: int, groups_per_fold: int, chunk_bins: int, *, tau_is_given: bool
) -> float:
    """Compute the memory that a fit in chunks takes, in bytes.

    Parameters
    ----------
    n_units, n_inputs : numbers of units and inputs.
    folds, groups_per_fold : numbers of cross-validation folds and of groups of trials in each fold.
    chunk_bins : number of bins of a chunk, over all its trials.
    tau_is_given : whether the time constant is given, so that moments of the currents alone are needed.
    """
    n = n_units + n_inputs + 1
    of_moments = n**2 + (1 if tau_is_given else 2) * n_units * n
    of_rates = chunk_bins * CHUNK_COPIES + 3 * sample_transitions(n_units) * CHUNK_COPIES
    return float(BYTES) * (of_moments * folds * (groups_per_fold + MOMENT_COPIES) + of_rates * n)


def fit_of_any_size(
    recording: xr.Dataset,
    model: Model,
    name: str | None = None,
    checkpoints: Path | None = None,
    perturbed: xr.Dataset | None = None,
) -> Fits:
    """Fit a full-rank model to a recording, in chunks if the recording is large and the model needs the data only once.

    Parameters
    ----------
    recording : the recording; the rates may be on disk still.
    model : settings of the model.
    name : name of the model in all tables; None for the name of the estimator.
    checkpoints : folder that keeps every finished fit, see `curbd.estimators.fitting.fit`.
    perturbed : the perturbed trials of the session. If networks are fitted to some of these trials as well, all rates
        are read at once, because a fit in chunks has no equations to leave out.

    Returns
    -------
    The fits of all seeds, and the seconds of each.

    Raises
    ------
    UserError : see `curbd.estimators.fitting.fit` and `fit_streamed`.
    """
    is_large = recording["rates"].nbytes > LARGE_VARIABLE_BYTES
    if is_large and model.reads_data_once() and not can_teach(perturbed):
        log.info("rates of %s are read once, some trials at a time", gigabytes(recording["rates"].nbytes))
        return fit_streamed(recording, model, name)
    return fit(recording, model, name, checkpoints, perturbed)


def fit_streamed(
    recording: xr.Dataset, model: Model, name: str | None = None, *, trials_at_once: int | None = None
) -> Fits:
    """Fit a network with the estimator one_step to a recording that is larger than memory.

    Parameters
    ----------
    recording : the recording, as `xarray.open_dataset` opens ``recording.nc`` without reading the rates.
    model : settings of the model, with the estimator ``one_step``.
    name : name of the model in all tables; None for the name of the estimator.
    trials_at_once : number of trials in memory at the same time; None for as many as `chunk_values`.

    Returns
    -------
    The fits of all seeds, and the seconds of each; the reading counts for the first.

    Raises
    ------
    UserError : the model is of another family or estimator, less memory is free than the fit takes, or the model needs
        the data more than once.
    """
    require_family(model, "full_rank")
    options = model.estimator_options()
    if not isinstance(options, OneStep) or not model.reads_data_once():
        asked = [f"{key}: {getattr(options, key)}" for key in ("hidden_inputs", "adaptation") if hasattr(options, key)]
        raise UserError.at(
            "fit_streamed",
            found=", ".join([f"estimator {model.estimator_name()}, nonlinearity {model.nonlinearity}", *asked]),
            expected="estimator one_step of tanh units with substeps: 1 and without hidden inputs, adaptation and "
            "constraints, which needs the data only once",
            todo="change the model, or use curbd.fit on a recording that fits into memory",
        )
    sizes = recording.sizes
    trials_at_once = trials_at_once or max(1, chunk_values(sizes["unit"]) // (sizes["time"] * sizes["unit"]))
    folds, groups_per_fold = folds_and_groups(options, len(model.seeds))
    needed = needed_bytes(
        sizes["unit"],
        sizes["input"],
        folds,
        groups_per_fold,
        sizes["time"] * trials_at_once,
        tau_is_given=isinstance(model.tau_s, float),
    )
    if needed > free_bytes():
        raise UserError.at(
            "fit_streamed",
            found=f"a fit that takes {gigabytes(needed)}",
            expected=f"at most {gigabytes(free_bytes())}, the memory that is free",
            todo="use penalties: evidence and a single seed, which need the fewest moments, or fewer trials_at_once, "
            "folds or units",
        )
    started = time.perf_counter()
    accumulated = accumulate(recorded_chunks(recording, model, trials_at_once), folds, groups_per_fold)
    fits, seconds = [], []
    for index, seed in enumerate(model.seeds):
        fits.append(fit_accumulated(accumulated, options, np.random.default_rng(seed) if index else None))
        seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        log.info("seed %d (%d of %d): %.1f s", seed, index + 1, len(model.seeds), seconds[-1])
    return Fits(to_dataset(fits, recording, name or model.estimator_name(), model), seconds)
