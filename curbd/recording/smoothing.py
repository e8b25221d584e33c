"""Smoothing of rates over bins with a Gaussian."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve1d

from curbd.errors import UserError
from curbd.recording.binning import ROUNDING_BINS

GAUSSIAN_REACH_SD = 4.0
"""The Gaussian is cut off at this number of standard deviations on either side."""


def margin_bins(smoothing_s: float, dt_s: float) -> int:
    """Return the number of bins that the smoothing Gaussian extends on either side of its centre."""
    return int(np.ceil(GAUSSIAN_REACH_SD * smoothing_s / dt_s - ROUNDING_BINS)) if smoothing_s > 0 else 0


def require_short_smoothing(smoothing_s: float, longest_s: float, where: str) -> None:
    """Stop before activity is smoothed so long that every trial becomes a constant.

    Parameters
    ----------
    smoothing_s : standard deviation of the Gaussian in seconds.
    longest_s : length of the longest trial or block in seconds.
    where : the recording, for messages.

    Raises
    ------
    UserError : the smoothing is longer than all trials.
    """
    if smoothing_s > longest_s:
        raise UserError.at(
            f"{where}: smoothing_s",
            found=f"{smoothing_s:g} s",
            expected=f"less than the {longest_s:.4g} s of the longest trial or block",
            todo="smoothing_s is the standard deviation of a Gaussian in seconds, such as 0.1",
        )


def smoothed(values: np.ndarray, smoothing_s: float, dt_s: float, causal: bool = False) -> np.ndarray:
    """Smooth rates over time with a Gaussian, ignoring missing bins.

    The smoothed rate is ``sum_k w_k y_(t-k) / sum_k w_k``, with rates y, Gaussian weights w and sums over the observed
    bins (normalised convolution). The denominator keeps the level of the rates at the ends of a trial and next to
    missing bins. A missing bin stays missing.

    Parameters
    ----------
    values : (trial, time, unit) rates, NaN where missing.
    smoothing_s : standard deviation of the Gaussian in seconds; 0 returns the values unchanged.
    dt_s : bin width in seconds.
    causal : True uses only the present and the past bins (half a Gaussian).

    Returns
    -------
    (trial, time, unit) smoothed rates, NaN where missing.
    """
    reach = margin_bins(smoothing_s, dt_s)
    if reach == 0:
        return values
    lags = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (lags * dt_s / smoothing_s) ** 2)
    if causal:
        weights[lags < 0] = 0.0
    present = np.isfinite(values)
    total = convolve1d(np.where(present, values, 0.0), weights, axis=1, mode="constant")
    weight = convolve1d(present.astype(float), weights, axis=1, mode="constant")
    return np.where(present, total / np.where(present, weight, 1.0), np.nan)
