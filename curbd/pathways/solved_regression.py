"""The solved regression of one target region: what sources contribute to it, without a new fit for every question.

To leave a source out of a regression, or to put changed activity in its place, the regression need not be solved again
from the data: the weights of all other sources, and what they predict of the activity of the source, follow from the
inverse of the Gram matrix (Frisch & Waugh, Econometrica 1933, with a ridge penalty).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from curbd.regression.moments import Moments

Array = np.ndarray
GROUPS_PER_BATCH = 33
"""Number of groups of regressors that are left out together; a larger number takes more memory."""


def mean_of_active(shares: Array) -> Array:
    """Average shares (..., unit) over units, leaving out silent units (NaN); NaN if all units are silent."""
    active = np.isfinite(shares)
    total, count = np.where(active, shares, 0.0).sum(-1), active.sum(-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class SolvedRegression:
    """The regression of one target region.

    Attributes
    ----------
    units : (unit,) indices of the units of the region.
    ridge : (regressor,) penalties.
    inverse : (regressor, regressor) inverse of the penalised Gram matrix of the fitted transitions.
    W : (unit, regressor) weights.
    held_out : moments of the held-out transitions, with the currents of the units of the region.
    squares : (unit,) sum of the squared held-out current; NaN for a unit that is silent in the held-out transitions.
    """

    units: Array
    ridge: torch.Tensor
    inverse: torch.Tensor
    W: torch.Tensor
    held_out: Moments
    squares: torch.Tensor

    @cached_property
    def error_z(self) -> torch.Tensor:
        """(unit, regressor) sums over held-out transitions of the error of W times z'."""
        return self.held_out.YZ - self.W @ self.held_out.ZZ

    @cached_property
    def held_out_error(self) -> float:
        """Held-out squared error as a share of the squared current, mean over active units."""
        error = self.held_out.YY - (self.W * (self.held_out.YZ + self.error_z)).sum(1)
        return float(mean_of_active((error / self.squares).cpu().numpy()))

    @cached_property
    def sent(self) -> torch.Tensor:
        """(regressor, regressor) inverse times the held-out Gram matrix."""
        return self.inverse @ self.held_out.ZZ

    @cached_property
    def spread(self) -> torch.Tensor:
        """(regressor, regressor) held-out Gram matrix, multiplied from both sides with the inverse."""
        return self.sent @ self.inverse

    @cached_property
    def reach(self) -> torch.Tensor:
        """(unit, regressor) sums of the held-out error times z', multiplied with the inverse."""
        return self.error_z @ self.inverse

    def gains(self, groups: Array) -> Array:
        """Compute the held-out gain of groups of regressors: the rise of the squared error without the group.

        Parameters
        ----------
        groups : (draw, regressor) indices of the regressors of every group.

        Returns
        -------
        (draw, unit) gains, as a share of the squared current.
        """
        return np.concatenate(
            [
                self._gains_of_batch(groups[start : start + GROUPS_PER_BATCH])
                for start in range(0, len(groups), GROUPS_PER_BATCH)
            ]
        )

    def _gains_of_batch(self, groups: Array) -> Array:
        of_all = torch.as_tensor(groups, device=self.reach.device)
        # Leaving regressors g out of a solved regression changes its weights by W_g (S_gg)^-1 S_g, S the inverse.
        within = torch.linalg.cholesky(_blocks(self.inverse, groups))
        change = torch.cholesky_solve(self.W[:, of_all].permute(1, 2, 0), within).mT
        reach = self.reach[:, of_all].transpose(0, 1)
        gain = 2 * (change * reach).sum(-1) + ((change @ _blocks(self.spread, groups)) * change).sum(-1)
        return (gain / self.squares).cpu().numpy()


def _blocks(symmetric: torch.Tensor, groups: Array) -> torch.Tensor:
    """Select the rows and columns of groups (draw, index) from a symmetric matrix: (draw, index, index)."""
    place = groups[:, :, None] * len(symmetric) + groups[:, None, :]
    if symmetric.device.type == "cpu":
        # NumPy takes single numbers out of an array several times faster.
        return torch.from_numpy(symmetric.numpy().ravel("K").take(place))
    return symmetric.take(torch.as_tensor(place, device=symmetric.device))
