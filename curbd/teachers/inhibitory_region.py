"""Two regions, of which one has only inhibitory units, as the striatum has."""

from __future__ import annotations

import numpy as np

from curbd.network.equation import Network
from curbd.teachers.teacher import Teacher, without_inputs

MEAN_STATE = 0.8
"""State about which all units fluctuate; it is so far above 0 that rates are hardly ever negative."""
LARGEST_SHARE_LEFT = 0.9
"""Largest share of a small deviation from the mean state that is left after one step; at 1 the state is unstable, and
units leave it for negative rates."""
SMALLER = 0.95
"""Factor by which weights become smaller until the mean state is as stable as that."""


def inhibitory_region(
    *, mixed: bool = False, units: int = 30, trials: int = 20, samples: int = 400, seed: int = 0
) -> Teacher:
    """Simulate a cortex of free signs and a striatum of inhibitory units, both with a tonic drive.

    Weights are Gaussian, of the size 1.2 / sqrt(units); those of the striatum are negative. All weights are smaller by
    the same factor if units would not fluctuate about their mean state otherwise. Rates are therefore hardly ever
    negative, except in few networks that have other stable states. All cell types are recorded as unknown.

    Parameters
    ----------
    mixed : True for a striatum whose units are half excitatory and half inhibitory, so that a constraint to
        inhibition is wrong.
    units : number of units in each region.
    trials : number of trials.
    samples : number of samples in each trial, in steps of 50 ms.
    seed : seed for the weights and the noise.

    Returns
    -------
    The recording together with the network that made it.
    """
    rng = np.random.default_rng(seed)
    n, dt_s, tau_s, noise_sd = 2 * units, 0.05, 0.1, 0.3
    region = np.repeat(["cortex", "striatum"], units)
    J = 1.2 * rng.standard_normal((n, n)) / np.sqrt(units)
    sign = rng.permutation(np.where(np.arange(units) < units // 2, 1, -1)) if mixed else -np.ones(units)
    J[:, region == "striatum"] = np.abs(J[:, region == "striatum"]) * sign
    slope = 1 - np.tanh(MEAN_STATE) ** 2
    eigenvalue = np.linalg.eigvals(J) * slope
    while np.abs(1 + dt_s / tau_s * (eigenvalue - 1)).max() > LARGEST_SHARE_LEFT:
        J, eigenvalue = SMALLER * J, SMALLER * eigenvalue
    # With this bias all states stand still at the mean state.
    b = MEAN_STATE - J @ np.full(n, np.tanh(MEAN_STATE))
    network = Network(J=J, B=np.zeros((n, 0)), b=b, tau_s=tau_s, dt_s=dt_s)
    start = MEAN_STATE + 0.2 * rng.standard_normal((trials, n))
    return without_inputs(network, region, start, samples, noise_sd=noise_sd * np.sqrt(dt_s), rng=rng)
