"""Search for the adaptation of units: its time constant, its strengths, and whether held-out data ask for it.

Given its time constant, the adaptation a of a unit is a known filter of the recorded rate (`curbd.network.adaptation`),
so that its strength is the coefficient of one more regressor in the regression of the current of the unit. The time
constant is the one under which held-out folds are most likely. An estimator then fits the current that remains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from curbd.network.adaptation import Adaptation, adaptation_current, adaptation_states
from curbd.network.equation import decay
from curbd.network.fit import Fit
from curbd.network.tensors import tensor
from curbd.regression.block_ridge import Regression, regress
from curbd.regression.evidence import LEAST_NOISE_VARIANCE
from curbd.regression.moments import Moments, moments
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import TrainingData, Transitions, regressors, targets, transitions
from curbd.settings.estimators import OneStep

Array = np.ndarray
Options = TypeVar("Options", bound=OneStep)
Estimator = Callable[[TrainingData, Options, np.random.Generator], Fit]
TAU_GRID_S = (0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Time constants of the adaptation that are tried, s."""
ROUNDS = 3
"""Rounds in which the adaptation, and then time constant and penalties of the network, are estimated in turn."""
GAIN_PER_STRENGTH = 2.0
"""Held-out log likelihood that adaptation must gain for each of its strengths, in nats, with ``adaptation: auto``."""
LEAST_SHARE_OF_ADAPTATION = 1e-9
"""The strength of a unit is 0 if less than this share of its adaptation is left over by all other regressors."""


class AdaptationSearch(NamedTuple):
    """The result of a search for adaptation.

    Attributes
    ----------
    adaptation : time constant, strengths and start.
    nats : gain in the log likelihood of held-out folds over a network without adaptation, in nats.
    tau_s : time constant of the network, s, given or estimated together with the adaptation.
    """

    adaptation: Adaptation
    nats: float
    tau_s: float


class _OwnMoments(NamedTuple):
    """Second moments of a regressor that is another one for every unit, of the transitions of each fold.

    Attributes
    ----------
    with_z : (fold, unit, regressor) products with the regressors [r, u, 1].
    with_y : (fold, unit) products with the current.
    square : (fold, unit) sums of squares.
    """

    with_z: torch.Tensor
    with_y: torch.Tensor
    square: torch.Tensor


def with_adaptation(estimator: Estimator[Options]) -> Estimator[Options]:
    """Wrap an estimator so that it first searches for the adaptation of the units if its options ask for adaptation.

    Parameters
    ----------
    estimator : function (TrainingData, options, rng) -> Fit. The current of the adaptation is passed to the estimator
        as `TrainingData.drive`, so that the estimator fits the rest of the current.

    Returns
    -------
    An estimator whose networks have the adaptation. The posterior of the weights treats the strengths as known.
    """

    def fit(data: TrainingData, options: Options, rng: np.random.Generator) -> Fit:
        """Search for the adaptation, then fit the rest of the current."""
        if options.adaptation is False:
            return estimator(data, options, rng)
        search = find_adaptation(data, options)
        if options.adaptation == "auto" and search.nats < GAIN_PER_STRENGTH * data.r.shape[2]:
            return estimator(data, options, rng)._replace(adaptation_nats=search.nats)
        drive = adaptation_current(search.adaptation, data.r, data.dt_s)
        fitted = estimator(data._replace(tau_s=search.tau_s, drive=drive), options, rng)
        network = fitted.network._replace(adaptation=search.adaptation)
        return fitted._replace(network=network, adaptation_nats=search.nats)

    return fit


def tau_grid_s(options: OneStep) -> tuple[float, ...]:
    """Return the time constants of the adaptation that the options of an estimator let be tried, s."""
    if isinstance(options.adaptation, list):
        return tuple(options.adaptation)
    if isinstance(options.adaptation, float):
        return (options.adaptation,)
    return TAU_GRID_S


def find_adaptation(data: TrainingData, options: OneStep) -> AdaptationSearch:
    """Estimate the adaptation of the units together with the time constant of the network.

    Parameters
    ----------
    data : the training trials. If their time constant is None, the time constant is estimated.
    options : folds of the cross-validation, how the penalties are chosen, and the time constants that are tried.

    Returns
    -------
    The adaptation, its gain in held-out log likelihood, and the time constant of the network.
    """
    pairs = transitions(data, options.folds)
    first = regress(data, pairs, options.penalties)
    start = pairs.r.mean(0)
    adaptation, nats, tau_s = Adaptation(np.zeros(len(start)), 1.0, start), 0.0, first.network.tau_s
    for _ in range(ROUNDS):
        adaptation, nats = _best(data, pairs, first, start, tau_grid_s(options))
        current = adaptation_current(adaptation, data.r, data.dt_s)
        driven = pairs._replace(drive=current[pairs.trial, pairs.time])
        if data.tau_s is None:
            rest = driven.x_next - (1 - decay(data.dt_s, tau_s, data.substeps)) * driven.drive
            tau_s = float(estimate_tau(data, driven._replace(x_next=rest)))
        first = regress(data._replace(tau_s=tau_s, drive=current), driven, options.penalties)
    return AdaptationSearch(adaptation, nats, tau_s)


