"""What is recorded of a unit: spikes with refractoriness, or the fluorescence of a calcium indicator."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
RECOVERED = 1e-3
"""Share of the effect of a spike on the rate of its unit below which the rate has recovered."""


def recovery(refractory_s: float, bin_s: float) -> Array:
    """Compute by how much a spike changes the log rate of its own unit in later bins.

    Parameters
    ----------
    refractory_s : time constant in seconds with which the rate recovers; 0 for units without refractoriness.
    bin_s : bin width in seconds.

    Returns
    -------
    (lag,) change of the log rate 1, 2, ... bins after the spike, until the rate has recovered.
    """
    if not refractory_s:
        return np.zeros(0)
    lags = int(np.ceil(-np.log(RECOVERED) * refractory_s / bin_s))
    return np.log1p(-np.exp(-np.arange(1, lags + 1) * bin_s / refractory_s))


def spikes(rng: np.random.Generator, expected: Array, kernel: Array) -> Array:
    """Draw spike counts whose log rate changes after every spike of the unit.

    Parameters
    ----------
    rng : random numbers.
    expected : (trial, time, unit) expected counts per bin without any spike before.
    kernel : (lag,) change of the log rate 1, 2, ... bins after a spike; empty for Poisson counts.

    Returns
    -------
    (trial, time, unit) counts.
    """
    if not len(kernel):
        return rng.poisson(expected).astype(float)
    counts = np.zeros_like(expected)
    for k in range(expected.shape[1]):
        past = counts[:, max(k - len(kernel), 0) : k][:, ::-1]
        change = np.einsum("ntu,t->nu", past, kernel[: past.shape[1]])
        counts[:, k] = rng.poisson(expected[:, k] * np.exp(change))
    return counts


def fluorescence(rng: np.random.Generator, counts: Array, bin_s: float, indicator_s: float, frame_bins: int) -> Array:
    """Compute the trace of a decaying indicator at the end of every frame; a spike raises the trace by 1.

    Parameters
    ----------
    rng : random numbers, for the trace before the first bin.
    counts : (trial, time, unit) spike counts per bin.
    bin_s : bin width in seconds.
    indicator_s : decay time in seconds.
    frame_bins : number of bins in a frame.

    Returns
    -------
    (trial, frame, unit) trace without noise.
    """
    keep = np.exp(-bin_s / indicator_s)
    mean = counts.mean((0, 1))
    before = rng.standard_normal(counts[:, :1].shape) * np.sqrt(mean / (1 - keep**2)) + mean / (1 - keep)
    trace = counts.astype(float)
    trace[:, 0] += keep * before[:, 0]
    for index in range(1, trace.shape[1]):
        trace[:, index] += keep * trace[:, index - 1]
    return trace[:, frame_bins - 1 :: frame_bins]
