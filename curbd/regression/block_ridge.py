"""Ridge regression of the current with one penalty for each pair of a target region and a source.

The current y = J r + B u + b of every unit is regressed on the rates r of all units, the inputs u and a constant.
Currents are in the (dimensionless) units of the state x in tau dx/dt = -x + y.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, decay, weights
from curbd.network.fit import Posterior
from curbd.network.tensors import tensor
from curbd.regression.cross_validation import choose_penalties
from curbd.regression.evidence import evidence_penalties, held_out_likelihood, is_inside
from curbd.regression.moments import Moments, moments, squared_error
from curbd.regression.ridge_factors import solved_blocks
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import (
    TrainingData,
    Transitions,
    as_network,
    lag_one,
    regressors,
    source_of_regressor,
    targets,
)

Array = np.ndarray
SUBSTEP_ROUNDS = 2
"""Additional rounds if there are several Euler steps in a sample. In each round, the previous solution fills in the
rates between samples; the rates hardly change after two rounds."""
MAX_AUTOCORRELATION = 0.999
"""Lag-1 autocorrelations of residuals above this value count as this value in the inflation of the noise variance."""


class Regression(NamedTuple):
    """A solved ridge regression of currents.

    Attributes
    ----------
    network : the network with the solved weights.
    penalty : (target region, source) ridge penalties.
    total : second moments of all training transitions.
    source : (regressor,) index of the source that each regressor belongs to.
    penalty_by : how the penalties were chosen, ``evidence`` or ``cross_validation``.
    determined : (target region,) number of the weights onto a unit that the data determine, see `SolvedBlocks`.
    """

    network: Network
    penalty: Array
    total: Moments
    source: Array
    penalty_by: str
    determined: Array

    @property
    def between_regions(self) -> Array:
        """(target region, source region) penalties."""
        return self.penalty[:, : len(self.penalty)]


def regress(data: TrainingData, pairs: Transitions, penalties: str = "auto") -> Regression:
    """Choose the penalties (and the time constant, if none is given) and solve the ridge regression of the current.

    Parameters
    ----------
    data : the training trials.
    pairs : transitions of the training trials, with the folds of the cross-validation.
    penalties : how the penalties are chosen, ``auto``, ``evidence`` or ``cross_validation``
        (see `curbd.settings.estimators.OneStep`).

    Returns
    -------
    The network, its penalties, and the moments that were solved.
    """
    tau_s = estimate_tau(data, pairs) if data.tau_s is None else data.tau_s
    y = targets(pairs, decay(data.dt_s, tau_s, data.substeps))
    source = source_of_regressor(data.region, data.u.shape[2])
    folds = moments(regressors(pairs), y, pairs.fold)
    penalty, penalty_by = block_penalties(folds, source, data.n_regions, penalties)
    total = folds.total()
    W, determined = solved_blocks(total, source, penalty)
    for _ in range(SUBSTEP_ROUNDS if data.substeps > 1 else 0):
        total = moments(regressors(pairs, as_network(W, data, tau_s)), y)
        W, determined = solved_blocks(total, source, penalty)
    return Regression(as_network(W, data, tau_s), penalty, total, source, penalty_by, determined)


def block_penalties(folds: Moments, source: Array, n_regions: int, how: str) -> tuple[Array, str]:
    """Choose the penalties (target region, source); also return whether evidence or cross_validation chose them.

    ``auto`` uses the penalties of the evidence if the evidence has an optimum and held-out folds are not more likely
    under the penalties of cross-validation. The penalties of inputs and bias are chosen by the evidence in any case.

    Parameters
    ----------
    folds : second moments of each fold.
    source : (regressor,) index of the source that each regressor belongs to.
    n_regions : number of regions.
    how : ``auto``, ``evidence`` or ``cross_validation``.
    """
    by_evidence = evidence_penalties(folds.total(), source, np.ones((n_regions, source.max() + 1)))
    if how == "evidence":
        return by_evidence, how
    by_validation = choose_penalties(folds, source, by_evidence)
    if how == "auto" and is_inside(by_evidence):
        evidence, validation = (held_out_likelihood(folds, source, penalty) for penalty in (by_evidence, by_validation))
        if evidence >= validation:
            return by_evidence, "evidence"
    return by_validation, "cross_validation"


def posterior(regression: Regression, data: TrainingData, pairs: Transitions) -> Posterior:
    """Compute the posterior of the weights; residuals that are correlated in time widen it (see `inflation`).

    Parameters
    ----------
    regression : a solved regression.
    data : the training trials.
    pairs : the transitions on which the autocorrelation of the residuals is measured.

    Returns
    -------
    The posterior of the weights onto all units.
    """
    ridge = regression.penalty[data.region][:, regression.source]
    variance = residual_variance(regression, data) * inflation(regression.network, pairs)
    return Posterior(noise_variance=variance, gram=regression.total.ZZ.cpu().numpy(), ridge=ridge)


def residual_variance(regression: Regression, data: TrainingData) -> Array:
    """Return the residual variance (unit,): squared error of the current, divided by the degrees of freedom."""
    network, total = regression.network, regression.total
    freedom = np.maximum(float(total.n) - regression.determined, 1.0)[data.region]
    return np.maximum(squared_error(total, tensor(weights(network))).cpu().numpy(), 0) / freedom


def inflation(network: Network, pairs: Transitions) -> Array:
    """Return the multiplier (unit,) of the noise variance for residuals that are correlated in time.

    The multiplier is (1 + rho) / (1 - rho), where rho is the lag-1 autocorrelation of the residuals, at least 0. It is
    1 for white process noise. If the model misses an input, or if the data have no noise, the residuals are correlated
    over many samples. The samples are then fewer independent observations than their number suggests, and the posterior
    must be wider.
    """
    y = targets(pairs, network.decay)
    error = y - regressors(pairs, network) @ weights(network).T
    rho = np.clip(lag_one(error, pairs), 0, MAX_AUTOCORRELATION)
    return (1 + rho) / (1 - rho)
