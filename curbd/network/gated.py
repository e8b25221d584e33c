"""Networks of gated units: a gate of every unit slows its state down, and keeps the state while the gate is closed.

The equation is tau dh/dt = s(g) (-h + J z), tau dg/dt = -g + G z, with gates s(g) = 1 / (1 + exp(-g)). The regressors z
are the rates r = tanh(h) of all units; in recordings inputs and a constant follow them. Regions send gated currents
s(g) J z to the states, and drives G z to the gates. Publication: Krishnamurthy, Can & Schwab, Phys. Rev. X 2022.
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
    J : (target, regressor) weights on the states, dimensionless.
    G : (target, regressor) weights on the gates, dimensionless.
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
    """Simulate a network of gated units without inputs, in every step first the gates, then the states.

    Gates start at g = 0, half open. The gates of sample t + 1 act on the step from sample t to sample t + 1.

    Parameters
    ----------
    network : the network.
    h0 : (trial, unit) first states, dimensionless.
    n_samples : number of samples.
    noise_sd : standard deviation of the noise that is added to h in each step; needs ``rng``.
    rng : random generator of the noise.

    Returns
    -------
    h, g : (trial, time, unit) states and gates, dimensionless.
    """
    step = network.dt_s / network.tau_s
    h, g = (np.zeros((len(h0), n_samples, h0.shape[1])) for _ in range(2))
    h[:, 0] = h0
    for t in range(n_samples - 1):
        r = np.tanh(h[:, t])
        g[:, t + 1] = g[:, t] + step * (r @ network.G.T - g[:, t])
        h[:, t + 1] = h[:, t] + step * expit(g[:, t + 1]) * (r @ network.J.T - h[:, t])
        if rng is not None:
            h[:, t + 1] += noise_sd * rng.standard_normal(h0.shape)
    return h, g


def gated_currents(network: GatedNetwork, h: Array, z: Array, g: Array, source: Array) -> dict[str, Array]:
    """Split the gated current of every unit by source; the currents of all sources sum to s(g) (-h + J z).

    Parameters
    ----------
    network : the network.
    h : (..., unit) states.
    z : (..., regressor) rates of all units; in recordings inputs and a constant follow them.
    g : (..., unit) gates.
    source : (regressor,) name of the source of every regressor.

    Returns
    -------
    Source, or ``leak`` for the own current -s(g) h -> (..., unit) current, dimensionless.
    """
    opening = expit(g)
    return {name: opening * sent for name, sent in _by_source(network.J, z, source).items()} | {"leak": -opening * h}


def gate_drives(network: GatedNetwork, z: Array, source: Array) -> dict[str, Array]:
    """Split the drive of every gate by source: name -> (..., unit) drive; the drives sum to G z.

    Parameters
    ----------
    network, z, source : as in `gated_currents`.
    """
    return _by_source(network.G, z, source)


def _by_source(weights: Array, z: Array, source: Array) -> dict[str, Array]:
    return {str(name): z[..., source == name] @ weights[:, source == name].T for name in dict.fromkeys(source.tolist())}
