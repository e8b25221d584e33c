"""Populations: groups of units whose loadings come from one Gaussian each, and networks drawn from these Gaussians.

The mechanism of many tasks needs a few populations with different statistics of their loadings; units of one population
are interchangeable. Publications: Dubreuil et al., Nat. Neurosci. 2022; Valente, Pillow & Ostojic, NeurIPS 2022.
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
MAX_POPULATIONS = 4
STABLE_RAND_INDEX = 0.8
"""A number of populations is stable if the labels from two subsamples agree this well (median adjusted Rand index)."""
SUBSAMPLE_PAIRS = 5
SUBSAMPLE_SHARE = 0.8
"""Share of the units in a subsample."""
LEAST_POPULATION_SHARE = 0.05
"""Smallest share of the units in a population."""
ADDED_VARIANCE = 1e-3
"""Number added to the variances of the standardised loadings, ``reg_covar`` of the mixture."""
UNITS_PER_LOADING = 3
"""Smallest number of units per loading in a population, so that the covariance of the loadings can be estimated."""
STARTS_ON_SUBSAMPLE, STARTS_ON_ALL_UNITS = 3, 10
"""Random starts of a mixture; the start that ends at the largest likelihood is taken."""


class Populations(NamedTuple):
    """Populations of units from a Gaussian mixture fitted to their loadings.

    Attributes
    ----------
    label : (unit,) index of each unit's population; 0 is the largest population.
    probability : (unit,) probability that the unit belongs to the population of its label.
    mean : (population, loading) mean loadings.
    covariance : (population, loading, loading) covariance of the loadings.
    stability : (count - 1,) median adjusted Rand index between the labels from pairs of subsamples, for mixtures of 2,
        3, ... populations.
    """

    label: Array
    probability: Array
    mean: Array
    covariance: Array
    stability: Array


def loadings(low_rank: LowRank) -> Array:
    """Return the loadings of each unit, the columns of m, n and B: (unit, 2 rank + inputs)."""
    return np.concatenate([low_rank.m, low_rank.n, low_rank.network.B], axis=1)


def populations(values: Array, *, most: int = MAX_POPULATIONS, seed: int = 0) -> Populations:
    """Cluster units into populations by a Gaussian mixture on their loadings.

    The number of populations is chosen by stability. Mixtures are fitted to pairs of random subsamples, and the two
    mixtures of a pair label all units. A number of populations is stable if the two labels agree. Of the stable
    numbers, the one that best predicts the loadings of the units outside the subsamples is chosen. There is one
    population if no number is stable, if no loading varies, or if a single Gaussian predicts the loadings better.

    Parameters
    ----------
    values : (unit, loading) loadings; loadings that do not vary are left out of the clustering.
    most : largest number of populations that is tried.
    seed : seed for the subsamples and for the random starts of the mixtures.

    Returns
    -------
    Labels, parameters and stability of the populations.
    """
    n_units = len(values)
    scale = values.std(0)
    standard = (values - values.mean(0))[:, scale > 0] / scale[scale > 0]
    varying = standard.shape[1]
    most = max(1, min(most, n_units // (UNITS_PER_LOADING * varying))) if varying else 1
    rng = np.random.default_rng(seed)
    subsamples = [
        [rng.permutation(n_units)[: round(SUBSAMPLE_SHARE * n_units)] for _ in range(2)]
        for _ in range(SUBSAMPLE_PAIRS if most > 1 else 0)
    ]
    judged = {count: _stability_and_gain(standard, count, subsamples, seed) for count in range(2, most + 1)}
    gains = {count: gain for count, (stability, gain) in judged.items() if stability >= STABLE_RAND_INDEX and gain > 0}
    label, probability = np.zeros(n_units, dtype=int), np.ones(n_units)
    for count in sorted(gains, key=lambda stable_count: -gains[stable_count]):
        chances = _mixture(standard, count, seed, STARTS_ON_ALL_UNITS).predict_proba(standard)
        if _all_large_enough(chances.argmax(1), count):
            # The largest population first, so that the labels do not depend on the start.
            chances = chances[:, np.argsort(-np.bincount(chances.argmax(1)), kind="stable")]
            label, probability = chances.argmax(1), chances.max(1)
            break
    groups = [values[label == group] for group in range(label.max() + 1)]
    return Populations(
        label=label,
        probability=probability,
        mean=np.stack([group.mean(0) for group in groups]),
        covariance=np.stack([np.atleast_2d(np.cov(group, rowvar=False)) for group in groups]),
        stability=np.array([stability for stability, _ in judged.values()]),
    )


def resampled(low_rank: LowRank, groups: Populations, seed: int) -> LowRank:
    """Construct a network whose loadings are drawn from the populations of a given network.

    If the drawn network behaves like the given network, the populations are sufficient to explain the mechanism. Means
    and covariances of the drawn loadings are exactly those of the populations, so that a finite number of units causes
    no chance overlaps. The number of units in each population, the biases, the time constant and the time step are
    kept. Publication: Dubreuil et al., Nat. Neurosci. 2022.

    Parameters
    ----------
    low_rank : the given network.
    groups : populations of the units, from the loadings of the given network.
    seed : seed for the draws.

    Returns
    -------
    The drawn network and its factors.
    """
    rng = np.random.default_rng(seed)
    drawn = np.empty_like(loadings(low_rank))
    for group, (mean, covariance) in enumerate(zip(groups.mean, groups.covariance, strict=True)):
        members = groups.label == group
        variances, axes = np.linalg.eigh(covariance)
        white = _white(rng, int(members.sum()), len(mean))
        drawn[members] = mean + white * np.sqrt(np.maximum(variances, 0)) @ axes.T
    rank = low_rank.m.shape[1]
    m, n, B = drawn[:, :rank], drawn[:, rank : 2 * rank], drawn[:, 2 * rank :]
    return from_factors(m, n, low_rank.network._replace(B=B))


def _white(rng: np.random.Generator, n_units: int, n_loadings: int) -> Array:
    """(unit, loading) Gaussian draws of mean 0 and covariance 1, exact where there are more units than loadings."""
    draws = rng.standard_normal((n_units, n_loadings))
    if n_units <= n_loadings:
        return draws
    q, triangle = np.linalg.qr(draws - draws.mean(0))
    return q * np.sign(np.diag(triangle)) * np.sqrt(n_units - 1)


def _stability_and_gain(values: Array, count: int, subsamples: list[list[Array]], seed: int) -> tuple[float, float]:
    """Stability of a number of populations, and the gain in likelihood over a single Gaussian, medians over pairs.

    The stability is the adjusted Rand index of the labels of all units by the mixtures of two subsamples. It is 0 where
    a population has too few units: the mixture then has fewer populations than it was given. The gain is that in the
    likelihood of units outside the subsample.
    """
    scores, gains = [], []
    for pair in subsamples:
        mixtures = [_mixture(values[chosen], count, seed) for chosen in pair]
        for mixture, chosen in zip(mixtures, pair, strict=True):
            left_out = np.delete(values, chosen, axis=0)
            gains.append(mixture.score(left_out) - _mixture(values[chosen], 1, seed).score(left_out))
        labels = [mixture.predict(values) for mixture in mixtures]
        large_enough = all(_all_large_enough(label, count) for label in labels)
        scores.append(adjusted_rand_score(*labels) if large_enough else 0.0)
    return float(np.median(scores)), float(np.median(gains))


def _all_large_enough(label: Array, count: int) -> bool:
    """Whether every population has its smallest share of the units."""
    return bool(np.bincount(label, minlength=count).min() >= LEAST_POPULATION_SHARE * len(label))


def _mixture(values: Array, count: int, seed: int, starts: int = STARTS_ON_SUBSAMPLE) -> BayesianGaussianMixture:
    with warnings.catch_warnings():
        # A mixture that has not converged gives unstable labels, and that is what is measured.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # The bound of the Bayesian mixture is a sum over units, unlike that of the plain mixture.
        tolerance = 1e-3 * len(values)
        return BayesianGaussianMixture(
            n_components=count, n_init=starts, tol=tolerance, reg_covar=ADDED_VARIANCE, random_state=seed
        ).fit(values)
