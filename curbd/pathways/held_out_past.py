"""The regression of one target on present and past, solved without one fold of trials and measured in this fold.

The present is factored out of the past once. Every penalty on the past that is tried afterwards, and every group of
regressors that is left out, costs a fraction of a regression of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from curbd.regression.moments import LEAST_SUM_OF_SQUARES, Moments, cholesky, inverse_of, penalised
from curbd.regression.symmetric_products import quadratic_forms, scatter

Array = np.ndarray
INVERTED_ROWS_SHARE = 0.1
"""Share of the rows of an inverse for which the whole inverse is computed, and not a solution for every row."""


class RestOfFold:
    """The regression of one target on present and past without one fold, for changing penalties on the past.

    The present is taken out of the past once, so that another penalty on the past costs a factorisation of the size of
    the past alone.

    Parameters
    ----------
    fold : moments of the fold, of the units of the target.
    total : moments of all folds.
    ridge : (regressor of the present,) penalties on the present.
    precision : of the factorisations.
    """

    def __init__(
        self, fold: Moments, total: Moments, ridge: torch.Tensor, precision: torch.dtype = torch.float64
    ) -> None:
        self.fold, self.total, self.ridge = fold, total, ridge
        present, past_alone = slice(len(ridge)), slice(len(ridge), None)
        ZZ = (total.ZZ - fold.ZZ).to(precision)
        self.of_present = cholesky(penalised(ZZ[present, present], ridge.to(precision)))
        self.across = torch.linalg.solve_triangular(self.of_present, ZZ[present, past_alone], upper=False).mT
        self.left = ZZ[past_alone, past_alone] - scatter(self.across.mT)
        self.current = self._without_present(self.YZ)

    @property
    def YZ(self) -> torch.Tensor:
        """(unit, regressor) moments of the currents of all other folds."""
        return self.total.YZ - self.fold.YZ

    @cached_property
    def ZZ(self) -> torch.Tensor:
        """(regressor, regressor) Gram matrix of all other folds, which is kept as long as these folds are solved."""
        return self.total.ZZ - self.fold.ZZ

    def held_out(self, penalty: torch.Tensor) -> HeldOut:
        """Solve the regression with penalties (regressor of the past,) on the past."""
        of_past = cholesky(penalised(self.left, penalty.to(self.left.dtype)))
        return HeldOut(
            fold=self.fold,
            W=self._solution(*self.current, of_past),
            rest=self,
            of_past=of_past,
            penalty=torch.cat([self.ridge, penalty]),
        )

    def solution(self, right: torch.Tensor, of_past: torch.Tensor) -> torch.Tensor:
        """Solve X (Gram + penalty) = right for X (row, regressor), in the precision of the factors.

        Parameters
        ----------
        right : (row, regressor) right sides.
        of_past : (regressor of the past, regressor of the past) Cholesky factor of the past without the present.
        """
        return self._solution(*self._without_present(right), of_past)

    def _without_present(self, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Divide right sides (row, regressor) into what the present explains, and the past without the present."""
        present, past_alone = right.to(self.left.dtype).mT.split([len(self.of_present), len(self.left)])
        by_present = torch.linalg.solve_triangular(self.of_present, present, upper=False)
        return by_present, past_alone - self.across @ by_present

    def _solution(self, by_present: torch.Tensor, left: torch.Tensor, of_past: torch.Tensor) -> torch.Tensor:
        X_past = torch.cholesky_solve(left, of_past)
        X_present = torch.linalg.solve_triangular(self.of_present.mT, by_present - self.across.mT @ X_past, upper=True)
        return torch.cat([X_present, X_past]).mT.double()

    def factor(self, of_past: torch.Tensor) -> torch.Tensor:
        """Join the factors of present and past to the Cholesky factor (regressor, regressor) of both."""
        n = len(self.of_present)
        factor = of_past.new_zeros((n + len(of_past),) * 2)
        factor[:n, :n], factor[n:, :n], factor[n:, n:] = self.of_present, self.across, of_past
        return factor


@dataclass(frozen=True)
class HeldOut:
    """A regression on present and past that is solved without one fold and measured in this fold.

    Attributes
    ----------
    fold : moments of the fold, of the units of one target.
    W : (unit, regressor) weights from all other folds.
    rest : what is the same for all penalties on the past.
    of_past : (regressor of the past, regressor of the past) Cholesky factor of the past without the present, penalised.
    penalty : (regressor,) penalties.
    """

    fold: Moments
    W: torch.Tensor
    rest: RestOfFold
    of_past: torch.Tensor
    penalty: torch.Tensor

    @cached_property
    def error_z(self) -> torch.Tensor:
        """(unit, regressor) sums over the transitions of the fold of the error times z'."""
        return self.fold.YZ - self.W @ self.fold.ZZ

    @cached_property
    def error(self) -> torch.Tensor:
        """(unit,) squared error in the fold."""
        return self.fold.YY - 2 * (self.W * self.fold.YZ).sum(-1) + quadratic_forms(self.W, self.fold.ZZ)

    def corrected(self) -> tuple[HeldOut, float]:
        """Correct the weights for rounding errors of single precision.

        Returns
        -------
        The regression with corrected weights, and the size of the correction, as a share of the size of the weights.
        """
        W = self._corrected(self.rest.YZ, self.W)
        return replace(self, W=W), float((W - self.W).norm() / W.norm().clamp_min(LEAST_SUM_OF_SQUARES))

    def _corrected(self, right: torch.Tensor, solution: torch.Tensor) -> torch.Tensor:
        """Correct the solution X of X (Gram + penalty) = right for rounding errors, by iterative refinement."""
        if self.of_past.dtype == torch.float64:
            return solution
        residual = right - solution @ self.rest.ZZ - solution * self.penalty
        return solution + self.rest.solution(residual, self.of_past)

    def _rows(self, columns: Array) -> torch.Tensor:
        """Return rows (column, regressor) of the inverse of the penalised Gram matrix of all other folds, by index."""
        if INVERTED_ROWS_SHARE * len(self.penalty) < len(columns):
            return inverse_of(self.rest.factor(self.of_past))[columns]
        identity = torch.eye(len(self.penalty), dtype=self.W.dtype, device=self.W.device)[columns]
        return self._corrected(identity, self.rest.solution(identity, self.of_past))

    def lost_without(self, groups: Sequence[Array]) -> torch.Tensor:
        """Return by how much the squared error rises (group, unit) if a group of regressors is left out.

        Parameters
        ----------
        groups : indices of the regressors of every group.
        """
        # One product for all groups, in single precision: of a sum of squares a millionth is lost.
        changes = torch.empty((len(groups), *self.W.shape), dtype=torch.float32, device=self.W.device)
        across = torch.empty(changes.shape[:2], dtype=torch.float64, device=self.W.device)
        of_groups = self._rows(np.concatenate(groups)).split([len(columns) for columns in groups])
        for index, (columns, rows) in enumerate(zip(groups, of_groups, strict=True)):
            change = torch.linalg.solve(rows[:, columns], self.W[:, columns].to(rows.dtype), left=False) @ rows
            changes[index] = change
            across[index] = (change * self.error_z).sum(-1)
        squares = quadratic_forms(changes.flatten(0, 1), self.fold.ZZ.float())
        return 2 * across + squares.double().view(across.shape)
