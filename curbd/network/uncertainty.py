"""Uncertainty of a network and its currents, from the posteriors of the weights and of inferred rates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
from scipy.linalg import solve_triangular

from curbd.network.equation import Network, weights
from curbd.network.fit import Posterior

Array = np.ndarray
Key = TypeVar("Key", bound=Hashable)


def posterior_draws(network: Network, posterior: Posterior | None, n_draws: int, seed: int) -> list[Network]:
    """Draw networks from the posterior of the weights.

    Parameters
    ----------
    network : the fitted network, the mean of the posterior.
    posterior : posterior of the weights; None if the estimator has no posterior.
    n_draws : number of networks to be drawn.
    seed : random seed of the draws.

    Returns
    -------
    The drawn networks; an empty list without a posterior.
    """
    if posterior is None or not n_draws:
        return []
    rng = np.random.default_rng(seed)
    n_units = len(network.J)
    W = weights(network)
    ridges, group = np.unique(posterior.ridge, axis=0, return_inverse=True)
    deviations = rng.standard_normal((n_draws, *W.shape)) * np.sqrt(posterior.noise_variance)[:, None]
    for index, ridge in enumerate(ridges):
        units = group.ravel() == index
        # With gram + ridge = L L', the covariance of L'^-1 e is the inverse of gram + ridge.
        factor = np.linalg.cholesky(posterior.gram + np.diag(ridge))
        normal = deviations[:, units].reshape(-1, W.shape[1])
        correlated = solve_triangular(factor, normal.T, lower=True, trans="T").T
        deviations[:, units] = correlated.reshape(n_draws, -1, W.shape[1])
    return [network._replace(J=drawn[:, :n_units], B=drawn[:, n_units:-1], b=drawn[:, -1]) for drawn in W + deviations]


def summed_covariance(posterior: Posterior, units: Array) -> Array:
    """Add up the posterior covariances of the incoming weights of some units, which are independent between units.

    Parameters
    ----------
    posterior : posterior of the weights of all units.
    units : (unit,) bool or indices of the units.

    Returns
    -------
    (regressor, regressor) sum of the covariances.
    """
    ridges, group = np.unique(posterior.ridge[units], axis=0, return_inverse=True)
    noise_variance = posterior.noise_variance[units]
    total = np.zeros_like(posterior.gram)
    for index, ridge in enumerate(ridges):
        total += noise_variance[group.ravel() == index].sum() * np.linalg.inv(posterior.gram + np.diag(ridge))
    return total


def current_variance(
    posterior: Posterior, units: Array, activity: Mapping[Key, tuple[Array, Array]]
) -> dict[Key, Array]:
    """Return the posterior variance of currents that a given presynaptic activity sends to single units.

    Parameters
    ----------
    posterior : posterior of the weights of all units.
    units : (unit,) bool, the units that receive the currents.
    activity : key -> the indices (column,) of the regressors of a source, and their activity (..., unit, column) or
        (..., 1, column), which may differ from unit to unit.

    Returns
    -------
    Key -> (..., unit) variance, in the squared (dimensionless) units of the state x.
    """
    ridges, group = np.unique(posterior.ridge[units], axis=0, return_inverse=True)
    noise_variance = posterior.noise_variance[units]
    variance = {key: np.empty((*a.shape[:-2], len(noise_variance))) for key, (_, a) in activity.items()}
    for index, ridge in enumerate(ridges):
        members = np.flatnonzero(group.ravel() == index)
        covariance = np.linalg.inv(posterior.gram + np.diag(ridge))
        for key, (columns, a) in activity.items():
            of_members = a if a.shape[-2] == 1 else a[..., members, :]
            squares = ((of_members @ covariance[np.ix_(columns, columns)]) * of_members).sum(-1)
            variance[key][..., members] = np.maximum(squares, 0) * noise_variance[members]
    return variance


class MeanActivity(NamedTuple):
    """Presynaptic activity averaged over trials.

    Attributes
    ----------
    mean : (time, regressor) average of the activity [r, u, 1]; NaN in bins that no trial has.
    n_trials : (time,) number of trials with a complete bin.
    """

    mean: Array
    n_trials: Array

    @classmethod
    def of(cls, z: Array, trials: Array) -> MeanActivity:
        """Average activity z (trial, time, regressor), NaN where missing, over some trials, by mask or by index."""
        total, count = np.zeros(z.shape[1:]), np.zeros(z.shape[1], dtype=int)
        for trial in np.arange(len(z))[trials]:
            complete = np.isfinite(z[trial]).all(1)
            total[complete] += z[trial, complete]
            count += complete
        return cls(total / np.where(count > 0, count, np.nan)[:, None], count)


def mean_current_variance(covariance: Array, activity: MeanActivity, columns: Array, n_units: int) -> Array:
    """Return the posterior variance of a current that is averaged over the units of a region and over trials.

    The current is W z, with weights W and presynaptic activity z = [r, u, 1], which counts as known. The variance of
    the averaged current is z' Q z / units^2 at the average z, where Q is the sum of the posterior covariances of the
    weights of the units.

    Parameters
    ----------
    covariance : (regressor, regressor) the sum Q, as `summed_covariance` returns it.
    activity : presynaptic activity [r, u, 1], averaged over the trials.
    columns : (column,) indices of the regressors of the source.
    n_units : number of units of the region.

    Returns
    -------
    (time,) variance; NaN in bins that no trial has.
    """
    average = activity.mean[:, columns]
    variance = ((average @ covariance[np.ix_(columns, columns)]) * average).sum(1)
    return np.maximum(variance, 0) / n_units**2


def mean_rate_variance(rate_covariance: Array, mean_weights: Array, activity: MeanActivity, columns: Array) -> Array:
    """Return the variance that uncertain rates add to a current averaged over the units of a region and over trials.

    Parameters
    ----------
    rate_covariance : (unit, unit) posterior covariance C of the inferred rates of one bin.
    mean_weights : (regressor,) weights w, averaged over the units of the region.
    activity : presynaptic activity [r, u, 1], averaged over the trials.
    columns : (column,) indices of the regressors of the source.

    Returns
    -------
    (time,) variance w' C w / number of trials; NaN in bins that no trial has.
    """
    units = columns[columns < len(rate_covariance)]
    variance = float(mean_weights[units] @ rate_covariance[np.ix_(units, units)] @ mean_weights[units])
    return variance / np.where(activity.n_trials > 0, activity.n_trials, np.nan)


def expected_r2(
    covariance: Array, scatter: Array, n: int, columns: Array, W: Array, rate_covariance: Array | None
) -> float:
    """Return the R2 between estimated and true current that the posterior expects: C^2 / (C^2 + V).

    C^2 is the squared estimated current, each unit about its mean, and V is the posterior variance of the current. Both
    are summed over units and bins.

    Parameters
    ----------
    covariance : (regressor, regressor) sum of the posterior covariances of the weights of the units.
    scatter : (regressor, regressor) second moments of the presynaptic activity [r, u, 1] about its mean, summed over
        bins.
    n : number of bins in the sum.
    columns : (column,) indices of the regressors of the source.
    W : (unit, regressor) weights of the units.
    rate_covariance : (unit, unit) posterior covariance of inferred rates, or None if the rates are the observed rates.

    Returns
    -------
    R2 in (0, 1); NaN if the source sends no current.
    """
    if not n:
        return float("nan")
    gram = scatter[np.ix_(columns, columns)]
    squares = float(((W[:, columns] @ gram) * W[:, columns]).sum())
    units = columns[columns < len(rate_covariance)] if rate_covariance is not None else columns[:0]
    variance = 0.0
    if rate_covariance is not None and len(units):
        # Var(w r) = r' Q r + w' C w + tr(Q C), with the covariances Q of the weights and C of the rates.
        from_rates = n * rate_covariance[np.ix_(units, units)]
        gram = gram + from_rates
        variance = float(((W[:, units] @ from_rates) * W[:, units]).sum())
    variance += float((covariance[np.ix_(columns, columns)] * gram).sum())
    return squares / (squares + variance) if squares + variance > 0 else float("nan")


def unseen_share(rate_covariance: Array, z: Array, columns: Array) -> float:
    """Return the share of the variance of the rates of a source that measurement noise hides; NaN for an input.

    Parameters
    ----------
    rate_covariance : (unit, unit) posterior covariance of inferred rates.
    z : (trial, time, regressor) presynaptic activity [r, u, 1].
    columns : (column,) indices of the regressors of the source.

    Returns
    -------
    The share, from 0 to 1.
    """
    if not (columns < len(rate_covariance)).all():
        return float("nan")
    hidden = float(np.diag(rate_covariance)[columns].sum())
    seen = float(np.nanvar(z[..., columns], axis=(0, 1)).sum())
    return hidden / (hidden + seen) if hidden + seen > 0 else float("nan")
