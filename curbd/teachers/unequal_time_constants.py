"""Three regions of units whose time constants differ between units or between regions."""

from __future__ import annotations

from typing import Literal

import numpy as np

from curbd.network.equation import Network
from curbd.teachers.teacher import Teacher, without_inputs

TAU_S = 0.1
"""Geometric mean of the time constants, s."""
SPREAD = 3.0
"""Largest time constant divided by the mean, and the mean divided by the smallest."""


def unequal_time_constants(
    *,
    differ: Literal["units", "regions", "none"] = "units",
    units: int = 40,
    trials: int = 12,
    samples: int = 1200,
    seed: int = 0,
) -> Teacher:
    """Simulate three regions of tanh units with time constants from a third to three times a mean of 0.1 s.

    Weights are Gaussian, of size 1.5 / sqrt(units) inside regions and 0.5 / sqrt(units) between them. The noise that is
    added to a state in a step of 10 ms has a standard deviation of 0.03.

    Parameters
    ----------
    differ : ``units``: time constants are drawn for every unit, evenly on a logarithmic scale. ``regions``: those of
        the regions are the smallest, the mean and the largest. ``none``: all are the mean.
    units : number of units in each region.
    trials : number of trials.
    samples : number of samples in each trial, in steps of 10 ms.
    seed : seed for the weights, the time constants and the noise.

    Returns
    -------
    The recording together with the network that made it.
    """
    rng = np.random.default_rng(seed)
    n, dt_s = 3 * units, 0.01
    region = np.repeat(["A", "B", "C"], units)
    size = np.where(region[:, None] == region, 1.5, 0.5)
    J = size * rng.standard_normal((n, n)) / np.sqrt(units)
    exponent = {"units": rng.uniform(-1, 1, n), "regions": np.repeat([-1.0, 0.0, 1.0], units), "none": np.zeros(n)}
    unit_tau_s = TAU_S * SPREAD ** exponent[differ]
    network = Network(
        J=J,
        B=np.zeros((n, 0)),
        b=np.zeros(n),
        tau_s=float(np.exp(np.log(unit_tau_s).mean())),
        dt_s=dt_s,
        unit_tau_s=unit_tau_s,
    )
    start = 0.7 * rng.standard_normal((trials, n))
    return without_inputs(network, region, start, samples, noise_sd=0.03, rng=rng)
