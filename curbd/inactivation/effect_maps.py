"""Maps of effects over units or over regions: baselines, chance and intervals for predicted maps.

A map holds one effect for each unit or for each region. A few dozen effects are few facts: any smooth pattern
correlates with any other, so that a predicted map must be compared with maps that arise by chance, and with plain
predictions that need no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Array = np.ndarray
HALVES = 199
"""Number of random halves of the unperturbed trials; the smallest possible p-value is 1 / 200."""
RESAMPLES = 199
"""Number of resamples of trials, or of animals and sessions, behind an interval."""
CHANCE_SEED = 0
"""Seed of the random halves and the resamples."""
NULL_QUANTILE = 0.95
LEAST_ENTRIES = 3
"""A correlation needs at least this number of units or regions."""


class ComparedTrials(NamedTuple):
    """Trials with and without a real perturbation, each with its mean activity in the time window.

    Attributes
    ----------
    mean : (trial, unit) mean scaled rate of each trial in the time window.
    weight : (trial,) weights with which the trials add up to the effect; positive for perturbed trials.
    condition : (trial,) condition of each trial.
    group : (trial,) animal or session of each trial; intervals come from resampled groups, or from resampled trials if
        every trial is its own group.
    """

    mean: Array
    weight: Array
    condition: Array
    group: Array

    @property
    def effect(self) -> Array:
        """(unit,) mean effect."""
        return np.asarray(self.weight @ self.mean)

    def chance(self) -> Array:
        """Compute effects (half, unit) of no perturbation: differences between random halves of unperturbed trials.

        In every condition, as many unperturbed trials as there are perturbed trials play the perturbed trials, but at
        most half of them. Empty if a condition has a single unperturbed trial.
        """
        rng = np.random.default_rng(CHANCE_SEED)
        off = np.flatnonzero(self.weight < 0)
        weight = np.zeros((HALVES, len(off)))
        for name in np.unique(self.condition):
            here = np.flatnonzero(self.condition[off] == name)
            share = float(self.weight[(self.weight > 0) & (self.condition == name)].sum())
            n_on = min(int(((self.weight > 0) & (self.condition == name)).sum()), len(here) // 2)
            if not n_on:
                return np.empty((0, self.mean.shape[1]))
            weights = np.full(len(here), -share / (len(here) - n_on))
            weights[:n_on] = share / n_on
            weight[:, here] = rng.permuted(np.tile(weights, (HALVES, 1)), axis=1)
        return np.asarray(weight @ self.mean[off])

    def resampled(self) -> Array:
        """Compute effects (resample, unit) of resampled animals or sessions, or of resampled trials.

        A resample that leaves a condition without perturbed or without unperturbed trials leaves out the condition.
        """
        rng = np.random.default_rng(CHANCE_SEED)
        groups, index = np.unique(self.group, return_inverse=True)
        counts = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=RESAMPLES)[:, index]
        total = np.zeros((RESAMPLES, self.mean.shape[1]))
        share_of_all = np.zeros(RESAMPLES)
        for name in np.unique(self.condition):
            of_condition = self.condition == name
            share = float(self.weight[(self.weight > 0) & of_condition].sum())
            means, complete = [], np.ones(RESAMPLES, dtype=bool)
            for kind in (self.weight > 0, self.weight < 0):
                here = np.flatnonzero(kind & of_condition)
                summed = counts[:, here].sum(1)
                complete &= summed > 0
                means.append(counts[:, here] @ self.mean[here] / np.maximum(summed, 1)[:, None])
            total += np.where(complete[:, None], share * (means[0] - means[1]), 0)
            share_of_all += share * complete
        return np.asarray(total[share_of_all > 0] / share_of_all[share_of_all > 0, None])


class MapScore(NamedTuple):
    """How well a predicted map agrees with the measured map; NaN where a number cannot be computed.

    Attributes
    ----------
    r : correlation over the entries of the map.
    r_low, r_high : ends of the 95 % interval of r over animals, sessions or trials.
    null_r : r that differences between random halves of unperturbed trials exceed in one of twenty cases.
    r_p_value : share of random halves with an r at least as large.
    ceiling_r : r that a perfect prediction would have, given the noise of the measured map.
    r2 : 1 - squared error / squared measured effects; NaN for a prediction that has no scale.
    """

    r: float
    r_low: float
    r_high: float
    null_r: float
    r_p_value: float
    ceiling_r: float
    r2: float


class Evidence(NamedTuple):
    """The measured map with everything that a prediction is compared with.

    Attributes
    ----------
    measured : (entry,) measured effects.
    chance : (half, entry) differences between random halves of unperturbed trials.
    resampled : (resample, entry) measured effects in resamples.
    """

    measured: Array
    chance: Array
    resampled: Array

    def score(self, predicted: Array, has_scale: bool = True) -> MapScore:
        """Score a predicted map (entry,); ``has_scale`` is False for predictions of the pattern alone."""
        squares = float((self.measured**2).sum())
        r2 = 1 - float(((self.measured - predicted) ** 2).sum()) / squares if has_scale and squares > 0 else np.nan
        r = float(_correlations(self.measured[None], predicted)[0])
        chance = _correlations(self.chance, predicted)
        spread = _correlations(self.resampled, predicted)
        known = np.isfinite(r) and np.isfinite(chance).any()
        low, high = np.nanquantile(spread, [0.025, 0.975]) if np.isfinite(spread).any() else (np.nan, np.nan)
        return MapScore(
            r=r,
            r_low=float(low),
            r_high=float(high),
            null_r=float(np.nanquantile(chance, NULL_QUANTILE)) if known else np.nan,
            r_p_value=float((1 + (chance >= r).sum()) / (1 + len(chance))) if known else np.nan,
            ceiling_r=self.ceiling,
            r2=r2,
        )

    @property
    def ceiling(self) -> float:
        """Correlation of a perfect prediction with the noisy measured map; NaN with too few entries."""
        spread = float(self.measured.var())
        if len(self.measured) < LEAST_ENTRIES or spread == 0 or len(self.resampled) < 2:
            return float("nan")
        noise = self.resampled - self.resampled.mean(1, keepdims=True)
        return float(np.sqrt(np.clip(1 - noise.var(0, ddof=1).mean() / spread, 0, 1)))


def _correlations(maps: Array, predicted: Array) -> Array:
    """Correlations (map,) of maps (map, entry) with a prediction; NaN with too few entries or without variance."""
    if predicted.size < LEAST_ENTRIES or not predicted.std() > 1e-9 * np.abs(predicted).max():
        return np.full(len(maps), np.nan)
    centred = maps - maps.mean(1, keepdims=True)
    size = np.sqrt((centred**2).sum(1) * ((predicted - predicted.mean()) ** 2).sum())
    return np.asarray(centred @ (predicted - predicted.mean()) / np.where(size > 0, size, np.nan))


def pattern_baselines(r: Array, driven: Array, sign: float) -> Mapping[str, Array]:
    """Predict the pattern of the effect from unperturbed trials, without a network.

    Parameters
    ----------
    r : (trial, time, unit) scaled rates of complete unperturbed trials.
    driven : (unit,) bool, True for the units that are perturbed directly.
    sign : sign of the change of the perturbed units.

    Returns
    -------
    Name of the baseline -> (unit,) pattern, without a scale. ``correlation``: correlation with the mean of the
    perturbed units. ``correlation_without_global``: the same after the mean of all units has been regressed out.
    ``sd_at_rest``: standard deviation. ``lagged_regression``: weight of the perturbed units in a regression on them and
    on the own past. Empty without trials or without perturbed units.
    """
    if not len(r) or not driven.any():
        return {}
    centred = r - r.mean((0, 1))
    flat = centred.reshape(-1, r.shape[2])
    seed = flat[:, driven].mean(1)
    whole = (flat / np.where(flat.std(0) > 0, flat.std(0), 1)).mean(1)
    power = float(whole @ whole)

    def without(values: Array) -> Array:
        return values - np.multiply.outer(whole, whole @ values / power) if power > 0 else values

    before, after = centred[:, :-1].reshape(-1, r.shape[2]), centred[:, 1:].reshape(-1, r.shape[2])
    seed_before = before[:, driven].mean(1)
    own, of_seed, both = (before**2).sum(0), float(seed_before @ seed_before), seed_before @ before
    determinant = np.maximum(own * of_seed - both**2, 1e-12 * own * of_seed + 1e-300)
    lagged = (own * (seed_before @ after) - both * (before * after).sum(0)) / determinant
    return {
        "correlation": sign * _with_seed(flat, seed),
        "correlation_without_global": sign * _with_seed(without(flat), without(seed)),
        "sd_at_rest": sign * flat.std(0),
        "lagged_regression": sign * lagged,
    }


def _with_seed(flat: Array, seed: Array) -> Array:
    """Correlations (unit,) of series (sample, unit) with one series (sample,); 0 for constant series."""
    size = np.sqrt((flat**2).sum(0) * float(seed @ seed))
    return np.asarray(seed @ flat / np.where(size > 0, size, np.inf))
