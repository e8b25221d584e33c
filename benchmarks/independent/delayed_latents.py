"""Groups of units that share latents with random delays, written as the files of other groups are.

Latents are Gaussian processes with a squared exponential kernel, seen in every group with a delay of the group, and
units are linear in the latents plus white noise (the model of Gokcen et al., mDLAG).
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

Array = np.ndarray
LOADS = np.array([[1, 1, 0, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0, 1, 0], [1, 0, 1, 1, 1, 0, 0, 1]])
"""(group, latent) 1 where a group has a latent."""
SIGNAL_TO_NOISE = (0.5, 1.0, 2.0)
SCALES_BINS = (1.5, 6.0)
LONGEST_DELAY_BINS = 2.5
UNITS, TRIALS, BINS, BIN_S = 10, 100, 25, 0.02
INDEPENDENT_SHARE = 1e-3
"""Share of a latent that is independent from bin to bin, which keeps its covariance regular."""


def write_delayed(path: Path, seed: int) -> None:
    """Simulate three groups of units and write a recording file with the groups ``known/loads`` and so on.

    Parameters
    ----------
    path : file to write.
    seed : of delays, time scales, loadings, latents and noise.
    """
    rng = np.random.default_rng(seed)
    groups, latents = len(LOADS), len(LOADS.T)
    scale = rng.uniform(SCALES_BINS[0], SCALES_BINS[1], size=latents)
    delay = rng.uniform(-LONGEST_DELAY_BINS, LONGEST_DELAY_BINS, size=(groups, latents)) * LOADS
    rates = np.zeros((TRIALS, BINS, groups, UNITS))
    for latent in range(latents):
        having = np.flatnonzero(LOADS[:, latent])
        drawn = _latent(rng, delay[having, latent], scale[latent])
        rates[:, :, having] += drawn[..., None] * rng.standard_normal((len(having), UNITS))
    for group, ratio in enumerate(SIGNAL_TO_NOISE):
        noise_sd = np.sqrt(rates[:, :, group].var() / ratio)
        rates[:, :, group] += noise_sd * rng.standard_normal((TRIALS, BINS, UNITS))
    with h5py.File(path, "w") as file:
        file["rates"] = rates.reshape(TRIALS, BINS, -1)
        file["time"] = np.arange(BINS) * BIN_S
        file["region"] = [f"group{group}" for group in range(groups) for _ in range(UNITS)]
        file["unit_id"] = [f"u{unit}" for unit in range(groups * UNITS)]
        file["known/loads"], file["known/delay"], file["known/timescale_bins"] = LOADS, delay, scale


def _latent(rng: np.random.Generator, delay: Array, scale: float) -> Array:
    """(trial, bin, group) one latent as groups with these delays see it."""
    time = (np.arange(BINS)[None] - delay[:, None]).ravel()
    covariance = (1 - INDEPENDENT_SHARE) * np.exp(-((time[:, None] - time) ** 2) / (2 * scale**2))
    covariance += INDEPENDENT_SHARE * np.eye(len(time))
    drawn = rng.standard_normal((TRIALS, len(time))) @ np.linalg.cholesky(covariance).T
    return np.asarray(drawn.reshape(TRIALS, len(delay), BINS).transpose(0, 2, 1))
