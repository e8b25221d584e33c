"""Penalised least squares with bounds on the weights, solved from second moments by coordinate descent.

For every unit i, with weights w, the problem is

    minimise  w' G w / 2 - c_i' w + sum over j of (l1_ij |w_j| + l2_ij w_j^2 / 2)   with  lower_ij <= w_j <= upper_ij

where G holds the second moments of the regressors and c_i those of target and regressors. A lower bound of 0 makes a
weight excitatory, an upper bound of 0 inhibitory, and two bounds of 0 make it absent. The problem is convex, so that
its solution does not depend on a start. One weight after the other is set to its optimum (Friedman, Hastie &
Tibshirani, Journal of Statistical Software 2010).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

Array = np.ndarray
MAX_SWEEPS = 2000
"""Largest number of sweeps over the weights onto a unit."""
CHANGE_TOLERANCE = 1e-6
"""The descent ends if no weight changes the prediction by more than this share of the root sum of squares of the
target, after the part that free regressors explain."""


class Penalties(NamedTuple):
    """Penalties and bounds of the weights, arrays (unit, regressor).

    Attributes
    ----------
    l1 : penalties on the absolute value of a weight.
    l2 : penalties on the square of a weight.
    lower, upper : bounds of a weight; both are 0 for a weight that is absent.
    """

    l1: Array
    l2: Array
    lower: Array
    upper: Array

    def of_units(self, rows: Array) -> Penalties:
        """Select the penalties of the weights onto some units."""
        return Penalties(*(part[rows] for part in self))


def solve_bounded(
    gram: Array,
    cross: Array,
    power: Array,
    penalties: Penalties,
    start: Array | None = None,
    *,
    n_free: int = 0,
    tolerance: float = CHANGE_TOLERANCE,
) -> Array:
    """Solve penalised least squares with bounds on the weights, for all units.

    Parameters
    ----------
    gram : (regressor, regressor) second moments of the regressors.
    cross : (unit, regressor) second moments of targets and regressors.
    power : (unit,) sum of squares of each target.
    penalties : penalties and bounds.
    start : (unit, regressor) weights from which the descent starts, for speed; None for 0.
    n_free : number of regressors, the last ones, that have neither bounds nor an L1 penalty, such as the bias. They are
        eliminated in closed form, because coordinate descent is slow if the other regressors correlate with them.
    tolerance : see `CHANGE_TOLERANCE`.

    Returns
    -------
    W : (unit, regressor) weights, which hold to the bounds exactly.
    """
    W = np.clip(np.zeros(cross.shape) if start is None else start, penalties.lower, penalties.upper)
    n = len(gram) - n_free
    between = gram[:n, n:]
    ridges, group = np.unique(penalties.l2[:, n:], axis=0, return_inverse=True)
    for index, ridge in enumerate(ridges):
        rows = np.flatnonzero(group.ravel() == index)
        inverse = np.linalg.inv(gram[n:, n:] + np.diag(ridge))
        rest = between @ inverse
        of_free = cross[rows, n:]
        left = np.maximum(power[rows] - ((of_free @ inverse) * of_free).sum(1), 0.0)
        l1, l2, lower, upper = (_plain(part[rows, :n]) for part in penalties)
        J = _plain(W[rows, :n])
        reduced = _plain(gram[:n, :n] - rest @ between.T), _plain(cross[rows, :n] - of_free @ rest.T)
        _descend(*reduced, left, l1, l2, lower, upper, J, MAX_SWEEPS, tolerance)
        W[rows, :n], W[rows, n:] = J, (of_free - J @ between) @ inverse
    return W


def _plain(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=float)


@njit(cache=True, nogil=True)
def _descend(
    gram: Array,
    cross: Array,
    power: Array,
    l1: Array,
    l2: Array,
    lower: Array,
    upper: Array,
    W: Array,
    max_sweeps: int,
    tolerance: float,
) -> None:
    """Change the weights W in place; sweeps over all weights alternate with sweeps over those that are not 0."""
    for i in range(len(W)):
        w = W[i]
        gradient = gram @ w - cross[i]
        all_weights = True
        for _ in range(max_sweeps):
            largest = 0.0
            for j in range(len(w)):
                if not all_weights and w[j] == 0.0:
                    continue
                pull = gram[j, j] * w[j] - gradient[j]
                curvature = gram[j, j] + l2[i, j]
                shrunk = np.sign(pull) * max(abs(pull) - l1[i, j], 0.0)
                new = min(max(shrunk / curvature if curvature > 0.0 else 0.0, lower[i, j]), upper[i, j])
                change = new - w[j]
                if change != 0.0:
                    w[j] = new
                    gradient += gram[j] * change
                    largest = max(largest, gram[j, j] * change**2)
            if largest <= tolerance**2 * power[i]:
                if all_weights:
                    break
                all_weights = True
            else:
                all_weights = False
