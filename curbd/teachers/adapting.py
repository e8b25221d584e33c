"""Three regions of units that adapt: a current opposes the rate that every unit had in the last second."""

from __future__ import annotations

import numpy as np

from curbd.network.adaptation import Adaptation
from curbd.network.equation import Network
from curbd.teachers.teacher import Teacher, without_inputs


def adapting(
    *,
    strength: float = 2.0,
    adaptation_tau_s: float = 1.0,
    units: int = 40,
    trials: int = 12,
    samples: int = 1200,
    seed: int = 0,
) -> Teacher:
    """Simulate three regions of tanh units whose adaptation has strengths between 0 and a largest strength.

    Weights are Gaussian, of size 1.5 / sqrt(units) inside regions and 0.4 / sqrt(units) between them. The time constant
    is 0.1 s, the noise 0.3 sqrt(dt).

    Parameters
    ----------
    strength : largest strength; 0 for units that do not adapt.
    adaptation_tau_s : time constant of the adaptation, s.
    units : number of units in each region.
    trials : number of trials.
    samples : number of samples in each trial, in steps of 10 ms.
    seed : seed for the weights, the strengths and the noise.

    Returns
    -------
    The recording together with the network that made it.
    """
    rng = np.random.default_rng(seed)
    n, dt_s, noise_sd = 3 * units, 0.01, 0.3
    region = np.repeat(["A", "B", "C"], units)
    size = np.where(region[:, None] == region, 1.5, 0.4)
    J = size * rng.standard_normal((n, n)) / np.sqrt(units)
    adaptation = Adaptation(strength * rng.uniform(size=n), adaptation_tau_s, np.zeros(n))
    network = Network(J=J, B=np.zeros((n, 0)), b=np.zeros(n), tau_s=0.1, dt_s=dt_s, adaptation=adaptation)
    start = 0.7 * rng.standard_normal((trials, n))
    return without_inputs(network, region, start, samples, noise_sd=noise_sd * np.sqrt(dt_s), rng=rng)
