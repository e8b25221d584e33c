"""Posterior of each trial by itself, and the log likelihood of held-out trials.

Trials of a fit share their covariances. A held-out trial has a Gaussian posterior of its own, so that its log
likelihood does not depend on the other held-out trials. Each step is a natural-gradient step on mean and precision
(Khan & Lin, AISTATS 2017). A trial halves the step until its lower bound of the log likelihood rises enough (Armijo,
Pacific Journal of Mathematics 1966), and stops when a full step gains next to nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.likelihood import bound
from lrfit.population_network.model import Population, curved
from lrfit.population_network.observation import expected
from lrfit.population_network.paths import (
    Factor,
    Paths,
    covariances,
    factor,
    first_paths,
    joint_precision,
    slope_of_paths,
    solve,
    spreads,
)
from lrfit.population_network.recording import Recording, subset

Array = np.ndarray
MIN_GAIN_NATS = 1e-3
"""A trial stops when a step gains less log likelihood than this."""
MAX_STEPS = 50
MIN_SHARE_OF_PROMISE = 0.1
"""Smallest rise of the bound at a step, relative to the rise that the slope of the bound promises."""
MAX_HALVINGS = 6
"""Largest number of times that a step is halved before a trial stops."""


class Posterior(NamedTuple):
    """Posterior of the latents of trials that share nothing.

    Attributes
    ----------
    paths : means and covariances; every trial has a pattern of its own.
    diagonal : (trial, time, latent, latent) blocks on the diagonal of the precision.
    upper : (trial, time - 1, latent, latent) blocks above the diagonal.
    nats : (trial,) lower bound of the log likelihood, in nats.
    """

    paths: Paths
    diagonal: Array
    upper: Array
    nats: Array


def held_out_nats(model: Population, data: Recording) -> Array:
    """Compute the (trial,) lower bound of the log likelihood of trials that were not used in the fit, in nats.

    Parameters
    ----------
    model : the fitted network.
    data : the held-out trials.
    """
    return infer_each(model, data).nats


def infer_each(
    model: Population, data: Recording, min_gain_nats: float = MIN_GAIN_NATS, max_steps: int = MAX_STEPS
) -> Posterior:
    """Infer the latents of each trial by itself.

    Parameters
    ----------
    model : the network.
    data : the recording.
    min_gain_nats : a trial stops when a step gains less log likelihood than this.
    max_steps : largest number of steps of a trial.
    """
    data = each_alone(data)
    whole = _first(model, data)
    active = np.arange(len(data.pattern))
    for _ in range(max_steps):
        part, before = each_alone(subset(data, active)), _select(whole, active)
        after, length = _step(model, part, before)
        _replace(whole, active, after)
        # A short step gains little far from the top, too; a step of length 0 finds nothing better.
        active = active[(length > 0) & ((length < 1) | (after.nats - before.nats >= min_gain_nats))]
        if not len(active):
            break
    return whole


def each_alone(data: Recording) -> Recording:
    """Give every trial a pattern of observation of its own."""
    return data._replace(pattern=np.arange(len(data.condition)))


def _first(model: Population, data: Recording) -> Posterior:
    """Start each trial from the network without noise, or from latents of 0 if these are more likely."""
    paths = first_paths(model, data)
    starts = [_at_start(model, data, paths), _at_start(model, data, paths._replace(mean=np.zeros_like(paths.mean)))]
    better = np.flatnonzero(starts[1].nats > starts[0].nats)
    _replace(starts[0], better, _select(starts[1], better))
    return starts[0]


def _at_start(model: Population, data: Recording, paths: Paths) -> Posterior:
    at = curved(model, paths.mean, spreads(model, data, paths))
    rate = expected(model, data, paths.mean, paths.covariance)
    diagonal, upper = joint_precision(model, data, at, rate)
    return _posterior(model, data, paths.mean, diagonal, upper, factor(diagonal, upper))


def _posterior(
    model: Population, data: Recording, mean: Array, diagonal: Array, upper: Array, parts: Factor
) -> Posterior:
    covariance, lagged = covariances(parts)
    paths = Paths(mean=mean, covariance=covariance, lagged=lagged, log_determinant=parts.log_determinant)
    return Posterior(paths=paths, diagonal=diagonal, upper=upper, nats=bound(model, data, paths))


def _step(model: Population, data: Recording, before: Posterior) -> tuple[Posterior, Array]:
    """Take one step per trial, halved until the bound of the trial does not fall; also return its (trial,) length."""
    mean = before.paths.mean
    at = curved(model, mean, spreads(model, data, before.paths))
    rate = expected(model, data, mean, before.paths.covariance)
    gradient = slope_of_paths(model, data, before.paths, at, rate)
    diagonal, upper = joint_precision(model, data, at, rate)
    trying = np.arange(len(before.nats))
    after, length = _select(before, trying), np.ones(len(trying))
    for _ in range(MAX_HALVINGS + 1):
        part, share = each_alone(subset(data, trying)), length[trying, None, None, None]
        new_diagonal = before.diagonal[trying] + share * (diagonal[trying] - before.diagonal[trying])
        new_upper = before.upper[trying] + share * (upper[trying] - before.upper[trying])
        parts = factor(new_diagonal, new_upper)
        move = length[trying, None] * solve(parts, gradient[:, trying], part.pattern)
        tried = _posterior(model, part, mean[:, trying] - move, new_diagonal, new_upper, parts)
        promised = np.einsum("tnl,tnl->n", gradient[:, trying], move)
        rises = tried.nats >= before.nats[trying] + MIN_SHARE_OF_PROMISE * promised
        _replace(after, trying[rises], _select(tried, np.flatnonzero(rises)))
        trying = trying[~rises]
        if not len(trying):
            return after, length
        length[trying] /= 2
    length[trying] = 0
    return after, length


def _select(posterior: Posterior, trials: Array) -> Posterior:
    """Copy the posterior of some trials."""
    paths = posterior.paths
    return Posterior(
        paths=Paths(
            mean=paths.mean[:, trials],
            covariance=paths.covariance[trials],
            lagged=paths.lagged[trials],
            log_determinant=paths.log_determinant[trials],
        ),
        diagonal=posterior.diagonal[trials],
        upper=posterior.upper[trials],
        nats=posterior.nats[trials],
    )


def _replace(whole: Posterior, trials: Array, part: Posterior) -> None:
    """Overwrite the posterior of some trials in place."""
    whole.paths.mean[:, trials] = part.paths.mean
    for name in ("covariance", "lagged", "log_determinant"):
        getattr(whole.paths, name)[trials] = getattr(part.paths, name)
    whole.diagonal[trials], whole.upper[trials], whole.nats[trials] = part.diagonal, part.upper, part.nats
