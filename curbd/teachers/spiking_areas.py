"""Two areas of exponential integrate-and-fire units under a slow background that they share.

The hard case of Xin & Kass (GLM-Transformer, 2025): without a single synapse between the areas, their slow background
makes one area's activity predict the other's. Everything after the first paragraph of their simulation that is not
published is this project's own choice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
STEP_S = 0.0005
TAU_S = 0.01
REST_MV, THRESHOLD_MV, SHARPNESS_MV, PEAK_MV, RESET_MV = -65.0, -50.0, 2.0, -35.0, -60.0
REFRACTORY_STEPS = 4
DRIVE_MV = 12.0
PRIVATE_MV = 6.0
BACKGROUND_MV = 1.5
BACKGROUND_S = 0.3
BACKGROUND_CORRELATION = 0.4
BUMP_MV = 3.0
BUMP_S = 0.04
JITTER_S = 0.03
DELAY_STEPS = 4
SENDERS = 10
"""Units of A that send to as many of B, each to each."""


class SpikingAreas(NamedTuple):
    """activity (trial, time, unit) counts, region (unit,) 0 for A and 1 for B, bin_s, coupled A to B or not."""

    activity: Array
    region: Array
    bin_s: float
    coupled: bool


def spiking_areas(
    *, synapse_mv: float = 0.0, units: int = 50, trials: int = 300, bins: int = 50, bin_s: float = 0.01, seed: int = 0
) -> SpikingAreas:
    """Two areas of integrate-and-fire units, a background correlated .4, bumps of jittered time, synapses A to B.

    Parameters
    ----------
    synapse_mv : jump of a unit of B at a spike of a unit of A; the first ten of each area take part. 0 is no coupling.
    units : units an area.
    """
    rng = np.random.default_rng(seed)
    steps, per_bin = round(bins * bin_s / STEP_S), round(bin_s / STEP_S)
    background = BACKGROUND_MV * _background(rng, steps, trials)
    time_s = np.arange(steps)[:, None, None] * STEP_S
    peak_s = np.array([0.15, 0.2]) + JITTER_S * rng.standard_normal((trials, 2))
    drive = DRIVE_MV + background + BUMP_MV * np.exp(-0.5 * ((time_s - peak_s) / BUMP_S) ** 2)
    weights = np.zeros((units, units))
    weights[:SENDERS, :SENDERS] = synapse_mv
    warm = round(0.1 / STEP_S)
    V = np.full((2, trials, units), REST_MV) + 10 * rng.random((2, trials, units))
    waiting = np.zeros((2, trials, units), int)
    late = np.zeros((DELAY_STEPS, trials, units))
    scale = PRIVATE_MV * np.sqrt(2 * STEP_S / TAU_S)
    counts = np.zeros((bins, 2, trials, units))
    for step in range(-warm, steps):
        now = drive[max(step, 0)].T[:, :, None]
        push = REST_MV - V + SHARPNESS_MV * np.exp(np.minimum((V - THRESHOLD_MV) / SHARPNESS_MV, 6.0)) + now
        V += STEP_S / TAU_S * push + scale * rng.standard_normal(V.shape)
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
    """(step, trial, area) smooth Gaussian processes of unit variance, correlated between areas."""
    coarse = round(0.01 / STEP_S)
    grid = np.arange(-(-steps // coarse) + 1) * 0.01
    kernel = np.exp(-0.5 * ((grid[:, None] - grid) / BACKGROUND_S) ** 2) + 1e-6 * np.eye(len(grid))
    smooth = np.einsum("ij,jna->ina", np.linalg.cholesky(kernel), rng.standard_normal((len(grid), trials, 2)))
    both = np.linalg.cholesky(np.array([[1.0, BACKGROUND_CORRELATION], [BACKGROUND_CORRELATION, 1.0]]))
    correlated = smooth @ both.T
    share = (np.arange(steps) % coarse / coarse)[:, None, None]
    low = np.arange(steps) // coarse
    return (1 - share) * correlated[low] + share * correlated[low + 1]
