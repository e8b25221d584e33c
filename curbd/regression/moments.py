"""Second moments of the regression of currents on the activity of all sources, from which regressions are solved.

The current y of every unit is regressed on z = [r, u, 1]: the rates of all units, the inputs and a constant. Currents
are in the (dimensionless) units of the state x in tau dx/dt = -x + J r + B u + b.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import get_lapack_funcs

from curbd.network.tensors import tensor
from curbd.regression.symmetric_products import ROWS_OF_BLOCK, add_scatter, quadratic_forms, scatter

Array = np.ndarray
LEAST_SUM_OF_SQUARES = 1e-12
"""Sums of squares of a unit's current below this value count as this value."""
LEAST_ROWS_OF_LAPACK = 400
"""Smaller matrices are factorised by torch, many of them at once."""
VALUES_OF_BLOCK = 1 << 23
"""Largest number of values of a block of trials, 64 MiB in double precision, unless a single trial has more."""


class Moments(NamedTuple):
    """Second moments of a regression of the targets y (pair, unit) on the regressors z (pair, regressor).

    A pair is a transition between two consecutive samples. All arrays may have one additional leading axis, over folds.

    Attributes
    ----------
    ZZ : (regressor, regressor) second moments of the regressors, the sum of z z' over pairs.
    YZ : (unit, regressor) second moments of targets and regressors, the sum of y z' over pairs.
    YY : (unit,) sum of y^2 over pairs.
    n : number of pairs.
    """

    ZZ: torch.Tensor
    YZ: torch.Tensor
    YY: torch.Tensor
    n: torch.Tensor

    def total(self) -> Moments:
        """Add up the moments over the leading axis; those of a single group are not copied."""
        return Moments(*(statistic.sum(0) if len(self.n) > 1 else statistic[0] for statistic in self))

    def without(self) -> Moments:
        """For each fold, add up the moments of all other folds."""
        return Moments(*(statistic.sum(0, keepdim=True) - statistic for statistic in self))

    def of_no_pairs(self, n_groups: int) -> Moments:
        """Return moments of the same shape that contain no pair, of some groups along a leading axis."""
        return Moments(*(statistic.new_zeros((n_groups, *statistic.shape)) for statistic in self))

    def add(self, group: int, more: Moments) -> None:
        """Add the moments of further pairs to those of a group, in place."""
        for statistic, value in zip(self, more, strict=True):
            statistic[group] += value

    def add_pairs(self, group: int, z: Array, y: Array) -> None:
        """Add the moments of further pairs to those of a group, in place and without a matrix in between.

        Parameters
        ----------
        group : index of the group.
        z : (pair, regressor) regressors.
        y : (pair, unit) currents.
        """
        z_of_all, y_of_all = tensor(z), tensor(y)
        add_scatter(self.ZZ[group], z_of_all)
        self.YZ[group].addmm_(y_of_all.mT, z_of_all)
        self.YY[group] += (y_of_all * y_of_all).sum(0)
        self.n[group] += len(z)

    def weighted(self, weight: torch.Tensor) -> Moments:
        """Add up the moments over the leading axis with weights (sum, leading): (sum, ...)."""
        return Moments(*(torch.tensordot(weight, statistic, dims=1) for statistic in self))

    def of_units(self, rows: Array) -> Moments:
        """Select the moments of some units, by their indices."""
        return self._replace(YZ=self.YZ[..., rows, :], YY=self.YY[..., rows])

    def plus(self, more: Moments) -> Moments:
        """Add the moments of another data set."""
        return Moments(*(first + second for first, second in zip(self, more, strict=True)))


def no_pairs(n_groups: int, n_units: int, n_regressors: int) -> Moments:
    """Return the moments of no pair, of some groups along a leading axis, to which pairs can be added."""
    zeros = tensor(np.zeros(n_groups))
    return Moments(
        ZZ=zeros.new_zeros((n_groups, n_regressors, n_regressors)),
        YZ=zeros.new_zeros((n_groups, n_units, n_regressors)),
        YY=zeros.new_zeros((n_groups, n_units)),
        n=zeros,
    )


