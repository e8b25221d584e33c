"""What currents would look like if nothing were there: five further nulls of a pathway, each with its own question.

None of them is behind the verdict (that one, which keeps what regions share, is in `curbd.pathways.shuffled_source`).
All statistics are about held-out transitions; all but the first are of ridge regressions with the penalties of the fit.

=================  ====================================================================================================
random weights     How large, and how well correlated with what is left to explain, is the current of a source whose
                   weights are drawn anew at the same scale? Low-dimensional activity makes any weights correlate.
time shift         Does it matter when the source does what it does? Anti-conservative: whatever shares an event or an
                   input with the target passes.
trial shuffle      Does the source tell more than its condition's average? Anti-conservative: whatever shares
                   single-trial variability with a true source passes.
region labels      Is the pathway stronger than one between random groups of as many units? About the borders of the
                   regions, not about whether there is a pathway: a weak true one fails.
random group       Does the source tell the target more than as many random units outside of the target? About the
                   choice of the source, in the same sense.
=================  ====================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.pathways.current_regression import CurrentRegression
from curbd.regression.moments import Moments, moments

Array = np.ndarray
DRAWS = 99
"""Draws behind a p-value, whose smallest value is 1 / 100."""
CHUNK = 33
TINY = 1e-12
"""A unit that never moves has nothing to explain; the floor keeps its share finite."""
STREAM = 1
"""Beside the seed, so that no draw repeats what teachers draw from the same seed."""


class Compared(NamedTuple):
    """A statistic and what a null makes of it.

    value : (target region, source). null : (draw, target region, source); NaN where the null has nothing to say.
    """

    value: Array
    null: Array

    def p_value(self) -> Array:
        """(target region, source) probability under the null of a value at least as large."""
        at_least = (self.null >= self.value).sum(0)
        p = (1 + at_least) / (len(self.null) + 1)
        return np.where(np.isfinite(self.value) & np.isfinite(self.null).all(0), p, np.nan)


def random_weights(regression: CurrentRegression, W: Array, *, seed: int = 0) -> tuple[Compared, Compared]:
    """Currents through weights drawn anew from a Gaussian of the scale of each block of W (unit, regressor).

    Returns
    -------
    The rms of the current over all transitions, and its correlation with what all other sources (of W) leave of the
    held-out total current, each unit about its mean.
    """
    rng = np.random.default_rng((seed, STREAM))
    every, held_out = regression.z[regression.complete], regression.halves()[1]
    power = every.T @ every / max(len(every), 1)
    z, y = (part - part.sum(0) / max(len(part), 1) for part in (regression.z[held_out], regression.y[held_out]))
    ZZ, missed = z.T @ z, y - z @ W.T
    shape = len(regression.penalty), len(regression.sources)
    rms, r = (Compared(np.empty(shape), np.empty((DRAWS, *shape))) for _ in range(2))
    for target in range(shape[0]):
        rows = np.flatnonzero(regression.region_of_unit == target)
        for source, own in enumerate(regression.sources):
            block = W[np.ix_(rows, own)]
            left = missed[:, rows] + z[:, own] @ block.T
            drawn = rng.standard_normal((DRAWS, *block.shape)) * np.sqrt((block**2).mean())
            both = np.concatenate([block[None], drawn])
            size = np.sqrt(((both @ power[np.ix_(own, own)]) * both).sum(-1).mean(-1))
            along = (both * (left.T @ z[:, own])).sum((1, 2))
            scale = np.sqrt(((both @ ZZ[np.ix_(own, own)]) * both).sum((1, 2)) * (left**2).sum())
            correlation = np.divide(along, scale, out=np.full(len(scale), np.nan), where=scale > 0)
            for compared, found in ((rms, size), (r, correlation)):
                compared.value[target, source], compared.null[:, target, source] = found[0], found[1:]
    return rms, r


def time_shift(regression: CurrentRegression, *, seed: int = 0) -> Compared:
    """Held-out gain when the source is shifted in time, round each trial, by at least a tenth of it."""
    complete = regression.complete
    length = complete.sum(1)
    rank = complete.cumsum(1) - 1
    bins = np.argsort(~complete, axis=1, kind="stable")
    whole = np.where(complete, 0, np.arange(complete.shape[1]))

    def shifted(own: Array, rng: np.random.Generator) -> Array:
        least = length // 10
        shift = rng.integers(least, np.maximum(length - least, least + 1))
        after = np.take_along_axis(bins, (rank - shift[:, None]) % np.maximum(length, 1)[:, None], axis=1)
        return np.take_along_axis(own, np.where(complete, after, whole)[..., None], axis=1)

    return _against_refits(regression, shifted, seed)


def trial_shuffle(regression: CurrentRegression, *, seed: int = 0) -> Compared:
    """Held-out gain when the source comes from other trials of the same condition (training or held-out ones).

    Where the other trial has no such bin the source has its mean. Nothing to say (NaN) about a source that is the same
    in all trials of a condition.
    """
    kinds = [
        trials
        for part in (regression.train, ~regression.train)
        for name in np.unique(regression.condition[part])
        if len(trials := np.flatnonzero(part & (regression.condition == name))) > 1
    ]

    def shuffled(own: Array, rng: np.random.Generator) -> Array:
        donor = np.arange(len(own))
        for trials in kinds:
            donor[trials] = rng.permutation(trials)
        return np.where(np.isfinite(own[donor]), own[donor], np.nanmean(own, axis=(0, 1)))

    value, null = _against_refits(regression, shuffled, seed)
    return Compared(value, np.where(np.ptp(null, axis=0) > TINY, null, np.nan))


def region_labels(regression: CurrentRegression, *, seed: int = 0) -> Compared:
    """Held-out gain between random groups of units, as many and as large as the regions.

    For regions only; nothing to say (NaN) where there is but one region.
    """
    rng = np.random.default_rng((seed, STREAM))
    labels = rng.permuted(np.tile(regression.region_of_unit, (DRAWS, 1)), axis=1)
    solved = _solved(regression)
    null = np.full((DRAWS, len(solved), len(regression.sources)), np.nan)
    for source in range(len(solved)):
        groups = np.nonzero(labels == source)[1].reshape(DRAWS, -1)
        by_unit = np.empty(labels.shape)
        for target, one in enumerate(solved):
            by_unit[:, regression.region_of_unit == target] = _left_out(one, groups)
        for target in range(len(solved)):
            null[:, target, source] = by_unit[labels == target].reshape(DRAWS, -1).mean(1)
    return Compared(_gain_of_sources(regression, solved), null if len(solved) > 1 else np.full_like(null, np.nan))


def random_group(regression: CurrentRegression, *, seed: int = 0) -> Compared:
    """Held-out gain of as many random units outside of the target region (anywhere, for a region's own gain).

    For regions only; nothing to say (NaN) where there is but one such group.
    """
    rng = np.random.default_rng((seed, STREAM))
    solved = _solved(regression)
    null = np.full((DRAWS, len(solved), len(regression.sources)), np.nan)
    for target, one in enumerate(solved):
        for source in range(len(solved)):
            candidates = np.flatnonzero((regression.region_of_unit != target) | (source == target))
            size = len(regression.sources[source])
            if size < len(candidates):
                groups = rng.permuted(np.tile(candidates, (DRAWS, 1)), axis=1)[:, :size]
                null[:, target, source] = _left_out(one, groups).mean(1)
    return Compared(_gain_of_sources(regression, solved), null)


class _Solved(NamedTuple):
    """The regression of one target region: what it takes to leave regressors out of it.

    inverse : (regressor, regressor) of the penalised Gram matrix. W : (row, regressor) weights.
    missed : (row, regressor) held-out moments of what they miss. ZZ : held-out Gram matrix. YY : (row,) squares.
    """

    inverse: torch.Tensor
    W: torch.Tensor
    missed: torch.Tensor
    ZZ: torch.Tensor
    YY: torch.Tensor


def _solved(regression: CurrentRegression) -> list[_Solved]:
    """The regressions of all target regions."""
    fitted, held_out = (moments(regression.z[part], regression.y[part]) for part in regression.halves())
    solved = []
    for target, ridge in enumerate(regression.penalty):
        rows = np.flatnonzero(regression.region_of_unit == target)
        inverse = torch.linalg.inv(fitted.ZZ + torch.diag(tensor(ridge)))
        W = fitted.YZ[rows] @ inverse
        missed = held_out.YZ[rows] - W @ held_out.ZZ
        solved.append(_Solved(inverse, W, missed, held_out.ZZ, held_out.YY[rows].clamp_min(TINY)))
    return solved


def _left_out(solved: _Solved, groups: Array) -> Array:
    """(draw, row) by what share of its square the held-out current is predicted worse without a group of regressors.

    groups : (draw, regressor of the group).
    """
    gains = []
    for start in range(0, len(groups), CHUNK):
        group = torch.as_tensor(groups[start : start + CHUNK], device=solved.W.device)
        # Leaving regressors g out of a solved regression changes its weights by W_g (S_gg)^-1 S_g, S the inverse.
        inside = solved.inverse[group[:, :, None], group[:, None, :]]
        change = torch.linalg.solve(inside, solved.W[:, group].permute(1, 2, 0)).mT @ solved.inverse[group]
        gains.append(2 * (change * solved.missed).sum(-1) + ((change @ solved.ZZ) * change).sum(-1))
    return (torch.cat(gains) / solved.YY).cpu().numpy()


def _gain_of_sources(regression: CurrentRegression, solved: list[_Solved]) -> Array:
    """(target region, source) gain of every source, mean over the units of the region."""
    return np.array([[_left_out(one, own[None]).mean() for own in regression.sources] for one in solved])


def _against_refits(
    regression: CurrentRegression, change: Callable[[Array, np.random.Generator], Array], seed: int
) -> Compared:
    """Gains of every source, as it is and changed, each with a regression of its own."""
    rng = np.random.default_rng((seed, STREAM))
    shape = len(regression.penalty), len(regression.sources)
    compared = Compared(np.empty(shape), np.empty((DRAWS, *shape)))
    fixed = [(regression.z[part], regression.y[part]) for part in regression.halves()]
    for source, own in enumerate(regression.sources):
        mine = regression.z[..., own]
        other = np.setdiff1d(np.arange(regression.z.shape[2]), own)
        others = [moments(z[:, other], y) for z, y in fixed]
        versions = (mine if draw == 0 else change(mine, rng) for draw in range(DRAWS + 1))
        gains = np.concatenate(list(_gains(regression, own, other, others, versions)))
        compared.value[:, source], compared.null[..., source] = gains[0], gains[1:]
    return compared


def _gains(
    regression: CurrentRegression, own: Array, other: Array, others: list[Moments], versions: Iterator[Array]
) -> Iterator[Array]:
    """(draw, target region) held-out gains of a source (trial, time, own regressor), a chunk of its versions at a time.

    The other sources are the same for all versions, so their Gram matrix is factored once for every target.
    """
    fitted, held_out = others
    masks = regression.halves()
    z, y = ([tensor(array[mask]) for mask in masks] for array in (regression.z[..., other], regression.y))
    ridge = tensor(regression.penalty)
    factors = [torch.linalg.cholesky(fitted.ZZ + torch.diag(vector[other])) for vector in ridge]
    rows = [np.flatnonzero(regression.region_of_unit == target) for target in range(len(ridge))]
    while chunk := list(islice(versions, CHUNK)):
        statistics = []
        for mask, zo, yo in zip(masks, z, y, strict=True):
            zs = torch.stack([tensor(version[mask]) for version in chunk])
            statistics.append((zo.T @ zs, yo.T @ zs, zs.mT @ zs))
        (OS, YS, SS), (OS_h, YS_h, SS_h) = statistics
        gains = []
        for target, factor in enumerate(factors):
            units = rows[target]
            alone = torch.cholesky_solve(fitted.YZ[units].T, factor).T
            shared = torch.cholesky_solve(OS, factor)
            # The source without what the others tell of it, and the current without what they explain.
            inside = SS + torch.diag(ridge[target, own]) - OS.mT @ shared
            W = torch.linalg.solve(inside, (YS[:, units] - alone @ OS).mT).mT
            crossed = shared.mT @ OS_h
            inside_h = SS_h - crossed - crossed.mT + shared.mT @ held_out.ZZ @ shared
            missed = YS_h[:, units] - alone @ OS_h - (held_out.YZ[units] - alone @ held_out.ZZ) @ shared
            gain = 2 * (W * missed).sum(-1) - ((W @ inside_h) * W).sum(-1)
            gains.append((gain / held_out.YY[units].clamp_min(TINY)).mean(1))
        yield torch.stack(gains, 1).cpu().numpy()
