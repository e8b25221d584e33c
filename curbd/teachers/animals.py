"""Several animals of one species: the same identified units with shared weights, and the deviations of each animal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.network.equation import Network, simulate

Array = np.ndarray
SAMPLE_STEP_S = 0.01
SAMPLES_PER_TRIAL = 100
WEIGHT_GAIN = 0.9
"""Scale of the weights."""
WEIGHT_DENSITY = 0.2
"""Share of the weights that are not 0."""
PROCESS_NOISE_SD = 0.1
"""Standard deviation of the noise that a sample adds to a state."""


class Animals(NamedTuple):
    """Recordings of several animals, and the networks that made them.

    Attributes
    ----------
    network : the network that all animals share.
    deviation : (animal, target, source) weights of an animal beyond the shared weights.
    recorded : (animal, unit) bool, whether a unit was recorded in an animal.
    rates : rates (trial, time, unit) of the recorded units of every animal, with the labels ``unit`` and ``region``,
        which `curbd.ingest_rates` reads.
    unit_id, region : (unit,) labels of all units.
    """

    network: Network
    deviation: Array
    recorded: Array
    rates: list[xr.DataArray]
    unit_id: Array
    region: Array


def several_animals(
    *,
    animals: int = 4,
    units: int = 20,
    trials: int = 8,
    missing: float = 0.3,
    deviation: float = 0.3,
    seed: int = 0,
) -> Animals:
    """Simulate three regions of units that several animals have in common.

    Every unit receives from a random fifth of all units. Weights are N(0, .81 / (.2 x number of units)), and
    those of an animal deviate from them at the same synapses. Units that are not recorded in an animal still act there.

    Parameters
    ----------
    animals : number of animals.
    units : number of units in each of the regions A, B and C.
    trials : number of trials of an animal.
    missing : probability that a unit is not recorded in an animal.
    deviation : standard deviation of the deviations, relative to that of the shared weights.
    seed : seed for the weights, the missing units and all noise.

    Returns
    -------
    The recordings and their networks.
    """
    rng = np.random.default_rng(seed)
    region = np.repeat(["A", "B", "C"], units)
    n = len(region)
    unit_id = np.array([f"{label}{index % units + 1}" for index, label in enumerate(region)])
    synapse = rng.random((n, n)) < WEIGHT_DENSITY
    size = WEIGHT_GAIN / np.sqrt(WEIGHT_DENSITY * n)
    network = Network(
        J=size * synapse * rng.standard_normal((n, n)), B=np.zeros((n, 0)), b=np.zeros(n), tau_s=0.1, dt_s=SAMPLE_STEP_S
    )
    own = deviation * size * synapse * rng.standard_normal((animals, n, n))
    recorded = rng.random((animals, n)) >= missing
    rates = list[xr.DataArray]()
    for of_animal, chosen in zip(own, recorded, strict=True):
        start = 0.5 * rng.standard_normal((trials, n))
        simulated = simulate(
            network._replace(J=network.J + of_animal),
            start,
            np.zeros((trials, SAMPLES_PER_TRIAL, 0)),
            noise_sd=PROCESS_NOISE_SD,
            rng=rng,
        )
        rates.append(
            xr.DataArray(
                simulated[..., chosen],
                dims=("trial", "time", "unit"),
                coords={
                    "time": np.arange(SAMPLES_PER_TRIAL) * SAMPLE_STEP_S,
                    "unit": unit_id[chosen],
                    "region": ("unit", region[chosen]),
                },
            )
        )
    return Animals(network, own, recorded, rates, unit_id, region)
