"""Reduced-rank regression: the network of a given rank that best predicts currents, from one eigendecomposition.

The current of every unit, which carries its state to the next bin, is regressed on the rates r, the inputs u and a
constant (as in `curbd.estimators.one_step`); here the recurrent weights J have rank R. Inputs and bias are partialled
out. Let J be the ridge solution of full rank, and V the first R principal directions of the currents that J predicts:
no other matrix of rank R loses less of these currents than J_R = V V' J. Currents are dimensionless, in the units of x
in tau dx/dt = -x + J r + B u + b.

Publications: Izenman, J. Multivar. Anal. 1975 (reduced-rank regression); Mukherjee & Zhu, Stat. Anal. Data Min. 2011
(with a ridge penalty).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network, decay
from curbd.network.fit import Fit
from curbd.network.tensors import tensor
from curbd.regression.cross_validation import held_out_errors
from curbd.regression.moments import Moments, moments, squared_error
from curbd.regression.ridge import PENALTY_GRID, inputs_free, ridge_weights
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import TrainingData, as_network, regressors, source_of_regressor, targets, transitions
from curbd.settings.estimators import ReducedRank
from lrfit.network import canonical

Array = np.ndarray

log = logging.getLogger(__name__)


class RankChoice(NamedTuple):
    """Rank, penalty and noise variances with which a network of low rank is fitted.

    Attributes
    ----------
    rank : rank of the recurrent weights J.
    penalty : ridge penalty on J.
    noise : (unit,) variance of the part of each unit's current that the activity one bin earlier does not predict;
        squared errors are divided by this variance.
    input_power : (input,) sum of squares of each input.
    """

    rank: int
    penalty: float
    noise: Array
    input_power: Array


def reduced_rank(data: TrainingData, options: ReducedRank, rng: np.random.Generator) -> Fit:
    """Fit a low-rank network in closed form.

    Parameters
    ----------
    data : training trials.
    options : rank, or largest rank that is tried, and number of cross-validation folds.
    rng : not used; the fit is deterministic.

    Returns
    -------
    The network, its penalty, and its factors in the canonical gauge (see `lrfit.network.canonical`).
    """
    network, choice = closed_form(data, options)
    return low_rank_fit(data, network, choice)


def closed_form(data: TrainingData, options: ReducedRank) -> tuple[Network, RankChoice]:
    """Fit a low-rank network in closed form, and return the network with the rank and penalty that were chosen."""
    pairs = transitions(data, options.folds)
    tau_s = estimate_tau(data, pairs) if data.tau_s is None else data.tau_s
    y = targets(pairs, decay(data.dt_s, tau_s, data.substeps))
    folds = moments(regressors(pairs), y, pairs.fold)
    choice = choose(folds, (pairs.u**2).sum(0), options)
    network = as_network(solve(folds.total(), choice), data, tau_s)
    # With several Euler steps a sample the rates between samples come from the fit itself; they converge in two rounds.
    for _ in range(2 if data.substeps > 1 else 0):
        network = as_network(solve(moments(regressors(pairs, network), y), choice), data, tau_s)
    return network, choice


def low_rank_fit(data: TrainingData, network: Network, choice: RankChoice) -> Fit:
    """Return a low-rank network as a fit, with its factors in the canonical gauge; J becomes exactly the product m n'.

    Parameters
    ----------
    data : training trials, from whose rates the variance of the latents is computed.
    network : network whose recurrent weights J have the chosen rank.
    choice : rank and penalty.

    Returns
    -------
    The network, its penalty, and its factors (see `lrfit.network.canonical`).
    """
    m, n = canonical(network.J, transitions(data).r, choice.rank)
    penalty = np.full((data.n_regions, data.n_regions), choice.penalty)
    return Fit(network._replace(J=m @ n.T), penalty, factors=(m, n))


def choose(folds: Moments, input_power: Array, options: ReducedRank) -> RankChoice:
    """Choose the rank and the penalty with the smallest held-out one-step error on the training folds.

    The noise variance of each unit is the held-out error of the best regression without a limit on the rank. The
    dependence of a unit's current on the unit's own rate may come from J, or from the unit alone (see
    `without_own_rate`): the rank is chosen under both assumptions, and the smaller one is taken. The penalty is the
    best penalty at that rank.

    Parameters
    ----------
    folds : sufficient statistics of the one-step regression in each fold.
    input_power : (input,) sum of squares of each input.
    options : rank, or largest rank that is tried.

    Returns
    -------
    Rank, penalty and noise variances.
    """
    n_units = folds.YY.shape[1]
    rows = np.arange(n_units)
    grid = [_penalties(value, n_units, input_power) for value in PENALTY_GRID]
    without = folds.without()
    shares = [held_out_errors(folds, without, penalty).sum(0) for penalty in grid]
    best = min(range(len(PENALTY_GRID)), key=lambda index: float(shares[index].mean()))
    noise = (shares[best] * folds.YY.sum(0) / folds.n.sum()).clamp_min(1e-12).cpu().numpy()
    max_rank = min(options.rank or options.max_rank, n_units)
    errors = rank_errors(in_noise_units(folds, noise), grid, n_units, max_rank)
    rank = max_rank
    if options.rank is None:
        without_own = without_own_rate(folds, ridge_weights(folds.total(), grid[best]), rows)
        rank = min(
            smallest_rank(errors),
            smallest_rank(rank_errors(in_noise_units(without_own, noise), grid, n_units, max_rank)),
        )
    if options.rank is None and rank == options.max_rank:
        log.info("rank %d is the largest rank tried; if a higher rank may be needed, raise max_rank", rank)
    return RankChoice(rank, float(PENALTY_GRID[errors[:, :, rank].sum(1).argmin()]), noise, input_power)


def smallest_rank(errors: Array, standard_errors_of_rank_zero: float = 1.0) -> int:
    """Return the smallest rank, possibly 0, whose error is within one standard error of the error of the best rank.

    Parameters
    ----------
    errors : (penalty, fold, rank + 1) held-out error; every rank is judged at the penalty that is best for this rank.
        The standard error is that of the difference between the two ranks over folds.
    standard_errors_of_rank_zero : rank 0 is chosen if its error is within this number of standard errors instead.

    Returns
    -------
    The rank.
    """
    ranks = np.arange(errors.shape[2])
    of_rank = errors[errors.sum(1).argmin(0), :, ranks].T
    lost = of_rank - of_rank[:, [of_rank.sum(0).argmin()]]
    allowed = np.where(ranks == 0, standard_errors_of_rank_zero, 1.0) * lost.std(0, ddof=1) / np.sqrt(len(lost))
    return int((lost.mean(0) <= allowed).argmax())


def without_own_rate(folds: Moments, W: torch.Tensor, columns: Array) -> Moments:
    """Subtract from the currents the contribution of each unit's own rate according to a given fit.

    Measurement noise, smoothing and a memory of the unit itself act on that unit alone. Their contribution is a
    diagonal in the connectivity, which has full rank and would hide the rank of the connections between units.

    Parameters
    ----------
    folds : sufficient statistics of the one-step regression in each fold.
    W : (unit, regressor) weights of a fit without a limit on the rank.
    columns : (unit,) index of the regressor that is the rate of the unit itself.

    Returns
    -------
    Statistics of the remaining currents.
    """
    rows = np.arange(len(columns))
    own = W[rows, columns]
    rate, current = folds.ZZ[:, columns], folds.YZ[:, rows, columns]
    power = rate[:, rows, columns]
    return folds._replace(YZ=folds.YZ - own[:, None] * rate, YY=folds.YY - 2 * own * current + own**2 * power)


def solve(total: Moments, choice: RankChoice) -> Array:
    """Fit weights W whose recurrent part J has the chosen rank; input weights and bias are then fitted with J fixed.

    Parameters
    ----------
    total : sufficient statistics of the one-step regression of currents on rates, inputs and a constant.
    choice : rank, penalty and noise variances.

    Returns
    -------
    W : (unit, regressor) recurrent weights J, input weights B and bias b, in this order.
    """
    n_units = total.YY.shape[-1]
    penalty = _penalties(choice.penalty, n_units, choice.input_power)
    W = at_rank(regression(in_noise_units(total, choice.noise), penalty, n_units), choice.rank)
    return (tensor(np.sqrt(choice.noise))[:, None] * W).cpu().numpy()


class RegressionAtEveryRank(NamedTuple):
    """The solution of a regression at every rank R, W_R = unlimited + V_R V_R' added; currents in units of their noise.

    All arrays may have one leading axis more, over folds.

    Attributes
    ----------
    unlimited : (unit, regressor) ridge solution with only the regressors whose weights may have any rank.
    added : (unit, regressor) difference between the ridge solution with all regressors and ``unlimited``.
    directions : V (unit, unit) principal directions of the currents that ``added`` predicts, in order of decreasing
        variance; V_R are the first R columns.
    """

    unlimited: torch.Tensor
    added: torch.Tensor
    directions: torch.Tensor


def regression(m: Moments, penalty: torch.Tensor, limited: int) -> RegressionAtEveryRank:
    """Solve a regression for every rank of the weights on the first regressors; the others are partialled out.

    Parameters
    ----------
    m : sufficient statistics, with currents in units of their noise.
    penalty : (regressor,) ridge penalties.
    limited : number of regressors, counted from the first, whose weights have limited rank.

    Returns
    -------
    The solution at every rank.
    """
    others = Moments(m.ZZ[..., limited:, limited:], m.YZ[..., limited:], m.YY, m.n)
    unlimited = torch.nn.functional.pad(ridge_weights(others, penalty[limited:]), (limited, 0))
    added = ridge_weights(m, penalty) - unlimited
    # `added` holds weights on the part of the limited regressors that the other regressors do not explain.
    currents = added @ (m.ZZ + torch.diag(penalty)) @ added.mT
    return RegressionAtEveryRank(unlimited, added, torch.linalg.eigh(currents).eigenvectors.flip(-1))


def at_rank(solution: RegressionAtEveryRank, rank: int) -> torch.Tensor:
    """Return the weights W (unit, regressor) of one rank from the solution at every rank."""
    V = solution.directions[..., :rank]
    return solution.unlimited + V @ (V.mT @ solution.added)


def rank_errors(folds: Moments, penalties: Sequence[torch.Tensor], limited: int, max_rank: int) -> Array:
    """Return the held-out squared error of the regression for every penalty and rank.

    Parameters
    ----------
    folds : sufficient statistics of each fold, with currents in units of their noise.
    penalties : ridge penalties that are tried, each (regressor,).
    limited : number of regressors, counted from the first, whose weights have limited rank.
    max_rank : largest rank.

    Returns
    -------
    (penalty, fold, rank + 1) squared errors for the ranks 0 to ``max_rank``.
    """
    errors = []
    for penalty in penalties:
        unlimited, added, directions = regression(folds.without(), penalty, limited)
        V = directions[..., :max_rank]
        residual = folds.YZ - unlimited @ folds.ZZ
        per_direction = ((added @ folds.ZZ - 2 * residual) @ added.mT @ V * V).sum(-2)
        at_rank_zero = squared_error(folds, unlimited).sum(-1, keepdim=True)
        errors.append(torch.cat([at_rank_zero, at_rank_zero + per_direction.cumsum(-1)], dim=-1))
    return torch.stack(errors).cpu().numpy()


def in_noise_units(m: Moments, noise: Array) -> Moments:
    """Divide currents by the standard deviation of their noise, in the statistics of a regression.

    Parameters
    ----------
    m : sufficient statistics of the regression.
    noise : (unit,) noise variance of each unit's current.

    Returns
    -------
    Statistics of the scaled currents.
    """
    variance = tensor(noise)
    return m._replace(YZ=m.YZ / variance.sqrt()[:, None], YY=m.YY / variance)


def _penalties(value: float, n_units: int, input_power: Array) -> torch.Tensor:
    (penalty,) = inputs_free(np.array([[value]]), input_power)
    return tensor(penalty[source_of_regressor(np.zeros(n_units, dtype=int), len(input_power))])
