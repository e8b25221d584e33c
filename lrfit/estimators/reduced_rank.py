"""Reduced-rank regression in the metric of the currents: the best low-rank network in one eigendecomposition.

The one-step regression of `curbd.estimators.one_step` with J of rank R. Inputs and bias are partialled out; then
J_R = V V' J, where J is the ridge solution and V holds the first R principal directions of the currents that it
predicts, loses less of these currents than any other matrix of that rank.
Publications: Izenman, J. Multivar. Anal. 1975 (reduced-rank regression); Mukherjee & Zhu, Stat. Anal. Data Min. 2011
(with a ridge penalty).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network, tensor
from curbd.network.fit import Fit
from curbd.regression.moments import PENALTY_GRID, Moments, held_out_errors, inputs_free, moments, squared_error
from curbd.regression.moments import solve as ridge
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import TrainingData, as_network, regressors, source_of_regressor, targets, transitions
from curbd.settings.models import ReducedRank
from lrfit.network import canonical

Array = np.ndarray

log = logging.getLogger(__name__)


class Choice(NamedTuple):
    """What a regression needs to know beside its statistics.

    Attributes
    ----------
    rank : rank of J.
    penalty : ridge penalty on J.
    noise : (unit,) variance of what the activity one bin earlier does not tell about each unit's current; errors
        count in this unit.
    input_power : (input,) sum of squares of each input.
    """

    rank: int
    penalty: float
    noise: Array
    input_power: Array


def reduced_rank(data: TrainingData, options: ReducedRank, rng: np.random.Generator) -> Fit:
    """Fit a low-rank network in closed form; deterministic, ``rng`` is not used.

    Returns
    -------
    The network, its penalty and its factors in the canonical gauge (see `canonical`).
    """
    network, choice = closed_form(data, options)
    return low_rank_fit(data, network, choice)


def closed_form(data: TrainingData, options: ReducedRank) -> tuple[Network, Choice]:
    """The network, and the rank and penalty that were chosen for it."""
    pairs = transitions(data, options.folds)
    tau_s = estimate_tau(data, pairs) if data.tau_s is None else data.tau_s
    y = targets(pairs, data.dt_s, tau_s, data.substeps)
    folds = moments(regressors(pairs), y, pairs.fold)
    choice = choose(folds, (pairs.u**2).sum(0), options)
    network = as_network(solve(folds.total(), choice), data, tau_s)
    # With several Euler steps a sample the rates between samples come from the fit itself; two rounds settle them.
    for _ in range(2 if data.substeps > 1 else 0):
        network = as_network(solve(moments(regressors(pairs, network), y), choice), data, tau_s)
    return network, choice


def low_rank_fit(data: TrainingData, network: Network, choice: Choice) -> Fit:
    """A network with its factors, J = m n' exactly."""
    m, n = canonical(network.J, transitions(data).r, choice.rank)
    penalty = np.full((data.n_regions, data.n_regions), choice.penalty)
    return Fit(network._replace(J=m @ n.T), penalty, factors=(m, n))


def choose(folds: Moments, input_power: Array, options: ReducedRank) -> Choice:
    """Rank and penalty by held-out one-step error on the training folds.

    The noise of each unit is its held-out error under the best regression without a limit on the rank. What a unit's
    own rate tells of its current may be part of J or the unit's own affair (see `without_own`): the rank is the one
    under the view that needs fewer latents, the penalty the best one at that rank.
    """
    n_units = folds.YY.shape[1]
    rows = np.arange(n_units)
    grid = [_penalties(value, n_units, input_power) for value in PENALTY_GRID]
    without = folds.without()
    shares = [held_out_errors(folds, without, penalty).sum(0) for penalty in grid]
    best = min(range(len(PENALTY_GRID)), key=lambda place: float(shares[place].mean()))
    noise = (shares[best] * folds.YY.sum(0) / folds.n.sum()).clamp_min(1e-12).cpu().numpy()
    most = min(options.rank or options.max_rank, n_units)
    errors = rank_errors(in_noise(folds, noise), grid, n_units, most)
    rank = most
    if options.rank is None:
        shared = without_own(folds, ridge(folds.total(), grid[best]), rows)
        rank = min(smallest_rank(errors), smallest_rank(rank_errors(in_noise(shared, noise), grid, n_units, most)))
    if options.rank is None and rank == options.max_rank:
        log.info("rank %d is the largest that was tried; more may be needed (max_rank)", rank)
    return Choice(rank, float(PENALTY_GRID[errors[:, :, rank].sum(1).argmin()]), noise, input_power)


