"""The regression of all currents on all sources, which the nulls of the pathways refit.

Moments and solutions are computed when they are first asked for, and are then shared by all nulls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from curbd.network.tensors import device, tensor
from curbd.network.view import View
from curbd.pathways.solved_regression import SolvedRegression, mean_of_active
from curbd.regression.cross_validation import choose_penalties
from curbd.regression.moments import Block, Moments, block_slices, cholesky, inverse_of, moments, summed_moments
from curbd.regression.ridge import inputs_free
from curbd.regression.transitions import source_of_regressor

Array = np.ndarray
PENALTY_FOLDS = 5
"""Number of cross-validation folds of whole trials for the choice of penalties if the estimator has none."""
SILENT_SHARE = 1e-6
"""A unit is silent if its mean squared held-out current is below this share of its mean squared fitted current."""


@dataclass(frozen=True)
class CurrentRegression:
    """The regression of all currents on all sources.

    Attributes
    ----------
    z : (trial, time, regressor) presynaptic activity [r, u, 1]; NaN where a transition is missing.
    y : (trial, time, unit) the total current of these transitions without that of adaptation, in the (dimensionless)
        units of the state x in tau dx/dt = -x + J r + B u + b.
    region_of_unit : (unit,) index of each unit's region.
    sources : for every source, the columns of z that belong to the source; first the regions, then the inputs.
    penalty : (target region, regressor) penalties of the ridge regression.
    train : (trial,) bool, True for the trials that are fitted; all other trials are held out.
    condition : (trial,) condition of each trial.
    """

    z: Array
    y: Array
    region_of_unit: Array
    sources: list[Array]
    penalty: Array
    train: Array
    condition: Array

    @cached_property
    def complete(self) -> Array:
        """(trial, time) bool: True for transitions without a missing value."""
        return np.isfinite(self.z).all(2) & np.isfinite(self.y).all(2)

    @cached_property
    def halves(self) -> tuple[Array, Array]:
        """Two masks (trial, time): the fitted transitions, and the held-out transitions."""
        return self.complete & self.train[:, None], self.complete & ~self.train[:, None]

    @cached_property
    def moments(self) -> tuple[Moments, Moments]:
        """Second moments of the fitted transitions, and of the held-out transitions."""
        group = np.where(self.complete, np.where(self.train[:, None], 0, 1), -1)
        halves = summed_moments(self._blocks(group), 2)
        return Moments(*(field[0] for field in halves)), Moments(*(field[1] for field in halves))

    @cached_property
    def held_out_gram(self) -> torch.Tensor:
        """(regressor, regressor) Gram matrix of the held-out transitions, single precision."""
        return self.moments[1].ZZ.float()

    def _blocks(self, group: Array) -> Iterator[Block]:
        """Yield the transitions with a group (trial, time) that is not -1, a block of trials at a time."""
        for trials in block_slices(len(self.z), self.z[0].size):
            chosen = group[trials] >= 0
            yield Block(self.z[trials][chosen], self.y[trials][chosen], group[trials][chosen])

    def multiplied(self, trials: Array, time: Array | slice = slice(None)) -> torch.Tensor:
        """Return regressors, then currents, of some bins (..., regressor and unit), single precision, 0 where missing.

        Parameters
        ----------
        trials, time : indices of the bins, as they index an array (trial, time).
        """
        values = np.concatenate([self.z[trials, time], self.y[trials, time]], axis=-1, dtype=np.float32)
        values[~self.complete[trials, time]] = 0.0
        return torch.as_tensor(values, device=device())

    @cached_property
    def held_out_squares(self) -> Array:
        """(unit,) sum of the squared held-out current; NaN for a unit that is silent in the held-out transitions.

        For a silent unit, an error as a share of the squared current is meaningless.
        """
        fitted, held_out = self.moments
        powers = [(half.YY / half.n.clamp_min(1)).cpu().numpy() for half in (fitted, held_out)]
        return np.where(powers[1] > SILENT_SHARE * powers[0], held_out.YY.cpu().numpy(), np.nan)

    @cached_property
    def solved(self) -> list[SolvedRegression]:
        """The solved regressions of all target regions, in the order of the regions."""
        fitted, held_out = self.moments
        solved = []
        for target, penalty in enumerate(self.penalty):
            units, ridge = np.flatnonzero(self.region_of_unit == target), tensor(penalty)
            inverse = inverse_of(cholesky(fitted.ZZ + torch.diag(ridge)))
            solution = SolvedRegression(
                units=units,
                ridge=ridge,
                inverse=inverse,
                W=fitted.YZ[units] @ inverse,
                held_out=held_out.of_units(units),
                squares=tensor(self.held_out_squares[units]),
            )
            solved.append(solution)
        return solved

    @cached_property
    def gains(self) -> Array:
        """(target region, source) held-out gain of every source, averaged over the active units of the target."""
        return np.array(
            [
                [mean_of_active(solution.gains(columns[None])).item() for columns in self.sources]
                for solution in self.solved
            ]
        )


def current_regression(fit: View) -> CurrentRegression:
    """Set up the regression that the nulls of a fit use, with the penalties of the fit.

    Parameters
    ----------
    fit : a fitted network with the recording that it was fitted to; if the fit inferred rates,
        with drawn rates (see `curbd.network.view.view`).

    Returns
    -------
    The regression.
    """
    z, y = fit.z[:, :-1, : fit.n_present], fit.y_of_others
    return CurrentRegression(
        z=z,
        y=y,
        region_of_unit=fit.region_of_unit,
        sources=[source.columns for source in fit.pathway_sources],
        penalty=_penalties(fit, z, y),
        train=fit.train,
        condition=fit.condition,
    )


def _penalties(fit: View, z: Array, y: Array) -> Array:
    """Return the penalties (target region, regressor) of a fit; choose penalties if the estimator has none.

    The weights of inputs and bias are nearly free, as in every null: current that inputs can explain is not attributed
    to other sources.

    Parameters
    ----------
    fit : a fitted network with the recording that it was fitted to.
    z : (trial, time, regressor) presynaptic activity.
    y : (trial, time, unit) total current.
    """
    n_units, n_inputs, n_regions = len(fit.region), fit.u.shape[2], len(fit.regions)
    source = source_of_regressor(fit.region_of_unit, n_inputs)
    complete = np.isfinite(z).all(2) & np.isfinite(y).all(2) & fit.train[:, None]
    power = (z[complete][:, n_units : n_units + n_inputs] ** 2).sum(0)
    blocks = fit.penalty
    if blocks is None:
        trial = np.nonzero(complete)[0]
        folds = moments(z[complete], y[complete], np.unique(trial, return_inverse=True)[1] % PENALTY_FOLDS)
        blocks = choose_penalties(folds, source, inputs_free(np.ones((n_regions, n_regions)), power))[:, :n_regions]
    return inputs_free(blocks, power)[:, source]
