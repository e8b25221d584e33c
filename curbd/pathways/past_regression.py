"""The regression of currents on the present and the past of all sources, as second moments of folds of trials.

The past of the rates and of the inputs is filtered with the time constant of the units. The moments of every fold are
all that is kept, so that the cost of what is computed from them hardly grows with the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from curbd.regression.moments import LEAST_SUM_OF_SQUARES, Block, Moments, block_slices, summed_moments

Array = np.ndarray
FOLDS = 5
"""Number of folds of trials, each of which is held out in turn."""
RESIDUAL_ROUNDING_SHARE = 1e-10
"""Share of the squared current below which a residual is a rounding error."""


@dataclass(frozen=True)
class PastRegression:
    """The regression of the currents on the present and the past of all sources.

    Attributes
    ----------
    folds : moments of every fold; the regressors are [r, u, 1], the past of r and the past of u.
    source : (regressor of the present,) index of the source: the regions, then the inputs, then the bias.
    n_units, n_inputs : numbers of units and inputs.
    """

    folds: Moments
    source: Array
    n_units: int
    n_inputs: int

    @cached_property
    def total(self) -> Moments:
        """Moments of all folds."""
        return self.folds.total()

    def fold(self, index: int, units: Array) -> tuple[Moments, Moments]:
        """Return the moments of a fold and those of all folds, with the currents of some units."""
        return Moments(*(field[index] for field in self.folds)).of_units(units), self.total.of_units(units)

    @property
    def n_present(self) -> int:
        """Number of regressors of the present."""
        return len(self.source)

    @property
    def source_of_all(self) -> Array:
        """(regressor,) index of the source of every regressor, present and past."""
        return np.concatenate([self.source, self.source[: self.n_units + self.n_inputs]])


def past_regression(z: Array, y: Array, source: Array, n_units: int, D: float) -> PastRegression:
    """Compute the moments of the regression of currents on the present and the past of all sources.

    Parameters
    ----------
    z : (trial, time, regressor) presynaptic activity [r, u, 1]; NaN where a transition is missing.
    y : (trial, time, unit) total current of these transitions, in the (dimensionless) units of the state x.
    source : (regressor,) index of the source of each regressor: the regions, then the inputs, then the bias.
    n_units : number of units.
    D : share of a state that is left after one bin without input (see `curbd.network.equation.decay`).

    Returns
    -------
    The moments of every fold.
    """
    fold = fold_of_transition(np.isfinite(z).all(2) & np.isfinite(y).all(2))

    def blocks() -> Iterator[Block]:
        for trials in block_slices(len(z), z[0].size):
            chosen = fold[trials] >= 0
            regressors = np.concatenate([z[trials][chosen], past(z[trials, :, :-1], D)[chosen]], axis=1)
            yield Block(regressors, y[trials][chosen], fold[trials][chosen])

    folds = summed_moments(blocks(), FOLDS)
    scale = (folds.ZZ.diagonal(dim1=1, dim2=2).sum(0) / folds.n.sum()).sqrt()
    scale[: z.shape[2]] = 1.0
    inverse = 1 / torch.where(scale > 0, scale, 1.0)
    folds.ZZ.mul_(inverse[:, None] * inverse)
    folds.YZ.mul_(inverse)
    return PastRegression(folds=folds, source=source, n_units=n_units, n_inputs=z.shape[2] - n_units - 1)


def past(values: Array, D: float) -> Array:
    """Filter values (trial, time, column) over their past: f_next = D f + (1 - D) r, from 0 after every gap."""
    filtered, missing = np.zeros_like(values), ~np.isfinite(values).all(2)
    for time in range(1, values.shape[1]):
        filtered[:, time] = D * filtered[:, time - 1] + (1 - D) * values[:, time - 1]
        filtered[missing[:, time - 1], time] = 0.0
    return filtered


def fold_of_transition(complete: Array) -> Array:
    """Assign transitions to `FOLDS` folds: whole trials in turn, or stretches of time if there are too few trials.

    Parameters
    ----------
    complete : (trial, time) bool, True for the transitions.

    Returns
    -------
    (trial, time) index of the fold; -1 where there is no transition.
    """
    trial = np.unique(np.nonzero(complete)[0], return_inverse=True)[1]
    whole = len(trial) and trial[-1] + 1 >= FOLDS
    fold = np.full(complete.shape, -1)
    fold[complete] = trial % FOLDS if whole else np.arange(len(trial)) * FOLDS // max(len(trial), 1)
    return fold


def squares_about_mean(total: Moments, constant: int) -> torch.Tensor:
    """Return the sum of squares of every unit about its mean; NaN for a unit whose current does not vary.

    Parameters
    ----------
    total : moments of the currents.
    constant : index of the regressor that is always 1.
    """
    squares = total.YY - total.YZ[:, constant] ** 2 / total.n.clamp_min(1)
    varies = squares > torch.clamp(RESIDUAL_ROUNDING_SHARE * total.YY, min=LEAST_SUM_OF_SQUARES)
    return torch.where(varies, squares, torch.nan)
