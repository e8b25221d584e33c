"""Second moments of the regression of the current, by group of trials: a sum over groups is the moments of a level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.contrasts.trials import Comparison, trial_column
from curbd.network.adaptation import adaptation_current
from curbd.network.tensors import tensor
from curbd.network.view import View
from curbd.recording.cells import cell_text
from curbd.regression.block_ridge import inflation
from curbd.regression.moments import Moments, moments
from curbd.regression.transitions import (
    TrainingData,
    Transitions,
    regressors,
    source_of_regressor,
    targets,
    transitions,
)

Array = np.ndarray
MAX_GROUPS = 128
"""Largest number of groups of trials; with more trials, neighbouring trials of a level form a group."""
WINDOW_BINS = 20
"""Length of the windows over which errors are summed, in bins."""


class Products(NamedTuple):
    """Second moments of the regression of the current, in plain arrays; arrays may have one leading axis.

    Attributes
    ----------
    ZZ : (regressor, regressor) sum of z z' over transitions, with the regressors z = [r, u, 1].
    YZ : (unit, regressor) sum of y z', with the total currents y.
    YY : (unit,) sum of y^2.
    n : number of transitions.
    """

    ZZ: Array
    YZ: Array
    YY: Array
    n: Array

    def weighted(self, weight: Array) -> Products:
        """Add up the moments over the leading axis, with weights (leading,)."""
        return Products(*(np.tensordot(weight, statistic, 1) for statistic in self))

    def minus(self, part: Products) -> Products:
        """Subtract the moments of a part of the data."""
        return Products(*(total - of_part for total, of_part in zip(self, part, strict=True)))

    def times(self, factor: float) -> Products:
        """Multiply all moments with a number."""
        return Products(*(factor * statistic for statistic in self))

    def plus(self, more: Products) -> Products:
        """Add the moments of another data set."""
        return Products(*(first + second for first, second in zip(self, more, strict=True)))

    def of_units(self, rows: Array) -> Products:
        """Select the moments of some units, by their indices."""
        return self._replace(YZ=self.YZ[..., rows, :], YY=self.YY[..., rows])

    def as_moments(self) -> Moments:
        """Convert to the tensors that the solvers of `curbd.regression` take."""
        ZZ, YZ, YY, n = (tensor(np.asarray(statistic)) for statistic in self)
        return Moments(ZZ, YZ, YY, n)


class Grouped(NamedTuple):
    """The fitted trials of two levels, in groups of trials whose labels are permuted.

    Attributes
    ----------
    comparison : the levels, in which every group counts as a trial.
    products : second moments (group, ...) of every group.
    residual_inflation : (unit,) factor by which residuals that are correlated in time widen the noise variance.
    """

    comparison: Comparison
    products: Products
    residual_inflation: Array


def group_of_trial(comparison: Comparison, max_groups: int = MAX_GROUPS) -> tuple[Array, Comparison]:
    """Assign trials to groups: single trials, or, if there are many, neighbouring trials of a level and a stratum.

    Parameters
    ----------
    comparison : the trials of two levels.
    max_groups : largest number of groups, but every level of every stratum has at least one group.

    Returns
    -------
    The index of the group (compared trial,), and the comparison of groups, in the order of their first trials.
    """
    n_trials = len(comparison.trials)
    size = -(-n_trials // max_groups)
    group = np.full(n_trials, -1)
    first: list[int] = []
    for stratum in np.unique(comparison.stratum):
        for is_a in (True, False):
            (members,) = np.nonzero((comparison.stratum == stratum) & (comparison.is_a == is_a))
            for start in range(0, len(members), size):
                group[members[start : start + size]] = len(first)
                first.append(int(members[start]))
    order = np.argsort(first)
    rank = np.argsort(order)
    starts = np.array(first)[order]
    groups = Comparison(
        level_a=comparison.level_a,
        level_b=comparison.level_b,
        trials=np.arange(len(starts)),
        is_a=comparison.is_a[starts],
        stratum=comparison.stratum[starts],
    )
    return rank[group], groups


def grouped(fit: View, comparison: Comparison) -> Grouped:
    """Compute the second moments of every group of compared trials.

    Parameters
    ----------
    fit : the recording as a fit sees it.
    comparison : compared trials, by their indices in the recording.
    """
    group, groups = group_of_trial(comparison)
    pairs = transitions(data_of(fit, comparison.trials))
    z, y = regressors(pairs, fit.network), total_currents(fit, pairs)
    members = [np.flatnonzero(group[pairs.trial] == index) for index in range(len(groups.trials))]
    parts = [arrays_of(moments(z[chosen], y[chosen])) for chosen in members]
    products = Products(*(np.stack(statistics) for statistics in zip(*parts, strict=True)))
    return Grouped(groups, products, inflation(fit.network, pairs))


def error_slowness(fit: View, trials: Array, W: Array) -> Array:
    """Compute how slow the errors of a regression are: the variance of their sums over windows, by that of white noise.

    Parameters
    ----------
    fit : the recording as a fit sees it.
    trials : indices of the trials.
    W : (unit, regressor) weights of the regression.

    Returns
    -------
    (region,) mean over units: about 1 if errors are process noise, larger if a slow input is missing or rates are
    smoothed, smaller if there is measurement noise. NaN if no window is complete.
    """
    pairs = transitions(data_of(fit, trials))
    n_bins = fit.r.shape[1] - 1
    error = np.full((len(trials), n_bins, len(W)), np.nan)
    error[pairs.trial, pairs.time] = total_currents(fit, pairs) - regressors(pairs, fit.network) @ W.T
    length = min(WINDOW_BINS, n_bins)
    windows = error[:, : n_bins // length * length].reshape(-1, length, len(W))
    windows = windows[np.isfinite(windows).all((1, 2))]
    if not len(windows):
        return np.full(len(fit.regions), np.nan)
    power = (windows**2).sum(1).mean(0)
    by_unit = (windows.sum(1) ** 2).mean(0) / np.where(power > 0, power, np.nan)
    return np.array([np.nanmean(by_unit[fit.region_of_unit == region]) for region in range(len(fit.regions))])


def arrays_of(of_moments: Moments) -> Products:
    """Convert moments to plain arrays."""
    ZZ, YZ, YY, n = (statistic.cpu().numpy() for statistic in of_moments)
    return Products(ZZ, YZ, YY, n)


def held_out_products(fit: View, recording: xr.Dataset, column: str, level: str) -> Products | None:
    """Compute the second moments of the held-out trials of a level; None if there is no transition."""
    cells = np.array([cell_text(cell) for cell in trial_column(recording, column, column)])
    pairs = transitions(data_of(fit, np.flatnonzero(~fit.train & (cells == level))))
    if not len(pairs.x):
        return None
    return arrays_of(moments(regressors(pairs, fit.network), total_currents(fit, pairs)))


def data_of(fit: View, trials: Array) -> TrainingData:
    """Return some trials of a view as the data of a regression, by their indices; adaptation counts as known."""
    adaptation = fit.network.adaptation
    return TrainingData(
        r=fit.r[trials],
        u=fit.u[trials],
        region=fit.region_of_unit,
        n_regions=len(fit.regions),
        trial=trials,
        dt_s=fit.network.dt_s,
        substeps=fit.network.substeps,
        tau_s=fit.network.time_constant_s,
        drive=None if adaptation is None else adaptation_current(adaptation, fit.r[trials], fit.network.dt_s),
    )


def total_currents(fit: View, pairs: Transitions) -> Array:
    """Compute the total current (pair, unit) of every transition, with the time constant of the fit."""
    return targets(pairs, fit.network.decay)


def source_indices(fit: View) -> Array:
    """Return the index (regressor,) of the source of every regressor: regions, then inputs, then the bias."""
    return source_of_regressor(fit.region_of_unit, fit.u.shape[2])
