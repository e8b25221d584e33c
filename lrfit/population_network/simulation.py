"""Simulated recordings of a fitted network: evidence where there is no pathway, and errors of currents."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.currents import currents
from lrfit.population_network.dimensions import FITTED_DRIVE_TAU_S, ROUNDS_BEFORE_DRIVE, ROUNDS_WITH_DRIVE
from lrfit.population_network.evidence import evidence, without
from lrfit.population_network.fit import LOADINGS_EVERY, Fit, improve, restart, start
from lrfit.population_network.hidden import with_drive
from lrfit.population_network.model import Population, curved, drift
from lrfit.population_network.observation import counts_spikes, saturated
from lrfit.population_network.paths import Paths
from lrfit.population_network.recording import Recording

Array = np.ndarray
ERROR_DRAWS = 2
"""Number of simulated recordings from which the errors of currents are measured."""
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
    if counts_spikes(model):
        activity = rng.poisson(saturated(np.exp(x), data.highest)).astype(float)
    else:
        activity = x + rng.standard_normal(x.shape) * np.sqrt(model.noise)
    return data._replace(activity=(activity * data.seen).astype(data.activity.dtype)), z


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


def refit(fit: Fit, data: Recording) -> Fit:
    """Fit a network with the numbers of latents and drives of another fit, from the first model on.

    Parameters
    ----------
    fit : the fit with the numbers of latents and drives, and the leak.
    data : the recording of the new fit.
    """
    model = fit.model
    dimensions = np.bincount(model.group)[: model.regions]
    leak = float(model.leak[0])
    tau_s = -data.bin_s / np.log(leak) if leak > 0 else None
    is_curved = bool(model.curvature.any())
    state = start(data, [int(number) for number in dimensions], tau_s, is_curved, gaussian=not counts_spikes(model))
    state = improve(state, data, ROUNDS_BEFORE_DRIVE)
    for _ in range(int(model.group.max()) + 1 - model.regions):
        state = Fit(*with_drive(state.model, state.paths, state.prior, data, FITTED_DRIVE_TAU_S))
    return improve(state, data, ROUNDS_WITH_DRIVE, LOADINGS_EVERY)


def current_errors(fit: Fit, data: Recording, rng: np.random.Generator, draws: int = ERROR_DRAWS) -> Array:
    """Measure the errors of currents in recordings that the fitted network made.

    The network is fitted anew to each simulated recording, and the currents of the new fit are compared with those of
    the simulation (parametric bootstrap; Efron & Tibshirani 1993). Unlike the curvature of the likelihood, these errors
    contain the shrinkage of weights, uncertain loadings, and the limited number of rounds.

    Parameters
    ----------
    fit : the network fitted to all trials.
    data : the trials of the fit.
    rng : random numbers.
    draws : number of simulated recordings.

    Returns
    -------
    (target, source) mean squared error over units, bins and simulated recordings, about the mean of each unit, in
    squared units of the log rate.
    """
    regions = fit.model.regions
    errors = np.zeros((regions, regions))
    for _ in range(draws):
        drawn, z = simulate(fit.model, data, rng)
        known = Paths(
            mean=z,
            covariance=np.zeros_like(fit.paths.covariance),
            lagged=np.zeros_like(fit.paths.lagged),
            log_determinant=np.zeros_like(fit.paths.log_determinant),
        )
        again = refit(fit, drawn)
        true = currents(fit.model, drawn, known).current[:regions]
        off = currents(again.model, drawn, again.paths).current[:regions] - true
        for target in range(regions):
            part = off[..., data.region == target][:, data.inside.T]
            errors[target] += part.var(1).mean(1) / draws
    return errors
