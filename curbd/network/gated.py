"""Networks of gated units: a gate of every unit slows its state down, and keeps the state while the gate is closed.

The equation is tau dh/dt = s(z) (-h + J r), tau dz/dt = -z + G r, with rates r = tanh(h) and gates s(z) = 1 / (1 +
exp(-z)). Regions send gated currents s(z) J r to the states, and drives G r to the gates. Publication: Krishnamurthy,
Can & Schwab, Phys. Rev. X 2022.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

Array = np.ndarray


class GatedNetwork(NamedTuple):
    """A network of gated units.

    Attributes
    ----------
    J : (target, source) weights on the states, dimensionless.
    G : (target, source) weights on the gates, dimensionless.
    tau_s : time constant of states and gates, s.
    dt_s : length of an Euler step, which is the time between samples, s.
    """

    J: Array
    G: Array
    tau_s: float
    dt_s: float


def simulate_gated(
    network: GatedNetwork,
    h0: Array,
    n_samples: int,
    *,
    noise_sd: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, Array]:
    """Simulate a network of gated units, in every step first the gates, then the states.

    Gates start at z = 0, half open. The gates of sample t + 1 act on the step from sample t to sample t + 1.

    Parameters
    ----------
    network : the network.
    h0 : (trial, unit) first states, dimensionless.
    n_samples : number of samples.
    noise_sd : standard deviation of the noise that is added to h in each step; needs ``rng``.
    rng : random generator of the noise.

    Returns
    -------
    h, z : (trial, time, unit) states and gates, dimensionless.
    """
    step = network.dt_s / network.tau_s
    h, z = (np.zeros((len(h0), n_samples, h0.shape[1])) for _ in range(2))
    h[:, 0] = h0
    for t in range(n_samples - 1):
        r = np.tanh(h[:, t])
        z[:, t + 1] = z[:, t] + step * (r @ network.G.T - z[:, t])
        h[:, t + 1] = h[:, t] + step * expit(z[:, t + 1]) * (r @ network.J.T - h[:, t])
        if rng is not None:
            h[:, t + 1] += noise_sd * rng.standard_normal(h0.shape)
    return h, z


def gated_currents(network: GatedNetwork, h: Array, z: Array, region: Array) -> dict[str, Array]:
    """Split the gated current of every unit by source; the currents of all sources sum to s(z) (-h + J r).

    Parameters
    ----------
    network : the network.
    h, z : (..., unit) states and gates.
    region : (unit,) regions of the units.

    Returns
    -------
    Region, or ``leak`` for the own current -s(z) h -> (..., unit) current, dimensionless.
    """
    gate, r = expit(z), np.tanh(h)
    sent = {str(name): gate * (r[..., region == name] @ network.J[:, region == name].T) for name in np.unique(region)}
    return sent | {"leak": -gate * h}


def gate_drives(network: GatedNetwork, h: Array, region: Array) -> dict[str, Array]:
    """Split the drive of every gate by source: region -> (..., unit) drive; the drives sum to G r."""
    r = np.tanh(h)
    return {str(name): r[..., region == name] @ network.G[:, region == name].T for name in np.unique(region)}
