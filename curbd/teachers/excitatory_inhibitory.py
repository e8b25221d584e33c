"""Regions of excitatory and inhibitory units with non-negative rates, placed in space."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curbd.network.equation import Network, simulate
from curbd.teachers.teacher import Teacher

Array = np.ndarray
CENTRES = ((0.0, 0.0, 0.0), (3.0, 0.0, 0.0), (1.5, 2.6, 0.0))
"""Centres of the regions, mm."""
SPREAD, REACH = 0.6, 1.2
"""Standard deviation of places about a centre, and the length over which connections become rarer, mm."""


def excitatory_inhibitory(*, units: int = 40, trials: int = 20, samples: int = 600, seed: int = 0) -> Teacher:
    """Three regions, 80 % excitatory and 20 % inhibitory units, sparse weights, inhibition inside its region only.

    The rate of a unit is f = 1 / (1 + exp(-4 (h - 0.5))), between 0 and 1, and
    tau dh/dt = -h + W f + 0.5 - W 1 / 2 + noise. As x = 2 h - 1 and r = tanh(x) = 2 f - 1 this is
    tau dx/dt = -x + W r + noise: the recorded rates are r, the weights are W, there is no bias, and **a silent unit has
    r = -1**.

    Connections are likelier over short distances (e^(-d / 1.2 mm)), on average 35 % of those within a region and 12 %
    of those between two; their strengths are log-normal; the inhibition that a unit receives balances its excitation,
    and the spectral radius of W is 1.6.
    """
    rng = np.random.default_rng(seed)
    n, dt_s, tau_s, noise = 3 * units, 0.01, 0.1, 0.3
    region = np.repeat(["A", "B", "C"], units)
    position = np.repeat(CENTRES, units, axis=0) + SPREAD * rng.standard_normal((n, 3))
    inhibitory = np.tile(np.arange(units) >= round(0.8 * units), 3)
    W = _weights(rng, region, inhibitory, position)
    network = Network(W, np.zeros((n, 0)), np.zeros(n), tau_s, dt_s)
    nothing = np.zeros((trials, samples, 0))
    h0 = 0.5 + 0.4 * rng.standard_normal((trials, n))
    # Noise on h is noise twice as large on x.
    rates = simulate(network, 2 * h0 - 1, nothing, noise_sd=2 * noise * np.sqrt(dt_s), rng=rng)
    return Teacher(
        rates,
        np.arange(samples) * dt_s,
        region,
        nothing,
        [],
        pd.DataFrame(index=range(trials)),
        network,
        np.zeros_like(rates),
        tuple(np.where(inhibitory, "inhibitory", "excitatory").tolist()),
        tuple(map(tuple, (1000 * position).tolist())),
    )


def _weights(rng: np.random.Generator, region: Array, inhibitory: Array, position: Array) -> Array:
    """(target, source) weights."""
    n = len(region)
    distance = np.linalg.norm(position[:, None] - position[None], axis=2)
    nearness = np.exp(-distance / REACH)
    same = region[:, None] == region[None]
    other = ~np.eye(n, dtype=bool)
    within, between = nearness[same & other].mean(), nearness[~same].mean()
    probability = np.where(same, 0.35 * nearness / within, 0.12 * nearness / between)
    there = (rng.random((n, n)) < probability) & other & (same | ~inhibitory[None])
    W = there * rng.lognormal(-0.3, 0.6, (n, n))
    excitation, inhibition = W[:, ~inhibitory].sum(1), W[:, inhibitory].sum(1)
    W[:, inhibitory] *= -(excitation / np.where(inhibition > 0, inhibition, 1.0))[:, None]
    return 1.6 * W / np.abs(np.linalg.eigvals(W)).max()
