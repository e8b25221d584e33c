"""Choice of penalties by the evidence: the probability of the data when the weights are integrated out.

A ridge penalty is the ratio of the noise variance to the prior variance of a weight. The evidence factorises into
predictions of every sample from all samples before it. Cross-validation sums the errors of single held-out samples. For
a network, whose activity is both target and regressor, cross-validation therefore prefers too much shrinkage, and with
it a time constant that is too long. If the data have no noise, the evidence has no optimum and decreases to the
smallest penalty allowed. Reference: MacKay, Neural Computation 1992.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import lapack

from curbd.network.tensors import tensor
from curbd.progress import tracked
from curbd.regression.moments import Moments, penalised, squared_error
from curbd.regression.ridge import PENALTY_GRID
from curbd.regression.ridge_factors import RidgeFactors, product_with_inverse

Array = np.ndarray
MAX_ROUNDS = 60
"""Largest number of rounds of a fixed-point iteration."""
PENALTY_TOLERANCE = 0.01
"""Relative change below which a penalty has converged."""
SETTLED_TOLERANCE = 0.001
"""Relative change below which the penalties of inputs and bias have settled between two rounds."""
LEAST_NOISE_VARIANCE = 1e-14
"""Noise variances below this value count as this value."""
LEAST_SCALED_POWER = 1e-7
"""Sums of squares of the weights of a block, relative to the noise variance, below this value count as this value."""


def evidence_penalties(
    total: Moments,
    source: Array,
    start: Array,
    *,
    gram: torch.Tensor | None = None,
    rounds: int = MAX_ROUNDS,
) -> Array:
    """Choose the penalty of each block by MacKay's fixed point of the evidence.

    A block holds the weights from one source (a region, an input or the bias) to the units of one target region. The
    penalty of a block is the noise variance divided by the variance of the block's weights, in which each weight counts
    by the share of the weight that the data determine (MacKay, Neural Computation 1992). If an input does not reach a
    region, or if the bias is absent, the weights of the input or the bias are shrunk to zero, so that they do not
    imitate the mean or the time course of another current. Penalties stay inside the range of `PENALTY_GRID`; penalties
    of inputs are in units of the input's mean square.

    Parameters
    ----------
    total : second moments of the regression.
    source : (regressor,) index of the source that each regressor belongs to.
    start : (target region, source) penalties from which the iteration starts.
    gram : (regressor, regressor) information on the weights, if the data contain less information than ``total.ZZ``
        (for example because states are inferred); None for ``total.ZZ``.
    rounds : largest number of rounds.

    Returns
    -------
    (target region, source) penalties.
    """
    factors = RidgeFactors(total.ZZ if gram is None else gram)
    penalty, unit = start.copy(), input_units(total.ZZ, float(total.n), source, len(start))
    # Targets that start from the same penalties share the first factorisation.
    first = factors.factor(tensor(start[0][source]), total.YZ)
    for target in tracked(range(len(penalty)), "penalties of the target regions"):
        m = total.of_units(np.flatnonzero(source == target))
        for _ in range(rounds):
            before = penalty[target].copy()
            ridge = tensor(before[source])
            U = first if (before == start[0]).all() else factors.factor(ridge, m.YZ)
            solved = _solved(before, m, U, source, len(penalty), is_all_information=gram is None)
            error, undetermined = _error(m, solved.W, ridge), (ridge * solved.diagonal).expand(m.YZ.shape)
            updated = updated_penalties(solved.W, error, undetermined, float(total.n), source, unit)
            penalty[target] = _with_settled_inputs(updated, solved, m, source, unit, len(penalty))
            if np.abs(np.log(penalty[target] / before)).max() < PENALTY_TOLERANCE:
                break
    return penalty


class _Solved(NamedTuple):
    """A solved regression of one target region.

    Attributes
    ----------
    penalty : (source,) its penalties.
    W : (row, regressor) weights.
    diagonal : (regressor,) diagonal of the inverse of the penalised information on the weights.
    of_outside : (column, regressor) rows of this inverse that belong to inputs and bias.
    full_of_outside : (column, regressor) the same rows of the inverse of the penalised Gram matrix.
    """

    penalty: Array
    W: torch.Tensor
    diagonal: torch.Tensor
    of_outside: torch.Tensor
    full_of_outside: torch.Tensor


def _solved(
    penalty: Array, m: Moments, U: torch.Tensor, source: Array, n_regions: int, *, is_all_information: bool
) -> _Solved:
    """Solve the regression of one target region with some penalties.

    Parameters
    ----------
    penalty : (source,) penalties.
    m : moments of the currents of the target region.
    U : factor of the inverse of the penalised information on the weights, see `inverse_factor`.
    source : (regressor,) index of the source that each regressor belongs to.
    n_regions : number of regions, the first sources.
    is_all_information : whether the information on the weights is the Gram matrix of the moments.
    """
    outside = np.flatnonzero(source >= n_regions)
    of_outside, diagonal = (U[outside] @ U.mT).double(), U.square().sum(1).double()
    if is_all_information:
        return _Solved(penalty, product_with_inverse(U, m.YZ), diagonal, of_outside, of_outside)
    full = torch.linalg.inv(penalised(m.ZZ, tensor(penalty[source])))
    return _Solved(penalty, m.YZ @ full, diagonal, of_outside, full[outside])


def _with_settled_inputs(
    penalty: Array, solved: _Solved, m: Moments, source: Array, unit: Array, n_regions: int
) -> Array:
    """Repeat the fixed-point iteration for the penalties of inputs and bias alone, until they change no more.

    Penalties of regions settle within a few rounds, but those of an input that is absent rise slowly. As an input is a
    single regressor, another penalty changes a solved regression by a matrix of rank one for each input (Woodbury's
    identity): no round of inputs takes a factorisation.

    Parameters
    ----------
    penalty : (source,) penalties of one target region; those of inputs and bias are replaced.
    solved : the regression with the penalties before.
    m : moments of the currents of the target region.
    source : (regressor,) index of the source that each regressor belongs to.
    unit : (source,) units in which the penalties are measured.
    n_regions : number of regions, the first sources.

    Returns
    -------
    (source,) penalties.
    """
    settling = _Settling.of(solved, m, source, n_regions)
    outside, unit = np.arange(n_regions, len(penalty)), unit[n_regions:]
    penalty = penalty.copy()
    for _ in range(MAX_ROUNDS):
        updated = settling.updated(penalty[outside], unit)
        moved = np.abs(np.log(updated / penalty[outside])).max()
        penalty[outside] = updated
        if moved < SETTLED_TOLERANCE:
            break
    return penalty


class _Settling(NamedTuple):
    """What the penalties of inputs and bias need of a solved regression: sums over the many regressors of regions.

    With other penalties on the columns of inputs and bias, the inverse S of the penalised matrix becomes
    S - S[:, columns] M S[columns], and the weights W become W - W[:, columns] M S[columns].

    Attributes
    ----------
    source : (column,) index of the source of each column, from 0 for the first input.
    penalty : (column,) penalties with which the regression was solved.
    W : (row, column) weights.
    weights_inverse : (column, column) part of the inverse of the penalised Gram matrix.
    information_inverse : (column, column) part of the inverse of the penalised information.
    error : (row,) sums of squares of the currents minus their products with the predicted currents.
    shrunk : (row,) squares of the weights from regions, times their penalties, summed.
    shrunk_product : (row, column) the same for products of the weights with rows of the inverse of the Gram matrix.
    shrunk_square : (column, column) the same for products of such rows.
    undetermined : share of the weights from regions that the data do not determine, summed.
    undetermined_square : (column, column) products of rows of the inverse of the information, times penalties, summed.
    free : number of transitions minus the number of regressors.
    """

    source: Array
    penalty: Array
    W: Array
    weights_inverse: Array
    information_inverse: Array
    error: Array
    shrunk: Array
    shrunk_product: Array
    shrunk_square: Array
    undetermined: float
    undetermined_square: Array
    free: float

    @classmethod
    def of(cls, solved: _Solved, m: Moments, source: Array, n_regions: int) -> _Settling:
        """Sum over the regressors of regions."""
        columns = np.flatnonzero(source >= n_regions)
        penalty = solved.penalty[source]
        ridge = tensor(np.where(source < n_regions, penalty, 0.0))
        of_weights, of_information = solved.full_of_outside, solved.of_outside
        weights_inverse = _numpy(of_weights[:, columns])
        is_same = of_weights is of_information
        return cls(
            source=source[columns] - n_regions,
            penalty=penalty[columns],
            W=_numpy(solved.W[:, columns]),
            weights_inverse=weights_inverse,
            information_inverse=weights_inverse if is_same else _numpy(of_information[:, columns]),
            error=_numpy(m.YY - (solved.W * m.YZ).sum(1)),
            shrunk=_numpy((solved.W * ridge * solved.W).sum(1)),
            shrunk_product=_numpy((solved.W * ridge) @ of_weights.mT),
            shrunk_square=_numpy((of_weights * ridge) @ of_weights.mT),
            undetermined=float((ridge * solved.diagonal).sum()),
            undetermined_square=_numpy((of_information * ridge) @ of_information.mT),
            free=float(m.n) - len(source),
        )

    def updated(self, penalty: Array, unit: Array) -> Array:
        """Update the penalties (input or bias,) once, see `updated_penalties`."""
        ridge = penalty[self.source]
        change = ridge - self.penalty
        # M of the inverse of the Gram matrix, by which the weights change, and of the inverse of the information.
        of_weights = _woodbury(self.weights_inverse, change)
        is_same = self.information_inverse is self.weights_inverse
        lost = of_weights if is_same else _woodbury(self.information_inverse, change)
        moved = self.W @ of_weights
        W = self.W - moved @ self.weights_inverse
        diagonal = np.diagonal(self.information_inverse - self.information_inverse @ lost @ self.information_inverse)
        shrunk = self.shrunk + (moved * (moved @ self.shrunk_square - 2 * self.shrunk_product)).sum(1)
        error = self.error + (moved * self.W).sum(1) - shrunk - W**2 @ ridge
        undetermined = ridge * diagonal
        inside = self.undetermined - (lost * self.undetermined_square).sum()
        precision = _precision(error, self.free + inside + undetermined.sum())
        determined = np.bincount(self.source, len(W) * (1 - undetermined))
        return _penalties(determined, np.bincount(self.source, precision @ W**2), unit)


def _woodbury(inverse: Array, change: Array) -> Array:
    """Return M of Woodbury's identity: with a change of the diagonal of A, the inverse S of A becomes S - S M S."""
    within = change[:, None] * inverse
    within.flat[:: len(change) + 1] += 1
    # Matrices are small and many: numpy.linalg.solve takes most of its time to check them.
    return lapack.dgesv(within, np.diag(change))[2]


