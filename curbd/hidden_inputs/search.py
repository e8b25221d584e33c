"""Regression beside hidden inputs: slow external drive that the units of a region share.

What drives a region from outside the recording and is not among its known inputs would otherwise be booked on the
recorded regions. Here it is inferred from the residual of the regression, region by region, as a few slow factors
(`curbd.hidden_inputs.slow_factors`); another one is taken as long as it predicts held-out trials better. The estimator
proper then fits what the hidden inputs leave of the currents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from curbd.hidden_inputs.slow_factors import (
    Spectra,
    add_factor,
    cross_spectrum,
    from_frequencies,
    infer,
    log_likelihood,
    refit,
    sharpen,
    to_frequencies,
    together,
    without_factors,
)
from curbd.network.equation import Network, weights
from curbd.network.fit import Factors, Fit, Hidden, Posterior
from curbd.regression.block_ridge import regress
from curbd.regression.moments import WEAK
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import TrainingData, Transitions, regressors, targets, transitions
from curbd.settings.models import OneStep

Array = np.ndarray
Options = TypeVar("Options", bound=OneStep)
Estimator = Callable[[TrainingData, Options, np.random.Generator], Fit]
MOST = 3
"""Hidden inputs of a region, at most."""
PRICE = 2.0
LEAST_PRICE = 40.0
"""Held-out log likelihood that a hidden input must gain: so much a parameter, and so much at least."""
ABSENT = 1e12
"""Penalty on the weight of a hidden input on units of other regions, relative to its power: it is zero."""


class Problem(NamedTuple):
    """What hidden inputs are looked for in: the regression of one stretch of data.

    z (pair, regressor), y (pair, unit), network: first solution without hidden inputs, penalty (region, regressor).
    """

    pairs: Transitions
    z: Array
    y: Array
    network: Network
    penalty: Array


def beside_hidden_inputs(estimator: Estimator[Options]) -> Estimator[Options]:
    """The estimator, fitted beside hidden inputs where its options ask for them."""

    def fit(data: TrainingData, options: Options, rng: np.random.Generator) -> Fit:
        if options.hidden_inputs == "none":
            return estimator(data, options, rng)
        tau_s, factors, h = find_hidden_inputs(data, options)
        loadings = _loadings(factors, data.region)
        pairs = transitions(data)
        drive = np.zeros(data.r.shape)
        drive[pairs.trial, pairs.time] = h @ loadings.T
        data = data._replace(tau_s=tau_s, drive=drive)
        fitted = estimator(data, options, rng)
        hidden = Hidden(
            region=np.repeat(np.arange(data.n_regions), [len(one.scale) for one in factors]),
            scale_s=np.concatenate([one.scale for one in factors]) * data.dt_s,
            factors=tuple(factors),
            values=np.zeros((*data.r.shape[:2], h.shape[1])),
        )
        known = fitted.posterior
        if known is not None:
            z = regressors(transitions(data), fitted.network)
            known = _posterior(known, z, h, hidden, data.region)
        network = fitted.network._replace(B=np.concatenate([fitted.network.B, loadings], axis=1))
        return fitted._replace(network=network, posterior=known, hidden=hidden)

    return fit


def find_hidden_inputs(data: TrainingData, options: OneStep) -> tuple[float, list[Factors], Array]:
    """Hidden inputs of training data.

    Returns
    -------
    The time constant, the factors of every region, and the inferred inputs (pair, hidden), in the order of regions.
    """
    problem = _problem(data, options)
    factors = [_region_factors(problem, data.region == region, region, options) for region in range(data.n_regions)]
    h = _inferred(factors, data.region, problem.pairs, problem.y - problem.z @ _stacked(factors, data.region).T)
    if data.tau_s is None and h.shape[1]:
        # A hidden input looks like a longer time constant: it is estimated again beside the inputs found so far.
        beside = problem.pairs._replace(u=np.concatenate([problem.pairs.u, h], axis=1))
        problem = _problem(data._replace(tau_s=estimate_tau(data, beside)), options)
        factors = [_again(problem, data.region == region, region, one) for region, one in enumerate(factors)]
        h = _inferred(factors, data.region, problem.pairs, problem.y - problem.z @ _stacked(factors, data.region).T)
    return problem.network.tau_s, factors, h


def infer_hidden_inputs(fit: Fit, data: TrainingData) -> Fit:
    """The same fit with its hidden inputs inferred in any trials, those that it was not fitted to included.

    Parameters
    ----------
    data : the trials in question; NaN where a bin is missing, and so is the input there.
    """
    if fit.hidden is None:
        return fit
    if not len(fit.hidden.region):
        return fit._replace(hidden=fit.hidden._replace(values=np.zeros((*data.r.shape[:2], 0))))
    n_known = data.u.shape[2]
    network = fit.network._replace(B=fit.network.B[:, :n_known])
    loadings = fit.network.B[:, n_known:]
    pairs = transitions(data)
    drive = np.zeros((len(pairs.x), len(data.region)))
    values = np.full((*data.r.shape[:2], len(fit.hidden.region)), np.nan)
    values[np.isfinite(data.r).all(2)] = 0.0
    # With several Euler steps a sample the rates between samples depend on the inputs: two rounds settle them.
    for _ in range(2 if data.substeps > 1 else 1):
        z = regressors(pairs._replace(drive=drive), network)
        residual = targets(pairs, data.dt_s, network.tau_s, data.substeps) - z @ weights(network).T
        h = _inferred(list(fit.hidden.factors), data.region, pairs, residual)
        drive = h @ loadings.T
    # The last sample of a run has no successor that would tell its input: it keeps that of the sample before.
    values[pairs.trial, pairs.time + 1] = h
    values[pairs.trial, pairs.time] = h
    return fit._replace(hidden=fit.hidden._replace(values=values))


def _problem(data: TrainingData, options: OneStep) -> Problem:
    """The regression without hidden inputs, its penalties and its data."""
    first = regress(data, options.folds, options.penalties)
    pairs = transitions(data, options.folds)
    y = targets(pairs, data.dt_s, first.network.tau_s, data.substeps)
    return Problem(pairs, regressors(pairs, first.network), y, first.network, first.penalty[:, first.source])


def _region_factors(problem: Problem, rows: Array, region: int, options: OneStep) -> Factors:
    """The factors of one region: as many as asked for, or as predict held-out folds.

    One more must raise the held-out log likelihood by its price: a factor always gains a little by taking up what the
    weights leave over.
    """
    y, penalty, fold = problem.y[:, rows], problem.penalty[region], problem.pairs.fold
    data = cross_spectrum(problem.z, y, _runs(problem.pairs))
    factors = without_factors(data, penalty)
    if options.hidden_inputs != "auto":
        for _ in range(int(options.hidden_inputs)):
            factors = add_factor(data, penalty, factors)
        return sharpen(data, penalty, factors)
    price = max(PRICE * (y.shape[1] + 1), LEAST_PRICE)
    run = _runs(problem.pairs, of_one_fold=True)
    folds = [cross_spectrum(problem.z[part], y[part], run[part]) for part in (fold == k for k in np.unique(fold))]
    held_out = _held_out(folds, penalty, factors)
    while len(factors.scale) < MOST:
        more = add_factor(data, penalty, factors)
        its = _held_out(folds, penalty, more)
        if its - held_out < price:
            break
        factors, held_out = more, its
    return sharpen(data, penalty, factors)


def _held_out(folds: list[Spectra], penalty: Array, factors: Factors) -> float:
    """Log likelihood of every fold under the parameters of all others."""
    return sum(
        log_likelihood(fold, refit(together(folds[:place] + folds[place + 1 :]), penalty, factors))
        for place, fold in enumerate(folds)
    )


def _again(problem: Problem, rows: Array, region: int, factors: Factors) -> Factors:
    """The same factors, fitted to other targets."""
    data = cross_spectrum(problem.z, problem.y[:, rows], _runs(problem.pairs))
    return refit(data, problem.penalty[region], factors)


def _runs(pairs: Transitions, of_one_fold: bool = False) -> Array:
    """(pair,) number of the run of consecutive pairs, cut where the fold changes if asked."""
    new = (np.diff(pairs.trial) != 0) | (np.diff(pairs.time) != 1)
    if of_one_fold:
        new |= np.diff(pairs.fold) != 0
    return np.r_[0, np.cumsum(new)]


def _inferred(factors: list[Factors], region: Array, pairs: Transitions, residual: Array) -> Array:
    """(pair, hidden) most probable hidden inputs of all regions given the residuals y - W z (pair, unit)."""
    run = _runs(pairs)
    transformed, w = to_frequencies(residual, run)
    parts = [infer(one, transformed[:, region == place], w) for place, one in enumerate(factors)]
    return from_frequencies(np.concatenate(parts, axis=1), run)


def _stacked(factors: list[Factors], region: Array) -> Array:
    """W (unit, regressor) of all regions."""
    W = np.empty((len(region), factors[0].W.shape[1]))
    for place, one in enumerate(factors):
        W[region == place] = one.W
    return W


def _loadings(factors: list[Factors], region: Array) -> Array:
    """(unit, hidden) loadings of all regions, zero on the units of other regions."""
    parts = []
    for place, one in enumerate(factors):
        part = np.zeros((len(region), len(one.scale)))
        part[region == place] = one.L
        parts.append(part)
    return np.concatenate(parts, axis=1)


def _posterior(known: Posterior, z: Array, h: Array, hidden: Hidden, region: Array) -> Posterior:
    """The posterior of all weights, hidden inputs taken as known ones that reach the units of their region alone."""
    n = z.shape[1] - 1
    joined = np.concatenate([z[:, :n], h, z[:, n:]], axis=1)
    power = (h**2).sum(0)
    own = region[:, None] == hidden.region
    ridge = np.where(own, WEAK, ABSENT) * np.where(power > 0, power, 1.0)
    # Where samples have weights, so has the scatter of the known ones.
    weighted = np.trace(known.gram) / (z**2).sum()
    return Posterior(
        known.noise_variance,
        weighted * joined.T @ joined,
        np.concatenate([known.ridge[:, :n], ridge, known.ridge[:, n:]], axis=1),
    )
