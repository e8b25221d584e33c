"""Simulated recordings of a fitted network."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.history import as_read, filter_of_lags
from lrfit.population_network.model import Population, curved, drift
from lrfit.population_network.observation import MAX_EXCESS, counts_spikes, saturated
from lrfit.population_network.recording import Recording

Array = np.ndarray


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
