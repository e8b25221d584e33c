"""The vector field of a network of gated units, whose coordinates are the states of the units, then their gates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from curbd.network.gated import GatedNetwork

Array = np.ndarray
CLOSED_GATE = 0.01
"""Opening below which a gate counts as closed."""
SLOW_EIGENVALUE = 0.02
"""Size of an eigenvalue of tau times the Jacobian below which a direction counts as slow."""


class GatedField(NamedTuple):
    """The vector field of gated units, see `curbd.dynamics.field.Field`.

    Attributes
    ----------
    network : the network.
    """

    network: GatedNetwork

    @property
    def tau_s(self) -> float:
        """Return the time constant, s."""
        return self.network.tau_s

    @property
    def step_s(self) -> float:
        """Return the Euler step of the network, s."""
        return self.network.dt_s

    def rates(self, z: Array) -> Array:
        """Return the rates (..., unit) at positions z (..., coordinate)."""
        return np.tanh(z[..., : len(self.network.J)])

    def velocity(self, z: Array) -> Array:
        """Return the velocity, tau times the change per time, at positions z (..., coordinate)."""
        n, r = len(self.network.J), self.rates(z)
        h, gate = z[..., :n], z[..., n:]
        return np.concatenate([expit(gate) * (r @ self.network.J.T - h), r @ self.network.G.T - gate], axis=-1)

    def recurrence(self, z: Array) -> Array:
        """Return 1 plus the Jacobian of the velocity (..., coordinate, coordinate) at positions z."""
        n, r = len(self.network.J), self.rates(z)
        h, opening, slope = z[..., :n], expit(z[..., n:]), 1 - r[..., None, :] ** 2
        identity = np.eye(n)
        total = r @ self.network.J.T - h
        of_states = opening[..., None] * (self.network.J * slope - identity) + identity
        of_gates = (opening * (1 - opening) * total)[..., None] * identity
        rows = [
            np.concatenate([of_states, of_gates], axis=-1),
            np.concatenate([self.network.G * slope, np.zeros_like(of_gates)], axis=-1),
        ]
        return np.concatenate(rows, axis=-2)

    def reach(self, visited: Array) -> Array:
        """Return the box (coordinate,) that contains all fixed points, because |tanh| < 1."""
        return np.concatenate([np.abs(self.network.J).sum(1), np.abs(self.network.G).sum(1)])


def slow_share(field: GatedField, z: Array) -> float:
    """Return the share of slow eigenvalues of the Jacobian at one position z (coordinate,); see `SLOW_EIGENVALUE`."""
    values = np.linalg.eigvals(field.recurrence(z) - np.eye(len(z)))
    return float((np.abs(values) < SLOW_EIGENVALUE).mean())


def closed_share(field: GatedField, z: Array) -> float:
    """Return the share of closed gates at one position z (coordinate,); see `CLOSED_GATE`."""
    return float((expit(z[len(field.network.J) :]) < CLOSED_GATE).mean())