def _best(
    data: TrainingData, pairs: Transitions, regression: Regression, start: Array, grid_s: tuple[float, ...]
) -> tuple[Adaptation, float]:
    """Return the adaptation under which held-out folds are most likely, and its gain in log likelihood, in nats.

    Parameters
    ----------
    data, pairs : the training trials and their transitions, without the current of any adaptation.
    regression : the regression whose time constant and penalties are used.
    start : (unit,) adaptation at the start of every trial.
    grid_s : time constants that are tried, s.
    """
    z = regressors(pairs, regression.network)
    y = targets(pairs, regression.network.decay)
    folds = moments(z, y, pairs.fold)
    inverses = [_inverses(of_folds, regression, data.region) for of_folds in (folds.without(), _as_one_fold(folds))]
    without = _likelihood(folds, None, inverses[0], data.region)
    best: tuple[Adaptation, float] | None = None
    for tau_s in grid_s:
        adaptation = Adaptation(np.ones(len(start)), tau_s, start)
        a = adaptation_states(adaptation, data.r, data.dt_s)[pairs.trial, pairs.time]
        own = _own_moments(z, y, a, pairs.fold)
        nats = _likelihood(folds, own, inverses[0], data.region) - without
        if best is None or nats > best[1]:
            total = _OwnMoments(*(statistic.sum(0, keepdim=True) for statistic in own))
            coefficient, _ = _solved(_as_one_fold(folds), total, inverses[1], data.region)
            best = adaptation._replace(strength=-coefficient[0].cpu().numpy()), nats
    assert best is not None
    return best


def _as_one_fold(folds: Moments) -> Moments:
    return Moments(*(statistic.sum(0, keepdim=True) for statistic in folds))


def _own_moments(z: Array, y: Array, a: Array, fold: Array) -> _OwnMoments:
    """Compute the moments of the adaptation a (pair, unit) with z (pair, regressor) and y (pair, unit), by fold."""
    members = [fold == k for k in range(int(fold.max()) + 1)]
    return _OwnMoments(
        torch.stack([tensor(a[rows]).T @ tensor(z[rows]) for rows in members]),
        tensor(np.array([(a[rows] * y[rows]).sum(0) for rows in members])),
        tensor(np.array([(a[rows] ** 2).sum(0) for rows in members])),
    )


def _inverses(folds: Moments, regression: Regression, region: Array) -> list[torch.Tensor]:
    """Return the inverse (fold, regressor, regressor) of the penalised moments for every target region."""
    penalties = [tensor(block[regression.source]) for block in regression.penalty[: region.max() + 1]]
    return [torch.cholesky_inverse(torch.linalg.cholesky(folds.ZZ + torch.diag(ridge))) for ridge in penalties]


def _solved(
    folds: Moments, own: _OwnMoments | None, inverses: list[torch.Tensor], region: Array
) -> tuple[torch.Tensor, torch.Tensor]:
    """Solve the regression with one regressor more for every unit (Frisch, Waugh & Lovell).

    Returns
    -------
    coefficient : (fold, unit) coefficient of the own regressor; 0 without one.
    W : (fold, unit, regressor) weights of all other regressors.
    """
    W, coefficient = torch.empty_like(folds.YZ), torch.zeros_like(folds.YY)
    for target, inverse in enumerate(inverses):
        rows = np.flatnonzero(region == target)
        W[:, rows] = folds.YZ[:, rows] @ inverse
        if own is not None:
            explained = own.with_z[:, rows] @ inverse
            left = own.square[:, rows] - (explained * own.with_z[:, rows]).sum(2)
            product = own.with_y[:, rows] - (explained * folds.YZ[:, rows]).sum(2)
            varies = left > LEAST_SHARE_OF_ADAPTATION * own.square[:, rows]
            coefficient[:, rows] = torch.where(varies, product / torch.where(varies, left, 1.0), 0.0)
            W[:, rows] -= coefficient[:, rows, None] * explained
    return coefficient, W


def _likelihood(folds: Moments, own: _OwnMoments | None, inverses: list[torch.Tensor], region: Array) -> float:
    """Return the log likelihood of every fold, in nats, under weights and noise that all other folds give."""
    rest = folds.without()
    others = None if own is None else _OwnMoments(*(s.sum(0, keepdim=True) - s for s in own))
    coefficient, W = _solved(rest, others, inverses, region)
    noise = (_error(rest, others, coefficient, W) / rest.n[:, None]).clamp_min(LEAST_NOISE_VARIANCE)
    error = _error(folds, own, coefficient, W)
    return -0.5 * float((folds.n[:, None] * torch.log(noise) + error / noise).sum())


def _error(m: Moments, own: _OwnMoments | None, coefficient: torch.Tensor, W: torch.Tensor) -> torch.Tensor:
    """Return the squared error (fold, unit) of a regression with one regressor more for every unit."""
    error = m.YY - 2 * (W * m.YZ).sum(2) + ((W @ m.ZZ) * W).sum(2)
    if own is None:
        return error
    with_rest = own.with_y - (W * own.with_z).sum(2)
    return error - 2 * coefficient * with_rest + coefficient**2 * own.square
