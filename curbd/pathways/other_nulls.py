"""Five additional nulls of a pathway: what its currents would look like if the pathway did not exist.

Each null asks a different question, and the verdict uses none of these nulls. The null of the verdict, which keeps the
activity that regions share, is in `curbd.pathways.shuffled_source`. The held-out gain of a source is the rise of the
held-out squared error of a regression when the source is left out, as a share of the squared current. All statistics
are about held-out transitions. The random weights are compared with the weights of the fit; the other four nulls
compare ridge regressions with the penalties of the fit.

=================  ====================================================================================================
random weights     How large is the current of a source whose weights are drawn anew at the same scale, and how well
                   does this current correlate with what the other sources leave unexplained? If activity is
                   low-dimensional, any weights give a correlation.
time shift         Does it matter when the source is active? Anti-conservative: every source passes that shares an event
                   or an input with the target.
trial shuffle      Does the source predict more than the average of its condition? Anti-conservative: every source
                   passes that shares single-trial variability with a true source.
region labels      Is the pathway stronger than a pathway between random groups of as many units? A question about the
                   borders of the regions, and not about whether there is a pathway: a weak true pathway fails.
random group       Does the source predict more of the target than as many random units outside the target? A
                   question about the choice of the source: a weak true pathway fails here, too.
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
"""Number of draws of a null; the smallest possible p value is 1 / 100."""
DRAWS_PER_BATCH = 33
"""Number of draws that are computed together; a larger number takes more memory."""
LEAST_NULL_SPREAD = 1e-12
"""Range of the draws of a null below which all draws count as equal and the null is undefined."""
NULL_STREAM = 1
"""Second part of the random seed: no draw repeats the random numbers that a teacher draws from the same seed."""


class NullComparison(NamedTuple):
    """A statistic of every pathway, and its values under a null.

    Attributes
    ----------
    value : (target region, source) the statistic.
    null : (draw, target region, source) the statistic under the null; NaN where the null is undefined.
    """

    value: Array
    null: Array

    @classmethod
    def empty(cls, regression: CurrentRegression) -> NullComparison:
        """Allocate arrays to be filled, with one entry per pathway."""
        shape = len(regression.penalty), len(regression.sources)
        return cls(np.empty(shape), np.empty((NULL_DRAWS, *shape)))

    def p_value(self) -> Array:
        """Compute the probability (target region, source), under the null, of a value at least as large."""
        at_least = (self.null >= self.value).sum(0)
        p = (1 + at_least) / (len(self.null) + 1)
        return np.where(np.isfinite(self.value) & np.isfinite(self.null).all(0), p, np.nan)


def random_weights(regression: CurrentRegression, W: Array, *, seed: int = 0) -> tuple[NullComparison, NullComparison]:
    """Compare currents with currents through random weights.

    The random weights from a source to a target region are drawn from a Gaussian with mean 0 and the mean square of the
    fitted weights from this source to this region.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    W : (unit, regressor) fitted weights [J, B, b].
    seed : seed for the random weights.

    Returns
    -------
    rms : comparison of the root mean square of the current over all transitions.
    correlation : comparison of the correlation between the current and the part of the held-out total current that all
        other sources, with the fitted weights, leave unexplained, each unit about its mean; NaN for a source whose
        weights are 0.
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
    """Subtract from values (sample, column) their mean over samples."""
    return values - values.sum(0) / max(len(values), 1)


def _correlations(blocks: Array, ZZ: Array, YZ: Array, YY: float) -> Array:
    """Correlate currents through blocks of weights with a target current, from second moments; one value per draw.

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
    """Compare held-out gains with the gains of sources that are shifted in time.

    The held-out gain of a source is the improvement in held-out prediction by the source. Under the null, the activity
    of the source in each trial is shifted circularly by a random lag of at least a tenth of the trial.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    seed : seed for the random lags.

    Returns
    -------
    The held-out gain of every pathway, and its values under the null.
    """
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
    """Compare held-out gains with the gains of sources whose trials of one condition are exchanged.

    The held-out gain of a source is the improvement in held-out prediction by the source. Under the null, the activity
    of the source is taken from another trial of the same condition. Training trials are exchanged with training trials
    and held-out trials with held-out trials. If the other trial lacks a bin, the source has its mean in this bin. The
    null is undefined (NaN) for a source that is identical in all trials of a condition.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    seed : seed for the exchange of trials.

    Returns
    -------
    The held-out gain of every pathway, and its values under the null.
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
    """Compare held-out gains between regions with the gains between random groups of units.

    The held-out gain of a source is the improvement in held-out prediction by the source. Under the null, the region
    labels of the units are permuted, so that there are as many groups as regions, of the sizes of the regions. The null
    is defined for regions only: it is NaN for inputs, and if there is only one region.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    seed : seed for the permutation of the labels.

    Returns
    -------
    The held-out gain of every pathway, and its values under the null.
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
    """Compare held-out gains with the gains of random units outside the target region, as many as the source has.

    The held-out gain of a source is the improvement in held-out prediction of the target by the source. If source and
    target are the same region, the random units are drawn from all regions. The null is defined for regions only: it is
    NaN for inputs, and if only one such group of units exists.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    seed : seed for the random units.

    Returns
    -------
    The held-out gain of every pathway, and its values under the null.
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

    `curbd.regression.moments.solve` returns the weights alone. To leave regressors out of a solved regression, the
    inverse of the penalised Gram matrix is needed as well; this saves a factorisation per group and draw.

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
    """Solve the regressions of all target regions."""
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
    """Compute the rise of the held-out squared error without a group of regressors, as a share of the squared current.

    Parameters
    ----------
    solution : the regression of a target region.
    groups : (draw, regressor) indices of the regressors in the group of each draw.

    Returns
    -------
    (draw, unit) rise.
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
    """Compute the gain (target region, source) of every source, averaged over the units of the target region."""
    return np.array(
        [
            [mean_of_active(_gain_of_group(solution, columns[None])).item() for columns in regression.sources]
            for solution in solved
        ]
    )


def _against_refits(
    regression: CurrentRegression, change: Callable[[Array, np.random.Generator], Array], seed: int
) -> NullComparison:
    """Compute the gain of every source as recorded and as changed by a null, each from a separate regression.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    change : function that makes one draw of the null, from the activity of a source (trial, time, regressor) and a
        random generator.
    seed : seed for the draws.
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
    """Compute the held-out gains (version, target region) of versions of a source, a batch of versions at a time.

    All other sources are identical in all versions. The Gram matrix of the other sources is therefore factored only
    once per target, and eliminated from every regression; `curbd.regression.moments.solve` would factor it anew for
    each version.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    columns, other_columns : indices of the regressors of the source, and of all other sources.
    of_others : second moments of the regression on the other sources, for the fitted and for the held-out transitions.
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
    OS : (version, other regressor, regressor) products of the other sources with s.
    YS : (version, unit, regressor) products of the current with s.
    SS : (version, regressor, regressor) products of s with itself.
    """

    OS: torch.Tensor
    YS: torch.Tensor
    SS: torch.Tensor


def _source_moments(half: Array, z_others: torch.Tensor, y: torch.Tensor, versions: list[Array]) -> _SourceMoments:
    """Compute the second moments of versions of a source in some transitions.

    Parameters
    ----------
    half : (trial, time) bool, the transitions.
    z_others : (transition, other regressor) activity of the other sources.
    y : (transition, unit) total current.
    versions : activity of the source (trial, time, regressor) in each version.
    """
    activity = torch.stack([tensor(version[half]) for version in versions])
    return _SourceMoments(z_others.T @ activity, y.T @ activity, activity.mT @ activity)
