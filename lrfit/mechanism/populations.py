"""Populations: groups of units whose loadings are drawn from one Gaussian each, and networks that are drawn anew.

The mechanism of many tasks needs a few populations with different statistics of their loadings; within a population
units are alike but for chance (Dubreuil et al., Nat. Neurosci. 2022; Valente, Pillow & Ostojic, NeurIPS 2022).
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import BayesianGaussianMixture

from lrfit.network import LowRank, from_factors

Array = np.ndarray
MOST = 4
"""Largest number of populations that is tried."""
STABLE = 0.8
"""A number of populations is stable where pairs of subsamples agree this well on them (median adjusted Rand index)."""
PAIRS = 5
SUBSAMPLE = 0.8
LEAST = 0.05
"""A population holds this share of the units at least."""
REGULAR = 1e-3
"""Added to the variances of the standardised loadings."""
ATTEMPTS, FINAL_ATTEMPTS = 3, 10
"""Starts of a mixture, of a subsample and of all units; the one with the largest likelihood is taken."""


class Populations(NamedTuple):
    """A Gaussian mixture on loadings.

    Attributes
    ----------
    label : (unit,) population of each unit, 0 for the largest.
    probability : (unit,) that the unit belongs to it.
    mean : (population, loading), in the units of the loadings.
    covariance : (population, loading, loading).
    stability : (number - 1,) median adjusted Rand index between pairs of subsamples, for two and more populations.
    """

    label: Array
    probability: Array
    mean: Array
    covariance: Array
    stability: Array


def loadings(one: LowRank) -> Array:
    """(unit, 2 rank + inputs) columns of m, n and B."""
    return np.concatenate([one.m, one.n, one.network.B], axis=1)


def populations(values: Array, *, most: int = MOST, seed: int = 0) -> Populations:
    """Populations of units by a Gaussian mixture on their loadings, their number chosen by stability.

    A mixture is fitted to pairs of random subsamples (80 % of the units each), and both label all units. Numbers on
    which the pairs agree are stable, adjusted Rand index at least .8; of these, the one is taken that predicts the
    loadings of the units left out best. There is one population where nothing is stable, no loading varies, or a single
    Gaussian predicts them better.

    Parameters
    ----------
    values : (unit, loading); loadings that do not vary are left out of the clustering.
    most : largest number that is tried; a population needs three units a loading, to have a covariance.
    seed : of subsamples and starts.
    """
    units = len(values)
    scale = values.std(0)
    standard = (values - values.mean(0))[:, scale > 0] / scale[scale > 0]
    varying = standard.shape[1]
    most = max(1, min(most, units // (3 * varying))) if varying else 1
    rng = np.random.default_rng(seed)
    subsamples = [
        [rng.permutation(units)[: round(SUBSAMPLE * units)] for _ in range(2)] for _ in range(PAIRS if most > 1 else 0)
    ]
    judged = {number: _judged(standard, number, subsamples, seed) for number in range(2, most + 1)}
    gains = {number: gain for number, (stability, gain) in judged.items() if stability >= STABLE and gain > 0}
    label, probability = np.zeros(units, dtype=int), np.ones(units)
    for number in sorted(gains, key=lambda each: -gains[each]):
        chances = _mixture(standard, number, seed, FINAL_ATTEMPTS).predict_proba(standard)
        if _filled(chances.argmax(1), number):
            # The largest first, so that the numbers do not depend on the start.
            chances = chances[:, np.argsort(-np.bincount(chances.argmax(1)), kind="stable")]
            label, probability = chances.argmax(1), chances.max(1)
            break
    groups = [values[label == group] for group in range(label.max() + 1)]
    return Populations(
        label,
        probability,
        np.stack([group.mean(0) for group in groups]),
        np.stack([np.atleast_2d(np.cov(group, rowvar=False)) for group in groups]),
        np.array([stability for stability, _ in judged.values()]),
    )


def resampled(one: LowRank, found: Populations, seed: int) -> LowRank:
    """A network whose loadings are drawn anew from the populations of another one.

    If it does what the other one did, the populations are all that the mechanism needs. Means and covariances of the
    draws are those of the populations exactly, so that chance overlaps of a finite number of units stay out; the number
    of units in each population, the biases and the times are kept.

    Parameters
    ----------
    one : the network whose `loadings` gave the populations.
    seed : of the draws.
    """
    rng = np.random.default_rng(seed)
    drawn = np.empty_like(loadings(one))
    for group, (mean, covariance) in enumerate(zip(found.mean, found.covariance, strict=True)):
        mine = found.label == group
        variances, axes = np.linalg.eigh(covariance)
        drawn[mine] = mean + _white(rng, int(mine.sum()), len(mean)) * np.sqrt(np.maximum(variances, 0)) @ axes.T
    rank = one.m.shape[1]
    m, n, B = drawn[:, :rank], drawn[:, rank : 2 * rank], drawn[:, 2 * rank :]
    return from_factors(m, n, one.network._replace(B=B))


def _white(rng: np.random.Generator, units: int, number: int) -> Array:
    """(unit, number) Gaussian draws of mean 0 and covariance 1, exactly so where there are units enough."""
    draws = rng.standard_normal((units, number))
    if units <= number:
        return draws
    q, triangle = np.linalg.qr(draws - draws.mean(0))
    return q * np.sign(np.diag(triangle)) * np.sqrt(units - 1)


def _judged(values: Array, number: int, subsamples: list[list[Array]], seed: int) -> tuple[float, float]:
    """Stability of a number of populations and its gain in the likelihood of units left out, over a single Gaussian's.

    The stability is the median adjusted Rand index of the labels of all units between mixtures of two subsamples; 0
    where a mixture leaves a population without its share of the units, as it has fewer than it was given.
    """
    scores, gains = [], []
    for pair in subsamples:
        mixtures = [_mixture(values[chosen], number, seed) for chosen in pair]
        for mixture, chosen in zip(mixtures, pair, strict=True):
            others = np.delete(values, chosen, axis=0)
            gains.append(mixture.score(others) - _mixture(values[chosen], 1, seed).score(others))
        labels = [mixture.predict(values) for mixture in mixtures]
        filled = all(_filled(label, number) for label in labels)
        scores.append(adjusted_rand_score(*labels) if filled else 0.0)
    return float(np.median(scores)), float(np.median(gains))


def _filled(label: Array, number: int) -> bool:
    """Whether every population has its share of the units."""
    return bool(np.bincount(label, minlength=number).min() >= LEAST * len(label))


def _mixture(values: Array, number: int, seed: int, attempts: int = ATTEMPTS) -> BayesianGaussianMixture:
    with warnings.catch_warnings():
        # A mixture that has not settled gives unstable labels, and that is what is measured.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # The bound of the Bayesian mixture is a sum over units, unlike that of the plain one.
        tolerance = 1e-3 * len(values)
        return BayesianGaussianMixture(
            n_components=number, n_init=attempts, tol=tolerance, reg_covar=REGULAR, random_state=seed
        ).fit(values)
