"""Factors of large ridge regressions in single precision, where that is exact enough.

A factor in single precision takes half the time of one in double precision. What its rounding errors do to the weights
is measured with residuals in double precision, and final weights are corrected by the same residuals (iterative
refinement; Moler, Journal of the ACM 1967). Where rounding errors are too large, factors are in double precision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.regression.moments import LEAST_SUM_OF_SQUARES, Moments, inverse_factor

Array = np.ndarray
LEAST_SINGLE_REGRESSORS = 1000
"""Regressions on at least this number of regressors are factorised in single precision, where that is exact enough."""
MAX_ROUNDING_SHARE = 1e-3
"""Largest rounding error of weights, as a share of the weights, with which single precision is exact enough."""
REFINED_SHARE = 1e-4
"""Final weights are corrected until a correction is at most this share of the weights. Every correction leaves about
the same share of the error before, so that weights are then exact to about the square of this share."""
MAX_REFINEMENTS = 4
"""Largest number of corrections."""
MOST_REFINED_SHARE = 1 / 6
"""Final weights of a target with more units than this share of the regressors are solved in double precision: their
correction would take more time than the factorisation saves."""
ROWS_OF_PROBE = 16
"""Number of units on whose weights rounding errors are measured."""


class RidgeFactors:
    """Factors of the inverses of one matrix of second moments with changing ridge penalties.

    Once single precision was too low for some penalties, all further factors are in double precision.

    Parameters
    ----------
    gram : (regressor, regressor) second moments of the regressors, in double precision.
    """

    def __init__(self, gram: torch.Tensor) -> None:
        self.gram = gram
        self.in_single = gram.float() if len(gram) >= LEAST_SINGLE_REGRESSORS else None

    def factor(self, ridge: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return U (regressor, regressor) with U U' the inverse of ``gram + diag(ridge)``, see `inverse_factor`.

        Parameters
        ----------
        ridge : (regressor,) ridge penalties.
        right : (row, regressor) second moments of targets and regressors, of which the first rows tell whether single
            precision is exact enough.
        """
        if self.in_single is not None:
            try:
                U = inverse_factor(self.in_single, ridge)
            except torch.linalg.LinAlgError:
                U = None
            if U is not None and self._rounding_share(U, ridge, right[:ROWS_OF_PROBE]) <= MAX_ROUNDING_SHARE:
                return U
            self.in_single = None
        return inverse_factor(self.gram, ridge)

    def solution(self, U: torch.Tensor, ridge: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Solve X (gram + diag(ridge)) = right for X (row, regressor), to rounding errors of double precision or little
        more.

        Parameters
        ----------
        U : factor for these penalties, as ``factor`` returns it.
        ridge : (regressor,) ridge penalties.
        right : (row, regressor) right sides.
        """
        X = product_with_inverse(U, right)
        if U.dtype == torch.float64:
            return X
        for _ in range(MAX_REFINEMENTS):
            correction = self._correction(U, ridge, right, X)
            X += correction
            if correction.norm() <= REFINED_SHARE * X.norm():
                break
        return X

    def _rounding_share(self, U: torch.Tensor, ridge: torch.Tensor, right: torch.Tensor) -> float:
        """Return the size of the correction of a solution, as a share of the size of the solution."""
        X = product_with_inverse(U, right)
        return float(self._correction(U, ridge, right, X).norm() / X.norm().clamp_min(LEAST_SUM_OF_SQUARES))

    def _correction(self, U: torch.Tensor, ridge: torch.Tensor, right: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
        return product_with_inverse(U, right - X @ self.gram - X * ridge)


def product_with_inverse(U: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Multiply (row, regressor) with the inverse U U', in the precision of U; the product is in double precision."""
    return ((right.to(U.dtype) @ U) @ U.mT).double()


class SolvedBlocks(NamedTuple):
    """A ridge regression that is solved with one penalty for each pair of a target region and a source.

    Attributes
    ----------
    W : (unit, regressor) weights.
    determined : (target region,) number of the weights onto a unit that the data determine: the trace of
        (ZZ + R)^-1 ZZ, with second moments ZZ and penalties R.
    """

    W: Array
    determined: Array


def solved_blocks(total: Moments, source: Array, penalty: Array) -> SolvedBlocks:
    """Solve a ridge regression with one penalty per pair of a target region and a source.

    Parameters
    ----------
    total : second moments of all pairs.
    source : (regressor,) index of the source that each regressor belongs to.
    penalty : (target region, source) ridge penalties.

    Returns
    -------
    The weights, and how many of them the data determine.
    """
    factors, W, determined = RidgeFactors(total.ZZ), np.empty(tuple(total.YZ.shape)), np.empty(len(penalty))
    for target, block in enumerate(penalty):
        rows, ridge = np.flatnonzero(source == target), tensor(block[source])
        right = total.YZ[rows]
        is_single = len(rows) <= MOST_REFINED_SHARE * len(source)
        U = factors.factor(ridge, right) if is_single else inverse_factor(total.ZZ, ridge)
        W[rows] = factors.solution(U, ridge, right).cpu().numpy()
        # As many as there are regressors, minus what the penalties take.
        determined[target] = len(source) - float((ridge * U.square().sum(1)).sum())
    return SolvedBlocks(W, determined)
