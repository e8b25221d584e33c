"""A fitted network as a dynamical system of few coordinates, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from curbd.dynamics.field import Field, NetworkField, field_at, positions
from curbd.dynamics.unequal_field import UnequalSystem
from curbd.network.equation import Network
from curbd.network.view import View

Array = np.ndarray


class System(Protocol):
    """What the analysis of dynamics asks of a fitted network: `NetworkSystem`, or a population network in `lrfit`."""

    @property
    def z(self) -> Array:
        """Return the positions (trial, time, coordinate) of the recorded states, NaN where missing."""

    @property
    def element_region(self) -> Array:
        """Return the region (element,) of the units, or of the latents of a population network."""

    @property
    def n_inputs(self) -> int:
        """Return the number of inputs."""

    def field(self, u: Array) -> Field:
        """Return the vector field at inputs u (input,) or (state, input)."""

    def later_input(self, v: Array, u: Array) -> Array:
        """Return the filtered inputs (..., input) one Euler step after v, while the inputs are u."""

    def coupling(self, z: Array, u: Array) -> Array:
        """Return the effective coupling (element, element) at one position z: weights times slopes."""


@dataclass(frozen=True)
class NetworkSystem:
    """A network J = m n' of units with the positions that its recording visited.

    Attributes
    ----------
    m, n : (unit, coordinate) factors of J.
    network : the network.
    z : (trial, time, coordinate) positions of the recorded states.
    element_region : (unit,) regions of the units.
    """

    m: Array
    n: Array
    network: Network
    z: Array
    element_region: Array

    @property
    def n_inputs(self) -> int:
        """Return the number of inputs, hidden inputs included."""
        return self.network.B.shape[1]

    def field(self, u: Array) -> NetworkField:
        """Return the vector field at inputs u (input,) or (state, input)."""
        return field_at(self, u)

    def later_input(self, v: Array, u: Array) -> Array:
        """Return the inputs after the exponential filter of the units, one Euler step after v."""
        return v + self.network.dt_s / (self.network.substeps * self.network.tau_s) * (u - v)

    def coupling(self, z: Array, u: Array) -> Array:
        """Return the weights J times the slopes of phi of the units that send (unit, unit), at one position z."""
        return self.network.J * self.network.nonlinearity.slope(self.field(u).rates(z))


@dataclass(frozen=True)
class _Factors:
    m: Array
    n: Array
    network: Network


def system_of(view: View) -> System:
    """Describe a fitted network of units in coordinates; `network_system` explains the coordinates.

    Networks whose units have time constants of their own are described in `curbd.dynamics.unequal_field`.

    Parameters
    ----------
    view : the recording as the fit sees it, with the fitted network.
    """
    if view.network.unit_tau_s is not None:
        axes = principal_axes(view.network, view.r)
        return UnequalSystem(view.network, axes, view.network.nonlinearity.inverse(view.r) @ axes, view.region)
    return network_system(view.network, view.r, view.u, view.region, view.factors)


def network_system(
    network: Network, r: Array, u: Array, region: Array, factors: tuple[Array, Array] | None = None
) -> NetworkSystem:
    """Describe a network of units in coordinates.

    The coordinates of a low-rank network are its latents. Those of a network of full rank are as many as the units: the
    principal axes Q of the recorded states, with m = Q and n = J'Q, in order of decreasing variance.

    Parameters
    ----------
    network : the network.
    r : (trial, time, unit) recorded rates, NaN where missing.
    u : (trial, time, input) inputs.
    region : (unit,) regions of the units.
    factors : m and n (unit, rank) of a low-rank network, J = m n'; None for a network of full rank.

    Returns
    -------
    The system.
    """
    if factors is not None:
        m, n = factors
        used = n.any(0)
        m, n = m[:, used], n[:, used]
    else:
        m = principal_axes(network, r)
        n = network.J.T @ m
    return NetworkSystem(m=m, n=n, network=network, z=positions(_Factors(m, n, network), r, u), element_region=region)


def principal_axes(network: Network, r: Array) -> Array:
    """Return the principal axes (unit, unit) of the states of rates r (trial, time, unit), by decreasing variance."""
    x = network.nonlinearity.inverse(r[np.isfinite(r).all(2)])
    return np.asarray(np.linalg.eigh(np.atleast_2d(np.cov(x, rowvar=False)))[1][:, ::-1])
