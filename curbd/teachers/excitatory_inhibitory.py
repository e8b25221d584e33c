"""Regions of excitatory and inhibitory units with non-negative rates, placed in space."""

from __future__ import annotations

import numpy as np

from curbd.network.equation import Network
from curbd.teachers.teacher import Teacher, without_inputs

Array = np.ndarray
CENTRES_MM = ((0.0, 0.0, 0.0), (3.0, 0.0, 0.0), (1.5, 2.6, 0.0))
"""Centres of the regions, mm."""
POSITION_SD_MM = 0.6
"""Standard deviation of the positions of units about the centre of their region, mm."""
CONNECTION_LENGTH_MM = 1.2
"""Length constant of the exponential decay of connection probability with distance, mm."""


def excitatory_inhibitory(*, units: int = 40, trials: int = 20, samples: int = 600, seed: int = 0) -> Teacher:
    """Simulate three regions of excitatory and inhibitory units, with inhibition within regions only.

    80 % of the units are excitatory and 20 % inhibitory, and weights W are sparse. The rate of a unit with the state h
    is f = 1 / (1 + exp(-4 (h - 0.5))), between 0 and 1, and tau dh/dt = -h + W f + 0.5 - W 1 / 2 + noise. With x = 2 h
    - 1 and r = tanh(x) = 2 f - 1, this is the equation tau dx/dt = -x + W r + noise: the recorded rates are r, the
    weights are W, there is no bias, and **a silent unit has r = -1**.

    The probability of a connection decays with distance (e^(-d / 1.2 mm)); on average it is 35 % within a region and 12
    % between two regions. Weights are log-normal, the inhibition that a unit receives balances its excitation, and the
    spectral radius of W is 1.6.

    Parameters
    ----------
    units : number of units in each region.
    trials : number of trials.
    samples : number of samples in each trial, in steps of 10 ms.
    seed : seed for the weights, positions and noise.

    Returns
    -------
    The recording together with the network that made it.
    """
    rng = np.random.default_rng(seed)
    n, dt_s, tau_s, noise_sd = 3 * units, 0.01, 0.1, 0.3
    region = np.repeat(["A", "B", "C"], units)
    position_mm = np.repeat(CENTRES_MM, units, axis=0) + POSITION_SD_MM * rng.standard_normal((n, 3))
    inhibitory = np.tile(np.arange(units) >= round(0.8 * units), 3)
    W = spatial_weights(rng, region, inhibitory, position_mm)
    network = Network(J=W, B=np.zeros((n, 0)), b=np.zeros(n), tau_s=tau_s, dt_s=dt_s)
    h0 = 0.5 + 0.4 * rng.standard_normal((trials, n))
    # Each step adds N(0, 1) noise_sd sqrt(dt) to h, and twice as much to x.
    teacher = without_inputs(network, region, 2 * h0 - 1, samples, noise_sd=2 * noise_sd * np.sqrt(dt_s), rng=rng)
    return teacher._replace(
        cell_type=tuple(np.where(inhibitory, "inhibitory", "excitatory").tolist()),
        position=tuple(map(tuple, (1000 * position_mm).tolist())),
    )


def spatial_weights(
    rng: np.random.Generator, region: Array, inhibitory: Array, position_mm: Array, *, own_position: bool = False
) -> Array:
    """Draw weights W (target, source) from the region, type and position of every unit.

    Parameters
    ----------
    rng : random generator.
    region : (unit,) regions.
    inhibitory : (unit,) bool, True for inhibitory units.
    position_mm : (unit, axis) positions, mm.
    own_position : whether the mean nearness of the units of a region, by which the probability of a connection is
        divided, counts every unit as a neighbour of itself. Connections are then fewer by about a twentieth.
    """
    n = len(region)
    distance = np.linalg.norm(position_mm[:, None] - position_mm[None], axis=2)
    nearness = np.exp(-distance / CONNECTION_LENGTH_MM)
    same = region[:, None] == region[None]
    different_units = ~np.eye(n, dtype=bool)
    neighbours = same if own_position else same & different_units
    within, between = nearness[neighbours].mean(), nearness[~same].mean()
    probability = np.where(same, 0.35 * nearness / within, 0.12 * nearness / between)
    connected = (rng.random((n, n)) < probability) & different_units & (same | ~inhibitory[None])
    W = connected * rng.lognormal(-0.3, 0.6, (n, n))
    excitation, inhibition = W[:, ~inhibitory].sum(1), W[:, inhibitory].sum(1)
    W[:, inhibitory] *= -(excitation / np.where(inhibition > 0, inhibition, 1.0))[:, None]
    return 1.6 * W / np.abs(np.linalg.eigvals(W)).max()
