"""Posterior of each trial by itself, and the log likelihood of held-out trials.

Trials of a fit share their covariances. A held-out trial has a Gaussian posterior of its own, so that its log
likelihood does not depend on the other held-out trials. Precision and means take turns: with the precision of a trial
fixed, its means take preconditioned gradient steps whose lengths follow from the last change of the gradient (Barzilai
& Borwein, IMA Journal of Numerical Analysis 1988), which need no factorisation. The precision then follows the means
(Khan & Lin, AISTATS 2017). A trial stops when a turn changes its lower bound of the log likelihood by next to nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.likelihood import bound, bound_at
from lrfit.population_network.model import Population, curved
from lrfit.population_network.observation import expected, pattern_information
from lrfit.population_network.paths import (
    Paths,
    covariances,
    factor,
    first_paths,
    infer,
    prior_precision,
    slope_of_paths,
    solve,
    spreads,
)
from lrfit.population_network.recording import Recording, subset

Array = np.ndarray
MIN_CHANGE_NATS = 1e-3
"""A trial stops when a turn changes the bound of its log likelihood by less than this, and promises to."""
MAX_TURNS = 30
STEPS_OF_MEANS = 4
"""Number of gradient steps of the means in a turn."""
MAX_STEP = 2.0
MIN_STEP = 0.1
"""Largest and smallest length of a gradient step, relative to a Newton step."""
MAX_GROWTH = 4.0
"""Largest growth of the squared slope at a step; a step that makes the slope steeper is tried again, shorter."""
SHORTER = 0.25
SHARED_STEPS = 15
"""Number of steps with covariances that trials share, before every trial has a covariance of its own."""
TRIALS_AT_ONCE = 25
"""Number of trials that are inferred together, so that their covariances fit into the cache of a processor."""


class Posterior(NamedTuple):
    """Posterior of the latents of trials that share nothing.

    Attributes
    ----------
    paths : means and covariances; every trial has a pattern of its own.
    nats : (trial,) lower bound of the log likelihood, in nats.
    """

    paths: Paths
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
    model: Population,
    data: Recording,
    min_change_nats: float = MIN_CHANGE_NATS,
    max_turns: int = MAX_TURNS,
    start: Paths | None = None,
) -> Posterior:
    """Infer the latents of each trial by itself.

    Parameters
    ----------
    model : the network.
    data : the recording.
    min_change_nats : a trial stops when a turn changes the bound of its log likelihood by less than this.
    max_turns : largest number of turns of a trial.
    start : posterior of each trial by itself under a similar network, from which the inference starts; None to start
        from the posterior with shared covariances.
    """
    n_trials = len(data.pattern)
    parts = []
    for trials in np.array_split(np.arange(n_trials), -(-n_trials // TRIALS_AT_ONCE)):
        some = subset(data, trials)
        first = _shared(model, some) if start is None else _paths_of(start, trials)
        parts.append(_infer_some(model, each_alone(some), first, min_change_nats, max_turns))
    return Posterior(
        paths=Paths(
            mean=np.concatenate([part.paths.mean for part in parts], 1),
            covariance=np.concatenate([part.paths.covariance for part in parts]),
            lagged=np.concatenate([part.paths.lagged for part in parts]),
            log_determinant=np.concatenate([part.paths.log_determinant for part in parts]),
        ),
        nats=np.concatenate([part.nats for part in parts]),
    )


def error_of_sum(of_trials: Array) -> Array:
    """Return the standard error (...,) of the sums over trials of values (..., trial)."""
    return of_trials.std(-1) * np.sqrt(of_trials.shape[-1])


def each_alone(data: Recording) -> Recording:
    """Give every trial a pattern of observation of its own."""
    return data._replace(pattern=np.arange(len(data.condition)))


def _shared(model: Population, data: Recording) -> Paths:
    """Infer the latents with covariances that trials share; the means are 0 in trials where that is more likely."""
    paths = infer(model, data, first_paths(model, data), SHARED_STEPS)
    at_zero = paths._replace(mean=np.zeros_like(paths.mean))
    worse = bound(model, data, at_zero) > bound(model, data, paths)
    return Paths(
        mean=np.where(worse[:, None], 0.0, paths.mean),
        covariance=paths.covariance[data.pattern],
        lagged=paths.lagged[data.pattern],
        log_determinant=paths.log_determinant[data.pattern],
    )


def _infer_some(model: Population, data: Recording, paths: Paths, min_change_nats: float, max_turns: int) -> Posterior:
    """Take turns until no trial changes; trials that no longer change are left out of further turns."""
    active = np.arange(len(data.pattern))
    # Blocks of a shared covariance have no bound, so that the first turn always counts as a change.
    whole = Posterior(paths=_paths_of(paths, active), nats=np.full(len(active), np.inf))
    _, diagonal, upper = _evaluate(model, data, paths)
    for _ in range(max_turns):
        part = each_alone(subset(data, active))
        moved, promised = _turn(model, part, paths, diagonal, upper)
        after, diagonal, upper = _evaluate(model, part, moved)
        # The bound can stand still for a turn while the means still move.
        going = np.maximum(np.abs(after.nats - whole.nats[active]), promised) >= min_change_nats
        _replace(whole, active, after)
        if not going.any():
            break
        active, paths, diagonal, upper = active[going], _paths_of(after.paths, going), diagonal[going], upper[going]
    return whole


def _evaluate(model: Population, data: Recording, paths: Paths) -> tuple[Posterior, Array, Array]:
    """Compute the bound of each trial, and the blocks of the precision that follow from its posterior."""
    at = curved(model, paths.mean, spreads(model, data, paths))
    rate = expected(model, data, paths.mean, paths.covariance)
    diagonal, upper = prior = prior_precision(model, at, data.pattern)
    nats = bound_at(model, data, paths, at, rate, prior)
    return Posterior(paths=paths, nats=nats), diagonal + pattern_information(model, data, rate), upper


def _turn(model: Population, data: Recording, paths: Paths, diagonal: Array, upper: Array) -> tuple[Paths, Array]:
    """Give each trial a new precision and move its means; return also the (trial,) rise promised by the first step."""
    parts = factor(diagonal, upper)
    covariance, lagged = covariances(parts)
    paths = Paths(mean=paths.mean, covariance=covariance, lagged=lagged, log_determinant=parts.log_determinant)
    spread, length = spreads(model, data, paths), np.ones(len(data.pattern))

    def slope(mean: Array) -> tuple[Array, Array, Array]:
        rate = expected(model, data, mean, covariance)
        gradient = slope_of_paths(model, data, paths._replace(mean=mean), curved(model, mean, spread), rate)
        direction = solve(parts, gradient, data.pattern)
        return gradient, direction, np.einsum("tnl,tnl->n", direction, gradient)

    mean, (gradient, direction, promised) = paths.mean, slope(paths.mean)
    first = promised
    for _ in range(STEPS_OF_MEANS):
        tried = mean - length[:, None] * direction
        new_gradient, new_direction, new_promised = slope(tried)
        bend = np.einsum("tnl,tnl->n", direction, gradient - new_gradient) / length
        good = new_promised <= MAX_GROWTH * promised
        step = np.clip(promised / np.maximum(bend, 1e-12), MIN_STEP, MAX_STEP)
        length = np.where(good, step, length * SHORTER)
        mean = np.where(good[:, None], tried, mean)
        gradient = np.where(good[:, None], new_gradient, gradient)
        direction = np.where(good[:, None], new_direction, direction)
        promised = np.where(good, new_promised, promised)
    return paths._replace(mean=mean), first


def _paths_of(paths: Paths, trials: Array) -> Paths:
    """Copy the paths of some trials, each of which has a pattern of its own."""
    return Paths(
        mean=paths.mean[:, trials],
        covariance=paths.covariance[trials],
        lagged=paths.lagged[trials],
        log_determinant=paths.log_determinant[trials],
    )


def _replace(whole: Posterior, trials: Array, part: Posterior) -> None:
    """Overwrite the posterior of some trials in place."""
    whole.paths.mean[:, trials], whole.nats[trials] = part.paths.mean, part.nats
    for name in ("covariance", "lagged", "log_determinant"):
        getattr(whole.paths, name)[trials] = getattr(part.paths, name)
