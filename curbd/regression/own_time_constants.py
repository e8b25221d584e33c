"""Whether held-out data ask for time constants of single units or regions.

The states one sample ahead are predicted under one time constant of all units and under one for each group of units.
Weights, time constants and noise come from all folds but one, whose likelihood is computed; the penalties are the same
under both hypotheses.
"""

from __future__ import annotations

import numpy as np
import torch

from curbd.network.equation import decay
from curbd.network.tensors import tensor
from curbd.regression.evidence import LEAST_NOISE_VARIANCE, evidence_penalties
from curbd.regression.moments import Moments
from curbd.regression.state_moments import StateMoments, state_moments
from curbd.regression.time_constant import most_evident_tau
from curbd.regression.transitions import TrainingData, regressors, source_of_regressor, transitions

Array = np.ndarray
FOLDS = 5


def gain_of_own_time_constants(data: TrainingData) -> float:
    """Compute the gain in held-out log likelihood by time constants of the groups of units over a common one, in nats.

    Parameters
    ----------
    data : the training trials, with the groups of units (`TrainingData.tau_group`).
    """
    pairs = transitions(data, FOLDS)
    z = regressors(pairs)
    folds = [
        state_moments(z[pairs.fold == fold], pairs.x[pairs.fold == fold], pairs.x_next[pairs.fold == fold])
        for fold in np.unique(pairs.fold)
    ]
    together = data._replace(tau_group=None)
    total = _sum(folds)
    source = source_of_regressor(data.region, data.u.shape[2])
    common = decay(data.dt_s, most_evident_tau(total, together)[0], data.substeps)
    penalty = evidence_penalties(total.currents(common), source, np.ones((data.n_regions, source.max() + 1)))
    gain = 0.0
    for held_out, of_fold in enumerate(folds):
        rest = _sum([fold for index, fold in enumerate(folds) if index != held_out])
        for sign, grouped in ((1, data), (-1, together)):
            tau_s = most_evident_tau(rest, grouped)[0]
            shares = np.full(len(data.region), decay(data.dt_s, tau_s, data.substeps))
            gain += sign * _likelihood(of_fold, rest, shares, penalty[data.region][:, source])
    return gain


def _sum(folds: list[StateMoments]) -> StateMoments:
    both, across = zip(*folds, strict=True)
    added = Moments(*(torch.stack(statistic).sum(0) for statistic in zip(*both, strict=True)))
    return StateMoments(added, torch.stack(across).sum(0))


def _likelihood(held_out: StateMoments, rest: StateMoments, D: Array, ridge: Array) -> float:
    """Log likelihood of the next states of a fold, in nats, under the weights and the noise of all other folds.

    Parameters
    ----------
    held_out, rest : moments of the fold and of all other folds.
    D : (unit,) shares of the states that are left after one sample.
    ridge : (unit, regressor) penalties.
    """
    keep = tensor(D)
    change = rest.both.YZ[len(D) :] - keep[:, None] * rest.both.YZ[: len(D)]
    V = torch.empty_like(change)
    for penalties in np.unique(ridge, axis=0):
        rows = np.flatnonzero((ridge == penalties).all(1))
        V[rows] = torch.cholesky_solve(
            change[rows].T, torch.linalg.cholesky(rest.both.ZZ + torch.diag(tensor(penalties)))
        ).T
    noise = (_error(rest, keep, V) / rest.both.n).clamp_min(LEAST_NOISE_VARIANCE)
    return -0.5 * float((held_out.both.n * torch.log(noise) + _error(held_out, keep, V) / noise).sum())


def _error(states: StateMoments, keep: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
    """Squared error (unit,) of the next states D x + V z."""
    n, both = len(keep), states.both
    change = both.YZ[n:] - keep[:, None] * both.YZ[:n]
    square = both.YY[n:] - 2 * keep * states.across + keep**2 * both.YY[:n]
    return square - 2 * (V * change).sum(1) + ((V @ both.ZZ) * V).sum(1)
