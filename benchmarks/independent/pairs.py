"""Plain measures of the relation of every pair of time series: the baselines beside the networks.

A measure is an array (target, source). All measures see the same training trials as the networks.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import skew

Array = np.ndarray
VAR_RIDGE_SHARE = 0.01
"""Ridge of the autoregression, as a share of the number of transitions; the series have a variance of 1."""


def standardised(r: Array) -> Array:
    """(trial, time, unit) series with a mean of 0 and a variance of 1 over all trials; constant series are 0."""
    centred = r - r.mean((0, 1))
    sd = centred.std((0, 1))
    return np.asarray(centred / np.where(sd > 0, sd, 1))


def autoregression(r: Array) -> Array:
    """Weights (target, source) of a first-order vector autoregression with a ridge, of standardised series."""
    z = standardised(r)
    before, after = z[:, :-1].reshape(-1, z.shape[2]), z[:, 1:].reshape(-1, z.shape[2])
    gram = before.T @ before + VAR_RIDGE_SHARE * len(before) * np.eye(z.shape[2])
    return np.asarray(np.linalg.solve(gram, before.T @ after).T)


def impulse_response(r: Array, bins: int) -> Array:
    """Mean response (target, source) of the autoregression in some bins after an error of one series.

    Errors of other series in the same bin are those that are expected beside it: a generalised impulse response
    (Pesaran & Shin, Economics Letters 1998).
    """
    z, weights = standardised(r), autoregression(r)
    errors = (z[:, 1:] - z[:, :-1] @ weights.T).reshape(-1, z.shape[2])
    together = np.cov(errors.T)
    mean = np.mean([np.linalg.matrix_power(weights, lag) for lag in range(bins)], axis=0)
    return np.asarray(mean @ (together / np.diag(together)))


def lagged_regression(r: Array) -> Array:
    """Gain (target, source) of one source at a time: the drop of the target's squared error, own past given."""
    z = standardised(r)
    before, after = z[:, :-1].reshape(-1, z.shape[2]), z[:, 1:].reshape(-1, z.shape[2])
    own = (before * after).mean(0)
    same = before.T @ before / len(before)
    error = after - own * before
    cross = error.T @ before / len(before)
    left = np.maximum(1 - same**2, 1e-12)
    return np.asarray(cross**2 / left)


def correlation(r: Array) -> Array:
    """Correlations (target, source) of the series."""
    return np.corrcoef(standardised(r).reshape(-1, r.shape[2]).T)


def partial_correlation(r: Array) -> Array:
    """Correlations (target, source) of the series, given all other series."""
    covariance = np.cov(standardised(r).reshape(-1, r.shape[2]).T)
    ridge = VAR_RIDGE_SHARE * np.eye(r.shape[2])
    precision = np.linalg.inv(covariance + ridge)
    size = np.sqrt(np.diag(precision))
    return np.asarray(-precision / size[:, None] / size)


def skewness_direction(r: Array) -> Array:
    """Measure (target, source) that is positive where the skewness says that the source drives the target.

    Hyvarinen & Smith, J. Mach. Learn. Res. 2013, equation of the skewness measure; Sanchez-Romero et al., Network
    Neuroscience 2019, use the same asymmetry.
    """
    z = standardised(r).reshape(-1, r.shape[2])
    z = z * np.where(skew(z) < 0, -1, 1)
    third = (z**2).T @ z / len(z)
    return np.asarray(np.corrcoef(z.T) * (third.T - third))


def between_regions(weights: Array, region: Array) -> tuple[list[str], Array]:
    """Regions, and the root mean square (target region, source region) of weights (target, source)."""
    names = [str(name) for name in np.unique(region)]
    blocks = [[weights[np.ix_(region == target, region == source)] for source in names] for target in names]
    return names, np.array([[np.sqrt((block**2).mean()) for block in row] for row in blocks])
