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

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.monte_carlo import MonteCarlo, decide
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


Tests = dict[tuple[int, int], MonteCarlo]
"""Target region and source -> the test of this pathway."""


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
    def of(cls, value: Array, tests: Mapping[tuple[int, int], MonteCarlo]) -> NullComparison:
        """Collect the tests of a statistic (target region, source), by target and source; the others are undefined."""
        null, p_value = np.full((NULL_DRAWS, *value.shape), np.nan), np.full(value.shape, np.nan)
        for pathway, test in tests.items():
            null[(slice(len(test.null)), *pathway)] = test.null
            p_value[pathway] = test.p_value()
        return cls(value, null, p_value)


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
    shape = len(regression.penalty), len(regression.sources)
    size, correlation = np.empty(shape), np.empty(shape)
    tests: tuple[Tests, Tests] = {}, {}
    for target, source in np.ndindex(shape):
        units, columns = np.flatnonzero(regression.region_of_unit == target), regression.sources[source]
        block, pairs = W[np.ix_(units, columns)], np.ix_(columns, columns)
        crossed, sent = error_z[np.ix_(units, columns)], block @ ZZ[pairs]
        unexplained = squared_error[units].sum() + ((2 * crossed + sent) * block).sum()
        of_pathway = _tests_of_weights(block, power[pairs], ZZ[pairs], crossed + sent, unexplained, rng)
        for of_measure, of_all, test in zip(tests, (size, correlation), of_pathway, strict=True):
            of_measure[target, source], of_all[target, source] = test, test.value
    return NullComparison.of(size, tests[0]), NullComparison.of(correlation, tests[1])


def _tests_of_weights(
    block: Array, power: Array, ZZ: Array, YZ: Array, YY: float, rng: np.random.Generator
) -> list[MonteCarlo]:
    """Compare the current of one pathway with currents through random weights: its rms, and its correlation.

    Parameters
    ----------
    block : (unit, regressor) fitted weights of the pathway.
    power : (regressor, regressor) mean of z z' over all transitions.
    ZZ, YZ, YY : second moments of the regressors and of the unexplained current in held-out transitions, see
        `_correlations`.
    rng : random generator of the weights.
    """

    def measures(blocks: Array) -> Array:
        """Measure the currents through blocks of weights: (draw, 2) root mean square and correlation."""
        sizes = np.sqrt(((blocks @ power) * blocks).sum(-1).mean(-1))
        return np.stack([sizes, _correlations(blocks, ZZ, YZ, YY)], axis=1)

    def draw(n_draws: int, undecided: list[int]) -> Array:
        drawn = rng.standard_normal((n_draws, *block.shape)) * np.sqrt((block**2).mean())
        return measures(drawn)[:, undecided]

    tests = [MonteCarlo(value, NULL_DRAWS) for value in measures(block[None])[0]]
    decide(tests, draw)
    return tests


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
    tests: Tests = {}
    for source in range(len(regression.solved) if len(regression.solved) > 1 else 0):
        of_source = _tests_of_labels(regression, source, rng)
        tests |= {(target, source): test for target, test in enumerate(of_source)}
    return NullComparison.of(regression.gains, tests)


def _tests_of_labels(regression: CurrentRegression, source: int, rng: np.random.Generator) -> list[MonteCarlo]:
    """Compare the gains of a region, for every target region, with those between groups of random labels."""

    def draw(n_draws: int, undecided: list[int]) -> Array:
        labels = rng.permuted(np.tile(regression.region_of_unit, (n_draws, 1)), axis=1)
        groups = np.nonzero(labels == source)[1].reshape(n_draws, -1)
        by_unit = np.empty(labels.shape)
        for solution in regression.solved:
            by_unit[:, solution.units] = solution.gains(groups)
        of_targets = [by_unit[labels == target].reshape(n_draws, -1) for target in undecided]
        return np.stack([mean_of_active(of_target) for of_target in of_targets], axis=1)

    tests = [MonteCarlo(gain, NULL_DRAWS) for gain in regression.gains[:, source]]
    decide(tests, draw)
    return tests


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
    tests: Tests = {}
    for target, source in np.ndindex(len(regression.solved), len(regression.solved)):
        candidates = np.flatnonzero((regression.region_of_unit != target) | (source == target))
        if len(regression.sources[source]) < len(candidates):
            tests[target, source] = _test_of_groups(regression, target, source, candidates, rng)
    return NullComparison.of(regression.gains, tests)


def _test_of_groups(
    regression: CurrentRegression, target: int, source: int, candidates: Array, rng: np.random.Generator
) -> MonteCarlo:
    """Compare the gain of a pathway with those of as many random units out of some candidates (unit,)."""
    size = len(regression.sources[source])

    def draw(n_draws: int, undecided: list[int]) -> Array:
        groups = rng.permuted(np.tile(candidates, (n_draws, 1)), axis=1)[:, :size]
        return mean_of_active(regression.solved[target].gains(groups))[:, None]

    test = MonteCarlo(regression.gains[target, source], NULL_DRAWS)
    decide([test], draw)
    return test


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
    tests: Tests = {}
    with progress(len(regression.sources), name) as advance:
        for source, columns in enumerate(regression.sources):
            activity = activity_of(columns)
            if activity is not None:
                of_source = shuffle_tests(
                    regression, halves, source, activity=tensor(activity).float(), most_draws=NULL_DRAWS, rng=rng
                )
                tests |= {(target, source): test for target, test in enumerate(of_source)}
            advance(1)
    return NullComparison.of(regression.gains, tests)
