"""Ridge regression of the current with one penalty for each pair of a target region and a source."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network, tensor, weights
from curbd.network.fit import Posterior
from curbd.regression.evidence import evidence_penalties, held_out_likelihood, is_inside
from curbd.regression.moments import Moments, choose_penalties, moments, solve_blocks, squared_error
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


class Regression(NamedTuple):
    """A solved regression: the network, its penalties (target region, source), and what it was solved from.

    total : statistics of all training transitions. source : (regressor,) number of each regressor's source.
    penalty_by : how the penalties were chosen, ``evidence`` or ``cross_validation``.
    """

    network: Network
    penalty: Array
    total: Moments
    source: Array
    penalty_by: str

    @property
    def between_regions(self) -> Array:
        """(target region, source region) penalties."""
        return self.penalty[:, : len(self.penalty)]


def regress(data: TrainingData, pairs: Transitions, penalties: str = "auto") -> Regression:
    """Choose the time constant (where it is not given) and the penalties, and solve.

    pairs : the transitions of the data, with the folds of the cross-validation.
    penalties : ``auto``, ``evidence`` or ``cross_validation``, see `curbd.settings.models.OneStep`.
    """
    tau_s = estimate_tau(data, pairs) if data.tau_s is None else data.tau_s
    y = targets(pairs, data.dt_s, tau_s, data.substeps)
    source = source_of_regressor(data.region, data.u.shape[2])
    parts = moments(regressors(pairs), y, pairs.fold)
    penalty, chosen = _penalties(parts, source, data.n_regions, penalties)
    total = parts.total()
    network = as_network(solve_blocks(total, source, penalty), data, tau_s)
    # With several Euler steps a sample the rates between samples come from the fit itself; two rounds settle them.
    for _ in range(2 if data.substeps > 1 else 0):
        total = moments(regressors(pairs, network), y)
        network = as_network(solve_blocks(total, source, penalty), data, tau_s)
    return Regression(network, penalty, total, source, chosen)


def _penalties(folds: Moments, source: Array, n_regions: int, how: str) -> tuple[Array, str]:
    """Penalties (target region, source), and whether they are those of evidence or cross_validation.

    ``auto`` takes the evidence where it has an optimum and held-out folds are not more likely under the others. Those
    of inputs and bias are by the evidence in any case.
    """
    evident = evidence_penalties(folds.total(), source, np.ones((n_regions, source.max() + 1)))
    if how == "evidence":
        return evident, how
    validated = choose_penalties(folds, source, evident)
    if how == "auto" and is_inside(evident):
        likelihood, other = (held_out_likelihood(folds, source, one) for one in (evident, validated))
        if likelihood >= other:
            return evident, "evidence"
    return validated, "cross_validation"


def posterior(regression: Regression, data: TrainingData, pairs: Transitions) -> Posterior:
    """Posterior of the weights; the noise variance is that of the residual times its `inflation`."""
    ridge = regression.penalty[data.region][:, regression.source]
    variance = residual_variance(regression, data) * inflation(regression.network, pairs)
    return Posterior(variance, regression.total.ZZ.cpu().numpy(), ridge)


def residual_variance(regression: Regression, data: TrainingData) -> Array:
    """(unit,) squared error of the current over its degrees of freedom."""
    network, penalty, total, source, _ = regression
    W = weights(network)
    ridge = tensor(penalty[:, source])
    used = torch.linalg.solve(total.ZZ + torch.diag_embed(ridge), total.ZZ).diagonal(dim1=1, dim2=2).sum(1)
    freedom = np.maximum((total.n - used).cpu().numpy(), 1.0)[data.region]
    return np.maximum(squared_error(total, tensor(W)).cpu().numpy(), 0) / freedom


def inflation(network: Network, pairs: Transitions) -> Array:
    """(unit,) how many times fewer independent facts the residuals are than transitions, (1 + rho) / (1 - rho).

    rho is their lag-1 autocorrelation, at least 0. White process noise leaves the posterior as it is; a model that
    misses an input, or data without noise, must not be as sure as the number of samples suggests.
    """
    y = targets(pairs, network.dt_s, network.tau_s, network.substeps)
    error = y - regressors(pairs, network) @ weights(network).T
    rho = np.clip(lag_one(error, pairs), 0, 0.999)
    return (1 + rho) / (1 - rho)
