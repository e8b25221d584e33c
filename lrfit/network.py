"""The low-rank network: J = m n', so that all recurrent currents pass through the latents kappa = n' r.

States x and currents are dimensionless; they are the x of tau dx/dt = -x + J r + B u + b with r = tanh(x).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.errors import UserError
from curbd.network.equation import Network, decay, phi_inverse
from curbd.network.view import View

Array = np.ndarray


class LowRank(NamedTuple):
    """A network of low rank and its factors.

    Attributes
    ----------
    m : (target, rank) weights by which each latent drives the units.
    n : (source, rank) weights by which each latent reads the rates.
    network : the network with J = m n'.
    """

    m: Array
    n: Array
    network: Network


def low_rank_of(view: View) -> LowRank:
    """The low-rank network of one fit, without the latents that only other fits of the model have.

    Raises
    ------
    UserError : the fit is of full rank.
    """
    if view.factors is None:
        raise UserError.at(
            "network.nc",
            found="a network without the factors m and n",
            expected="a fit of a low-rank model",
            todo="choose a model of family: low_rank",
        )
    m, n = view.factors
    used = n.any(0)
    return LowRank(m[:, used], n[:, used], view.network)


def from_factors(m: Array, n: Array, network: Network) -> LowRank:
    """The low-rank network with J = m n' and the inputs, bias and times of another network.

    Parameters
    ----------
    m : (target, rank).
    n : (source, rank).
    network : network whose J is replaced.
    """
    return LowRank(m, n, network._replace(J=m @ n.T))


def positions(low_rank: LowRank, r: Array, u: Array) -> Array:
    """Positions of a network in the space of its latents: z in x = m z + B v + b, solved by least squares.

    v are the inputs as the units filter them, tau dv/dt = -v + u, in equilibrium with the first bin. The positions
    follow tau dz/dt = -z + kappa: they lag behind the latents kappa = n' r, and equal the latents at fixed points.

    Parameters
    ----------
    low_rank : the network.
    r : (trial, time, unit) scaled rates, NaN where missing.
    u : (trial, time, input) inputs.

    Returns
    -------
    z : (trial, time, rank) in the units of x, NaN where the rates are missing.
    """
    network = low_rank.network
    recurrent = phi_inverse(r) - filtered_inputs(network, u) @ network.B.T - network.b
    return recurrent @ np.linalg.pinv(low_rank.m).T


def filtered_inputs(network: Network, u: Array) -> Array:
    """Inputs after the exponential filter of the units, tau dv/dt = -v + u, in equilibrium with the first bin.

    Parameters
    ----------
    network : its time constant and Euler steps are used.
    u : (trial, time, input) inputs; a missing input counts as 0.

    Returns
    -------
    v : (trial, time, input).
    """
    inputs = np.nan_to_num(u)
    filtered = np.empty_like(inputs)
    filtered[:, :1] = inputs[:, :1]
    keep = decay(network.dt_s, network.tau_s, network.substeps)
    for t in range(inputs.shape[1] - 1):
        filtered[:, t + 1] = keep * filtered[:, t] + (1 - keep) * inputs[:, t]
    return filtered


def canonical(J: Array, r: Array, rank: int) -> tuple[Array, Array]:
    """Factors of J in the canonical gauge, in which the factors of two networks can be compared.

    Factors m A and n A^-T have the same product for every invertible A. In the canonical gauge the columns of m are
    orthogonal and of length sqrt(units), so that the latent kappa_k = n_k' r is in the units of x: its root mean square
    is that of the current that it sends to a unit. Latents are uncorrelated and in the order of decreasing variance.
    The sum of the cubes of every column of m is positive, which fixes its sign.

    Parameters
    ----------
    J : (target, source) weights of rank ``rank``.
    r : (pair, source) rates by which the variance of the latents is measured.
    rank : number of latents.

    Returns
    -------
    m : (target, rank).
    n : (source, rank), J = m n'.
    """
    current = (r - r.mean(0)) @ J.T
    directions = np.linalg.eigh(current.T @ current)[1][:, ::-1][:, :rank]
    directions = directions * np.where((directions**3).sum(0) < 0, -1, 1)
    length = np.sqrt(len(J))
    return directions * length, J.T @ directions / length


def in_canonical_gauge(low_rank: LowRank, r: Array) -> LowRank:
    """A network with its factors in the canonical gauge (see `canonical`) at the rates r (sample, unit)."""
    return from_factors(*canonical(low_rank.network.J, r, low_rank.m.shape[1]), low_rank.network)
