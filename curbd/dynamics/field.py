"""The vector field of a network at a constant input, in coordinates in which few numbers describe the state.

At a constant input u the states x of tau dx/dt = -x + J phi(x) + B u + b settle in x = m z + B u + b, where J = m n'.
The positions z follow

    tau dz/dt = -z + n' phi(m z + B u + b),

a system of as many equations as J has rank. x and z are dimensionless. Every network has such coordinates: those of a
network of full rank are as many as its units. Publication: Valente, Pillow & Ostojic, NeurIPS 2022.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from curbd.network.equation import Network, decay
from curbd.network.nonlinearity import TANH, Nonlinearity

Array = np.ndarray


class Field(Protocol):
    """A vector field tau dz/dt = -z + F(z), of a network of units or of populations."""

    @property
    def tau_s(self) -> float:
        """Return the time constant, s."""

    @property
    def step_s(self) -> float:
        """Return the Euler step of the network, s."""

    def velocity(self, z: Array) -> Array:
        """Return the velocity tau dz/dt at positions z (..., coordinate)."""

    def recurrence(self, z: Array) -> Array:
        """Return the derivative K of F (..., coordinate, coordinate) at positions z; K - 1 is that of the velocity."""

    def rates(self, z: Array) -> Array:
        """Return the rates (..., unit) at positions z."""

    def reach(self, visited: Array) -> Array:
        """Return a distance from the origin (coordinate,) beyond which no fixed point is sought."""


class NetworkField(NamedTuple):
    """The vector field of a network J = m n' of units at one constant input.

    Attributes
    ----------
    m : (unit, coordinate) left factors.
    n : (unit, coordinate) right factors.
    offset : (unit,) constant current B u + b, with input weights B, constant input u and bias b; or (state, unit), an
        own current for every state.
    tau_s : time constant, s.
    step_s : Euler step of the network, s.
    nonlinearity : the function phi from states to rates.
    """

    m: Array
    n: Array
    offset: Array
    tau_s: float
    step_s: float
    nonlinearity: Nonlinearity = TANH

    def rates(self, z: Array) -> Array:
        """Return the rates phi(m z + offset) (..., unit) at positions z (..., coordinate)."""
        return self.nonlinearity.phi(z @ self.m.T + self.offset)

    def velocity(self, z: Array) -> Array:
        """Return the velocity tau dz/dt = -z + n' phi(m z + offset) at positions z (..., coordinate)."""
        return self.rates(z) @ self.n - z

    def recurrence(self, z: Array) -> Array:
        """Return the matrix K = n' diag(phi'(m z + offset)) m (..., coordinate, coordinate) at positions z.

        The Jacobian of the velocity tau dz/dt is K - 1.
        """
        gain = self.nonlinearity.slope(self.rates(z))
        rank = self.m.shape[1]
        if rank * rank > len(self.m):
            return self.n.T @ (gain[..., None] * self.m)
        pairs = (self.n[:, :, None] * self.m[:, None, :]).reshape(len(self.n), rank * rank)
        return (gain @ pairs).reshape(*z.shape[:-1], rank, rank)

    def reach(self, visited: Array) -> Array:
        """Return the box (coordinate,) that contains all fixed points, because |tanh| < 1."""
        return np.abs(self.n).sum(0)


class Factorised(Protocol):
    """A network with factors m and n of its recurrent weights, J = m n'."""

    @property
    def m(self) -> Array:
        """Return the left factors (unit, coordinate)."""

    @property
    def n(self) -> Array:
        """Return the right factors (unit, coordinate)."""

    @property
    def network(self) -> Network:
        """Return the network."""


def field_at(network: Factorised, u: Array) -> NetworkField:
    """Construct the vector field of a network at the constant input u.

    Parameters
    ----------
    network : the network and its factors.
    u : (input,) constant input; or (state, input), an own input for every state.

    Returns
    -------
    The vector field.
    """
    return NetworkField(
        m=network.m,
        n=network.n,
        offset=u @ network.network.B.T + network.network.b,
        tau_s=network.network.tau_s,
        step_s=network.network.dt_s / network.network.substeps,
        nonlinearity=network.network.nonlinearity,
    )


def positions(network: Factorised, r: Array, u: Array) -> Array:
    """Return the positions z of a network in its coordinates, from the rates.

    z is the least-squares solution of x = m z + B v + b, where x are the states of the rates, m the left factors of J =
    m n', B the input weights and b the bias. v are the inputs after the exponential filter of the units, tau dv/dt = -v
    + u, in equilibrium with the first bin. The positions follow tau dz/dt = -z + kappa: they lag behind the latents
    kappa = n' r, and equal the latents at fixed points.

    Parameters
    ----------
    network : the network and its factors.
    r : (trial, time, unit) scaled rates, NaN where missing.
    u : (trial, time, input) inputs.

    Returns
    -------
    z : (trial, time, coordinate) positions, in the (dimensionless) units of the state x; NaN where the rates are
        missing.
    """
    x = network.network.nonlinearity.inverse(r)
    recurrent = x - filtered_inputs(network.network, u) @ network.network.B.T - network.network.b
    return recurrent @ np.linalg.pinv(network.m).T


def filtered_inputs(network: Network, u: Array) -> Array:
    """Filter inputs as the units do, tau dv/dt = -v + u, starting in equilibrium with the first bin.

    Parameters
    ----------
    network : network whose time constant and Euler steps define the filter.
    u : (trial, time, input) inputs u; a missing input counts as 0.

    Returns
    -------
    v : (trial, time, input) filtered inputs.
    """
    inputs = np.nan_to_num(u)
    filtered = np.empty_like(inputs)
    filtered[:, :1] = inputs[:, :1]
    keep = decay(network.dt_s, network.tau_s, network.substeps)
    for t in range(inputs.shape[1] - 1):
        filtered[:, t + 1] = keep * filtered[:, t] + (1 - keep) * inputs[:, t]
    return filtered
