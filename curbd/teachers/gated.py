"""Networks of gated units with random weights, whose gates keep states for long times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.gated import GatedNetwork, simulate_gated

Array = np.ndarray
WEIGHT_SIZE, GATE_WEIGHT_SIZE = 2.0, 1.5
"""Standard deviations of the weights on states and gates, times sqrt(units)."""


class GatedTeacher(NamedTuple):
    """A network of gated units and its activity.

    Attributes
    ----------
    network : the network.
    h, z : (trial, time, unit) states and gates.
    """

    network: GatedNetwork
    h: Array
    z: Array


def gated(
    *,
    gate_gain: float = 5.0,
    weight_size: float = WEIGHT_SIZE,
    units: int = 200,
    trials: int = 1,
    samples: int = 4001,
    step: float = 0.05,
    noise_sd: float = 0.0,
    driving: Array | None = None,
    seed: int = 0,
) -> GatedTeacher:
    """Simulate gated units with random weights; the defaults are the published network at an intermediate gain.

    Parameters
    ----------
    gate_gain : factor of the weights on the gates; 0 for gates that are always half open.
    weight_size : standard deviation of the weights on the states, times sqrt(units).
    units : number of units.
    trials : number of trials.
    samples : number of samples in each trial.
    step : Euler step in units of the time constant, which is 0.1 s.
    noise_sd : standard deviation of the noise that is added to every state in each step.
    driving : (target, source) bool, which units drive the gates of which units; None for all.
    seed : seed for the weights, the first states and the noise.

    Returns
    -------
    The network and its activity.
    """
    rng = np.random.default_rng(seed)
    J = weight_size / np.sqrt(units) * rng.standard_normal((units, units))
    G = gate_gain * GATE_WEIGHT_SIZE / np.sqrt(units) * rng.standard_normal((units, units))
    if driving is not None:
        G *= driving
    network = GatedNetwork(J=J, G=G, tau_s=0.1, dt_s=0.1 * step)
    start = rng.standard_normal((trials, units))
    h, z = simulate_gated(network, start, samples, noise_sd=noise_sd, rng=rng if noise_sd else None)
    return GatedTeacher(network, h, z)