def moments(z: Array, y: Array, fold: Array | None = None) -> Moments:
    """Compute the second moments of a regression of currents y on regressors z.

    Parameters
    ----------
    z : (pair, regressor) regressors.
    y : (pair, unit) currents.
    fold : (pair,) index of the cross-validation fold of each pair, or None.

    Returns
    -------
    The moments of all pairs; with folds, the moments of each fold along a leading axis.
    """
    if fold is None:
        return _moments_of_all(z, y)
    of_folds = [_moments_of_all(z[fold == k], y[fold == k]) for k in range(int(fold.max()) + 1)]
    return Moments(*(torch.stack(statistic) for statistic in zip(*of_folds, strict=True)))


def _moments_of_all(z: Array, y: Array) -> Moments:
    z_of_all, y_of_all = tensor(z), tensor(y)
    n = torch.tensor(float(len(z)), dtype=torch.float64, device=z_of_all.device)
    return Moments(scatter(z_of_all), y_of_all.T @ z_of_all, (y_of_all * y_of_all).sum(0), n)


class Block(NamedTuple):
    """Some pairs of a regression, out of many that are not in memory at the same time.

    Attributes
    ----------
    z : (pair, regressor) regressors.
    y : (pair, unit) currents.
    group : (pair,) index of the group that each pair belongs to.
    """

    z: Array
    y: Array
    group: Array


def summed_moments(blocks: Iterable[Block], n_groups: int) -> Moments:
    """Add up the second moments of pairs that come in blocks.

    Parameters
    ----------
    blocks : the pairs, each in one block; at least one block.
    n_groups : number of groups.

    Returns
    -------
    The moments of each group, along a leading axis.
    """
    total: Moments | None = None
    for block in blocks:
        for index in range(n_groups):
            chosen = block.group == index
            added = _moments_of_all(block.z[chosen], block.y[chosen])
            if total is None:
                total = added.of_no_pairs(n_groups)
            total.add(index, added)
    assert total is not None
    return total


