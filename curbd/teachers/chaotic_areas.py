"""Teacher with areas of chaotic units, whose activity has many more dimensions than a few latents can follow.

Size, gain, density, time constant, steps, recorded units and trials are those of the simulation that NeuroPaint is
tested on (five areas of 200 units). The weights between areas and the rates are chosen for this project. There is no
noise but that of the spikes.
"""

from __future__ import annotations

import numpy as np

from curbd.teachers.populations import PopulationTeacher

Array = np.ndarray
CHAOTIC_BIN_S = 0.01
CHAOTIC_TAU_S = 0.025
CHAOTIC_GAIN = 3.0
"""Standard deviation of the summed weights within an area; activity is chaotic beyond 1."""
DENSITY_BETWEEN = 0.1
MIN_RECORDED, MAX_RECORDED = 20, 59
CHAOTIC_BURN_IN_BINS = 100
MEDIAN_RATE_HZ = 8.0
MAX_RATE_HZ = 100.0


def chaotic_areas(
    *, regions: int = 5, units: int = 200, trials: int = 200, bins: int = 400, seed: int = 0
) -> PopulationTeacher:
    """Simulate areas of chaotic tanh units, of which the spikes of 20 to 59 units per area are recorded.

    The state x follows x' = (-x + J tanh(x)) / tau in Euler steps of one bin, from a random state in every trial.
    Weights within an area are N(0, 9 / units). A tenth of the weights between areas is not 0, and these have the same
    variance. Counts are Poisson with the rate 8 exp(.5 N(0, 1) + g x) Hz, where g has a uniform distribution between .4
    and .9 divided by the standard deviation of x over all units, and the rate is at most 100 Hz.

    Parameters
    ----------
    regions : number of areas.
    units : number of units per area, at least 59.
    trials : number of trials.
    bins : number of bins of .01 s per trial.
    seed : seed for weights, states and spikes.

    Returns
    -------
    The recorded spikes and the true currents. There are no inputs and one condition, and every pathway exists.
    """
    rng = np.random.default_rng(seed)
    area, total = np.repeat(np.arange(regions), units), regions * units
    J = CHAOTIC_GAIN * rng.standard_normal((total, total)) / np.sqrt(units)
    J[(area[:, None] != area) & (rng.random(J.shape) >= DENSITY_BETWEEN)] = 0
    counts = rng.integers(MIN_RECORDED, MAX_RECORDED + 1, regions)
    recorded = [np.sort(rng.choice(units, count, replace=False)) + units * s for s, count in enumerate(counts)]
    sample, J = np.concatenate(recorded), J.astype(np.float32)
    sent = [J[sample][:, area == region].T.copy() for region in range(regions)]
    x = rng.standard_normal((trials, total)).astype(np.float32)
    states = np.empty((trials, bins, len(sample)))
    current = np.empty((regions, trials, bins, len(sample)))
    for k in range(-CHAOTIC_BURN_IN_BINS, bins):
        rates = np.tanh(x)
        if k >= 0:
            states[:, k] = x[:, sample]
            for region in range(regions):
                current[region, :, k] = rates[:, area == region] @ sent[region]
        x += np.float32(CHAOTIC_BIN_S / CHAOTIC_TAU_S) * (rates @ J.T - x)
    gain = rng.uniform(0.4, 0.9, len(sample)) / states.std()
    base_hz = MEDIAN_RATE_HZ * np.exp(0.5 * rng.standard_normal(len(sample)))
    rate_hz = np.minimum(base_hz * np.exp(gain * states), MAX_RATE_HZ)
    return PopulationTeacher(
        activity=rng.poisson(rate_hz * CHAOTIC_BIN_S).astype(float),
        inputs=np.zeros((trials, bins, 0)),
        condition=np.zeros(trials, int),
        region=area[sample],
        bin_s=CHAOTIC_BIN_S,
        tau_s=CHAOTIC_TAU_S,
        gain=gain,
        present=np.ones((regions, regions), bool),
        current=current,
        silencing=np.zeros((0, trials, bins, len(sample))),
    )
