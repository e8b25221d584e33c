"""Simulated recordings of a fitted network, and the evidence for a pathway where there is none."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.evidence import evidence, without
from lrfit.population_network.fit import Fit, improve, restart
from lrfit.population_network.history import as_read, filter_of_lags
from lrfit.population_network.model import Population, curved, drift
from lrfit.population_network.observation import MAX_EXCESS, counts_spikes, saturated
from lrfit.population_network.recording import Recording

Array = np.ndarray
NULL_ROUNDS = 20
"""Number of rounds of each fit to a simulated recording."""


def simulate(model: Population, data: Recording, rng: np.random.Generator) -> tuple[Recording, Array]:
    """Draw activity from a network, with the trials, known sources and missing bins of a recording.

    Parameters
    ----------
    model : the network.
    data : the recording.
    rng : random numbers.

    Returns
    -------
    The simulated recording; (time, trial, latent) its latents.
    """
    bins, trials = data.inside.shape
    kicks = rng.standard_normal((bins, trials, len(model.group))) @ np.linalg.cholesky(model.Q).T
    first = rng.standard_normal((trials, len(model.group))) @ np.linalg.cholesky(model.start_covariance).T
    z = np.empty_like(kicks)
    z[0] = model.start_mean[data.condition] + first
    for k in range(bins - 1):
        at = curved(model, z[k : k + 1])
        z[k + 1] = drift(model, at, data.sources[k : k + 1])[0] + kicks[k + 1]
    x = z @ model.C.T + model.d
    if model.history.shape[1]:
        activity = _with_history(x, filter_of_lags(model, data.bin_s), data, rng)
    elif counts_spikes(model):
        activity = rng.poisson(saturated(np.exp(x), data.highest)).astype(float)
    else:
        activity = x + rng.standard_normal(x.shape) * np.sqrt(model.noise)
    return as_read(model, data._replace(activity=(activity * data.seen).astype(data.activity.dtype))), z


def _with_history(x: Array, kernel: Array, data: Recording, rng: np.random.Generator) -> Array:
    """Draw counts (time, trial, unit) whose log rate x changes by the kernel (lag, unit) after the spikes of a unit."""
    counts = np.empty_like(x)
    for k in range(len(x)):
        past = counts[max(k - len(kernel), 0) : k][::-1]
        change = np.einsum("lnu,lu->nu", past, kernel[: len(past)])
        # Spikes of a burst can raise the log rate without limit.
        log_rate = np.minimum(x[k] + change, np.log(data.highest) + MAX_EXCESS)
        counts[k] = rng.poisson(saturated(np.exp(log_rate), data.highest)) * data.seen[k]
    return counts


def null_nats(fit: Fit, data: Recording, target: int, source: int, draws: int, rng: np.random.Generator) -> Array:
    """Compute the evidence for a pathway in recordings that a network without the pathway made.

    This is a parametric bootstrap (Efron & Tibshirani 1993). Each refit starts with the weights of the pathway at 0 and
    with the penalty of the fit.

    Parameters
    ----------
    fit : the fitted network.
    data : the trials of the fit.
    target, source : indices of the regions of the pathway.
    draws : number of simulated recordings.
    rng : random numbers.

    Returns
    -------
    (draw,) loss of log likelihood without the pathway, in nats.
    """
    less = improve(without(fit, target, source), data, NULL_ROUNDS)
    nats = np.empty(draws)
    for draw in range(draws):
        drawn, _ = simulate(less.model, data, rng)
        again = restart(less._replace(prior=fit.prior), drawn)
        nats[draw] = evidence(improve(again, drawn, NULL_ROUNDS), drawn).nats[target, source]
    return nats
