"""The low-rank network: J = m n', so that all recurrent currents pass through the latents kappa = n' r."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.network.equation import Network, decay, phi_inverse
from curbd.network.file import network_of

Array = np.ndarray


class LowRank(NamedTuple):
    """One network and its factors.

    Attributes
    ----------
    m : (target, rank) where the latents act.
    n : (source, rank) what they read.
    network : the same network as any other, J = m n'.
    """

    m: Array
    n: Array
    network: Network


def low_rank(networks: xr.Dataset, number: int) -> LowRank:
    """The low-rank network of one fit, by its place among the seeds; it has as many latents as its own rank."""
    one = networks.isel(seed=number)
    m, n = one["m"].values, one["n"].values
    used = n.any(0)
    return LowRank(m[:, used], n[:, used], network_of(networks, number))


def from_factors(m: Array, n: Array, network: Network) -> LowRank:
    """A network whose J becomes m n'; inputs, bias and times are kept."""
    return LowRank(m, n, network._replace(J=m @ n.T))


def positions(one: LowRank, r: Array, u: Array) -> Array:
    """Where the network stands in the space of its latents: x = m z + B v + b, solved for z by least squares.

    v are the inputs as the units' time constant lets them through, tau dv/dt = -v + u, settled at the first bin. The
    positions follow tau dz/dt = -z + kappa: they lag behind the latents kappa = n' r and equal them at fixed points.

    Parameters
    ----------
    r : (trial, time, unit) scaled rates, NaN where missing.
    u : (trial, time, input).

    Returns
    -------
    z : (trial, time, rank), NaN where the rates are missing.
    """
    network = one.network
    rest = phi_inverse(r) - passed_inputs(network, u) @ network.B.T - network.b
    return rest @ np.linalg.pinv(one.m).T


def passed_inputs(network: Network, u: Array) -> Array:
    """(trial, time, input) inputs as the units' time constant lets them through, settled at the first bin."""
    inputs = np.nan_to_num(u)
    passed = np.empty_like(inputs)
    passed[:, :1] = inputs[:, :1]
    keep = decay(network.dt_s, network.tau_s, network.substeps)
    for t in range(inputs.shape[1] - 1):
        passed[:, t + 1] = keep * passed[:, t] + (1 - keep) * inputs[:, t]
    return passed


def canonical(J: Array, r: Array, rank: int) -> tuple[Array, Array]:
    """Factors m (target, rank), n (source, rank) of J in the one gauge in which networks can be compared.

    The columns of m are orthogonal and of length sqrt(units), so that the latent kappa_k = n_k' r is in units of x:
    its root mean square is that of the current it sends to a unit. Latents are uncorrelated, in order of decreasing
    variance; the sum of the cubes of every column of m is positive.

    Parameters
    ----------
    J : (target, source) of rank ``rank``.
    r : (pair, source) rates in which the variance is measured.
    """
    current = (r - r.mean(0)) @ J.T
    directions = np.linalg.eigh(current.T @ current)[1][:, ::-1][:, :rank]
    directions = directions * np.where((directions**3).sum(0) < 0, -1, 1)
    size = np.sqrt(len(J))
    return directions * size, J.T @ directions / size


def in_canonical_gauge(one: LowRank, r: Array) -> LowRank:
    """The same network with its factors in the canonical gauge, see `canonical`; r (sample, unit)."""
    return from_factors(*canonical(one.network.J, r, one.m.shape[1]), one.network)
