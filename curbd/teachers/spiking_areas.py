"""Teachers with two areas of exponential integrate-and-fire units under a slow background that the areas share.

Xin & Kass (GLM-Transformer, 2025) published this hard case: without any synapse between the areas, the slow background
makes the activity of one area predict the activity of the other area. Parameters that the publication does not state
were chosen for this project.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
STEP_S = 0.0005
MEMBRANE_TAU_S = 0.01
REST_MV, THRESHOLD_MV, SHARPNESS_MV, PEAK_MV, RESET_MV = -65.0, -50.0, 2.0, -35.0, -60.0
REFRACTORY_STEPS = 4
DRIVE_MV = 12.0
PRIVATE_MV = 6.0
BACKGROUND_MV = 1.5
BACKGROUND_LENGTH_S = 0.3
BACKGROUND_CORRELATION = 0.4
BUMP_MV = 3.0
BUMP_SD_S = 0.04
BUMP_JITTER_SD_S = 0.03
DELAY_STEPS = 4
CONNECTED_UNITS = 10
"""Number of units of A with synapses to the same number of units of B, each to each."""


class SpikingAreas(NamedTuple):
    """Spike counts of two areas.

    Attributes
    ----------
    activity : (trial, time, unit) spike counts per bin.
    region : (unit,) 0 for area A and 1 for area B.
    bin_s : bin width in seconds.
    coupled : whether there are synapses from A to B.
    """

    activity: Array
    region: Array
    bin_s: float
    coupled: bool


def spiking_areas(
    *, synapse_mv: float = 0.0, units: int = 50, trials: int = 300, bins: int = 50, bin_s: float = 0.01, seed: int = 0
) -> SpikingAreas:
    """Simulate two areas of integrate-and-fire units with a shared slow background and optional synapses from A to B.

    The slow backgrounds of the two areas have a correlation of .4. Each area also receives a bump of input at a
    jittered time.

    Parameters
    ----------
    synapse_mv : jump of the potential of a unit of B at each spike of a connected unit of A, in mV; the first ten units
        of each area are connected, each to each. 0 is no coupling.
    units : number of units per area.
    trials : number of trials.
    bins : number of bins per trial.
    bin_s : bin width in seconds.
    seed : seed for noise, background and bumps.
    """
    rng = np.random.default_rng(seed)
    steps, per_bin = round(bins * bin_s / STEP_S), round(bin_s / STEP_S)
    background = BACKGROUND_MV * _background(rng, steps, trials)
    time_s = np.arange(steps)[:, None, None] * STEP_S
    peak_s = np.array([0.15, 0.2]) + BUMP_JITTER_SD_S * rng.standard_normal((trials, 2))
    drive = DRIVE_MV + background + BUMP_MV * np.exp(-0.5 * ((time_s - peak_s) / BUMP_SD_S) ** 2)
    weights = np.zeros((units, units))
    weights[:CONNECTED_UNITS, :CONNECTED_UNITS] = synapse_mv
    warm = round(0.1 / STEP_S)
    V = np.full((2, trials, units), REST_MV) + 10 * rng.random((2, trials, units))
    waiting = np.zeros((2, trials, units), int)
    late = np.zeros((DELAY_STEPS, trials, units))
    scale = PRIVATE_MV * np.sqrt(2 * STEP_S / MEMBRANE_TAU_S)
    counts = np.zeros((bins, 2, trials, units))
    for step in range(-warm, steps):
        now = drive[max(step, 0)].T[:, :, None]
        push = REST_MV - V + SHARPNESS_MV * np.exp(np.minimum((V - THRESHOLD_MV) / SHARPNESS_MV, 6.0)) + now
        V += STEP_S / MEMBRANE_TAU_S * push + scale * rng.standard_normal(V.shape)
        if synapse_mv:
            V[1] += late[step % DELAY_STEPS] @ weights.T
        V[waiting > 0] = RESET_MV
        waiting = np.maximum(waiting - 1, 0)
        fired = V > PEAK_MV
        V[fired] = RESET_MV
        waiting[fired] = REFRACTORY_STEPS
        late[step % DELAY_STEPS] = fired[0]
        if step >= 0:
            counts[step // per_bin] += fired
    activity = counts.transpose(2, 0, 1, 3).reshape(trials, bins, 2 * units)
    return SpikingAreas(activity=activity, region=np.repeat([0, 1], units), bin_s=bin_s, coupled=synapse_mv != 0)


def _background(rng: np.random.Generator, steps: int, trials: int) -> Array:
    """Simulate (step, trial, area) backgrounds: smooth Gaussian processes, correlated between areas."""
    coarse = round(0.01 / STEP_S)
    grid = np.arange(-(-steps // coarse) + 1) * 0.01
    kernel = np.exp(-0.5 * ((grid[:, None] - grid) / BACKGROUND_LENGTH_S) ** 2) + 1e-6 * np.eye(len(grid))
    smooth = np.einsum("ij,jna->ina", np.linalg.cholesky(kernel), rng.standard_normal((len(grid), trials, 2)))
    both = np.linalg.cholesky(np.array([[1.0, BACKGROUND_CORRELATION], [BACKGROUND_CORRELATION, 1.0]]))
    correlated = smooth @ both.T
    share = (np.arange(steps) % coarse / coarse)[:, None, None]
    low = np.arange(steps) // coarse
    return (1 - share) * correlated[low] + share * correlated[low + 1]
