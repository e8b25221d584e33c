"""Symmetric matrices in tridiagonal form, to which many penalties on the diagonal can be added at little cost.

An orthogonal matrix Q turns a symmetric matrix A into a tridiagonal matrix T = Q' A Q (Householder, Journal of the ACM
1958). This takes a fraction of the time of the eigenvectors. With any penalty p, A + p has the determinant of T + p,
and b' (A + p)^-1 b follows from T + p and Q' b.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

Array = np.ndarray


class Penalised(NamedTuple):
    """A symmetric matrix with a penalty on the diagonal.

    Attributes
    ----------
    forms : (column,) b' (A + penalty)^-1 b of every column b of the right sides.
    log_determinant : logarithm of the determinant of A + penalty.
    """

    forms: Array
    log_determinant: float


class Tridiagonal(NamedTuple):
    """A symmetric matrix A in tridiagonal form, and right sides.

    Attributes
    ----------
    diagonal : (row,) diagonal of T.
    beside : (row - 1,) elements beside the diagonal; a single 0 if there is a single row.
    right : (row, column) right sides b, multiplied with Q'.
    """

    diagonal: Array
    beside: Array
    right: Array

    @classmethod
    def of(cls, A: Array, right: Array) -> Tridiagonal:
        """Transform a symmetric matrix A (row, row) and right sides (row, column)."""
        if len(A) == 1:
            return cls(A[0].copy(), np.zeros(1), right)
        # LAPACK counts columns first, which makes no difference to a symmetric matrix.
        work = int(lapack.dsytrd_lwork(len(A), lower=1)[0])
        reflectors, diagonal, beside, factor, _ = lapack.dsytrd(A.T, lower=1, lwork=work)
        # The reflectors leave the first row as it is. They are stored as those of a QR decomposition of the other rows.
        turned = np.array(right, order="F")
        of_others = np.asfortranarray(reflectors[1:, :-1])
        work = int(lapack.dormqr("L", "T", of_others, factor, turned[1:], lwork=-1)[1][0])
        turned[1:] = lapack.dormqr("L", "T", of_others, factor, turned[1:], lwork=work)[0]
        return cls(diagonal, beside, turned)

    def penalised(self, penalty: float) -> Penalised | None:
        """Add a penalty to the diagonal; None if the sum is not positive definite.

        Parameters
        ----------
        penalty : the penalty.
        """
        diagonal, beside, failed = lapack.dpttrf(self.diagonal + penalty, self.beside)
        if failed:
            return None
        solution, _ = lapack.dpttrs(diagonal, beside, self.right)
        return Penalised((self.right * solution).sum(0), float(np.log(diagonal).sum()))
