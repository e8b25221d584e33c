"""Direct effects between regions from the skewness of their activity, which holds where sampling is slow.

If a region drives another faster than the recording samples, as in fMRI, the effect is over within a bin, and no
regression on the bin before shows its direction. Skewed activity does: a sum of independent inputs is less skewed than
the inputs, so that of all ways to write the activity as x = A x + e, the one with the most skewed and independent e is
the right one. This is independent component analysis with skewness as its contrast, read as a network whose loops are
allowed. Nothing can be said about activity without skewness, and the bootstrap over trials then says so.

Publications: Lacerda, Spirtes, Ramsey & Hoyer, UAI 2008 (cyclic networks from independent components); Hyvarinen &
Smith, J. Mach. Learn. Res. 2013 (skewness in fMRI).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import ndtr as normal_distribution

Array = np.ndarray
RESTARTS = 5
"""Starts of the search for the most skewed components, one of them at the activity itself."""
RESTARTS_OF_RESAMPLES = 2
"""Starts of the search in every resample; a resample that ends elsewhere widens the standard error, as it should."""
SKEWNESS_RESAMPLES = 25
"""Resamples of the blocks of trials behind the standard error of an effect."""
MAX_ROTATIONS = 200
"""Largest number of rounds of a search."""
DIRECTION_TOLERANCE = 1e-6
"""A search ends when no component turns by more than this."""
LEAST_VARIANCE_SHARE = 1e-10
"""Smallest variance of a direction, as a share of the largest one, so that copies of a region do not divide by 0."""
MIN_TRIALS = 8
"""Fewest trials (or blocks) with a bootstrap."""
MAX_TRIAL_BLOCKS = 40
"""Successive trials are joined to this number of blocks at most, which the bootstrap draws."""
SKEWNESS_SEED = 0
"""Seed of the starts and of the resamples."""


class ThirdMoments(NamedTuple):
    """Sums over the bins of standardised activity.

    Attributes
    ----------
    n : number of bins.
    second : (region, region) sums of products of two series.
    third : (region, region, region) sums of products of three series.
    """

    n: int
    second: Array
    third: Array


class SkewedEffects(NamedTuple):
    """Direct effects between regions, from the skewness of their activity.

    Attributes
    ----------
    effect : (target region, source region) change of the target, in its standard deviations, for a change of the source
        by one standard deviation; NaN on the diagonal, and everywhere with fewer than two regions or too few trials.
    p_value : (target region, source region) two-sided p-value of a bootstrap over trials; NaN like the effect.
    low : (target region, source region) the effect nearest to 0 among the effect and those of the filtered activity
        (`_filtered`); 0 where the signs differ, NaN like the effect. The bootstrap does not know an error of the model,
        such as noise or regions that were not recorded, but the estimates after different filters then differ.
    misfit : share of the skewness of the activity, and of the products of several regions, that x = A x + e does not
        explain, the same in both halves of the trials; near 0 where all that is skewed was recorded. NaN like the
        effect.
    """

    effect: Array
    p_value: Array
    low: Array
    misfit: float


def skewed_effects(r: Array, region_of_unit: Array) -> SkewedEffects:
    """Estimate direct effects between regions from the skewness of their mean activity.

    Parameters
    ----------
    r : (trial, time, unit) rates of the training trials, NaN where missing.
    region_of_unit : (unit,) index of each unit's region, from 0.

    Returns
    -------
    The effects and their p-values.
    """
    n_regions = int(region_of_unit.max()) + 1
    series = mean_activity(r, region_of_unit)
    blocks = moments_of_blocks(series) if n_regions >= 2 else []
    nothing = np.full((n_regions, n_regions), np.nan)
    if not blocks:
        return SkewedEffects(nothing, nothing.copy(), nothing.copy(), float("nan"))
    rng = np.random.default_rng(SKEWNESS_SEED)
    (effect,) = _effects([summed(blocks)], RESTARTS, rng)
    drawn = rng.integers(len(blocks), size=(SKEWNESS_RESAMPLES, len(blocks)))
    resamples = [summed([blocks[block] for block in of_resample]) for of_resample in drawn]
    resampled = np.stack(_effects(resamples, RESTARTS_OF_RESAMPLES, rng))
    error = np.maximum(resampled.std(0, ddof=1), np.finfo(float).tiny)
    p_value = 2 * normal_distribution(-np.abs(effect) / error)
    filtered = [_moments(np.concatenate(bins)) for bins in map(_usable, _filtered(series)) if len(bins) >= MIN_TRIALS]
    effects = np.stack([effect, *_effects(filtered, RESTARTS, rng)])
    agree = np.abs(np.sign(effects).sum(0)) == len(effects)
    low = np.where(agree, np.sign(effect) * np.abs(effects).min(0), 0.0)
    diagonal = np.eye(n_regions, dtype=bool)
    effect, p_value, low = (np.where(diagonal, np.nan, values) for values in (effect, p_value, low))
    return SkewedEffects(effect, p_value, low, _misfit(blocks, rng))


def mean_activity(r: Array, region_of_unit: Array) -> Array:
    """Average the rates r (trial, time, unit) over the units of every region: (trial, time, region)."""
    return np.stack([r[..., region_of_unit == region].mean(2) for region in range(region_of_unit.max() + 1)], axis=2)


def moments_of_blocks(series: Array) -> list[ThirdMoments]:
    """Compute the moments of the standardised activity of blocks of successive trials.

    Parameters
    ----------
    series : (trial, time, region) mean activity of the regions, NaN where missing.

    Returns
    -------
    The moments of 40 blocks, or of every trial if there are fewer; none if there are fewer than 8 trials.
    """
    trials = _usable(series)
    if len(trials) < MIN_TRIALS:
        return []
    shares = np.array_split(np.arange(len(trials)), min(MAX_TRIAL_BLOCKS, len(trials)))
    return [_moments(np.concatenate([trials[trial] for trial in share])) for share in shares]


def _usable(series: Array) -> list[Array]:
    """Standardised complete bins (bin, region) of every trial in which every region varies."""
    return [standard for trial in series if (standard := standardised(trial)) is not None]


def _misfit(blocks: Sequence[ThirdMoments], rng: np.random.Generator) -> float:
    """Share of the third moments of white activity that no independent components explain, by halves of the blocks.

    Third moments of independent components are 0 unless all three series are the same component. Products of the
    moments of two halves keep noise out of the share, which can be below 0.
    """
    (unmixing,) = _components([summed(blocks)], RESTARTS, rng)
    halves = [_third_moments(summed(blocks[start::2]), unmixing) for start in (0, 1)]
    total = float((halves[0] * halves[1]).sum())
    component = np.arange(len(unmixing))
    explained = float((halves[0][component, component, component] * halves[1][component, component, component]).sum())
    return 1 - explained / total if total > 0 else float("nan")


def _filtered(series: Array) -> list[Array]:
    """Filter the activity in three ways under which the network is the same if the model is right.

    The filters are the innovations of an autoregression that all regions share, the innovations with half of its
    coefficient, and the sum of two successive bins.

    Parameters
    ----------
    series : (trial, time, region) mean activity of the regions, NaN where missing.

    Returns
    -------
    The filtered activity, (trial, time - 1, region) each.
    """
    centred = series - np.nanmean(series, axis=1, keepdims=True)
    centred = centred / np.nanstd(centred, axis=(0, 1))
    memory = float(np.nanmean(centred[:, 1:] * centred[:, :-1]))
    return [centred[:, 1:] - kept * centred[:, :-1] for kept in (memory, memory / 2, -1.0)]


def standardised(trial: Array) -> Array | None:
    """Return the complete bins (bin, region) of a trial with mean 0 and variance 1; None if a region does not vary."""
    complete = trial[np.isfinite(trial).all(1)]
    if len(complete) < 2 or not (complete.std(0) > 0).all():
        return None
    return np.asarray((complete - complete.mean(0)) / complete.std(0))


def _moments(x: Array) -> ThirdMoments:
    """Sums of products of two and of three of the standardised series x (bin, region)."""
    pairs = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    n_regions = x.shape[1]
    return ThirdMoments(len(x), x.T @ x, (pairs.T @ x).reshape(n_regions, n_regions, n_regions))


def summed(blocks: Sequence[ThirdMoments]) -> ThirdMoments:
    """Add the moments of several blocks."""
    return ThirdMoments(
        sum(block.n for block in blocks),
        np.sum([block.second for block in blocks], axis=0),
        np.sum([block.third for block in blocks], axis=0),
    )


def _effects(moments: Sequence[ThirdMoments], restarts: int, rng: np.random.Generator) -> list[Array]:
    """Effects A (target, source) of x = A x + e, for the most skewed and uncorrelated e, in every resample.

    `_components` explains the parameters.
    """
    unmixings = _components(moments, restarts, rng)
    return [np.asarray(np.eye(len(unmixing)) - unmixing / np.diag(unmixing)[:, None]) for unmixing in unmixings]


def _components(moments: Sequence[ThirdMoments], restarts: int, rng: np.random.Generator) -> list[Array]:
    """Weights (component, region) of the most skewed and uncorrelated components of the activity, in every resample.

    The component of a region is the one that drives the region directly.

    Parameters
    ----------
    moments : second and third moments of the standardised activity x, one for every resample.
    restarts : starts of the search, the first at the activity itself.
    rng : random numbers of the other starts.
    """
    whitenings, whites, starts = [], [], []
    for of_resample in moments:
        values, vectors = np.linalg.eigh(of_resample.second / of_resample.n)
        whitening = vectors / np.sqrt(np.maximum(values, values.max() * LEAST_VARIANCE_SHARE)) @ vectors.T
        whitenings.append(whitening)
        whites.append(_third_moments(of_resample, whitening))
        n_regions = len(whitening)
        starts.append(np.eye(n_regions))
        starts += [np.linalg.qr(rng.standard_normal((n_regions, n_regions)))[0] for _ in range(restarts - 1)]
    white = np.stack(whites)
    rotations = _most_skewed(np.repeat(white, restarts, axis=0), np.stack(starts))
    rotations = rotations.reshape(len(white), restarts, *rotations.shape[1:])
    unmixings = []
    for whitening, of_resample, candidates in zip(whitenings, white, rotations, strict=True):
        contrast = (_skewness(of_resample[None], candidates)[0] ** 2).sum(1)
        unmixing = candidates[contrast.argmax()] @ whitening
        # A component belongs to the region that it drives directly: no region may be without a component of its own.
        _, component = linear_sum_assignment(-np.log(np.abs(unmixing.T) + np.finfo(float).tiny))
        unmixings.append(unmixing[component])
    return unmixings


def _third_moments(moments: ThirdMoments, unmixing: Array) -> Array:
    """Third moments (component, component, component) of the activity after a linear map (component, region)."""
    third = moments.third / moments.n
    return np.asarray(np.einsum("abc,ia,jb,kc->ijk", third, unmixing, unmixing, unmixing, optimize=True))


def _most_skewed(white: Array, start: Array) -> Array:
    """Rotations (start, component, region) with the largest squared skewness, each from its own start.

    Parameters
    ----------
    white : (start, region, region, region) third moments of white activity.
    start : (start, component, region) where the searches start.
    """
    rotation, searching = start.copy(), np.arange(len(start))
    for _ in range(MAX_ROTATIONS):
        skewness, ahead = _skewness(white[searching], rotation[searching])
        left, _, right = np.linalg.svd(skewness[..., None] * ahead)
        before, rotation[searching] = rotation[searching], left @ right
        turned = np.abs(np.abs((rotation[searching] * before).sum(2)) - 1).max(1)
        searching = searching[turned >= DIRECTION_TOLERANCE]
        if not len(searching):
            break
    return rotation


def _skewness(white: Array, rotation: Array) -> tuple[Array, Array]:
    """Skewness (start, component) of the components, and a third of its gradient (start, component, region)."""
    n_regions = white.shape[-1]
    outer = (rotation[..., :, None] * rotation[..., None, :]).reshape(*rotation.shape[:2], -1)
    ahead = outer @ white.reshape(len(white), -1, n_regions)
    return (ahead * rotation).sum(2), ahead
