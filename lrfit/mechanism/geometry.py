"""Geometry of a low-rank network: angles between its connectivity and input vectors, and the shares of regions.

Weights in directions that the activity never takes cannot be identified. The effective connectivity, J restricted to
the subspace of the visited rates, can be identified. Publication: Valente, Pillow & Ostojic, NeurIPS 2022, who use the
subspace of the states x instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from lrfit.network import LowRank, from_factors

Array = np.ndarray
VISITED_VARIANCE_SHARE = 0.999
"""Share of the variance of the rates that the visited subspace contains."""


def vectors(low_rank: LowRank, input_name: Sequence[str]) -> xr.DataArray:
    """Collect the connectivity and input vectors of a network in the space of its units.

    Parameters
    ----------
    low_rank : network J = m n' with input weights B.
    input_name : (input,) names of the inputs.

    Returns
    -------
    (vector, unit) columns of m, n and B, named m_1, m_2, ..., n_1, n_2, ..., input:<name>.
    """
    rank = low_rank.m.shape[1]
    names = [f"{letter}_{k + 1}" for letter in "mn" for k in range(rank)] + [f"input:{name}" for name in input_name]
    values = np.concatenate([low_rank.m, low_rank.n, low_rank.network.B], axis=1).T
    return xr.DataArray(values, dims=("vector", "unit"), coords={"vector": names})


def overlaps(loadings: xr.DataArray) -> xr.DataArray:
    """Return the cosines between all pairs of vectors (vector, unit), as an array (vector, with).

    The overlap of n_k with m_l is how strongly latent l drives latent k; the overlap of n_k with the vector of an input
    is how strongly the input drives latent k.
    """
    unit_vectors = loadings / np.sqrt((loadings**2).sum("unit")).clip(min=1e-300)
    return xr.dot(unit_vectors, unit_vectors.rename(vector="with"), dim="unit")


def visited_directions(r: Array, share: float = VISITED_VARIANCE_SHARE) -> Array:
    """Return an orthonormal basis of the visited rates: principal directions, and the direction of the mean.

    The connectivity restricted to this subspace predicts the given share of the variance of the recurrent current. The
    direction of the mean is left out if the square of the mean rates outside the principal directions does not exceed
    the variance that these directions leave out.

    Parameters
    ----------
    r : (sample, unit) rates.
    share : share of the variance of the rates that the principal directions contain.

    Returns
    -------
    (unit, direction) orthonormal columns.
    """
    mean = r.mean(0)
    values, directions = np.linalg.eigh(np.atleast_2d(np.cov(r, rowvar=False)))
    contained = np.cumsum(values[::-1]) / values.sum()
    visited = directions[:, ::-1][:, : int(np.searchsorted(contained, share) + 1)]
    rest = mean - visited @ (visited.T @ mean)
    if rest @ rest <= (1 - share) * values.sum():
        return visited
    return np.linalg.qr(np.column_stack([visited, mean]))[0]


def effective(low_rank: LowRank, directions: Array) -> LowRank:
    """Restrict the connectivity of a network to the visited directions: J P, with n projected on these directions.

    Parameters
    ----------
    low_rank : network J = m n'.
    directions : (unit, direction) orthonormal directions; P is the projection on their span.

    Returns
    -------
    The network with the projected n.
    """
    return from_factors(low_rank.m, directions @ (directions.T @ low_rank.n), low_rank.network)


def connectivity_r(first: LowRank, second: LowRank) -> float:
    """Return the cosine between the weights J and J' of two networks, <J, J'> / (|J| |J'|).

    The cosine is NaN if one of the networks has no weights.
    """
    inner = ((first.m.T @ second.m) * (first.n.T @ second.n)).sum()
    squares = [((network.m.T @ network.m) * (network.n.T @ network.n)).sum() for network in (first, second)]
    return float(inner / np.sqrt(squares[0] * squares[1])) if squares[0] * squares[1] > 0 else float("nan")


def current_r2(reference: LowRank, low_rank: LowRank, r: Array) -> float:
    """Return the R2 with which the recurrent current of one network predicts that of another at the same rates.

    Parameters
    ----------
    reference : network whose recurrent current J r is predicted.
    low_rank : network whose recurrent current is the prediction.
    r : (sample, unit) rates.

    Returns
    -------
    R2 over all units; NaN if the current of ``reference`` does not vary.
    """
    current, prediction = (r @ network.n @ network.m.T for network in (reference, low_rank))
    variance = ((current - current.mean(0)) ** 2).sum()
    return float(1 - ((current - prediction) ** 2).sum() / variance) if variance > 0 else float("nan")


def region_shares(low_rank: LowRank, r: Array, region: Array) -> xr.DataArray:
    """Return the contribution of each region to each latent, as a share of the variance of the latent.

    The share of region s is cov(kappa_s, kappa) / var(kappa), where the latent kappa = n' r is a sum over units and
    kappa_s the sum over the units of region s. Shares sum to 1 over regions. The share of a region that works against
    the others is negative.

    Parameters
    ----------
    low_rank : network J = m n'.
    r : (sample, unit) rates.
    region : (unit,) region labels.

    Returns
    -------
    (region, rank) shares.
    """
    names = np.unique(region)
    centred = r - r.mean(0)
    kappa = centred @ low_rank.n
    of_regions = np.stack([centred[:, region == name] @ low_rank.n[region == name] for name in names])
    shares = (of_regions * kappa).sum(1) / (kappa**2).sum(0)
    return xr.DataArray(shares, dims=("region", "rank"), coords={"region": names.astype(str)})
