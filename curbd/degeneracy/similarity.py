"""Similarity of the activity of two networks: of its geometry, and of its dynamics."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

Array = np.ndarray
DELAYS = 3
"""Bins of the past, the present included, from which the next bin is predicted."""
MAX_COMPONENTS = 10
"""Principal components of the activity whose dynamics are compared."""


def linear_cka(X: Array, Y: Array) -> float:
    """Return the linear centred kernel alignment of activity X and Y (sample, unit), 0 to 1.

    Publication: Kornblith et al., ICML 2019.
    """
    X, Y = X - X.mean(0), Y - Y.mean(0)
    norms = np.linalg.norm(X.T @ X) * np.linalg.norm(Y.T @ Y)
    return float(np.linalg.norm(X.T @ Y) ** 2 / norms) if norms > 0 else float("nan")


def procrustes_similarity(X: Array, Y: Array) -> float:
    """Return the largest correlation of X with a rotation of Y (sample, unit): the nuclear norm of X'Y over |X| |Y|.

    Publication: Williams et al., NeurIPS 2021.
    """
    X, Y = X - X.mean(0), Y - Y.mean(0)
    norms = np.linalg.norm(X) * np.linalg.norm(Y)
    return float(np.linalg.norm(X.T @ Y, "nuc") / norms) if norms > 0 else float("nan")


def dynamical_similarity(X: Array, Y: Array) -> float:
    """Return the similarity of the dynamics of two networks, 1 for the same dynamics in any coordinates.

    The next bin is predicted linearly from the present and the past bins of the principal components (both networks are
    projected on those of the first), and the eigenvalues of the two predictions are compared: 1 minus the smallest mean
    distance of their pairs, relative to the mean size. This is the variant of dynamical similarity analysis (DSA) that
    compares eigenvalues by their Wasserstein distance. Publication: Ostrow et al., NeurIPS 2023.

    Parameters
    ----------
    X, Y : (trial, time, unit) activity; a bin that is NaN in either network is left out.
    """
    seen = np.isfinite(X).all(2) & np.isfinite(Y).all(2)
    if seen.sum() < 2:
        return float("nan")
    mean = X[seen].mean(0)
    axes = np.linalg.svd(X[seen] - mean, full_matrices=False)[2][:MAX_COMPONENTS].T
    first, second = (_eigenvalues((activity - mean) @ axes, seen) for activity in (X, Y))
    if first is None or second is None:
        return float("nan")
    distance = np.abs(first[:, None] - second[None])
    pairs = linear_sum_assignment(distance)
    size = (np.abs(first).mean() + np.abs(second).mean()) / 2
    return float(max(0.0, 1 - distance[pairs].mean() / size)) if size > 0 else float("nan")


def _eigenvalues(activity: Array, seen: Array) -> Array | None:
    """Eigenvalues of the linear prediction of the next bin; None if no trial is long enough."""
    n_components = activity.shape[2]
    past, following = [], []
    for trial, bins in zip(activity, seen, strict=True):
        rows = trial[bins]
        if len(rows) > DELAYS:
            stacked = np.concatenate([rows[DELAYS - 1 - lag : len(rows) - lag] for lag in range(DELAYS)], axis=1)
            past.append(stacked[:-1])
            following.append(rows[DELAYS:])
    if not past:
        return None
    P, F = np.concatenate(past), np.concatenate(following)
    gram = P.T @ P
    weights = np.linalg.solve(gram + 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram)), P.T @ F).T
    companion = np.eye(n_components * DELAYS, k=-n_components)
    companion[:n_components] = weights
    return np.linalg.eigvals(companion)
