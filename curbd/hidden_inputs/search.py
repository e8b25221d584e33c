"""Search for hidden inputs: slow external drive, not recorded, that the units of a region share.

The effect of an input that was not recorded would otherwise be attributed to the recorded regions. Here hidden inputs
are inferred from the residual of the regression, region by region, as a few slow factors
(`curbd.hidden_inputs.slow_factors`). Factors are added as long as they predict held-out trials better. An estimator
then fits the current that remains after the hidden inputs are subtracted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from curbd.hidden_inputs.slow_factors import add_factor, infer, log_likelihood, refit, sharpen, without_factors
from curbd.hidden_inputs.spectra import Spectra, cross_spectrum, from_frequencies, to_frequencies, together
from curbd.network.equation import Network, weights
from curbd.network.fit import Fit, Hidden, Posterior, SlowFactors
from curbd.regression.block_ridge import SUBSTEP_ROUNDS, regress
from curbd.regression.ridge import WEAK_INPUT_PENALTY
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import TrainingData, Transitions, regressors, targets, transitions
from curbd.settings.estimators import MAX_HIDDEN_INPUTS, OneStep

Array = np.ndarray
Options = TypeVar("Options", bound=OneStep)
Estimator = Callable[[TrainingData, Options, np.random.Generator], Fit]
GAIN_PER_PARAMETER = 2.0
"""Held-out log likelihood that a hidden input must gain for each of its parameters, in nats."""
LEAST_LIKELIHOOD_GAIN = 40.0
"""Held-out log likelihood that a hidden input must gain in any case, in nats."""
OTHER_REGION_PENALTY = 1e12
"""Penalty on the weights of a hidden input onto units of other regions, as a multiple of its power: weights of 0."""


class Problem(NamedTuple):
    """The regression without hidden inputs; its residuals are searched for hidden inputs.

    Attributes
    ----------
    pairs : transitions between consecutive samples.
    z : (pair, regressor) regressors [r, u, 1].
    y : (pair, unit) currents.
    network : the network with the solved weights.
    penalty : (target region, regressor) ridge penalties.
    """

    pairs: Transitions
    z: Array
    y: Array
    network: Network
    penalty: Array


class Search(NamedTuple):
    """The result of a search for hidden inputs.

    Attributes
    ----------
    tau_s : time constant, s, either given or estimated together with the hidden inputs.
    factors : for every region, the parameters by which the hidden inputs of the region are inferred.
    pairs : the transitions of the training trials.
    values : (pair, hidden) the hidden inputs, in the order of the regions.
    """

    tau_s: float
    factors: list[SlowFactors]
    pairs: Transitions
    values: Array


def with_hidden_input_search(estimator: Estimator[Options]) -> Estimator[Options]:
    """Wrap an estimator so that it first searches for hidden inputs if its options ask for hidden inputs.

    Parameters
    ----------
    estimator : function (TrainingData, options, rng) -> Fit. The current of the hidden inputs is passed to the
        estimator as `TrainingData.drive`, so that the estimator fits the rest of the current.

    Returns
    -------
    An estimator whose fits contain the weights of the hidden inputs as the last columns of the input weights B, the
    posterior of these weights, and the slow factors by which `infer_hidden_inputs` infers the hidden inputs of any
    trial.
    """

    def fit(data: TrainingData, options: Options, rng: np.random.Generator) -> Fit:
        """Search for hidden inputs, then fit the rest of the current."""
        if options.hidden_inputs == "none":
            return estimator(data, options, rng)
        search = find_hidden_inputs(data, options)
        loadings = _loadings(search.factors, data.region)
        current = search.values @ loadings.T
        drive = np.zeros(data.r.shape)
        drive[search.pairs.trial, search.pairs.time] = current
        fitted = estimator(data._replace(tau_s=search.tau_s, drive=drive), options, rng)
        posterior = fitted.posterior
        if posterior is not None:
            z = regressors(search.pairs._replace(drive=current), fitted.network)
            reached = data.region[:, None] == _region_of_input(search.factors)
            posterior = _posterior(posterior, z, search.values, reached)
        network = fitted.network._replace(B=np.concatenate([fitted.network.B, loadings], axis=1))
        return fitted._replace(network=network, posterior=posterior, slow_factors=tuple(search.factors))

    return fit


def find_hidden_inputs(data: TrainingData, options: OneStep) -> Search:
    """Search the residual of the regression of every region for hidden inputs.

    Parameters
    ----------
    data : the training trials. If their time constant is None, the time constant is estimated.
    options : cross-validation folds, how the penalties are chosen, and the number of hidden inputs per region.

    Returns
    -------
    The time constant, and the hidden inputs of all regions.
    """
    pairs = transitions(data, options.folds)
    problem = _problem(data, pairs, options)
    factors = [_region_factors(problem, data.region == region, region, options) for region in range(data.n_regions)]
    h = _inferred(factors, data.region, pairs, problem.y - problem.z @ _stacked(factors, data.region).T)
    if data.tau_s is None and h.shape[1]:
        # A hidden input looks like a longer time constant, which is therefore estimated again, with the hidden inputs.
        with_hidden = pairs._replace(u=np.concatenate([pairs.u, h], axis=1))
        problem = _problem(data._replace(tau_s=estimate_tau(data, with_hidden)), pairs, options)
        factors = [
            _refitted(problem, data.region == region, region, of_region) for region, of_region in enumerate(factors)
        ]
        h = _inferred(factors, data.region, pairs, problem.y - problem.z @ _stacked(factors, data.region).T)
    return Search(problem.network.tau_s, factors, pairs, h)


def infer_hidden_inputs(fit: Fit, data: TrainingData) -> Fit:
    """Infer the hidden inputs of any trials, including trials that the network was not fitted to.

    Parameters
    ----------
    fit : a fit whose estimator searched for hidden inputs; any other fit is returned unchanged.
    data : the trials, with rates that are NaN where a bin is missing.

    Returns
    -------
    The fit with the field ``hidden``: the hidden inputs of these trials, NaN where a bin is missing.
    """
    if fit.slow_factors is None:
        return fit
    region = _region_of_input(fit.slow_factors)
    scale_s = np.concatenate([factors.scale for factors in fit.slow_factors]) * data.dt_s
    if not len(region):
        return fit._replace(hidden=Hidden(region, scale_s, np.zeros((*data.r.shape[:2], 0))))
    n_recorded = data.u.shape[2]
    network = fit.network._replace(B=fit.network.B[:, :n_recorded])
    loadings = fit.network.B[:, n_recorded:]
    pairs = transitions(data)
    drive = np.zeros((len(pairs.x), len(data.region)))
    values = np.full((*data.r.shape[:2], len(region)), np.nan)
    values[np.isfinite(data.r).all(2)] = 0.0
    # With several Euler steps in a sample, the rates between samples depend on the inputs.
    for _ in range(SUBSTEP_ROUNDS if data.substeps > 1 else 1):
        z = regressors(pairs._replace(drive=drive), network)
        residual = targets(pairs, network.decay) - z @ weights(network).T
        h = _inferred(fit.slow_factors, data.region, pairs, residual)
        drive = h @ loadings.T
    # The input of the last sample of a segment cannot be inferred, because there is no next sample: the input of the
    # previous sample is repeated.
    values[pairs.trial, pairs.time + 1] = h
    values[pairs.trial, pairs.time] = h
    return fit._replace(hidden=Hidden(region, scale_s, values))


def _problem(data: TrainingData, pairs: Transitions, options: OneStep) -> Problem:
    """Solve the regression without hidden inputs."""
    first = regress(data, pairs, options.penalties)
    y = targets(pairs, first.network.decay)
    return Problem(
        pairs=pairs,
        z=regressors(pairs, first.network),
        y=y,
        network=first.network,
        penalty=first.penalty[:, first.source],
    )


def _region_factors(problem: Problem, rows: Array, region: int, options: OneStep) -> SlowFactors:
    """Find the slow factors of one region: a given number, or as many as improve the prediction of held-out folds.

    An additional factor must raise the held-out log likelihood by a margin: a factor always improves the fit slightly,
    because it absorbs a part of the residual.

    Parameters
    ----------
    problem : the regression without hidden inputs.
    rows : (unit,) bool, True for the units of the region.
    region : index of the region.
    options : options of the estimator, for the number of hidden inputs.
    """
    y, penalty, fold = problem.y[:, rows], problem.penalty[region], problem.pairs.fold
    data = cross_spectrum(problem.z, y, _runs(problem.pairs))
    factors = without_factors(data, penalty)
    if options.hidden_inputs != "auto":
        for _ in range(int(options.hidden_inputs)):
            factors = add_factor(data, penalty, factors)
        return sharpen(data, penalty, factors)
    margin = max(GAIN_PER_PARAMETER * (y.shape[1] + 1), LEAST_LIKELIHOOD_GAIN)
    run = _runs(problem.pairs, of_one_fold=True)
    folds = [cross_spectrum(problem.z[rows], y[rows], run[rows]) for rows in (fold == k for k in np.unique(fold))]
    held_out = _held_out(folds, penalty, factors)
    while len(factors.scale) < MAX_HIDDEN_INPUTS:
        more = add_factor(data, penalty, factors)
        held_out_with_more = _held_out(folds, penalty, more)
        if held_out_with_more - held_out < margin:
            break
        factors, held_out = more, held_out_with_more
    return sharpen(data, penalty, factors)


def _held_out(folds: list[Spectra], penalty: Array, factors: SlowFactors) -> float:
    """Sum the log likelihood, in nats, of every fold under parameters that were fitted to all other folds."""
    return sum(
        log_likelihood(fold, refit(together(folds[:index] + folds[index + 1 :]), penalty, factors))
        for index, fold in enumerate(folds)
    )


def _refitted(problem: Problem, rows: Array, region: int, factors: SlowFactors) -> SlowFactors:
    """Fit factors to the currents of another time constant; the number and the spectra of the factors are kept."""
    data = cross_spectrum(problem.z, problem.y[:, rows], _runs(problem.pairs))
    return refit(data, problem.penalty[region], factors)


def _runs(pairs: Transitions, of_one_fold: bool = False) -> Array:
    """Number the contiguous runs of pairs (pair,); with ``of_one_fold``, a run ends where the fold changes."""
    new = (np.diff(pairs.trial) != 0) | (np.diff(pairs.time) != 1)
    if of_one_fold:
        new |= np.diff(pairs.fold) != 0
    return np.r_[0, np.cumsum(new)]


def _inferred(factors: Sequence[SlowFactors], region: Array, pairs: Transitions, residual: Array) -> Array:
    """Infer the hidden inputs of all regions from the residuals.

    Parameters
    ----------
    factors : for every region, the slow factors of the region.
    region : (unit,) index of each unit's region.
    pairs : transitions between consecutive samples.
    residual : (pair, unit) residuals y - W z of the currents y.

    Returns
    -------
    (pair, hidden) posterior means of the hidden inputs.
    """
    run = _runs(pairs)
    transformed, w = to_frequencies(residual, run)
    inferred = [
        infer(of_region, transformed[:, region == region_index], w) for region_index, of_region in enumerate(factors)
    ]
    return from_frequencies(np.concatenate(inferred, axis=1), run)


def _stacked(factors: Sequence[SlowFactors], region: Array) -> Array:
    """Collect the weights W (unit, regressor) of all regions."""
    W = np.empty((len(region), factors[0].W.shape[1]))
    for region_index, of_region in enumerate(factors):
        W[region == region_index] = of_region.W
    return W


def _loadings(factors: Sequence[SlowFactors], region: Array) -> Array:
    """Collect the loadings (unit, hidden) of all regions; loadings on the units of other regions are 0."""
    loadings = []
    for region_index, of_region in enumerate(factors):
        onto_all_units = np.zeros((len(region), len(of_region.scale)))
        onto_all_units[region == region_index] = of_region.L
        loadings.append(onto_all_units)
    return np.concatenate(loadings, axis=1)


def _region_of_input(factors: Sequence[SlowFactors]) -> Array:
    """Return the index (hidden,) of the region that each hidden input reaches."""
    return np.repeat(np.arange(len(factors)), [len(of_region.scale) for of_region in factors])


def _posterior(posterior: Posterior, z: Array, h: Array, reached: Array) -> Posterior:
    """Compute the posterior of all weights, with hidden inputs treated as recorded inputs.

    Parameters
    ----------
    posterior : posterior of the weights on the regressors z (pair, regressor).
    h : (pair, hidden) the hidden inputs.
    reached : (unit, hidden) bool, True if the unit is in the region of the input; otherwise the weight is 0.
    """
    n = z.shape[1] - 1
    joined = np.concatenate([z[:, :n], h, z[:, n:]], axis=1)
    power = (h**2).sum(0)
    ridge = np.where(reached, WEAK_INPUT_PENALTY, OTHER_REGION_PENALTY) * np.where(power > 0, power, 1.0)
    # If samples are weighted, the scatter matrix of the posterior is smaller than the scatter matrix of the regressors.
    weight = np.trace(posterior.gram) / (z**2).sum()
    return Posterior(
        noise_variance=posterior.noise_variance,
        gram=weight * joined.T @ joined,
        ridge=np.concatenate([posterior.ridge[:, :n], ridge, posterior.ridge[:, n:]], axis=1),
    )
