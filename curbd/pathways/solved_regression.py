"""The solved regression of one target region: what sources contribute to it, without a new fit for every question.

To leave a source out of a regression, or to put changed activity in its place, the regression need not be solved again
from the data: the weights of all other sources, and what they predict of the activity of the source, follow from the
inverse of the Gram matrix (Frisch & Waugh, Econometrica 1933, with a ridge penalty).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.pathways.current_regression import CurrentRegression, mean_of_active
from curbd.regression.moments import squared_error

Array = np.ndarray
GROUPS_PER_BATCH = 33
"""Number of groups of regressors that are left out together; a larger number takes more memory."""


class SolvedRegression(NamedTuple):
    """The regression of one target region.

    Attributes
    ----------
    units : (unit,) indices of the units of the region.
    ridge : (regressor,) penalties.
    inverse : (regressor, regressor) inverse of the penalised Gram matrix of the fitted transitions.
    W : (unit, regressor) weights.
    error : (unit,) squared held-out error of W.
    error_z : (unit, regressor) sums over held-out transitions of the error of W times z'.
    YY : (unit,) sum of the squared held-out current; NaN for a unit that is silent in the held-out transitions.
    """

    units: Array
    ridge: torch.Tensor
    inverse: torch.Tensor
    W: torch.Tensor
    error: torch.Tensor
    error_z: torch.Tensor
    YY: torch.Tensor

    def held_out_error(self) -> float:
        """Compute the held-out squared error as a share of the squared current, mean over active units."""
        return float(mean_of_active((self.error / self.YY).cpu().numpy()))


def solved_regressions(regression: CurrentRegression) -> list[SolvedRegression]:
    """Solve the regressions of all target regions, in the order of the regions."""
    fitted, held_out = regression.moments
    solved = []
    for target, penalty in enumerate(regression.penalty):
        units, ridge = np.flatnonzero(regression.region_of_unit == target), tensor(penalty)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(fitted.ZZ + torch.diag(ridge)))
        W = fitted.YZ[units] @ inverse
        solution = SolvedRegression(
            units=units,
            ridge=ridge,
            inverse=inverse,
            W=W,
            error=squared_error(held_out, W, units),
            error_z=held_out.YZ[units] - W @ held_out.ZZ,
            YY=tensor(regression.held_out_squares[units]),
        )
        solved.append(solution)
    return solved


class GroupGains:
    """The held-out gain of groups of regressors: the rise of the held-out squared error without the group.

    Parameters
    ----------
    solution : the regression of a target region.
    held_out_gram : (regressor, regressor) Gram matrix of the held-out transitions.
    """

    def __init__(self, solution: SolvedRegression, held_out_gram: torch.Tensor) -> None:
        self.solution = solution
        self.spread = solution.inverse @ held_out_gram @ solution.inverse
        self.reach = solution.error_z @ solution.inverse

    def of(self, groups: Array) -> Array:
        """Compute the gain (draw, unit), as a share of the squared current, of groups (draw, regressor) by index."""
        return np.concatenate(
            [
                self._of_batch(torch.as_tensor(groups[start : start + GROUPS_PER_BATCH]))
                for start in range(0, len(groups), GROUPS_PER_BATCH)
            ]
        )

    def _of_batch(self, groups: torch.Tensor) -> Array:
        groups = groups.to(self.reach.device)
        pairs = groups[:, :, None], groups[:, None, :]
        # Leaving regressors g out of a solved regression changes its weights by W_g (S_gg)^-1 S_g, S the inverse.
        factor = torch.linalg.cholesky(self.solution.inverse[pairs])
        change = torch.cholesky_solve(self.solution.W[:, groups].permute(1, 2, 0), factor).mT
        reach = self.reach[:, groups].transpose(0, 1)
        gain = 2 * (change * reach).sum(-1) + ((change @ self.spread[pairs]) * change).sum(-1)
        return (gain / self.solution.YY).cpu().numpy()


def gains_of_sources(regression: CurrentRegression, solved: list[SolvedRegression]) -> Array:
    """Compute the held-out gain (target region, source) of every source, averaged over the units of the region."""
    groups = [GroupGains(solution, regression.moments[1].ZZ) for solution in solved]
    return np.array(
        [[mean_of_active(of_target.of(columns[None])).item() for columns in regression.sources] for of_target in groups]
    )