def _numpy(values: torch.Tensor) -> Array:
    """Return a tensor as an array."""
    return values.cpu().numpy()


def _error(m: Moments, W: torch.Tensor, ridge: torch.Tensor) -> torch.Tensor:
    """Return the squared error (row,) of the weights that solve the regression with penalties (regressor,)."""
    return m.YY - (W * (m.YZ + ridge * W)).sum(1)


def input_units(gram: torch.Tensor, n: float, source: Array, n_regions: int) -> Array:
    """Return the unit in which the penalty of every source is measured: 1 for regions and bias, mean square for inputs.

    Parameters
    ----------
    gram : (regressor, regressor) second moments of the regressors, summed over transitions.
    n : number of transitions in the sum.
    source : (regressor,) index of the source that each regressor belongs to.
    n_regions : number of regions.

    Returns
    -------
    (source,) unit of the penalties.
    """
    power = (gram.diagonal() / n).cpu().numpy()
    unit = np.ones(source.max() + 1)
    outside = source >= n_regions
    unit[source[outside]] = np.where(power[outside] > 0, power[outside], 1)
    return unit


def updated_penalties(
    W: torch.Tensor, error: torch.Tensor, undetermined: torch.Tensor, n: float, source: Array, unit: Array
) -> Array:
    """Update the penalties of a target region once: noise variance divided by the variance of the weights.

    Parameters
    ----------
    W : (row, regressor) weights onto units of the region.
    error : (row,) squared error of the currents of these units, summed over transitions.
    undetermined : (row, regressor) share of each weight that the data do not determine.
    n : number of transitions.
    source : (regressor,) index of the source that each regressor belongs to.
    unit : (source,) units in which the penalties are measured, as `input_units` returns them.

    Returns
    -------
    (source,) penalties.
    """
    determined = (1 - undetermined).cpu().numpy()
    precision = _precision(error.cpu().numpy(), n - determined.sum(1))
    power = np.bincount(source, precision @ W.cpu().numpy() ** 2)
    return _penalties(np.bincount(source, determined.sum(0)), power, unit)