def smallest_rank(errors: Array, against_none: float = 1.0) -> int:
    """The smallest rank, it may be 0, whose error is within one standard error of that of the best rank.

    Parameters
    ----------
    errors : (penalty, fold, rank + 1) held-out error; every rank counts with its own best penalty. The standard error
        is that of the difference between the two ranks over folds.
    against_none : standard errors by which rank 0 may be worse.
    """
    ranks = np.arange(errors.shape[2])
    of_rank = errors[errors.sum(1).argmin(0), :, ranks].T
    lost = of_rank - of_rank[:, [of_rank.sum(0).argmin()]]
    allowed = np.where(ranks == 0, against_none, 1.0) * lost.std(0, ddof=1) / np.sqrt(len(lost))
    return int((lost.mean(0) <= allowed).argmax())


def without_own(folds: Moments, W: torch.Tensor, columns: Array) -> Moments:
    """Statistics of the currents less what each unit's own rate tells of its current, in a fit without limit on rank.

    Measurement noise, smoothing and a memory of the unit itself act on that unit alone. Such a diagonal of the
    connectivity is of full rank and would hide the rank of what the units share.

    Parameters
    ----------
    W : (unit, regressor) that fit.
    columns : (unit,) which regressor is the rate of the unit itself.
    """
    rows = np.arange(len(columns))
    own = W[rows, columns]
    rate, current = folds.ZZ[:, columns], folds.YZ[:, rows, columns]
    power = rate[:, rows, columns]
    return folds._replace(YZ=folds.YZ - own[:, None] * rate, YY=folds.YY - 2 * own * current + own**2 * power)


def solve(total: Moments, choice: Choice) -> Array:
    """W (unit, regressor) with J of the chosen rank; inputs and bias are fitted given J."""
    n_units = total.YY.shape[-1]
    penalty = _penalties(choice.penalty, n_units, choice.input_power)
    W = at_rank(regression(in_noise(total, choice.noise), penalty, n_units), choice.rank)
    return (tensor(np.sqrt(choice.noise))[:, None] * W).cpu().numpy()


class Regression(NamedTuple):
    """The regression at every rank: W_R = outside + V_R V_R' gained, currents in units of their noise.

    outside (unit, regressor): the regressors without a limit alone; gained (unit, regressor): what the ridge solution
    with all adds; V (unit, unit): principal directions of the currents that this adds, the largest first. A leading
    axis runs over folds.
    """

    outside: torch.Tensor
    gained: torch.Tensor
    directions: torch.Tensor


def regression(m: Moments, penalty: torch.Tensor, limited: int) -> Regression:
    """Solve for every rank of the weights on the first ``limited`` regressors; the others are partialled out.

    Parameters
    ----------
    m : statistics, currents in units of their noise.
    penalty : (regressor,) ridge penalties.
    """
    known = Moments(m.ZZ[..., limited:, limited:], m.YZ[..., limited:], m.YY, m.n)
    outside = torch.nn.functional.pad(ridge(known, penalty[limited:]), (limited, 0))
    gained = ridge(m, penalty) - outside
    # The limited regressors enter only by what the others do not explain of them: `gained` holds that part of these.
    currents = gained @ (m.ZZ + torch.diag(penalty)) @ gained.mT
    return Regression(outside, gained, torch.linalg.eigh(currents).eigenvectors.flip(-1))


def at_rank(solution: Regression, rank: int) -> torch.Tensor:
    """W (unit, regressor) of one rank."""
    V = solution.directions[..., :rank]
    return solution.outside + V @ (V.mT @ solution.gained)


def rank_errors(folds: Moments, penalties: Sequence[torch.Tensor], limited: int, most: int) -> Array:
    """(penalty, fold, rank + 1) held-out squared error for every rank up to ``most``; see `regression`."""
    errors = []
    for penalty in penalties:
        outside, gained, directions = regression(folds.without(), penalty, limited)
        V = directions[..., :most]
        residual = folds.YZ - outside @ folds.ZZ
        per_direction = ((gained @ folds.ZZ - 2 * residual) @ gained.mT @ V * V).sum(-2)
        none = squared_error(folds, outside).sum(-1, keepdim=True)
        errors.append(torch.cat([none, none + per_direction.cumsum(-1)], dim=-1))
    return torch.stack(errors).cpu().numpy()


def in_noise(m: Moments, noise: Array) -> Moments:
    """Statistics with the currents in units of their noise, whose variance (unit,) is given."""
    variance = tensor(noise)
    return m._replace(YZ=m.YZ / variance.sqrt()[:, None], YY=m.YY / variance)


def _penalties(value: float, n_units: int, input_power: Array) -> torch.Tensor:
    (penalty,) = inputs_free(np.array([[value]]), input_power)
    return tensor(penalty[source_of_regressor(np.zeros(n_units, dtype=int), len(input_power))])
