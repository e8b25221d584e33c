"""Second moments of states and regressors, from which the moments of currents follow for any time constant.

The current y = (x_next - D x) / (1 - D) is linear in the states x before and x_next after a transition, and D is the
only part of the current that depends on the time constant. Moments of x and x_next with the regressors z are therefore
enough to estimate the time constant and to fit a network: the data are read once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.regression.moments import Moments, moments

Array = np.ndarray


class StateMoments(NamedTuple):
    """Second moments of the states before and after a transition; arrays may have a leading axis, over folds.

    Attributes
    ----------
    both : moments whose targets are the states x, then the states x_next, of all units.
    across : (unit,) sum of x x_next over pairs.
    """

    both: Moments
    across: torch.Tensor

    def total(self) -> StateMoments:
        """Add up the moments over the leading axis."""
        return StateMoments(self.both.total(), self.across.sum(0))

    def of_no_pairs(self, n_groups: int) -> StateMoments:
        """Return moments of the same shape that contain no pair, of some groups along a leading axis."""
        return StateMoments(self.both.of_no_pairs(n_groups), self.across.new_zeros((n_groups, *self.across.shape)))

    def add(self, group: int, more: StateMoments) -> None:
        """Add the moments of further pairs to those of a group, in place."""
        self.both.add(group, more.both)
        self.across[group] += more.across

    def weighted(self, weight: torch.Tensor) -> StateMoments:
        """Add up the moments over the leading axis with weights (sum, leading): (sum, ...)."""
        return StateMoments(self.both.weighted(weight), weight @ self.across)

    def currents(self, D: float) -> Moments:
        """Compute the moments of the currents y = (x_next - D x) / (1 - D).

        Parameters
        ----------
        D : share of a state that is left after one sample without input (see `curbd.network.equation.decay`).
        """
        x, x_next = self.both.YZ.chunk(2, dim=-2)
        xx, xx_next = self.both.YY.chunk(2, dim=-1)
        YY = (xx_next - 2 * D * self.across + D**2 * xx) / (1 - D) ** 2
        return self.both._replace(YZ=(x_next - D * x) / (1 - D), YY=YY)


def state_moments(z: Array, x: Array, x_next: Array) -> StateMoments:
    """Compute the second moments of states and regressors.

    Parameters
    ----------
    z : (pair, regressor) regressors.
    x, x_next : (pair, unit) states before and after.
    """
    before, after = moments(z, x), tensor(x_next)
    both = before._replace(
        YZ=torch.cat([before.YZ, after.T @ tensor(z)]),
        YY=torch.cat([before.YY, torch.linalg.vector_norm(after, dim=0) ** 2]),
    )
    return StateMoments(both, tensor(np.einsum("pu,pu->u", x, x_next)))
