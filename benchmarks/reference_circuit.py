"""The teachers of the reference experiment on priors: networks, first states and noise are the very same draws."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curbd.network.equation import Network, simulate
from curbd.teachers import Teacher
from curbd.teachers.excitatory_inhibitory import CENTRES_MM, POSITION_SD_MM, spatial_weights

DT_S, TAU_S, NOISE_SD = 0.01, 0.1, 0.3


def reference_circuit(*, units: int = 40, trials: int = 20, samples: int = 600, seed: int = 0) -> Teacher:
    """Simulate a teacher of the reference experiment, whose trials have seeds of their own.

    The network is that of `curbd.teachers.excitatory_inhibitory`, except that the mean nearness within a region counts
    every unit as a neighbour of itself.

    Parameters
    ----------
    units : number of units in each region.
    trials : number of trials.
    samples : number of samples in each trial, in steps of 10 ms.
    seed : seed for the weights and positions; trial k has the seed 1000 + 50 seed + k.

    Returns
    -------
    The recording together with the network that made it.
    """
    rng, n = np.random.default_rng(seed), 3 * units
    region = np.repeat(["A", "B", "C"], units)
    position_mm = np.repeat(CENTRES_MM, units, axis=0) + POSITION_SD_MM * rng.standard_normal((n, 3))
    inhibitory = np.tile(np.arange(units) >= round(0.8 * units), 3)
    W = spatial_weights(rng, region, inhibitory, position_mm, own_position=True)
    network = Network(J=W, B=np.zeros((n, 0)), b=np.zeros(n), tau_s=TAU_S, dt_s=DT_S)
    rates = np.empty((trials, samples, n))
    for trial in range(trials):
        rng = np.random.default_rng(1000 + 50 * seed + trial)
        start = 0.8 * rng.standard_normal((1, n))
        noise_sd = 2 * NOISE_SD * np.sqrt(DT_S)
        rates[trial] = simulate(network, start, np.zeros((1, samples, 0)), noise_sd=noise_sd, rng=rng)[0]
    return Teacher(
        rates=rates,
        time_s=np.arange(samples) * DT_S,
        region=region,
        inputs=np.zeros((trials, samples, 0)),
        input_name=[],
        trials=pd.DataFrame(index=range(trials)),
        network=network,
        drive=np.zeros_like(rates),
        cell_type=tuple(np.where(inhibitory, "inhibitory", "excitatory").tolist()),
        position=tuple(map(tuple, (1000 * position_mm).tolist())),
    )