def _precision(error: Array, free: Array | float) -> Array:
    """Return one over the noise variance of every row, from squared errors (row,) and degrees of freedom left."""
    return 1 / np.maximum(np.maximum(error, 0) / np.maximum(free, 1.0), LEAST_NOISE_VARIANCE)


def _penalties(determined: Array, power: Array, unit: Array) -> Array:
    """Return the penalties (source,) of weights.

    Parameters
    ----------
    determined : (source,) number of weights of each source that the data determine.
    power : (source,) sum of the squares of these weights, relative to the noise variance.
    unit : (source,) units in which the penalties are measured.
    """
    penalty = determined / np.maximum(unit * power, LEAST_SCALED_POWER)
    return unit * np.clip(penalty, PENALTY_GRID[0], PENALTY_GRID[-1])


def is_inside(penalty: Array) -> bool:
    """Return whether the evidence of every pair of regions has its optimum above the smallest penalty allowed.

    An optimum at the largest penalty allowed is accepted: it means that the block is absent.

    Parameters
    ----------
    penalty : (target region, source) penalties that were chosen by the evidence.
    """
    return bool((penalty[:, : len(penalty)] > PENALTY_GRID[0]).all())


def held_out_likelihood(folds: Moments, source: Array, penalty: Array) -> float:
    """Return the log likelihood of a fold given the other folds, with the weights integrated out, averaged over folds.

    The likelihood log N(Y; Z W, s (1 + Z S Z')) is the joint density of all currents Y of a fold, given its regressors
    Z. The first samples of a fold therefore help to predict its later samples. W and s S are the posterior mean and
    covariance of the weights given the other folds, and the noise variance s is estimated on the other folds.

    Parameters
    ----------
    folds : second moments of each fold.
    source : (regressor,) index of the source that each regressor belongs to.
    penalty : (target region, source) penalties.

    Returns
    -------
    Mean log likelihood, in nats.
    """
    likelihood = 0.0
    without = folds.without()
    for k in range(len(folds.n)):
        fold, rest = (Moments(*(statistic[k] for statistic in of_folds)) for of_folds in (folds, without))
        for target, block in enumerate(penalty):
            rows = np.flatnonzero(source == target)
            ridge = tensor(block[source])
            error_of_rest, factor = _penalised(rest, ridge, rows)
            error_of_all, wider = _penalised(rest.plus(fold), ridge, rows)
            inverse = torch.cholesky_inverse(factor)
            free = (rest.n - (inverse * rest.ZZ).sum()).clamp_min(1.0)
            noise = squared_error(rest, rest.YZ[rows] @ inverse, rows).clamp_min(LEAST_NOISE_VARIANCE) / free
            volume = 2 * (wider.diagonal().log() - factor.diagonal().log()).sum()
            missed = (error_of_all - error_of_rest) / noise
            likelihood -= float((fold.n * torch.log(2 * np.pi * noise) + volume + missed).sum()) / 2
    return likelihood / len(folds.n)


def _penalised(m: Moments, ridge: torch.Tensor, rows: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the smallest penalised squared error of every row (row,), and the Cholesky factor of ZZ + diag(ridge)."""
    factor = torch.linalg.cholesky(m.ZZ + torch.diag(ridge))
    whitened = torch.linalg.solve_triangular(factor, m.YZ[rows].mT, upper=False)
    return m.YY[rows] - (whitened**2).sum(0), factor
