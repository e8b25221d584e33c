"""Five further nulls of a pathway: what its currents would look like if the pathway did not exist.

Each null asks its own question, and none of them is behind the verdict. The null behind the verdict, which keeps what
regions share, is in `curbd.pathways.shuffled_source`. All statistics are about held-out transitions. The random weights
are compared with the weights of the fit; the other four nulls compare ridge regressions with the penalties of the fit.

=================  ====================================================================================================
random weights     How large is the current of a source whose weights are drawn anew at the same scale, and how well
                   does this current correlate with what the other sources leave unexplained? Where activity is
                   low-dimensional, any weights give a correlation.
time shift         Does it matter when the source is active? Anti-conservative: every source passes that shares an event
                   or an input with the target.
trial shuffle      Does the source predict more than the average of its condition? Anti-conservative: every source
                   passes that shares single-trial variability with a true source.
region labels      Is the pathway stronger than a pathway between random groups of as many units? A question about the
                   borders of the regions, and not about whether there is a pathway: a weak true pathway fails.
random group       Does the source predict more of the target than as many random units outside of the target? A
                   question about the choice of the source: a weak true pathway fails here too.
=================  ====================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.pathways.current_regression import CurrentRegression, mean_of_active
from curbd.regression.moments import Moments, moments

Array = np.ndarray
NULL_DRAWS = 99
"""Draws behind a p value, whose smallest value is 1 / 100."""
DRAWS_PER_BATCH = 33
"""Draws that are computed together; more take more memory."""
LEAST_NULL_SPREAD = 1e-12
"""Range of the draws of a null below which all draws are the same and the null has no answer."""
NULL_STREAM = 1
"""Second part of the random seed: no draw repeats the random numbers that a teacher draws from the same seed."""


class NullComparison(NamedTuple):
    """A statistic of every pathway, and its values under a null.

    Attributes
    ----------
    value : (target region, source) the statistic.
    null : (draw, target region, source) the statistic under the null; NaN where the null has no answer.
    """

    value: Array
    null: Array

    @classmethod
    def empty(cls, regression: CurrentRegression) -> NullComparison:
        """Arrays to be filled, one entry for each pathway."""
        shape = len(regression.penalty), len(regression.sources)
        return cls(np.empty(shape), np.empty((NULL_DRAWS, *shape)))

    def p_value(self) -> Array:
        """(target region, source) probability under the null of a value at least as large."""
        at_least = (self.null >= self.value).sum(0)
        p = (1 + at_least) / (len(self.null) + 1)
        return np.where(np.isfinite(self.value) & np.isfinite(self.null).all(0), p, np.nan)


def random_weights(regression: CurrentRegression, W: Array, *, seed: int = 0) -> tuple[NullComparison, NullComparison]:
    """Compare currents with currents through random weights, drawn from a Gaussian of the scale of each block of W.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    W : (unit, regressor) weights of the fit.
    seed : of the draws.

    Returns
    -------
    rms : root mean square of the current over all transitions.
    correlation : correlation of the current with what all other sources, through W, leave unexplained of the held-out
        total current, each unit about its mean; NaN for a source whose weights are 0.
    """
    rng = np.random.default_rng((seed, NULL_STREAM))
    z_all, held_out = regression.z[regression.complete], regression.halves()[1]
    power = z_all.T @ z_all / max(len(z_all), 1)
    z, y = (_about_mean(values[held_out]) for values in (regression.z, regression.y))
    ZZ, error = z.T @ z, y - z @ W.T
    rms, correlation = NullComparison.empty(regression), NullComparison.empty(regression)
    for target in range(len(regression.penalty)):
        units = np.flatnonzero(regression.region_of_unit == target)
        for source, columns in enumerate(regression.sources):
            block, pairs = W[np.ix_(units, columns)], np.ix_(columns, columns)
            unexplained = error[:, units] + z[:, columns] @ block.T
            drawn = rng.standard_normal((NULL_DRAWS, *block.shape)) * np.sqrt((block**2).mean())
            blocks = np.concatenate([block[None], drawn])
            sizes = np.sqrt(((blocks @ power[pairs]) * blocks).sum(-1).mean(-1))
            correlations = _correlations(blocks, ZZ[pairs], unexplained.T @ z[:, columns], (unexplained**2).sum())
            for comparison, values in ((rms, sizes), (correlation, correlations)):
                comparison.value[target, source], comparison.null[:, target, source] = values[0], values[1:]
    return rms, correlation


def _about_mean(values: Array) -> Array:
    """Values (sample, column) minus their mean over samples."""
    return values - values.sum(0) / max(len(values), 1)


def _correlations(blocks: Array, ZZ: Array, YZ: Array, YY: float) -> Array:
    """(draw,) correlation of the currents through blocks of weights with a target current, from their moments.

    Parameters
    ----------
    blocks : (draw, unit, regressor) weights.
    ZZ : (regressor, regressor) sums of z z' over transitions.
    YZ : (unit, regressor) sums of the target current times z'.
    YY : sum of the squared target current over units and transitions.
    """
    products = (blocks * YZ).sum((1, 2))
    scale = np.sqrt(((blocks @ ZZ) * blocks).sum((1, 2)) * YY)
    return np.divide(products, scale, out=np.full(len(scale), np.nan), where=scale > 0)


def time_shift(regression: CurrentRegression, *, seed: int = 0) -> NullComparison:
    """Held-out gain of a source that is shifted in time, round each trial, by at least a tenth of the trial."""
    complete = regression.complete
    length = complete.sum(1)
    rank = complete.cumsum(1) - 1
    bins = np.argsort(~complete, axis=1, kind="stable")
    incomplete_bins = np.where(complete, 0, np.arange(complete.shape[1]))

    def shifted(activity: Array, rng: np.random.Generator) -> Array:
        least = length // 10
        shift = rng.integers(least, np.maximum(length - least, least + 1))
        donor_bins = np.take_along_axis(bins, (rank - shift[:, None]) % np.maximum(length, 1)[:, None], axis=1)
        return np.take_along_axis(activity, np.where(complete, donor_bins, incomplete_bins)[..., None], axis=1)

    return _against_refits(regression, shifted, seed)


def trial_shuffle(regression: CurrentRegression, *, seed: int = 0) -> NullComparison:
    """Held-out gain of a source that is taken from other trials of the same condition.

    Training trials are exchanged with training trials and held-out trials with held-out trials. Where the other trial
    lacks a bin the source has its mean. The null has no answer (NaN) for a source that is the same in all trials of a
    condition.
    """
    exchangeable = [
        trials
        for half in (regression.train, ~regression.train)
        for name in np.unique(regression.condition[half])
        if len(trials := np.flatnonzero(half & (regression.condition == name))) > 1
    ]

    def shuffled(activity: Array, rng: np.random.Generator) -> Array:
        donor = np.arange(len(activity))
        for trials in exchangeable:
            donor[trials] = rng.permutation(trials)
        return np.where(np.isfinite(activity[donor]), activity[donor], np.nanmean(activity, axis=(0, 1)))

    value, null = _against_refits(regression, shuffled, seed)
    return NullComparison(value, np.where(np.ptp(null, axis=0) > LEAST_NULL_SPREAD, null, np.nan))


def region_labels(regression: CurrentRegression, *, seed: int = 0) -> NullComparison:
    """Held-out gain between random groups of units, as many and as large as the regions.

    The null is about regions, and has no answer (NaN) for inputs or where there is only one region.
    """
    rng = np.random.default_rng((seed, NULL_STREAM))
    labels = rng.permuted(np.tile(regression.region_of_unit, (NULL_DRAWS, 1)), axis=1)
    solved = _solved_regressions(regression)
    null = np.full((NULL_DRAWS, len(solved), len(regression.sources)), np.nan)
    for source in range(len(solved)):
        groups = np.nonzero(labels == source)[1].reshape(NULL_DRAWS, -1)
        by_unit = np.empty(labels.shape)
        for target, solution in enumerate(solved):
            by_unit[:, regression.region_of_unit == target] = _gain_of_group(solution, groups)
        for target in range(len(solved)):
            null[:, target, source] = mean_of_active(by_unit[labels == target].reshape(NULL_DRAWS, -1))
    value = _gain_of_sources(regression, solved)
    return NullComparison(value, null if len(solved) > 1 else np.full_like(null, np.nan))


def random_group(regression: CurrentRegression, *, seed: int = 0) -> NullComparison:
    """Held-out gain of as many random units outside of the target region as the source has.

    The units are drawn from all regions where the source is the target region itself. The null is about regions, and
    has no answer (NaN) for inputs or where there is only one such group.
    """
    rng = np.random.default_rng((seed, NULL_STREAM))
    solved = _solved_regressions(regression)
    null = np.full((NULL_DRAWS, len(solved), len(regression.sources)), np.nan)
    for target, solution in enumerate(solved):
        for source in range(len(solved)):
            candidates = np.flatnonzero((regression.region_of_unit != target) | (source == target))
            size = len(regression.sources[source])
            if size < len(candidates):
                groups = rng.permuted(np.tile(candidates, (NULL_DRAWS, 1)), axis=1)[:, :size]
                null[:, target, source] = mean_of_active(_gain_of_group(solution, groups))
    return NullComparison(_gain_of_sources(regression, solved), null)


class _SolvedRegression(NamedTuple):
    """The regression of one target region, with all that is needed to leave regressors out.

    `curbd.regression.moments.solve` hands back the weights alone. Leaving regressors out of a solved regression also
    needs the inverse of the penalised Gram matrix, and saves a factorisation for each group of each draw.

    Attributes
    ----------
    inverse : (regressor, regressor) inverse of the penalised Gram matrix of the fitted transitions.
    W : (unit, regressor) weights.
    error_z : (unit, regressor) sums over held-out transitions of the error of W times z'.
    ZZ : (regressor, regressor) Gram matrix of the held-out transitions.
    YY : (unit,) sum of the squared held-out current; NaN for a unit that is silent in the held-out transitions.
    """

    inverse: torch.Tensor
    W: torch.Tensor
    error_z: torch.Tensor
    ZZ: torch.Tensor
    YY: torch.Tensor


def _solved_regressions(regression: CurrentRegression) -> list[_SolvedRegression]:
    """The regressions of all target regions."""
    fitted, held_out = (moments(regression.z[half], regression.y[half]) for half in regression.halves())
    solved = []
    for target, ridge in enumerate(regression.penalty):
        units = np.flatnonzero(regression.region_of_unit == target)
        inverse = torch.linalg.inv(fitted.ZZ + torch.diag(tensor(ridge)))
        W = fitted.YZ[units] @ inverse
        solution = _SolvedRegression(
            inverse=inverse,
            W=W,
            error_z=held_out.YZ[units] - W @ held_out.ZZ,
            ZZ=held_out.ZZ,
            YY=tensor(regression.held_out_squares[units]),
        )
        solved.append(solution)
    return solved


def _gain_of_group(solution: _SolvedRegression, groups: Array) -> Array:
    """(draw, unit) rise of the held-out squared error without a group of regressors, as a share of the squared current.

    Parameters
    ----------
    solution : the regression of a target region.
    groups : (draw, member) regressors of the group of each draw.
    """
    gains = []
    for start in range(0, len(groups), DRAWS_PER_BATCH):
        group = torch.as_tensor(groups[start : start + DRAWS_PER_BATCH], device=solution.W.device)
        # Leaving regressors g out of a solved regression changes its weights by W_g (S_gg)^-1 S_g, S the inverse.
        inside = solution.inverse[group[:, :, None], group[:, None, :]]
        change = torch.linalg.solve(inside, solution.W[:, group].permute(1, 2, 0)).mT @ solution.inverse[group]
        gains.append(2 * (change * solution.error_z).sum(-1) + ((change @ solution.ZZ) * change).sum(-1))
    return (torch.cat(gains) / solution.YY).cpu().numpy()


def _gain_of_sources(regression: CurrentRegression, solved: list[_SolvedRegression]) -> Array:
    """(target region, source) gain of every source, mean over the units of the region."""
    return np.array(
        [
            [mean_of_active(_gain_of_group(solution, columns[None])).item() for columns in regression.sources]
            for solution in solved
        ]
    )


def _against_refits(
    regression: CurrentRegression, change: Callable[[Array, np.random.Generator], Array], seed: int
) -> NullComparison:
    """Gain of every source as recorded and as changed by a null, each from a separate regression.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    change : makes one draw of the null from the activity of a source (trial, time, regressor) and a random generator.
    seed : of the draws.
    """
    rng = np.random.default_rng((seed, NULL_STREAM))
    comparison = NullComparison.empty(regression)
    halves = [(regression.z[half], regression.y[half]) for half in regression.halves()]
    for source, columns in enumerate(regression.sources):
        activity = regression.z[..., columns]
        other_columns = np.setdiff1d(np.arange(regression.z.shape[2]), columns)
        of_others = [moments(z[:, other_columns], y) for z, y in halves]
        versions = (activity if draw == 0 else change(activity, rng) for draw in range(NULL_DRAWS + 1))
        gains = np.concatenate(list(_gains_of_versions(regression, columns, other_columns, of_others, versions)))
        comparison.value[:, source], comparison.null[..., source] = gains[0], gains[1:]
    return comparison


def _gains_of_versions(
    regression: CurrentRegression,
    columns: Array,
    other_columns: Array,
    of_others: list[Moments],
    versions: Iterator[Array],
) -> Iterator[Array]:
    """Held-out gains (version, target region) of versions of a source, a batch of versions at a time.

    The other sources are the same for all versions. Their Gram matrix is therefore factored once for every target and
    eliminated from every regression, which `curbd.regression.moments.solve` would factor anew for each version.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    columns, other_columns : regressors of the source, and of all other sources.
    of_others : moments of the regression on the other sources: of the fitted and of the held-out transitions.
    versions : activity of the source (trial, time, regressor), as recorded and as changed.
    """
    fitted, held_out = of_others
    halves = regression.halves()
    z, y = ([tensor(array[half]) for half in halves] for array in (regression.z[..., other_columns], regression.y))
    ridge = tensor(regression.penalty)
    held_out_squares = tensor(regression.held_out_squares)
    factors = [torch.linalg.cholesky(fitted.ZZ + torch.diag(penalty[other_columns])) for penalty in ridge]
    while batch := list(islice(versions, DRAWS_PER_BATCH)):
        source, source_held_out = (_source_moments(*arrays, batch) for arrays in zip(halves, z, y, strict=True))
        gains = []
        for target, factor in enumerate(factors):
            units = np.flatnonzero(regression.region_of_unit == target)
            W_others = torch.cholesky_solve(fitted.YZ[units].T, factor).T
            predicted = torch.cholesky_solve(source.OS, factor)
            # The source without what the others predict of it, and the current without what they explain.
            inside = source.SS + torch.diag(ridge[target, columns]) - source.OS.mT @ predicted
            W = torch.linalg.solve(inside, (source.YS[:, units] - W_others @ source.OS).mT).mT
            crossed = predicted.mT @ source_held_out.OS
            inside_held_out = source_held_out.SS - crossed - crossed.mT + predicted.mT @ held_out.ZZ @ predicted
            error_others = held_out.YZ[units] - W_others @ held_out.ZZ
            error_source = source_held_out.YS[:, units] - W_others @ source_held_out.OS - error_others @ predicted
            gain = 2 * (W * error_source).sum(-1) - ((W @ inside_held_out) * W).sum(-1)
            gains.append((gain / held_out_squares[units]).nanmean(1))
        yield torch.stack(gains, 1).cpu().numpy()


class _SourceMoments(NamedTuple):
    """Sums over transitions of products with the activity s of versions of a source.

    Attributes
    ----------
    OS : (version, other regressor, regressor) of the other sources.
    YS : (version, unit, regressor) of the current.
    SS : (version, regressor, regressor) of s with itself.
    """

    OS: torch.Tensor
    YS: torch.Tensor
    SS: torch.Tensor


def _source_moments(half: Array, z_others: torch.Tensor, y: torch.Tensor, versions: list[Array]) -> _SourceMoments:
    """Moments of versions of a source in some transitions.

    Parameters
    ----------
    half : (trial, time) bool, the transitions.
    z_others : (transition, other regressor) activity of the other sources.
    y : (transition, unit) total current.
    versions : activity of the source (trial, time, regressor) in each version.
    """
    activity = torch.stack([tensor(version[half]) for version in versions])
    return _SourceMoments(z_others.T @ activity, y.T @ activity, activity.mT @ activity)