def block_slices(count: int, values_of_each: int) -> Iterator[slice]:
    """Cut trials, or bins, into blocks of about `VALUES_OF_BLOCK` values.

    Parameters
    ----------
    count : number of trials or bins.
    values_of_each : number of values of each, over all other axes.
    """
    at_once = max(1, VALUES_OF_BLOCK // max(values_of_each, 1))
    for start in range(0, count, at_once):
        yield slice(start, min(start + at_once, count))


def weighted_moments(z: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> Moments:
    """Compute the second moments of a regression in which every unit weights the pairs differently.

    Parameters
    ----------
    z : (pair, regressor) regressors.
    y : (unit, pair) currents.
    weight : (unit, pair) weights of the pairs.

    Returns
    -------
    Moments with ZZ (unit, regressor, regressor) and n (unit,), the sums of the weights.
    """
    ZZ = torch.stack([(z.T * of_unit) @ z for of_unit in weight])
    return Moments(ZZ, (weight * y) @ z, (weight * y**2).sum(1), weight.sum(1))


def times_scatter(W: torch.Tensor, ZZ: torch.Tensor) -> torch.Tensor:
    """Return W_i ZZ_i (unit, regressor); ZZ is one matrix of second moments for all units, or one matrix per unit."""
    return (W[:, None] @ ZZ)[:, 0]


def squared_error_by_unit(m: Moments, W: torch.Tensor) -> torch.Tensor:
    """Return the sum over pairs of (y - W z)^2 (unit,); the moments m have one matrix ZZ for all units or per unit."""
    return m.YY - 2 * (W * m.YZ).sum(1) + (times_scatter(W, m.ZZ) * W).sum(1)


def penalised(gram: torch.Tensor, ridge: torch.Tensor) -> torch.Tensor:
    """Add ridge penalties (regressor,) to the diagonal of a matrix of second moments, in a copy."""
    penalised_gram = gram.clone()
    penalised_gram.diagonal().add_(ridge)
    return penalised_gram


def cholesky(matrix: torch.Tensor) -> torch.Tensor:
    """Return the Cholesky factors (..., row, row), lower triangular, of positive definite matrices.

    On processors, LAPACK of SciPy takes two thirds of the time of that of torch.

    Raises
    ------
    torch.linalg.LinAlgError : a matrix is not positive definite.
    """
    if matrix.device.type != "cpu" or matrix.shape[-1] < LEAST_ROWS_OF_LAPACK:
        return torch.linalg.cholesky(matrix)
    if matrix.dim() > 2:
        return torch.stack([cholesky(single) for single in matrix])
    values = matrix.numpy()
    (potrf,) = get_lapack_funcs(("potrf",), (values,))
    # LAPACK counts columns first: its upper triangle is the lower triangle here.
    factor, failed = potrf(values.T, lower=0)
    if failed:
        raise torch.linalg.LinAlgError("the matrix is not positive definite")
    return torch.from_numpy(factor.T)


def inverse_of(factor: torch.Tensor) -> torch.Tensor:
    """Return the inverses (..., row, row) of matrices from their factors, as `cholesky` returns them."""
    if factor.device.type != "cpu" or factor.shape[-1] < LEAST_ROWS_OF_LAPACK:
        return torch.cholesky_inverse(factor)
    if factor.dim() > 2:
        return torch.stack([inverse_of(single) for single in factor])
    values = factor.numpy()
    (potri,) = get_lapack_funcs(("potri",), (values,))
    inverse, _ = potri(values.T, lower=0)
    lower = torch.from_numpy(inverse.T)
    # The other triangle, a block of rows at a time.
    for start in range(0, len(lower), ROWS_OF_BLOCK):
        rows, later = slice(start, start + ROWS_OF_BLOCK), slice(start + ROWS_OF_BLOCK, None)
        block = lower[rows, rows]
        block.copy_(block.tril() + block.tril(-1).mT)
        lower[rows, later] = lower[later, rows].mT
    return lower


def inverse_factor(gram: torch.Tensor, ridge: torch.Tensor) -> torch.Tensor:
    """Return U (regressor, regressor), upper triangular, with U U' the inverse of ``gram + diag(ridge)``.

    U takes half the work of the inverse, and is enough for solutions and for single rows and the diagonal of the
    inverse.

    Parameters
    ----------
    gram : (regressor, regressor) second moments of the regressors, in the precision in which U is computed.
    ridge : (regressor,) ridge penalties.

    Raises
    ------
    torch.linalg.LinAlgError : the sum is not positive definite.
    """
    matrix = penalised(gram, ridge)
    if matrix.device.type == "cpu":
        # LAPACK counts columns first: its lower triangle of the symmetric matrix is the upper triangle here.
        values = matrix.numpy().T
        potrf, trtri = get_lapack_funcs(("potrf", "trtri"), (values,))
        factor, failed = potrf(values, lower=1, overwrite_a=1)
        if not failed:
            inverse, _ = trtri(factor, lower=1, overwrite_c=1)
            return torch.from_numpy(inverse.T)
    # Also raises the error of a matrix that is not positive definite.
    factor = torch.linalg.cholesky(penalised(gram, ridge))
    identity = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, identity, upper=False).mT


def solutions(gram: torch.Tensor, ridge: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Solve one ridge regression per unit: (gram + diag(ridge))^-1 right.

    Parameters
    ----------
    gram : second moments of the regressors, (regressor, regressor) for all units or (unit, regressor, regressor).
    ridge : (unit, regressor) ridge penalties.
    right : (unit, regressor) second moments of targets and regressors.

    Returns
    -------
    The solutions, and the diagonal of the inverse of every matrix, both (unit, regressor).
    """
    factors = (inverse_factor(*of_unit) for of_unit in zip(gram.expand(len(ridge), -1, -1), ridge, strict=True))
    rows = [(U @ (U.mT @ of_unit), U.square().sum(1)) for U, of_unit in zip(factors, right, strict=True)]
    solved, diagonal = (torch.stack(of_units) for of_units in zip(*rows, strict=True))
    return solved, diagonal


def squared_error(m: Moments, W: torch.Tensor, rows: Array | slice = slice(None)) -> torch.Tensor:
    """Return the squared error of a regression: the sum over pairs of (y - W z)^2.

    Parameters
    ----------
    m : second moments of the targets y and the regressors z.
    W : (..., row, regressor) weights.
    rows : indices of the units that the rows of W belong to; by default all units.

    Returns
    -------
    (..., row) squared error.
    """
    cross = (W * m.YZ[..., rows, :]).sum(-1)
    squares = quadratic_forms(W, m.ZZ) if m.ZZ.dim() == 2 else ((W @ m.ZZ) * W).sum(-1)
    return m.YY[..., rows] - 2 * cross + squares
