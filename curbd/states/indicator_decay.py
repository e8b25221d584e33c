"""The decay time of a calcium indicator, from fluctuations that units do not share."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
MAX_DECAY_S = 5.0
"""Longest decay time of an indicator, in seconds."""
MIN_KEEP = 0.2
"""If less than this share of the private fluorescence is left after one bin, there is no indicator."""
FITTED_LAGS = 4
"""Number of lags, in bins, of the private autocovariance from which the decay time is estimated."""
MAX_SHARED = 6
"""Largest number of fluctuations that units share, when the private fluctuations of units are told from them."""
FACTOR_ROUNDS = 50
"""Rounds of the factor analysis that tells private fluctuations from shared ones."""
N_DECAYS = 400
"""Number of decay times that are tried."""


def indicator_decay_s(off: Array, bin_s: float) -> float:
    """Estimate the decay time of a calcium indicator from fluctuations that units do not share.

    The spikes that a unit does not share with other units are close to white noise, so that the indicator alone
    determines how their fluorescence persists. What units share has slow dynamics of its own, and is removed by a
    factor analysis of the lagged covariances. The noise of the fluorescence contributes to lag 0 only, which is left
    out.

    Parameters
    ----------
    off : (trial, time, unit) fluorescence about its average, with variance 1, NaN where missing.
    bin_s : bin width in seconds.

    Returns
    -------
    Decay time in seconds, at most ``MAX_DECAY_S``; 0 if private fluctuations do not last for a bin.
    """
    private = private_autocovariance(off, range(1, FITTED_LAGS + 1)).sum(1)
    lags = np.arange(1, FITTED_LAGS + 1)
    powers = np.linspace(0, np.exp(-bin_s / MAX_DECAY_S), N_DECAYS)[1:, None] ** lags
    # For each share that is left after one bin, the best size follows by least squares.
    size = powers @ private / (powers**2).sum(1)
    loss = ((private - size[:, None] * powers) ** 2).sum(1)
    keep = float(powers[np.argmin(loss), 0])
    return float(-bin_s / np.log(keep)) if private[0] > 0 and keep >= MIN_KEEP else 0.0


def private_autocovariance(off: Array, lags: range) -> Array:
    """Compute the autocovariance of what each unit does not share with other units.

    The shared subspace is that of a factor analysis of the covariances summed over positive lags, in which a diagonal
    is free (principal axis factoring). Given the subspace, the diagonal of every covariance is split exactly.

    Parameters
    ----------
    off : (trial, time, unit) activity about its average, NaN where missing.
    lags : lags, in bins.

    Returns
    -------
    (lag, unit) autocovariance.
    """
    n_units = off.shape[2]
    longest = max(max(lags), FITTED_LAGS)
    covariance = np.stack([_lagged_covariance(off, lag) for lag in range(longest + 1)])
    total = covariance[1:].sum(0)
    n_shared = min(MAX_SHARED, n_units // 3)
    shared, communality = np.zeros((n_units, 0)), np.zeros(n_units)
    for _ in range(FACTOR_ROUNDS if n_shared else 0):
        values, vectors = np.linalg.eigh(total - np.diag(np.diag(total) - communality))
        shared = vectors[:, -n_shared:]
        communality = (shared**2) @ values[-n_shared:]
    projection = shared @ shared.T
    # diag(projection (S - diag(p)) projection) = diag(S) - p for the private part p of every unit.
    mixing = np.eye(n_units) * (1 + 1e-6) - projection**2
    explained = np.einsum("ij,kjl,li->ki", projection, covariance[list(lags)], projection)
    diagonal = np.einsum("kii->ki", covariance[list(lags)])
    return np.asarray(np.linalg.solve(mixing, (diagonal - explained).T).T)


def _lagged_covariance(off: Array, lag: int) -> Array:
    """Compute the symmetric (unit, unit) covariance across a lag, from the pairs of bins that were observed."""
    bins, n_units = off.shape[1:]
    early, late = (part.reshape(-1, n_units) for part in (off[:, : bins - lag], off[:, lag:]))
    known = [np.isfinite(part).astype(float) for part in (early, late)]
    total = np.nan_to_num(early).T @ np.nan_to_num(late) / np.maximum(known[0].T @ known[1], 1)
    return np.asarray(0.5 * (total + total.T))
