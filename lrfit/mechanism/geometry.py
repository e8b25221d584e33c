"""Geometry of a low-rank network: how its connectivity and input vectors lie to one another, and in which regions.

Connectivity is not identifiable where the activity did not go; what is, is the connectivity as the visited rates see it
(effective connectivity: Valente, Pillow & Ostojic, NeurIPS 2022, there with the span of the states, here of the rates).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from lrfit.network import LowRank, from_factors

Array = np.ndarray
VISITED = 0.999
"""Share of the variance of the rates that the visited subspace holds."""


def vectors(one: LowRank, inputs: Sequence[str]) -> xr.DataArray:
    """All vectors of a network in the space of its units, (vector, unit): m_1, m_2, n_1, n_2, input:<name>."""
    rank = one.m.shape[1]
    names = [f"{letter}_{k + 1}" for letter in "mn" for k in range(rank)] + [f"input:{name}" for name in inputs]
    values = np.concatenate([one.m, one.n, one.network.B], axis=1).T
    return xr.DataArray(values, dims=("vector", "unit"), coords={"vector": names})


def overlaps(loadings: xr.DataArray) -> xr.DataArray:
    """Cosines between the vectors of a network, (vector, with).

    The overlap of n_k with m_l says that latent l drives latent k; that of n_k with an input, that the input does.
    """
    unit = loadings / np.sqrt((loadings**2).sum("unit")).clip(min=1e-300)
    return xr.dot(unit, unit.rename(vector="with"), dim="unit")


def visited_directions(r: Array, share: float = VISITED) -> Array:
    """Principal directions of the rates (unit, direction) that hold this share of their variance, and their mean.

    The connectivity on this subspace predicts the recurrent current of the visited rates to the same share. A mean that
    is smaller than what the share leaves out has no direction to speak of, and is left out as well.

    Parameters
    ----------
    r : (sample, unit) rates.
    """
    mean = r.mean(0)
    values, directions = np.linalg.eigh(np.cov(r, rowvar=False))
    held = np.cumsum(values[::-1]) / values.sum()
    visited = directions[:, ::-1][:, : int(np.searchsorted(held, share) + 1)]
    rest = mean - visited @ (visited.T @ mean)
    if rest @ rest <= (1 - share) * values.sum():
        return visited
    return np.linalg.qr(np.column_stack([visited, mean]))[0]


def effective(one: LowRank, directions: Array) -> LowRank:
    """The network with n projected on the visited directions (unit, direction): J P, what the rates see of J."""
    return from_factors(one.m, directions @ (directions.T @ one.n), one.network)


def connectivity_r(one: LowRank, other: LowRank) -> float:
    """Cosine between the weights of two networks, <J, J'> / (|J| |J'|); NaN where one has no weights."""
    inner = ((one.m.T @ other.m) * (one.n.T @ other.n)).sum()
    sizes = [((x.m.T @ x.m) * (x.n.T @ x.n)).sum() for x in (one, other)]
    return float(inner / np.sqrt(sizes[0] * sizes[1])) if sizes[0] * sizes[1] > 0 else float("nan")


def current_r2(one: LowRank, other: LowRank, r: Array) -> float:
    """R2 of one network's recurrent current with the other's, at the same rates (sample, unit)."""
    mine, theirs = (r @ x.n @ x.m.T for x in (one, other))
    variance = ((mine - mine.mean(0)) ** 2).sum()
    return float(1 - ((mine - theirs) ** 2).sum() / variance) if variance > 0 else float("nan")


def region_shares(one: LowRank, r: Array, region: Array) -> xr.DataArray:
    """What each region contributes to each latent: cov(kappa_s, kappa) / var(kappa), (region, rank), summing to 1.

    kappa_s = sum over the units of region s of n r. A share is negative where a region works against the others.

    Parameters
    ----------
    r : (sample, unit) rates.
    region : (unit,) labels.
    """
    names = np.unique(region)
    centred = r - r.mean(0)
    kappa = centred @ one.n
    parts = np.stack([centred[:, region == name] @ one.n[region == name] for name in names])
    shares = (parts * kappa).sum(1) / (kappa**2).sum(0)
    return xr.DataArray(shares, dims=("region", "rank"), coords={"region": names.astype(str)})
