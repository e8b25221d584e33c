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

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.monte_carlo import MonteCarlo
from curbd.pathways.shuffle_test import shuffle_tests
from curbd.pathways.shuffled_products import Half, halves_of_products
from curbd.pathways.solved_regression import mean_of_active
from curbd.progress import progress

Array = np.ndarray
NULL_DRAWS = 99
"""Largest number of draws of a null; the smallest possible p value is 1 / 100."""
LEAST_TRIALS_OF_TRIAL_SHUFFLE = 2
"""Smallest number of trials of a condition between which the null `trial_shuffle` exchanges activity."""
LEAST_TRIAL_DIFFERENCE = 1e-12
"""Differences between trials below this value count as rounding errors."""
NULL_STREAM = 1
"""Second part of the random seed: no draw repeats the random numbers that a teacher draws from the same seed."""


class NullComparison(NamedTuple):
    """A statistic of every pathway, and its values under a null.

    Attributes
    ----------
    value : (target region, source) the statistic.
    null : (draw, target region, source) the statistic under the null; NaN where the null is undefined, and for draws
        that were not needed (see `curbd.pathways.monte_carlo`).
    p_value : (target region, source) probability, under the null, of a value at least as large; NaN where the null is
        undefined.
    """

    value: Array
    null: Array
    p_value: Array

    @classmethod
    def of(cls, value: Array, null: Array) -> NullComparison:
        """Compare a statistic (target region, source) with all its draws (draw, target region, source)."""
        p = (1 + (null >= value).sum(0)) / (len(null) + 1)
        return cls(value, null, np.where(np.isfinite(value) & np.isfinite(null).all(0), p, np.nan))


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
    all_moments = regression.moments[0].plus(regression.moments[1])
    power = (all_moments.ZZ / all_moments.n.clamp_min(1)).cpu().numpy()
    ZZ, YZ, YY = _about_means(regression)
    error_z = YZ - W @ ZZ
    squared_error = YY - (W * (YZ + error_z)).sum(1)
    shape = 1 + NULL_DRAWS, len(regression.penalty), len(regression.sources)
    sizes, correlations = np.empty(shape), np.empty(shape)
    for target in range(len(regression.penalty)):
        units = np.flatnonzero(regression.region_of_unit == target)
        for source, columns in enumerate(regression.sources):
            block, pairs = W[np.ix_(units, columns)], np.ix_(columns, columns)
            crossed, sent = error_z[np.ix_(units, columns)], block @ ZZ[pairs]
            unexplained = squared_error[units].sum() + ((2 * crossed + sent) * block).sum()
            drawn = rng.standard_normal((NULL_DRAWS, *block.shape)) * np.sqrt((block**2).mean())
            blocks = np.concatenate([block[None], drawn])
            sizes[:, target, source] = np.sqrt(((blocks @ power[pairs]) * blocks).sum(-1).mean(-1))
            correlations[:, target, source] = _correlations(blocks, ZZ[pairs], crossed + sent, unexplained)
    return NullComparison.of(sizes[0], sizes[1:]), NullComparison.of(correlations[0], correlations[1:])


def _about_means(regression: CurrentRegression) -> tuple[Array, Array, Array]:
    """Compute the second moments ZZ, YZ and YY of the held-out transitions, about the mean of each column."""
    held_out, half = regression.moments[1], regression.halves[1]
    n, (z, y) = held_out.n.clamp_min(1), (tensor(values[half].sum(0)) for values in (regression.z, regression.y))
    centred = held_out.ZZ - torch.outer(z, z) / n, held_out.YZ - torch.outer(y, z) / n, held_out.YY - y**2 / n
    ZZ, YZ, YY = (values.cpu().numpy() for values in centred)
    return ZZ, YZ, YY


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
    of the source in each trial is shifted circularly by a random lag (see `curbd.pathways.shifted_products`).

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    seed : seed for the random lags.

    Returns
    -------
    The held-out gain of every pathway, and its values under the null.
    """
    halves = halves_of_products(regression, least_trials=None, shift_others=True)
    return _against_shuffles(
        regression, halves, lambda columns: np.nan_to_num(regression.z[..., columns]), seed=seed, name="null time_shift"
    )


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
    halves = halves_of_products(regression, least_trials=LEAST_TRIALS_OF_TRIAL_SHUFFLE, shift_others=False)

    def filled(columns: Array) -> Array | None:
        activity = regression.z[..., columns]
        activity = np.where(np.isfinite(activity), activity, np.nanmean(activity, axis=(0, 1)))
        groups = [trials for half in halves for trials in half.exchanged]
        varies = any(np.ptp(activity[trials], axis=0).max() > LEAST_TRIAL_DIFFERENCE for trials in groups)
        return activity if varies else None

    return _against_shuffles(regression, halves, filled, seed=seed, name="null trial_shuffle")


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
    solved = regression.solved
    null = np.full((NULL_DRAWS, len(solved), len(regression.sources)), np.nan)
    for source in range(len(solved) if len(solved) > 1 else 0):
        groups = np.nonzero(labels == source)[1].reshape(NULL_DRAWS, -1)
        by_unit = np.empty(labels.shape)
        for solution in solved:
            by_unit[:, solution.units] = solution.gains(groups)
        for target in range(len(solved)):
            null[:, target, source] = mean_of_active(by_unit[labels == target].reshape(NULL_DRAWS, -1))
    return NullComparison.of(regression.gains, null)


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
    solved = regression.solved
    null = np.full((NULL_DRAWS, len(solved), len(regression.sources)), np.nan)
    for target, solution in enumerate(solved):
        for source in range(len(solved)):
            candidates = np.flatnonzero((regression.region_of_unit != target) | (source == target))
            size = len(regression.sources[source])
            if size < len(candidates):
                groups = rng.permuted(np.tile(candidates, (NULL_DRAWS, 1)), axis=1)[:, :size]
                null[:, target, source] = mean_of_active(solution.gains(groups))
    return NullComparison.of(regression.gains, null)


def _against_shuffles(
    regression: CurrentRegression,
    halves: tuple[Half, Half],
    activity_of: Callable[[Array], Array | None],
    *,
    seed: int,
    name: str,
) -> NullComparison:
    """Compare the gain of every source with its gains after the activity of the source was shuffled.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    halves : products of the fitted and of the held-out transitions, which say how activity is shuffled.
    activity_of : function that returns the activity (trial, time, column) of the regressors (column,) of a source, with
        missing values filled, or None if the null is undefined for this source.
    seed : seed for the shuffles.
    name : name of the null, for the display of progress.
    """
    rng = np.random.default_rng((seed, NULL_STREAM))
    value = regression.gains
    null, p_value = np.full((NULL_DRAWS, *value.shape), np.nan), np.full(value.shape, np.nan)
    with progress(len(regression.sources), name) as advance:
        for source, columns in enumerate(regression.sources):
            activity = activity_of(columns)
            tests: list[MonteCarlo] = []
            if activity is not None:
                tests = shuffle_tests(regression, halves, columns, activity=activity, most_draws=NULL_DRAWS, rng=rng)
            for target, test in enumerate(tests):
                null[: len(test.null), target, source] = test.null
                p_value[target, source] = test.p_value()
            advance(1)
    return NullComparison(value, null, p_value)
