"""Fit a population network to a recording, once per seed, with the settings of a model of the config."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import xarray as xr
from joblib import Memory

from curbd.estimators.fitting import Fits
from curbd.settings.estimators import PopulationNetwork
from curbd.settings.models import Model
from lrfit.population_network.analysis import train
from lrfit.population_network.echo import estimate_echo
from lrfit.population_network.evidence import posterior_covariance
from lrfit.population_network.file import Fitted, to_dataset
from lrfit.population_network.fit import Fit, converge, restart
from lrfit.population_network.fit_settings import DEFAULT_TAU_S, PopulationSettings
from lrfit.population_network.held_out import infer_each
from lrfit.population_network.history import as_read
from lrfit.population_network.ingested import from_recording
from lrfit.population_network.paths import Paths
from lrfit.population_network.recording import Recording, subset

LATENTS_CHANGE_NATS = 0.1
"""The inference of the latents of a trial stops when a turn changes its bound by less than this."""
RECORDED_TRIALS_AT_ONCE = 50
"""Number of trials whose latents are inferred together, which limits the memory of their covariances."""

log = logging.getLogger(__name__)


def fit_recording(
    recording: xr.Dataset, model: Model, name: str | None = None, checkpoints: Path | None = None
) -> Fits:
    """Fit a population network to the training trials of a recording, and judge its pathways on held-out trials.

    The numbers of latents and hidden drives are those of the first fit in all fits. Every additional fit starts from
    the first fit and is fitted to a bootstrap resample of the training trials. The fitted networks infer the latents of
    all trials.

    Parameters
    ----------
    recording : ingested recording of spikes or fluorescence without smoothing.
    model : settings of the model.
    name : name of the model in all tables; None for the name of the estimator.
    checkpoints : folder that keeps every finished fit, see `lrfit.fit`.

    Returns
    -------
    The fits of all seeds, and the time that each fit took.

    Raises
    ------
    UserError : the recording holds neither spike counts nor fluorescence.
    """
    options = model.estimator_options()
    assert isinstance(options, PopulationNetwork)
    name = name or model.estimator_name()
    data = from_recording(recording, options.indicator_s)
    is_train = recording["split"].to_numpy() == "train"
    training, held_out = (subset(data, np.flatnonzero(trials)) for trials in (is_train, ~is_train))
    n_units = np.bincount(data.region)
    dimensions = None if options.dimensions is None else [min(options.dimensions, max(n - 1, 1)) for n in n_units]
    tau_s = float(model.tau_s) if isinstance(model.tau_s, float | int) else DEFAULT_TAU_S
    settings = PopulationSettings(
        tau_s=tau_s,
        max_dimensions=options.max_dimensions,
        max_drives=options.max_hidden_drives,
        self_history=options.self_history,
    )
    memory = Memory(checkpoints if len(model.seeds) > 1 else None, verbose=0)
    train_or_read, refit_or_read, infer_or_read = map(memory.cache, (train, _refit, of_all_trials))
    started = time.perf_counter()
    trained = train_or_read(training, held_out, dimensions, settings)
    data, training = as_read(trained.fit.model, data), as_read(trained.fit.model, training)
    fits, seconds = [infer_or_read(trained.fit, training, data)], [time.perf_counter() - started]
    for seed in model.seeds[1:]:
        started = time.perf_counter()
        rng = np.random.default_rng(seed)
        n_training = training.inside.shape[1]
        resampled = subset(training, np.sort(rng.integers(n_training, size=n_training)))
        refitted = refit_or_read(trained.fit, resampled)
        fits.append(infer_or_read(refitted, resampled, data))
        seconds.append(time.perf_counter() - started)
    log.info("%s: %s latents, %.1f s", name, ", ".join(map(str, trained.dimensions.number)), sum(seconds))
    networks = to_dataset(fits, trained, data, recording, name, model, tau_s)
    return Fits(networks, seconds)


def _refit(fit: Fit, resampled: Recording) -> Fit:
    """Fit the network to a bootstrap resample of the training trials, from the first fit on."""
    return converge(restart(fit, resampled), resampled)


def of_all_trials(fit: Fit, training: Recording, data: Recording) -> Fitted:
    """Infer the latents of all trials; the covariance of the weights and the echo are those of the training trials.

    Every trial has latents of its own; trials with the same pattern of observation share the mean of their covariances.
    """
    parts = []
    shared = dict.fromkeys(("covariance", "lagged", "log_determinant"), np.zeros(()))
    for trials in np.array_split(np.arange(len(data.pattern)), -(-len(data.pattern) // RECORDED_TRIALS_AT_ONCE)):
        paths = infer_each(fit.model, subset(data, trials), LATENTS_CHANGE_NATS).paths
        parts.append(paths.mean)
        share = np.eye(data.pattern.max() + 1)[data.pattern] / np.bincount(data.pattern)
        for field in shared:
            shared[field] = shared[field] + np.tensordot(share[trials].T, getattr(paths, field), 1)
    return Fitted(
        model=fit.model,
        paths=Paths(mean=np.concatenate(parts, 1), **shared),
        weight_covariance=posterior_covariance(fit, training),
        echo=estimate_echo(fit.model, training, fit.paths),
    )
