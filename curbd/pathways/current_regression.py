"""The regression of all currents on all sources, which every null of a pathway refits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.view import View
from curbd.regression.moments import choose_penalties, inputs_free, moments
from curbd.regression.transitions import source_of_regressor

Array = np.ndarray
PENALTY_FOLDS = 5
"""Number of folds, of whole trials, over which penalties are chosen where the estimator has none."""
SILENT_SHARE = 1e-6
"""A unit is silent where its mean squared held-out current is below this share of its mean squared fitted current."""


class CurrentRegression(NamedTuple):
    """The regression of all currents on all sources.

    Attributes
    ----------
    z : (trial, time, regressor) presynaptic activity [r, u, 1]; NaN where a transition is missing.
    y : (trial, time, unit) total current of these transitions, dimensionless, in the units of x in
        tau dx/dt = -x + J r + B u + b.
    region_of_unit : (unit,) index of each unit's region.
    sources : columns of z that make up each source: the units of every region in their order, then the inputs.
    penalty : (target region, regressor) of the ridge regression.
    train : (trial,) which trials are fitted; the others are held out.
    condition : (trial,) labels.
    """

    z: Array
    y: Array
    region_of_unit: Array
    sources: list[Array]
    penalty: Array
    train: Array
    condition: Array

    @property
    def complete(self) -> Array:
        """(trial, time) transitions without a missing value."""
        return np.isfinite(self.z).all(2) & np.isfinite(self.y).all(2)

    @property
    def held_out_squares(self) -> Array:
        """(unit,) sum of the squared held-out current; NaN for a unit that is silent in the held-out transitions.

        The error of a silent unit has no meaning as a share of its current.
        """
        fitted, held_out = ((self.y[half] ** 2).sum(0) / max(int(half.sum()), 1) for half in self.halves())
        squares = (self.y[self.halves()[1]] ** 2).sum(0)
        return np.where(held_out > SILENT_SHARE * fitted, squares, np.nan)

    def halves(self) -> tuple[Array, Array]:
        """(trial, time) fitted and held-out transitions."""
        return self.complete & self.train[:, None], self.complete & ~self.train[:, None]


def mean_of_active(shares: Array) -> Array:
    """Mean over units (..., unit) of shares that are NaN for silent units; NaN where all units are silent."""
    active = np.isfinite(shares)
    count = active.sum(-1)
    return np.where(count > 0, np.where(active, shares, 0.0).sum(-1) / np.maximum(count, 1), np.nan)


def current_regression(fit: View) -> CurrentRegression:
    """The regression behind the nulls of a fit, with the penalties of the fit.

    Parameters
    ----------
    fit : a recording as the fit sees it, at a draw of the rates where the fit inferred rates.
    """
    z, y = fit.z[:, :-1], fit.residual.y
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
    """(target region, regressor) penalties of a fit, or newly chosen penalties where its estimator has none.

    The weights of inputs and bias are nearly free, as in every null: what inputs can explain is attributed to no other
    source.

    Parameters
    ----------
    fit : a recording as the fit sees it.
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
