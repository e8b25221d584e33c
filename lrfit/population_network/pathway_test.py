"""Test of every pathway: are its weights zero? The p-value holds whether or not the model describes the noise well.

The statistic is the score of the weights of the pathway: the derivative of the log likelihood at weights of zero. By
Fisher's identity (Louis, J. R. Stat. Soc. B 1982), the score of a trial is the expected product of innovations of the
target and curved latents of the source under the posterior of the latents. Whatever the weights of all other pathways
and of the known sources explain of this product is removed (effective score; Neyman 1959). The score at weights of zero
follows from the fit by one Newton step, without a new fit.

Without the pathway, the scores of single trials are independent and have a mean of zero. Their mean is therefore
compared with their own covariance over trials, by Hotelling's T2 (Annals of Mathematical Statistics 1931). The
covariance is not that of the model, so that the p-value does not depend on the model of the noise (White, Econometrica
1982). The same statistic of recordings whose source is shuffled between trials of a condition is the second null. A
statistic that is divided by its own covariance may be compared with shuffled recordings although shuffling removes
more than the pathway (Chung & Romano, Annals of Statistics 2013).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc as f_tail

from lrfit.population_network.model import Population, curved, drift
from lrfit.population_network.paths import Paths, spreads
from lrfit.population_network.recording import Recording
from lrfit.population_network.statistics import transitions, unexplained
from lrfit.population_network.weights import persistence

Array = np.ndarray
SHUFFLES = 199
"""Number of shuffled recordings."""
SHUFFLE_SEED = 0


class PathwayTests(NamedTuple):
    """Tests of all pathways between regions, NaN on the diagonal.

    Attributes
    ----------
    score : (target, source) Hotelling's T2 of the scores of the trials.
    p_value : (target, source) probability of a score at least as large without the pathway; NaN if there are too few
        trials for the number of weights.
    shuffled : (shuffle, target, source) score after the source was shuffled between trials of a condition.
    """

    score: Array
    p_value: Array
    shuffled: Array


class TrialParts(NamedTuple):
    """What single trials say about the weights.

    Attributes
    ----------
    error : (trial, latent, time) posterior mean of the innovations, divided by their covariance.
    value : (trial, latent, time) curved latents f(z).
    left : (trial, latent, time) curved latents without what known sources explain.
    score : (trial, latent, latent) derivative of the log likelihood by A, without what known sources explain.
    """

    error: Array
    value: Array
    left: Array
    score: Array


def pathway_tests(
    model: Population, data: Recording, paths: Paths, information: Array, prior_precision: Array
) -> PathwayTests:
    """Test whether the weights of every pathway between regions are zero, without a new fit.

    Parameters
    ----------
    model : the fitted network.
    data : the trials of the fit.
    paths : posterior of the latents.
    information : (row, latent, row, latent) information of the activity about the weights A; rows are latents of
        regions.
    prior_precision : (row, latent, row, latent) precision of the prior of A.
    """
    rows, latents = np.flatnonzero(model.group < model.regions), len(model.group)
    size, trials = len(rows) * latents, data.inside.shape[1]
    parts = trial_parts(model, data, paths)
    known, precision = (whole.reshape(size, size) for whole in (information, prior_precision))
    expected = np.concatenate([persistence(model, model.group == region, latents) for region in range(model.regions)])
    weight = model.A[rows].ravel()
    pull = precision @ (expected.ravel() - weight)
    scores = parts.score[:, rows].reshape(trials, size) + pull / trials
    score, p_value = (np.full((model.regions, model.regions), np.nan) for _ in range(2))
    shuffled = np.full((SHUFFLES, model.regions, model.regions), np.nan)
    rng = np.random.default_rng(SHUFFLE_SEED)
    orders = np.array([shuffled_within(data.condition, rng) for _ in range(SHUFFLES)])
    for source in range(model.regions):
        left = without_others(model, data, parts, source)
        for target in range(model.regions):
            if target == source:
                continue
            chosen = (np.repeat(model.group[rows], latents) == target) & (np.tile(model.group, len(rows)) == source)
            if chosen.sum() >= trials:
                continue
            crossed = known[np.ix_(~chosen, chosen)]
            explained = np.linalg.solve((known + precision)[np.ix_(~chosen, ~chosen)], crossed)
            own = known[np.ix_(chosen, chosen)] - explained.T @ crossed
            # The prior of the tested weights has no part in the score; their Newton step to zero has.
            free = scores[:, chosen] - pull[chosen] / trials - scores[:, ~chosen] @ explained
            score[target, source] = hotelling(free + own @ weight[chosen] / trials)
            p_value[target, source] = hotelling_p_value(score[target, source], trials, int(chosen.sum()))
            error = parts.error[:, model.group == target]
            drawn = np.stack([(error @ left[order].swapaxes(1, 2)).reshape(trials, -1) for order in orders])
            shuffled[:, target, source] = hotelling(drawn)
    return PathwayTests(score=score, p_value=p_value, shuffled=shuffled)


def trial_parts(model: Population, data: Recording, paths: Paths) -> TrialParts:
    """Compute the score of every trial, and its two factors.

    Parameters
    ----------
    model : the fitted network.
    data : the trials of the fit.
    paths : posterior of the latents.
    """
    latents, inside = len(model.group), data.inside[1:]
    precision = np.linalg.inv(model.Q)
    at = curved(model, paths.mean[:-1], spreads(model, data, paths)[:-1])
    off = (paths.mean[1:] - drift(model, at, data.sources[:-1])) * inside[..., None]
    error = _trial_first(off @ precision)
    value = _trial_first(at.value * inside[..., None])
    left = _trial_first(unexplained(at.value, data.sources[:-1], inside))
    moments = transitions(model, data, paths)
    weights = np.concatenate([model.A, model.G], 1)
    whole = (precision @ (moments.crossed - weights @ moments.arriving))[:, :latents]
    # Uncertain latents add the same to the score of every bin.
    uncertain = whole - np.einsum("nat,nbt->ab", error, value)
    bins = inside.sum(0) / inside.sum()
    return TrialParts(
        error=error, value=value, left=left, score=error @ left.swapaxes(1, 2) + bins[:, None, None] * uncertain
    )


def without_others(model: Population, data: Recording, parts: TrialParts, source: int) -> Array:
    """Compute the (trial, latent, time) curved latents of a source that no other source explains.

    Parameters
    ----------
    model : the fitted network.
    data : the trials of the fit.
    parts : what single trials say about the weights.
    source : index of the source region.
    """
    inside, own = data.inside[1:], model.group == source
    value = parts.value.transpose(2, 0, 1)
    regressors = np.concatenate([value[..., ~own], data.sources[:-1]], 2)
    return _trial_first(unexplained(value[..., own], regressors, inside))


def shuffled_within(condition: Array, rng: np.random.Generator) -> Array:
    """Draw the (trial,) order of trials that are shuffled within each condition.

    Parameters
    ----------
    condition : (trial,) index of the condition.
    rng : random numbers.
    """
    order = np.arange(len(condition))
    for index in range(condition.max() + 1):
        trials = np.flatnonzero(condition == index)
        order[trials] = rng.permutation(trials)
    return order


def hotelling(values: Array) -> Array:
    """Compute Hotelling's T2 of vectors (..., trial, column): their mean against their covariance over trials."""
    trials, mean = values.shape[-2], values.mean(-2, keepdims=True)
    covariance = (values - mean).swapaxes(-1, -2) @ (values - mean) / (trials - 1)
    square = mean @ np.linalg.pinv(covariance, hermitian=True) @ mean.swapaxes(-1, -2)
    return trials * square[..., 0, 0]


def hotelling_p_value(statistic: Array, trials: int, columns: int) -> float:
    """Compute the p-value of Hotelling's T2 of independent vectors with a mean of zero.

    Parameters
    ----------
    statistic : Hotelling's T2.
    trials : number of vectors.
    columns : length of each vector, smaller than the number of vectors.
    """
    scaled = np.maximum(statistic, 0) * (trials - columns) / (columns * (trials - 1))
    return float(f_tail(columns, trials - columns, scaled))


def _trial_first(values: Array) -> Array:
    """Reorder (time, trial, column) to (trial, column, time)."""
    return np.ascontiguousarray(values.transpose(1, 2, 0))
