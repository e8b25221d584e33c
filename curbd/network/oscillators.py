"""The equation of coupled oscillators: dy/dt = a tanh(q / a) - omega^2 x - 2 gamma y, dx/dt = y, q = K y + B u + b.

x is the recorded field of a channel, y its rate of change, and q the drive by other channels, inputs and a constant.
The equation is solved in steps of one sample, in which y comes first. Publication: Effenberger, Carvalho, Dubinin &
Singer, PNAS 2025.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Oscillators(NamedTuple):
    """Coupled oscillators, one for each channel.

    Attributes
    ----------
    omega : (channel,) angular frequency without damping, rad/s.
    gamma : (channel,) damping, 1/s.
    K : (target, source) coupling to the rates of change y of other channels, 1/s.
    B : (target, input) input weights, in units of the field per s^2 and unit of the input.
    b : (target,) constant drive, in units of the field per s^2.
    saturation : largest force a that a drive exerts, in units of the field per s^2; infinite for a linear drive.
    dt_s : time between samples, s.
    """

    omega: Array
    gamma: Array
    K: Array
    B: Array
    b: Array
    saturation: float
    dt_s: float


def simulate(
    oscillators: Oscillators,
    inputs: Array,
    *,
    noise_sd: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Array:
    """Simulate oscillators from rest and return their fields x.

    Parameters
    ----------
    oscillators : the oscillators.
    inputs : (trial, time, input) inputs u.
    noise_sd : standard deviation of the noise that is added to y in each step, in units of the field per s; needs
        ``rng``.
    rng : random generator of the noise.

    Returns
    -------
    (trial, time, channel) fields; those of the first sample are 0.
    """
    n_trials, n_samples = inputs.shape[:2]
    x = np.zeros((n_trials, n_samples, len(oscillators.omega)))
    y = np.zeros((n_trials, len(oscillators.omega)))
    external = inputs @ oscillators.B.T + oscillators.b
    for t in range(n_samples - 1):
        force = saturated(oscillators, y @ oscillators.K.T + external[:, t])
        y = y + oscillators.dt_s * (force - oscillators.omega**2 * x[:, t] - 2 * oscillators.gamma * y)
        if rng is not None:
            y = y + noise_sd * rng.standard_normal(y.shape)
        x[:, t + 1] = x[:, t] + oscillators.dt_s * y
    return x


def saturated(oscillators: Oscillators, drive: Array) -> Array:
    """Return the force a tanh(q / a) of a drive q of any shape; the drive itself if nothing saturates."""
    a = oscillators.saturation
    return drive if np.isinf(a) else a * np.tanh(drive / a)


def forces_by_source(oscillators: Oscillators, y: Array, u: Array, region: Array) -> dict[str, Array]:
    """Split the force on every channel by source: regions, inputs together, and the constant drive.

    A source gets the share of the force that is its share of the drive. This is its Aumann-Shapley value, the mean
    derivative of the force as all sources grow together; the forces of all sources sum to the force.

    Parameters
    ----------
    oscillators : the oscillators.
    y : (trial, time, channel) rates of change of the fields.
    u : (trial, time, input) inputs.
    region : (channel,) regions of the channels.

    Returns
    -------
    Name of the source -> (trial, time, channel) force, in units of the field per s^2.
    """
    drives = {str(name): y[..., region == name] @ oscillators.K[:, region == name].T for name in np.unique(region)}
    drives["inputs"] = u @ oscillators.B.T
    drives["bias"] = np.broadcast_to(oscillators.b, y.shape)
    total = np.sum(list(drives.values()), axis=0)
    force = saturated(oscillators, total)
    gain = np.divide(force, total, out=np.ones_like(total), where=total != 0)
    return {name: gain * drive for name, drive in drives.items()}
