"""The low-rank network J = m n': recurrent currents m kappa pass through a few latents kappa = n' r.

States x and currents are dimensionless, in the units of x in tau dx/dt = -x + J r + B u + b with r = tanh(x). J are the
recurrent weights, B the input weights and b the bias.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.errors import UserError
from curbd.network.equation import Network
from curbd.network.view import View

Array = np.ndarray


class LowRank(NamedTuple):
    """A low-rank network together with the factors m and n of its recurrent weights J = m n'.

    Attributes
    ----------
    m : (target, rank) left factors: weights with which each latent drives the units.
    n : (source, rank) right factors: weights with which each latent sums the rates, kappa = n' r.
    network : the network with recurrent weights J = m n'.
    """

    m: Array
    n: Array
    network: Network


def low_rank_of(view: View) -> LowRank:
    """Return the low-rank network of one fit, at the rank of this fit alone.

    The fits of a model are stored with as many latents as the fit of the largest rank has; the columns of zeros that
    fill the factors of fits of lower rank are removed.

    Parameters
    ----------
    view : the recording as the fit sees it, with the fitted network.

    Returns
    -------
    The network and its factors.

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
    """Construct the network with recurrent weights J = m n' and all other parameters of a given network.

    Parameters
    ----------
    m : (target, rank) left factors.
    n : (source, rank) right factors.
    network : network whose input weights, bias, time constant and time step are taken.

    Returns
    -------
    The network and its factors.
    """
    return LowRank(m, n, network._replace(J=m @ n.T))


def canonical(J: Array, r: Array, rank: int) -> tuple[Array, Array]:
    """Factorise J = m n' in the canonical gauge, in which the factors of different networks can be compared.

    The factors m A and n A^-T have the same product J for every invertible matrix A; the canonical gauge is one choice
    of A. Its columns of m are orthogonal and of length sqrt(units), so that the latent kappa_k = n_k' r is in the units
    of x: the root mean square of a latent is that of the current that it sends to a unit. Latents are uncorrelated and
    in order of decreasing variance. The sum of the cubes of every column of m is positive, which fixes the sign of the
    latent.

    Parameters
    ----------
    J : (target, source) recurrent weights of rank ``rank``.
    r : (sample, source) rates from which the variance of the latents is computed.
    rank : number of latents.

    Returns
    -------
    m : (target, rank) left factors.
    n : (source, rank) right factors.
    """
    current = (r - r.mean(0)) @ J.T
    directions = np.linalg.eigh(current.T @ current)[1][:, ::-1][:, :rank]
    directions = directions * np.where((directions**3).sum(0) < 0, -1, 1)
    length = np.sqrt(len(J))
    return directions * length, J.T @ directions / length


def in_canonical_gauge(low_rank: LowRank, r: Array) -> LowRank:
    """Return a network with its factors in the canonical gauge.

    Parameters
    ----------
    low_rank : the network.
    r : (sample, unit) rates from which the variance of the latents is computed (see `canonical`).

    Returns
    -------
    The network with the factors that `canonical` gives; J is the same up to rounding.
    """
    return from_factors(*canonical(low_rank.network.J, r, low_rank.m.shape[1]), low_rank.network)
