"""The dynamics of a network whose units have time constants of their own, in coordinates of its states.

With time constants tau_i around a common tau, the states x of tau_i dx_i/dt = -x_i + (J phi(x) + B u + b)_i follow

    tau dx/dt = S (-x + J phi(x) + B u + b),     S = diag(tau / tau_i).

Inputs are filtered differently by every unit and therefore act on the states, instead of moving with the filtered
inputs as in `curbd.dynamics.field`. The coordinates are positions z = Q'x along the principal axes Q of the states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network

Array = np.ndarray


class UnequalField(NamedTuple):
    """The vector field at one input, see `curbd.dynamics.field.Field`.

    Attributes
    ----------
    network : the network.
    axes : (unit, coordinate) orthonormal axes Q of the coordinates, as many as units.
    outside : (unit,) constant current B u + b, or (state, unit), an own current for every state.
    """

    network: Network
    axes: Array
    outside: Array

    @property
    def tau_s(self) -> float:
        """Return the geometric mean of the time constants, s."""
        return self.network.tau_s

    @property
    def step_s(self) -> float:
        """Return the Euler step of the network, s."""
        return self.network.dt_s / self.network.substeps

    @property
    def pace(self) -> Array:
        """Return how fast the units are, (unit,) tau / tau_i."""
        return np.asarray(self.network.tau_s / self.network.time_constant_s)

    def rates(self, z: Array) -> Array:
        """Return the rates (..., unit) at positions z (..., coordinate)."""
        return self.network.nonlinearity.phi(z @ self.axes.T)

    def velocity(self, z: Array) -> Array:
        """Return the velocity tau dz/dt at positions z (..., coordinate)."""
        total = self.rates(z) @ self.network.J.T + self.outside
        return (self.pace * (total - z @ self.axes.T)) @ self.axes

    def recurrence(self, z: Array) -> Array:
        """Return 1 plus the Jacobian of the velocity (..., coordinate, coordinate) at positions z."""
        slope = self.network.nonlinearity.slope(self.rates(z))
        identity = np.eye(len(self.axes))
        jacobian = self.pace[:, None] * (self.network.J * slope[..., None, :] - identity)
        return identity + self.axes.T @ jacobian @ self.axes

    def reach(self, visited: Array) -> Array:
        """Return the box (coordinate,) that contains all fixed points, because |tanh| < 1."""
        return np.abs(self.axes.T) @ (np.abs(self.network.J).sum(1) + np.abs(self.outside))


@dataclass(frozen=True)
class UnequalSystem:
    """A network of units with time constants of their own, see `curbd.dynamics.system.System`.

    Attributes
    ----------
    network : the network.
    axes : (unit, coordinate) principal axes of the recorded states.
    z : (trial, time, coordinate) positions of the recorded states, NaN where missing.
    element_region : (unit,) regions of the units.
    """

    network: Network
    axes: Array
    z: Array
    element_region: Array

    @property
    def n_inputs(self) -> int:
        """Return the number of inputs, hidden inputs included."""
        return self.network.B.shape[1]

    def field(self, u: Array) -> UnequalField:
        """Return the vector field at inputs u (input,) or (state, input)."""
        return UnequalField(self.network, self.axes, u @ self.network.B.T + self.network.b)

    def later_input(self, v: Array, u: Array) -> Array:
        """Return the inputs after an Euler step: they act on the states at once."""
        return u

    def coupling(self, z: Array, u: Array) -> Array:
        """Return 1 plus the Jacobian between units (unit, unit) at one position z, in units of the common tau."""
        field = self.field(u)
        return self.axes @ field.recurrence(z) @ self.axes.T
