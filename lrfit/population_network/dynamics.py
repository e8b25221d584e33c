"""A population network as a dynamical system of its latents, in the form that `curbd.dynamics` reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrfit.population_network.model import Population, curved, same_group
from lrfit.population_network.view import PopulationView

Array = np.ndarray
RANGES_OF_VISITED_STATES = 3.0
"""Fixed points are sought within this many times the largest visited position."""


@dataclass(frozen=True)
class PopulationField:
    """The vector field of the latents at constant inputs, z[k+1] = z[k] + step / tau velocity.

    Attributes
    ----------
    model : the network.
    current : (latent,) or (state, latent) constant current of inputs and bias, per bin.
    step_s : length of a bin, s.
    """

    model: Population
    current: Array
    step_s: float

    @property
    def tau_s(self) -> float:
        """Return the time constant of the latents, s: a latent loses the share step / tau in a bin."""
        lost = 1 - float(self.model.leak[0])
        return self.step_s / lost if lost > 0 else self.step_s

    def velocity(self, z: Array) -> Array:
        """Return the velocity tau dz/dt at positions z (..., latent)."""
        model = self.model
        later = model.leak * z + curved(model, z).value @ model.A.T + self.current
        return (later - z) * self.tau_s / self.step_s

    def recurrence(self, z: Array) -> Array:
        """Return 1 plus the derivative of the velocity (..., latent, latent) at positions z."""
        model = self.model
        height = curved(model, z).height * np.ones_like(z)
        bent = (model.curvature * height**3 * z)[..., :, None] * z[..., None, :] * same_group(model)
        identity = np.eye(len(model.group))
        slope = identity * height[..., None, :] - bent
        later = identity * model.leak + model.A @ slope
        return identity + (later - identity) * self.tau_s / self.step_s

    def rates(self, z: Array) -> Array:
        """Return the activity of the recorded units (..., unit), C z + d: the log of the count per bin."""
        return z @ self.model.C.T + self.model.d

    def reach(self, visited: Array) -> Array:
        """Return a multiple of the largest visited positions (latent,): a linear network has no bound."""
        return RANGES_OF_VISITED_STATES * np.abs(visited).max(0)


@dataclass(frozen=True)
class PopulationSystem:
    """A population network with the latents that its recording visited.

    Attributes
    ----------
    model : the network.
    z : (trial, time, latent) posterior means of the latents, NaN where a bin is missing.
    element_region : (latent,) regions of the latents; ``hidden_1`` and so on for hidden drives.
    input_columns : (input,) columns of the known sources that are recorded inputs.
    bias_columns : columns of the known sources that are the bias.
    step_s : length of a bin, s.
    """

    model: Population
    z: Array
    element_region: Array
    input_columns: Array
    bias_columns: Array
    step_s: float

    @property
    def n_inputs(self) -> int:
        """Return the number of recorded inputs."""
        return len(self.input_columns)

    def field(self, u: Array) -> PopulationField:
        """Return the vector field at inputs u (input,) or (state, input), without average responses."""
        current = u @ self.model.G[:, self.input_columns].T + self.model.G[:, self.bias_columns].sum(1)
        return PopulationField(self.model, current, self.step_s)

    def later_input(self, v: Array, u: Array) -> Array:
        """Return u: inputs act on the latents without a filter."""
        return u

    def coupling(self, z: Array, u: Array) -> Array:
        """Return the effective coupling (latent, latent) at one position z."""
        return self.field(u).recurrence(z)


def population_system(view: PopulationView) -> PopulationSystem:
    """Describe a population network as a dynamical system.

    Parameters
    ----------
    view : the recording as the fit sees it, with the fitted network.

    Returns
    -------
    The system.
    """
    model, names = view.fitted.model, np.array(view.data.source_name)
    regions = np.array([*view.regions, *(f"hidden_{drive + 1}" for drive in range(view.n_drives))])
    z = np.where(view.observed[..., None], np.moveaxis(view.fitted.paths.mean, 1, 0), np.nan)
    inputs = [int(np.flatnonzero(names == f"input:{index}")[0]) for index in range(len(view.input_name))]
    return PopulationSystem(
        model=model,
        z=z,
        element_region=regions[model.group],
        input_columns=np.array(inputs, dtype=int),
        bias_columns=np.flatnonzero(names == "bias"),
        step_s=view.data.bin_s,
    )
